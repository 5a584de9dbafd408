"""Planted disclosures are found where they stand; clean outputs next to them are not stopped."""

from __future__ import annotations

import json

import pytest

from tests.assets.airlock.tables import CLEAN, CROSSTAB, DUMP, PLANTED
from tre.airlock.checks import run_all
from tre.airlock.extract import decode, encode, extract_of
from tre.airlock.identify import parse, type_of
from tre.airlock.parsed import MAX_OBSERVATIONS, Bounds, Observation, ParsedFile, Passage, Place, Rules, Surroundings
from tre.airlock.policy import load_policy, shipped_directory
from tre.airlock.tables import roles
from tre.airlock.tables.sheets import roles_in_tables
from tre.domain.exports import labels
from tre.domain.exports.catalogue import key_of
from tre.domain.exports.severity import Severity

SEVERITIES = load_policy("default", [shipped_directory()]).spec.severities


def read(name: str, text: str) -> ParsedFile:
    file = parse(type_of(name), text.encode(), Bounds())
    if type_of(name) in {"text", "log", "markdown"}:
        file.passages[:] = [Passage(text, Place(row=1))]
    return file


def look(name: str, text: str, around: Surroundings | None = None) -> list[Observation]:
    return run_all(read(name, text), around or Surroundings())


def keys(found: list[Observation]) -> set[str]:
    return {key_of(item.check, item.case) for item in found}


@pytest.mark.parametrize("name", PLANTED)
def test_what_was_planted_is_found_in_its_place(name: str) -> None:
    planted = PLANTED[name]
    hits = [item for item in look(name, planted.text) if (item.check, item.case) == (planted.check, planted.case)]
    assert hits
    if planted.row is not None:
        assert planted.row in {item.place.row for item in hits}
    if planted.column is not None:
        assert (planted.row, planted.column) in {(item.place.row, item.place.column) for item in hits}
    if planted.pointer is not None:
        assert planted.pointer in {item.place.pointer for item in hits}


@pytest.mark.parametrize("name", CLEAN)
def test_a_clean_output_is_not_stopped(name: str) -> None:
    found = look(name, CLEAN[name], Surroundings(people=1800))
    assert [item for item in found if SEVERITIES[key_of(item.check, item.case)] in {Severity.B, Severity.E}] == []


def test_a_person_s_label_wins_over_the_title() -> None:
    text = "sex,weight\nF,3\nM,400\n"
    assert keys(look("a.csv", text)) == set()
    assert keys(look("a.csv", text, Surroundings(labels={"weight": "count"}))) == {"S01"}
    assert keys(look("a.csv", "sex,n\nF,3\nM,400\n", Surroundings(labels={"n": "mean"}))) == set()


def test_a_label_that_is_no_role_changes_nothing() -> None:
    assert keys(look("a.csv", "sex,n\nF,3\nM,400\n", Surroundings(labels={"n": "harmless"}))) == {"S01"}


def test_a_label_stops_the_question() -> None:
    text = "region,foo\nNorth,34\nSouth,12\n"
    assert keys(look("a.csv", text)) == {"S12"}
    assert keys(look("a.csv", text, Surroundings(labels={"foo": "mean"}))) == set()


def test_a_label_holds_for_keys_of_json() -> None:
    text = json.dumps({"foo": 3, "bar": 0.5})
    assert keys(look("a.json", text)) == set()
    (found,) = look("a.json", text, Surroundings(labels={"foo": "count"}))
    assert (found.check, found.place.pointer) == ("S01", "/foo")


@pytest.mark.parametrize(
    ("rounding", "base", "text", "flagged"),
    [
        ("none", 5, "sex,n\nF,123\nM,171\n", False),
        ("nearest", 5, "sex,n\nF,123\nM,170\n", True),
        ("nearest", 5, "sex,n\nF,125\nM,170\n", False),
        ("nearest", 10, "sex,n\nF,125\nM,170\n", True),
        ("midpoint", 6, "sex,n\nF,123\nM,171\n", False),
        ("midpoint", 6, "sex,n\nF,120\nM,171\n", True),
        ("nearest", 5, "sex,mean\nF,123\nM,171\n", False),
    ],
)
def test_rounding_is_the_policy_s(rounding: str, base: int, text: str, flagged: bool) -> None:
    around = Surroundings(Rules(rounding=rounding, rounding_base=base))
    assert ("S02" in keys(look("a.csv", text, around))) is flagged


def test_one_finding_of_rounding_names_the_first_cell_and_how_many() -> None:
    around = Surroundings(Rules(rounding="nearest", rounding_base=5))
    (found,) = [item for item in look("a.csv", "sex,n\nF,125\nM,171\nX,172\n", around) if item.check == "S02"]
    assert (found.place.row, found.place.column) == (3, 2)
    assert "nor are 1 others" in found.message


