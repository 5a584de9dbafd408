"""A slice's plan as text on a terminal. What it prints went through the dataset's rule for small numbers before."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tre.cli import common
from tre.domain.slices.shown import SmallNumbers
from tre.slices.planwords import size

Plain = dict[str, Any]


def print_plan(shown: Plain) -> None:
    """Print the whole plan."""
    _say(f"plan digest  {shown['planDigest']}")
    counted = (f"{shown[name]} {name}" for name in ("patients", "studies", "series"))
    _say(f"{', '.join(counted)}, {shown['instances']} images, {shown['files']} files, {size(shown['bytes'])}")
    _say(SmallNumbers.model_validate(shown["smallNumbers"]).as_words())
    if shown["extended"]:
        unit = shown["spec"].get("keep_whole", "series")
        _say(f"{shown['extended']} of these images came in only because a {unit} is never split")
    for line in _cohort(shown):
        _say(line)
    common.print_table("Left out", ("reason", "images"), list(shown["rejected"].items()))
    _print_k(shown["kReport"])
    for dimension in shown["representativeness"]:
        _print_dimension(dimension)
    _print_missing(shown["missing"])
    rows = [(entry["column"], entry["meaning"], entry["kind"], entry["values"]) for entry in shown["dictionary"]]
    if rows:
        common.print_table("Columns of the clinical table", ("column", "meaning", "kind", "values"), rows)


def _say(text: str) -> None:
    common.out.print(text, markup=False, highlight=False)


def _cohort(shown: Plain) -> Iterable[str]:
    if listed := shown.get("patientList"):
        digest = shown["spec"]["patients"]["list"]["digest"]
        yield f"patient list {digest}"
        yield f"  {listed['pseudonyms']} pseudonyms, {listed['unknown']} of them not in this release"
    if sample := shown.get("sample"):
        yield f"sample: {sample['drawn']} of {sample['eligible']} patients, drawn before opt-outs are subtracted"
    gone = shown["optOuts"]
    if gone["patients"]:
        yield f"opt-outs take out {gone['patients']} patients and {gone['instances']} images"


def _print_k(report: Plain | None) -> None:
    if report is None:
        return
    rows = [_cells(report[name]) for name in ("asked", "coarser", "withStudyDates") if report[name]]
    title = f"Patients in cells smaller than k = {report['k']} ({'met' if report['met'] else 'not met'})"
    common.print_table(title, ("by", "cells", "smallest", "unique", "below k"), rows)


def _cells(cells: Plain) -> tuple[object, ...]:
    names = ("cells", "smallestCell", "patientsUnique", "patientsBelowK")
    return (", ".join(cells["over"]), *(cells[name] for name in names))


def _print_dimension(one: Plain) -> None:
    said = f"{one['name']}: distance {one['distancePermille']} ‰"
    if one["referencePermille"] is not None:
        said += f", from the reference {one['referencePermille']} ‰"
    if one["optOutsPermille"] is not None:
        said += f", by opt-outs {one['optOutsPermille']} ‰"
    rows = [
        (
            share["category"],
            *(_number(share[name]) for name in ("slicePermille", "datasetPermille", "referencePermille")),
            "under-represented" if share["underRepresented"] else "",
        )
        for share in one["shares"]
    ]
    common.print_table(f"{said} (shares in ‰)", ("", "slice", "dataset", "reference", ""), rows)


def _print_missing(missing: list[Plain]) -> None:
    rows = [(one["column"], one["group"], one["patients"], _number(one["missingPermille"])) for one in missing]
    if rows:
        common.print_table("Empty values (‰)", ("column", "patients who are", "patients", "empty"), rows)


def _number(value: object) -> str:
    return "" if value is None else str(value)
