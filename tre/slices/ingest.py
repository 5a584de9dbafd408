"""Adding a delivery to a dataset: files into the store, an index beside it, published in one step.

Guarantees: a release is there whole or not at all; whatever an interruption at any moment leaves behind is not
visible and is swept or adopted by the next addition; everything is on the disk before the release is published; a
bad file costs one line in the report and never the delivery. The same delivery gives the same index digest.

Does not guarantee: that the store holds no file without a release: one that was refused as a repetition after it was
copied, or taken just before an interruption, stays there unseen until the same bytes come again.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path

from tre.domain.errors import Reason, TREError
from tre.domain.slices.plan import Counts
from tre.domain.slices.vocabulary import TIERS
from tre.slices import index as indexing
from tre.slices import taking
from tre.slices.clinical import ClinicalRecord, clean
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
from tre.slices.index import Instance
from tre.slices.places import CLINICAL_TIER, DatasetPlaces
from tre.slices.store import Store
from tre.slices.taking import Delivery
from tre.slices.walk import Found, Kind, Refusal, walk
from tre.slices.watch import SILENT, Watcher

PARALLEL_FROM = 2000
"""Fewer images than this are taken faster by one process than several take to start."""

REPORT = "report.jsonl"
"""Beside the index: every file that stayed out, one line each."""

_CHUNK = 200


@dataclass(frozen=True)
class IngestOrder:
    """What is added where. `denied` are the people who opted out; `workers` processes read headers."""

    places: DatasetPlaces
    release: str
    delivery: Path
    owner: Ownership = NOBODY_ELSE
    denied: frozenset[str] = frozenset()
    workers: int = 1


@dataclass(frozen=True)
class Ingested:
    """What became of a delivery: the release's digest and counts, what stayed out, and values not understood."""

    index_digest: str
    counts: Counts
    refusals: tuple[Refusal, ...]
    values_not_understood: dict[str, int]

    @property
    def refused(self) -> dict[str, int]:
        """Files that stayed out, by rule."""
        return dict(sorted(Counter(refusal.rule for refusal in self.refusals).items()))


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
        _sweep(order.places)
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
        self.found: dict[Kind, list[Found]] = {kind: [] for kind in Kind}
        self.refusals: list[Refusal] = []
        self.stores: dict[str, Store] = {}

    def run(self, published: str | None) -> Ingested:
        self.watcher.step("prepare")
        self._prepare()
        self.watcher.step("walk")
        self._walk()
        self.watcher.step("clinical")
        patients, problems = clean(self._clinical())
        delivery = self._delivery({one.pseudonym: one.partition for one in patients})
        self.watcher.step("images")
        images = _without_repetitions(self._images(delivery), self.refusals)
        self.watcher.step("sidecars")
        self._sidecars(images)
        if not images:
            raise _nothing_taken(self.order, self.refusals)
        self.watcher.step("index")
        built = indexing.build(images.values(), patients)
        taken = Ingested(built.digest, built.counts, tuple(sorted(self.refusals)), dict(sorted(problems.items())))
        _publish(self.order, built, taken, published, self.watcher)
        return taken

    def _prepare(self) -> None:
        places, owner = self.order.places, self.order.owner
        for path in (places.trash, places.root / "releases", places.root / "plans"):
            make_private(path, owner)
        _sweep(places)
        incoming = make_private(places.staging / "incoming", owner)
        for tier in (*TIERS, CLINICAL_TIER):
            self.stores[tier] = Store(make_private(places.tier(tier), owner), incoming, owner)

    def _walk(self) -> None:
        for one in walk(self.root):
            if isinstance(one, Refusal):
                self.refusals.append(one)
            else:
                self.found[one.kind].append(one)
        for files in self.found.values():
            files.sort()

    def _delivery(self, partitions: dict[str, str]) -> Delivery:
        return Delivery(self.order.delivery.resolve().name, partitions, self.order.denied)

    def _clinical(self) -> Iterator[ClinicalRecord]:
        delivery = self._delivery({})
        for one in self.found[Kind.clinical]:
            taken = taking.take_clinical(self.stores[CLINICAL_TIER], self.root, one, delivery)
            if isinstance(taken, Refusal):
                self.refusals.append(taken)
            else:
                yield taken

    def _images(self, delivery: Delivery) -> Iterator[tuple[Found, Instance]]:
        files = self.found[Kind.image]
        chunks = [files[start : start + _CHUNK] for start in range(0, len(files), _CHUNK)]
        done = 0
        for chunk, results in zip(chunks, self._results(delivery, chunks), strict=True):
            for one, result in zip(chunk, results, strict=True):
                if isinstance(result, Refusal):
                    self.refusals.append(result)
                else:
                    yield one, result
            done += len(chunk)
            self.watcher.progress(done, len(files))

    def _results(self, delivery: Delivery, chunks: Sequence[list[Found]]) -> Iterator[list[Instance | Refusal]]:
        store, order = self.stores[TIERS[0]], self.order
        if order.workers < 2 or sum(map(len, chunks)) < PARALLEL_FROM:
            for chunk in chunks:
                yield [taking.take_image(store, self.root, one, delivery) for one in chunk]
            return
        # Fresh interpreters: a fork of a threaded service could inherit a lock that nobody releases.
        with ProcessPoolExecutor(
            order.workers,
            mp_context=get_context("spawn"),
            initializer=_start_worker,
            initargs=(store, order.delivery, delivery),
        ) as pool:
            yield from pool.map(_work, chunks)

    def _sidecars(self, images: dict[tuple[str, str], Instance]) -> None:
        for one in self.found[Kind.sidecar]:
            place = taking.sidecar_place(one.parts)
            if (image := images.get(place)) is None:
                text = "no image that was taken belongs to it"
                self.refusals.append(Refusal(one.path, "sidecar", text))
                continue
            taken = taking.take_sidecar(self.stores[TIERS[0]], self.root, one, image)
            if isinstance(taken, Refusal):
                self.refusals.append(taken)
            else:
                images[place] = replace(image, sidecar_sha256=taken.sha256, sidecar_size=taken.size)


