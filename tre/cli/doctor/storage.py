"""Where the record, the stores and the slices lie, and what these file systems can."""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection, func, select

from tre.cli.doctor.finding import Check, Field, Need, Place, Seen, bad, good, judged, weak
from tre.cli.doctor.mounts import MEMORY, mount_of
from tre.store.tables.audit import audit_events

LEAST_FREE_BYTES = 5 * 2**30
LEAST_INODES = 0.05
FULL_SOON_DAYS = 30
FASTEST_FLUSH_SECONDS = 20e-6
"""No disk has anything durable in less: an answer in less comes from memory."""

_FICLONE = 0x40049409
_LOOK_SECONDS = 1.5
_PROBE = ".doctor-"


@contextmanager
def _probe(directory: Path, content: bytes = b"probe") -> Iterator[Path]:
    """A file of our own in a directory, gone afterwards."""
    path = directory / f"{_PROBE}{secrets.token_hex(6)}"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        os.write(descriptor, content)
        yield path
    finally:
        os.close(descriptor)
        path.unlink(missing_ok=True)


def _links(place: Place) -> Seen:
    """A hard link is made: two mounts of one file system have one device and refuse it all the same."""
    store, slices = place.layout.datasets, place.layout.slices
    remedy = f"Keep {store} and {slices} below one mount of one file system."
    if store.stat().st_dev != slices.stat().st_dev:
        return bad("lie on two file systems; slices are hard links", remedy)
    target = slices / f"{_PROBE}{secrets.token_hex(6)}"
    with _probe(store) as source:
        try:
            os.link(source, target)
        except PermissionError:
            raise
        except OSError as error:
            return bad(f"no hard link can be made between them: {error.strerror}", remedy)
        target.unlink()
    return good("one file system; a hard link was made")


def _link_limit(place: Place) -> Seen:
    mount = mount_of(place.layout.datasets, place.processes)
    most = None if mount is None else mount.most_links
    linked, whole = most_linked(place.layout.datasets, time.monotonic() + _LOOK_SECONDS)
    slices = sum(1 for entry in os.scandir(place.layout.slices) if not entry.name.startswith("."))
    return judge_links(linked if whole else max(linked, slices + 1), most, whole=whole)


def judge_links(linked: int, most: int | None, *, whole: bool) -> Seen:
    """How near the most-linked file is to what its file system allows; each slice that holds it is one name more."""
    seen = f"a file has {linked} names" if whole else f"a file has {linked} names at most"
    if most is None:
        return good(f"{seen}; how many this file system allows is not known")
    words = f"{seen}, {most:,} are allowed"
    remedy = "Close grants that ended (`tre grant close`), or move data/ to XFS, which allows two thousand million."
    if linked >= most * 0.98:
        return bad(words, remedy)
    return weak(words, remedy) if linked >= most * 0.8 else good(words)


