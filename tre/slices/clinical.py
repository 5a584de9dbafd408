"""Reading clinical records: the few attributes that slices need, out of values as hospitals type them.

Guarantees: one row a patient. The record with the latest date in its file name counts, and any `data_` record makes
the patient positive and hides every `status_` record (the rule of the NCCID warehouse). A value that is not
understood becomes missing and is counted by key, never guessed and never repeated in the report. Ages are rounded
down, as the official cleaner of NCCID does; its schema rounds instead.

Does not guarantee: anything about keys that are not read here: they do not reach a slice at all. Older records of a
patient seen at two centres are not merged.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from tre.domain.slices.vocabulary import fold_code
from tre.domain.withdrawals import PSEUDONYM_PATTERN
from tre.slices.headers import UnfitError

MAX_BYTES = 2**20
"""A clinical record is a few kilobytes; what is larger is something else."""

HIGHEST_AGE = 120
PSEUDONYM = re.compile(PSEUDONYM_PATTERN)
_SITE_LENGTH = 64
_SEX = {"0": "female", "F": "female", "FEMALE": "female", "1": "male", "M": "male", "MALE": "male"}
_YES_NO = {"0": False, "NO": False, "N": False, "1": True, "YES": True, "Y": True}
_ETHNICITY_CODES = {
    **dict.fromkeys("ABC", "white"),
    **dict.fromkeys("DEFG", "multiple"),
    **dict.fromkeys("HJKLR", "asian"),
    **dict.fromkeys("MNP", "black"),
    "S": "other",
}
_ETHNICITY_WORDS = (
    ("multiple", ("MIXED", "MULTIPLE")),
    ("white", ("WHITE", "IRISH")),
    ("asian", ("ASIAN", "INDIAN", "PAKISTANI", "BANGLADESHI", "CHINESE")),
    ("black", ("BLACK", "CARIBBEAN", "AFRICAN")),
    ("other", ("OTHER ETHNIC",)),
)


@dataclass(frozen=True)
class ClinicalRecord:
    """One file: whose, which kind, of which day, and what it says."""

    pseudonym: str
    kind: str
    day: str
    partition: str
    values: dict[str, Any]


@dataclass(frozen=True)
class Patient:
    """What is known of a patient; `None` where no record says so in a way that is understood."""

    pseudonym: str
    partition: str
    covid_status: str | None = None
    age: int | None = None
    sex: str | None = None
    ethnicity_group: str | None = None
    site: str | None = None
    itu_admission: bool | None = None
    intubation: bool | None = None
    death: bool | None = None


def _each_key_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Readers differ on which of two values counts: one of them would have another person's record."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise UnfitError("clinical-record", "a key stands twice")
    return found


def parse_record(data: bytes) -> dict[str, Any]:
    """The object that a JSON file holds. Raises `UnfitError`."""
    if len(data) > MAX_BYTES:
        raise UnfitError("clinical-record", "larger than any clinical record")
    try:
        value = json.loads(data, object_pairs_hook=_each_key_once)
    except (ValueError, RecursionError) as error:
        raise UnfitError("clinical-record", "not JSON") from error
    if not isinstance(value, dict):
        raise UnfitError("clinical-record", "not a JSON object")
    return value


def clean(records: Iterable[ClinicalRecord]) -> tuple[list[Patient], Counter[str]]:
    """One row for each patient, by pseudonym, and how many values of which key were not understood."""
    problems: Counter[str] = Counter()
    by_patient: dict[str, list[ClinicalRecord]] = {}
    for record in records:
        by_patient.setdefault(record.pseudonym, []).append(record)
    return [_patient(found, problems) for _, found in sorted(by_patient.items())], problems


def deciding(records: list[ClinicalRecord]) -> ClinicalRecord:
    """The record that counts: the latest `data_` one, or the latest of all where there is none."""
    return max(records, key=lambda record: (record.kind == "data", record.day))


def _patient(records: list[ClinicalRecord], problems: Counter[str]) -> Patient:
    record = deciding(records)
    values = record.values
    read = _Reader(values, problems)
    return Patient(
        pseudonym=record.pseudonym,
        partition=record.partition,
        covid_status=_covid_status(record, problems),
        age=read.age(),
        sex=read.code("Sex", _SEX),
        ethnicity_group=read.ethnicity(),
        site=read.site(),
        itu_admission=read.code("ITU admission", _YES_NO),
        intubation=read.code("Intubation", _YES_NO),
        death=read.code("Death", _YES_NO),
    )


def _covid_status(record: ClinicalRecord, problems: Counter[str]) -> str | None:
    if record.kind == "data":
        return "positive"
    if str(record.values.get("SwabStatus", 0)).strip() in {"0", ""}:
        return "negative"
    problems["SwabStatus"] += 1  # a record of a negative test that says positive decides nothing
    return None


@dataclass(frozen=True)
class _Reader:
    """Reads keys of one record; counts what it does not understand."""

    values: dict[str, Any]
    problems: Counter[str]

    def text(self, key: str) -> str:
        value = self.values.get(key)
        if isinstance(value, str | int | float) and not isinstance(value, bool):
            return fold_code(str(value))
        if value is not None:
            self.problems[key] += 1
        return ""

    def code(self, key: str, meanings: dict[str, Any]) -> Any:
        text = self.text(key)
        if text and text not in meanings:
            self.problems[key] += 1
        return meanings.get(text)

    def age(self) -> int | None:
        text = self.text("Age")
        try:
            age = math.floor(float(text)) if text else None
        except (ValueError, OverflowError):
            age = -1
        if age is None or 0 <= age <= HIGHEST_AGE:
            return age
        self.problems["Age"] += 1
        return None

    def site(self) -> str | None:
        text = self.text("SubmittingCentre")
        if text and (len(text) > _SITE_LENGTH or not text.isprintable()):
            self.problems["SubmittingCentre"] += 1
            return None
        return text or None

    def ethnicity(self) -> str | None:
        text = self.text("Ethnicity")
        if len(text) <= 2 and text[:1] in _ETHNICITY_CODES:
            return _ETHNICITY_CODES[text[:1]]
        for group, parts in _ETHNICITY_WORDS:
            if any(part in text for part in parts):
                return group
        if text:
            self.problems["Ethnicity"] += 1
        return None
