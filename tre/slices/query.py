"""From a specification to one parameterised query.

Guarantees: no value of a specification and no name from outside ever becomes part of the query's text: values are
bound, columns come from the fixed lists here. Each image gets a verdict that says why it stays out: the condition at
which the alternative that got furthest failed, and whether the value was missing. A unit (`keep_whole`) is in when one
of its images matches and none is excluded; opt-outs are subtracted after everything else.

Does not guarantee: speed on a release that is not loaded; see `tre.slices.loaded`.

Threat: a specification whose text reaches the database, and a condition that is silently skipped.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tre.domain.slices.spec import ImageConditions, Sample, SliceSpec, Unit
from tre.domain.slices.values import AgeRange, DayRange, MillimetreRange, NoneOf
from tre.domain.slices.vocabulary import UNKNOWN
from tre.slices.cohorts import TICKETS

MATCHES = 1000
"""The verdict on an image that an alternative takes; smaller numbers say where the best one failed."""

WITHDRAWN = "withdrawn"
NOT_DRAWN = "patients.sample"
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
_UNITS = {Unit.patient: "patient", Unit.study: "study", Unit.series: "series"}
_BOUNDS = {DayRange: "DATE", AgeRange: "INTEGER", MillimetreRange: "INTEGER"}


@dataclass
class Compiled:
    """SQL expressions for one specification, the values bound in them, and what each verdict means."""

    image: str = "0"
    exclude: str = "0"
    patient: str = "0"
    drawn: str = ""
    parameters: dict[str, Any] = field(default_factory=dict)
    image_reasons: dict[int, str] = field(default_factory=dict)
    exclude_reasons: dict[int, str] = field(default_factory=dict)
    patient_reasons: dict[int, str] = field(default_factory=dict)

    def bind(self, value: Any) -> str:
        """A placeholder for a value."""
        name = f"v{len(self.parameters)}"
        self.parameters[name] = value
        return f"${name}"

    def image_values(self) -> dict[str, Any]:
        """The bound values that grading images needs."""
        used = self.image + self.exclude
        return {name: value for name, value in self.parameters.items() if f"${name}:" in used}


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
        if spec.patients.list is not None:
            tests.insert(0, _Test("list", "false", "NOT (p.pseudonym IN (SELECT pseudonym FROM listed))"))
        out.patient = _first_failure(tests, out)
        if spec.patients.sample is not None:
            _draw(spec.patients.sample, out)
    return out


def _draw(sample: Sample, out: Compiled) -> None:
    """Whose ticket is drawn: one below the threshold, and one of the `n` smallest."""
    permille, n = sample.permille, sample.n
    most = TICKETS - 1 if permille is None else TICKETS * permille // 1000 - 1
    out.drawn = f"ticket <= {out.bind(most)}::BIGINT AND place <= {out.bind(TICKETS - 1 if n is None else n)}::BIGINT"


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
    return f"CASE{cases} ELSE 0 END" if cases else "0"


_QUERY = """
WITH graded AS (
    SELECT series, patient, study, instances, bytes, sidecars, sidecar_bytes, study_date, image_kinds,
           {image} AS image_verdict, {exclude} AS exclude_verdict
    FROM profiles WHERE partition = $partition
),
{units},
people AS (
    SELECT p.patient, p.pseudonym, {patient} AS patient_verdict,
           p.pseudonym IN (SELECT pseudonym FROM denied) AS gone
    FROM patients p
),
judged AS (
    SELECT placed.*, patient_verdict, gone, pseudonym,
           CASE WHEN NOT wanted THEN 'image' WHEN barred > 0 THEN 'exclude'
                WHEN patient_verdict > 0 THEN 'patient' ELSE 'fits' END AS verdict
    FROM placed JOIN people USING (patient)
)
{fates}
"""
_TOGETHER = """
units AS (
    SELECT {unit} AS unit, bool_or(image_verdict = {matches}) AS wanted, max(exclude_verdict) AS barred
    FROM graded GROUP BY unit
),
placed AS (SELECT graded.*, wanted, barred FROM graded JOIN units ON graded.{unit} = units.unit)
"""
_ALONE = """
placed AS (SELECT *, image_verdict = {matches} AS wanted, exclude_verdict AS barred FROM graded)
"""
"""Images that are alike have one fate, so nothing is asked of the others."""

_ALL = """
SELECT {kept}, CASE WHEN verdict <> 'fits' THEN verdict WHEN gone THEN 'withdrawn' ELSE 'taken' END AS fate
FROM judged
"""
_SAMPLE = """,
eligible AS (SELECT DISTINCT patient, pseudonym FROM judged WHERE verdict = 'fits'),
places AS (
    SELECT patient, ticket, row_number() OVER (ORDER BY ticket, pseudonym) AS place
    FROM eligible JOIN tickets USING (patient)
),
draws AS (SELECT patient, {drawn} AS drawn FROM places)
SELECT {kept},
       CASE WHEN verdict <> 'fits' THEN verdict WHEN NOT coalesce(drawn, false) THEN 'sample'
            WHEN gone THEN 'withdrawn' ELSE 'taken' END AS fate
FROM judged LEFT JOIN draws USING (patient)
"""
_KEPT = "judged.* EXCLUDE (verdict, gone, pseudonym, wanted)"


def selection_query(spec: SliceSpec, compiled: Compiled) -> str:
    """The one query: a row for each kind of images of a series, with its fate and the verdicts behind it.

    It reads the tables `profiles`, `patients` and `denied` of a loaded release, `listed` for a list and `tickets` for a
    sample, and takes the bound values of `compiled` and `partition`.
    """
    unit = _UNITS.get(spec.keep_whole)
    units = _ALONE if unit is None else _TOGETHER
    fates = _SAMPLE if compiled.drawn else _ALL
    return _QUERY.format(
        fates=fates.format(kept=_KEPT, drawn=compiled.drawn),
        image=compiled.image,
        exclude=compiled.exclude,
        patient=compiled.patient,
        units=units.format(unit=unit, matches=MATCHES),
    )


def reason_of(fate: str, verdicts: tuple[int, int, int], compiled: Compiled) -> str:
    """In words why a group stays out: its fate, and its (image, exclude, patient) verdicts."""
    image, barred, patient = verdicts
    if fate == "image":
        return compiled.image_reasons[image]
    if fate == "exclude":
        return compiled.exclude_reasons[barred]
    if fate == "patient":
        return compiled.patient_reasons[patient]
    return NOT_DRAWN if fate == "sample" else WITHDRAWN
