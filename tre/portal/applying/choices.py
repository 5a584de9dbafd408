"""Choosing a part of a dataset by ticking: from choices to a specification, and back where choices can say all of it.

Guarantees: what is ticked becomes one specification, read by the same rules as a typed one; a specification is shown
as choices only where the choices mean exactly it, so that nothing of it is lost by looking. What is wrong is told at
the choice that it comes from.

Does not guarantee: that choices can say everything that the language can. The text can.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import yaml
from pydantic import ValidationError

from tre.domain.model import Problem, all_keys, problems_of
from tre.domain.slices import vocabulary as words
from tre.domain.slices.spec import SliceSpec
from tre.portal.applying.fields import Field, Kind, Plain, Shape, Step, get, put
from tre.portal.plan_actions import Offer

SLICE_VERSION = 1
LEAST_GROUP = 5
"""The k of the report that goes with the choices: fewer people who share their marks are told of."""

BAND = {"from": "age", "band": 10, "top": 90}
MODALITIES = (
    ("CR", "X-ray, computed radiography (CR)"),
    ("DX", "X-ray, digital (DX)"),
    ("CT", "Computed tomography (CT)"),
    ("MR", "Magnetic resonance (MR)"),
    ("US", "Ultrasound (US)"),
    ("MG", "Mammography (MG)"),
    ("NM", "Nuclear medicine (NM)"),
    ("PT", "Positron emission tomography (PT)"),
)
BODY_PARTS = (
    ("CHEST", "Chest"),
    ("LUNG", "Lung"),
    ("HEART", "Heart"),
    ("ABDOMEN", "Abdomen"),
    ("HEAD", "Head"),
    ("NECK", "Neck"),
    ("BREAST", "Breast"),
    (words.UNKNOWN, "Not written in the image"),
)
_UNKNOWN = (words.UNKNOWN, "Not known")
COVID = (("positive", "Positive"), ("negative", "Negative"), _UNKNOWN)
SEXES = (("female", "Female"), ("male", "Male"), _UNKNOWN)
ETHNICITY = (
    ("asian", "Asian"),
    ("black", "Black"),
    ("multiple", "More than one group"),
    ("white", "White"),
    ("other", "Other"),
    _UNKNOWN,
)
COLUMNS = (
    ("age_band", "Age in bands of ten years"),
    ("age", "Age in years"),
    ("sex", "Sex"),
    ("ethnicity_group", "Ethnicity group"),
    ("covid_status", "COVID-19 status"),
    ("site", "Hospital (as a code)"),
    ("itu_admission", "Admitted to intensive care"),
    ("intubation", "Intubated"),
    ("death", "Died"),
)
TIERS = (("dates-coarse", "Months only: a day can tell who somebody is"), ("dates-full", "Days"))
HEADERS = (("none", "Nothing"), ("sidecar", "A file with the permitted headers"), ("full", "All permitted headers"))
ON_FAIL = (("report", "Tell the committee"), ("refuse", "Give nothing"))
BURNT = (("yes", "Leave out images with writing in the picture, or where nobody has looked"),)
NO_OTHER = "Nothing ticked leaves nobody out."

PLACES = {
    "dataset": "source",
    "release": "source",
    "images[0].modality": "modality",
    "images[0].body_part": "bodyPart",
    "images[0].study_date.from": "since",
    "images[0].study_date.to": "until",
    "images[0].study_date": "since",
    "images": "modality",
    "patients.age.from": "ageFrom",
    "patients.age.to": "ageTo",
    "patients.age": "ageFrom",
    "tables": "columns",
}
"""Which choice a key of the specification comes from; the first that fits."""


def choice_step(offers: Sequence[Offer]) -> Step:
    """The choices, for the datasets that can be asked of."""
    sources = tuple((f"{one.name} {release}", f"{one.title}, {release}") for one in offers for release in one.releases)
    return Step(
        "choices",
        "Choose the data",
        (
            Field("source", "Dataset and release", Kind.choice, choices=sources),
            Field("modality", "Kinds of image", Kind.ticks, "Each kind needs its reason.", choices=MODALITIES),
            Field("bodyPart", "Part of the body", Kind.ticks, "Nothing ticked means any part.", choices=BODY_PARTS),
            Field("since", "Examined from", Kind.day, "Leave it empty for any day."),
            Field("until", "Examined until", Kind.day, "That day is counted."),
            Field("burnt", "Writing in the picture", Kind.ticks, choices=BURNT),
            Field("covid", "COVID-19 status of the people", Kind.ticks, NO_OTHER, choices=COVID),
            Field("sex", "Sex", Kind.ticks, NO_OTHER, choices=SEXES),
            Field("ethnicity", "Ethnicity group", Kind.ticks, NO_OTHER, choices=ETHNICITY),
            Field("ageFrom", "Age from", most=3),
            Field("ageTo", "Age up to", most=3),
            Field("columns", "What is told of each person", Kind.ticks, "Beside a pseudonym.", choices=COLUMNS),
            Field("tier", "Dates", Kind.choice, choices=TIERS),
            Field("headers", "Beside the images", Kind.choice, choices=HEADERS),
            Field("onFail", "If fewer than five people share their marks", Kind.choice, choices=ON_FAIL),
        ),
        lead="What is not ticked is not given.",
    )


def as_spec(choices: Shape) -> Plain:
    """The specification that the choices mean, as plain values that are not checked yet."""
    made: Plain = {"slice": SLICE_VERSION}
    made["dataset"], _, made["release"] = str(choices.get("source", "")).partition(" ")
    image: Plain = {}
    for key, kept in (("modality", "modality"), ("body_part", "bodyPart")):
        put(image, key, choices.get(kept))
    put(image, "study_date.from", choices.get("since"))
    put(image, "study_date.to", choices.get("until"))
    put(made, "images", [image] if image else None)
    if choices.get("burnt"):
        made["exclude"] = [{"burned_in_annotation": ["YES", words.UNKNOWN]}]
    for key, kept in (("covid_status", "covid"), ("sex", "sex"), ("ethnicity_group", "ethnicity")):
        put(made, f"patients.{key}", choices.get(kept))
    put(made, "patients.age.from", _whole(choices.get("ageFrom")))
    put(made, "patients.age.to", _whole(choices.get("ageTo")))
    made |= _table(list(choices.get("columns") or []), str(choices.get("onFail") or "report"))
    put(made, "tier", choices.get("tier"))
    put(made, "headers", choices.get("headers"))
    return made


def _table(columns: list[str], on_fail: str) -> Plain:
    if not columns:
        return {}
    table: Plain = {"columns": ["pseudonym", *columns]}
    if "age_band" in columns:
        table["derive"] = {"age_band": dict(BAND)}
    over = [name for name in columns if name in {*words.QUASI_IDENTIFIERS, "age_band"}]
    privacy = {"privacy": {"k": LEAST_GROUP, "over": over, "on_fail": on_fail}} if over else {}
    return {"tables": {"clinical": table}, **privacy}


def _whole(typed: Any) -> Any:
    text = str(typed or "")
    return int(text) if text.isascii() and text.isdecimal() else typed


def problems(choices: Shape) -> list[Problem]:
    """What is wrong with the choices, each at the choice it comes from."""
    if not choices.get("modality"):
        return [Problem(where="modality", expected="tick at least one kind of image")]
    try:
        SliceSpec.model_validate(as_spec(choices))
    except ValidationError as error:
        found = problems_of(error, all_keys(SliceSpec))
        return [Problem(where=_choice_at(one), expected=one.expected) for one in found]
    return []


def _choice_at(problem: Problem) -> str:
    where = problem.where or problem.expected  # a rule about the whole names its key first
    return next((choice for key, choice in PLACES.items() if where.startswith(key)), problem.where)


def as_text(choices: Shape) -> str:
    """The choices as the text of a specification."""
    return yaml.safe_dump(as_spec(choices), sort_keys=False, allow_unicode=True, width=100)


def as_choices(spec: SliceSpec) -> Plain | None:
    """A specification as choices; `None` where choices cannot say it."""
    plain = spec.model_dump(mode="json", by_alias=True, exclude_none=True, exclude_defaults=True)
    image: Plain = next(iter(plain.get("images", [])), {})
    made: Plain = {"source": f"{spec.dataset} {spec.release}"}
    found = {
        "modality": image.get("modality"),
        "bodyPart": image.get("body_part"),
        "since": get(image, "study_date.from"),
        "until": get(image, "study_date.to"),
        "burnt": ["yes"] if spec.exclude else None,
        "covid": get(plain, "patients.covid_status"),
        "sex": get(plain, "patients.sex"),
        "ethnicity": get(plain, "patients.ethnicity_group"),
        "ageFrom": _typed(get(plain, "patients.age.from")),
        "ageTo": _typed(get(plain, "patients.age.to")),
        "columns": [name for name in get(plain, "tables.clinical.columns") or [] if name != "pseudonym"],
        "tier": spec.tier,
        "headers": spec.headers.value,
        "onFail": spec.privacy.on_fail.value if spec.privacy else "report",
    }
    for key, value in found.items():
        put(made, key, value or None)
    return made if image.get("modality") and _offered(made) and _means(made, spec) else None


def _typed(number: int | None) -> str | None:
    return None if number is None else str(number)


def _offered(made: Plain) -> bool:
    """Whether every value can be ticked: what cannot would be lost by keeping the page."""
    known = {
        field.key: {value for value, _ in field.choices} for field in choice_step(()).parts if isinstance(field, Field)
    }
    return all(set(value) <= known[key] for key, value in made.items() if isinstance(value, list))


def _means(made: Mapping[str, Any], spec: SliceSpec) -> bool:
    try:
        return bool(SliceSpec.model_validate(as_spec(made)).as_plain() == spec.as_plain())
    except ValidationError:
        return False
