"""From a specification to one parameterised query.

Guarantees: no value of a specification and no name from outside ever becomes part of the query's text: values are
bound, columns come from the fixed lists here. Each image gets a verdict that says why it stays out: the condition at
which the alternative that got furthest failed, and whether the value was missing. A unit (`keep_whole`) is in when one
of its images matches and none is excluded; opt-outs are subtracted after everything else.

Does not guarantee: speed on an index without profiles; see `tre.slices.index`.

Threat: a specification whose text reaches the database, and a condition that is silently skipped.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tre.domain.slices.spec import (
    AgeRange,
    DayRange,
    ImageConditions,
    MillimetreRange,
    NoneOf,
    SliceSpec,
    Unit,
)
from tre.domain.slices.vocabulary import UNKNOWN

MATCHES = 1000
"""The verdict on an image that an alternative takes; smaller numbers say where the best one failed."""

WITHDRAWN = "withdrawn"
NOT_ASKED = "images"
_IMAGE_COLUMNS = {
    "modality": "modality",
    "body_part": "body_part",
    "study_date": "study_date",
    "slice_thickness_mm": "slice_thickness_um",
    "manufacturer": "manufacturer",
    "model": "model",
    "view_position": "view_position",
    "burned_in_annotation": "burned_in_annotation",
}
_PATIENT_COLUMNS = {name: name for name in ("covid_status", "age", "sex", "ethnicity_group", "site")}
_UNITS = {
    Unit.patient: "s.patient",
    Unit.study: "s.study",
    Unit.series: "g.series",
    Unit.instance: "(g.series, g.image_verdict, g.exclude_verdict)",
}
_BOUNDS = {DayRange: "DATE", AgeRange: "INTEGER", MillimetreRange: "INTEGER"}


@dataclass
class Compiled:
    """SQL expressions for one specification, the values bound in them, and what each verdict means."""

    image: str = "0"
    exclude: str = "0"
    patient: str = "0"
    parameters: dict[str, Any] = field(default_factory=dict)
    image_reasons: dict[int, str] = field(default_factory=dict)
    exclude_reasons: dict[int, str] = field(default_factory=dict)
    patient_reasons: dict[int, str] = field(default_factory=dict)

    def bind(self, value: Any) -> str:
        """A placeholder for a value."""
        name = f"v{len(self.parameters)}"
        self.parameters[name] = value
        return f"${name}"


@dataclass(frozen=True)
class _Test:
    """One condition: its key, and when it fails for a missing and for another value."""

    key: str
    missing: str
    fails: str


def compile_spec(spec: SliceSpec) -> Compiled:
    """The expressions that grade images (`image`, `exclude`) and patients (`patient`)."""
    out = Compiled()
    out.image_reasons[0] = NOT_ASKED
    for number, key in enumerate(_IMAGE_COLUMNS, start=1):
        out.image_reasons[2 * number] = f"images.{key}"
        out.image_reasons[2 * number + 1] = f"images.{key}.{UNKNOWN}"
    steps = [_steps(_tests(entry, _IMAGE_COLUMNS, out)) for entry in spec.images]
    out.image = f"greatest({', '.join(steps)})" if steps else "0"
    out.exclude = _excluded(spec.exclude, out)
    if spec.patients is not None:
        tests = _tests(spec.patients, _PATIENT_COLUMNS, out)
        out.patient = _first_failure(tests, out)
    return out


def _tests(conditions: Any, columns: dict[str, str], out: Compiled) -> list[_Test]:
    wanted = ((key, getattr(conditions, key)) for key in columns)
    return [_test(key, columns[key], condition, out) for key, condition in wanted if condition is not None]


def _test(key: str, column: str, condition: Any, out: Compiled) -> _Test:
    absent = f"{column} IS NULL"
    if isinstance(condition, NoneOf):
        codes = out.bind(list(condition.codes))
        return _Test(key, absent, f"list_contains({codes}::VARCHAR[], {column})")
    if isinstance(condition, tuple):
        known = out.bind([code for code in condition if code != UNKNOWN])
        fails = f"{column} IS NOT NULL AND NOT list_contains({known}::VARCHAR[], {column})"
        return _Test(key, "false" if UNKNOWN in condition else absent, fails)
    return _Test(key, absent, _outside(column, condition, out))


def _outside(column: str, bounds: DayRange | AgeRange | MillimetreRange, out: Compiled) -> str:
    kind = _BOUNDS[type(bounds)]
    ends = (("<", bounds.first), (">", bounds.last))
    tests = [f"{column} {sign} {out.bind(_bound(end))}::{kind}" for sign, end in ends if end is not None]
    return " OR ".join(tests)


def _bound(end: Any) -> Any:
    """Days and years as they are; millimetres as whole micrometres."""
    return int(end * 1000) if type(end).__name__ == "Decimal" else end


def _steps(tests: Sequence[_Test]) -> str:
    """How far an image gets through one alternative: the number of the condition at which it fails."""
    order = {key: number for number, key in enumerate(_IMAGE_COLUMNS, start=1)}
    cases = "".join(
        f" WHEN {test.missing} THEN {2 * order[test.key] + 1} WHEN {test.fails} THEN {2 * order[test.key]}"
        for test in tests
    )
    return f"CASE{cases} ELSE {MATCHES} END"


def _excluded(entries: Sequence[ImageConditions], out: Compiled) -> str:
    """The number (from 1) of the first entry under `exclude` whose conditions all hold, else 0."""
    cases = ""
    for number, entry in enumerate(entries, start=1):
        tests = _tests(entry, _IMAGE_COLUMNS, out)
        out.exclude_reasons[number] = "exclude." + "+".join(test.key for test in tests)
        holds = " AND ".join(f"NOT ({test.missing}) AND NOT ({test.fails})" for test in tests)
        cases += f" WHEN {holds} THEN {number}"
    return f"CASE{cases} ELSE 0 END" if cases else "0"


def _first_failure(tests: Sequence[_Test], out: Compiled) -> str:
    cases = ""
    for number, test in enumerate(tests, start=1):
        out.patient_reasons[2 * number] = f"patients.{test.key}"
        out.patient_reasons[2 * number + 1] = f"patients.{test.key}.{UNKNOWN}"
        cases += f" WHEN {test.missing} THEN {2 * number + 1} WHEN {test.fails} THEN {2 * number}"
    return f"CASE{cases} ELSE 0 END"


_QUERY = """
WITH graded AS (
    SELECT series, instances, bytes, sidecars, sidecar_bytes, study_date,
           {image} AS image_verdict, {exclude} AS exclude_verdict
    FROM profiles
),
grouped AS (
    SELECT series, image_verdict, exclude_verdict, min(study_date) AS first_study_date,
           sum(instances)::BIGINT AS instances, sum(bytes)::BIGINT AS bytes,
           sum(sidecars)::BIGINT AS sidecars, sum(sidecar_bytes)::BIGINT AS sidecar_bytes
    FROM graded GROUP BY ALL
),
placed AS (
    SELECT g.*, s.patient, s.study, {unit} AS unit
    FROM grouped g JOIN series s USING (series) WHERE s.partition = $partition
),
units AS (
    SELECT unit, bool_or(image_verdict = {matches}) AS wanted, max(exclude_verdict) AS barred
    FROM placed GROUP BY unit
),
people AS (
    SELECT p.patient, {patient} AS patient_verdict,
           p.pseudonym IN (SELECT pseudonym FROM denied) AS gone
    FROM patients p
)
SELECT placed.*,
       CASE WHEN NOT wanted THEN 'image' WHEN barred > 0 THEN 'exclude'
            WHEN patient_verdict > 0 THEN 'patient' WHEN gone THEN 'withdrawn' ELSE 'taken' END AS fate,
       barred, patient_verdict
FROM placed JOIN units USING (unit) JOIN people USING (patient)
"""


def selection_query(spec: SliceSpec, compiled: Compiled) -> str:
    """The one query: a row for each group of like images of a series, with its fate and the verdicts behind it.

    It reads the tables `profiles`, `series`, `patients` and `denied`, and takes the bound values of `compiled` and
    `partition`.
    """
    return _QUERY.format(
        image=compiled.image,
        exclude=compiled.exclude,
        patient=compiled.patient,
        unit=_UNITS[spec.keep_whole],
        matches=MATCHES,
    )


def reason_of(fate: str, verdicts: tuple[int, int, int], compiled: Compiled) -> str:
    """In words why a group stays out: its fate, and its (image, exclude, patient) verdicts."""
    image, barred, patient = verdicts
    if fate == "image":
        return compiled.image_reasons[image]
    if fate == "exclude":
        return compiled.exclude_reasons[barred]
    return compiled.patient_reasons[patient] if fate == "patient" else WITHDRAWN
