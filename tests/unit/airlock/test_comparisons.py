"""Every disclosing set of files by name, and every honest one."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.assets.airlock.comparisons import DISCLOSING, EARLIER, HONEST, SIBLING
from tests.unit.airlock.extracted import compared
from tre.airlock.across import COMPARISONS, Member, compare_all
from tre.airlock.confine import ChildObservation
from tre.airlock.extract import Extract
from tre.airlock.parsed import Rules, Surroundings, Table


@pytest.mark.parametrize("name", DISCLOSING)
def test_what_discloses_is_found_at_its_cell(name: str) -> None:
    due = DISCLOSING[name]
    found = [(path, item) for path, item in compared(due.files) if item.check == due.check]
    placed = [item for path, item in found if path == due.file and (item.place.row, item.place.column) == due.cell]
    assert placed, found
    assert due.says in placed[0].message
    assert placed[0].suggestion
    assert all(len(item.message) <= 500 and len(item.suggestion) <= 500 for _, item in found)


@pytest.mark.parametrize("name", HONEST)
def test_what_discloses_nothing_is_left_alone(name: str) -> None:
    assert [item for _, item in compared(HONEST[name]) if item.check in {"S03", "S04"}] == []


def test_each_comparison_exists_and_takes_nothing() -> None:
    for comparison in COMPARISONS:
        assert list(comparison.load()([], Surroundings())) == []


@pytest.mark.parametrize("kind", ["supporting", "code"])
def test_what_only_checkers_see_discloses_nothing(kind: str) -> None:
    for due in DISCLOSING.values():
        assert [item for _, item in compared(due.files, kind=kind) if item.check in {"S03", "S04"}] == []


def test_another_project_s_numbers_are_not_told() -> None:
    """Beyond the difference: neither a number of theirs, nor the equation that it stands in."""
    for due in DISCLOSING.values():
        ours = {name: text for name, text in due.files.items() if not name.startswith(EARLIER)}
        theirs = {name.replace(EARLIER, SIBLING): text for name, text in due.files.items() if name.startswith(EARLIER)}
        for _, item in compared(ours | theirs):
            if item.case == "sibling":
                assert " − " not in item.message
                assert " leaves " not in item.message


WORDS = st.sampled_from(
    [
        "",
        "n",
        "All",
        "Total",
        "Subtotal",
        "F",
        "M",
        "age",
        "18-39",
        "%",
        "n (%)",
        "yes",
        "count",
        "total",
        "<10",
        "died",
    ]
)
CELLS = st.one_of(
    st.integers(0, 300).map(str),
    st.sampled_from(
        ["", "*", "<10", "≤7", "[REDACTED]", "All", "Total", "F", "12 (3.4%)", "* (0.5%)", "0.5", "nan", "-"]
    ),
    st.text(max_size=4),
)
ROLES = st.sampled_from(["", "count", "label", "percent", "unknown", "total", "mean", "no such role"])


@st.composite
def extracts(draw: st.DrawFn) -> Extract:
    width = draw(st.integers(0, 5))
    rows = draw(st.lists(st.lists(CELLS, min_size=width, max_size=width), max_size=8))
    table = Table(draw(st.lists(WORDS, min_size=width, max_size=width)), rows)
    return Extract("csv", 1, (table,), (tuple(draw(st.lists(ROLES, min_size=width, max_size=width))),))


@given(st.lists(st.tuples(extracts(), st.sampled_from(["request", "earlier", "sibling"])), max_size=4), st.booleans())
@settings(max_examples=150, deadline=None)
def test_no_table_stops_the_comparisons(made: list[tuple[Extract, str]], rounded: bool) -> None:
    """A comparison that fails blocks a whole request; and the parent takes only well-formed findings."""
    rules = Rules(rounding="nearest", zeros_disclosive=True) if rounded else Rules()
    given_members = [Member(f"{n}.csv", "0" * 64, extract, origin, "r") for n, (extract, origin) in enumerate(made)]
    for remark in compare_all(given_members, Surroundings(rules)):
        found = remark.observation
        assert given_members[remark.member].origin == "request"
        ChildObservation(check=found.check, message=found.message, suggestion=found.suggestion, case=found.case)
        (table,) = given_members[remark.member].extract.tables
        assert 0 <= (found.place.row or 0) <= len(table.rows) + 1
        assert 0 <= (found.place.column or 0) <= len(table.header)
