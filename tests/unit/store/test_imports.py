"""Import requests in a real database: what goes in comes out, and two at once cannot corrupt it."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from tests.support.databases import Backend
from tests.support.factories import access_grant
from tests.unit.domain.exports.world import AUTHOR, CHECKERS, START
from tests.unit.domain.imports.test_acts import PURPOSE, begun, file, ready, run, situation, yes
from tre.domain.errors import Reason, TREError
from tre.domain.imports import acts
from tre.domain.imports.models import ImportRequest
from tre.domain.imports.states import ImportState
from tre.store import grants, imports
from tre.store.database import Database


@pytest.fixture
def database(backend: Backend, path: Path) -> Database:
    made = backend.make(path)
    with made.change(imports.event_of("created", begun(), AUTHOR.subject, START)) as change:
        grants.apply(change, "g", access_grant("g").spec, "test", START)
        imports.create(change, begun())
    return made


def save(database: Database, before: ImportRequest, after: ImportRequest) -> ImportRequest:
    with database.change(imports.event_of("changed", before, AUTHOR.subject, START)) as change:
        return imports.save(change, before, after)


def read(database: Database) -> ImportRequest:
    with database.read() as connection:
        return imports.require(connection, begun().id)


def test_what_goes_in_comes_out(database: Database) -> None:
    added = acts.add_files(begun(), AUTHOR, (file(), file("b.py", "2")), situation())
    handed = acts.submit(acts.checked(added, run(added), situation()), AUTHOR, PURPOSE, situation())
    stored = save(database, read(database), yes(handed, CHECKERS[0]))
    assert read(database) == stored
    assert (stored.version, stored.state) == (1, ImportState.Approved)
    with database.read() as connection:
        assert imports.by_state(connection, [ImportState.Approved]) == [stored]
        assert imports.of_grant(connection, "g") == [stored]
        assert imports.of_grant(connection, "other") == []


def test_bytes_that_a_request_names_are_known(database: Database) -> None:
    first = save(database, read(database), ready(file("a.py", "1")))
    with database.read() as connection:
        assert imports.uses_bytes(connection, file("a.py", "1").sha256)
    with database.read() as connection:
        assert imports.drafts_of(connection, "g", AUTHOR.subject) == 1
        assert imports.drafts_of(connection, "g", CHECKERS[0].subject) == 0
    save(database, first, acts.remove_file(first, AUTHOR, "a.py", situation()))
    with database.read() as connection:
        assert not imports.uses_bytes(connection, file("a.py", "1").sha256)


def test_of_two_at_once_one_is_refused(database: Database) -> None:
    before = read(database)
    save(database, before, ready(file("a.py", "1")))
    with pytest.raises(TREError) as error:
        save(database, before, ready(file("b.py", "2")))
    assert error.value.reason is Reason.Conflict
    assert [item.path for item in read(database).files] == ["a.py"]
    assert save(database, read(database), read(database)) == read(database)


def test_none_is_none(database: Database) -> None:
    with database.read() as connection, pytest.raises(TREError) as error:
        imports.require(connection, "i-otherotherot")
    assert error.value.reason is Reason.ImportNotFound


def test_the_log_holds_no_names(database: Database) -> None:
    event = imports.event_of("submitted", ready(file("secret-name.py")), AUTHOR.subject, START)
    assert "secret-name" not in event.model_dump_json()
    assert imports.new_import_id() != imports.new_import_id()


def test_what_is_withdrawn_needs_its_bytes_no_more(database: Database) -> None:
    kept = save(database, read(database), ready(file("a.py", "1")))
    gone = save(database, kept, acts.withdraw(kept, AUTHOR, situation()))
    with database.read() as connection:
        assert not imports.uses_bytes(connection, file("a.py", "1").sha256)
        assert imports.unfinished(connection, START - timedelta(days=1)) == [gone.id]
        assert imports.unfinished(connection, START) == []
        assert imports.drafts_of(connection, "g", AUTHOR.subject) == 0
