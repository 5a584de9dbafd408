"""A log in a real database, with a clock that moves when told to."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.support.databases import Backend
from tre.audit import keys
from tre.audit.sequencer import Sequencer, Terms
from tre.audit.verify import Expectations, verify_log
from tre.domain.clock import ManualClock
from tre.domain.events import Event, program
from tre.store.database import new_id
from tre.store.events import append_many

ORIGIN = "tre.example.org/audit"
START = datetime(2026, 11, 1, 10, 0, tzinfo=UTC)


NO_VALUES = ("detail = '{'", "detail='{'", "detail = 'no json'", "at = 7")
"""Neither JSON nor a time."""


class Log:
    """A database with events, and everything that is done to them in these tests."""

    def __init__(self, backend: Backend, path: Path) -> None:
        self.path = path
        self.backend = backend
        self.database = backend.make(path)
        self.clock = ManualClock(START)
        self.signer = keys.generate(ORIGIN)
        self.keys = (self.signer.public,)

    def sequencer(self, **terms: Any) -> Sequencer:
        """A new sequencer, as after a restart."""
        return Sequencer(self.database, self.signer, self.clock, Terms(**terms))

    def event(self, number: int = 0, **changes: Any) -> Event:
        values: dict[str, Any] = {
            "id": new_id(),
            "at": self.clock.now(),
            "actor": program("controller"),
            "kind": "workspace.started",
            "object": f"workspace/w-{number}",
            "detail": {"number": number, "reason": "Requested", "more": {"text": 'ä"\n', "list": [1, None, True]}},
        }
        return Event(**(values | changes))

    def append(self, count: int) -> list[Event]:
        events = [self.event(number) for number in range(count)]
        append_many(self.database, events)
        return events

    def grow(self, *batches: int) -> list[Event]:
        """Commit and sequence so many events at a time; a checkpoint each."""
        events: list[Event] = []
        for count in batches:
            events += self.append(count)
            self.clock.advance(1)
            assert self.sequencer().step() == count
        return events

    def verify(self, **expectations: Any) -> Any:
        return verify_log(self.database, self.keys, Expectations(**expectations))

    def tamper(self, *statements: str | tuple[str, tuple[Any, ...]]) -> None:
        """Change rows as somebody would who can write the file or owns the server: without the triggers."""
        self.backend.tamper(self.database, *statements)

    def can_hold(self, *statements: str) -> bool:
        """Whether this database takes such values at all: PostgreSQL keeps to its types, whoever asks."""
        if self.backend.kind == "sqlite" or not any(words in text for words in NO_VALUES for text in statements):
            return True
        with pytest.raises(psycopg.Error, match=r"invalid input syntax|is of type"):
            self.tamper(*statements)
        return False


@pytest.fixture
def log(backend: Backend, tmp_path: Path) -> Log:
    return Log(backend, tmp_path / "log.sqlite")


@pytest.fixture
def make_log(backend: Backend, tmp_path: Path) -> Callable[[], Log]:
    made: list[Log] = []

    def make() -> Log:
        made.append(Log(backend, tmp_path / f"log-{len(made)}.sqlite"))
        return made[-1]

    return make
