"""What goes wrong: each fault comes, lasts for a moment, and goes as it would go by itself.

Guarantees: a fault that could not be brought about is an error, never a cell that passed.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import signal
import socket
import sqlite3
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from tests.faults.line import Line
from tests.faults.matrix import SERVICES
from tests.faults.network import NetworkWorld
from tests.faults.site import FaultWorld
from tests.faults.steps import Hit
from tests.support.machine import wait_for
from tre.cli.trial.browser import Browser, origin_of
from tre.system.process import ProcessHandle

MOMENT = 2.0
"""Seconds that a fault lasts after the operation was let go."""

BUSY_SECONDS = 10.5
"""A record that is locked for longer than a writer waits for its turn."""

UNREACHABLE_SECONDS = 6.5
"""A record that is away for longer than a transaction is tried to be begun."""

SILENT_SECONDS = 12.0
"""A line that says nothing for longer than an idle connection is kept (11 s), and not as long as one is kept that waits
for an answer (15 s): both kinds are there when it is mended."""

FORWARD, BACK = 100.0, -200.0
"""Seconds by which a clock is put: within what time servers correct in a step, and beyond it."""

SMALLEST, FEW_BLOCKS = 4096, 8

LetGo = Callable[[], None]
Harm = Callable[[FaultWorld, Hit, LetGo], None]


def killed(pid: int) -> None:
    """SIGKILL, and see that it is dead."""
    handle = ProcessHandle.of(pid)
    assert handle is not None, "it had gone before it was killed"
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: not handle.alive(), 10)


def kill(name: str) -> Harm:
    """A service is killed; whoever kept it starts it again."""

    def harm(world: FaultWorld, _hit: Hit, let_go: LetGo) -> None:
        killed(world.service(name))
        let_go()

    return harm


def kill_worker(_world: FaultWorld, hit: Hit, let_go: LetGo) -> None:
    """The very process that stands in the middle of the operation."""
    killed(hit.pid)
    let_go()


def power_cut(world: FaultWorld) -> None:
    """The keeper and every service at once."""
    pids = [ProcessHandle.of(world.service(name)) for name in SERVICES]
    world.kill_services()
    wait_for(lambda: not any(one is not None and one.alive() for one in pids), 15)


def kill_everything(world: FaultWorld, _hit: Hit, let_go: LetGo) -> None:
    """All services die at once and the machine starts them again."""
    power_cut(world)
    let_go()
    world.start()


def freeze(name: str) -> Harm:
    """A service stands still for a moment and knows nothing of it."""

    def harm(world: FaultWorld, _hit: Hit, let_go: LetGo) -> None:
        pid = world.service(name)
        os.kill(pid, signal.SIGSTOP)
        try:
            wait_for(lambda: "T" in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0], 5)
            let_go()
            time.sleep(MOMENT)
        finally:
            os.kill(pid, signal.SIGCONT)

    return harm


def disk_full(world: FaultWorld, _hit: Hit, let_go: LetGo) -> None:
    """Not a byte is left."""
    hog = world.home / "hog"
    try:
        with hog.open("wb", buffering=0) as file:
            size = os.statvfs(world.home).f_bavail * os.statvfs(world.home).f_frsize
            while size >= SMALLEST:
                try:
                    os.posix_fallocate(file.fileno(), file.seek(0, os.SEEK_END), size)
                except OSError:
                    size //= 2
        assert os.statvfs(world.home).f_bavail < FEW_BLOCKS, "the disk is not full"
        let_go()
        time.sleep(MOMENT)
    finally:
        hog.unlink()


def disk_read_only(world: FaultWorld, _hit: Hit, let_go: LetGo) -> None:
    """Nothing can be opened for writing any more; what was open stays so, as for the record's connections."""
    root = str(world.root)
    subprocess.run(["mount", "--bind", root, root], check=True)
    try:
        again = ["mount", "-o", "remount,bind,ro", root]  # busy while somebody, by chance, writes through it
        wait_for(lambda: subprocess.run(again, check=False, capture_output=True).returncode == 0, 5)
        with contextlib.suppress(OSError):
            (world.root / "probe").touch()
            raise AssertionError("the disk is not read-only")
        let_go()
        time.sleep(MOMENT)
    finally:
        subprocess.run(["umount", "-l", root], check=True)


def disk_slow(world: FaultWorld, _hit: Hit, let_go: LetGo) -> None:
    """Whoever writes waits for half a second, again and again."""
    let_go()
    until = time.monotonic() + 2 * MOMENT
    while time.monotonic() < until:
        subprocess.run(["fsfreeze", "-f", str(world.home)], check=True)
        time.sleep(0.5)
        subprocess.run(["fsfreeze", "-u", str(world.home)], check=True)
        time.sleep(0.05)


