"""What changed between two tables."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from tre.airlock.parsed import Table
from tre.airlock.tables.difference import Change, Difference, difference

TEXTS = st.sampled_from(["a", "b", "c", "1", "2", "3.5", "", "*"])


@st.composite
def tables(draw: st.DrawFn) -> Table:
    width = draw(st.integers(1, 4))
    header = draw(st.lists(st.sampled_from(["g", "n", "pct", "N", ""]), min_size=width, max_size=width))
    rows = draw(st.lists(st.lists(TEXTS, min_size=width, max_size=width), max_size=6))
    return Table(header, rows)


def changes(found: Difference) -> list[tuple[str, str | None, str | None]]:
    return [(cell.change.value, cell.old, cell.new) for cell in found.cells]


OLD = Table(["age", "n", "pct"], [["18-39", "120", "50"], ["40-59", "85", "35"], ["60+", "33", "15"]])


def test_nothing_changed() -> None:
    assert difference(OLD, OLD).same


def test_one_cell_changed() -> None:
    new = Table(OLD.header, [["18-39", "121", "50"], *OLD.rows[1:]])
    (cell,) = difference(OLD, new).cells
    assert (cell.change, cell.old, cell.new) == (Change.changed, "120", "121")
    assert (cell.old_row, cell.old_column, cell.new_row, cell.new_column) == (0, 1, 0, 1)


def test_a_row_between_others_is_one_row_added() -> None:
    new = Table(OLD.header, [OLD.rows[0], ["30-39", "7", "3"], *OLD.rows[1:]])
    found = difference(OLD, new)
    assert changes(found) == [("added", None, "30-39"), ("added", None, "7"), ("added", None, "3")]


def test_another_order_is_no_change() -> None:
    turned = Table(["pct", "age", "n"], [[row[2], row[0], row[1]] for row in reversed(OLD.rows)])
    assert difference(OLD, turned).same


def test_a_column_removed() -> None:
    new = Table(["age", "n"], [row[:2] for row in OLD.rows])
    assert changes(difference(OLD, new)) == [("removed", text, None) for text in ("pct", "50", "35", "15")]


def test_another_spelling_of_a_title_is_a_changed_title_only() -> None:
    new = Table(["Age", "n", "pct"], OLD.rows)
    assert changes(difference(OLD, new)) == [("changed", "age", "Age")]


def test_rows_of_one_key_are_aligned_by_what_they_say() -> None:
    old = Table(["g", "n"], [["a", "1"], ["a", "2"], ["a", "3"]])
    new = Table(["g", "n"], [["a", "2"], ["a", "3"]])
    assert changes(difference(old, new)) == [("removed", "a", None), ("removed", "1", None)]


def test_long_tables_have_keys_of_several_columns() -> None:
    old = Table(["sex", "age", "n"], [["F", "18", "10"], ["F", "40", "20"], ["M", "18", "30"]])
    new = Table(["sex", "age", "n"], [["F", "40", "20"], ["M", "18", "31"], ["F", "18", "10"]])
    assert changes(difference(old, new)) == [("changed", "30", "31")]


@given(tables())
def test_a_table_does_not_differ_from_itself(table: Table) -> None:
    assert difference(table, table).same


@given(tables(), tables())
@settings(max_examples=200)
def test_every_cell_is_accounted_for_once(old: Table, new: Table) -> None:
    found = difference(old, new)
    assert sorted(a for a, _ in found.rows if a is not None) == list(range(len(old.rows)))
    assert sorted(b for _, b in found.rows if b is not None) == list(range(len(new.rows)))
    assert sorted(c for c, _ in found.columns if c is not None) == list(range(len(old.header)))
    assert sorted(d for _, d in found.columns if d is not None) == list(range(len(new.header)))
    kept = {(a, c): old.rows[a][c] for a, row in enumerate(old.rows) for c, _ in enumerate(row)}
    for cell in found.cells:
        if cell.old_row is not None and cell.old_row >= 0 and cell.old_column is not None:
            assert kept.pop((cell.old_row, cell.old_column)) == cell.old
    rows, columns = dict(found.rows), dict(found.columns)
    for (a, c), text in kept.items():
        b, d = rows[a], columns[c]
        assert b is not None
        assert d is not None
        assert new.rows[b][d] == text


@given(tables(), tables())
@settings(max_examples=200)
def test_turned_round_what_was_added_is_removed(old: Table, new: Table) -> None:
    there, back = difference(old, new), difference(new, old)
    assert there.same == back.same
    assert sorted(there.rows, key=str) == sorted(((a, b) for b, a in back.rows), key=str)
    assert there.count(Change.added) == back.count(Change.removed)
    assert there.count(Change.changed) == back.count(Change.changed)
