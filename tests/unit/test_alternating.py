"""Tests that could use either database use one in each run, and tests of the record both."""

from __future__ import annotations

from tests.support.alternating import Case, for_long_runs
from tests.support.databases import KINDS


def both(name: str) -> list[Case]:
    """A test on each database."""
    return [Case(f"{name}[{kind}]", kind, name) for kind in KINDS]


def test_each_is_tried_on_one_database_and_half_of_them_on_either() -> None:
    pairs = [both(f"tests/unit/controller/test_life.py::test_{number}") for number in range(200)]
    left = for_long_runs([case for pair in pairs for case in pair])
    assert all(len({case.name for case in pair} & left) == 1 for pair in pairs)
    assert 70 < sum("[sqlite]" in name for name in left) < 130


def test_the_record_and_the_log_are_tried_on_both() -> None:
    assert (
        for_long_runs(both("tests/unit/store/test_grants.py::test_a") + both("tests/unit/audit/test_spool.py::b"))
        == set()
    )


def test_a_test_of_one_database_is_always_tried() -> None:
    for case in both("tests/unit/controller/test_notes.py::test_a"):
        assert for_long_runs([case]) == set()


def test_a_file_that_shares_a_database_stays_with_it() -> None:
    cases = [
        Case(f"tests/unit/a.py::test_{number}[{kind}]", kind, "tests/unit/a.py")
        for number in range(9)
        for kind in KINDS
    ]
    left = for_long_runs(cases)
    assert len(left) == 9
    assert len({name.rpartition("[")[2] for name in left}) == 1