_worker: dict[str, tuple[Store, int, Delivery]] = {}


def _start_worker(store: Store, path: Path, delivery: Delivery) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    _worker["state"] = (store, descriptor, delivery)


def _work(chunk: list[Found]) -> list[Instance | Refusal]:
    store, root, delivery = _worker["state"]
    return [taking.take_image(store, root, one, delivery) for one in chunk]


def _sweep(places: DatasetPlaces) -> None:
    """Take away what an interruption left: half-copied files and indexes, half-deleted trees."""
    if places.trash.is_dir():
        discard(places.staging, places.trash)
        empty(places.trash)


def _without_repetitions(
    images: Iterable[tuple[Found, Instance]], refusals: list[Refusal]
) -> dict[tuple[str, str], Instance]:
    """Each image once. The same bytes again are left out; of images with one identifier or one place, all are."""
    by_uid: dict[str, list[tuple[Found, Instance]]] = {}
    for found, one in images:
        by_uid.setdefault(one.header.sop_uid, []).append((found, one))
    by_place: dict[tuple[str, str], list[tuple[Found, Instance]]] = {}
    for (found, first), *others in by_uid.values():
        if any(one.sha256 != first.sha256 for _, one in others):
            refusals += _refused([found, *(f for f, _ in others)], "several")
            continue
        refusals += _refused([found for found, _ in others], "again")
        by_place.setdefault((first.directory, first.stem), []).append((found, first))
    kept: dict[tuple[str, str], Instance] = {}
    for place, same in by_place.items():
        if len(same) == 1:
            kept[place] = same[0][1]
        else:
            refusals += _refused([found for found, _ in same], "place")
    return kept


_REPETITIONS = {
    "several": ("duplicate-sop-uid", "several images have this identifier, and which is right is not known"),
    "again": ("duplicate-sop-uid", "the same image stands elsewhere in the delivery"),
    "place": ("same-place", "several images have this series and this file name"),
}


def _refused(files: list[Found], why: str) -> list[Refusal]:
    rule, message = _REPETITIONS[why]
    return [Refusal(found.path, rule, message) for found in files]


def _nothing_taken(order: IngestOrder, refusals: list[Refusal]) -> TREError:
    rules = Counter(refusal.rule for refusal in refusals).most_common(3)
    listed = ", ".join(f"{count} by {rule}" for rule, count in rules) or "it is empty"
    return TREError(
        Reason.BadInput,
        f"Nothing in {order.delivery} can be taken.",
        why=f"Left out: {listed}.",
        remedy="The delivery needs images and, for each patient, a clinical record.",
    )


def _publish(
    order: IngestOrder, built: indexing.Index, taken: Ingested, published: str | None, watcher: Watcher
) -> None:
    if published is not None and published != built.digest:
        raise TREError(
            Reason.AlreadyExists,
            f"The release {order.release!r} exists and holds something else.",
            why="A release never changes.",
            remedy="Give the new release another name with --release.",
        )
    places = order.places
    target, staged = places.release(order.release), places.staging / "release"
    if published is not None and target.is_dir():
        return
    make_private(staged, order.owner)
    indexing.write(built, staged)
    lines = [json.dumps(refusal.as_plain()) + "\n" for refusal in taken.refusals]
    (staged / REPORT).write_text("".join(lines), encoding="ascii")
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
