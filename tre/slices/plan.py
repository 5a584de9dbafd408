"""Planning a slice: what a specification would give of a published release, without building anything.

Guarantees: a plan is a function of specification, release and deny set, of the list of patients that the
specification names and of the dataset's secret where it draws a sample; nothing else enters. The root of the file list
comes from the roots that the index keeps of whole series and, where only part of a series is taken, from the images
themselves; both ways give one number. Opt-outs are subtracted last.

Does not guarantee: that the plan may be built: an empty plan and one that fails its own k are plans, too, so that a
committee can see why; `tre.slices.build` refuses them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from tre.domain.slices.cover import HEADERS_TABLE
from tre.domain.slices.merkle import directory_leaf, directory_root, root_of, shown
from tre.domain.slices.plan import Counts, Drawn, Listed, OptOuts, PlanIdentity, SlicePlan, TablePlan
from tre.domain.slices.spec import Headers, SliceSpec
from tre.domain.slices.vocabulary import COARSE_TIER
from tre.slices import reports
from tre.slices.cohorts import Cohort, draw
from tre.slices.headertable import COLUMNS as HEADER_COLUMNS
from tre.slices.loaded import loaded
from tre.slices.places import IMAGE_SUFFIX, SIDECAR_SUFFIX, group_directory
from tre.slices.populations import Population
from tre.slices.query import MATCHES, WITHDRAWN, Compiled, compile_spec, reason_of, selection_query

_NO_COHORT = Cohort()


@dataclass(frozen=True)
class PlanOrder:
    """What is planned: a specification, the release it names (directory and digest), and the deny set.

    `population` is the reference that shares are compared with; it does not enter the digest.
    """

    spec: SliceSpec
    release: Path
    index_digest: str
    denied: Set[str] = frozenset()
    deny_version: int = 0
    cohort: Cohort = _NO_COHORT
    population: Population | None = None


def plan(order: PlanOrder) -> SlicePlan:
    """What the specification would give. Raises `TREError(ReleaseNotFound)`, `TREError(BadInput)` for another tier."""
    with loaded(order.release, order.denied, order.spec.tier) as connection:
        return plan_in(connection, order)


def plan_in(connection: duckdb.DuckDBPyConnection, order: PlanOrder) -> SlicePlan:
    """The same on a loaded release; the selection stays there as the table `selection`."""
    compiled = select(connection, order)
    summed = _summed(connection, order.spec, compiled)
    root = shown(root_of(_directories(connection, order.spec, compiled)))
    identity = PlanIdentity(
        spec=order.spec,
        index_digest=order.index_digest,
        tier=order.spec.tier,
        headers=order.spec.headers,
        layout=order.spec.layout,
        tables=_tables(connection, order.spec) | _header_table(order.spec, summed.counts, root),
        files_root=root,
        deny_version=order.deny_version,
    )
    return SlicePlan(
        plan_digest=identity.digest(),
        identity=identity,
        counts=summed.counts,
        extended=summed.extended,
        rejected=summed.rejected,
        k_report=reports.k_report(connection, order.spec),
        representativeness=reports.representativeness(connection, order.spec.partition, order.population),
        population=order.population.title if order.population else None,
        missing=reports.missing(connection, order.spec.tables.clinical),
        opt_outs=summed.opt_outs,
        sample=summed.drawn,
        patient_list=_listed(connection, order.spec.partition) if order.cohort.listed is not None else None,
    )


def select(connection: duckdb.DuckDBPyConnection, order: PlanOrder) -> Compiled:
    """Run the one query; its rows stay as `selection`, what is taken as `taken`, and whose it is as `people`."""
    spec = order.spec
    compiled = compile_spec(spec)
    _register(connection, order)
    bound = {**compiled.parameters, "partition": spec.partition}
    query = selection_query(spec, compiled)
    connection.execute("CREATE TEMP TABLE selection AS " + query, bound)
    connection.execute("CREATE TEMP VIEW taken AS SELECT * FROM selection WHERE fate = 'taken'")
    connection.execute(_PEOPLE)
    return compiled


def _register(connection: duckdb.DuckDBPyConnection, order: PlanOrder) -> None:
    """Put the tables beside the release that a list or a sample needs."""
    conditions = order.spec.patients
    if conditions is not None and conditions.list is not None:
        assert order.cohort.listed is not None, "whoever plans reads the list that the specification names"
        names = pa.array(sorted(order.cohort.listed), pa.string())
        connection.register("listed", pa.table({"pseudonym": names}))
    if conditions is not None and conditions.sample is not None:
        connection.register("tickets", draw(connection, order.cohort.key, conditions.sample.seed))


_PEOPLE = """
CREATE TEMP TABLE people AS
SELECT p.*, first_study_date, chosen, NOT chosen AS lost
FROM patients p JOIN (
    SELECT patient, min(study_date) FILTER (fate = 'taken') AS first_study_date, bool_or(fate = 'taken') AS chosen
    FROM selection WHERE fate IN ('taken', 'withdrawn') GROUP BY patient
) USING (patient)
"""
"""Everyone whom the selection holds, or would hold had they not opted out."""


_SUMMED = """
SELECT fate, image_verdict, barred, patient_verdict, sum(instances)::BIGINT, sum(bytes)::BIGINT, sum(sidecars)::BIGINT,
       sum(sidecar_bytes)::BIGINT
