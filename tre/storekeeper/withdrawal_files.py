"""What an opt-out does to slices: unlinked first, written down after.

Guarantees: every slice that holds one of the people loses their files before anything slower is done, so that running
mounts show it within milliseconds; then tables, manifests, index and record of each slice follow (`slices.
without_withdrawn`). Copies, where a slice holds any, go by their paths like links, and are counted apart.

Does not guarantee: proof: `tre.storekeeper.withdrawal_proofs` looks at the store and at slices with copies.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence, Set
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc
import structlog

from tre.airlock.sliceindex.keeping import IndexStore
from tre.airlock.sliceindex.making import with_gone
from tre.domain.datasets import BuiltSlice
from tre.domain.errors import TREError
from tre.domain.optouts.batches import Batch
from tre.domain.slices.spec import DirectoryLayout
from tre.slices import withdraw
from tre.slices.copies import copies_of
from tre.slices.files import locked, storage_error
from tre.slices.watch import SILENT, Watcher
from tre.store import datasets as data
from tre.store import grant_slices
from tre.store import optouts as store
from tre.storekeeper import slices
from tre.storekeeper.office import PATIENCE, Office

log = structlog.get_logger()


@dataclass(frozen=True)
class Concerned:
    """A slice that stands, how it is laid out, and the files of the people in question in it."""

    built: BuiltSlice
    layout: DirectoryLayout
    table: pa.Table

    @property
    def people(self) -> int:
        """How many of them it holds."""
        return len(pc.unique(self.table.column("pseudonym")))


@dataclass(frozen=True)
class Found:
    """The slices in question, and what is wrong with those of which it cannot be told."""

    slices: list[Concerned]
    broken: list[TREError]


THREADS = 2
"""Names are taken away by so many at once, while plans are read: unlinking lets go of the interpreter."""

Each = Callable[[Concerned], object]


def concerned(
    office: Office, dataset: str, people: Set[str], columns: Sequence[str] = (), each: Each = lambda _: None
) -> Found:
    """Every slice of the dataset that holds any of these people. Slices of one plan are looked up once.

    Without columns, those are read that say where the files lie. `each` is told of a slice as soon as it is found.
    """
    found = Found([], [])
    if not people:
        return found
    with office.database.read() as connection:
        built = [one for one in data.all_slices(connection) if one.dataset == dataset]
        layouts = data.layouts_of(connection, {one.plan_digest for one in built})
    tables: dict[str, pa.Table | None] = {}
    for one in built:
        layout = layouts[one.plan_digest]
        if one.plan_digest not in tables:
            asked = columns or withdraw.PLACED_BY[layout]
            tables[one.plan_digest] = _held_by(office, one, people, asked, found)
        table = tables[one.plan_digest]
        if table is not None and table.num_rows:
            found.slices.append(Concerned(one, layout, table))
            each(found.slices[-1])
    return found


def _held_by(
    office: Office, built: BuiltSlice, people: Set[str], columns: Sequence[str], found: Found
) -> pa.Table | None:
    try:
        return withdraw.holdings(office.dataset(built.dataset).plan(built.plan_digest), people, columns)
    except TREError as error:  # one slice that nobody understands must not keep people in the others
        log.error("plan-unreadable", plan=built.plan_digest, error=str(error))
        found.broken.append(error)
        return None


def recognise(office: Office, dataset: str, people: Set[str]) -> None:
    """Let the airlock know these people as withdrawn in every slice that holds them, before anything else changes.

    An index that does not open is left: checks fail with it, so nothing leaves, and it is made anew with the slice.
    """
    with locked(office.slices.lock, office.owner(), PATIENCE):
        found = concerned(office, dataset, people, withdraw.NAMING).slices
        with ThreadPoolExecutor(THREADS, thread_name_prefix="recognise") as pool:
            for done in [pool.submit(_recognise, office, one) for one in found]:
                done.result()


def _recognise(office: Office, one: Concerned) -> None:
    indexes = IndexStore(office.layout.slice_indexes)
    try:
        body = indexes.find(one.built.slice_id)
    except TREError as error:
        log.warning("index-unreadable", slice=one.built.slice_id, error=str(error))
        return
    if body is not None:
        names = sorted(set(one.table.column("pseudonym").to_pylist()))
        body = with_gone(body, names, withdraw.identifiers(one.table))
        indexes.keep(one.built.slice_id, body, office.owner().uid)


def unmount(office: Office, batch: Batch, people: Set[str], watcher: Watcher = SILENT) -> None:
    """Take these people out of every slice that stands: all files first, then slice by slice what lists them.

    Raises the first of what went wrong, once everything else is done.
    """
    with locked(office.slices.lock, office.owner(), PATIENCE):
        watcher.step("unlink")
        found, _ = unlink(office, batch.dataset, people)
        left = found.slices
        watcher.step("unlinked")
        if left:
            _say_unlinked(office, batch, left)
        for one in left:
            watcher.step("rewrite")
            with office.database.read() as connection:
                plan = data.get_plan(connection, one.built.plan_digest)
            assert plan is not None, "a slice is recorded after its plan"
            built = slices.without_withdrawn(office, one.built, plan, watcher)
            _say_rewritten(office, batch, built)
        if found.broken:
            raise found.broken[0]


def unlink(office: Office, dataset: str, people: Set[str]) -> tuple[Found, int]:
    """Remove the names of these people's files, in each slice as soon as it is found; how many were still there.

    Raises `TREError(StorageFailed)`, once every slice was tried.
    """
    removing: list[Future[int]] = []
    with ThreadPoolExecutor(THREADS, thread_name_prefix="unlink") as pool:
        found = concerned(office, dataset, people, each=lambda one: removing.append(pool.submit(_unlink, office, one)))
    try:
        return found, sum(one.result() for one in removing)
    except OSError as error:
        raise storage_error(error, "Taking people out of slices") from error


def _unlink(office: Office, one: Concerned) -> int:
    return withdraw.unlink(office.slices.slice(one.built.slice_id), withdraw.held(one.table, one.layout))


def _say_unlinked(office: Office, batch: Batch, left: list[Concerned]) -> None:
    """Keep what left when; an entry of an earlier attempt stays, since that was when it happened."""
    now = office.clock.now().isoformat()
    with office.database.read() as connection:
        report = store.report_of(connection, batch.id)
        owners = {one.built.slice_id: grant_slices.with_slice_id(connection, one.built.slice_id) for one in left}
    known = dict(report.get("slices", {}))
    for one in left:
        owner = owners[one.built.slice_id]
        entry = {"grant": owner.grant if owner else "", "files": one.table.num_rows, "people": one.people}
        if copied := _copied(office, one):
            entry["copies"] = copied
        known.setdefault(one.built.slice_id, entry | {"removedAt": now})
    files = sum(one.table.num_rows for one in left)
    said = {"batch": batch.id, "slices": len(left), "files": files}
    event = office.event("withdrawal.unlinked", f"dataset/{batch.dataset}", **said)
    with office.database.change(event) as change:
        store.keep_report(change, batch.id, report | {"slices": known})


def _copied(office: Office, one: Concerned) -> int:
    """How many of the files that left a slice were copies and no names of files in the store."""
    known = copies_of(office.slices.slice(one.built.slice_id))
    if not known.paths:
        return 0
    places = withdraw.held(one.table, one.layout)
    return sum(f"{parent}/{name}".lstrip("/") in known for parent, names in places.items() for name in names)


def _say_rewritten(office: Office, batch: Batch, built: BuiltSlice) -> None:
    said = {"batch": batch.id, "slice": built.slice_id, "version": built.manifest_version}
    event = office.event("withdrawal.slice-rewritten", f"dataset/{batch.dataset}", **said)
    with office.database.change(event) as change:
        report = store.report_of(change.connection, batch.id)
        known = dict(report.get("slices", {}))
        known[built.slice_id] = known.get(built.slice_id, {}) | {"version": built.manifest_version}
        store.keep_report(change, batch.id, report | {"slices": known})
