"""The database: no change without its event, and what is committed is on the disk."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from sqlalchemy import insert, select, text
from sqlalchemy.exc import DBAPIError, IntegrityError

import tre.store
from tests.support.databases import Backend, Sqlite
from tests.support.shared_work import as_in_service
from tests.unit.store.conftest import an_event
from tre.domain.errors import Reason, TREError
from tre.domain.events import Event
from tre.store import database as database_module
from tre.store.database import BUSY_TIMEOUT_MS, Change, Database, new_id
from tre.store.tables.audit import audit_events, audit_waiting
from tre.store.tables.jobs import settings

WRITING_WORDS = ("insert(", "update(", "delete(", ".execute(text", "exec_driver_sql")


def repositories() -> Iterator[ModuleType]:
    for found in pkgutil.iter_modules(tre.store.__path__):
        if found.name not in {"tables", "migrations", "migrate", "database", "postgres", "roles"}:
            yield importlib.import_module(f"tre.store.{found.name}")


def functions(module: ModuleType) -> Iterator[tuple[str, Callable[..., Any]]]:
    for name, value in vars(module).items():
        if inspect.isfunction(value) and value.__module__ == module.__name__:
            yield f"{module.__name__}.{name}", value


def takes_change(function: Callable[..., Any]) -> bool:
    parameters = list(inspect.signature(function, eval_str=True).parameters.values())
    return bool(parameters) and parameters[0].annotation is Change


def writes(function: Callable[..., Any]) -> bool:
    body = inspect.getsource(function)
    return any(word in body for word in WRITING_WORDS)


ALL = [item for module in repositories() for item in functions(module)]


def test_repositories_were_found() -> None:
    assert len([name for name, function in ALL if takes_change(function)]) >= 20


@pytest.mark.parametrize("function", [pytest.param(item, id=name) for name, item in ALL if writes(item)])
def test_every_function_that_writes_demands_a_change(function: Callable[..., Any]) -> None:
    assert takes_change(function), "a function of tre.store that writes takes a Change first"


@pytest.mark.parametrize("function", [pytest.param(item, id=name) for name, item in ALL if not takes_change(item)])
def test_no_function_makes_its_own_transaction(function: Callable[..., Any]) -> None:
    """What opens a transaction itself must bring events along; one does, for events that go with nothing else."""
    source = inspect.getsource(function)
    assert ".begin(" not in source
    assert "extend_log(" not in source
    assert ".change(" not in source or function.__name__ == "append_many"


def test_a_change_is_made_by_the_database_only(database: Database) -> None:
    with database.read() as connection, pytest.raises(TypeError, match="nowhere else"):
        Change(connection, object())
    with database.change(an_event()) as change:
        assert isinstance(change, Change)


def test_a_change_demands_an_event(database: Database) -> None:
    with pytest.raises(TypeError):
        database.change()  # type: ignore[call-arg]


def numbers(database: Database) -> list[int]:
    with database.read() as connection:
        return list(connection.execute(select(audit_events.c.number).order_by(audit_events.c.number)).scalars())


def test_change_and_events_are_committed_together(database: Database) -> None:
    with database.change(an_event(), an_event()) as change:
        change.connection.execute(insert(settings).values(key="a", value=1))
        change.record(an_event())
        change.record()
    assert numbers(database) == [1, 2, 3]
    with database.read() as connection:
        assert connection.execute(select(settings.c.value)).scalar_one() == 1
        assert connection.execute(select(audit_waiting.c.number)).scalars().all() == [1, 2, 3]


class Unforeseen(BaseException):
    """Not even an Exception: as a cancelled task or an interrupt."""


@pytest.mark.parametrize("kind", [RuntimeError, Unforeseen, KeyboardInterrupt])
def test_a_failure_inside_takes_both_back(database: Database, kind: type[BaseException]) -> None:
    with pytest.raises(kind), database.change(an_event()) as change:  # noqa: PT012
        change.connection.execute(insert(settings).values(key="a", value=1))
        raise kind
    with database.read() as connection:
        assert connection.execute(select(settings)).all() == []
    assert numbers(database) == []


def test_a_failing_event_takes_the_change_back(database: Database) -> None:
    event = an_event()
    with database.change(event):
        pass
    with pytest.raises(IntegrityError), database.change(an_event()) as change:  # noqa: PT012
        change.connection.execute(insert(settings).values(key="a", value=1))
        change.record(event)
    with database.read() as connection:
        assert connection.execute(select(settings)).all() == []
    assert numbers(database) == [1]


@pytest.mark.parametrize("detail", [{"a": 0.5}, {"a": [1, {"b": float("nan")}]}, {"a": 2**60}])
def test_an_event_that_cannot_become_a_leaf_is_not_committed(database: Database, detail: dict[str, Any]) -> None:
    with pytest.raises(TREError) as caught, database.change(an_event(detail=detail)):
        pass
    assert caught.value.reason is Reason.BadInput
    assert numbers(database) == []


def pragma(database: Database, name: str) -> Any:
    with database.engine.connect() as connection:
        return connection.exec_driver_sql(f"PRAGMA {name}").scalar()


def test_what_is_committed_is_on_the_disk(sqlite: Sqlite, path: Path) -> None:
    with as_in_service():
        database = sqlite.make(path)
    assert pragma(database, "journal_mode") == "wal"
    assert pragma(database, "synchronous") == 2  # FULL: the log is flushed at every commit
    assert pragma(database, "foreign_keys") == 1
    assert pragma(database, "busy_timeout") == BUSY_TIMEOUT_MS


def test_a_reader_cannot_write(backend: Backend, database: Database) -> None:
    reader = backend.again(database, read_only=True)
    with pytest.raises(DBAPIError, match=r"readonly|read-only"), reader.change(an_event()):
        pass
    with reader.read() as connection:
        assert connection.execute(select(audit_events)).all() == []
    with database.change(an_event()):
        pass


def test_foreign_keys_hold(database: Database) -> None:
    from tre.store.tables.grants import suspensions

    values = {"id": "1", "grant": "none", "scope": "grant", "ref": "", "reason": "", "by_issuer": "", "by_id": ""}
    with pytest.raises(IntegrityError, match=r"(?i)foreign key"), database.change(an_event()) as change:
        change.connection.execute(insert(suspensions).values(**values, since=an_event().at))


def test_a_reader_sees_one_moment(database: Database) -> None:
    with database.change(an_event()):
        pass
    with database.read() as connection:
        before = connection.execute(select(audit_events.c.id)).all()
        with database.change(an_event()):
            pass
        assert connection.execute(select(audit_events.c.id)).all() == before
    assert len(numbers(database)) == 2


def test_writers_queue_instead_of_failing(sqlite: Sqlite, path: Path) -> None:
    """A writer that finds another one at work waits; it would fail at once if it began as a reader."""
    database = sqlite.make(path)
    other = sqlite.again(database)
    with other.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA busy_timeout=50")
    started = time.monotonic()
    with database.change(an_event()), pytest.raises(TREError) as caught, other.change(an_event()):
        pass
    assert time.monotonic() - started >= 0.05
    assert (caught.value.reason, "locked" in caught.value.why) == (Reason.Conflict, True)
    with other.change(an_event()):
        pass
    assert len(numbers(database)) == 2


def test_an_error_repeats_nothing_of_what_was_to_be_written(database: Database) -> None:
    with pytest.raises(DBAPIError) as caught, database.engine.connect() as connection:
        connection.execute(text("SELECT 1 FROM nowhere WHERE name = :name"), {"name": "quillfeather"})
    assert "quillfeather" not in str(caught.value)


def test_the_logs_own_growth_is_the_one_writing_transaction_without_an_event(database: Database) -> None:
    with database.extend_log() as connection:
        connection.execute(insert(settings).values(key="a", value=1))
    root = Path(database_module.__file__).parent.parent
    found = {
        str(source.relative_to(root)) for source in root.rglob("*.py") if "extend_log(" in source.read_text("utf-8")
    }
    assert found == {"store/database.py", "audit/sequencer.py", "audit/lease.py"}
    found = {
        str(source.relative_to(root)) for source in root.rglob("*.py") if ".migrating(" in source.read_text("utf-8")
    }
    assert found == {"store/migrate.py", "backup/server.py"}, "and a record that is put onto an empty server"


def test_identifiers_are_128_random_bits_in_hexadecimal() -> None:
    made = {new_id() for _ in range(1000)}
    assert len(made) == 1000
    assert all(len(item) == 32 and int(item, 16) >= 0 for item in made)


@pytest.mark.parametrize("table", ["audit_events", "audit_leaves", "audit_nodes", "audit_checkpoints"])
def test_the_log_can_only_be_added_to(sqlite: Sqlite, path: Path, table: str) -> None:
    from tests.unit.audit.conftest import Log

    log = Log(sqlite, path)
    log.grow(8)
    before = rows(path, table)
    column = "kind" if table == "audit_events" else "size" if table == "audit_checkpoints" else "position"
    for statement in (
        f"UPDATE {table} SET {column} = {column}",
        f"DELETE FROM {table}",
        f"INSERT OR REPLACE INTO {table} SELECT * FROM {table} LIMIT 1",
    ):
        with pytest.raises(sqlite3.IntegrityError, match=f"{table} is append-only"):
            run(path, statement)
    assert rows(path, table) == before

    for name in ("update", "delete", "replace"):  # with exactly that guard away it goes through
        run(path, f"DROP TRIGGER {table}_refuse_{name}")
    run(path, f"INSERT OR REPLACE INTO {table} SELECT * FROM {table} LIMIT 1")
    run(path, f"UPDATE {table} SET {column} = {column}")
    run(path, f"DELETE FROM {table}")
    assert rows(path, table) == []


def run(path: Path, statement: str) -> None:
    connection = sqlite3.connect(path)
    try:
        with connection:
            connection.execute(statement)
    finally:
        connection.close()


def rows(path: Path, table: str) -> list[Any]:
    connection = sqlite3.connect(path)
    try:
        return connection.execute(f"SELECT * FROM {table}").fetchall()
    finally:
        connection.close()


def test_an_event_comes_back_as_it_was_written(database: Database, event: Callable[..., Event]) -> None:
    from tre.store.events import by_id

    written = event(detail={"text": "ä\n\u2028", "list": [1, None, True, {"deep": [-(2**53) + 1]}]})
    with database.change(written):
        pass
    with database.read() as connection:
        found = by_id(connection, written.id)
    assert found is not None
    assert found.event == written
    assert found.event.leaf() == written.leaf()
