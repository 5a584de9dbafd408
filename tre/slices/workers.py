"""Taking many files: in other processes, or in this one.

Guarantees: what becomes of a file does not depend on how many processes there are; results come in the order of the
files. A few chunks of files are on their way at a time, so memory does not grow with the delivery.
"""

from __future__ import annotations

import gc
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from tre.slices.desk import Desk, take_image, take_sidecar
from tre.slices.index import Instance, Sidecar
from tre.slices.spool import Pair, Row, row_of
from tre.slices.taking import Delivery, Stores, Waiting
from tre.slices.walk import Found, Refusal

_IN_FLIGHT = 4
"""Chunks on their way for each process: enough that none waits for the next."""


@dataclass
class Taken:
    """What became of a chunk of files."""

    rows: list[Row] = field(default_factory=list)
    sidecars: list[tuple[Found, Sidecar]] = field(default_factory=list)
    out: list[Refusal | Waiting] = field(default_factory=list)
    out_beside: list[tuple[str, Refusal | Waiting]] = field(default_factory=list)
    """Sidecars that stay out or wait, by the path of the image that they were looked at with."""


Take = Callable[[Desk, list[Any]], Taken]


def take_pairs(desk: Desk, chunk: list[Pair]) -> Taken:
    """Take images, each with its sidecar."""
    taken = Taken()
    for pair in chunk:
        image, judged = take_image(desk, pair.image)
        if not isinstance(image, Instance):
            taken.out.append(image)
            continue
        if pair.sidecar is not None:
            sidecar = take_sidecar(desk, pair.sidecar, image, judged)
            if isinstance(sidecar, Sidecar):
                image = image.with_sidecar(sidecar)
            else:
                taken.out_beside.append((pair.image.path, sidecar))
        taken.rows.append(row_of(pair.image, pair.sidecar, image))
    desk.shelves.publish()
    return taken


def take_sidecars(desk: Desk, chunk: list[tuple[Found, Instance]]) -> Taken:
    """Take sidecars of images that were taken before."""
    taken = Taken()
    for found, image in chunk:
        sidecar = take_sidecar(desk, found, image, None)
        if isinstance(sidecar, Sidecar):
            taken.sidecars.append((found, sidecar))
        else:
            taken.out.append(sidecar)
    desk.shelves.publish()
    return taken


@dataclass(frozen=True)
class Pool:
    """Takes chunks of files in other processes, or in this one."""

    executor: Executor | None
    here: Desk | None
    workers: int

    def map(self, take: Take, chunks: Iterable[list[Any]]) -> Iterator[tuple[int, Taken]]:
        """How many files each chunk has and what became of them, in order."""
        if self.here is not None:
            for chunk in chunks:
                yield len(chunk), take(self.here, chunk)
            return
        assert self.executor is not None, "without other processes the work is done here"
        flying: deque[tuple[int, Future[Taken]]] = deque()
        for chunk in chunks:
            flying.append((len(chunk), self.executor.submit(_elsewhere, take, chunk)))
            if len(flying) >= _IN_FLIGHT * self.workers:
                yield _landed(flying)
        while flying:
            yield _landed(flying)


def _landed(flying: deque[tuple[int, Future[Taken]]]) -> tuple[int, Taken]:
    count, future = flying.popleft()
    return count, future.result()


@contextmanager
def pool(stores: Stores, delivered: Path, delivery: Delivery, workers: int) -> Iterator[Pool]:
    """So many processes; with one worker the work is done here."""
    if workers < 2:
        descriptor = _opened(delivered)
        desk = Desk.at(stores, descriptor, delivery)
        try:
            yield Pool(None, desk, 1)
        finally:
            desk.close()
            os.close(descriptor)
        return
    # Fresh interpreters: a fork of a threaded service could inherit a lock that nobody releases.
    with ProcessPoolExecutor(
        workers,
        mp_context=get_context("spawn"),
        initializer=_start_worker,
        initargs=(stores, delivered, delivery),
    ) as executor:
        try:
            yield Pool(executor, None, workers)
        finally:
            executor.shutdown(cancel_futures=True)


def _opened(path: Path) -> int:
    return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)


_worker: dict[str, Desk] = {}


def _start_worker(stores: Stores, path: Path, delivery: Delivery) -> None:
    gc.freeze()  # what was imported stays: nobody has to look through it again
    _worker["desk"] = Desk.at(stores, _opened(path), delivery)


def _elsewhere(take: Take, chunk: list[Any]) -> Taken:
    return take(_worker["desk"], chunk)
