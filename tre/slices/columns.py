"""Columns as the database computes them, with every value bound.

Guarantees: names come from the fixed lists of the index; labels, codes and widths that people wrote are bound, never
part of a query's text, and a derived column has no name in the query at all.

Threat: a label of a group that reaches the database as a command.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, assert_never

from tre.domain.slices.derivations import Band, ClinicalTable, Derivation, Grouping, Period, Step
from tre.domain.slices.vocabulary import AGE_TOP_CODE, CLINICAL_COLUMNS, FIRST_STUDY_DATE, QUASI_IDENTIFIERS


@dataclass
class Values:
    """Values bound in one query, by the name of their placeholder."""

    prefix: str = "c"
    bound: dict[str, Any] = field(default_factory=dict)

    def bind(self, value: Any) -> str:
        """A placeholder for a value."""
        name = f"{self.prefix}{len(self.bound)}"
        self.bound[name] = value
        return f"${name}"


def derived(derivation: Derivation, values: Values) -> str:
    """SQL for a derived column; a missing source gives a missing value."""
    match derivation:
        case Band():
            return _band(derivation, values)
        case Period():
            return _PERIODS[derivation.by]
        case Grouping():
            return _grouping(derivation, values)
        case _:  # pragma: no cover - the language has no other
            assert_never(derivation)


def _band(band: Band, values: Values) -> str:
    """`20-29`, and `90+` from the top on."""
    width, top = values.bind(band.band) + "::INTEGER", values.bind(band.top) + "::INTEGER"
    low = f"(age // {width}) * {width}"
    return (
        f"CASE WHEN age IS NULL THEN NULL WHEN age >= {top} THEN {top}::VARCHAR || '+' "
        f"ELSE ({low})::VARCHAR || '-' || ({low} + {width} - 1)::VARCHAR END"
    )


_PERIODS = {
    Step.month: f"strftime({FIRST_STUDY_DATE}, '%Y-%m')",
    Step.quarter: f"year({FIRST_STUDY_DATE})::VARCHAR || '-Q' || quarter({FIRST_STUDY_DATE})::VARCHAR",
    Step.year: f"year({FIRST_STUDY_DATE})::VARCHAR",
}


def _grouping(grouping: Grouping, values: Values) -> str:
    cases = "".join(
        f" WHEN list_contains({values.bind(list(codes))}::VARCHAR[], site) THEN {values.bind(label)}::VARCHAR"
        for label, codes in grouping.groups.items()
    )
    return f"CASE WHEN site IS NULL THEN NULL{cases} ELSE {values.bind(grouping.rest)}::VARCHAR END"


def shown(name: str, table: ClinicalTable, values: Values) -> str:
    """SQL for a column of the clinical table as a slice shows it."""
    if name in table.derive:
        return derived(table.derive[name], values)
    assert name in CLINICAL_COLUMNS, "the specification was checked"
    return f"least(age, {AGE_TOP_CODE})" if name == "age" else name


def grouped(name: str, table: ClinicalTable | None, values: Values) -> str:
    """SQL for a column by which people are told apart: those of the record, derived ones, the first study date."""
    if table is not None and name in table.derive:
        return derived(table.derive[name], values)
    assert name in {*QUASI_IDENTIFIERS, FIRST_STUDY_DATE}, "the specification was checked"
    return name
