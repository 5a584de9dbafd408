"""What a committee sees besides counts: how many patients share their attributes, who is represented, what is missing.

Guarantees: only columns of the fixed lists are grouped by, and values that people wrote are bound; numbers are
integers and exact: `tre.domain.slices.shown` hides the small ones from people. Whoever opted out is in no number here
but the one that says what opt-outs change.

Does not guarantee: that a slice whose cells are large cannot identify anybody: pixels do, and so does knowing more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import duckdb

from tre.domain.slices.derivations import Band, ClinicalTable
from tre.domain.slices.distance import distance
from tre.domain.slices.plan import DEFAULT_K, CellReport, Dimension, KReport, Missing, Share
from tre.domain.slices.spec import OnFail, SliceSpec
from tre.domain.slices.vocabulary import CLINICAL_COLUMNS, FIRST_STUDY_DATE, QUASI_IDENTIFIERS, UNKNOWN
from tre.slices.columns import Values, derived, grouped
from tre.slices.loaded import IMAGE_DIMENSIONS, PEOPLE_DIMENSIONS
from tre.slices.populations import Population

_COARSER_YEARS = 30
_COARSER_BAND = Band.model_validate({"from": "age", "band": _COARSER_YEARS, "top": 90})
Expression = Callable[[Values], str]
"""SQL for a column, which binds its values in the query that it becomes a part of."""


def k_report(connection: duckdb.DuckDBPyConnection, spec: SliceSpec) -> KReport | None:
    """The k-report over the columns that the specification names, else over those that its table shows.

    `None` where no table shows any column by which somebody could be found.
    """
    table = spec.tables.clinical
    k = spec.privacy.k if spec.privacy else DEFAULT_K
    over = spec.privacy.over if spec.privacy else _shown(table)
    if not over:
        return None
    asked = {name: _by(name, table) for name in over}
    dated = {} if FIRST_STUDY_DATE in over else asked | {FIRST_STUDY_DATE: _by(FIRST_STUDY_DATE, table)}
    found = _cells(connection, [asked, _coarser(asked, table), dated], k)
    return KReport(
        k=k,
        on_fail=spec.privacy.on_fail if spec.privacy else OnFail.report,
        asked=found[tuple(asked)],
        coarser=found.get(tuple(_coarser(asked, table))),
        with_study_dates=found.get(tuple(dated)),
    )


def _by(name: str, table: ClinicalTable | None) -> Expression:
    return lambda values: grouped(name, table, values)


def _shown(table: ClinicalTable | None) -> tuple[str, ...]:
    if table is None:
        return ()
    return tuple(name for name in table.columns if name in QUASI_IDENTIFIERS or name in table.derive)


def _coarser(asked: dict[str, Expression], table: ClinicalTable | None) -> dict[str, Expression]:
    """One step coarser: ages in bands of 30 years where they are in narrower ones, else without the last column."""
    known = table.derive if table else {}
    ages = [
        name
        for name in asked
        if name == "age" or (isinstance(band := known.get(name), Band) and band.band < _COARSER_YEARS)
    ]
    if not ages:
        return dict(list(asked.items())[:-1])
    others = {name: expression for name, expression in asked.items() if name not in ages}
    return {f"age in {_COARSER_YEARS}-year bands": lambda values: derived(_COARSER_BAND, values), **others}


_CELLS = """
SELECT together, count(*), min(n), coalesce(sum(n) FILTER (n = 1), 0)::BIGINT,
       coalesce(sum(n) FILTER (n < $k), 0)::BIGINT
