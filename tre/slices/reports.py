"""What a committee sees besides counts: how many patients share their attributes, and who is represented.

Guarantees: only columns of the fixed lists here are grouped by; numbers are integers; shares of categories with 1 to
7 patients are not shown, and the others come from counts rounded to 5 (NHS HES disclosure rule).

Does not guarantee: that a slice whose cells are large cannot identify anybody: pixels do, and so does knowing more.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import duckdb

from tre.domain.slices.plan import (
    DEFAULT_K,
    CellReport,
    Dimension,
    KReport,
    Share,
    shown_count,
)
from tre.domain.slices.spec import Band, ClinicalTable, OnFail, SliceSpec
from tre.domain.slices.vocabulary import FIRST_STUDY_DATE, QUASI_IDENTIFIERS, UNKNOWN

_REPORT_BAND = Band.model_validate({"from": "age", "band": 10, "top": 90})
_COARSER_YEARS = 30
_DIMENSIONS = ("sex", "age_band", "ethnicity_group", "covid_status", "site")


def band_expression(band: Band) -> str:
    """SQL for the label of an age's band: `20-29`, and `90+` from the top on; missing ages have none."""
    low = f"(age // {band.band}) * {band.band}"
    return (
        f"CASE WHEN age IS NULL THEN NULL WHEN age >= {band.top} THEN '{band.top}+' "
        f"ELSE ({low})::VARCHAR || '-' || ({low} + {band.band - 1})::VARCHAR END"
    )


def _expressions(table: ClinicalTable | None) -> dict[str, str]:
    known = {name: name for name in QUASI_IDENTIFIERS}
    derived = table.derive if table else {}
    known |= {name: band_expression(band) for name, band in derived.items()}
    return known | {FIRST_STUDY_DATE: FIRST_STUDY_DATE}


def k_report(connection: duckdb.DuckDBPyConnection, spec: SliceSpec) -> KReport | None:
    """The k-report over the columns that the specification names, else over those that its table shows.

    `None` where no table shows any column by which somebody could be found.
    """
    table = spec.tables.clinical
    known = _expressions(table)
    k = spec.privacy.k if spec.privacy else DEFAULT_K
    over = spec.privacy.over if spec.privacy else _shown(table)
    if not over:
        return None
    coarser = _coarser(over, known, table)
    dated = None if FIRST_STUDY_DATE in over else (*over, FIRST_STUDY_DATE)
    return KReport(
        k=k,
        on_fail=spec.privacy.on_fail if spec.privacy else OnFail.report,
        asked=_cells(connection, over, known, k),
        coarser=_cells(connection, tuple(coarser), coarser, k) if coarser else None,
        with_study_dates=_cells(connection, dated, known, k) if dated else None,
    )


def _shown(table: ClinicalTable | None) -> tuple[str, ...]:
    if table is None:
        return ()
    return tuple(name for name in table.columns if name in QUASI_IDENTIFIERS or name in table.derive)


def _coarser(over: tuple[str, ...], known: dict[str, str], table: ClinicalTable | None) -> dict[str, str]:
    """One step coarser: ages in bands of 30 years where they are in narrower ones, else without the last column."""
    bands = {name: band.band for name, band in (table.derive if table else {}).items()}
    ages = [name for name in over if name == "age" or bands.get(name, _COARSER_YEARS) < _COARSER_YEARS]
    if not ages:
        return {name: known[name] for name in over[:-1]}
    wide = Band.model_validate({"from": "age", "band": _COARSER_YEARS, "top": 90})
    others = {name: known[name] for name in over if name not in ages}
    return {f"age in {_COARSER_YEARS}-year bands": band_expression(wide), **others}


_CELLS = """
SELECT count(*), coalesce(min(n), 0), coalesce(sum(n) FILTER (n = 1), 0)::BIGINT,
       coalesce(sum(n) FILTER (n < $k), 0)::BIGINT
FROM (SELECT count(*) AS n FROM people WHERE chosen GROUP BY {keys})
"""


def _cells(connection: duckdb.DuckDBPyConnection, over: Iterable[str], known: dict[str, str], k: int) -> CellReport:
    names = tuple(over)
    keys = ", ".join(known[name] for name in names)
    query = _CELLS.format(keys=keys)
    row = connection.execute(query, {"k": k}).fetchone()
    assert row is not None, "an aggregate always has a row"
    cells, smallest, unique, below = row
    return CellReport(over=names, cells=cells, smallest_cell=smallest, patients_unique=unique, patients_below_k=below)


def representativeness(connection: duckdb.DuckDBPyConnection) -> tuple[Dimension, ...]:
    """Who is in the slice against who has images in the release (people who opted out left out of both)."""
    known = {name: name for name in QUASI_IDENTIFIERS} | {"age_band": band_expression(_REPORT_BAND)}
    parts = [_DIMENSION.format(number=number, category=known[name]) for number, name in enumerate(_DIMENSIONS)]
    query = " UNION ALL ".join(parts) + " ORDER BY 1, 2"
    rows = connection.execute(query, {"unknown": UNKNOWN}).fetchall()
    return tuple(
        _dimension(name, [row[1:] for row in rows if row[0] == number]) for number, name in enumerate(_DIMENSIONS)
    )


_DIMENSION = """
SELECT {number} AS dimension, coalesce({category}, $unknown) AS category,
       count(*) FILTER (chosen), count(*)
FROM people GROUP BY 1, 2
"""


def _dimension(name: str, rows: list[tuple[Any, ...]]) -> Dimension:
    ours, everybody = [row[1] for row in rows], [row[2] for row in rows]
    shares = tuple(
        Share(
            category=category,
            slice_permille=_permille(mine, sum(ours)),
            dataset_permille=_permille(whole, sum(everybody)),
        )
        for category, mine, whole in rows
    )
    return Dimension(name=name, distance_permille=distance(ours, everybody), shares=shares)


def _permille(count: int, total: int) -> int | None:
    shown = shown_count(count)
    if shown is None or total == 0:
        return None
    return min(1000, round(1000 * shown / total))


def distance(one: list[Any], other: list[Any]) -> int:
    """Jensen-Shannon distance of two lists of counts, times 1000; 1000 where one of them is empty."""
    if not sum(one) or not sum(other):
        return 1000
    divergence = 0.0
    for a, b in zip(one, other, strict=True):
        p, q = a / sum(one), b / sum(other)
        middle = (p + q) / 2
        divergence += sum(x * math.log2(x / middle) / 2 for x in (p, q) if x)
    return min(1000, round(1000 * math.sqrt(max(0.0, divergence))))
