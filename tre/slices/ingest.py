"""Adding a delivery to a dataset: files into the store, an index beside it, published in one step.

Guarantees: a release is there whole or not at all; whatever an interruption at any moment leaves behind is not
visible and is swept or adopted by the next addition; everything is on the disk before the release is published; a
bad file costs one line in the report and never the delivery. The same delivery gives the same index digest. No image
and no sidecar comes into a tier of the store that the header gate did not pass or a person did not let in.

Does not guarantee: that the store holds no file without a release: one that was refused as a repetition after it was
copied, or taken just before an interruption, stays there unseen until the same bytes come again.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures.process import BrokenProcessPool
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from tre.domain.errors import Reason, TREError
from tre.domain.quarantine import QuarantinedFile
from tre.domain.slices.plan import Counts
from tre.domain.slices.vocabulary import COARSE_TIER, TIERS
from tre.slices import taking
from tre.slices.clinical import Cleaning, ClinicalRecord, clean
from tre.slices.files import (
    NOBODY_ELSE,
    Ownership,
    directory,
    discard,
    empty,
    make_private,
    rename_new,
    storage_error,
    sync_filesystem,
)
from tre.slices.gate.manifest import NO_RULES, TagRules
from tre.slices.index import Instance
from tre.slices.indexwriter import write_index
from tre.slices.onto import images_before, merged, patients_before
from tre.slices.partition import NO_DRAW, Draw
from tre.slices.places import CLINICAL_TIER, COARSE_CLINICAL_TIER, DatasetPlaces
from tre.slices.records import settle
from tre.slices.spool import Pair, Spool
from tre.slices.store import Store
from tre.slices.taking import Delivery, Stores, Waiting
from tre.slices.unfit import UnfitError
from tre.slices.walk import PSEUDONYMS, WITHDRAWALS, Found, Kind, Refusal, walk
from tre.slices.watch import SILENT, Watcher
from tre.slices.workers import Pool, Take, Taken, pool, take_pairs, take_sidecars

PARALLEL_FROM = 2000
"""Fewer images than this are taken faster by one process than several take to start."""

REPORT = "report.jsonl"
"""Beside the index: every file that stayed out, one line each."""

CONVERSIONS = "conversions.json"
"""Beside the index: what was made of the values of clinical records, by key."""

_CHUNK, _LARGEST_CHUNK = 100, 1000
"""Files that a process is given at a time, and most of them where they are of one person."""

_MANY = frozenset({Kind.image, Kind.sidecar})
_T = TypeVar("_T")


@dataclass(frozen=True)
class IngestOrder:
    """What is added where. `denied` are the people who opted out; `workers` processes read headers."""

    places: DatasetPlaces
    release: str
    delivery: Path
    owner: Ownership = NOBODY_ELSE
    denied: frozenset[str] = frozenset()
    workers: int = 1
    rules: TagRules = NO_RULES
    decided: Mapping[str, QuarantinedFile] = field(default_factory=dict)
    """By digest: files that somebody looked at."""

    onto: str | None = None
    """The release that the delivery adds to; without one, the delivery is all of the new release."""

    draw: Draw = NO_DRAW
    """Who is kept apart for validation, beside whom the delivery's folders keep apart."""


@dataclass(frozen=True)
class Ingested:
    """What became of a delivery: the release's digest and counts, what stayed out, and what was made of values."""

    index_digest: str
    counts: Counts
    refusals: tuple[Refusal, ...]
    cleaning: Cleaning
    waiting: tuple[Waiting, ...] = ()
    """Files that wait for a person; they are kept apart, and no index speaks of them."""

    @property
    def refused(self) -> dict[str, int]:
        """Files that stayed out, by rule."""
        return dict(sorted(Counter(refusal.rule for refusal in self.refusals).items()))

    @property
    def quarantined(self) -> dict[str, int]:
        """Files that wait, by the first rule that they wait for."""
        return dict(sorted(Counter(one.reasons[0].rule for one in self.waiting).items()))


class NothingTakenError(TREError):
    """Nothing of a delivery can be taken; some of it may wait for a person."""

    def __init__(self, reason: Reason, what: str, *, why: str, remedy: str) -> None:
        super().__init__(reason, what, why=why, remedy=remedy)
        self.waiting: tuple[Waiting, ...] = ()


def ingest(order: IngestOrder, published: str | None, watcher: Watcher = SILENT) -> Ingested:
    """Add a delivery and publish its index under the release's name. The caller holds the dataset's lock.

    `published` is the index digest of the release of that name, where the record knows one. Raises
    `TREError(AlreadyExists)` when such a release holds something else, `TREError(BadInput)` when nothing
    of the delivery can be taken, `TREError(StorageFull)` or `TREError(StorageFailed)` when the disk refuses.
    """
    try:
        with _opened(order.delivery) as root:
            return _Ingestion(order, root, watcher).run(published)
    except OSError as error:
        sweep_staging(order.places)
        raise storage_error(error, f"Adding {order.delivery}") from error
    except BrokenProcessPool as error:
        raise TREError(Reason.RuntimeFailed, "A process that reads headers died.", remedy="Try again.") from error


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise TREError(Reason.BadInput, f"{path} cannot be read as a directory.", why=f"{error.strerror}.") from error
    try:
        yield descriptor
    finally:
        os.close(descriptor)


