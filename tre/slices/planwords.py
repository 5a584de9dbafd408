"""The slice language and its reports in plain words, for people who do not write specifications.

Guarantees: every clause of a specification has a sentence, and so has every reason for which an image stays out; a
word that is not known here stands as it is, never as nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tre.domain.slices.vocabulary import UNKNOWN

_COLUMNS = {
    "age": "age",
    "age_band": "age group",
    "body_part": "part of the body",
    "burned_in_annotation": "text burned into the picture",
    "covid_status": "COVID status",
    "ethnicity_group": "ethnic group",
    "first_study_date": "day of the first examination",
    "itu_admission": "admission to intensive care",
    "manufacturer": "maker of the scanner",
    "modality": "kind of image",
    "model": "model of the scanner",
    "site": "hospital trust",
    "slice_thickness_mm": "thickness of a slice in mm",
    "study_date": "day of the examination",
    "study_quarter": "quarter of the examination",
    "view_position": "direction of view",
}
_CATEGORIES = {
    "CR": "X-ray, computed radiography (CR)",
    "DX": "X-ray, digital (DX)",
    "CT": "CT scan",
    "MR": "MRI scan",
    "US": "ultrasound",
    "MG": "mammogram",
    "everybody": "all people",
    "positive": "COVID positive",
    "negative": "COVID negative",
    "multiple": "mixed or multiple",
    UNKNOWN: "not known",
}
_NEAR, _SOME = 100, 250
"""Distances per thousand below which two groups count as alike, and as somewhat different (our choice of words)."""

_UNITS = {
    "patient": "All images of a person stay together: all come, or none.",
    "study": "All images of an examination stay together: all come, or none.",
    "series": "All images of a series stay together: all come, or none.",
    "instance": "Each image is judged for itself.",
}
_TIERS = {
    "dates-full": "Dates in the images are those of the dataset, to the day.",
    "dates-coarse": "Dates in the images say the month only.",
}
_HEADERS = {
    "none": "Headers come as they are in the image files, without a table of them.",
    "sidecar": "Beside each image lies a file with its header.",
    "full": "A table holds technical attributes of each image's header.",
}


def column(name: str) -> str:
    """A column or dimension in words."""
    return _COLUMNS.get(name, name.replace("_", " "))


def heading(name: str) -> str:
    """A column or dimension at the head of a part of a page."""
    words = column(name)
    return words[0].upper() + words[1:]


def category(name: str) -> str:
    """A category in words."""
    return _CATEGORIES.get(name, name)


def distance(permille: int) -> str:
    """A distance in words, with its number."""
    said = "about the same" if permille < _NEAR else "somewhat different" if permille < _SOME else "clearly different"
    return f"{said} ({permille} of 1000)"


_REASONS = {
    "withdrawn": "the person opted out",
    "tier": "there is no copy with coarse dates",
    "images": "no images are asked for",
    "patients.sample": "the person was not drawn into the sample",
    "patients.list": "the person is not on the list",
}


def reason(name: str) -> str:
    """Why images stay out, in words."""
    if name in _REASONS:
        return _REASONS[name]
    where, _, what = name.partition(".")
    if where == "exclude":
        return "excluded by " + " and ".join(column(one) for one in what.split("+"))
    key, _, missing = what.partition(".")
    whose = "the person's " if where == "patients" else ""
    return f"{whose}{column(key)} is not known" if missing else f"{whose}{column(key)} is another"


def size(amount: int) -> str:
    """Bytes as people say them: `2.8 GB`; decimal, as disks are sold."""
    for unit, factor in (("TB", 10**12), ("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if amount >= factor:
            return f"{amount / factor:.3g} {unit}"
    return f"{amount} bytes"


def asked(spec: Mapping[str, Any]) -> Iterator[str]:
    """What a specification asks for, a sentence each."""
    images = spec.get("images", [])
    for number, entry in enumerate(images):
        yield f"{'Images' if number == 0 else 'Also images'} with {_conditions(entry)}."
    if not images:
        yield "No images: a request that names none gets none."
    for entry in spec.get("exclude", []):
        yield f"But none with {_conditions(entry)}."
    yield from _patients(spec.get("patients", {}))
    yield _UNITS[spec.get("keep_whole", "series")]
    yield from _table(spec.get("tables", {}).get("clinical"))
    yield _TIERS[spec.get("tier", "dates-full")]
    yield _HEADERS[spec.get("headers", "none")]


def _patients(conditions: Mapping[str, Any]) -> Iterator[str]:
    plain = {key: value for key, value in conditions.items() if key not in {"list", "sample"}}
    if plain:
        yield f"Only of people with {_conditions(plain)}."
    if "list" in conditions:
        yield "Only of people on a list that a cohort tool made."
    if sample := conditions.get("sample"):
        size = f"{sample['n']:,} people" if "n" in sample else f"about {sample['permille']} of every 1,000 people"
        yield f"Of these a sample of {size}, drawn by chance (seed {sample['seed']})."


def _table(table: Mapping[str, Any] | None) -> Iterator[str]:
    if table is None:
        yield "No table about the people."
        return
    yield f"A table with a line for each person: {', '.join(column(name) for name in table['columns'])}."


def _conditions(entry: Mapping[str, Any]) -> str:
    return " and ".join(f"{column(key)} {_value(value)}" for key, value in entry.items())


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        if "not" in value:
            return f"other than {' or '.join(value['not'])}"
        low, high = value.get("from", value.get("min")), value.get("to", value.get("max"))
        if low is not None and high is not None:
            return f"from {low} to {high}"
        return f"from {low} on" if low is not None else f"up to {high}"
    return " or ".join(category(one) for one in value)
