"""Choices and the specification: there and back the same, and no choices where they would lose something."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from tre.domain.slices.spec import SliceSpec
from tre.portal.applying import choices as do
from tre.portal.applying.fields import Field, inputs, merged
from tre.portal.plan_actions import Offer

OFFERS = (Offer("demo", "A demonstration", ("r2", "r1")),)
CHOSEN: dict[str, Any] = {
    "source": "demo r1",
    "modality": ["CT", "DX"],
    "bodyPart": ["CHEST"],
    "since": "2020-03-01",
    "until": "2020-12-31",
    "burnt": ["yes"],
    "covid": ["positive"],
    "ageFrom": "18",
    "ageTo": "89",
    "columns": ["age_band", "sex", "death"],
    "tier": "dates-coarse",
    "headers": "sidecar",
    "onFail": "refuse",
}


def ticked(key: str, values: tuple[tuple[str, str], ...]) -> st.SearchStrategy[dict[str, Any]]:
    names = [value for value, _ in values]
    chosen = st.lists(st.sampled_from(names), unique=True, min_size=key == "modality")
    return chosen.map(lambda found: {key: [n for n in names if n in found]} if found else {})


@st.composite
def chosen(draw: st.DrawFn) -> dict[str, Any]:
    made: dict[str, Any] = {"source": "demo r2", "tier": "dates-full", "headers": "none", "onFail": "report"}
    for part in do.choice_step(OFFERS).parts:
        assert isinstance(part, Field)
        if part.kind == "ticks":
            made |= draw(ticked(part.key, part.choices))
    if draw(st.booleans()):
        made |= {"since": "2020-01-01", "ageFrom": "0"}
    return made


@given(chosen())
def test_there_and_back_it_is_the_same(made: dict[str, Any]) -> None:
    assert do.problems(made) == []
    spec = SliceSpec.model_validate(yaml.safe_load(do.as_text(made)))
    found = do.as_choices(spec)
    assert found is not None
    assert SliceSpec.model_validate(do.as_spec(found)) == spec
    assert {key: set(value) for key, value in found.items() if isinstance(value, list)} == {
        key: set(value) for key, value in made.items() if isinstance(value, list)
    }


def test_the_choices_say_what_they_mean() -> None:
    assert do.as_spec(CHOSEN) == {
        "slice": 1,
        "dataset": "demo",
        "release": "r1",
        "images": [
            {
                "modality": ["CT", "DX"],
                "body_part": ["CHEST"],
                "study_date": {"from": "2020-03-01", "to": "2020-12-31"},
            }
        ],
        "exclude": [{"burned_in_annotation": ["YES", "unknown"]}],
        "patients": {"covid_status": ["positive"], "age": {"from": 18, "to": 89}},
        "tables": {
            "clinical": {
                "columns": ["pseudonym", "age_band", "sex", "death"],
                "derive": {"age_band": {"from": "age", "band": 10, "top": 90}},
            }
        },
        "privacy": {"k": 5, "over": ["age_band", "sex"], "on_fail": "refuse"},
        "tier": "dates-coarse",
        "headers": "sidecar",
    }


@pytest.mark.parametrize(
    "change",
    [
        {"images": [{"modality": ["CT"]}, {"modality": ["DX"]}]},
        {"images": [{"modality": ["OT"]}]},
        {"images": [{"modality": ["CT"], "manufacturer": ["ACME"]}]},
        {"patients": {"sample": {"n": 5, "seed": "s"}}},
        {"keep_whole": "study"},
        {"exclude": [{"modality": ["CT"]}]},
        {"privacy": {"k": 9, "over": ["sex"]}},
        {"tables": {"clinical": {"columns": ["sex", "pseudonym"]}}},
        {"images": []},
    ],
)
def test_what_choices_cannot_say_stays_a_text(change: dict[str, Any]) -> None:
    plain = {"slice": 1, "dataset": "demo", "release": "r1", "images": [{"modality": ["CT"]}]}
    assert do.as_choices(SliceSpec.model_validate(plain)) is not None
    assert do.as_choices(SliceSpec.model_validate(plain | change)) is None


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"modality": None}, "modality"),
        ({"since": "yesterday"}, "since"),
        ({"until": "2019-01-01"}, "since"),
        ({"until": "2020-12-30"}, "since"),
        ({"ageFrom": "old"}, "ageFrom"),
        ({"ageTo": "200"}, "ageTo"),
        ({"ageTo": "3"}, "ageFrom"),
        ({"source": ""}, "source"),
    ],
)
def test_what_is_wrong_stands_at_its_choice(change: dict[str, Any], where: str) -> None:
    assert do.problems(CHOSEN) == []
    found = do.problems(CHOSEN | change)
    assert {one.where for one in found} == {where}, found


def test_choices_come_from_a_form() -> None:
    step = do.choice_step(OFFERS)
    form = {"source": "demo r1", "modality-CT": "yes", "modality-DX": "yes", "columns-sex": "yes", "tier": "dates-full"}
    made = merged(step, {}, form)
    assert do.problems(made) == []
    assert len(inputs(step, made)) == len(step.parts)
