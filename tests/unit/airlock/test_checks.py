"""S01, F10, and the vocabulary of headers."""

from __future__ import annotations

import json

import pytest

from tre.airlock.checks import CHECKS, VERSIONS, run_all
from tre.airlock.checks.lexicon import Claim, claim_of, words_of
from tre.airlock.checks.small_counts import whole_number
from tre.airlock.identify import parse
from tre.airlock.parsed import MAX_OBSERVATIONS, Bounds, Counts, Observation, quoted


def look(text: str, kind: str = "csv", counts: Counts | None = None) -> list[Observation]:
    return run_all(parse(kind, text.encode(), Bounds()), counts or Counts())


def places(found: list[Observation], check: str) -> list[tuple[int | None, int | None]]:
    return [(item.row, item.column) for item in found if item.check == check]


@pytest.mark.parametrize(
    ("header", "claim"),
    [
        ("n", Claim.strong),
        ("N", Claim.strong),
        ("nPatients", Claim.strong),
        ("n_patients", Claim.strong),
        ("Number of patients", Claim.strong),
        ("Count (2020)", Claim.strong),
        ("freq.", Claim.strong),
        ("COVID deaths", Claim.strong),
        ("total", Claim.weak),
        ("No.", Claim.weak),
        ("#", Claim.weak),
        ("n (%)", Claim.none),
        ("pct_patients", Claim.none),
        ("patient_id", Claim.none),
        ("n_levels", Claim.none),
        ("mean count", Claim.none),
        ("death rate", Claim.none),
        ("p.value", Claim.none),
        ("age", Claim.none),
        ("sex", Claim.none),
        ("", Claim.none),
    ],
)
def test_what_a_header_says(header: str, claim: Claim) -> None:
    assert claim_of(header) is claim


def test_words_are_cut_at_case_digits_and_punctuation() -> None:
    assert words_of("nPatients_total (2020) HTTPCode") == ["n", "patients", "total", "2020", "http", "code"]


@pytest.mark.parametrize(
    ("cell", "number"),
    [("7", 7), (" 7 ", 7), ("1,234", 1234), ("1 234", 1234), ("1\u202f234", 1234), ("3.0", 3), ("-2", -2)]
    + [(cell, None) for cell in ("", "7.5", "<7", "*", "1e3", "12,34", "7%", "seven", "[REDACTED]")],
)
def test_whole_numbers_as_people_write_them(cell: str, number: int | None) -> None:
    assert whole_number(cell) == number


def test_small_counts_are_pointed_out_cell_by_cell() -> None:
    found = look("sex,n_patients,mean_age\nF,3,44.2\nM,120,45\nX,9,\nY,10,9\n")
    assert places(found, "S01") == [(2, 2), (4, 2)]
    assert "shows 3, below 10" in found[0].message


def test_small_numbers_elsewhere_are_none_of_it() -> None:
    assert look("term,coef,p,df,level,year\nage,2,0.03,4,1,3\nsex,3,0.01,5,2,4\n") == []


def test_a_column_of_broken_numbers_is_no_count() -> None:
    assert look("n,x\n1.5,1\n2.5,1\n3,1\n") == []


def test_a_column_with_a_negative_number_is_no_count() -> None:
    assert look("count,x\n-1,1\n3,1\n") == []


@pytest.mark.parametrize(("header", "flagged"), [("no", 0), ("count", 3)])
def test_numbering_is_told_from_counting_by_the_header(header: str, flagged: int) -> None:
    assert len(look(f"{header},x\n1,a\n2,b\n3,c\n")) == flagged


def test_redacted_cells_do_not_hide_the_others() -> None:
    assert places(look("n,x\n[REDACTED],a\n<10,b\n4,c\n"), "S01") == [(4, 1)]


@pytest.mark.parametrize(("zeros", "flagged"), [(False, 0), (True, 1)])
def test_zero_follows_the_policy(zeros: bool, flagged: int) -> None:
    assert len(look("n,x\n0,a\n100,b\n", counts=Counts(10, zeros))) == flagged


@pytest.mark.parametrize(("threshold", "flagged"), [(5, 1), (8, 2)])
def test_the_threshold_is_the_policy_s(threshold: int, flagged: int) -> None:
    assert len(look("n,x\n4,a\n7,b\n", counts=Counts(threshold))) == flagged


def test_counts_under_json_keys() -> None:
    text = json.dumps({"model": {"nobs": 7, "auc": 0.5, "df": 3}, "n": [3, 400], "a/b": {"n": True}})
    found = look(text, "json")
    assert [item.pointer for item in found] == ["/model/nobs", "/n/0"]


def test_a_json_pointer_is_escaped() -> None:
    (found,) = look('{"a/b~": {"n": 3}}', "json")
    assert found.pointer == "/a~1b~0/n"


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
    assert look(f"a,b\n1,{cell}\n") == []


def test_formula_in_the_header_is_found() -> None:
    assert places(look("a,=b\n1,2\n"), "F10") == [(1, 2)]


def test_formulas_matter_in_tables_only() -> None:
    assert look("=x\n=y\n", "text") == []


def test_every_check_has_a_version() -> None:
    assert all(VERSIONS[check.id] == check.version >= 1 for check in CHECKS)


def test_a_quotation_is_short_and_visible() -> None:
    shown = quoted("a\u202eb\n" + "x" * 100)
    assert shown == "“a\N{REPLACEMENT CHARACTER}b " + "x" * 56 + "…”"
