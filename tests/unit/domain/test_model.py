"""Records: nothing slips in, and every problem is named."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field, ValidationError

from tre.domain.errors import Reason, TREError
from tre.domain.model import Code, Line, Record, UtcTime, all_keys, as_line, key_path, parse_record, problems_of


class Inner(Record):
    enabled: bool = False
    file_reads: int = 0


class Everything(Record):
    number: int = 1
    bounded: Annotated[int, Field(ge=1)] = 1
    numbers: list[int] = []
    by_name: dict[str, int] = {}
    maybe: int | None = None
    maybe_bounded: Annotated[int, Field(ge=1)] | None = None
    ratio: float = 0.0
    flag: bool = False
    maybe_flag: bool | None = None
    only_true: Literal[True] = True
    choice: Literal["a", "b"] = "a"
    anything: Any = None
    thing: object = None
    line: Line = "x"
    code: Code = "y"
    at: UtcTime | None = None
    inner: Inner = Inner()
    inners: list[Inner] = []
    free: dict[str, Any] = {}
    deep: dict[str, list[Line]] = {}


class Needs(Record):
    first_name: Line
    members: list[Inner] = []


def refused(values: dict[str, Any], kind: type[Record] = Everything) -> str:
    with pytest.raises(TREError) as caught:
        parse_record(kind, values, source="grant.yaml")
    assert caught.value.reason is Reason.BadInput
    assert "Correct these keys" in caught.value.remedy
    return caught.value.what


@pytest.mark.parametrize(
    "values",
    [
        {"number": True},
        {"bounded": True},
        {"numbers": [1, True]},
        {"numbers": True},
        {"byName": {"a": True}},
        {"maybe": False},
        {"ratio": True},
        {"choice": True},
        {"line": True},
        {"code": True},
        {"at": True},
        {"by_name": {"a": False}},
        {"deep": {"a": [True]}},
    ],
)
def test_a_truth_value_is_never_a_word_or_a_number(values: dict[str, Any]) -> None:
    text = refused(values)
    assert "quotes" in text or "a time is due" in text


@pytest.mark.parametrize(
    "values",
    [
        {"flag": True},
        {"maybeFlag": True},
        {"onlyTrue": True},
        {"anything": True},
        {"thing": True},
        {"inner": {"enabled": True}},
        {"inners": [{"enabled": True}]},
        {"free": {"a": True, "b": {"c": [True]}}},
        {"number": 2, "numbers": [0, 1], "byName": {"a": 1}, "maybe": 0},
    ],
)
def test_a_truth_value_stands_where_one_is_due(values: dict[str, Any]) -> None:
    assert parse_record(Everything, values)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"number": "2"}, "number: a whole number is due here, without quotes"),
        ({"number": "-2"}, "number: a whole number is due here, without quotes"),
        ({"number": "many"}, "number: a whole number is due here."),
        ({"bounded": "2"}, "bounded: a whole number is due here, without quotes"),
        ({"maybe": "2"}, "maybe: a whole number is due here, without quotes"),
        ({"maybeBounded": "2"}, "maybeBounded: a whole number is due here, without quotes"),
        ({"ratio": "0.5"}, "ratio: a number is due here, without quotes"),
        ({"ratio": "half"}, "ratio: a number is due here."),
        ({"flag": "false"}, "flag: true or false is due here, without quotes"),
        ({"flag": "no"}, "flag: true or false is due here."),
        ({"flag": "0"}, "flag: true or false is due here."),
        ({"flag": 0}, "flag: true or false is due here."),
        ({"maybeFlag": "true"}, "maybeFlag: true or false is due here, without quotes"),
        ({"maybeFlag": 1}, "maybeFlag: true or false is due here."),
        ({"inner": {"fileReads": "2"}}, "inner.fileReads: a whole number is due here, without quotes"),
        ({"numbers": "2"}, "numbers: a list is due here"),
    ],
)
def test_a_text_is_neither_a_number_nor_a_truth_value(values: dict[str, Any], expected: str) -> None:
    assert expected in refused(values)


@pytest.mark.parametrize("values", [{"maybe": None}, {"maybeFlag": None}, {"ratio": 1}, {"number": 2.0}])
def test_what_a_number_may_be(values: dict[str, Any]) -> None:
    assert parse_record(Everything, values)


@pytest.mark.parametrize("value", [2027, 2027.5, "2027", " 2027 ", "20271031", "1.5", "-5", "+7", 0, "1e3", "inf"])
def test_a_bare_number_is_not_a_time(value: Any) -> None:
    assert "at:" in refused({"at": value})


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("2027-10-31T23:59:59", "a time needs its zone"),
        ("2027-10-31", "a time needs its zone"),
        ("0001-01-01T00:00:00+14:00", "outside the years"),
        ("9999-12-31T23:59:59-14:00", "outside the years"),
        ("yesterday", "at:"),
        ("2027-13-01T00:00:00Z", "at:"),
        ([], "at:"),
    ],
)
def test_a_time_needs_its_zone_and_must_be_one(value: Any, problem: str) -> None:
    assert problem in refused({"at": value})


@given(st.datetimes(min_value=datetime(2, 1, 1), max_value=datetime(9998, 1, 1), timezones=st.timezones()))  # noqa: DTZ001
def test_times_are_kept_in_utc(at: datetime) -> None:
    found = Everything(at=at).at
    assert found is not None
    assert found.tzinfo is UTC
    assert found == at.astimezone(UTC)
    assert parse_record(Everything, {"at": Everything(at=at).as_plain()["at"]}).at == found


@pytest.mark.parametrize(
    "value",
    [
        "a\nb",
        "a\tb",
        "\x00",
        "a\x7f",
        "a\x85b",
        "a\u2028b",
        "a\u2029b",
        "a\u202eb",
        "a\u2066b",
        " a",
        "a ",
        "\u00a0a",
        5,
    ],
)
def test_a_line_is_one_line_that_reads_as_it_is_stored(value: Any) -> None:
    assert "line:" in refused({"line": value})
    assert "code:" in refused({"code": value})


@pytest.mark.parametrize(
    "value", ["", "a b", "Ünïcödé 名前", "a\u200db", "e\u0301", "👩\u200d⚕\ufe0f", "a\u00a0b", "\u05d0\u05d1"]
)
def test_ordinary_text_of_any_script_is_a_line(value: str) -> None:
    assert Everything(line=value).line == value


def test_unknown_keys_are_refused_with_the_nearest_known_one() -> None:
    assert "numbr: no such key; did you mean 'number'?" in refused({"numbr": 1})
    assert "inner.enabeld: no such key; did you mean 'enabled'?" in refused({"inner": {"enabeld": True}})
    text = refused({"zzzzzzzz": 1})
    assert "zzzzzzzz: no such key" in text
    assert "did you mean" not in text


def test_every_problem_is_named_at_once_where_it_stands() -> None:
    text = refused({"members": [{}, {"fileReads": "many", "x": 1}]}, Needs)
    assert "grant.yaml is not a valid Needs" in text
    assert "firstName: this key is required" in text
    assert "members[1].fileReads: " in text
    assert "members[1].x: no such key" in text


def test_a_value_that_is_no_mapping_is_named_by_its_source() -> None:
    assert "grant.yaml: " in refused([])  # type: ignore[arg-type]


def test_problems_without_a_dictionary_have_no_suggestion() -> None:
    with pytest.raises(ValidationError) as caught:
        Everything.model_validate({"numbr": 1})
    assert [(item.where, item.expected) for item in problems_of(caught.value)] == [("numbr", "no such key")]


@given(st.text(), st.integers(min_value=0, max_value=600))
def test_any_text_can_be_kept_as_a_line(text: str, most: int) -> None:
    found = as_line(text, most)
    assert Everything(line=found).line == found
    assert len(found) <= most


def test_a_text_kept_as_a_line_still_reads_as_it_did() -> None:
    assert as_line("one\n two\t\u202ethree \x00") == "one two three"
    assert as_line("ab cd", 3) == "ab"


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"numbers": 3}, "numbers: a list is due here"),
        ({"byName": []}, "byName: a mapping is due here"),
        ({"inner": 3}, "inner: a mapping is due here"),
        ({"line": 3}, "line: a text is due here"),
        ({"number": "x"}, "number: a whole number is due here"),
        ({"ratio": "x"}, "ratio: a number is due here"),
        ({"flag": "x"}, "flag: true or false is due here"),
        ({"choice": "c"}, "choice: one of these is due here: 'a' or 'b'"),
        ({"bounded": 0}, "bounded: a number from 1 on is due here"),
        ({"at": "soon"}, "at: a time is due here, for example"),
    ],
)
def test_what_is_expected_is_said_in_plain_words(values: dict[str, Any], expected: str) -> None:
    assert expected in refused(values)


def test_what_only_follows_from_another_problem_is_not_reported() -> None:
    class Team(Record):
        members: Annotated[tuple[Inner, ...], Field(min_length=1)]

    assert "at least 1 entries" in refused({"members": []}, Team)
    text = refused({"members": [{"fileReads": "many"}]}, Team)
    assert "members[0].fileReads: a whole number is due here" in text
    assert "at least" not in text


def test_records_are_immutable_and_written_in_camel_case() -> None:
    record = Needs(first_name="Ann", members=[Inner(file_reads=3)])
    with pytest.raises(ValidationError, match="frozen"):
        record.first_name = "Eve"
    assert record.as_plain() == {"firstName": "Ann", "members": [{"enabled": False, "fileReads": 3}]}
    assert parse_record(Needs, record.as_plain()) == record
    assert "maybe" not in Everything().as_plain()


def test_a_number_that_json_lacks_does_not_turn_into_nothing() -> None:
    plain = Everything(anything=float("nan"), ratio=float("inf")).as_plain()
    assert plain["anything"] is not None
    assert plain["ratio"] == float("inf")


def test_key_paths_are_written_as_people_write_them() -> None:
    assert key_path(("spec", "members", 0, "role")) == "spec.members[0].role"
    assert key_path((0, "a")) == "[0].a"
    assert key_path(()) == ""


class Plain(BaseModel):
    x: int = 0


def test_the_dictionary_of_suggestions_holds_every_key() -> None:
    assert {"firstName", "members", "enabled", "fileReads"} == set(all_keys(Needs))
    assert set(all_keys(Plain)) == {"x"}
