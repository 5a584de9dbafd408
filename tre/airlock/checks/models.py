"""S07: models with too few residual degrees of freedom, and models that do not say how many people they come from.

Guarantees: residual degrees of freedom as statsmodels, R, Stata and SAS print them, as a titled number of a table or a
key of a JSON text, or as the number of observations less the terms of the printed model, are held against the policy
(case `low`); none left is called saturated. A table of coefficients in a file that names no number of people anywhere
is pointed out once.

Does not guarantee: that the numbers printed are the model's. Degrees of freedom of a test (`df` alone) are not residual
ones and are let pass. Threshold: ACRO's `safe_dof_threshold` and the ONS family of rules.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from tre.airlock.parsed import Observation, ParsedFile, Passage, Place, Rules, Surroundings, bounded, quoted
from tre.airlock.tables.lexicon import Role, words_of
from tre.airlock.tables.model import Sheet
from tre.airlock.tables.sheets import sheets_of

_NUMBER = r"(\d[\d,]{0,15})"
_RESIDUAL = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"\bdf[ _.]?resid(?:ual)?s?\b[\"']?[:=\s]{{1,30}}{_NUMBER}",
        rf"\bresidual (?:standard error|deviance)[^\n]{{1,60}}? on {_NUMBER} +degrees of freedom",
        rf"\bresidual(?:s)? (?:df|degrees of freedom)[:=\s]{{1,30}}{_NUMBER}",
        rf"^ *Residual *\| *[-\d.e+]+ +{_NUMBER} ",
        rf"\bF\( *\d+, *{_NUMBER}\)",
    )
)
_SIZE = re.compile(
    rf"\b(?:no\. observations|number of obs(?:ervations)?|n_?obs|observations|sample size|[nN])\b[\"']? ?[:=] *"
    rf"{_NUMBER}"
    rf"|\bnumber of (?:observations|subjects|events observed)[ =:]+{_NUMBER}|\bn= ?{_NUMBER}|\bTotal \(n ?= ?{_NUMBER}"
    r"|degrees of freedom",
    re.IGNORECASE,
)
_MORE = "Fit a smaller model, or on more people."


def observe(file: ParsedFile, around: Surroundings) -> list[Observation]:
    """Degrees of freedom and sizes of the models in a file."""
    sheets = sheets_of(file, around)
    found = [item for passage in file.passages for item in _in_passage(passage, around.rules)]
    seen = {(item.place.row, item.place.cell) for item in found}
    for sheet in sheets:
        found += [item for item in _in_sheet(sheet, around.rules) if (item.place.row, item.place.cell) not in seen]
    return bounded([*found, *_without_size(file, sheets)], "such models")


def _low(residual: float, rules: Rules, place: Place) -> Iterator[Observation]:
    if residual < rules.residual_degrees:
        what = "is saturated: no" if residual <= 0 else f"has {residual:g}"
        yield Observation(
            "S07",
            f"A model {what} residual degrees of freedom; {rules.residual_degrees} are due.",
            _MORE,
            place=place,
            case="low",
        )


def _in_passage(passage: Passage, rules: Rules) -> Iterator[Observation]:
    if passage.kind not in {"text", "output"}:
        return
    start = passage.place.row or 1
    for number, line in enumerate(passage.text.split("\n")):
        if len(line) > 400 or ("esid" not in line and "F(" not in line and "DF" not in line):
            continue
        for pattern in _RESIDUAL:
            match = pattern.search(line)
            if match is not None:
                yield from _low(
                    float(match.group(1).replace(",", "")), rules, replace(passage.place, row=start + number)
                )
                break


def is_residual(title: str) -> bool:
    """Whether a title speaks of residual degrees of freedom."""
    words = set(words_of(title))
    return bool(words & {"resid", "residual", "residuals"}) and bool(words & {"df", "dof", "degrees", "freedom"})


def _in_sheet(sheet: Sheet, rules: Rules) -> Iterator[Observation]:
    for figure in sheet.figures(Role.dof):
        title = sheet.title(figure.row, figure.column)
        if is_residual(title) or (title.strip().lower() in {"df", "ss df ms"} and _is_residual_row(sheet, figure.row)):
            yield from _low(figure.number.value, rules, sheet.place(figure.row, figure.column))
    terms = _terms(sheet)
    if terms:
        sizes = [f for f in sheet.figures(Role.counted) if set(words_of(sheet.title(f.row, f.column))) & _SIZES]
        if sizes and len({f.number.value for f in sizes}) == 1:
            yield from _low(sizes[0].number.value - terms, rules, sheet.place(sizes[0].row, sizes[0].column))


_SIZES = frozenset(["n", "nobs", "obs", "observations"])


def _is_residual_row(sheet: Sheet, row: int) -> bool:
    return sheet.row_label(row).strip().lower() in {"residual", "residuals", "error", "within"}


def _terms(sheet: Sheet) -> int:
    """How many coefficients a table of one model has; 0 where it is none."""
    return len(sheet.table.rows) if _is_model(sheet) and len(sheet.table.rows) < 100 else 0


def _is_model(sheet: Sheet) -> bool:
    """A table of coefficients with a p value, an interval or a standard error beside each."""
    roles = {column.role for column in sheet.columns} | {role for row in sheet.row_roles for role in row}
    roles |= {part for column in sheet.columns for part in column.parts}
    return Role.coefficient in roles and bool(roles & {Role.p, Role.ci_low, Role.statistic})


def _without_size(file: ParsedFile, sheets: list[Sheet]) -> Iterator[Observation]:
    models = [sheet for sheet in sheets if _is_model(sheet)]
    if not models or any(_has_size(sheet) for sheet in sheets):
        return
    if any(_SIZE.search(passage.text) for passage in file.passages):
        return
    table = models[0].table
    shown = quoted(", ".join(title for title in table.header if title.strip()))
    yield Observation(
        "S07",
        f"A model ({shown}) does not say from how many people it comes.",
        "Give the number of people and the residual degrees of freedom beside it.",
        place=models[0].place(None),
    )


def _has_size(sheet: Sheet) -> bool:
    if any(True for _ in sheet.figures(Role.counted, Role.dof)):
        return True
    return _SIZE.search(" ".join((sheet.table.title, *sheet.table.header))) is not None