@pytest.mark.parametrize(("people", "flagged"), [(0, False), (30, True), (31, True), (40, False)])
def test_as_many_rows_as_people_are_a_dump(people: int, flagged: bool) -> None:
    text = "a,b\n" + "".join(f"x{i % 4},y{i % 3}\n" for i in range(30))
    assert ("P06" in keys(look("a.csv", text, Surroundings(people=people)))) is flagged


def test_a_summary_of_what_a_dump_holds_is_none() -> None:
    text = "sex,mean_age,mean_bmi,died_pct\n" + "".join(f"g{i},54.{i},27.{i},12.{i}\n" for i in range(12))
    assert "P06" in keys(look("a.csv", DUMP))
    assert "P06" not in keys(look("a.csv", text))


@pytest.mark.parametrize(("residual", "flagged"), [(9, True), (10, False), (0, True), (426, False)])
def test_residual_degrees_follow_the_policy(residual: int, flagged: bool) -> None:
    text = json.dumps({"df_resid": residual, "df": 1})
    assert ("S07.low" in keys(look("a.json", text))) is flagged
    assert "S07.low" not in keys(look("a.json", text, Surroundings(Rules(residual_degrees=1)))) or residual == 0


@pytest.mark.parametrize(
    ("row", "flagged"),
    [("1000,600,290", False), ("1000,610,290", True), ("1000,600,305", True), ("1000,950,10", True)],
)
def test_dominance_follows_its_two_rules(row: str, flagged: bool) -> None:
    rules = Rules(dominance_contributors=2, dominance_percent=90, ratio_percent=10)
    text = f"sector,total_cost,largest,second_largest\nA,{row}\n"
    assert ("S08" in keys(look("a.csv", text, Surroundings(rules)))) is flagged


def test_extremes_of_indicators_are_let_pass() -> None:
    assert keys(look("a.csv", "variable,n,min,max\nsex,430,0,1\n")) == set()
    assert keys(look("a.csv", "variable,n,min,max\nage,430,0,94\n")) == {"S06"}


def test_many_unknown_columns_are_asked_about_once() -> None:
    header = ",".join(f"x{i}" for i in range(9))
    found = look("a.csv", f"{header}\n" + "1.5,2.5,3.5,4.5,5.5,6.5,7.5,8.5,9.5\n" * 3)
    assert [item.check for item in found] == ["S12"]


@pytest.mark.parametrize(
    ("cell", "found"),
    [
        ("<2", "S01"),
        ("≤1", "S01"),
        ("<=1", "S01"),
        ("<3", ""),
        ("<10", ""),
        ("*", ""),
        ("~3", "S01"),
        ("003", "S01"),
        ("3e0", "S01"),
        ("[3]", "S01"),
        ("n=3", "S01"),
        ("3; 4", "S01"),
        ("c. 3", "S12.combined"),
        ("'3", "S12.combined"),
    ],
)
def test_disguises_of_a_small_count(cell: str, found: str) -> None:
    assert keys(look("a.csv", f"group,n\nA,{cell}\nB,300\nC,410\n")) == ({found} if found else set())


def test_rows_of_text_do_not_hide_a_count() -> None:
    assert "S01" in keys(look("a.csv", "group,n\nA,3\n" + "B,see note\n" * 9))


def test_numbers_that_contradict_their_title_are_asked_about() -> None:
    assert keys(look("a.csv", "group,n\nA,3\nB,-1\nC,-1\nD,300\n")) == {"S12"}


def test_the_rest_of_many_small_counts_is_summed_up() -> None:
    found = look("a.csv", "n,events\n" + "3,4\n" * 80)
    assert len(found) == MAX_OBSERVATIONS + 1
    assert found[-1].message.startswith("110 further")


def test_roles_are_kept_with_the_tables() -> None:
    file = read("a.txt", CROSSTAB.format("  3", " 43"))
    roles = roles_in_tables(file, Surroundings())
    assert roles == (("label", "count", "count", "count"),)
    kept = decode(encode(extract_of(file, roles)))
    assert kept.roles == roles
    assert kept.tables[0].at(0, 1) == file.tables[0].at(0, 1)


@pytest.mark.parametrize("count", [9, 10])
def test_a_sentence_is_held_against_the_threshold(count: int) -> None:
    found = look("a.md", f"In this group {count} patients died.\n")
    assert [item.check for item in found] == ["S01"] * (count < 10)


@pytest.mark.parametrize(
    "text", ["fewer than 5 patients", "n = 5.2", "groups of 5 people", "5 classes", "at least 3 patients", "N=430"]
)
def test_limits_and_other_numbers_in_sentences_are_no_counts(text: str) -> None:
    assert look("a.md", f"As planned, {text} were used.\n") == []


def test_people_can_say_exactly_the_roles_that_the_reader_of_tables_knows() -> None:
    """The domain has no parser and the parser no domain: two lists, held together here."""
    assert set(labels.ROLES) == roles.ROLES
