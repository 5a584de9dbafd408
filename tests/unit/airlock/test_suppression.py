"""S03: bounds against every table that fits, layouts, limits, and files that try to make the audit slow or wrong."""

from __future__ import annotations

import itertools
import random
import time

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.unit.airlock.extracted import compared
from tre.airlock.across import MOST_OF_ONE_KIND, Member
from tre.airlock.across.bounds import Budget, bounds
from tre.airlock.across.solver import System
from tre.airlock.across.suppression import audit, observe
from tre.airlock.extract import Extract
from tre.airlock.parsed import Observation, Rules, Surroundings, Table
from tre.airlock.tables.crosstab import Grid, grid_of
from tre.airlock.tables.labels import is_total, spelled
from tre.airlock.tables.shown import EXACT, Kind, Rounding, read, rounding_of

MOST = 9


def found_in(text: str, rules: Rules | None = None) -> list[Observation]:
    return [item for _, item in compared({"t.csv": text}, rules) if item.check == "S03"]


def crosstab(values: list[list[int]], hidden: set[tuple[int, int]], token: str) -> Table:
    width = len(values[0])
    rows = [
        [f"r{i}", *(token if (i, j) in hidden else str(n) for j, n in enumerate(row)), str(sum(row))]
        for i, row in enumerate(values)
    ]
    sums = [sum(row[j] for row in values) for j in range(width)]
    rows.append(["Total", *map(str, sums), str(sum(sums))])
    return Table(["g", *(f"c{j}" for j in range(width)), "Total"], rows)


def grid(table: Table) -> Grid:
    made = grid_of(table, (), Rules())
    assert made is not None
    return made


def fitting(values: list[list[int]], hidden: list[tuple[int, int]]) -> list[tuple[int, ...]]:
    """Every filling of the hidden cells with 0 to MOST that has the sums of the table."""
    found = []
    for guess in itertools.product(range(MOST + 1), repeat=len(hidden)):
        filled = [list(row) for row in values]
        for (i, j), number in zip(hidden, guess, strict=True):
            filled[i][j] = number
        if [sum(r) for r in filled] == [sum(r) for r in values] and all(
            sum(r[j] for r in filled) == sum(r[j] for r in values) for j in range(len(values[0]))
        ):
            found.append(guess)
    return found


@given(st.data())
@settings(max_examples=80, deadline=None)
def test_bounds_are_those_of_every_table_that_fits(data: st.DataObject) -> None:
    """With sums over rows and columns, equations between real numbers lose nothing against whole numbers."""
    values = data.draw(st.lists(st.lists(st.integers(1, MOST), min_size=3, max_size=3), min_size=2, max_size=3))
    places = [(i, j) for i, row in enumerate(values) for j in range(len(row))]
    hidden = sorted(data.draw(st.sets(st.sampled_from(places), min_size=1, max_size=4)))
    table = crosstab(values, set(hidden), f"<{MOST + 1}")
    shown = [int(cell) for row in table.rows for cell in row[1:] if cell.isdigit()]
    assume(rounding_of(shown, Rules()) == EXACT)  # numbers that all look rounded are taken for rounded ones
    made = grid(table)
    found, untried = bounds(made, 1000, Budget())
    fillings = fitting(values, hidden)
    assert untried == 0
    assert tuple(values[i][j] for i, j in hidden) in fillings
    for bound in found:
        if bound.hidden.cell in hidden:
            seen = [filling[hidden.index(bound.hidden.cell)] for filling in fillings]
            assert (bound.low, bound.high) == (min(seen), max(seen))


def test_a_block_that_no_single_line_gives_away_is_bounded_by_all_together() -> None:
    values = [[12, 1, 30], [1, 12, 30], [30, 30, 30]]
    made = grid(crosstab(values, {(0, 0), (0, 1), (1, 0), (1, 1)}, "*"))
    found, _ = bounds(made, 1000, Budget())
    assert {(b.hidden.cell, b.low, b.high) for b in found} == {
        ((i, j), 0, 13) for i in range(2) for j in range(2)
    }  # each line allows 0 to 13, and so do all of them


def test_narrower_than_the_token_says_or_it_is_no_finding() -> None:
    text = "group,n\nA,<5\nB,<5\nC,51\nTotal,{}\n"
    assert found_in(text.format(55), Rules(threshold=5)) == []  # 0 to 4, as the token says
    assert len(found_in(text.format(53), Rules(threshold=5))) == 2  # 0 to 2


