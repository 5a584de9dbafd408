"""Both databases behind one face, so that one suite of tests runs on either."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, Protocol

import pytest

from tests.support import postgres
from tre.store.database import Database
from tre.store.migrate import migrate

Statement = str | tuple[str, tuple[Any, ...]]


class Backend(Protocol):
    """One kind of database and what tests do with it beyond what programs may."""

    kind: str

    def make(self, path: Path) -> Database:
        """A new database with every table and no row; on SQLite it is the file at the path."""
        ...

    def empty(self, path: Path) -> Database:
        """A new database without any table."""
        ...

    def again(self, database: Database, *, read_only: bool = False) -> Database:
        """Another program's connection to the same database."""
        ...

    def as_role(self, database: Database, role: str) -> Database:
        """The same database as a program sees it in its role; on SQLite there are none."""
        ...

    def tamper(self, database: Database, *statements: Statement) -> None:
        """Change rows as somebody would who can write the file or owns the server: without the triggers."""
        ...

    def close(self) -> None:
        """Close everything that was made here."""
        ...


@cache
def migrated() -> bytes:
    """A database file with every table and no row: made once, since a migration takes a hundred times a copy."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "template.sqlite"
        made = Database.sqlite(path)
        migrate(made)
        made.close()
        return path.read_bytes()


def sqlite_with_tables(path: Path) -> Database:
    """A database with every table, as after `migrate`; a new one has no row."""
    if not path.exists():
        path.write_bytes(migrated())
    return Database.sqlite(path)


class Sqlite:
    """A file each."""

    kind = "sqlite"

    def __init__(self) -> None:
        self._made: list[Database] = []

    def make(self, path: Path) -> Database:
        return self._keep(sqlite_with_tables(path))

    def empty(self, path: Path) -> Database:
        return self._keep(Database.sqlite(path))

    def again(self, database: Database, *, read_only: bool = False) -> Database:
        return self._keep(Database(database.url, read_only=read_only))

    def as_role(self, database: Database, role: str) -> Database:
        return database

    def _keep(self, made: Database) -> Database:
        self._made.append(made)
        return made

    def tamper(self, database: Database, *statements: Statement) -> None:
        with sqlite3.connect(database.url.removeprefix("sqlite:///")) as connection:
            names = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
            for name, _ in names:
                connection.execute(f"DROP TRIGGER {name}")
            for statement in statements:
                text, values = (statement, ()) if isinstance(statement, str) else statement
                assert connection.execute(text, values).rowcount > 0, text
            for _, text in names:
                connection.execute(text)
        connection.close()

    def close(self) -> None:
        for made in self._made:
            made.close()


class Postgres:
    """A database each on the tests' own server; one that a test has left is emptied and used again."""

    kind = "postgresql"

    def __init__(self, server: postgres.PostgresServer) -> None:
        self.server = server
        self._made: list[Database] = []
        self._used: list[str] = []
        self._own: list[str] = []

    def make(self, path: Path) -> Database:
        self._used.append(self.server.take())
        return self._keep(Database(self.server.url(self._used[-1])))

    def empty(self, path: Path) -> Database:
        self._own.append(self.server.make("template0"))
        return self._keep(Database(self.server.url(self._own[-1])))

    def own(self) -> Database:
        """A database with every table, for a test that changes the tables themselves."""
        self._own.append(self.server.make())
        return self._keep(Database(self.server.url(self._own[-1])))

    def as_role(self, database: Database, role: str) -> Database:
        return self.again(database, role=role)

    def again(self, database: Database, *, read_only: bool = False, role: str = "owner") -> Database:
        return self._keep(Database(self.server.url(name_of(database), role), read_only=read_only))

    def _keep(self, made: Database) -> Database:
        self._made.append(made)
        return made

    def tamper(self, database: Database, *statements: Statement) -> None:
        with self.server.connect(name_of(database)) as connection:
            connection.execute("SET session_replication_role = replica")  # no trigger fires
            for statement in statements:
                text, values = (statement, ()) if isinstance(statement, str) else statement
                done = connection.execute(in_postgres(text), values)
                assert done.rowcount > 0, text

    def close(self) -> None:
        for made in self._made:
            made.close()
        for name in self._used:
            self.server.give_back(name)
        for name in self._own:
            self.server.drop(name)


def name_of(database: Database) -> str:
    """The name of the database on its server."""
    return str(database.engine.url.database)


def in_postgres(text: str) -> str:
    """A statement of the tests, which are written in SQLite's words, in PostgreSQL's."""
    return text.replace("zeroblob(32)", "decode(repeat('00', 32), 'hex')").replace("?", "%s")


KINDS = ("sqlite", "postgresql")


def backend_of(kind: str, server: Callable[[], postgres.PostgresServer]) -> Backend:
    """A backend by its name."""
    return Sqlite() if kind == "sqlite" else Postgres(server())


def server_or_skip() -> postgres.PostgresServer:
    """A server, or a skip that says why there is none."""
    if not (postgres.PACKAGE / "native").is_dir():
        pytest.skip(postgres.MISSING)
    return postgres.PostgresServer()


__all__ = ["KINDS", "Backend", "Postgres", "Sqlite", "backend_of", "name_of", "server_or_skip"]
