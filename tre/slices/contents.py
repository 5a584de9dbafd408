"""A plan's content, kept: every file and every row that the digest speaks of.

Guarantees: the content of a plan appears under the plan's digest whole or not at all; it is checked against the
digest before anybody relies on it, so a changed list is found. Whether a signed plan covers a later one is computed
from two such contents.

Where people were erased from it, hashes stand in their places: it can still be compared, and nothing is built of it.

Does not guarantee: that the files are in the store; building looks.
"""

from __future__ import annotations

from collections.abc import Iterator, Set
from contextlib import closing
from dataclasses import replace
from itertools import groupby
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tre.domain.errors import Reason, TREError
from tre.domain.slices.cover import HEADERS_TABLE, PlanDifference, check_covers
from tre.domain.slices.merkle import directory_leaf, directory_root, merged, name_leaf, root_of, shown
from tre.domain.slices.plan import PlanIdentity, SlicePlan
from tre.domain.slices.spec import Headers
from tre.slices.files import (
    Ownership,
    discard,
    locked,
    make_private,
    rename_new,
    storage_error,
    sync_filesystem,
)
from tre.slices.index import ATTRIBUTES
from tre.slices.loaded import loaded
from tre.slices.places import DatasetPlaces
from tre.slices.plan import PlanOrder, instances_query, plan_in
from tre.slices.plan import rows as rows_of
from tre.slices.query import compile_spec
from tre.slices.redacted import Redacted, read_redacted, strangers
from tre.slices.release import connection
from tre.slices.watch import SILENT, Watcher

FILES, ROWS, PLAN = "files.parquet", "rows.parquet", "plan.json"
PATIENCE = 60.0
"""Seconds that one plan waits for another to be written."""

_BATCH, _LEAST, _PARTS = 65_536, 2048, 64

_LISTED = """
SELECT concat_ws('/', s."group" || suffix, p.pseudonym, s.study_uid, s.series_uid, i.stem || ending) AS path,
       kind, p.pseudonym, s.study_uid, s.series_uid, i.sop_uid, size AS bytes, content AS sha256, {attributes}
FROM ({instances}) i
JOIN series s USING (series) JOIN patients p USING (patient)
CROSS JOIN LATERAL (
    SELECT 'image' AS kind, '' AS suffix, '.dcm' AS ending, i.bytes AS size, i.sha256 AS content
    UNION ALL
    SELECT 'sidecar', '-metadata', '.json', i.sidecar_bytes, i.sidecar_sha256
    WHERE $sidecars AND i.sidecar_sha256 IS NOT NULL
) file
ORDER BY path
"""


def plan_and_keep(order: PlanOrder, places: DatasetPlaces, owner: Ownership, watcher: Watcher = SILENT) -> SlicePlan:
    """Plan, and keep the plan's content under its digest. Raises as `tre.slices.plan.plan`, and for a full disk."""
    with loaded(order.release, order.denied, order.spec.tier) as connected:
        watcher.step("plan")
        planned = plan_in(connected, order)
        target = places.plan(planned.plan_digest)
        if target.is_dir():
            return planned
        watcher.step("contents")
        compiled = compile_spec(order.spec)
        instances = instances_query(compiled)
        attributes = ", ".join(f"i.{name}" for name in ATTRIBUTES)
        rows = rows_of(connected)
        listed = connected.sql(
            _LISTED.format(instances=instances, attributes=attributes),
            params={**compiled.image_values(), "sidecars": order.spec.headers is Headers.sidecar},
        ).to_arrow_reader(_part(planned.counts.files))
        try:
            with locked(places.plan_lock, owner, PATIENCE):
                _keep(places, planned, owner, (listed, rows))
        except OSError as error:
            raise storage_error(error, "Keeping the plan") from error
    return planned