def most_linked(directory: Path, deadline: float) -> tuple[int, bool]:
    """The most names that a file below a directory has, and whether all were looked at before the deadline."""
    most, waiting = 0, [os.fspath(directory)]
    while waiting:
        with os.scandir(waiting.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(entry.path)
                elif entry.is_file(follow_symlinks=False):
                    most = max(most, entry.stat(follow_symlinks=False).st_nlink)
                if time.monotonic() > deadline:
                    return most, False
    return most, True


def _reflinks(place: Place) -> Seen:
    store = place.layout.datasets
    with _probe(store) as source, _probe(store, b"") as target, source.open("rb") as there, target.open("r+b") as here:
        try:
            fcntl.ioctl(here.fileno(), _FICLONE, there.fileno())
        except OSError:
            return good("none: a copy takes its own room. Nothing here needs them")
    return good("there: a copy shares its room until it is changed")


def _kinds(place: Place) -> Seen:
    """What the file systems are: gone after a restart, another machine's, read-only, without programs."""
    layout = place.layout
    parts = {"the record": layout.database.parent, "data/": layout.datasets, "work/": layout.homes}
    mounts = {name: mount_of(path, place.processes) for name, path in parts.items() if path.is_dir()}
    wrong: list[str] = []
    poor: list[str] = []
    for name, mount in mounts.items():
        if mount is None:
            continue
        if "ro" in mount.options:
            wrong.append(f"{name} lies on {mount.point}, which is read-only")
        if mount.kind in MEMORY:
            (wrong if name == "the record" else poor).append(f"{name} lies in memory and is gone after a restart")
        if mount.is_network:
            local = name == "the record" and place.settings.database_url is None
            (wrong if local else poor).append(f"{name} lies on another machine ({mount.kind})")
        if name == "work/" and "noexec" in mount.options:
            poor.append("programs that people install in their homes do not run (noexec)")
    remedy = "Put the root on a disk of this machine, mounted read-write; a record on a server needs no disk here."
    if wrong:
        return bad("; ".join(wrong), remedy)
    told = ", ".join(f"{name} on {mount.kind}" for name, mount in mounts.items() if mount)
    return weak("; ".join(poor), remedy) if poor else good(told)


def _flush(place: Place) -> Seen:
    directory = place.layout.database.parent
    if "eatmydata" in (place.processes / "self" / "maps").read_text(encoding="utf-8", errors="replace"):
        return bad("libeatmydata is loaded: nothing that is written is durable", "Start without LD_PRELOAD.")
    mount = mount_of(directory, place.processes)
    loose = sorted({"nobarrier", "barrier=0", "nobarriers"} & (mount.options if mount else frozenset()))
    return judge_flush(sorted(_flush_times(directory)), loose, None if mount is None else mount.kind)


def _flush_times(directory: Path) -> Iterator[float]:
    with _probe(directory) as path, path.open("r+b", buffering=0) as file:
        for _ in range(5):
            file.write(secrets.token_bytes(4096))
            begun = time.perf_counter()
            os.fsync(file.fileno())
            yield time.perf_counter() - begun


def judge_flush(times: list[float], loose: list[str], kind: str | None) -> Seen:
    """Whether "it is on the disk" can be true, as far as time and options tell."""
    middle = times[len(times) // 2]
    words = f"a flush takes {middle * 1000:.2f} ms"
    if loose:
        return bad(f"mounted with {', '.join(loose)}: a power cut can lose what was reported as kept", "Mount without.")
    if middle < FASTEST_FLUSH_SECONDS or kind in MEMORY:
        remedy = "Have whoever runs the storage make flushes durable (no `cache=unsafe`, no volatile cache)."
        return weak(f"{words}: faster than any disk", remedy)
    if middle > 0.2:
        return weak(f"{words}: every change waits for it", "Put the record on a faster disk.")
    return good(f"{words}; whether the disk keeps its word nobody can see from here")


def _space(place: Place) -> Seen:
    directory = place.layout.root if place.layout.root.is_dir() else Path("/")
    free = shutil.disk_usage(directory).free
    words = f"{free / 2**30:.0f} GiB free at {directory}"
    days = _days_left(place, free)
    if days is not None and days < FULL_SOON_DAYS:
        return weak(f"{words}; full in {days:.0f} days as the record grows", "Make room, or move the record.")
    if free <= LEAST_FREE_BYTES:
        return weak(words, f"Make room: `du -xh --max-depth=3 {directory} | sort -h | tail`")
    return good(words)


def _days_left(place: Place, free: int) -> float | None:
    """How long the room lasts for the record alone, as it grew since its first event; `None` where nobody knows."""
    path = place.layout.database
    if place.settings.database_url is not None or not path.is_file() or not os.access(path, os.R_OK):
        return None
    first = place.asked(_first_event)
    age = (place.now - first).total_seconds() / 86400 if first else 0
    return None if age < 7 else free / max(1.0, path.stat().st_size / age)


def _first_event(connection: Connection) -> datetime | None:
    first = select(func.min(audit_events.c.number)).scalar_subquery()
    found: datetime | None = connection.execute(
        select(audit_events.c.at).where(audit_events.c.number == first)
    ).scalar()
    return found


def _inodes(place: Place) -> Seen:
    found = os.statvfs(place.layout.root if place.layout.root.is_dir() else Path("/"))
    return judge_inodes(found.f_files, found.f_favail)


def judge_inodes(total: int, free: int) -> Seen:
    """Whether there is room for further files; a file system without a count has as many as it has room."""
    if total == 0:
        return good("not counted by this file system")
    words = f"{free / total:.0%} free"
    remedy = "Remove what is not needed, or make the file system anew with more inodes."
    if free == 0:
        return bad("none is free: no file can be made", remedy)
    return weak(words, remedy) if free / total < LEAST_INODES else good(words)


CLOSED = {
    "work/homes": 0o077, "work/shared": 0o077, "work/outbox": 0o077, "work/inbox": 0o077, "vault/objects": 0o077,
    "vault/extracts": 0o007, "vault/releases": 0o007, "vault/papers": 0o007, "vault/uploads": 0o007, "db": 0o007,
    "hub": 0o077, "log": 0o077, "spool/endings": 0o007, "keys/sources": 0o077,
}  # fmt: skip
"""Directories below the root, and who must not get in: bits of the mode that must not be set."""


def _modes(place: Place) -> Seen:
    root, wrong = place.layout.root, []
    for name in (*CLOSED, "", "tre.yaml", "keys", "data", "work", "vault", "spool", "audit", "policies"):
        try:
            found = (root / name).lstat()
        except FileNotFoundError:
            continue
        mode = stat.S_IMODE(found.st_mode)
        if mode & CLOSED.get(name, 0) & 0o777:
            wrong.append(f"{name}/ is open to others ({mode:o})")
        elif mode & 0o002:
            wrong.append(f"{name or root} can be changed by anybody ({mode:o})")
    remedy = f"End `tre up` and start it again: it sets modes and owners below {root}."
    return judged(wrong, "nobody gets where they should not", remedy)


FIELD = Field(
    "Storage",
    (
        Check("store and slices", "Slices are hard links to files of the store.", _links, Need.record),
        Check(
            "links of a file", "A file with all its names used can be in no further slice.", _link_limit, Need.record
        ),
        Check("reflinks", "Copies that share their room.", _reflinks, Need.record),
        Check("file systems", "A record in memory or on a file server is lost or torn.", _kinds, Need.root),
        Check("flushes", "What was reported as kept must outlive a power cut.", _flush, Need.record),
        Check("disk", "With a full disk nothing new is kept, and nothing begins.", _space),
        Check("inodes", "Without a free one no file can be made, however much room there is.", _inodes),
        Check("directories", "Modes below the root keep one service's files from another.", _modes, Need.root),
    ),
)
