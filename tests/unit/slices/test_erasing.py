"""People leave kept plans and kept lists, and what was signed of them still holds."""

from __future__ import annotations

import errno
import os
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.unit.slices.conftest import Bench, make_spec
from tests.unit.slices.test_power_cuts import CUT, cut
from tre.domain.errors import Reason, TREError
from tre.domain.slices.plan import SlicePlan
from tre.domain.slices.spec import PatientList
from tre.slices import erasing
from tre.slices.build import BuildOrder, build
from tre.slices.cohorts import Cohort, kept_list, list_digest, settled
from tre.slices.contents import FILES, ROWS, check_contents, check_plan_covers, plan_and_keep
from tre.slices.documents import Description
from tre.slices.erasing import erase_from_lists, erase_from_plans
from tre.slices.files import NOBODY_ELSE
from tre.slices.redacted import REDACTED
from tre.slices.verify import verify

TABLES = {"clinical": {"columns": ["pseudonym", "age"]}}
DENIED = frozenset({"Covid1"})


@pytest.fixture
def signed(filled: Bench) -> SlicePlan:
    return filled.keep(tables=TABLES, headers="sidecar")


def kept_text(bench: Bench) -> str:
    """Everything that stands in kept plans and lists, tables read out and raw."""
    found = []
    for path in [*bench.dataset.plans.rglob("*"), *bench.dataset.lists.rglob("*")]:
        if path.is_file():
            found.append(path.read_bytes().decode("latin-1"))
            if path.suffix == ".parquet":
                found.append(str(pq.read_table(path).to_pydict()))
    return "\n".join(found)


def later(bench: Bench, denied: frozenset[str] = DENIED) -> SlicePlan:
    return bench.keep(denied, len(denied), tables=TABLES, headers="sidecar")


def test_no_kept_plan_names_who_was_erased_and_the_signature_still_covers(filled: Bench, signed: SlicePlan) -> None:
    assert "Covid1" in kept_text(filled)
    assert erase_from_plans(filled.dataset, DENIED, NOBODY_ELSE) == 1
    left = kept_text(filled)
    assert "Covid1" not in left
    assert "1.1.1" not in left, "nor a series of theirs"
    assert "Covid2" in left
    check_plan_covers(signed, later(filled), filled.dataset, DENIED)
    assert erase_from_plans(filled.dataset, DENIED, NOBODY_ELSE) == 0


def test_one_after_the_other_leaves_what_all_at_once_leaves(filled: Bench, signed: SlicePlan) -> None:
    for name in ("Covid2", "Covid3", "Covid1"):
        assert erase_from_plans(filled.dataset, {name}, NOBODY_ELSE) == 1
    check_contents(filled.dataset.plan(signed.plan_digest), signed.identity, whole=False)
    everybody = frozenset({"Covid1", "Covid2", "Covid3"})
    check_plan_covers(signed, later(filled, everybody), filled.dataset, everybody)


def test_whoever_is_erased_without_having_opted_out_is_missed(filled: Bench, signed: SlicePlan) -> None:
    erase_from_plans(filled.dataset, {"Covid2"}, NOBODY_ELSE)
    with pytest.raises(TREError) as caught:
        check_plan_covers(signed, later(filled, frozenset({"Covid2"})), filled.dataset, DENIED)
    assert caught.value.reason is Reason.PlanNotCovered
    with pytest.raises(TREError) as caught:
        check_plan_covers(signed, later(filled), filled.dataset, DENIED)  # it holds Covid2: files were added
    assert "files were added" in caught.value.why


def test_nothing_is_built_of_a_content_that_is_not_whole(filled: Bench, signed: SlicePlan) -> None:
    recorded = filled.build(tables=TABLES, headers="sidecar")
    erase_from_plans(filled.dataset, DENIED, NOBODY_ELSE)
    with pytest.raises(TREError) as caught:
        verify(recorded, filled.slices, filled.dataset)
    assert caught.value.reason is Reason.ContentChanged
    about = Description("s-bbbbbbbbbbbb", signed, 1, datetime(2026, 11, 1, tzinfo=UTC))
    with pytest.raises(TREError) as caught:
        build(BuildOrder(filled.slices, filled.dataset, NOBODY_ELSE, about))
    assert caught.value.reason is Reason.ContentChanged


@pytest.mark.parametrize("spoilt", ["place", "leaf", "another", "gone"])
def test_what_was_tampered_with_does_not_hold(filled: Bench, signed: SlicePlan, spoilt: str) -> None:
    erase_from_plans(filled.dataset, DENIED, NOBODY_ELSE)
    here = filled.dataset.plan(signed.plan_digest)
    rows = pq.read_table(here / REDACTED).to_pylist()
    if spoilt == "place":
        rows[0]["place"] = 99
    elif spoilt == "leaf":
        rows[0]["leaf"] = bytes(32)
    elif spoilt == "another":
        rows[0]["part"] = "others"
    schema = pq.read_schema(here / REDACTED)
    (here / REDACTED).unlink()
    if spoilt != "gone":
        pq.write_table(pa.Table.from_pylist(rows, schema=schema), here / REDACTED)
    with pytest.raises(TREError) as caught:
        check_contents(here, signed.identity, whole=False)
    assert caught.value.reason is Reason.ContentChanged


