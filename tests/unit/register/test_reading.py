"""Lines read from the record, on both databases."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pytest

from tests.support.databases import Backend
from tests.support.factories import NOON, spec_plain
from tests.unit.store.conftest import an_event
from tre.domain.datasets import Dataset
from tre.domain.grants.models import AccessGrantSpec
from tre.domain.grants.states import GrantPhase
from tre.register import reading
from tre.store import datasets, grants


def test_every_project_that_was_ever_in_force_has_its_line(
    backend: Backend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = backend.make(tmp_path / "tre.sqlite")
    monkeypatch.setattr(reading, "PART", 2)
    spec = AccessGrantSpec.model_validate(spec_plain())
    later = NOON + timedelta(days=3)
    with database.change(an_event()) as change:
        datasets.register(change, Dataset(name="nccid", title="Chests, all", data_group=60100, created_at=NOON))
        for name in ("c", "a", "b", "waits"):
            grants.apply(change, name, spec, "signed", NOON)
        for name in ("c", "a", "b"):
            grants.set_phase(change, name, GrantPhase.Active, NOON)
        grants.revoke(change, "b", "misuse", later)
    with database.read() as connection:
        found = list(reading.entries(connection))
    assert [one.project_id_text for one in found] == ["a", "b", "c"]
    assert [one.project_end_date for one in found] == [date(2027, 10, 31), later.date(), date(2027, 10, 31)]
    assert found[0].dataset_titles == ("Chests; all",)
    assert found[0].access_date == NOON.date()
    assert "misuse" not in str(found)


def test_a_dataset_that_is_not_known_keeps_its_name(backend: Backend, tmp_path: Path) -> None:
    database = backend.make(tmp_path / "tre.sqlite")
    with database.change(an_event()) as change:
        grants.apply(change, "a", AccessGrantSpec.model_validate(spec_plain()), "signed", NOON)
        grants.set_phase(change, "a", GrantPhase.Active, NOON)
    with database.read() as connection:
        [found] = reading.entries(connection)
    assert found.dataset_titles == ("nccid",)
