"""A migrated database in a real file, and events to change it with."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.support.databases import Backend
from tre.domain.events import Event, program
from tre.store.database import Database, new_id

NOW = datetime(2026, 11, 1, 10, 0, tzinfo=UTC)


def an_event(**changes: Any) -> Event:
    """An event, whatever it says."""
    values: dict[str, Any] = {
        "id": new_id(),
        "at": NOW,
        "actor": program("controller"),
        "kind": "job.asked",
        "object": "job/1",
        "detail": {},
    }
    return Event(**(values | changes))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "tre.sqlite"


@pytest.fixture
def database(backend: Backend, path: Path) -> Database:
    return backend.make(path)


@pytest.fixture
def event() -> Callable[..., Event]:
    return an_event