@pytest.mark.parametrize(("width", "flagged"), [(4, 0), (5, 2)])
def test_how_narrow_is_the_policy_s(width: int, flagged: int) -> None:
    assert len(found_in("group,n\nA,*\nB,*\nC,51\nTotal,55\n", Rules(recoverable_width=width))) == flagged


@pytest.mark.parametrize(("zeros", "flagged"), [(False, 0), (True, 1)])
def test_a_zero_that_is_computed_follows_the_policy(zeros: bool, flagged: int) -> None:
    text = "g,F,M,Total\na,<10,31,31\nb,15,20,35\nc,30,31,61\nTotal,45,82,127\n"
    assert len(found_in(text, Rules(zeros_disclosive=zeros))) == 0  # the total leaves nothing: computed without it
    text = "g,F,M,Total\na,*,12,40\nb,*,20,20\nc,30,31,61\nTotal,58,63,121\n"
    assert len(found_in(text, Rules(zeros_disclosive=zeros))) in {0, flagged}


def test_a_large_cell_that_protects_another_is_none_of_it() -> None:
    assert found_in("group,n\nA,*\nB,40\nC,51\nTotal,137\n") == []


def test_shown_zeros_say_that_zeros_are_not_hidden() -> None:
    text = "group,n\nA,*\nB,*\nC,51\nD,{}\nTotal,{}\n"
    assert found_in(text.format(0, 56)) != []  # 1 to 4
    assert found_in(text.format(20, 76)) == []  # 0 to 5


def test_the_suggestion_names_the_smallest_other_cell() -> None:
    (found,) = found_in("group,n\nA,*\nB,40\nC,21\nTotal,65\n")
    assert "“C” (21)" in found.suggestion


def test_a_contradiction_in_one_line_does_not_silence_the_others() -> None:
    text = "age,F,M,Total\n18,12,15,27\n40,30,31,61\n50,11,12,99\n60,*,15,20\n"
    assert [item.place.row for item in found_in(text)] == [5]


def test_contradicting_margins_are_taken_one_by_one() -> None:
    text = "age,F,M,Total\na,12,*,20\nb,31,15,46\nc,30,31,61\nTotal,73,59,127\n"  # the column would give 13
    assert [(item.place.row, item.place.column) for item in found_in(text)] == [(2, 3)]


def test_roles_that_people_gave_are_heeded() -> None:
    table = Table(["group", "value"], [["A", "*"], ["B", "40"], ["C", "51"], ["Total", "95"]])
    assert grid_of(table, ("label", "mean"), Rules()) is None
    made = grid_of(table, ("label", "count"), Rules())
    assert made is not None
    assert [item.place.row for item in audit(made, Rules(), Budget())] == [2]


@pytest.mark.parametrize(
    ("cell", "low", "high"),
    [
        ("7", 7, 7),
        ("1,204", 1204, 1204),
        ("12 (3.4%)", 12, 12),
        ("<10", 0, 9),
        ("≤7", 0, 7),
        ("<= 7", 0, 7),
        ("1-9", 1, 9),
        ("1–4", 1, 4),
        ("*", 0, None),
        ("[REDACTED]", 0, None),
        ("[c]", 0, None),
        ("", 0, None),
        ("NaN", 0, None),
        ("<10 (-)", 0, 9),
        ("3.0", 3, 3),
        ("(<10)", 0, 9),
        ("fewer than 5", 0, 4),
    ],
)
def test_cells_of_counts(cell: str, low: int, high: int | None) -> None:
    shown = read(cell)
    assert shown is not None
    assert (shown.low, shown.high) == (low, high)


@pytest.mark.parametrize("cell", ["3.5", "-4", "1e3", "0.05", "12,34", "age", "10-200", "1.2 (0.9-1.6)", "7%", ">10"])
def test_cells_of_other_things(cell: str) -> None:
    assert read(cell) is None


@pytest.mark.parametrize(
    ("numbers", "rules", "rounding"),
    [
        ([120, 130, 85, 90, 35, 45], Rules(), Rounding(2, 2)),
        ([120, 130, 85], Rules(), Rounding()),
        ([120, 85], Rules(rounding="nearest", rounding_base=5), Rounding(2, 2)),
        ([120, 86], Rules(rounding="nearest", rounding_base=5), Rounding()),
        ([120, 130, 80, 90, 30, 40], Rules(), Rounding(5, 5)),
        ([9, 15, 33, 27, 57, 147], Rules(), Rounding(2, 3)),
        ([9, 15], Rules(rounding="midpoint", rounding_base=6), Rounding(2, 3)),
        ([9, 16, 33, 27, 57, 147], Rules(), Rounding()),
        ([0, 0, 0, 0, 0, 0], Rules(), Rounding()),
    ],
)
def test_rounding_is_seen_in_the_numbers(numbers: list[int], rules: Rules, rounding: Rounding) -> None:
    assert rounding_of(numbers, rules) == rounding


