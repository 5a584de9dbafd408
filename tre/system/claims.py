"""Which installation on a machine holds which users: two that share some would each take the other's for its own.

Guarantees: while an installation's services run, or a workspace of it lives, no other installation whose users or
groups overlap comes up; who is in the way is named. The claim ends with the process that made it and its workspaces.

Does not guarantee: anything about users given out by other programs of the machine.

Threat: a workspace of one installation reads a home of another, because both have the same numeric user; a look for
life that finds the other's.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tre.domain.errors import Reason, TREError
from tre.system.layout import Layout
from tre.system.locks import try_lock
from tre.system.settings import Settings, UidRange

CLAIM = "claim.json"


@contextmanager
def claimed(layout: Layout, settings: Settings) -> Iterator[None]:
    """Hold this installation's users while the block runs; its directories are made already.

    Raises `TREError(Conflict)` where the installation is up already, or another holds some of them.
    """
    with _one_at_a_time(layout.run.parent):
        descriptor = try_lock(layout.run / CLAIM)
        if descriptor is None:
            raise TREError(
                Reason.Conflict,
                f"The services of {layout.root} run already.",
                remedy="Use them, or end the `tre up` that started them first.",
            )
        try:
            _refuse_overlap(layout, settings)
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, _words(layout, settings), 0)
        except BaseException:
            os.close(descriptor)
            raise
    try:
        yield
    finally:
        os.close(descriptor)


@contextmanager
def _one_at_a_time(directory: Path) -> Iterator[None]:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _words(layout: Layout, settings: Settings) -> bytes:
    ranges = {"users": settings.workspace_uids, "groups": settings.data_groups}
    return json.dumps(
        {"root": str(layout.root), **{kind: [one.first, one.last] for kind, one in ranges.items()}}
    ).encode()


def _refuse_overlap(layout: Layout, settings: Settings) -> None:
    if os.geteuid() != 0:
        return  # one user for everything, and nobody else's
    for path in layout.run.parent.glob(f"*/{CLAIM}"):
        if path.parent != layout.run and _in_force(path):
            _refuse_shared(json.loads(path.read_bytes()), settings)


def _in_force(path: Path) -> bool:
    """Whether the services of a claim run, or a workspace of it is still there."""
    descriptor = try_lock(path)
    if descriptor is None:
        return True
    os.close(descriptor)
    workspaces = path.parent / "workspaces"
    return workspaces.is_dir() and any(workspaces.iterdir())


def _refuse_shared(other: dict[str, object], settings: Settings) -> None:
    for kind, key, mine in (
        ("users", "workspaceUids", settings.workspace_uids),
        ("groups", "dataGroups", settings.data_groups),
    ):
        if _overlap(mine, other[kind]):
            raise TREError(
                Reason.Conflict,
                f"{other['root']} is up on this machine and holds some of the same {kind}.",
                why=f"Both give out {kind} between {mine.first} and {mine.last}; a workspace must share none.",
                remedy=f"End the other installation, or set {key} in tre.yaml to numbers of its own.",
            )


def _overlap(mine: UidRange, theirs: object) -> bool:
    assert isinstance(theirs, list)
    return bool(mine.first <= theirs[1] and theirs[0] <= mine.last)
