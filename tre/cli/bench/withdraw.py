"""`tre bench withdraw`: how long it takes until one patient is gone from every slice that stands.

Guarantees: what is timed is what happens after an opt-out was accepted, from the question which slices hold the person
to the last unlink, on slices that the storekeeper built of twenty different plans; beside it, in the same run, as many
names are unlinked by a loop that knows them already. That the names are gone is looked at, not believed: in the store,
and by a process that runs with a mount of the slices all the while.

Does not guarantee: the same on another file system; unlinking is the file system's work.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from tre.cli.bench.figures import Figure, Peer, figure, median
from tre.cli.bench.mounted import Mounted, mounted
from tre.domain.datasets import Dataset, Release
from tre.domain.events import Event, program
from tre.domain.names import slice_id
from tre.domain.slices.spec import SliceSpec
from tre.domain.slices.vocabulary import CLINICAL_COLUMNS
from tre.domain.withdrawals import Withdrawal, WithdrawalLevel
from tre.slices import index
from tre.slices.clinical import Patient
from tre.slices.farm import PAYLOAD
from tre.slices.files import make_private
from tre.slices.headers import ImageHeader
from tre.slices.index import Instance
from tre.slices.store import stored_path
from tre.slices.withdraw import held
from tre.store import datasets as store
from tre.store.database import Database, new_id
from tre.store.migrate import migrate
from tre.storekeeper import withdrawal_files, withdrawal_proofs
from tre.storekeeper.office import Office
from tre.storekeeper.slices import BuildRequest, build_slice, without_withdrawn
from tre.storekeeper.withdrawal_files import Concerned
from tre.system.clock import SystemClock
from tre.system.layout import Layout
from tre.system.settings import Settings

TARGET_MS = 50.0
_DATASET, _TIER = "bench", "dates-full"


@dataclass(frozen=True)
class Size:
    """How much there is: patients, files of each, slices that hold all of them, and how many patients opt out."""

    patients: int = 25
    files: int = 200
    slices: int = 20
    rounds: int = 5


def bench(size: Size = Size()) -> list[Figure]:
    """Measure on a dataset of its own, which is gone afterwards."""
    place = os.environ.get("TMPDIR", "/var/tmp")  # noqa: S108 - a directory of its own in it, 0700
    with tempfile.TemporaryDirectory(prefix="tre-bench-", dir=place) as made, _office(Path(made)) as office:
        names = _fill(office, size)
        ours, seen, peers, whole = [], [], [], []
        with mounted(office.slices.root) as notebook:
            for name in names[: size.rounds]:
                peers.append(_peer(office, size))
                taken, vanished, left = _gone(office, name, size, notebook)
                ours.append(taken)
                seen.append(vanished)
                whole.append(_written_down(office, name, left))
    files = size.files * size.slices
    what = f"one patient ({size.files} files) out of {size.slices} live slices"
    loop = Peer(name="unlinking names that are known", value=median(peers))
    rate = Peer(name=loop.name, value=files / loop.value * 1000)
    taken, vanished = median(ours), median(seen)
    target = f"≤ {TARGET_MS:g} ms"
    return [
        figure(what, "ms", taken, peer=loop, target=(target, taken <= TARGET_MS)),
        figure(
            "until a mount that was there all the while shows it",
            "ms",
            vanished,
            target=(target, vanished <= TARGET_MS),
        ),
        figure("names unlinked a second", "1/s", files / taken * 1000, peer=rate),
        figure("tables, manifests and indexes of a slice written anew after it", "ms", median(whole) / size.slices),
    ]


@contextmanager
def _office(root: Path) -> Iterator[Office]:
    layout = Layout(root)
    for path in (layout.database.parent, layout.datasets, layout.slices):
        path.mkdir(parents=True)
    database = Database.sqlite(layout.database)
    try:
        migrate(database)
        yield Office(layout, Settings(), database, SystemClock(), program("bench"))
    finally:
        database.close()


def _fill(office: Office, size: Size) -> list[str]:
    """A dataset of series without content, and slices of it, each by a plan of its own."""
    names = [f"Covid{100_000 + number}" for number in range(size.patients)]
    instances = [one for number, name in enumerate(names) for one in _series(office, name, number, size.files)]
    built = index.build(instances, [Patient(name, "training", age=40, sex="F") for name in names])
    places, now = office.dataset(_DATASET), office.clock.now()
    index.write(built, make_private(places.release("r1"), office.owner()))
    dataset = Dataset(name=_DATASET, title=_DATASET, data_group=max(os.getegid(), 1), created_at=now)
    release = Release(dataset=_DATASET, name="r1", index_digest=built.digest, counts=built.counts, created_at=now)
    event = Event(id=new_id(), at=now, actor=office.actor, kind="dataset.registered", object=f"dataset/{_DATASET}")
    with office.database.change(event) as change:
        store.register(change, dataset)
        store.publish(change, release)
    columns = [sorted(CLINICAL_COLUMNS)[:count] for count in range(1, len(CLINICAL_COLUMNS) + 1)]
    layouts = ("nccid", "patient", "flat")
    kinds = list(itertools.islice(itertools.product(layouts, columns), size.slices))
    for number, (layout, chosen) in enumerate(kinds):
        plain = {"slice": 1, "dataset": _DATASET, "release": "r1", "images": [{"modality": ["CT"]}], "layout": layout}
        spec = SliceSpec.model_validate(plain | {"tables": {"clinical": {"columns": chosen}}})
        build_slice(office, BuildRequest(slice_id=slice_id("bench", f"number-{number}"), spec=spec))
    return names


def _series(office: Office, name: str, number: int, files: int) -> Iterator[Instance]:
    tier = office.dataset(_DATASET).tier(_TIER)
    study = f"1.2.826.0.1.3680043.{number + 1}"
    for image in range(files):
        content = f"{name} {image}".encode()
        digest = hashlib.sha256(content).digest()
        path = stored_path(tier, name, digest, ".dcm")
        if image == 0:
            make_private(path.parent, office.owner())
        path.write_bytes(content)
        day = date(2020, 4, 1)
        head = ImageHeader(
            name, study, f"{study}.1", f"{study}.1.{image}", "CT", "CHEST", day, 1000, "M", "X", None, "NO"
        )
        yield Instance(head, "training", f"image{image}", digest, len(content))


def _gone(office: Office, name: str, size: Size, notebook: Mounted) -> tuple[float, float, list[Concerned]]:
    """Milliseconds until nothing of a person stands in any slice, and until a mount shows it; the slices."""
    last = _last_names(office, name)
    assert notebook.watch(last) == len(last) == size.slices, "the mount shows what stands"
    begun = time.monotonic_ns()
    found, removed = withdrawal_files.unlink(office, _DATASET, {name})
    taken, vanished = time.monotonic_ns() - begun, notebook.gone() - begun
    assert removed == size.files * size.slices, f"{removed} files left"
    proof = withdrawal_proofs.prove_unlinked(office, _DATASET, {name})
    assert proof["linked"] == 0
    return taken / 1e6, vanished / 1e6, found.slices


def _last_names(office: Office, name: str) -> list[str]:
    """In each slice the file of a person that goes last, by its path below the slices."""
    found = []
    for one in withdrawal_files.concerned(office, _DATASET, {name}).slices:
        parent, names = list(held(one.table, one.layout).items())[-1]
        found.append(str(Path(one.built.slice_id, PAYLOAD, parent, names[-1])))
    return found


def _written_down(office: Office, name: str, left: list[Concerned]) -> float:
    """Milliseconds for what follows in all these slices."""
    found = [Withdrawal(pseudonym=name, level=WithdrawalLevel.no_use, source="bench", received_at=office.clock.now())]
    with office.database.change(office.event("withdrawal.denied", f"dataset/{_DATASET}")) as change:
        store.withdraw(change, _DATASET, found)
    begun = time.perf_counter()
    for one in left:
        with office.database.read() as connection:
            plan = store.get_plan(connection, one.built.plan_digest)
        assert plan is not None, "a slice is recorded after its plan"
        without_withdrawn(office, one.built, plan)
    return (time.perf_counter() - begun) * 1000


def _peer(office: Office, size: Size) -> float:
    """Milliseconds to unlink as many names, in as many directories, by a loop that knows them."""
    root = office.layout.root / "peer"
    source = office.layout.root / "peer-file"
    source.write_bytes(b"x")
    for number in range(size.slices):
        (root / str(number)).mkdir(parents=True, exist_ok=True)
        for image in range(size.files):
            os.link(source, root / str(number) / f"image{image}.dcm")
    begun = time.perf_counter()
    for number in range(size.slices):
        descriptor = os.open(root / str(number), os.O_RDONLY | os.O_DIRECTORY)
        for image in range(size.files):
            os.unlink(f"image{image}.dcm", dir_fd=descriptor)
        os.close(descriptor)
    return (time.perf_counter() - begun) * 1000
