"""`tre bench backup`: how long a backup of a large record takes while others write, and whether it loses anything.

Guarantees: the record has a signed log; a program of its own makes changes at a steady rate while each backup is made,
and notes each that was acknowledged. Every change acknowledged before a backup began is looked for in it. Beside it, in
turn: `sqlite3 .backup` and a plain copy of the record's files, both while nobody writes, which is the only time when
they are of use; and once `sqlite3 .backup` under the same load.

Does not guarantee: the same with a vault of many files: each new one costs a copy and a flush.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from tre.audit.keys import complete_keys, generate
from tre.audit.sequencer import Sequencer
from tre.backup.make import Source, make_backup
from tre.backup.sets import Place
from tre.cli.bench.figures import Figure, Peer, figure, median, percentile
from tre.cli.trial.waiting import wait_until
from tre.domain.events import Event, program
from tre.store.database import Database, new_id
from tre.store.migrate import migrate
from tre.system import installation
from tre.system.clock import SystemClock
from tre.system.layout import Layout
from tre.system.settings import Settings

_PASSPHRASE = b"a passphrase that is measured"
_BATCH = 5000
TARGET_TIMES = 5.0
"""What a backup may take while others write, by `sqlite3 .backup` while nobody does: it reads its copy three times
more, to look over every page, to count what is in it, and to hash it."""


@dataclass(frozen=True)
class Size:
    """Events in the record, changes a second meanwhile, backups made; and how long the peer is waited for (seconds)."""

    events: int = 1_000_000
    writes: int = 200
    rounds: int = 3
    patience: float = 60.0


@dataclass
class _Found:
    """Seconds of each way, and what the writer saw."""

    ours: list[float] = field(default_factory=list)
    program: list[float] = field(default_factory=list)
    copied: list[float] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)
    alone: list[float] = field(default_factory=list)
    acknowledged: int = 0
    lost: int = 0
    disturbed: float = 0.0


def bench(size: Size = Size()) -> list[Figure]:
    """Measure on a record of its own, which is gone afterwards."""
    place = os.environ.get("TMPDIR", "/var/tmp")  # noqa: S108 - a directory of its own in it, 0700
    with tempfile.TemporaryDirectory(prefix="tre-bench-", dir=place) as made:
        home = Path(made)
        layout = Layout(home / "root")
        _fill(layout, size.events)
        found = _measured(layout, home, size)
        return _figures(size, found, layout.database.stat().st_size / 2**20)


def _fill(layout: Layout, events: int) -> None:
    """A root whose record holds so many events, each in its place in a signed log."""
    installation.initialise(layout)
    installation.make_secrets(layout)
    complete_keys(layout.keys, "bench.example.org")
    layout.database.parent.mkdir(parents=True)
    clock, actor = SystemClock(), program("bench")
    with closing(Database.sqlite(layout.database)) as database:
        migrate(database)
        log = Sequencer(database, generate("bench.example.org"), clock)
        for start in range(0, events, _BATCH):
            numbers = range(start, min(events, start + _BATCH))
            at = clock.now()
            about = [f"workspace/{number % 977}" for number in numbers]
            made = [Event(id=new_id(), at=at, actor=actor, kind="workspace.stopped", object=name) for name in about]
            with database.change(*made):
                pass
            log.catch_up()


@contextmanager
def _writing(layout: Layout, rate: int, written: Path) -> Iterator[Path]:
    command = [sys.executable, "-m", "tre.cli.bench.steady", str(layout.database), str(rate), str(written)]
    writer = subprocess.Popen(command)
    try:
        wait_until(lambda: written.exists() and len(_lines(written)) > rate // 2, "nothing is written", 60)
        yield written
    finally:
        writer.kill()
        writer.wait()


def _lines(written: Path) -> list[list[str]]:
    return [line.split() for line in written.read_text().split("\n")[:-1]]


def _measured(layout: Layout, home: Path, size: Size) -> _Found:
    found, place = _Found(), Place(home / "backups")
    source = Source(layout, Settings(), SystemClock().now())
    for number in range(size.rounds):
        found.program.append(_seconds(partial(_by_program, layout.database, home / f"program-{number}"))[0])
        found.copied.append(_seconds(partial(_by_copy, layout, home / f"copy-{number}"))[0])
        with _writing(layout, size.writes, home / f"written-{number}") as written:
            before = {line[0] for line in _lines(written)}
            taken, (begun, ended) = _seconds(lambda: make_backup(source, place, _PASSPHRASE))
            found.ours.append(taken)
            found.acknowledged += len(before)
            found.lost += len(before - _held(place))
            for _, at, waited in _lines(written):
                (found.waits if begun <= float(at) <= ended else found.alone).append(float(waited))
    with _writing(layout, size.writes, home / "written"):
        found.disturbed = _seconds(partial(_by_program, layout.database, home / "disturbed", size.patience))[0]
    return found


def _seconds(work: Callable[[], object]) -> tuple[float, tuple[float, float]]:
    begun = time.monotonic()
    work()
    ended = time.monotonic()
    return ended - begun, (begun, ended)


def _by_program(record: Path, target: Path, patience: float | None = None) -> None:
    """SQLite's own program, where there is one; else the same interface from Python. It may not come to its end."""
    if (known := shutil.which("sqlite3")) is not None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            subprocess.run([known, str(record), f".backup '{target}'"], check=True, timeout=patience)
        return
    with closing(sqlite3.connect(record)) as here, closing(sqlite3.connect(target)) as there:
        here.backup(there)


def _by_copy(layout: Layout, target: Path) -> None:
    """What people do who stop everything first; while others write, its result may be torn."""
    target.mkdir()
    for path in layout.database.parent.iterdir():
        shutil.copyfile(path, target / path.name)
    os.sync()


def _held(place: Place) -> set[str]:
    """The writer's events in the newest backup."""
    record = place.objects.path(place.read().manifest.record.sha256)
    with closing(sqlite3.connect(f"{record.as_uri()}?mode=ro", uri=True)) as connection:
        rows = connection.execute("SELECT id FROM audit_events WHERE kind = 'bench.written'")
        return {row[0] for row in rows}


def _figures(size: Size, found: _Found, mebibytes: float) -> list[Figure]:
    ours, theirs = median(found.ours), median(found.program)
    own = Peer(name="sqlite3 .backup, nobody writing", value=theirs)
    copy = Peer(name="a copy of the files, nobody writing", value=median(found.copied))
    target = (f"≤ {TARGET_TIMES:g} × sqlite3 .backup", ours <= TARGET_TIMES * theirs)
    alone = Peer(name="between backups", value=1000 * percentile(found.alone, 0.99))
    waits = 1000 * percentile(found.waits, 0.99)
    return [
        figure(
            f"a backup of {size.events:,} events, {size.writes} changes a second", "s", ours, peer=own, target=target
        ),
        figure("the same", "s", ours, peer=copy),
        figure(f"sqlite3 .backup under the same load, given up after {size.patience:g} s", "s", found.disturbed),
        figure("size of the record", "MiB", mebibytes),
        figure("a change meanwhile, p99", "ms", waits, peer=alone),
        figure("changes acknowledged before a backup began", "", found.acknowledged),
        figure("of these missing in it", "", found.lost, target=("0", found.lost == 0)),
    ]