class _Ingestion:
    """One delivery on its way in: what was found, and what stayed out so far."""

    def __init__(self, order: IngestOrder, root: int, watcher: Watcher) -> None:
        self.order = order
        self.root = root
        self.watcher = watcher
        self.found: dict[Kind, list[Found]] = {kind: [] for kind in Kind if kind not in _MANY}
        self.images = 0
        self.refusals: list[Refusal] = []
        self.waiting: list[Waiting] = []
        self.stores: dict[str, Stores] = {}
        self.listed: frozenset[str] | None = None
        self.denied = order.denied
        self.undecided: frozenset[str] = frozenset()
        self.onto = order.places.release(order.onto) if order.onto is not None else None

    def run(self, published: str | None) -> Ingested:
        self.watcher.step("prepare")
        self._prepare()
        with closing(Spool(self.order.places.staging / "spool")) as self.spool:
            taken = self._take_in()
        _publish(self.order, taken, published, self.watcher)
        return taken

    def _take_in(self) -> Ingested:
        """Everything into the store, and the index into the staging directory."""
        self.watcher.step("walk")
        self._walk()
        self._beside()
        self.watcher.step("clinical")
        earlier = patients_before(self.onto, self.denied) if self.onto else []
        came, cleaning = clean(self._clinical({one.pseudonym: one.partition for one in earlier}))
        patients = merged(earlier, came)
        delivery = self._delivery({one.pseudonym: one.partition for one in patients})
        with self._workers(delivery) as workers:
            self.watcher.step("images")
            self._images(workers)
            if self.spool.is_empty and not came:
                raise _nothing_taken(self.order, self.refusals, self.waiting)
            self._carry_over()
            self.watcher.step("sidecars")
            self._sidecars(workers)
        if self.spool.is_empty:
            raise _nothing_taken(self.order, self.refusals, self.waiting)
        self.watcher.step("index")
        staged = make_private(self.order.places.staging / "release", self.order.owner)
        built = write_index(self.spool.instances(), patients, staged)
        return Ingested(
            built.digest,
            built.counts,
            tuple(sorted(self.refusals)),
            cleaning,
            tuple(sorted(self.waiting, key=lambda one: one.path)),
        )

    def _prepare(self) -> None:
        places, owner = self.order.places, self.order.owner
        for path in (places.trash, places.root / "releases", places.root / "plans"):
            make_private(path, owner)
        sweep_staging(places)
        incoming = make_private(places.staging / "incoming", owner)
        waiting = make_private(places.quarantine, owner)
        for name, tiers in (("files", (TIERS[0], COARSE_TIER)), ("clinical", (CLINICAL_TIER, COARSE_CLINICAL_TIER))):
            made = (Store(make_private(places.tier(tier), owner), incoming, owner, waiting) for tier in tiers)
            self.stores[name] = Stores(*made)

    def _walk(self) -> None:
        for one in walk(self.root):
            if isinstance(one, Refusal):
                self.refusals.append(one)
            elif one.kind in _MANY:
                self.images += one.kind is Kind.image
                self.spool.add_found(one)
            else:
                self.found[one.kind].append(one)
        for files in self.found.values():
            files.sort()

    def _beside(self) -> None:
        """Read the lists at the top of the delivery: who may be in it, and who opted out."""
        for one in self.found[Kind.beside]:
            try:
                lines = taking.read_beside(self.root, one.path)
            except UnfitError as error:
                self.refusals.append(Refusal(one.path, error.rule, error.message))
                continue
            if one.path == PSEUDONYMS:
                self.listed = frozenset(lines)
            elif one.path == WITHDRAWALS:
                self.denied |= {line.partition(",")[0].strip() for line in lines}

    def _delivery(self, partitions: dict[str, str]) -> Delivery:
        order = self.order
        return Delivery(
            name=order.delivery.resolve().name,
            partitions=partitions,
            denied=self.denied,
            listed=self.listed,
            rules=order.rules,
            decided=order.decided,
            undecided=self.undecided,
            draw=order.draw,
        )

    def _clinical(self, partitions: dict[str, str]) -> list[ClinicalRecord]:
        delivery = self._delivery(partitions)
        stores = self.stores["clinical"]
        taken = ((one, taking.take_clinical(stores, self.root, one, delivery)) for one in self.found[Kind.clinical])
        settled = settle(taken)
        self.refusals += settled.refusals
        self.waiting += settled.waiting
        self.undecided = settled.undecided
        return settled.records

    def _workers(self, delivery: Delivery) -> AbstractContextManager[Pool]:
        many = self.images >= PARALLEL_FROM
        return pool(self.stores["files"], self.order.delivery, delivery, self.order.workers if many else 1)

    def _images(self, workers: Pool) -> None:
        """Take the images, each with its sidecar, and leave each once."""
        count, pairs = self.spool.pairs()
        beside: list[tuple[str, Refusal | Waiting]] = []
        for taken in self._taken(workers, take_pairs, _chunks(pairs, _whose), count):
            self.spool.add_taken(taken.rows)
            beside += taken.out_beside
        for one in self.spool.without_repetitions():
            self.refusals.append(Refusal(one.path, *_REPETITIONS[one.why]))
        self._keep_out(one for path, one in beside if self.spool.has(path))

    def _carry_over(self) -> None:
        """Name what the release before named, beside what came."""
        if self.onto is not None:
            for one in self.spool.carry_over(images_before(self.onto, self.denied)):
                self.refusals.append(Refusal(one.path, *_REPETITIONS[one.why]))

    def _sidecars(self, workers: Pool) -> None:
        """Take the sidecars that could not be taken with their images."""
        known: list[tuple[Found, Instance]] = []
        for one, image in self.spool.alone():
            if image is None:
                self.refusals.append(Refusal(one.path, "sidecar", "no image that was taken belongs to it"))
            else:
                known.append((one, image))
        for taken in self._taken(workers, take_sidecars, _chunks(known, lambda _: ""), len(known)):
            self.spool.add_sidecars(taken.sidecars)

    def _taken(self, workers: Pool, take: Take, chunks: Iterable[list[Any]], total: int) -> Iterator[Taken]:
        """What became of each chunk; what stays out or waits is kept here."""
        done = 0
        for count, taken in workers.map(take, chunks):
            self._keep_out(taken.out)
            yield taken
            done += count
            self.watcher.progress(done, total)

    def _keep_out(self, files: Iterable[Refusal | Waiting]) -> None:
        for one in files:
            if isinstance(one, Refusal):
                self.refusals.append(one)
            else:
                self.waiting.append(one)