FROM selection GROUP BY ALL
"""
_COUNTED = """
SELECT (SELECT count(*) FROM people WHERE chosen), (SELECT count(*) FROM people WHERE lost),
       (SELECT count(DISTINCT study) FROM taken), (SELECT count(DISTINCT series) FROM taken)
"""
_LEFT_BY_THE_DRAW = "SELECT count(DISTINCT patient) FROM selection WHERE fate = 'sample'"
_TAKEN = "taken"


@dataclass(frozen=True)
class _Summed:
    """What the selection adds up to."""

    counts: Counts
    extended: int
    opt_outs: OptOuts
    rejected: dict[str, int]
    drawn: Drawn | None


def _one(connection: duckdb.DuckDBPyConnection, query: str, bound: dict[str, Any]) -> tuple[Any, ...]:
    (row,) = connection.execute(query, bound).fetchall()  # an aggregate always has one row
    return tuple(row)


def _summed(connection: duckdb.DuckDBPyConnection, spec: SliceSpec, compiled: Compiled) -> _Summed:
    total: Counter[str] = Counter()
    rejected: Counter[str] = Counter()
    for fate, image, barred, patient, *sums in connection.execute(_SUMMED).fetchall():
        if fate != _TAKEN:
            rejected[reason_of(fate, (image, barred, patient), compiled)] += sums[0]
            continue
        total.update(dict(zip(("instances", "bytes", "sidecars", "sidecar_bytes"), sums, strict=True)))
        total["extended"] += 0 if image == MATCHES else sums[0]
    patients, gone, studies, series = _one(connection, _COUNTED, {})
    beside = spec.headers is Headers.sidecar
    counts = Counts(
        patients=patients,
        studies=studies,
        series=series,
        instances=total["instances"],
        files=total["instances"] + (total["sidecars"] if beside else 0),
        bytes=total["bytes"] + (total["sidecar_bytes"] if beside else 0),
    )
    opt_outs = OptOuts(patients=gone, instances=rejected[WITHDRAWN])
    if lacking := _without_tier(connection, spec):
        rejected[NOT_IN_TIER] = lacking
    kept = {reason: count for reason, count in sorted(rejected.items()) if count}
    return _Summed(counts, total["extended"], opt_outs, kept, _drawn(connection, compiled, patients + gone))


def _drawn(connection: duckdb.DuckDBPyConnection, compiled: Compiled, drawn: int) -> Drawn | None:
    """How many the draw took; opting out comes after it."""
    if not compiled.drawn:
        return None
    (left,) = _one(connection, _LEFT_BY_THE_DRAW, {})
    return Drawn(eligible=drawn + left, drawn=drawn)


_LISTED = """
SELECT count(*), count(*) FILTER (pseudonym NOT IN (
    SELECT pseudonym FROM patients JOIN present USING (patient) WHERE present.partition = $partition
)) FROM listed
"""


def _listed(connection: duckdb.DuckDBPyConnection, partition: str) -> Listed:
    pseudonyms, unknown = _one(connection, _LISTED, {"partition": partition})
    return Listed(pseudonyms=pseudonyms, unknown=unknown)


_LACKING = """
SELECT coalesce(sum(p.instances - coalesce(p.coarse_instances, 0)), 0)::BIGINT
FROM all_profiles p JOIN all_series s USING (series) WHERE s.partition = $partition
"""
NOT_IN_TIER = "tier"
"""The reason for images that the tier has no file of: their dates could not be coarsened when they came in."""


def _without_tier(connection: duckdb.DuckDBPyConnection, spec: SliceSpec) -> int:
    if spec.tier != COARSE_TIER:
        return 0
    return int(_one(connection, _LACKING, {"partition": spec.partition})[0])


def _tables(connection: duckdb.DuckDBPyConnection, spec: SliceSpec) -> dict[str, TablePlan]:
    table = spec.tables.clinical
    if table is None:
        return {}
    people = connection.execute("SELECT leaf FROM people WHERE chosen ORDER BY place").fetchall()
    row_ids = shown(root_of(leaf for (leaf,) in people))
    planned = TablePlan(columns=table.columns, derivations=table.derive, rows=len(people), row_ids=row_ids)
    return {"clinical": planned}


def _header_table(spec: SliceSpec, counts: Counts, root: str) -> dict[str, TablePlan]:
    """The table of headers has a row for each image, so the root of the files stands for its rows."""
    if spec.headers is not Headers.full:
        return {}
    return {HEADERS_TABLE: TablePlan(columns=HEADER_COLUMNS, rows=counts.instances, row_ids=root)}


def rows(connection: duckdb.DuckDBPyConnection) -> pa.Table:
    """Everyone in the selection with the day of the first examination in it, by pseudonym."""
    query = "SELECT pseudonym, first_study_date FROM people WHERE chosen ORDER BY pseudonym"
    return connection.sql(query).to_arrow_table()


def row_names(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """The pseudonyms of everyone in the selection, in order: the rows of the clinical table."""
    return list(rows(connection).column("pseudonym").to_pylist())


_LEAVES = """
SELECT series, beside, CASE WHEN t.instances = leaves.instances THEN leaf END AS leaf
FROM leaves JOIN (SELECT series, sum(instances)::BIGINT AS instances FROM taken GROUP BY series) t USING (series)
WHERE $beside OR NOT beside ORDER BY place
"""


def _directories(connection: duckdb.DuckDBPyConnection, spec: SliceSpec, compiled: Compiled) -> list[bytes]:
    """The hash of every directory of the selection, in the order of their paths."""
    bound = {"beside": spec.headers is Headers.sidecar}
    found = connection.sql(_LEAVES, params=bound).to_arrow_table()
    leaves: list[bytes | None] = found.column("leaf").to_pylist()
    split = [row for row, leaf in enumerate(leaves) if leaf is None]
    if not split:
        return [leaf for leaf in leaves if leaf is not None]
    places = list(zip(*(found.take(split).column(name).to_pylist() for name in ("series", "beside")), strict=True))
    made = _partial_directories(connection, compiled, {series for series, _ in places})
    for row, place in zip(split, places, strict=True):
        leaves[row] = made.get(place)  # none of a series' sidecars may be among its chosen images
    return [leaf for leaf in leaves if leaf is not None]


_INSTANCES = """
SELECT i.* FROM (
    SELECT *, {image} AS image_verdict, {exclude} AS exclude_verdict FROM instances
    WHERE series IN (SELECT series FROM taken)
) i JOIN (SELECT DISTINCT series, image_verdict, exclude_verdict FROM taken) t
USING (series, image_verdict, exclude_verdict)
"""


def instances_query(compiled: Compiled) -> str:
    """The images of the selection, as rows of `instances`; takes the bound values of `compiled`."""
    return _INSTANCES.format(image=compiled.image, exclude=compiled.exclude)


_PARTIAL = """
SELECT series, stem, sha256, sidecar_sha256 FROM ({instances}) WHERE series IN (SELECT unnest($partial))
"""
_NAMES = """
SELECT series, "group", pseudonym, study_uid, series_uid FROM series JOIN patients USING (patient)
WHERE series IN (SELECT unnest($partial))
"""


def _partial_directories(
    connection: duckdb.DuckDBPyConnection, compiled: Compiled, partial: Set[int]
) -> dict[tuple[int, bool], bytes]:
    """The hashes of the directories of series that are split, and of their sidecars."""
    query = _PARTIAL.format(instances=instances_query(compiled))
    bound = {**compiled.image_values(), "partial": list(partial)}
    files: dict[tuple[int, bool], list[tuple[str, bytes]]] = {}
    for series, stem, content, header in connection.execute(query, bound).fetchall():
        files.setdefault((series, False), []).append((stem + IMAGE_SUFFIX, content))
        if header is not None:
            files.setdefault((series, True), []).append((stem + SIDECAR_SUFFIX, header))
    names = {series: parts for series, *parts in connection.execute(_NAMES, {"partial": list(partial)}).fetchall()}
    found = {}
    for (series, beside), listed in files.items():
        group, *below = names[series]
        path = group_directory(f"{group}-metadata" if beside else group, *below)
        found[series, beside] = directory_leaf(path, directory_root(listed))
    return found