FROM (
    SELECT grouping({keys}) AS together, count(*) AS n FROM (SELECT {columns} FROM people WHERE chosen)
    GROUP BY GROUPING SETS ({sets})
) GROUP BY together
"""


def _cells(
    connection: duckdb.DuckDBPyConnection, reports: Sequence[dict[str, Expression]], k: int
) -> dict[tuple[str, ...], CellReport]:
    """How many people share these columns, for each set of columns that is not empty, by its names: one query."""
    wanted = [tuple(over) for over in reports if over]
    expressions = {name: expression for over in reports for name, expression in over.items()}
    keys = {name: f"key{number}" for number, name in enumerate(expressions)}
    values = Values()
    columns = ", ".join(f"{expression(values)} AS {keys[name]}" for name, expression in expressions.items())
    sets = ", ".join("(" + ", ".join(keys[name] for name in over) + ")" for over in wanted)
    query = _CELLS.format(keys=", ".join(keys.values()), columns=columns, sets=sets)
    rows = {row[0]: row[1:] for row in connection.execute(query, values.bound | {"k": k}).fetchall()}
    return {over: _report(over, rows.get(_left_out(expressions, over), (0, 0, 0, 0))) for over in wanted}


def _left_out(names: Iterable[str], over: tuple[str, ...]) -> int:
    """What `grouping` says of a set of columns: a bit for each that is not in it, the first one highest."""
    return int("".join("0" if name in over else "1" for name in names), 2)


def _report(over: tuple[str, ...], row: tuple[int, ...]) -> CellReport:
    cells, smallest, unique, below = row
    return CellReport(over=over, cells=cells, smallest_cell=smallest, patients_unique=unique, patients_below_k=below)


def representativeness(
    connection: duckdb.DuckDBPyConnection, partition: str, population: Population | None = None
) -> tuple[Dimension, ...]:
    """Who is in the slice against who has images in the release, a reference population, and nobody opted out."""
    known = population.permille if population else {}
    rows: dict[str, list[tuple[Any, ...]]] = {name: [] for name in (*PEOPLE_DIMENSIONS, *IMAGE_DIMENSIONS)}
    for name, category, *counts in connection.execute(_COUNTED, {"partition": partition}).fetchall():
        rows[name].append((_category(name, category), *counts))
    return tuple(_dimension(name, found, known.get(name)) for name, found in rows.items())


_COUNTED = """
WITH gone AS (
    SELECT kind, count(*) AS patients
    FROM has JOIN patients USING (patient) JOIN denied USING (pseudonym) WHERE has.partition = $partition GROUP BY kind
),
mine AS (
    SELECT kind, count(*) FILTER (chosen) AS chosen, count(*) AS fitting
    FROM (
        SELECT DISTINCT patient, fate = 'taken' AS chosen, unnest(image_kinds) AS kind
        FROM selection WHERE fate IN ('taken', 'withdrawn')
        UNION ALL
        SELECT patient, chosen, unnest(kinds) FROM people
    ) GROUP BY kind
)
SELECT dimension, category, coalesce(chosen, 0), totals.patients - coalesce(gone.patients, 0), coalesce(fitting, 0)
FROM totals JOIN kinds USING (kind) LEFT JOIN gone USING (kind) LEFT JOIN mine USING (kind)
WHERE totals.partition = $partition ORDER BY dimension, category
"""
"""For each category: who is chosen, who is in the release and has not opted out, who would be chosen without opt-outs.

Nobody is both taken and withdrawn: opting out takes a person as a whole.
"""


def _category(name: str, category: str | None) -> str:
    """Quarters are counted as 20201 and shown as 2020-Q1."""
    if category is None:
        return UNKNOWN
    return f"{category[:-1]}-Q{category[-1]}" if name == "study_quarter" else category


def _dimension(name: str, rows: Sequence[tuple[Any, ...]], reference: dict[str, int] | None) -> Dimension:
    """Categories of the reference that nobody has are listed, too: who is missing is the question."""
    counted = {category: counts for category, *counts in rows}
    categories = sorted({*counted, *(reference or {})})
    found = [(category, *counted.get(category, (0, 0, 0))) for category in categories]
    ours, everybody, before = ([row[column] for row in found] for column in (1, 2, 3))
    shares = tuple(
        Share(
            category=category,
            slice=mine,
            dataset=whole,
            with_opt_outs=before_it,
            reference_permille=None if reference is None else reference.get(category),
        )
        for category, mine, whole, before_it in found
    )
    return Dimension(
        name=name,
        distance_permille=distance(ours, everybody),
        reference_permille=None if reference is None else _against(reference, dict(zip(categories, ours, strict=True))),
        opt_outs_permille=None if ours == before else distance(ours, before),
        shares=shares,
    )


def _against(reference: dict[str, int], ours: dict[str, int]) -> int:
    """The distance from a reference, over the people whose category is known: a reference has no unknown."""
    return distance([ours.get(category, 0) for category in reference], list(reference.values()))


EVERYBODY = "everybody"
_MISSING = """
SELECT coalesce(covid_status, $unknown), count(*), {counts} FROM people WHERE chosen GROUP BY 1 ORDER BY 1
"""


def missing(connection: duckdb.DuckDBPyConnection, table: ClinicalTable | None) -> tuple[Missing, ...]:
    """How often each column that the table shows, or is derived from, is empty: for everybody and by COVID status."""
    names = _sources(table)
    counts = ", ".join(f"count(*) FILTER ({name} IS NULL)" for name in names)
    rows = connection.execute(_MISSING.format(counts=counts), {"unknown": UNKNOWN}).fetchall()
    totals = [sum(row[column] for row in rows) for column in range(1, len(names) + 2)]
    groups = [(EVERYBODY, *totals), *rows] if rows else []
    return tuple(
        Missing(column=name, group=group, missing=empty, patients=patients)
        for number, name in enumerate(names)
        for group, patients, *found in groups
        for empty in [found[number]]
        if not (name == "covid_status" and group != EVERYBODY)
    )


def _sources(table: ClinicalTable | None) -> list[str]:
    if table is None:
        return list(QUASI_IDENTIFIERS)
    sources: Iterable[str] = (table.derive[name].source if name in table.derive else name for name in table.columns)
    offered = (*CLINICAL_COLUMNS[1:], FIRST_STUDY_DATE)
    return [name for name in dict.fromkeys(sources) if name in offered] or list(QUASI_IDENTIFIERS)
