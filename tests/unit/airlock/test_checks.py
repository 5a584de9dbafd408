"""S01 in plain tables and JSON, and F10."""

from __future__ import annotations

import json

import pytest

from tre.airlock.checks import checks_for, run_all
from tre.airlock.identify import parse
from tre.airlock.parsed import MAX_OBSERVATIONS, Bounds, Observation, Rules, Surroundings, quoted


def look(text: str, kind: str = "csv", rules: Rules | None = None) -> list[Observation]:
    return run_all(parse(kind, text.encode(), Bounds()), Surroundings(rules or Rules()))


def small(text: str, kind: str = "csv", rules: Rules | None = None) -> list[Observation]:
    return [item for item in look(text, kind, rules) if item.check == "S01"]


def places(found: list[Observation], check: str) -> list[tuple[int | None, int | None]]:
    return [(item.place.row, item.place.column) for item in found if item.check == check]


def test_small_counts_are_pointed_out_cell_by_cell() -> None:
    found = look("sex,n_patients,mean_age\nF,3,44.2\nM,120,45\nX,9,\nY,10,9\n")
    assert places(found, "S01") == [(2, 2), (4, 2)]
    assert "shows 3, below 10" in found[0].message


def test_small_numbers_elsewhere_are_none_of_it() -> None:
    assert look("term,coef,p,df,level,year\nage,2,0.03,4,1,3\nsex,3,0.01,5,2,4\n") == []


def test_a_column_of_broken_numbers_is_no_count() -> None:
    assert small("n,x\n1.5,1\n2.5,1\n3,1\n") == []


def test_a_column_with_a_negative_number_is_no_count() -> None:
    assert small("count,x\n-1,1\n3,1\n") == []


@pytest.mark.parametrize(("header", "flagged"), [("no", 0), ("count", 3)])
def test_numbering_is_told_from_counting_by_the_header(header: str, flagged: int) -> None:
    assert len(small(f"{header},x\n1,a\n2,b\n3,c\n")) == flagged


def test_redacted_cells_do_not_hide_the_others() -> None:
    assert places(look("n,x\n[REDACTED],a\n<10,b\n4,c\n"), "S01") == [(4, 1)]


@pytest.mark.parametrize(("zeros", "flagged"), [(False, 0), (True, 1)])
def test_zero_follows_the_policy(zeros: bool, flagged: int) -> None:
    assert len(small("n,x\n0,a\n100,b\n", rules=Rules(10, zeros))) == flagged


@pytest.mark.parametrize(("threshold", "flagged"), [(5, 1), (8, 2)])
def test_the_threshold_is_the_policy_s(threshold: int, flagged: int) -> None:
    assert len(small("n,x\n4,a\n7,b\n", rules=Rules(threshold))) == flagged


def test_counts_under_json_keys() -> None:
    text = json.dumps({"model": {"nobs": 7, "auc": 0.5, "df": 3}, "n": [3, 400], "a/b": {"n": True}})
    found = look(text, "json")
    assert [item.place.pointer for item in found] == ["/model/nobs", "/n/0"]


def test_a_json_pointer_is_escaped() -> None:
    (found,) = look('{"a/b~": {"n": 3}}', "json")
    assert found.place.pointer == "/a~1b~0/n"


def test_a_table_in_a_text_file_is_judged_like_one() -> None:
    assert places(look("Results\nsex\tn\nF\t4\nM\t300\n", "text"), "S01") == [(3, 2)]


def test_many_findings_are_summed_up() -> None:
    found = look("n\n" + "3\n" * 80)
    assert len(found) == MAX_OBSERVATIONS + 1
    assert found[-1].message.startswith("30 further")


@pytest.mark.parametrize("cell", ["=1+1", "+cmd", "@SUM(A1)", "-2+3+cmd|' /C calc'!A0", " =1", "-x"])
def test_formula_cells(cell: str) -> None:
    quoted_cell = '"' + cell.replace('"', '""') + '"'
    assert places(look(f"a,b\n1,{quoted_cell}\n"), "F10") == [(2, 2)]


@pytest.mark.parametrize("cell", ["-1", "-1.5", "+2", "-1.2 to -0.4", "-", "--", "-inf", "-1e-5", "- 3", "-4%"])
def test_numbers_are_no_formulas(cell: str) -> None:
    assert places(look(f"a,b\n1,{cell}\n"), "F10") == []


def test_formula_in_the_header_is_found() -> None:
    assert places(look("a,=b\n1,2\n"), "F10") == [(1, 2)]


def test_formulas_matter_in_tables_only() -> None:
    assert look("=x\n=y\n", "text") == []


def test_a_check_is_loaded_for_its_types_only() -> None:
    of_pictures, of_tables = ({check.module for check in checks_for(kind)} for kind in ("png", "csv"))
    assert "formula_cells" in of_tables - of_pictures
    assert {"slice_images", "lookalike"} <= of_pictures - of_tables


def test_a_quotation_is_short_and_visible() -> None:
    shown = quoted("a\u202eb\n" + "x" * 100)
    assert shown == "“a\N{REPLACEMENT CHARACTER}b " + "x" * 56 + "…”"
