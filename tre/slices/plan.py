"""Planning a slice: what a specification would give of a published release, without building anything.

Guarantees: a plan is a function of specification, release and deny set; nothing else enters. The root of the file
list comes from the roots that the index keeps of whole series and, where only part of a series is taken, from the
images themselves; both ways give one number. Opt-outs are subtracted last.

Does not guarantee: that the plan may be built: an empty plan and one that fails its own k are plans, too, so that a
committee can see why; `tre.slices.build` refuses them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from tre.domain.slices.merkle import directory_root, files_root, names_root
from tre.domain.slices.plan import Counts, PlanIdentity, SlicePlan, TablePlan
from tre.domain.slices.spec import Headers, SliceSpec
from tre.slices import reports
from tre.slices.places import IMAGE_SUFFIX, SIDECAR_SUFFIX, group_directory
from tre.slices.query import MATCHES, Compiled, compile_spec, reason_of, selection_query
from tre.slices.release import opened


@dataclass(frozen=True)
class PlanOrder:
    """What is planned: a specification, the release it names (directory and digest), and the deny set."""

    spec: SliceSpec
    release: Path
    index_digest: str
    denied: Set[str] = frozenset()
    deny_version: int = 0


def plan(order: PlanOrder) -> SlicePlan:
    """What the specification would give. Raises `TREError(ReleaseNotFound)`."""
    with opened(order.release, order.denied) as connection:
        return plan_in(connection, order)


def plan_in(connection: duckdb.DuckDBPyConnection, order: PlanOrder) -> SlicePlan:
    """The same on an open release; the selection stays there as the table `selection`."""
    compiled = select(connection, order.spec)
    identity = PlanIdentity(
        spec=order.spec,
        index_digest=order.index_digest,
        tier=order.spec.tier,
        headers=order.spec.headers,
        layout=order.spec.layout,
        tables=_tables(connection, order.spec),
        files_root=files_root(_directories(connection, order.spec, compiled)),
        deny_version=order.deny_version,
    )
    return SlicePlan(
        plan_digest=identity.digest(),
        identity=identity,
        counts=_counts(connection, order.spec),
        extended=_extended(connection),
        rejected=_rejected(connection, compiled),
        k_report=reports.k_report(connection, order.spec),
        representativeness=reports.representativeness(connection),
    )


def select(connection: duckdb.DuckDBPyConnection, spec: SliceSpec) -> Compiled:
    """Run the one query; its rows stay as `selection`, those that are taken as `taken`, and everybody as `people`."""
    compiled = compile_spec(spec)
    bound = {**compiled.parameters, "partition": spec.partition}
    query = selection_query(spec, compiled)
    connection.execute("CREATE TEMP TABLE selection AS " + query, bound)
    connection.execute("CREATE TEMP VIEW taken AS SELECT * FROM selection WHERE fate = 'taken'")
    connection.execute(_PEOPLE, {"partition": spec.partition})
    return compiled


_PEOPLE = """
CREATE TEMP TABLE people AS
SELECT p.*, t.first_study_date, t.patient IS NOT NULL AS chosen
FROM patients p LEFT JOIN (
    SELECT patient, min(first_study_date) AS first_study_date FROM taken GROUP BY patient
) t USING (patient)
WHERE p.patient IN (SELECT patient FROM series WHERE partition = $partition)
  AND p.pseudonym NOT IN (SELECT pseudonym FROM denied)
"""
"""Everyone with images in the partition who did not opt out, and whether the selection holds them."""


def _one(connection: duckdb.DuckDBPyConnection, query: str) -> tuple[Any, ...]:
    row = connection.execute(query).fetchone()
    assert row is not None, "an aggregate always has a row"
    return row


_COUNTS = """
SELECT count(DISTINCT patient), count(DISTINCT study), count(DISTINCT series),
       coalesce(sum(instances), 0)::BIGINT, coalesce(sum(bytes), 0)::BIGINT,
       coalesce(sum(sidecars), 0)::BIGINT, coalesce(sum(sidecar_bytes), 0)::BIGINT FROM taken
