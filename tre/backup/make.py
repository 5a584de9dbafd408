"""Making a backup while everything runs.

Guarantees: the record is copied as one moment between two looks at the files, so every file that it names is in the
backup, whatever is added or removed meanwhile; where one is not, the look is repeated, and a file that stays missing
is told. Until the last step, which is one rename, there is no new backup and the earlier ones are as they were.

Does not guarantee: that what a service was just writing in a half-finished job is in it: such jobs are asked again.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import tre
from tre.backup.gather import Gathering, pack_secrets
from tre.backup.objects import Objects
from tre.backup.seal import seal, unseal
from tre.backup.sets import BackupFile, Entry, Manifest, Place, SnapshotFacts
from tre.backup.snapshot import copy_any_record, facts_of, named_files
from tre.domain.canonical import canonical_bytes
from tre.domain.errors import Reason, TREError
from tre.system.layout import Layout
from tre.system.settings import Settings

TRIES = 3
"""How often the record is copied again because a file that it names went while it was copied."""

BACKED_UP = "record.backed-up"
"""The event by which the record knows when it was backed up last."""

Step = Callable[[str], None]
"""Told what comes next; tests let things happen there."""


def _quiet(_step: str) -> None:
    return


@dataclass(frozen=True)
class Source:
    """What is backed up: an installation, its settings, and when."""

    layout: Layout
    settings: Settings
    now: datetime


@dataclass(frozen=True)
class Made:
    """A finished backup: its list, and how much was not in the place before; which older ones went."""

    manifest: Manifest
    added: int
    added_bytes: int
    gone: tuple[str, ...]


def make_backup(
    source: Source, place: Place, passphrase: bytes, *, most: int | None = None, step: Step = _quiet
) -> Made:
    """Make a backup; with `most`, let older ones go until so many are left.

    Raises `TREError(SetupIncomplete)` for a server's record of another version, `TREError(NotPermitted)` for somebody
    else's root,
    `TREError(Conflict)` for a place that is none, lies below the root or is in use, and `TREError(StorageFailed)` for
    a damaged record.
    """
    _check(source, place)
    with place.prepared() as objects:
        gathering = Gathering(source.layout, source.settings, objects, _earlier(place, passphrase))
        for attempt in range(TRIES):
            record, missing = _one_moment(source, gathering, objects, step)
            if not missing or attempt + 1 == TRIES:
                break
        manifest = Manifest(
            name=place.next_name(source.now),
            at=source.now,
            base=source.settings.base,
            program=tre.__version__,
            record=record,
            folders=tuple(gathering.folders[name] for name in sorted(gathering.folders)),
            files=tuple(gathering.found[name] for name in sorted(gathering.found)),
            missing=tuple(missing),
            left_out=tuple(sorted(gathering.left_out)),
        )
        packed = canonical_bytes(pack_secrets(source.layout, source.settings))
        step("seal")
        place.keep(BackupFile(manifest=manifest, keys=seal(packed, passphrase, manifest.bound)))
        gone = [] if most is None else place.prune(most)
        return Made(manifest, objects.added, objects.added_bytes, tuple(gone))


def _earlier(place: Place, passphrase: bytes) -> tuple[Entry, ...]:
    """What the newest backup says of files, so that unchanged ones are not read again: only if its list is ours."""
    if not place.names():
        return ()
    try:
        found = place.read()
        unseal(found.keys, passphrase, found.manifest.bound)
    except TREError:  # damaged, changed, or of another passphrase: every file is read
        return ()
    return found.manifest.files


def _check(source: Source, place: Place) -> None:
    if os.geteuid() not in {0, source.layout.root.stat().st_uid}:
        raise TREError(
            Reason.NotPermitted,
            f"{source.layout.root} belongs to somebody else.",
            why="Whoever may not read every key and file would make a backup that lacks some.",
            remedy="Make backups as the user who starts the launcher.",
        )
    if place.directory.resolve().is_relative_to(source.layout.root):
        raise TREError(
            Reason.Conflict,
            f"{place.directory} lies below {source.layout.root}.",
            why="A backup on the same place goes with it.",
            remedy="Name a directory on another disk or machine.",
        )


def _one_moment(source: Source, gathering: Gathering, objects: Objects, step: Step) -> tuple[SnapshotFacts, list[str]]:
    """A copy of the record between two looks at the files; and what it names that neither found."""
    step("files")
    gathering.look()
    step("record")
    copy = objects.incoming()
    try:
        copy_any_record(source.layout, source.settings, copy)
        step("files again")
        gathering.look()
        facts = facts_of(copy)
        named = dict(named_files(copy, source.layout))
        sha256, size = objects.adopt(copy)
    finally:
        _remove(copy)
    record = SnapshotFacts.model_validate({**facts, "sha256": sha256, "size": size})
    there = {name: entry.sha256 for name, entry in gathering.found.items()}
    return record, sorted(name for name, digest in named.items() if there.get(name) != digest)


def _remove(copy: Path) -> None:
    for path in (copy, *copy.parent.glob(f"{copy.name}-*")):
        path.unlink(missing_ok=True)
