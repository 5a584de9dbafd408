"""Work that comes out the same in every test, done once for a process: tests make some thousand databases and portals.

Guarantees: what is shared is looked up by everything that it follows from, so a test sees what it would see alone.
Where a library no longer has the place that is asked here, each test does the work itself again. Records of this
process do not wait for the disk, which no test outlives; `as_in_service` is for the test that asks whether they do.

Does not guarantee: the same time as in service. Programs that tests start do all of it themselves.
"""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from unittest import mock

import structlog
from sqlalchemy import create_engine

from tre.store import database

_DEPENDANTS = "_build_dependant_with_parameterless_dependencies"


class Statements:
    """Compiled statements of every database of one kind, as the option `compiled_cache` of SQLAlchemy takes them.

    An engine keeps its own, by dialect; those of one kind differ in nothing that a statement's text follows from.
    """

    def __init__(self) -> None:
        self._known: dict[tuple[Any, ...], Any] = {}

    def get(self, key: tuple[Any, ...], default: Any = None) -> Any:
        """A compiled statement, or the default."""
        return self._known.get((key[0].name, *key[1:]), default)

    def __setitem__(self, key: tuple[Any, ...], value: Any) -> None:
        self._known[key[0].name, *key[1:]] = value


def _share_statements() -> None:
    made = functools.partial(create_engine, execution_options={"compiled_cache": Statements()})
    for name in ("tre.store.database", "tre.store.postgres"):
        if (module := sys.modules.get(name)) is not None:
            module.create_engine = made  # type: ignore[attr-defined]


def _do_not_wait_for_the_disk() -> None:
    configured = database._sqlite_connect

    def configure(*, read_only: bool) -> Callable[..., None]:
        first = configured(read_only=read_only)

        def configure_connection(connection: Any, record: Any) -> None:
            first(connection, record)
            connection.execute("PRAGMA synchronous=OFF").close()

        return configure_connection

    configure.__wrapped__ = configured  # type: ignore[attr-defined]
    database._sqlite_connect = configure


@contextmanager
def as_in_service() -> Iterator[None]:
    """Make records whose commits wait for the disk."""
    real = inspect.unwrap(database._sqlite_connect)
    with mock.patch.object(database, "_sqlite_connect", real):
        yield


def _share_dependants() -> None:
    """What FastAPI finds out of our functions' signatures, anew for each application that they are in."""
    routing = sys.modules.get("fastapi.routing")
    find: Callable[..., Any] | None = getattr(routing, _DEPENDANTS, None)
    if routing is None or find is None:
        return
    known: dict[tuple[str, Callable[..., Any]], Any] = {}

    def found(*, path: str, call: Callable[..., Any], dependencies: Sequence[Any]) -> Any:
        if dependencies:
            return find(path=path, call=call, dependencies=dependencies)
        if (path, call) not in known:
            known[path, call] = find(path=path, call=call, dependencies=dependencies)
        return known[path, call]

    setattr(routing, _DEPENDANTS, found)


def _tell_plainly() -> None:
    """Crashes that tests provoke are told as Python tells them: in colours, one takes seconds."""
    last = structlog.get_config()["processors"][-1]
    if isinstance(last, structlog.dev.ConsoleRenderer):
        last.exception_formatter = structlog.dev.plain_traceback


def _make_installations_quickly() -> None:
    if "tre.cli.trial.world" in sys.modules:
        from tests.support.quick_worlds import make_quickly

        make_quickly()


def share_work() -> None:
    """Share all of it among the tests of this process, whose modules were read."""
    _tell_plainly()
    _share_statements()
    _do_not_wait_for_the_disk()
    _share_dependants()
    _make_installations_quickly()