def test_midpoint_six_shows_nine_for_seven_to_twelve() -> None:
    shown = read("9")
    assert shown is not None
    widened = Rounding(2, 3).widened(shown)
    assert (widened.kind, widened.low, widened.high, widened.number) == (Kind.number, 7, 12, 9)


@pytest.mark.parametrize("label", ["All", "Total", "TOTAL (N=120)", "All patients", "Both sexes", "n_total", "Overall"])
def test_labels_of_everybody(label: str) -> None:
    assert is_total(spelled(label))


@pytest.mark.parametrize("label", ["Allergy", "Total knee replacement", "n", "", "Overall survival", "Small"])
def test_labels_of_somebody(label: str) -> None:
    assert not is_total(spelled(label))


def published(rows: int, columns: int, seed: int) -> Table:
    generator = random.Random(seed)
    values = [[int(generator.expovariate(1 / 40)) + 1 for _ in range(columns)] for _ in range(rows)]
    hidden = {(i, j) for i, row in enumerate(values) for j, n in enumerate(row) if n < 10}
    return crosstab(values, hidden, "*")


def test_a_published_table_takes_little_time() -> None:
    begun = time.process_time()
    assert audit(grid(published(30, 12, 1)), Rules(), Budget())
    assert time.process_time() - begun < 0.5


def test_what_there_is_no_time_for_is_said() -> None:
    clock = iter(range(1000))
    made = grid(published(12, 8, 5))
    spent = Budget(seconds=0.5, now=lambda: float(next(clock)))
    assert any("were not tried" in item.message for item in audit(made, Rules(), spent))
    assert not any("were not tried" in item.message for item in audit(made, Rules(), Budget()))


def test_many_recoveries_are_summed_up() -> None:
    rows = "".join(f"r{i},*,{20 + i},{25 + i}\n" for i in range(80))
    found = found_in(f"g,F,M,Total\n{rows}")
    assert len(found) == MOST_OF_ONE_KIND + 1
    assert found[-1].message.startswith("60 further")
    files = {f"{number}.csv": f"g,F,M,Total\n{rows}" for number in range(35)}
    many = [item for _, item in compared(files) if item.check == "S03"]
    assert len(many) == 35 * 3


@pytest.mark.parametrize(
    "text",
    [
        "n\n*\n",
        "*,*\n*,*\n",
        "Total,Total\nTotal,Total\n1,2\n",
        "g,n\nTotal,*\nTotal,*\nTotal,5\n",
        "g,n\nTotal,5\n",
        "All,All,All\nAll,All,All\n5,5,5\n",
        "g,n,n,n\n,,,\n,,,\na,*,*,*\n",
        "g,n\nA,999999999999\nB,*\nTotal,999999999999\n",
        "g,n\nA,<9999\nB,3\nTotal,1\n",
        'g,n\nA,*\nB,3\nTotal,"' + "1" + ",000" * 900 + '"\n',
        "g,n\n\u0661,*\n\u0662,\u0663\nTotal,5\n",
    ],
)
def test_odd_tables_are_read_without_harm(text: str) -> None:
    assert all(len(item.message) <= 500 for item in found_in(text))


def test_a_hostile_table_is_audited_in_time() -> None:
    """Every cell hidden, totals everywhere, labels that match everything."""
    header = ",".join(f"c{j}" for j in range(60))
    rows = "".join(f"r{i}," + ",".join("*" for _ in range(60)) + ",500\n" for i in range(150))
    totals = "Total," + ",".join("900" for _ in range(60)) + ",\n"
    begun = time.process_time()
    found_in(f"g,{header},Total\n{rows}{totals}")
    assert time.process_time() - begun < 10
    labels = "".join(f"Total,{'Total' if i % 2 else 'a'},{'*' if i % 3 else 7}\n" for i in range(3000))
    begun = time.process_time()
    found_in(f"a,b,n\n{labels}")
    assert time.process_time() - begun < 10