@pytest.mark.parametrize("moment", ["before", "after"])
def test_an_erasure_that_was_cut_is_done_by_the_next(
    filled: Bench, signed: SlicePlan, moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cut around the one step in which the content changes; what was staged holds the person, before and after."""
    real = erasing.exchange

    def exchange(one: Path, other: Path) -> None:
        if moment == "after":
            real(one, other)
        os._exit(CUT)

    def work() -> None:
        monkeypatch.setattr(erasing, "exchange", exchange)
        erase_from_plans(filled.dataset, DENIED, NOBODY_ELSE)

    cut(work)
    assert filled.dataset.plan_staging.is_dir(), "the cut hit"
    assert erase_from_plans(filled.dataset, DENIED, NOBODY_ELSE) == (moment == "before")
    assert not filled.dataset.plan_staging.exists()
    assert "Covid1" not in kept_text(filled)
    check_plan_covers(signed, later(filled), filled.dataset, DENIED)


@pytest.mark.parametrize("name", [FILES, ROWS])
@pytest.mark.parametrize("data", [b"", b"PAR1 Covid1 PAR1", None])
def test_a_content_that_nobody_can_read_goes_whole(
    filled: Bench, signed: SlicePlan, name: str, data: bytes | None
) -> None:
    """It may hold anything, and nothing can be compared with it."""
    path = filled.dataset.plan(signed.plan_digest) / name
    path.unlink()
    if data is not None:
        path.write_bytes(data)
    assert erase_from_plans(filled.dataset, DENIED, NOBODY_ELSE) == 1
    assert "Covid1" not in kept_text(filled)
    assert not path.parent.exists()


def test_a_disk_that_does_not_answer_costs_no_content(
    filled: Bench, signed: SlicePlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(erasing, "exchange", broken)
    with pytest.raises(OSError, match="Input/output"):
        erase_from_plans(filled.dataset, DENIED, NOBODY_ELSE)
    check_contents(filled.dataset.plan(signed.plan_digest), signed.identity)


def test_a_list_names_nobody_who_was_erased_and_draws_the_same_people(filled: Bench, tmp_path: Path) -> None:
    (tmp_path / "c.csv").write_text("pseudonym\nCovid1\nCovid2\nCovid3\nCovid77\n")
    asked = make_spec(patients={"list": {"file": "c.csv"}, "sample": {"seed": "s", "n": 2}})
    spec = settled(asked, tmp_path, filled.dataset, NOBODY_ELSE)
    assert spec.patients is not None
    wanted = spec.patients.list
    assert wanted is not None

    def drawn(denied: frozenset[str]) -> SlicePlan:
        cohort = Cohort(b"k" * 32, kept_list(wanted, filled.dataset, denied))
        return plan_and_keep(
            replace(filled.order(denied, len(denied)), spec=spec, cohort=cohort), filled.dataset, NOBODY_ELSE
        )

    first = drawn(frozenset())
    chosen = pq.read_table(filled.dataset.plan(first.plan_digest) / ROWS).column("pseudonym").to_pylist()
    gone = frozenset({chosen[0], "Covid77"})
    assert erase_from_lists(filled.dataset, gone, NOBODY_ELSE) == 1
    assert erase_from_plans(filled.dataset, gone, NOBODY_ELSE) == 1
    assert erase_from_lists(filled.dataset, gone, NOBODY_ELSE) == 0
    text = filled.dataset.patient_list(wanted.digest or "").read_text()
    assert not [name for name in gone if name in text]
    after = drawn(gone)
    assert after.counts.patients == 1, "nobody moves up"
    assert after.patient_list == first.patient_list
    check_plan_covers(first, after, filled.dataset, gone)
    with pytest.raises(TREError) as caught:  # a mark of nobody who opted out
        kept_list(wanted, filled.dataset, frozenset({"Covid77"}))
    assert caught.value.reason is Reason.ContentChanged
    settled(asked, tmp_path, filled.dataset, NOBODY_ELSE, gone)
    assert filled.dataset.patient_list(wanted.digest or "").read_text() == text


def test_a_new_list_does_not_bring_back_who_was_erased(filled: Bench, tmp_path: Path) -> None:
    (tmp_path / "c.csv").write_text("pseudonym\nCovid1\nCovid2\n")
    asked = make_spec(patients={"list": {"file": "c.csv"}})
    settled(asked, tmp_path, filled.dataset, NOBODY_ELSE, DENIED)
    (path,) = filled.dataset.lists.iterdir()
    assert "Covid1" not in path.read_text()
    people = frozenset({"Covid1", "Covid2"})
    assert kept_list(PatientList(digest=list_digest(people)), filled.dataset, DENIED) == people
