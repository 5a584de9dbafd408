"""The record as it was at one moment, copied while others write.

Guarantees: the copy is one moment (SQLite's backup interface reads within one transaction, and in WAL mode nobody who
writes waits for it); it is whole in itself, without a journal beside it, and was looked over page by page.

A record on a server is copied by `tre.backup.server`, into a file of the same kind.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from sqlalchemy import func, select

from tre.audit.records import last_checkpoint
from tre.backup.server import copy_from_server
from tre.domain.errors import Reason, TREError
from tre.domain.exports.states import ExportState
from tre.store import schema
from tre.store.database import Database
from tre.store.roles import Role
from tre.store.schema import refuse_newer
from tre.store.tables.airlock import export_files, export_requests
from tre.store.tables.audit import audit_events, audit_waiting
from tre.store.tables.data import datasets
from tre.system.files import flush_directory
from tre.system.layout import Layout
from tre.system.settings import Settings


def copy_record(source: Path, target: Path) -> None:
    """Copy the record's file. Raises `TREError(StorageFailed)` where the copy shows that the record is damaged."""
    there = sqlite3.connect(target)
    with closing(sqlite3.connect(f"{source.as_uri()}?mode=ro", uri=True, timeout=10)) as here, closing(there):
        here.backup(there, pages=-1)  # in one step: the copy would begin anew at every commit of somebody else
        there.execute("PRAGMA journal_mode=DELETE")
        found = there.execute("PRAGMA quick_check(1)").fetchone()[0]
    if found != "ok":
        raise TREError(
            Reason.StorageFailed,
            "The record is damaged.",
            why=f"SQLite says: {found}",
            remedy="Keep a copy of the file as it is, and restore the last backup.",
        )


def copy_any_record(layout: Layout, settings: Settings, target: Path) -> None:
    """Copy the record, wherever it is, into a file. Raises `TREError` as `copy_record` and `copy_from_server` do."""
    if settings.database_url is None:
        copy_record(layout.database, target)
        return
    with closing(Database.open(layout, settings, Role.owner, read_only=True)) as database:
        copy_from_server(database, target)


def facts_of(copy: Path) -> dict[str, object]:
    """What the copied record says of itself, as `SnapshotFacts` takes it."""
    with closing(Database.sqlite(copy, read_only=True)) as database, database.read() as connection:
        checkpoint = last_checkpoint(connection)
        versions = connection.execute(select(datasets.c.name, datasets.c.deny_version).order_by(datasets.c.name))
        return {
            "revision": str(refuse_newer(connection)),
            "events": connection.execute(select(func.count()).select_from(audit_events)).scalar_one(),
            "waiting": connection.execute(select(func.count()).select_from(audit_waiting)).scalar_one(),
            "checkpoint": None if checkpoint is None else checkpoint.note,
            "deny_versions": {row.name: row.deny_version for row in versions},
        }


def named_files(copy: Path, layout: Layout) -> Iterator[tuple[str, str]]:
    """Files that the copied record names and that must be in a backup: path below the root, SHA-256."""
    vault, releases = (path.relative_to(layout.root).as_posix() for path in (layout.vault, layout.releases))
    with closing(Database.sqlite(copy, read_only=True)) as database, database.read() as connection:
        for sha256 in connection.execute(select(export_files.c.sha256).distinct()).scalars():
            yield f"{vault}/{sha256[:2]}/{sha256[2:]}", sha256
        released = select(export_requests.c.id, export_requests.c.bundle_sha256)
        for row in connection.execute(released.where(export_requests.c.state == ExportState.Released)):
            yield f"{releases}/{row.id}.zip", row.bundle_sha256


def keep_older_record(layout: Layout, settings: Settings) -> Path | None:
    """Copy a record of an earlier schema before it is brought up to date; the copy, `None` where none is due.

    Raises `TREError(StorageFailed)` for a damaged record: it is not changed then.
    """
    if settings.database_url is not None or not layout.database.is_file():
        return None
    with closing(Database.sqlite(layout.database, read_only=True)) as database, database.read() as connection:
        found = refuse_newer(connection)
    if found is None or found == schema.REVISIONS[-1]:
        return None
    kept = layout.database.parent.parent / f"before-{schema.REVISIONS[-1]}.sqlite"
    half = kept.with_name(f".{kept.name}.half")
    half.unlink(missing_ok=True)
    copy_record(layout.database, half)
    half.chmod(0o600)
    half.replace(kept)
    flush_directory(kept.parent)
    return kept