def test_a_table_too_large_to_audit_is_said() -> None:
    rows = [["1.5"] * 60 for _ in range(2000)]
    assert found_in_table(Table([f"c{j}" for j in range(60)], rows)) == []
    rows[1999][59] = "<10"
    assert "not tried" in found_in_table(Table([f"c{j}" for j in range(60)], rows))[0].message


def found_in_table(table: Table) -> list[Observation]:
    one = Member("t.csv", "0" * 64, Extract("csv", 1, (table,), (("",) * len(table.header),)))
    return [remark.observation for remark in observe([one], Surroundings())]


def wide(values: list[list[str]]) -> str:
    return "age,F,M,All\n" + "".join(f"{a},{','.join(row)}\n" for a, row in zip(AGES, values, strict=True))


AGES = ["18-39", "40-59", "60+", "80+", "All"]
SEXES = ["F", "M", "All"]
SMALL = [["121", "133", "254"], ["85", "91", "176"], ["33", "*", "40"], ["12", "18", "30"], ["251", "249", "500"]]
LARGE = [["121", "133", "254"], ["85", "91", "176"], ["33", "*", "76"], ["12", "18", "30"], ["251", "285", "536"]]


def layouts(values: list[list[str]]) -> dict[str, str]:
    """One table of counts, with one cell that follows from its margins, in the layouts that people use."""
    long = [f"{a},{s},{n}" for a, row in zip(AGES, values, strict=True) for s, n in zip(SEXES, row, strict=True)]
    sparse = [f"{a if s == 'F' else ''},{s},{n}" for (a, s, n) in (line.split(",") for line in long)]
    turned = [[row[j] for row in values] for j in range(3)]
    percents = [",".join(f"{n},{'-' if n == '*' else '12.3'}" for n in row) for row in values]
    combined = [",".join("* (*)" if n == "*" else f"{n} (12.3%)" for n in row) for row in values]
    return {
        "wide": wide(values),
        "totals first": "age,All,F,M\n"
        + "".join(f"{AGES[i]},{values[i][2]},{values[i][0]},{values[i][1]}\n" for i in (4, 0, 1, 2, 3)),
        "turned": "sex,"
        + ",".join(AGES)
        + "\n"
        + "".join(f"{s},{','.join(row)}\n" for s, row in zip(SEXES, turned, strict=True)),
        "long": "age,sex,n\n" + "\n".join(long) + "\n",
        "long and sparse": "age,sex,n\n" + "\n".join(sparse) + "\n",
        "only a column of totals": "age,F,M,All\n"
        + "".join(f"{a},{','.join(row)}\n" for a, row in zip(AGES[:4], values[:4], strict=True)),
        "only a row of totals": "age,F,M\n"
        + "".join(f"{a},{','.join(row[:2])}\n" for a, row in zip(AGES, values, strict=True)),
        "per cents between": "age,F,F %,M,M %,All,All %\n"
        + "".join(f"{a},{row}\n" for a, row in zip(AGES, percents, strict=True)),
        "per cents in the cells": "age,F,M,All\n"
        + "".join(f"{a},{row}\n" for a, row in zip(AGES, combined, strict=True)),
        "no title": wide(values).replace("age,", ",", 1),
        "titles that count": wide(values).replace("age,F,M,All", "age,n_female,n_male,n_total", 1),
        "other words": wide(values).replace("All", "Everyone"),
        "no words for everybody": wide(values).replace("All\n", "cohort\n").replace("All,", "cohort,"),
        "numbers with a point": wide([[n if n == "*" else f"{n}.0" for n in row] for row in values]),
        "in a text": "Counts\n\n" + wide(values).replace(",", "\t"),
    }


@pytest.mark.parametrize("name", layouts(SMALL))
def test_one_table_in_every_layout(name: str) -> None:
    """Of 7 people it must be found; of 43, with nothing else hidden, there is no small group to find."""
    path = "t.txt" if name == "in a text" else "t.csv"
    (found,) = [item for _, item in compared({path: layouts(SMALL)[name]}) if item.check == "S03"]
    assert "it is 7" in found.message
    assert [item for _, item in compared({path: layouts(LARGE)[name]}) if item.check == "S03"] == []


def test_the_solver_says_nothing_where_nothing_fits() -> None:
    assert System([1, 0], [3, 4], [({0: 1, 1: 1}, 0)]).extreme(0, least=True) == (None, [])
    assert System([0, 0], [None, None], [({0: 1, 1: -1}, 0)]).extreme(0, least=False)[0] is None
    assert System([0, 0], [None, None], [({0: 1, 1: 1}, 7)]).extreme(0, least=False)[0] == 7
