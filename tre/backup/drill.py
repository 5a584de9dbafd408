"""Trying a backup: it is restored into a directory of its own, looked at, and removed again.

Guarantees: every step of a restore is taken but the last two: nobody opens it, and the record of a server stays the
file that the backup holds. What was restored holds keys; it is removed whatever happens.

Does not guarantee: that the passphrase and the place outlive this machine. Try from another one as well.
"""

from __future__ import annotations

import os
import secrets
import shutil
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from tre.backup.reopening import deny_versions, waiting_since
from tre.backup.restore import Terms, restore, verify_backup
from tre.backup.sets import Place
from tre.domain.errors import Reason, TREError
from tre.store.database import Database
from tre.system.layout import Layout
from tre.system.settings import load_settings

DRILLED = "record.backup-tried"
"""The event by which the record knows when a backup was restored last to see that it can be."""


@dataclass(frozen=True)
class Drill:
    """What was tried: the backup, and how many files and events came back."""

    name: str
    files: int
    events: int


def try_backup(place: Place, passphrase: bytes, terms: Terms, beside: Path, name: str | None = None) -> Drill:
    """Restore a backup below a directory, look at it, remove it.

    Raises what `verify_backup` and `restore` raise, and `TREError(ContentChanged)` for one that came back otherwise.
    """
    verified = verify_backup(place, place.read(name), passphrase, terms)
    scratch = beside / f".drill-{secrets.token_hex(4)}"
    os.mkdir(scratch, 0o700)  # noqa: PTH102 - with its mode from the first moment
    try:
        restore(place, verified, scratch / "root", replace(terms, keep_file=True))
        _look(Layout(scratch / "root"), verified.manifest.record.deny_versions)
    finally:
        shutil.rmtree(scratch)
    return Drill(verified.manifest.name, len(verified.manifest.files), verified.manifest.record.events)


def _look(layout: Layout, deny_sets: dict[str, int]) -> None:
    load_settings(layout.root)
    with closing(Database.sqlite(layout.database, read_only=True)) as database, database.read() as connection:
        closed, versions = waiting_since(connection), deny_versions(connection)
    if closed is None or versions != deny_sets:
        raise TREError(
            Reason.ContentChanged,
            "What came back is not what was backed up.",
            why="It is open, or its deny sets have other versions.",
            remedy="Keep this backup for whoever looks into it, and make another.",
        )
