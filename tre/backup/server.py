"""A record on a server, as the one file that backups hold, and back onto a server.

Guarantees: the file is one moment of the server (a single `REPEATABLE READ` transaction that cannot write, in which
nobody who writes waits), with every row of every table as it was: what was signed is byte for byte the same text, so
the file's log verifies as the server's did. Onto a server goes only an empty database, and in one transaction: all of
it is there afterwards, or nothing.

Does not guarantee: what the server keeps beside the record's own tables. Roles and rights are made again as `tre init`
makes them; the server's settings are its administrator's.

Threat: a restore over a record that lives.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from sqlalchemy import (
    JSON,
    Connection,
    Insert,
    Select,
    Table,
    Text,
    bindparam,
    cast,
    delete,
    func,
    insert,
    select,
    text,
    type_coerce,
)

from tre.domain.errors import Reason, TREError
from tre.store import schema
from tre.store.database import Database
from tre.store.migrate import migrate
from tre.store.tables import metadata
from tre.store.tables.audit import audit_waiting
from tre.store.tables.jobs import settings

CHUNK = 2000
"""Rows in memory at a time."""


def copy_from_server(source: Database, target: Path) -> None:
    """Write the record of a server into a new file.

    Raises `TREError(SetupIncomplete)` for a record of another version: its tables are not those of this program.
    """
    with closing(Database.sqlite(target)) as file:
        migrate(file)
        with source.read() as there, file.migrating() as here:
            _refuse_other_version(there)
            _copy(there, here)
    with closing(sqlite3.connect(target)) as plain:
        plain.execute("PRAGMA journal_mode=DELETE")  # whole in itself, without a journal beside it


def _refuse_other_version(connection: Connection) -> None:
    found = schema.refuse_newer(connection)
    if found != schema.REVISIONS[-1]:
        raise TREError(
            Reason.SetupIncomplete,
            f"The record is at revision {found or 'none'}; this program copies {schema.REVISIONS[-1]}.",
            remedy="Make the backup with the program that made the record, or run `tre init` first.",
        )


def copy_to_server(source: Path, target: Database, role_prefix: str) -> None:
    """Put a file of this program's schema onto a server, into an empty database, with its tables, roles and rights.

    Raises `TREError(Conflict)` for a database that holds a record, `TREError(SetupIncomplete)` where a role is missing.
    """
    with target.read() as connection:
        known = schema.refuse_newer(connection)
    if known is not None:
        refuse_filled(target)
    migrate(target, role_prefix)
    with closing(Database.sqlite(source, read_only=True)) as file, file.read() as there, target.migrating() as here:
        _refuse_rows(here)
        _copy(there, here)
        _count_on(here)


def refuse_filled(target: Database) -> None:
    """Raise `TREError(Conflict)` for a database on a server that holds any row of a record."""
    with target.read() as connection:
        if schema.refuse_newer(connection) is not None:
            _refuse_rows(connection)


def _refuse_rows(connection: Connection) -> None:
    filled = [table.name for table in metadata.sorted_tables if connection.execute(_any_of(table)).first() is not None]
    if not filled:
        return
    waits = connection.execute(select(settings.c.value).where(settings.c.key == schema.RESTORED)).scalar()
    cut = f" It is the backup {waits['backup']}, put there before and not opened since." if waits else ""
    raise TREError(
        Reason.Conflict,
        "The database that databaseUrl names holds a record.",
        why=f"A restore never writes over anything.{cut}",
        remedy="Have the server's administrator make an empty one (docs/postgresql.md), then restore again.",
    )


def _any_of(table: Table) -> Select[Any]:
    return select(*list(table.primary_key)[:1]).limit(1)


def _copy(there: Connection, here: Connection) -> None:
    """Every row of every table, those first that others refer to."""
    for table in metadata.sorted_tables:
        if table is audit_waiting:
            continue
        statement = _insertion(here, table)
        for rows in _rows(there, table):
            here.execute(statement, rows)
    here.execute(delete(audit_waiting))  # a trigger queued every event
    for rows in _rows(there, audit_waiting):
        here.execute(_insertion(here, audit_waiting), rows)


def _rows(connection: Connection, table: Table) -> Iterator[list[dict[str, Any]]]:
    """The rows of a table in chunks; values of JSON as the very text that is stored."""
    columns = [_as_text(connection, column) if _is_json(column) else column for column in table.columns]
    found = connection.execution_options(yield_per=CHUNK).execute(select(*columns).order_by(*table.primary_key))
    for part in found.mappings().partitions():
        yield [{f"new_{name}": value for name, value in row.items()} for row in part]


def _is_json(column: Any) -> bool:
    return isinstance(column.type, JSON)


def _as_text(connection: Connection, column: Any) -> Any:
    plain = cast(column, Text) if _is_server(connection) else type_coerce(column, Text)
    return plain.label(column.name)


def _is_server(connection: Connection) -> bool:
    return connection.dialect.name == "postgresql"


def _insertion(connection: Connection, table: Table) -> Insert:
    return insert(table).values({column.name: _given(connection, column) for column in table.columns})


def _given(connection: Connection, column: Any) -> Any:
    """A value to be bound: JSON as text, which a server reads as JSON and a file keeps as it is."""
    if not _is_json(column):
        return bindparam(f"new_{column.name}", type_=column.type)
    plain = bindparam(f"new_{column.name}", type_=Text)
    return cast(plain, JSON) if _is_server(connection) else plain


def _count_on(connection: Connection) -> None:
    """Let the server go on counting where the record's numbers end."""
    for table in metadata.sorted_tables:
        column = table.autoincrement_column
        if column is None:
            continue
        named = {"table": table.name, "column": column.name}
        sequence = connection.execute(text("SELECT pg_get_serial_sequence(:table, :column)"), named).scalar()
        last = connection.execute(select(func.max(column))).scalar()
        if sequence is not None and last is not None:
            connection.execute(text("SELECT setval(:sequence, :last)"), {"sequence": sequence, "last": last})
