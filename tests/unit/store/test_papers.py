"""Papers in a real database: what an application brought, who still needs the same bytes, what is asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support.applications import AUTHOR, OTHER_PLAN, PLAN
from tests.support.databases import Backend
from tests.support.factories import NOON
from tests.unit.store.conftest import an_event
from tre.domain.applications.papers import Paper, PaperState
from tre.store import applications, jobs
from tre.store import papers as store
from tre.store.database import Database

UPLOAD = "0123456789abcdef" * 2


@pytest.fixture
def database(backend: Backend, path: Path) -> Database:
    return backend.make(path)


def begin(database: Database) -> str:
    with database.change(an_event()) as change:
        return applications.begin(change, AUTHOR, NOON).id


def paper(application: str, **changes: Any) -> Paper:
    values = {"digest": PLAN, "size": 4, "state": PaperState.arriving, "upload": UPLOAD, "at": NOON}
    return Paper.model_validate({"application": application} | values | changes)


def arrive(database: Database, one: Paper, *, kept: bool = True) -> None:
    with database.change(an_event()) as change:
        store.arrive(change, one, NOON)
        if kept:
            store.mark(change, one, PaperState.kept)


def remove(database: Database, one: Paper) -> bool:
    with database.change(an_event()) as change:
        return store.remove(change, one, NOON)


def asked(database: Database) -> list[tuple[str, str]]:
    with database.read() as connection:
        return [(job.kind, job.subject) for job in jobs.waiting(connection, "checker", NOON)]


def test_what_comes_is_asked_to_be_kept(database: Database) -> None:
    name = begin(database)
    arrive(database, paper(name), kept=False)
    with database.read() as connection:
        assert store.of_application(connection, name) == [paper(name)]
        assert store.get(connection, name, PLAN) == paper(name)
        assert store.get(connection, name, OTHER_PLAN) is None
        job = jobs.waiting(connection, "checker", NOON)[0]
    sha256 = PLAN.removeprefix("sha256:")
    assert job.subject == f"paper/{name}/{sha256}"
    assert job.payload == {"upload": UPLOAD, "path": "paper", "sha256": sha256, "size": 4}


def test_the_same_again_takes_the_place_of_what_came_before(database: Database) -> None:
    name = begin(database)
    arrive(database, paper(name))
    arrive(database, again := paper(name, upload="f" * 32), kept=False)
    with database.read() as connection:
        assert store.of_application(connection, name) == [again]
    assert [kind for kind, _ in asked(database)] == [store.KEEP]


def test_bytes_go_when_the_last_that_has_them_lets_go(database: Database) -> None:
    first, second, third = begin(database), begin(database), begin(database)
    arrive(database, paper(first))
    arrive(database, paper(second), kept=False)
    arrive(database, paper(third, digest=OTHER_PLAN))
    assert not remove(database, paper(first))
    assert store.FORGET not in {kind for kind, _ in asked(database)}
    assert remove(database, paper(second))
    assert (store.FORGET, f"paper/{PLAN.removeprefix('sha256:')}") in asked(database)


def test_what_comes_while_it_is_to_be_removed_calls_that_off(database: Database) -> None:
    name = begin(database)
    arrive(database, paper(name))
    assert remove(database, paper(name))
    arrive(database, paper(name), kept=False)
    assert {kind for kind, _ in asked(database)} == {store.KEEP}


def test_only_what_may_change_is_watched(database: Database) -> None:
    begin(database)
    first, second = begin(database), begin(database)
    arrive(database, paper(first))
    arrive(database, paper(second), kept=False)
    with database.change(an_event()) as change:
        store.mark(change, paper(second), PaperState.removed)
        assert store.watched(change.connection) == [first]


def test_papers_are_passed_on(database: Database) -> None:
    first, second = begin(database), begin(database)
    with database.change(an_event()) as change:
        store.inherit(change, first, second)
    arrive(database, paper(first))
    arrive(database, paper(first, digest=OTHER_PLAN), kept=False)
    with database.change(an_event()) as change:
        store.inherit(change, first, second)
    with database.read() as connection:
        assert store.of_application(connection, second) == [paper(second, state=PaperState.kept)]
    assert not remove(database, paper(first))
