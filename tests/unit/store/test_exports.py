"""Export requests in a real database: what goes in comes out, and two at once cannot corrupt it."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from tests.support.databases import Backend
from tests.support.factories import access_grant
from tests.unit.domain.exports.world import (
    AUTHOR,
    CHECKERS,
    COLLEAGUE,
    OPERATOR,
    START,
    WORDS,
    World,
    file,
    finding,
    person,
)
from tre.domain.errors import Reason, TREError
from tre.domain.exports import authoring, reviewing
from tre.domain.exports.models import Choice, ExportRequest, FileGroup, FileKind
from tre.domain.exports.severity import Severity
from tre.domain.exports.states import ExportState
from tre.domain.people import Person, Role, Subject
from tre.store import exports, grants
from tre.store.database import Database
from tre.store.tables.airlock import export_files, export_requests
from tre.store.tables.audit import audit_events
from tre.store.waits import look

CAROL, DAVE, ERIN = CHECKERS


@pytest.fixture
def database(backend: Backend, path: Path) -> Database:
    made = backend.make(path)
    begun = World().request
    with made.change(exports.event_of("prepared", begun, AUTHOR.subject, START)) as change:
        grants.apply(change, "g", access_grant("g").spec, "test", START)
    return made


class Desk:
    """The record and the facts around it; every act is a change of its own, with its event."""

    def __init__(self, database: Database, world: World | None = None) -> None:
        self.database, self.world = database, world or World()
        draft = authoring.Draft(
            id=exports.new_export_id(), grant="g", workspace="w-aaaaaaaaaaaa", author=AUTHOR.subject
        )
        event = exports.event_of("created", self.world.request, AUTHOR.subject, START)
        with database.change(event) as change:
            self.id = exports.create_request(change, draft, self.world.situation).id

    def read(self) -> ExportRequest:
        with self.database.read() as connection:
            return exports.require(connection, self.id)

    def act(
        self, verb: Callable[..., ExportRequest], *arguments: Any, at: ExportRequest | None = None
    ) -> ExportRequest:
        request = at or self.read()
        event = exports.event_of("acted", request, AUTHOR.subject, self.world.now)
        with self.database.change(event) as change:
            return verb(change, request, *arguments, self.world.situation)

    def keep(self, after: Callable[[World], object], *, at: ExportRequest | None = None) -> ExportRequest:
        """Let the world do something to the request as it was read, and save that."""
        before = at or self.read()
        self.world.request = before
        after(self.world)
        event = exports.event_of("acted", before, AUTHOR.subject, self.world.now)
        with self.database.change(event) as change:
            return exports.save(change, before, self.world.request)

    def submitted(self, *files: Any) -> Desk:
        self.keep(lambda world: world.with_files(*files).checked().submit())
        return self


def test_what_goes_in_comes_out_at_every_step(database: Database) -> None:
    desk = Desk(database)
    found = finding(Severity.E)
    steps: list[Callable[[World], object]] = [
        lambda w: w.with_files(file("a.csv", "1"), file("b.csv", "2", kind=FileKind.supporting)),
        lambda w: w.with_files(file("é/c.csv", "3"), group="figures"),
        lambda w: w.checked(found, finding(Severity.A, "3", "F10")),
        lambda w: w.checked(found),
        lambda w: w.submit(),
        lambda w: w.vote(
            CAROL, w.ballot("a.csv", dispositions=w.answers(found)), w.ballot("é/c.csv", Choice.Undecided)
        ),
        lambda w: w.vote(CAROL, w.ballot("é/c.csv")).hand_in(CAROL),
        lambda w: w.vote(DAVE, w.ballot("a.csv", Choice.ChangesRequested), w.ballot("é/c.csv")).hand_in(DAVE),
        lambda w: w.vote(ERIN, w.ballot("a.csv", dispositions=w.answers(found)), w.ballot("é/c.csv")).hand_in(ERIN),
        lambda w: setattr(w, "request", reviewing.approve(w.request, ERIN, "2", w.situation)),
    ]
    for number, step in enumerate(steps, start=1):
        saved = desk.keep(step)
        assert desk.read() == saved
        assert saved.version == number
    assert desk.read().state is ExportState.Approved


def test_the_whole_way_by_intent(database: Database) -> None:
    desk = Desk(database)
    group = FileGroup(
        name="tables", context=WORDS, controls=WORDS, relation="None.", people=5, files=(file(), file("b.csv", "2"))
    )
    desk.act(exports.describe_group, AUTHOR, group)
    desk.act(exports.add_files, AUTHOR, group)
    desk.act(exports.set_kind, AUTHOR, ("b.csv", FileKind.supporting))
    desk.world.request = desk.read()
    desk.act(exports.keep_run, desk.world.run())
    desk.act(exports.submit, AUTHOR)
    for checker in (CAROL, DAVE):
        desk.world.request = desk.read()
        desk.act(exports.record_vote, checker, desk.world.ballot())
        desk.act(exports.submit_review, checker)
    desk.act(exports.approve, CAROL, "1")
    desk.world.tick(seconds=6)
    desk.act(exports.begin_release)
    desk.act(exports.release_failed, TREError(Reason.ServiceUnavailable, "full"))
    desk.act(exports.begin_release)
    released = desk.act(exports.released, desk.world.bundle())
    assert released.release is not None
    assert desk.read() == released
    assert desk.act(exports.recall, OPERATOR, "a name in it").state is ExportState.Recalled


@pytest.mark.parametrize("verb", [exports.return_to_author, exports.reject])
def test_the_other_ends_by_intent(database: Database, verb: Callable[..., ExportRequest]) -> None:
    desk = Desk(database).submitted()
    desk.keep(lambda world: world.reviewed())
    changed = desk.act(verb, CAROL, "words")
    assert changed.state in {ExportState.Returned, ExportState.Rejected}
    assert desk.read().message == "words"


def test_withdrawal_deadline_and_reopening_by_intent(database: Database) -> None:
    desk = Desk(database).submitted()
    assert desk.act(exports.withdraw, AUTHOR).state is ExportState.Withdrawn
    other = Desk(database)
    other.world.tick(days=31)
    with database.read() as connection:
        assert [request.id for request in exports.overdue(connection, other.world.now)] == [other.id]
    assert other.act(exports.at_deadline).state is ExportState.Withdrawn
    third = Desk(database).submitted()
    third.keep(lambda world: world.reviewed())
    third.act(exports.approve, CAROL, "1")
    third.world.request = third.read()
    third.act(exports.keep_run, third.world.run(finding(Severity.I)))
    assert third.act(exports.reopen).state is ExportState.Reviewed


def test_of_two_changes_from_one_version_the_second_is_refused_whole(database: Database) -> None:
    desk = Desk(database).submitted()
    seen = desk.read()
    desk.keep(lambda world: world.vote(CAROL), at=seen)
    events = select(func.count()).select_from(audit_events)
    with database.read() as connection:
        before = connection.execute(events).scalar_one()
    with pytest.raises(TREError) as refused:
        desk.keep(lambda world: world.vote(DAVE), at=seen)
    assert refused.value.reason is Reason.Conflict
    assert [review.checker for review in desk.read().reviews] == [CAROL.subject]
    with database.read() as connection:
        assert connection.execute(events).scalar_one() == before, "its event was kept without it"
    desk.keep(lambda world: world.vote(DAVE))
    assert len(desk.read().reviews) == 2


def test_what_the_domain_refuses_leaves_no_trace(database: Database) -> None:
    desk = Desk(database).submitted()
    before = desk.read()
    with pytest.raises(TREError):
        desk.act(exports.approve, CAROL, "1")
    assert desk.read() == before


def test_a_change_that_changes_nothing_keeps_the_version(database: Database) -> None:
    desk = Desk(database)
    assert desk.act(exports.at_deadline).version == 0


def random_act(world: World, who: Person, chance: random.Random) -> None:
    """What one checker might do next."""
    act = chance.randrange(4)
    if act < 2:
        world.vote(who, world.ballot(chance.choice(["a.csv", "b.csv"])))
    elif act == 2:
        world.hand_in(who)
    else:
        world.request = reviewing.approve(world.request, who, "2", world.situation)


def random_life(desk: Desk, chance: random.Random) -> list[str]:
    """Four acts of somebody who looks, thinks, and then acts on what was seen; how each of them ended."""
    outcomes: list[str] = []
    for _ in range(4):
        seen, world, who = desk.read(), World(), chance.choice(CHECKERS)
        world.request = seen
        try:
            random_act(world, who, chance)
            with desk.database.change(exports.event_of("acted", seen, who.subject, world.now)) as change:
                exports.save(change, seen, world.request)
        except TREError as error:
            outcomes.append(error.reason)
        else:
            outcomes.append("done")
    return outcomes


def check_consistent(request: ExportRequest) -> None:
    """The state is the one that the submitted reviews give, and every submitted review is whole."""
    submitted = [review for review in request.reviews if review.submitted_at]
    states = {0: {ExportState.Submitted}, 1: {ExportState.PartiallyReviewed}}
    assert request.state in states.get(len(submitted), {ExportState.Reviewed, ExportState.Approved})
    for review in submitted:
        assert {vote.path for vote in review.votes} == {"a.csv", "b.csv"}


def test_two_hundred_random_lives_at_once_corrupt_nothing(database: Database) -> None:
    """Four threads act on the same few requests; who acted on what is no longer so is refused."""
    desks = [Desk(database).submitted(file("a.csv", "1"), file("b.csv", "2")) for _ in range(5)]

    def lives(first: int) -> list[str]:
        chance = random.Random(first)
        return [outcome for _ in range(50) for outcome in random_life(chance.choice(desks), chance)]

    with ThreadPoolExecutor(4) as pool:
        outcomes = Counter(outcome for part in pool.map(lives, range(4)) for outcome in part)
    assert outcomes["done"] > 20, outcomes
    assert outcomes[Reason.Conflict] > 0, f"nobody met anybody: {outcomes}"
    for desk in desks:
        check_consistent(desk.read())


def grants_facts(desk: Desk) -> dict[str, Any]:
    return {"g": desk.world.grant}


@pytest.mark.parametrize(
    ("viewer", "count"),
    [(AUTHOR, 2), (COLLEAGUE, 2), (CAROL, 2), (OPERATOR, 0), (person("zoe", Role.researcher), 0)],
    ids=lambda value: getattr(getattr(value, "subject", None), "id", ""),
)
def test_people_see_what_concerns_them(database: Database, viewer: Person, count: int) -> None:
    desk = Desk(database).submitted()
    Desk(database)
    desk.keep(lambda world: world.vote(CAROL).hand_in(CAROL))
    with database.read() as connection:
        found = exports.visible(connection, viewer, grants_facts(desk))
        assert len(found) == count
        if count:
            shown = exports.view(connection, desk.id, viewer, desk.world.grant)
            assert len(shown.reviews) == (1 if viewer is CAROL else 0)
        else:
            with pytest.raises(TREError):
                exports.view(connection, desk.id, viewer, desk.world.grant)


def test_reading_by_state_grant_and_bytes(database: Database) -> None:
    desk = Desk(database).submitted()
    Desk(database)
    with database.read() as connection:
        assert [r.id for r in exports.by_state(connection, [ExportState.Submitted])] == [desk.id]
        assert len(exports.of_grant(connection, "g")) == 2
        assert exports.of_grant(connection, "other") == []
        assert exports.uses_bytes(connection, file().sha256)
        assert not exports.uses_bytes(connection, "0" * 64)
        assert exports.get(connection, "e-aaaaaaaaaaaa") is None
        with pytest.raises(TREError) as missing:
            exports.require(connection, "e-aaaaaaaaaaaa")
        assert missing.value.reason is Reason.ExportNotFound


def test_an_event_holds_counts_and_digests_and_nothing_that_people_typed(database: Database) -> None:
    desk = Desk(database).submitted(file("patient-Smith.csv", "1"))
    event = exports.event_of("submitted", desk.read(), AUTHOR.subject, START, checks=3)
    assert event.kind == "export.submitted"
    assert event.object == f"export/{desk.id}"
    assert set(event.detail) == {"grant", "turn", "outputs", "bytes", "manifest", "checks"}
    assert "Smith" not in event.leaf().decode()
    assert WORDS not in event.leaf().decode()


def test_the_manifest_in_an_event_changes_with_every_byte() -> None:
    requests = [World().with_files(file(content=text)).request for text in ("1", "2")]
    events = [exports.event_of("x", request, AUTHOR.subject, START) for request in requests]
    assert events[0].detail["manifest"] != events[1].detail["manifest"]


def test_a_request_of_an_unknown_grant_cannot_be_kept(database: Database) -> None:
    draft = authoring.Draft(id="e-bbbbbbbbbbbb", grant="none", workspace="w", author=Subject(issuer="l", id="x"))
    world = World()
    event = exports.event_of("created", world.request, AUTHOR.subject, START)
    with pytest.raises(Exception, match=r"(?i)foreign key"), database.change(event) as change:
        exports.create_request(change, draft, world.situation)


def test_rows_of_files_taken_out_of_a_group_are_gone(database: Database) -> None:
    desk = Desk(database)
    desk.keep(lambda world: world.with_files(file("a.csv", "1"), file("b.csv", "2")))
    smaller = FileGroup(
        name="tables", context=WORDS, controls=WORDS, relation="None.", people=5, files=(file("b.csv", "2"),)
    )
    desk.keep(lambda world: setattr(world, "request", world.request.changed(groups=(smaller,))))
    with database.read() as connection:
        assert connection.execute(select(export_files.c.path)).scalars().all() == ["b.csv"]
        assert connection.execute(select(func.count()).select_from(export_requests)).scalar_one() == 1


def test_ids_are_random_and_valid() -> None:
    ids = {exports.new_export_id() for _ in range(50)}
    assert len(ids) == 50
    for made in ids:
        World().request.changed(id=made)


def test_how_long_the_oldest_request_has_waited_for_checkers(database: Database) -> None:
    def waits() -> datetime | None:
        with database.read() as connection:
            return look(connection, START).export

    desk = Desk(database)
    assert waits() is None, "a draft waits for its author"
    desk.submitted()
    assert waits() == desk.read().changed_at
    desk.act(exports.withdraw, AUTHOR)
    assert waits() is None
