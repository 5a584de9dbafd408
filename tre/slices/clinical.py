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
from dataclasses import dataclass, field
from typing import Any

from tre.domain.slices.vocabulary import fold_code
from tre.domain.withdrawals import PSEUDONYM_PATTERN
from tre.slices.unfit import UnfitError

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


def _no_number(_text: str) -> Any:
    raise UnfitError("clinical-record", "holds what is no number")


def parse_record(data: bytes) -> dict[str, Any]:
    """The object that a JSON file holds. Raises `UnfitError`."""
    if len(data) > MAX_BYTES:
        raise UnfitError("clinical-record", "larger than any clinical record")
    try:
        value = json.loads(data, object_pairs_hook=_each_key_once, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise UnfitError("clinical-record", "not JSON") from error
    if not isinstance(value, dict):
        raise UnfitError("clinical-record", "not a JSON object")
    return value


def record_bytes(values: dict[str, Any]) -> bytes:
    """A record in one byte form."""
    return (json.dumps(values, ensure_ascii=False, indent=1) + "\n").encode("utf-8", "surrogatepass")


@dataclass
class Cleaning:
    """What was made of values: how many of which key were not understood, and how many became what, by key.

    A conversion is told in words of this module alone: by the code that was recognised, never by what a hospital typed.
    """

    not_understood: Counter[str] = field(default_factory=Counter)
    conversions: dict[str, Counter[str]] = field(default_factory=dict)

    def became(self, key: str, what: str) -> None:
        """Count a conversion."""
        self.conversions.setdefault(key, Counter())[what] += 1

    def as_plain(self) -> dict[str, dict[str, int]]:
        """The report: by key, how many values became what; `not understood` among them."""
        found = {key: dict(counted) for key, counted in self.conversions.items()}
        for key, count in self.not_understood.items():
            found.setdefault(key, {})[NOT_UNDERSTOOD] = count
        return {key: dict(sorted(found[key].items())) for key in sorted(found)}


NOT_UNDERSTOOD = "not understood, now missing"


def clean(records: Iterable[ClinicalRecord]) -> tuple[list[Patient], Cleaning]:
    """One row for each patient, by pseudonym, and what was made of the values."""
    done = Cleaning()
    by_patient: dict[str, list[ClinicalRecord]] = {}
    for record in records:
        by_patient.setdefault(record.pseudonym, []).append(record)
    return [_patient(found, done) for _, found in sorted(by_patient.items())], done


def deciding(records: list[ClinicalRecord]) -> ClinicalRecord:
    """The record that counts: the latest `data_` one, or the latest of all where there is none."""
    return max(records, key=lambda record: rank_of(record.kind, record.day))


def rank_of(kind: str, day: str) -> tuple[bool, str]:
    """Of two records of a patient the one of the higher rank counts: any `data` before any `status`, then the day."""
    return kind == "data", day


def _patient(records: list[ClinicalRecord], done: Cleaning) -> Patient:
    record = deciding(records)
    read = _Reader(record.values, done)
    return Patient(
        pseudonym=record.pseudonym,
        partition=record.partition,
        covid_status=_covid_status(record, done),
        age=read.age(),
        sex=read.code("Sex", _SEX),
        ethnicity_group=read.ethnicity(),
        site=read.site(),
        itu_admission=read.code("ITU admission", _YES_NO),
        intubation=read.code("Intubation", _YES_NO),
        death=read.code("Death", _YES_NO),
    )


def _covid_status(record: ClinicalRecord, done: Cleaning) -> str | None:
    if record.kind == "data":
        return "positive"
    if str(record.values.get("SwabStatus", 0)).strip() in {"0", ""}:
        return "negative"
    done.not_understood["SwabStatus"] += 1  # a record of a negative test that says positive decides nothing
    return None


@dataclass(frozen=True)
class _Reader:
    """Reads keys of one record; counts what it makes of them."""

    values: dict[str, Any]
    done: Cleaning

    def text(self, key: str) -> str:
        value = self.values.get(key)
        if isinstance(value, str | int | float) and not isinstance(value, bool):
            return fold_code(str(value))
        if value is not None:
            self.done.not_understood[key] += 1
        return ""

    def code(self, key: str, meanings: dict[str, Any]) -> Any:
        text = self.text(key)
        if text in meanings:
            self.done.became(key, f"{text} → {_said(meanings[text])}")
        elif text:
            self.done.not_understood[key] += 1
        return meanings.get(text)

    def age(self) -> int | None:
        text = self.text("Age")
        if not text:
            return None
        try:
            number = float(text)
            age = math.floor(number)
        except (ValueError, OverflowError):
            age, number = -1, math.nan
        if not 0 <= age <= HIGHEST_AGE:
            self.done.not_understood["Age"] += 1
            return None
        self.done.became("Age", "whole years, as they stand" if age == number else "rounded down to whole years")
        return age

    def site(self) -> str | None:
        text = self.text("SubmittingCentre")
        if text and (len(text) > _SITE_LENGTH or not text.isprintable()):
            self.done.not_understood["SubmittingCentre"] += 1
            return None
        if text:
            as_it_stands = text == self.values["SubmittingCentre"]
            self.done.became("SubmittingCentre", "as it stands" if as_it_stands else "blanks cut, in capitals")
        return text or None

    def ethnicity(self) -> str | None:
        text = self.text("Ethnicity")
        if len(text) <= 2 and text[:1] in _ETHNICITY_CODES:
            group = _ETHNICITY_CODES[text[:1]]
            self.done.became("Ethnicity", f"code {text[:1]} → {group}")
            return group
        for group, parts in _ETHNICITY_WORDS:
            if any(part in text for part in parts):
                self.done.became("Ethnicity", f"words → {group}")
                return group
        if text:
            self.done.not_understood["Ethnicity"] += 1
        return None


def _said(value: object) -> str:
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)