def _part(files: int) -> int:
    """So many rows stand in one part of the list: whoever looks for one person reads a part or two of it."""
    return max(_LEAST, min(_BATCH, files // _PARTS))


def _keep(
    places: DatasetPlaces,
    planned: SlicePlan,
    owner: Ownership,
    content: tuple[pa.RecordBatchReader, pa.Table],
) -> None:
    listed, rows = content
    make_private(places.trash, owner)
    target = places.plan(planned.plan_digest)
    make_private(target.parent, owner)
    if target.is_dir():
        return  # somebody else was faster
    staged = places.plan_staging
    discard(staged, places.trash)
    make_private(staged, owner)
    with pq.ParquetWriter(staged / FILES, listed.schema, compression="zstd") as writer:
        for batch in listed:
            writer.write_batch(batch)
    pq.write_table(rows, staged / ROWS)
    (staged / PLAN).write_text(planned.model_dump_json(by_alias=True, exclude_none=True) + "\n")
    for path in staged.iterdir():
        owner.give(path)
    sync_filesystem(staged)
    rename_new(staged, target)


def _missing(digest: str) -> TREError:
    return TREError(
        Reason.ContentChanged,
        f"The content of the plan {digest} is not kept here.",
        remedy="Plan again: `tre slice plan SPEC`.",
    )


def check_contents(directory: Path, identity: PlanIdentity, *, whole: bool = True) -> None:
    """Raise `TREError(ContentChanged)` unless a kept content is the one that the plan's digest speaks of.

    One from which people were erased is only good for being compared (`whole=False`).
    """
    if not (directory / FILES).is_file() or not (directory / ROWS).is_file():
        raise _missing(identity.digest())
    people = {table.row_ids for name, table in identity.tables.items() if name != HEADERS_TABLE}
    expected = (identity.files_root, people)
    if not _holds(directory, *expected, whole=whole):
        raise TREError(
            Reason.ContentChanged,
            "The kept content of a plan is not what its digest says.",
            why=f"{directory} was changed, or people were erased from it.",
            remedy="Plan again. If nobody was erased, delete that directory and find out who changed it.",
        )


def _holds(directory: Path, root: str, row_ids: set[str], *, whole: bool) -> bool:
    try:
        gone = read_redacted(directory)
        return not (whole and gone) and _roots(directory, gone, root, row_ids)
    except (pa.ArrowException, ValueError, KeyError):
        return False  # no Parquet any more, other columns, or places that there are not


def _roots(directory: Path, gone: Redacted, root: str, row_ids: set[str]) -> bool:
    rows = [name_leaf(name) for name in sorted(pq.read_table(directory / ROWS).column("pseudonym").to_pylist())]
    files = [directory_leaf(*one) for one in sorted(directories(directory / FILES))]
    everything = merged(files, {place: one.leaf for place, one in gone.files.items()})
    everybody = merged(rows, {place: one.leaf for place, one in gone.rows.items()})
    return shown(root_of(everything)) == root and not row_ids - {shown(root_of(everybody))}


def directories(path: Path) -> Iterator[tuple[str, bytes]]:
    """Every directory of a kept list of files, with the root of its files."""
    for parent, files in groupby(_paths(path), key=lambda one: one[0]):
        yield parent, directory_root((name, content) for _, name, content in files)


def _paths(path: Path) -> Iterator[tuple[str, str, bytes]]:
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(_BATCH, columns=["path", "sha256"]):
            columns = (batch.column(name).to_pylist() for name in ("path", "sha256"))
            for one, content in zip(*columns, strict=True):
                parent, _, name = one.rpartition("/")
                yield parent, name, content


_DIFFERENCE = """
SELECT count(*) FILTER (s.pseudonym IS NULL),
       count(*) FILTER (l.pseudonym IS NULL),
       count(*) FILTER (l.pseudonym IS NULL AND s.pseudonym NOT IN (SELECT pseudonym FROM denied))
FROM read_parquet($signed) s FULL JOIN read_parquet($later) l USING ({keys})
"""


def difference(signed: Path, later: Path, denied: Set[str]) -> PlanDifference:
    """What a later content lacks and adds, computed by the database."""
    with closing(connection()) as connected:
        people = pa.table({"pseudonym": pa.array(sorted(denied), type=pa.string())})
        connected.register("denied", people)
        counted = []
        for name, keys in ((FILES, "path, sha256, pseudonym"), (ROWS, "pseudonym")):
            query = _DIFFERENCE.format(keys=keys)
            bound = {"signed": str(signed / name), "later": str(later / name)}
            row = connected.execute(query, bound).fetchone()
            assert row is not None, "an aggregate always has a row"
            counted += list(row)
    return PlanDifference(*counted)


def check_plan_covers(signed: SlicePlan, later: SlicePlan, places: DatasetPlaces, denied: Set[str]) -> None:
    """Raise `TREError(PlanNotCovered)` unless what was signed covers the later plan.

    Both contents are checked against their digests first. `denied` is the deny set of the later plan.
    """
    if signed.plan_digest == later.plan_digest:
        return
    before = places.plan(signed.plan_digest)
    check_contents(before, signed.identity, whole=False)
    check_contents(places.plan(later.plan_digest), later.identity)
    found = _with_erased(difference(before, places.plan(later.plan_digest), denied), signed, before, denied)
    check_covers(signed.identity, later.identity, found)


def _with_erased(found: PlanDifference, signed: SlicePlan, content: Path, denied: Set[str]) -> PlanDifference:
    """The difference with what was erased from the signed content since: gone, and by whose right, by their marks."""
    gone = read_redacted(content)
    if not gone:
        return found
    files, rows = gone.files.values(), gone.rows.values()
    return replace(
        found,
        files_removed=found.files_removed + len(files),
        undenied_files_removed=found.undenied_files_removed + strangers(files, signed.plan_digest, denied),
        rows_removed=found.rows_removed + len(rows),
        undenied_rows_removed=found.undenied_rows_removed + strangers(rows, signed.plan_digest, denied),
    )