def _chunks(files: Iterable[_T], whose: Callable[[_T], str]) -> Iterator[list[_T]]:
    """Files in portions, somebody's together as far as that can be."""
    chunk: list[_T] = []
    for one in files:
        full = len(chunk) >= _CHUNK and (whose(one) != whose(chunk[-1]) or not whose(one))
        if full or len(chunk) >= _LARGEST_CHUNK:
            yield chunk
            chunk = []
        chunk.append(one)
    if chunk:
        yield chunk


def _whose(pair: Pair) -> str:
    return pair.patient


def sweep_staging(places: DatasetPlaces) -> None:
    """Take away what an interruption left: half-copied files and indexes, half-deleted trees.

    The caller holds the dataset's lock.
    """
    if places.trash.is_dir():
        discard(places.staging, places.trash)
        empty(places.trash)


_REPETITIONS = {
    "several": ("duplicate-sop-uid", "several images have this identifier, and which is right is not known"),
    "again": ("duplicate-sop-uid", "the same image stands elsewhere in the delivery"),
    "before": ("same-place", "another image of the release before has this series and this file name"),
    "place": ("same-place", "several images have this series and this file name"),
}


def _nothing_taken(order: IngestOrder, refusals: list[Refusal], waiting: list[Waiting]) -> NothingTakenError:
    rules = Counter(refusal.rule for refusal in refusals).most_common(3)
    listed = [f"{count} by {rule}" for rule, count in rules]
    if waiting:
        listed.append(f"{len(waiting)} wait in quarantine")
    error = NothingTakenError(
        Reason.BadInput,
        f"Nothing in {order.delivery} can be taken.",
        why=f"Left out: {', '.join(listed) or 'it is empty'}.",
        remedy="Decide about the files that wait: `tre dataset quarantine`."
        if waiting
        else "The delivery needs images and, for each patient, a clinical record.",
    )
    error.waiting = tuple(waiting)
    return error


def _publish(order: IngestOrder, taken: Ingested, published: str | None, watcher: Watcher) -> None:
    if published is not None and published != taken.index_digest:
        raise TREError(
            Reason.AlreadyExists,
            f"The release {order.release!r} exists and holds something else.",
            why="A release never changes.",
            remedy="Give the new release another name with --release.",
        )
    places = order.places
    target, staged = places.release(order.release), places.staging / "release"
    if published is not None and target.is_dir():
        discard(staged, places.trash)
        return
    lines = [json.dumps(refusal.as_plain()) + "\n" for refusal in taken.refusals]
    (staged / REPORT).write_text("".join(lines), encoding="ascii")
    (staged / CONVERSIONS).write_text(json.dumps(taken.cleaning.as_plain(), indent=1) + "\n", encoding="ascii")
    for path in staged.iterdir():
        order.owner.give(path)
    watcher.step("sync")
    sync_filesystem(staged)
    watcher.step("publish")
    discard(target, places.trash)  # left by an interruption: the record does not know it
    rename_new(staged, target)
    with directory(target.parent) as descriptor:
        os.fsync(descriptor)
    watcher.step("published")
