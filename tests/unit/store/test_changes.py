"""Hearing of changes: soon, and never missing one."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from tests.unit.store.conftest import an_event
from tre.store import changes
from tre.store.changes import ChangeFeed, objects_changed_after
from tre.store.database import Database
from tre.store.events import last_number

COMMITTER = """
import sys, time
from datetime import UTC, datetime
from tre.domain.events import Event, program
from tre.store.database import Database, new_id
database = Database(sys.argv[1])
for line in sys.stdin:
    event = Event(id=new_id(), at=datetime.now(UTC), actor=program("x"), kind="job.asked", object="job/1")
    with database.change(event):
        pass
    print(time.monotonic_ns(), flush=True)
"""


@pytest.fixture
def feed(database: Database) -> Iterator[ChangeFeed]:
    made = ChangeFeed(database)
    yield made
    made.close()


@pytest.fixture
def committer(database: Database) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", COMMITTER, database.url]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield process
        assert process.stdin is not None
        process.stdin.close()
        process.wait(10)


def commit(process: subprocess.Popen[str]) -> int:
    """Have the other process commit; when it had."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write("\n")
    process.stdin.flush()
    return int(process.stdout.readline())


def test_a_commit_of_another_process_is_seen_within_50_ms(feed: ChangeFeed, committer: subprocess.Popen[str]) -> None:
    commit(committer)  # it is warm now
    assert feed.wait(5.0)
    delays = []
    for _ in range(15):
        assert committer.stdin is not None
        assert committer.stdout is not None
        committer.stdin.write("\n")
        committer.stdin.flush()
        assert feed.wait(5.0)
        seen = time.monotonic_ns()
        delays.append((seen - int(committer.stdout.readline())) / 1e6)
    assert sorted(delays)[len(delays) // 2] < 50, delays  # the median: the machine may be busy elsewhere


def test_no_change_is_missed_between_two_questions(feed: ChangeFeed, committer: subprocess.Popen[str]) -> None:
    assert not feed.changed()
    for _ in range(3):
        commit(committer)
    assert feed.wait(5.0)  # committed before the question; a server tells a moment after the commit
    while feed.wait(0.1):
        pass
    assert not feed.changed()
    commit(committer)
    assert feed.wait(5.0)


def test_a_commit_of_another_connection_is_seen(database: Database, feed: ChangeFeed) -> None:
    with database.change(an_event()):
        pass
    assert feed.wait(5.0)  # a server's notice takes a moment


def test_reading_and_rolled_back_changes_wake_nobody(database: Database, feed: ChangeFeed) -> None:
    with database.read() as connection:
        last_number(connection)
    with pytest.raises(RuntimeError), database.change(an_event()):
        raise RuntimeError
    assert not feed.changed()


def test_patience_ends(feed: ChangeFeed) -> None:
    before = time.monotonic()
    assert not feed.wait(0.06)
    assert 0.05 < time.monotonic() - before < 5


async def test_waiting_without_blocking_the_event_loop(database: Database, feed: ChangeFeed) -> None:
    assert not await feed.wait_async(0.03)
    with database.change(an_event()):
        pass
    assert await feed.wait_async(5.0)


def test_the_interval_keeps_the_designs_bound() -> None:
    assert changes.POLL_SECONDS <= 0.05


def test_what_changed_is_named_once_each_in_order(database: Database) -> None:
    with database.read() as connection:
        assert objects_changed_after(connection, 0) == (0, [])
        assert last_number(connection) == 0
    with database.change(*(an_event(object=name) for name in ("grant/b", "grant/a", "grant/b"))):
        pass
    with database.read() as connection:
        assert objects_changed_after(connection, 0) == (3, ["grant/b", "grant/a"])
        assert objects_changed_after(connection, 2) == (3, ["grant/b"])
        assert objects_changed_after(connection, 3) == (3, [])
        assert last_number(connection) == 3
