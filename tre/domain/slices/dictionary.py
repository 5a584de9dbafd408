"""The dictionary of the clinical table: what each column means, its codes and units, and where it comes from.

Guarantees: every column that the language offers has an entry, and a derived one is described from how it is derived,
so that a committee reads the same words as the researcher who gets the table.

Does not guarantee: that a hospital meant what it typed. Values that were not understood are empty, and are counted.
"""

from __future__ import annotations

from typing import assert_never

from tre.domain.model import Line, Record
from tre.domain.slices.derivations import Band, ClinicalTable, Derivation, Grouping, Period
from tre.domain.slices.vocabulary import AGE_TOP_CODE


class Entry(Record):
    """One column: its name, what it means, the kind of its values, and the values it may have."""

    column: Line
    meaning: Line
    kind: Line
    values: Line = ""


_YES_NO = "true, false"
COLUMNS: dict[str, tuple[str, str, str]] = {
    "pseudonym": ("The patient's name in this dataset, the same in images and tables", "text", ""),
    "age": (
        "Age in whole years, rounded down, when the record was made",
        "years",
        f"0 to {AGE_TOP_CODE}, which means {AGE_TOP_CODE} or more",
    ),
    "sex": ("Sex as the hospital recorded it", "code", "female, male"),
    "ethnicity_group": (
        "Ethnic group in five groups, from NHS ethnic category codes",
        "code",
        "white, multiple, asian, black, other",
    ),
    "covid_status": (
        "Whether a clinical record of a positive case exists, or only of a negative test",
        "code",
        "positive, negative",
    ),
    "site": ("The trust that sent the record", "code", "as the dataset names its sites"),
    "itu_admission": ("Whether the patient was admitted to intensive care", "yes or no", _YES_NO),
    "intubation": ("Whether the patient was intubated", "yes or no", _YES_NO),
    "death": ("Whether the patient died, as far as the record knows", "yes or no", _YES_NO),
}
"""Meaning, kind and values of every column that is not derived."""


def entries(table: ClinicalTable | None) -> tuple[Entry, ...]:
    """The dictionary of one table, in the order of its columns."""
    if table is None:
        return ()
    return tuple(_entry(name, table.derive.get(name)) for name in table.columns)


def _entry(name: str, derivation: Derivation | None) -> Entry:
    meaning, kind, values = COLUMNS[name] if derivation is None else _derived(derivation)
    return Entry(column=name, meaning=meaning, kind=kind, values=values)


def _derived(derivation: Derivation) -> tuple[str, str, str]:
    match derivation:
        case Band():
            top, width = derivation.top, derivation.band
            return f"Age in bands of {width} years", "code", f"0-{width - 1} to {top - width}-{top - 1}, {top}+"
        case Period():
            by = derivation.by.value
            return f"The {by} of the patient's first examination in this slice", "code", ""
        case Grouping():
            names = [*derivation.groups, *([derivation.rest] if derivation.rest else [])]
            return "Group of the trust that sent the record", "code", ", ".join(names)
        case _:  # pragma: no cover - the language has no other
            assert_never(derivation)
