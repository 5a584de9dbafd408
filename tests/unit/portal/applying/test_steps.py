"""The steps ask for everything that an application holds, once; every word of the domain has its words."""

from __future__ import annotations

from collections import Counter
from typing import Any

from pydantic import BaseModel

from tests.unit.portal.applying_world import CONTENT, form_of
from tre.domain.applications.models import ApplicationContent, Lane
from tre.domain.applications.states import ApplicationState, Party
from tre.domain.committee.models import Choice
from tre.domain.committee.tally import Outcome
from tre.domain.grants.conditions import KNOWN
from tre.portal.applying import words
from tre.portal.applying.fields import Field, Rows, merged
from tre.portal.applying.steps import STEPS, UNTYPED, after, step_named


def keys_of(model: type[BaseModel], front: str = "") -> set[str]:
    """Every key of a model, dotted; lists and the data stay whole."""
    found = set()
    for name, field in model.model_fields.items():
        key = front + (field.alias or name)
        kind: Any = field.annotation
        inner = kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None
        found |= keys_of(inner, f"{key}.") if inner else {key}
    return found


def test_every_key_is_asked_for_once() -> None:
    asked = Counter(part.key for step in STEPS for part in step.parts)
    assert set(asked) == keys_of(ApplicationContent)
    assert set(asked.values()) == {1}


def test_every_row_asks_for_its_keys() -> None:
    content: Any = ApplicationContent.model_fields
    for step in STEPS:
        for part in step.parts:
            if isinstance(part, Rows) and step not in UNTYPED:
                name = next(n for n, f in content.items() if (f.alias or n) == part.key)
                item = next(a for a in _arguments(content[name].annotation) if issubclass(a, BaseModel))
                assert {field.key for field in part.fields} == keys_of(item)


def _arguments(annotation: Any) -> list[Any]:
    return [one for one in annotation.__args__ if isinstance(one, type)]


def test_what_can_be_chosen_is_what_the_domain_knows() -> None:
    for step in STEPS:
        for part in step.parts:
            if isinstance(part, Field) and part.key in {"research", "category"}:
                kind: Any = ApplicationContent.model_fields[part.key].annotation
                assert {value for value, _ in part.choices} == {one.value for one in kind}


def test_a_whole_application_goes_through_the_form() -> None:
    made: dict[str, Any] = {"slices": CONTENT["slices"]}
    for step in STEPS:
        if step not in UNTYPED:
            made = merged(step, made, form_of(step.name))
    assert made == CONTENT
    assert ApplicationContent.model_validate(made).as_plain()


def test_the_steps_follow_each_other() -> None:
    assert [after(step) for step in STEPS] == [*STEPS[1:], None]
    assert step_named("people") is STEPS[1]
    assert step_named("nothing") is None


def test_every_word_has_its_words() -> None:
    assert set(words.STATES) == set(words.STATE_COLOURS) == set(words.FOR_COMMITTEE) == set(ApplicationState)
    assert set(words.PARTIES) == set(Party)
    assert set(words.OUTCOMES) == set(Outcome)
    assert set(words.CHOICES) == set(words.CHOICE_COLOURS) == set(Choice)
    assert set(words.LANES) == set(Lane)
    assert set(words.CONDITION_WORDS) <= KNOWN