"""


def _counts(connection: duckdb.DuckDBPyConnection, spec: SliceSpec) -> Counts:
    patients, studies, series, instances, size, sidecars, sidecar_size = _one(connection, _COUNTS)
    beside = spec.headers is Headers.sidecar
    return Counts(
        patients=patients,
        studies=studies,
        series=series,
        instances=instances,
        files=instances + (sidecars if beside else 0),
        bytes=size + (sidecar_size if beside else 0),
    )


_EXTENDED = "SELECT coalesce(sum(instances), 0)::BIGINT FROM taken WHERE image_verdict < $matches"


def _extended(connection: duckdb.DuckDBPyConnection) -> int:
    row = connection.execute(_EXTENDED, {"matches": MATCHES}).fetchone()
    assert row is not None, "an aggregate always has a row"
    return int(row[0])


def _rejected(connection: duckdb.DuckDBPyConnection, compiled: Compiled) -> dict[str, int]:
    rows = connection.execute(
        "SELECT fate, image_verdict, barred, patient_verdict, sum(instances)::BIGINT FROM selection "
        "WHERE fate <> 'taken' GROUP BY ALL"
    ).fetchall()
    total: Counter[str] = Counter()
    for fate, image, barred, patient, instances in rows:
        total[reason_of(fate, (image, barred, patient), compiled)] += instances
    return dict(sorted(total.items()))


def _tables(connection: duckdb.DuckDBPyConnection, spec: SliceSpec) -> dict[str, TablePlan]:
    table = spec.tables.clinical
    if table is None:
        return {}
    people = row_names(connection)
    planned = TablePlan(columns=table.columns, derivations=table.derive, rows=len(people), row_ids=names_root(people))
    return {"clinical": planned}


def row_names(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """The pseudonyms of everyone in the selection, in order: the rows of the clinical table."""
    rows = connection.execute("SELECT pseudonym FROM people WHERE chosen ORDER BY pseudonym")
    return [name for (name,) in rows.fetchall()]


_SERIES = """
SELECT s."group", p.pseudonym, s.study_uid, s.series_uid, s.series, s.root, s.sidecars, s.sidecar_root,
       t.instances = s.instances AS whole
FROM series s JOIN patients p USING (patient)
JOIN (SELECT series, sum(instances)::BIGINT AS instances FROM taken GROUP BY series) t USING (series)
"""


def _directories(
    connection: duckdb.DuckDBPyConnection, spec: SliceSpec, compiled: Compiled
) -> Iterable[tuple[str, bytes]]:
    """Every directory of the selection with the root of its files."""
    beside = spec.headers is Headers.sidecar
    partial: dict[int, tuple[str, str]] = {}
    for group, name, study, series, number, root, sidecars, sidecar_root, whole in connection.execute(
        _SERIES
    ).fetchall():
        images = group_directory(group, name, study, series)
        extra = group_directory(f"{group}-metadata", name, study, series)
        if not whole:
            partial[number] = images, extra
            continue
        yield images, root
        if beside and sidecars:
            yield extra, sidecar_root
    if partial:
        yield from _partial_directories(connection, compiled, partial, beside)


_INSTANCES = """
SELECT i.* FROM (
    SELECT *, {image} AS image_verdict, {exclude} AS exclude_verdict FROM instances
    WHERE series IN (SELECT series FROM taken)
) i JOIN taken t USING (series, image_verdict, exclude_verdict)
"""


def instances_query(compiled: Compiled) -> str:
    """The images of the selection, as rows of `instances`; takes the bound values of `compiled`."""
    return _INSTANCES.format(image=compiled.image, exclude=compiled.exclude)


def image_parameters(compiled: Compiled) -> dict[str, Any]:
    """The bound values that grading images needs."""
    used = compiled.image + compiled.exclude
    return {name: value for name, value in compiled.parameters.items() if f"${name}:" in used}


_PARTIAL = """
SELECT series, stem, sha256, sidecar_sha256 FROM ({instances}) WHERE list_contains($partial, series)
"""


def _partial_directories(
    connection: duckdb.DuckDBPyConnection,
    compiled: Compiled,
    partial: dict[int, tuple[str, str]],
    beside: bool,
) -> Iterable[tuple[str, bytes]]:
    query = _PARTIAL.format(instances=instances_query(compiled))
    bound = {**image_parameters(compiled), "partial": list(partial)}
    images: dict[int, list[tuple[str, bytes]]] = {}
    sidecars: dict[int, list[tuple[str, bytes]]] = {}
    for series, stem, content, header in connection.execute(query, bound).fetchall():
        images.setdefault(series, []).append((stem + IMAGE_SUFFIX, content))
        if beside and header is not None:
            sidecars.setdefault(series, []).append((stem + SIDECAR_SUFFIX, header))
    for series, files in images.items():
        yield partial[series][0], directory_root(files)
    for series, files in sidecars.items():
        yield partial[series][1], directory_root(files)
