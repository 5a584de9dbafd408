"""Labels, attempts, links, absences and earlier releases in a real database."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import update

from tests.support.databases import Backend
from tests.support.factories import access_grant
from tests.unit.domain.exports.test_exceptions import OTHER, STEWARD, word
from tests.unit.domain.exports.world import (
    AUTHOR,
    CHECKERS,
    COLLEAGUE,
    OPERATOR,
    START,
    World,
    file,
    finding,
    sha,
)
from tre.domain.exports import authoring, claims, comments, emergency, exceptions, reviewing
from tre.domain.exports.attempts import Attempt
from tre.domain.exports.claims import Absence
from tre.domain.exports.labels import ColumnLabel
from tre.domain.exports.links import Link, make_link
from tre.domain.exports.models import Comment, ExportRequest, Readers
from tre.domain.exports.severity import Severity
from tre.domain.exports.states import ExportState
from tre.store import export_desk, exports, grants
from tre.store.database import Change, Database
from tre.store.tables.grants import grant_slices

CAROL, DAVE, _ = CHECKERS


@pytest.fixture
def database(backend: Backend, path: Path) -> Database:
    made = backend.make(path)
    with made.change(exports.event_of("prepared", World().request, AUTHOR.subject, START)) as change:
        for name in ("g", "sister", "stranger"):
            grants.apply(change, name, access_grant(name).spec, "test", START)
    return made


def do(database: Database, act: Callable[[Change], object]) -> None:
    with database.change(exports.event_of("acted", World().request, AUTHOR.subject, START)) as change:
        act(change)


def keep(database: Database, world: World, *, grant: str = "g", name: str = "") -> ExportRequest:
    """A request as the world has it, in the record, under a grant."""
    draft = authoring.Draft(
        id=name or exports.new_export_id(), grant=grant, workspace="w-aaaaaaaaaaaa", author=AUTHOR.subject
    )
    begun: list[ExportRequest] = []
    do(database, lambda change: begun.append(exports.create_request(change, draft, World().situation)))
    after = world.request.changed(id=draft.id, grant=grant, version=0)
    do(database, lambda change: exports.save(change, begun[0], after))
    with database.read() as connection:
        return exports.require(connection, draft.id)


def test_every_new_part_goes_in_and_comes_out(database: Database) -> None:
    record = finding(Severity.E, check="P01")
    world = World().with_files(file()).checked(record).submit()
    said = Comment(
        id="abcdefghijkl",
        by=CAROL.subject,
        turn=1,
        group="tables",
        path="a.csv",
        readers=Readers.private,
        text="é?",
        at=START,
    )
    world.request = comments.comment(world.request, CAROL, said, world.situation)
    world.request = claims.claim(world.request, DAVE, world.situation)
    world.request = exceptions.consent(world.request, STEWARD, word(record), world.situation)
    world.request = exceptions.consent(world.request, OTHER, word(record, agrees=True, why="so"), world.situation)
    world.vote(CAROL, world.ballot(dispositions=world.answers(record))).hand_in(CAROL)
    world.tick(hours=48)
    world.request = emergency.ask(world.request, CAROL, "tonight", world.situation)
    stored = keep(database, world)
    assert stored == world.request.changed(id=stored.id, version=1)
    world.request = emergency.second(world.request, OPERATOR, "1", world.situation)
    again = keep(database, world)
    assert again.emergency == world.request.emergency
    assert again.ledger == world.request.ledger != ()
    back = World().with_files().checked().submit().reviewed()
    back.request = reviewing.return_to_author(back.request, CAROL, "words", back.situation)
    kept = keep(database, back.submit())
    assert [vote.kept for review in kept.reviews if review.turn == 2 for vote in review.votes] == [True, True]


def test_a_label_stands_once_for_a_project_and_title(database: Database) -> None:
    first = ColumnLabel(title="n", role="count", by=AUTHOR.subject, at=START)
    second = ColumnLabel(title="n", role="mean", by=CAROL.subject, at=START, by_checker=True)
    for label in (first, second):
        do(database, lambda change, label=label: export_desk.keep_label(change, "g", label))
    do(database, lambda change: export_desk.keep_label(change, "sister", first))
    with database.read() as connection:
        assert export_desk.labels_of(connection, "g") == (second,)
        assert export_desk.labels_of(connection, "sister") == (first,)


def test_attempts_of_a_week(database: Database) -> None:
    request = keep(database, World())
    for days, met in ((0, True), (6, False), (8, True)):
        attempt = Attempt(at=START - timedelta(days=days), met=met)
        do(database, lambda change, attempt=attempt: export_desk.note_attempt(change, request, attempt))
    with database.read() as connection:
        found = export_desk.attempts_of(connection, "g", START)
        assert sorted(item.met for item in found) == [False, True]
        assert export_desk.attempts_of(connection, "sister", START) == ()


def test_of_ten_who_open_a_link_at_once_one_is_let_in(database: Database) -> None:
    world = World().released()
    request = keep(database, world)
    link = make_link(request, COLLEAGUE, "token", (), world.situation)
    do(database, lambda change: export_desk.add_link(change, link))

    def spend(_: int) -> bool:
        with database.change(exports.event_of("acted", request, AUTHOR.subject, START)) as change:
            return export_desk.spend_link(change, link, world.now)

    with ThreadPoolExecutor(5) as pool:
        assert sorted(pool.map(spend, range(10))) == [False] * 9 + [True]
    with database.read() as connection:
        (found,) = export_desk.links_of(connection, request.id)
        assert found == Link.model_validate({**dict(link), "used_at": world.now})
        assert export_desk.find_link(connection, sha("token")) == found
        assert export_desk.find_link(connection, sha("other")) is None


def test_a_link_is_not_spent_after_its_time(database: Database) -> None:
    world = World().released()
    request = keep(database, world)
    link = make_link(request, COLLEAGUE, "token", (), world.situation)
    do(database, lambda change: export_desk.add_link(change, link))
    done: list[bool] = []
    do(database, lambda change: done.append(export_desk.spend_link(change, link, link.until)))
    assert done == [False]


def test_an_absence_given_again_moves_its_end(database: Database) -> None:
    for days in (3, 7):
        away = Absence(checker=CAROL.subject, since=START, until=START + timedelta(days=days))
        do(database, lambda change, away=away: export_desk.add_absence(change, away))
    with database.read() as connection:
        (found,) = export_desk.absences(connection, START)
        assert found.until == START + timedelta(days=7)
        assert export_desk.absences(connection, START + timedelta(days=7)) == ()


def datasets(change: Change, **of: str) -> None:
    for grant, dataset in of.items():
        these = update(grant_slices).where(grant_slices.c.grant == grant)
        change.connection.execute(these.values(dataset=dataset))


def left(database: Database, grant: str, content: str, *, days: int = 0, **state: ExportState) -> ExportRequest:
    world = World(now=START - timedelta(days=days)).with_files(file("t.csv", content))
    release = world.bundle()
    world.request = world.request.changed(
        state=state.get("state", ExportState.Released), release=release, deadline=None
    )
    return keep(database, world, grant=grant)


def test_what_left_before_of_the_project_and_of_its_siblings(database: Database) -> None:
    do(database, lambda change: datasets(change, g="nccid", sister="nccid", stranger="other"))
    old, new = left(database, "g", "1", days=9), left(database, "g", "2", days=1)
    sister = left(database, "sister", "3", days=5)
    left(database, "stranger", "4")
    left(database, "g", "5", state=ExportState.Recalled)
    left(database, "g", "1", days=30)
    mine = keep(database, World().with_files())
    with database.read() as connection:
        found = export_desk.earlier_outputs(connection, mine.grant, mine.id)
        assert [(item.request, item.sibling) for item in found] == [(new.id, False), (sister.id, True), (old.id, False)]
        assert [item.sha256 for item in found] == [sha("2"), sha("3"), sha("1")]
        assert len(export_desk.slice_ids(connection, "g")) == 1
        assert all(item.request != new.id for item in export_desk.earlier_outputs(connection, new.grant, new.id))


def test_the_newest_two_hundred_and_no_more(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export_desk, "MOST_EARLIER", 2)
    names = [left(database, "g", str(days), days=days).id for days in (3, 1, 2)]
    mine = keep(database, World())
    with database.read() as connection:
        assert [item.request for item in export_desk.earlier_outputs(connection, mine.grant, mine.id)] == [
            names[1],
            names[2],
        ]


def test_the_public_count_of_exceptions(database: Database) -> None:
    world = World().released()
    assert world.request.release is not None
    world.request = world.request.changed(release=world.request.release.model_copy(update={"exceptions": 3}))
    keep(database, world)
    with database.read() as connection:
        assert exports.released_exceptions(connection, "g") == 3
        assert exports.released_exceptions(connection, "sister") == 0