def half_written(world: FaultWorld, hit: Hit, let_go: LetGo) -> None:
    """The power goes, and of what was being written half is there: files that are not finished, cut in the middle."""
    power_cut(world)
    let_go()
    for part in ("vault", "data", "spool", "audit", "keys"):
        place = world.root / part
        for path in [path for path in place.rglob("*") if _is_unfinished(path, hit.at)] if place.exists() else []:
            os.truncate(path, path.stat().st_size // 2)
        for folder in [place, *(path for path in place.iterdir() if path.is_dir())] if place.exists() else []:
            (folder / ".half-written.0badf00d").write_bytes(b"\x00\xff half")
    world.start()


def _is_unfinished(path: Path, since: float) -> bool:
    with contextlib.suppress(OSError):
        new = path.is_file() and path.stat().st_mtime > since - 5 and path.stat().st_nlink == 1
        return new and (path.name.startswith(".") or any(part.startswith(".") for part in path.parts[-3:]))
    return False


def record_locked(world: FaultWorld, _hit: Hit, let_go: LetGo) -> None:
    """Somebody holds the record's only place for a writer, longer than writers wait."""
    held = sqlite3.connect(world.here.layout.database, timeout=5, isolation_level=None)
    try:
        held.execute("BEGIN IMMEDIATE")
        let_go()
        time.sleep(BUSY_SECONDS)
        held.execute("ROLLBACK")
    finally:
        held.close()


def record_torn(world: FaultWorld, _hit: Hit, let_go: LetGo) -> None:
    """The power goes while a transaction is written: its pages are there by half, garbled, without their end."""
    world.here.database.close()
    power_cut(world)
    let_go()
    wal = Path(f"{world.here.layout.database}-wal")
    with wal.open("ab") as file:
        file.write(os.urandom(4120) + b"\0" * 1000)
    world.start()


def clock(seconds: float) -> Harm:
    """The wall clock of the services is put, and put right again."""

    def harm(world: FaultWorld, _hit: Hit, let_go: LetGo) -> None:
        world.steps.set_clock(seconds)
        try:
            let_go()
            time.sleep(MOMENT)
        finally:
            world.steps.set_clock(0.0)

    return harm


def line_to_the_record(fail: Callable[[Line], None], seconds: float, seen: type[OSError]) -> Harm:
    """The line to the server that has the record fails, and is mended."""

    def harm(world: FaultWorld, _hit: Hit, let_go: LetGo) -> None:
        assert isinstance(world, NetworkWorld)
        assert world.record_line.ends, "nobody was connected"
        fail(world.record_line)
        try:
            with contextlib.suppress(seen):
                socket.create_connection(("127.0.0.1", world.record_line.port), timeout=0.3).close()
                raise AssertionError("the line did not fail")
            let_go()
            time.sleep(seconds)
        finally:
            world.record_line.mend()

    return harm


def line_to_the_provider(world: FaultWorld, _hit: Hit, let_go: LetGo) -> None:
    """The services do not reach the provider: who is signed in works on, who comes is told, and comes in later."""
    assert isinstance(world, NetworkWorld)
    asyncio.run(_signing_in(world, let_go))


async def _signing_in(world: NetworkWorld, let_go: LetGo) -> None:
    async with Browser() as inside, Browser() as outside:
        await world.sign_in_as(inside, "olga")
        world.provider_line.cut()
        try:
            let_go()
            page = await inside.get(world.desk + "/")
            assert (page.status, origin_of(page.url)) == (200, world.desk), page.url
            page = await world.way_in(outside, "ben")
            assert "Sign-in is not available at the moment." in page.text, (page.status, page.url)
            await asyncio.sleep(MOMENT)
        finally:
            world.provider_line.mend()
        await world.sign_in_as(outside, "ben")


LIMIT = (
    "import resource, sys; pid, kind, most = map(int, sys.argv[1:]); soft, hard = resource.prlimit(pid, kind);"
    " resource.prlimit(pid, kind, (hard if most == -2 else most, hard)); print(soft)"
)


def limited(pid: int, kind: int, most: int) -> int:
    """Set a limit of a process, as its own user; what it was. A container's root may change only what is its own.

    Raises `ProcessLookupError` of one that has ended, whether or not somebody has heard of its end.
    """
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    uid, gid = (next(line.split()[1] for line in lines if line.startswith(name)) for name in ("Uid:", "Gid:"))
    who = ["setpriv", "--reuid", uid, "--regid", gid, "--clear-groups"]
    words = [*who, "/usr/bin/python3", "-I", "-c", LIMIT, str(pid), str(kind), str(most)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if "ProcessLookupError" in done.stderr:
        raise ProcessLookupError(pid)
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


def exhausted(kind: int, most: int) -> Harm:
    """No service gets another of these for a moment: a descriptor, a process or a thread."""

    def harm(world: FaultWorld, _hit: Hit, let_go: LetGo) -> None:
        before = []
        try:
            for name in SERVICES:
                pid = world.service(name)
                before.append((pid, limited(pid, kind, most)))
            assert len(before) == len(SERVICES), "not every service was met"
            let_go()
            time.sleep(MOMENT)
        finally:
            for pid, soft in before:
                with contextlib.suppress(ProcessLookupError, FileNotFoundError):  # it gave up and was started again
                    limited(pid, kind, soft)

    return harm


HARMS: dict[str, Harm] = {
    **{f"kill {name}": kill(name) for name in SERVICES},
    "kill everything": kill_everything,
    "kill who works": kill_worker,
    **{f"freeze {name}": freeze(name) for name in SERVICES},
    "disk full": disk_full,
    "disk read-only": disk_read_only,
    "disk slow": disk_slow,
    "half-written files": half_written,
    "record locked": record_locked,
    "record torn": record_torn,
    "clock forward": clock(FORWARD),
    "clock back": clock(BACK),
    "no descriptors": exhausted(resource.RLIMIT_NOFILE, 3),
    "no processes": exhausted(resource.RLIMIT_NPROC, 1),
    "network to the record cut": line_to_the_record(Line.cut, UNREACHABLE_SECONDS, ConnectionRefusedError),
    "network to the record silent": line_to_the_record(Line.fall_silent, SILENT_SECONDS, TimeoutError),
    "network to the provider cut": line_to_the_provider,
}
"""Every fault that has cells, by its name."""
