"""How fast a slice is built: the same files placed by the product, by `cp -al` and by `rsync --link-dest`.

Guarantees: everything of the product's is the real thing: a release's index, a kept plan, a whole build with manifests,
the proof by device and inode that each name is the stored file, and the removal. Peers copy the finished tree as
further links, file for file and directory for directory; unlike a slice they cannot leave anything out. Each round
takes all of them in turn, after a `sync`, so that none writes out what another left. A peer that is not installed is
named as missing and given no figure.

Does not guarantee: anything about large files; those here are small, because links do not look at what they lead to.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from itertools import groupby, product
from operator import itemgetter
from pathlib import Path
from typing import NamedTuple

from tre.cli.bench.figures import Figure, Peer, figure, median
from tre.domain.errors import Reason, TREError
from tre.domain.slices.spec import SliceSpec
from tre.slices import index
from tre.slices.build import BuildOrder, build, remove
from tre.slices.clinical import Patient
from tre.slices.contents import plan_and_keep
from tre.slices.copies import copies_of
from tre.slices.documents import Description
from tre.slices.farm import PAYLOAD
from tre.slices.files import FILE_MODE, NOBODY_ELSE
from tre.slices.headers import ImageHeader
from tre.slices.index import Instance
from tre.slices.places import DatasetPlaces, SlicePlaces, patient_directory
from tre.slices.plan import PlanOrder
from tre.slices.verify import Recorded, verify

SLICE = "s-benchbenchbe"
TIMES_CP, TIMES_RSYNC = 2.0, 8.0
_NOW = datetime(2026, 11, 1, tzinfo=UTC)


class Shape(NamedTuple):
    """Studies of a patient, series of a study, images of a series."""

    name: str
    modality: str
    studies: int
    series: int
    images: int

    @property
    def files(self) -> int:
        """Images of a patient."""
        return self.studies * self.series * self.images


XRAYS = Shape("X-rays", "DX", 2, 2, 2)
"""The hardest for directories."""

SCANS = Shape("CT", "CT", 1, 1, 200)
CASES = ((XRAYS, "flat"), (XRAYS, "patient"), (XRAYS, "nccid"), (SCANS, "patient"))


class Size(NamedTuple):
    """How many files, how often, how large a file is, and in which shapes and layouts."""

    files: int = 200_000
    rounds: int = 3
    file_bytes: int = 1_000
    cases: tuple[tuple[Shape, str], ...] = CASES


@dataclass
class Stopwatch:
    """A watcher that remembers when each step of a build began."""

    begun: list[tuple[str, float]] = field(default_factory=list)

    def step(self, name: str) -> None:
        """The next step begins."""
        self.begun.append((name, time.perf_counter()))

    def progress(self, done: int, total: int) -> None:
        """Do nothing."""

    def took(self, name: str) -> float:
        """Seconds from the beginning of a step to that of the next."""
        names = [one for one, _ in self.begun]
        place = names.index(name)
        return self.begun[place + 1][1] - self.begun[place][1]


@dataclass
class Times:
    """Seconds of one layout, a value for each round."""

    planned: list[float] = field(default_factory=list)
    placed: list[float] = field(default_factory=list)
    whole: list[float] = field(default_factory=list)
    verified: list[float] = field(default_factory=list)
    copied: list[float] = field(default_factory=list)
    mirrored: list[float] = field(default_factory=list)
    removed: list[float] = field(default_factory=list)


def bench(size: Size = Size(), place: Path = Path("/var/tmp")) -> list[Figure]:  # noqa: S108 - a directory of its own
    """Measure on the file system of `place`. Raises `TREError(RuntimeFailed)` where it gives no links."""
    found: list[Figure] = []
    for shape, cases in groupby(size.cases, key=itemgetter(0)):
        with tempfile.TemporaryDirectory(prefix="tre-bench-", dir=place) as directory:
            here = Path(directory)
            patients = max(1, size.files // shape.files)
            dataset, digest = furnish(here, shape, patients, size.file_bytes)
            for _, layout in cases:
                times = _layout(here, dataset, (digest, layout), size.rounds)
                found += figures(f"{shape.name}, {layout}", patients * shape.files, times)
    return found


def figures(case: str, files: int, times: Times) -> list[Figure]:
    """What is said of one shape in one layout."""
    ours = files / median(times.placed)
    return [
        _beside(f"{case}: placed", files, ours, ("cp -al", times.copied, TIMES_CP)),
        _beside_rsync(case, files, ours, times),
        figure(f"{case}: planned, list of files kept", "files/s", files / median(times.planned)),
        figure(f"{case}: whole build, manifests written and synced", "files/s", files / median(times.whole)),
        figure(f"{case}: proven by device and inode", "files/s", files / median(times.verified)),
        figure(f"{case}: removed", "files/s", files / median(times.removed)),
    ]


def _beside_rsync(case: str, files: int, ours: float, times: Times) -> Figure:
    if not times.mirrored:
        return figure(f"{case}: placed; rsync is not installed, so nothing is said beside it", "files/s", ours)
    return _beside(f"{case}: placed", files, ours, ("rsync --link-dest", times.mirrored, TIMES_RSYNC))


def _beside(what: str, files: int, ours: float, peer: tuple[str, list[float], float]) -> Figure:
    name, seconds, times = peer
    theirs = files / median(seconds)
    target = (f"≥ {times:g} ×", ours >= times * theirs)
    return figure(what, "files/s", ours, peer=Peer(name=name, value=theirs), target=target)


def furnish(here: Path, shape: Shape, patients: int, file_bytes: int) -> tuple[DatasetPlaces, str]:
    """A store with these files and a release that lists them; the digest of its index."""
    places = DatasetPlaces(here / "dataset")
    tier = places.tier("dates-full")
    people = [Patient(f"Covid{number}", "training", covid_status="positive") for number in range(patients)]
    made = index.build(_stored(tier, people, shape, file_bytes), people)
    release = places.release("bench")
    release.mkdir(parents=True)
    index.write(made, release)
    return places, made.digest


def _stored(tier: Path, people: list[Patient], shape: Shape, file_bytes: int) -> Iterator[Instance]:
    for number, patient in enumerate(people):
        directory = tier / patient_directory(patient.pseudonym)
        directory.mkdir(parents=True)
        for study, series, image in _numbers(shape):
            name = f"{number}.{study}.{series}.{image}"
            data = name.encode().ljust(file_bytes, b".")
            content = hashlib.sha256(data).digest()
            path = directory / f"{content.hex()}.dcm"
            path.write_bytes(data)
            path.chmod(FILE_MODE)
            yield Instance(
                _header(shape, patient.pseudonym, (number, study, series), name), "training", name, content, len(data)
            )


def _numbers(shape: Shape) -> Iterator[tuple[int, int, int]]:
    return product(range(shape.studies), range(shape.series), range(shape.images))


def _header(shape: Shape, pseudonym: str, numbers: tuple[int, int, int], name: str) -> ImageHeader:
    person, study, series = numbers
    return ImageHeader(
        pseudonym=pseudonym,
        study_uid=f"2.25.{person}.{study}",
        series_uid=f"2.25.{person}.{study}.{series}",
        sop_uid=f"2.25.{name}",
        modality=shape.modality,
        body_part="CHEST",
        study_date=date(2020, 4, 1),
        slice_thickness_um=None,
        manufacturer="MAKEBELIEVE",
        model=None,
        view_position="PA",
        burned_in_annotation="NO",
    )


def _layout(here: Path, dataset: DatasetPlaces, what: tuple[str, str], rounds: int) -> Times:
    index_digest, layout = what
    spec = {
        "slice": 1,
        "dataset": "bench",
        "release": "bench",
        "images": [{"modality": ["DX", "CT"]}],
        "layout": layout,
    }
    order = PlanOrder(SliceSpec.model_validate(spec), dataset.release("bench"), index_digest)
    slices = SlicePlaces(here / "slices")
    slices.root.mkdir(exist_ok=True)
    times = Times()
    for _ in range(rounds):
        begun = time.perf_counter()
        plan = plan_and_keep(order, dataset, NOBODY_ELSE)
        times.planned.append(time.perf_counter() - begun)
        about = BuildOrder(slices, dataset, NOBODY_ELSE, Description(SLICE, plan, 1, _NOW))
        _round(about, here / "peer", times)
        shutil.rmtree(dataset.plan(plan.plan_digest))
    return times


def _round(order: BuildOrder, peer: Path, times: Times) -> None:
    """Build, have the peers do the same, and take everything away again."""
    os.sync()
    watch = Stopwatch()
    begun = time.perf_counter()
    content = build(order, watch)
    times.whole.append(time.perf_counter() - begun)
    times.placed.append(watch.took("links"))
    times.verified.append(_seconds(lambda: _prove(order, content)))
    payload = order.slices.slice(SLICE) / PAYLOAD
    times.copied.append(_by_peer(["cp", "-al", str(payload), str(peer)], peer))
    if shutil.which("rsync") is not None:
        command = ["rsync", "-a", f"--link-dest={payload}", f"{payload}/", str(peer)]
        times.mirrored.append(_by_peer(command, peer))
    os.sync()
    times.removed.append(_seconds(lambda: remove(order.slices, SLICE, NOBODY_ELSE)))


def _prove(order: BuildOrder, content: str) -> None:
    """Raise `TREError(RuntimeFailed)` unless every name is the stored file itself, and nothing else is there."""
    if copies_of(order.slices.slice(SLICE)).paths:
        raise TREError(
            Reason.RuntimeFailed,
            "This file system gives no further names to a file: files were copied.",
            remedy="Measure on a file system with hard links.",
        )
    about = order.about
    found = verify(Recorded(SLICE, about.plan, content, about.version), order.slices, order.dataset)
    if found.differences or found.files != about.plan.counts.files:
        raise TREError(
            Reason.RuntimeFailed,
            "What was built is not what was planned.",
            why=f"{len(found.differences)} differences, {found.files} files of {about.plan.counts.files}.",
        )


def _by_peer(command: list[str], target: Path) -> float:
    os.sync()
    took = _seconds(lambda: subprocess.run(command, check=True, stdin=subprocess.DEVNULL))
    shutil.rmtree(target)
    return took


def _seconds(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun
