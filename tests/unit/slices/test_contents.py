"""Kept contents: checked against their digest, compared for cover."""

from __future__ import annotations

import duckdb
import pytest

from tests.unit.slices.conftest import Bench
from tre.domain.errors import Reason, TREError
from tre.domain.slices.cover import PlanContents, difference_of
from tre.domain.slices.plan import SlicePlan
from tre.slices.contents import FILES, ROWS, check_contents, check_plan_covers, difference

TABLE = {"clinical": {"columns": ["pseudonym", "sex"]}}


def content_of(bench: Bench, planned: SlicePlan) -> PlanContents:
    path = bench.dataset.plan(planned.plan_digest)
    files = duckdb.sql(f"SELECT sha256, path, pseudonym FROM '{path / FILES}'").fetchall()
    rows = duckdb.sql(f"SELECT pseudonym FROM '{path / ROWS}'").fetchall()
    return PlanContents(frozenset((s.hex(), p, n) for s, p, n in files), frozenset(n for (n,) in rows))


def compared(bench: Bench, signed: SlicePlan, later: SlicePlan, denied: set[str]) -> object:
    """Both definitions of the difference; they must agree."""
    places = bench.dataset
    found = difference(places.plan(signed.plan_digest), places.plan(later.plan_digest), denied)
    assert found == difference_of(content_of(bench, signed), content_of(bench, later), denied)
    return found


def test_an_opt_out_is_covered_by_the_older_signature(filled: Bench) -> None:
    signed = filled.keep(tables=TABLE, headers="sidecar")
    later = filled.keep(frozenset({"Covid1"}), 1, tables=TABLE, headers="sidecar")
    compared(filled, signed, later, {"Covid1"})
    check_plan_covers(signed, later, filled.dataset, {"Covid1"})
    check_plan_covers(signed, signed, filled.dataset, set())


def test_without_the_opt_out_on_record_the_same_difference_is_not_covered(filled: Bench) -> None:
    signed = filled.keep(tables=TABLE)
    later = filled.keep(frozenset({"Covid1"}), 1, tables=TABLE)
    compared(filled, signed, later, set())
    with pytest.raises(TREError) as caught:
        check_plan_covers(signed, later, filled.dataset, set())
    assert caught.value.reason is Reason.PlanNotCovered
    assert "files are gone" in caught.value.why
    assert "rows are gone" in caught.value.why


def test_a_grown_plan_is_not_covered(filled: Bench) -> None:
    signed = filled.keep(frozenset({"Covid1"}), 1)
    later = filled.keep(frozenset(), 1)
    compared(filled, signed, later, set())
    with pytest.raises(TREError) as caught:
        check_plan_covers(signed, later, filled.dataset, set())
    assert "files were added" in caught.value.why


def test_another_specification_with_the_same_files_is_not_covered(filled: Bench) -> None:
    signed = filled.keep()
    later = filled.keep(layout="flat")
    compared(filled, signed, later, set())
    with pytest.raises(TREError) as caught:
        check_plan_covers(signed, later, filled.dataset, set())
    assert "spec is another" in caught.value.why
    assert "layout is another" in caught.value.why.lower()


@pytest.mark.parametrize("name", [FILES, ROWS])
def test_a_kept_content_that_was_changed_is_found(filled: Bench, name: str) -> None:
    planned = filled.keep(tables=TABLE)
    path = filled.dataset.plan(planned.plan_digest)
    check_contents(path, planned.identity)
    duckdb.sql(f"COPY (SELECT * FROM '{path / name}' OFFSET 1) TO '{path / 'x'}' (FORMAT parquet)")
    (path / "x").replace(path / name)
    with pytest.raises(TREError) as caught:
        check_contents(path, planned.identity)
    assert caught.value.reason is Reason.ContentChanged


def test_a_kept_content_that_is_gone_is_said(filled: Bench) -> None:
    planned = filled.keep()
    (filled.dataset.plan(planned.plan_digest) / FILES).unlink()
    with pytest.raises(TREError) as caught:
        check_contents(filled.dataset.plan(planned.plan_digest), planned.identity)
    assert caught.value.reason is Reason.ContentChanged


def test_planning_twice_keeps_one_content(filled: Bench) -> None:
    planned = filled.keep()
    path = filled.dataset.plan(planned.plan_digest) / FILES
    before = path.stat().st_ino
    assert filled.keep() == planned
    assert path.stat().st_ino == before
