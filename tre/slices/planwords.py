"""The slice language and its reports in plain words, for people who do not write specifications.

Guarantees: every clause of a specification has a sentence, and so has every reason for which an image stays out; a
word that is not known here stands as it is, never as nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tre.domain.slices.vocabulary import UNKNOWN
from tre.system.languages import gettext, gettext_noop, separated

_COLUMNS = {
    "age": gettext_noop("age"),
    "age_band": gettext_noop("age group"),
    "body_part": gettext_noop("part of the body"),
    "burned_in_annotation": gettext_noop("text burned into the picture"),
    "covid_status": gettext_noop("COVID status"),
    "death": gettext_noop("death"),
    "ethnicity_group": gettext_noop("ethnic group"),
    "first_study_date": gettext_noop("day of the first examination"),
    "intubation": gettext_noop("intubation"),
    "itu_admission": gettext_noop("admission to intensive care"),
    "manufacturer": gettext_noop("maker of the scanner"),
    "modality": gettext_noop("kind of image"),
    "model": gettext_noop("model of the scanner"),
    "pseudonym": gettext_noop("pseudonym"),
    "sex": gettext_noop("sex"),
    "site": gettext_noop("hospital trust"),
    "slice_thickness_mm": gettext_noop("thickness of a slice in mm"),
    "study_date": gettext_noop("day of the examination"),
    "study_quarter": gettext_noop("quarter of the examination"),
    "view_position": gettext_noop("direction of view"),
}
_CATEGORIES = {
    "CR": gettext_noop("X-ray, computed radiography (CR)"),
    "DX": gettext_noop("X-ray, digital (DX)"),
    "CT": gettext_noop("CT scan"),
    "MR": gettext_noop("MRI scan"),
    "US": gettext_noop("ultrasound"),
    "MG": gettext_noop("mammogram"),
    "everybody": gettext_noop("all people"),
    "positive": gettext_noop("COVID positive"),
    "negative": gettext_noop("COVID negative"),
    "female": gettext_noop("female"),
    "male": gettext_noop("male"),
    "white": gettext_noop("white"),
    "asian": gettext_noop("asian"),
    "black": gettext_noop("black"),
    "other": gettext_noop("other"),
    "multiple": gettext_noop("mixed or multiple"),
    UNKNOWN: gettext_noop("not known"),
}
_NEAR, _SOME = 100, 250
"""Distances per thousand below which two groups count as alike, and as somewhat different (our choice of words)."""

_UNITS = {
    "patient": gettext_noop("All images of a person stay together: all come, or none."),
    "study": gettext_noop("All images of an examination stay together: all come, or none."),
    "series": gettext_noop("All images of a series stay together: all come, or none."),
    "instance": gettext_noop("Each image is judged for itself."),
}
_TIERS = {
    "dates-full": gettext_noop("Dates in the images are those of the dataset, to the day."),
    "dates-coarse": gettext_noop("Dates in the images say the month only."),
}
_HEADERS = {
    "none": gettext_noop("Headers come as they are in the image files, without a table of them."),
    "sidecar": gettext_noop("Beside each image lies a file with its header."),
    "full": gettext_noop("A table holds technical attributes of each image's header."),
}


def column(name: str) -> str:
    """A column or dimension in words."""
    return gettext(_COLUMNS[name]) if name in _COLUMNS else name.replace("_", " ")


def heading(name: str) -> str:
    """A column or dimension at the head of a part of a page."""
    words = column(name)
    return words[0].upper() + words[1:]


def category(name: str) -> str:
    """A category in words."""
    return gettext(_CATEGORIES[name]) if name in _CATEGORIES else name


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
        what = _conditions(entry)
        yield (
            gettext("Also images with %(what)s.", what=what) if number else gettext("Images with %(what)s.", what=what)
        )
    if not images:
        yield gettext("No images: a request that names none gets none.")
    for entry in spec.get("exclude", []):
        yield gettext("But none with %(what)s.", what=_conditions(entry))
    yield from _patients(spec.get("patients", {}))
    yield gettext(_UNITS[spec.get("keep_whole", "series")])
    yield from _table(spec.get("tables", {}).get("clinical"))
    yield gettext(_TIERS[spec.get("tier", "dates-full")])
    yield gettext(_HEADERS[spec.get("headers", "none")])


def _patients(conditions: Mapping[str, Any]) -> Iterator[str]:
    plain = {key: value for key, value in conditions.items() if key not in {"list", "sample"}}
    if plain:
        yield gettext("Only of people with %(what)s.", what=_conditions(plain))
    if "list" in conditions:
        yield gettext("Only of people on a list that a cohort tool made.")
    if sample := conditions.get("sample"):
        if "n" in sample:
            size = gettext("%(count)s people", count=separated(sample["n"]))
        else:
            size = gettext("about %(permille)s of every 1,000 people", permille=sample["permille"])
        yield gettext("Of these a sample of %(size)s, drawn by chance (seed %(seed)s).", size=size, seed=sample["seed"])


def _table(table: Mapping[str, Any] | None) -> Iterator[str]:
    if table is None:
        yield gettext("No table about the people.")
        return
    columns = ", ".join(column(name) for name in table["columns"])
    yield gettext("A table with a line for each person: %(columns)s.", columns=columns)


def _conditions(entry: Mapping[str, Any]) -> str:
    return gettext(" and ").join(f"{column(key)} {_value(value)}" for key, value in entry.items())


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        if "not" in value:
            return gettext("other than %(values)s", values=gettext(" or ").join(value["not"]))
        low, high = value.get("from", value.get("min")), value.get("to", value.get("max"))
        if low is not None and high is not None:
            return gettext("from %(low)s to %(high)s", low=low, high=high)
        return gettext("from %(low)s on", low=low) if low is not None else gettext("up to %(high)s", high=high)
    return gettext(" or ").join(category(one) for one in value)
