"""Adding deliveries, with the record kept in step."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.unit.storekeeper.conftest import House
from tre.domain.canonical import canonical_bytes
from tre.domain.errors import Reason, TREError
from tre.slices.files import NOBODY_ELSE, locked
from tre.store import datasets as store


def test_a_new_dataset_is_registered_and_its_release_published(house: House) -> None:
    added = house.add(title="A demonstration")
    with house.office.database.read() as connection:
        dataset = store.require(connection, "demo")
        release = store.require_release(connection, "demo", "r1")
    assert (dataset.title, dataset.data_group) == ("A demonstration", house.office.settings.data_groups.first)
    assert release == added.release
    assert release.counts.instances == 3
    assert house.kinds() == ["dataset.registered", "release.published"]
    canonical_bytes(added.as_plain())


def test_adding_again_changes_nothing(house: House) -> None:
    first = house.add()
    assert house.add().release == first.release
    assert house.kinds() == ["dataset.registered", "release.published"]


def test_a_second_release_of_other_content(house: House) -> None:
    first = house.add()
    house.maker.image("Covid1", "1.1", "1.1.2")
    with pytest.raises(TREError) as caught:
        house.add()
    assert caught.value.reason is Reason.AlreadyExists
    second = house.add("r2")
    assert second.release.index_digest != first.release.index_digest


def test_without_a_name_the_release_is_called_by_the_day(house: House) -> None:
    assert house.add("").release.name == "2026-11-01"


def test_people_who_opted_out_stay_out_of_later_deliveries(house: House) -> None:
    house.add()
    house.withdraw("Covid2")
    added = house.add("r2")
    assert added.taken.refused == {"withdrawn": 2, "sidecar": 1}
    assert added.release.counts.patients == 2


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"dataset": "../x"}, Reason.BadInput),
        ({"dataset": "NCCID"}, Reason.BadInput),
        ({"release": "../x"}, Reason.BadInput),
        ({"path": Path("/nowhere")}, Reason.BadInput),
    ],
)
def test_names_and_paths_that_cannot_be(house: House, changes: dict[str, object], reason: Reason) -> None:
    with pytest.raises(TREError) as caught:
        house.add(**changes)
    assert caught.value.reason is reason
    assert house.kinds() == []


def test_two_additions_at_once_are_one_after_the_other(house: House) -> None:
    house.add()
    with locked(house.office.dataset("demo").lock, NOBODY_ELSE), pytest.raises(TREError) as caught:
        house.add("r2")
    assert caught.value.reason is Reason.Conflict
    house.add("r2")


def test_a_release_that_the_record_missed_is_repaired(house: House) -> None:
    """A crash between publishing the index and recording it: the index is there, the row is not."""
    house.add()
    house.maker.image("Covid1", "1.1", "1.1.2")
    target = house.office.dataset("demo").release("r2")
    target.mkdir()
    (target / "instances.parquet").write_bytes(b"half")
    added = house.add("r2")
    assert added.release.counts.instances == 4
    assert (target / "instances.parquet").stat().st_size > 1000


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_files_belong_to_the_storekeeper_and_the_datasets_group(house: House) -> None:
    house.add()
    keeper, group = house.office.settings.services.storekeeper, house.office.settings.data_groups.first
    for path in house.office.dataset("demo").root.rglob("*"):
        found = path.stat()
        assert found.st_uid == keeper, path
        if path.suffix == ".dcm":
            assert found.st_gid == group
