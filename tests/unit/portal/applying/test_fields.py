"""A form in steps over one mapping: nothing typed is lost, nothing else is touched, every problem has its place."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tre.domain.model import Problem
from tre.portal.applying.fields import (
    MOST_READ,
    MOST_ROWS,
    Field,
    Input,
    InputRows,
    Kind,
    Rows,
    Step,
    get,
    inputs,
    merged,
    of_step,
    placed,
    put,
    told,
)

PEOPLE = Rows(
    "people",
    "People",
    (
        Field("name", "Name"),
        Field("subject.id", "Account"),
        Field("role", "Role", Kind.choice, choices=(("researcher", "R"), ("lead", "L"))),
    ),
    "Add a person",
    one="Person",
)
FIRST = Step("first", "First", (Field("title", "Title"), Field("organisation.name", "Organisation")))
SECOND = Step(
    "second",
    "Second",
    (
        PEOPLE,
        Field("about", "About", Kind.text),
        Field("funders", "Funders", Kind.lines),
        Field("term.from", "Begins", Kind.first),
        Field("term.to", "Ends", Kind.last),
        Field("company", "A company?", Kind.yes_no),
        Field("codes", "Codes", Kind.ticks, choices=(("A", "a"), ("B", "b"))),
    ),
)
STEPS = (FIRST, SECOND)
FORM = {
    "people-0-name": " Ann ",
    "people-0-subject-id": "ann",
    "people-0-role": "lead",
    "people-1-role": "researcher",
    "people-2-name": "Bo",
    "about": "one\r\ntwo\x00",
    "funders": "A\n\n B ",
    "term-from": "2027-01-01",
    "term-to": "2027-12-31",
    "company": "no",
    "codes-B": "yes",
    "codes-C": "yes",
    "title": "of another step",
}
KEPT: dict[str, Any] = {
    "people": [{"name": "Ann", "subject": {"id": "ann"}, "role": "lead"}, {"name": "Bo"}],
    "about": "one\ntwo",
    "funders": ["A", "B"],
    "term": {"from": "2027-01-01T00:00:00Z", "to": "2027-12-31T23:59:59Z"},
    "company": False,
    "codes": ["B"],
}


def test_a_step_changes_its_own_keys_alone() -> None:
    before = {"title": "kept", "organisation": {"name": "O"}}
    assert merged(SECOND, before, FORM) == before | KEPT
    assert before == {"title": "kept", "organisation": {"name": "O"}}
    assert merged(SECOND, merged(SECOND, before, FORM), {}) == before


def test_what_is_typed_wrongly_stays_as_it_is_typed() -> None:
    made = merged(SECOND, {}, {"term-to": "the 32nd of May", "company": "perhaps"})
    assert made == {"term": {"to": "the 32nd of May"}}
    shown = {item.name: item for item in inputs(SECOND, made) if isinstance(item, Input)}
    assert shown["term-to"].value == "the 32nd of May"


def test_a_mapping_is_shown_as_it_was_typed() -> None:
    shown = inputs(SECOND, KEPT)
    people = shown[0]
    assert isinstance(people, InputRows)
    assert [[one.value for one in row] for row in people.entries] == [["Ann", "ann", "lead"], ["Bo", "", ""], [""] * 3]
    by_name = {item.name: item for item in shown if isinstance(item, Input)}
    assert (by_name["term-from"].value, by_name["term-to"].value) == ("2027-01-01", "2027-12-31")
    assert (by_name["funders"].value, by_name["company"].value) == ("A\nB", "no")
    assert by_name["codes"].ticked == {"B"}


def test_shapes_that_do_not_fit_are_shown_as_nothing() -> None:
    shown = inputs(SECOND, {"people": "none", "about": {"deep": 1}, "term": 3})
    assert isinstance(shown[0], InputRows)
    assert len(shown[0].entries) == 1
    assert all(not item.value for item in shown if isinstance(item, Input))


def test_days_are_days_and_nothing_else_is() -> None:
    shown = {item.name: item for item in inputs(SECOND, KEPT | {"about": "2027-01-01"}) if isinstance(item, Input)}
    assert str(shown["term-to"].day) == "2027-12-31 00:00:00+00:00"
    assert shown["about"].day is None
    wrong = inputs(SECOND, {"term": {"to": "soon"}})[4]
    assert isinstance(wrong, Input)
    assert wrong.day is None


def test_a_list_has_an_end() -> None:
    """A list is offered up to an end, and a longer one that came by another way is neither cut nor grows."""
    for many in (MOST_ROWS - 1, MOST_ROWS, MOST_ROWS + 9):
        made = merged(SECOND, {}, {f"people-{number}-name": "N" for number in range(many)})
        assert len(made["people"]) == many
        shown = inputs(SECOND, made)[0]
        assert isinstance(shown, InputRows)
        assert len(shown.entries) == max(many, MOST_ROWS)
    assert len(merged(SECOND, {}, {f"people-{n}-name": "N" for n in range(MOST_READ + 1)})["people"]) == MOST_READ


def test_every_problem_has_its_place() -> None:
    found = [
        Problem(where="people[1].subject.id", expected="is due"),
        Problem(where="people", expected="at least two"),
        Problem(where="term.to", expected="too late"),
        Problem(where="title", expected="is due"),
        Problem(where="slices[0].spec", expected="belongs to no step"),
        Problem(where="people[0]", expected="strange"),
        Problem(where="people[0].hat", expected="no such key"),
    ]
    listed = told(STEPS, found)
    assert len(listed) == len(found)
    assert [(one.step.name, one.anchor, one.words) for one in listed] == [
        ("first", "title", "Title: is due"),
        ("first", "step", "slices[0].spec: belongs to no step"),
        ("second", "people-1-subject-id", "Person 2, Account: is due"),
        ("second", "people", "People: at least two"),
        ("second", "people", "People: strange"),
        ("second", "people", "People: no such key"),
        ("second", "term-to", "Ends: too late"),
    ]
    shown = inputs(SECOND, KEPT, of_step(STEPS, SECOND, found))
    assert isinstance(shown[0], InputRows)
    assert shown[0].entries[1][1].problems == ("is due",)
    assert shown[0].problems == ("at least two", "strange", "no such key")


def test_what_lacks_all_its_parts_is_told_at_the_first_of_them() -> None:
    found = [
        Problem(where="organisation", expected="this key is required"),
        Problem(where="people[3].subject", expected="this key is required"),
        Problem(where="people[3].name", expected="at least 1 characters are due here"),
        Problem(where="people", expected="one of them leads"),
        Problem(where="", expected="term.to must lie after starts"),
        Problem(where="", expected="people: nobody"),
        Problem(where="", expected="something else"),
    ]
    assert [(one.where, one.expected) for one in placed(STEPS, found)] == [
        ("organisation.name", "fill this in"),
        ("people[3].subject.id", "fill this in"),
        ("people[3].name", "fill this in"),
        ("people", "one of them leads"),
        ("term.to", "term.to must lie after starts"),
        ("people", "people: nobody"),
        ("", "something else"),
    ]


def test_nothing_at_a_key_takes_it_away() -> None:
    made: dict[str, Any] = {"a": {"b": {"c": 1}}, "d": "text"}
    put(made, "a.b.c", None)
    put(made, "d.e", "inside")
    assert made == {"d": {"e": "inside"}}
    assert get(made, "d.e.f") is None


@given(st.dictionaries(st.sampled_from([*FORM, "people-1-name", "csrf", "__class__"]), st.text(max_size=30)))
def test_what_is_shown_and_sent_again_is_the_same(form: dict[str, str]) -> None:
    made = merged(SECOND, {}, form)
    again: dict[str, str] = {}
    for part in inputs(SECOND, made):
        cells = [one for row in part.entries for one in row] if isinstance(part, InputRows) else [part]
        for item in cells:
            again |= {f"{item.name}-{value}": "yes" for value in item.ticked} or {item.name: item.value}
    assert merged(SECOND, {}, again) == made
