"""Applications and the committee in a real database: what goes in comes out, and nobody slips in between."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.support.applications import (
    AUTHOR,
    POLICY,
    SEATS,
    TERMS,
    WAY,
    act,
    content_plain,
    member,
    plans_for,
    policy,
    seat,
    subject,
    text,
)
from tests.support.databases import Backend
from tests.support.factories import ALICE, BOB, EVE, NOON, access_grant
from tre.domain.applications import acts
from tre.domain.applications.models import Application
from tre.domain.applications.states import ApplicationState
from tre.domain.committee.decision import decided
from tre.domain.committee.models import Seat
from tre.domain.committee.tally import tally
from tre.domain.errors import Reason, TREError
from tre.domain.events import Event, program
from tre.domain.grants.policies import suspensions_in_force
from tre.domain.letters.topics import Relation
from tre.domain.people import Person, Role
from tre.sources.decisions import check_record, sign_record
from tre.sources.signed import key_id
from tre.store import applications as store
from tre.store import circles, committee, grants
from tre.store.database import Database, new_id

KEY = Ed25519PrivateKey.generate()
KEYS = {f"committee:{key_id(KEY.public_key())}": KEY.public_key()}
LATER = NOON + timedelta(hours=1)


@pytest.fixture
def database(backend: Backend, path: Path) -> Database:
    made = backend.make(path)
    with made.change(event("seat.added")) as change:
        for one in SEATS:
            committee.add_seat(change, one, TERMS)
    return made


def event(kind: str = "test.done", about: str = "test/1") -> Event:
    return Event(id=new_id(), at=NOON, actor=program("test"), kind=kind, object=about)


def reason(act: Callable[[], object]) -> Reason:
    with pytest.raises(TREError) as caught:
        act()
    return caught.value.reason


def save(database: Database, before: Application, after: Application) -> Application:
    with database.change(store.event_of("changed", after, ALICE, NOON)) as change:
        return store.save(change, before, after)


def begun(database: Database) -> Application:
    with database.change(event()) as change:
        return store.begin(change, AUTHOR, NOON)


def reviewed(database: Database, title: str = "Severity") -> Application:
    first = begun(database)
    typed = save(database, first, acts.edit(first, AUTHOR, content_plain(title=title), NOON))
    handed = save(database, typed, acts.submit(typed, AUTHOR, NOON))
    return save(database, handed, acts.taken_up(handed, plans_for(handed), WAY, NOON))


def cast(database: Database, application: Application, name: str, choice: str = "approve") -> None:
    with database.change(committee.event_of("committee.voted", f"application/{application.id}", act(name))) as change:
        committee.cast(change, application.id, text(choice), application.matter or "", TERMS, act(name))


def test_an_application_goes_in_and_comes_out(database: Database) -> None:
    found = reviewed(database)
    with database.read() as connection:
        assert store.require(connection, found.id) == found
        (line,) = store.of_person(connection, ALICE)
        assert (line.id, line.title, line.organisation, line.state) == (found.id, "Severity", "University", "InReview")
        assert store.of_person(connection, BOB) == [line]
        assert store.of_person(connection, EVE) == []
        assert store.handed_in(connection) == store.handed_in(connection, [ApplicationState.InReview]) == [line]
        assert store.handed_in(connection, [ApplicationState.Approved]) == []
        assert store.totals(connection)[ApplicationState.InReview] == 1
        assert store.waiting(connection) == [found.id]
        assert reason(lambda: store.require(connection, "a-nothing")) is Reason.ApplicationNotFound


def test_a_draft_is_in_nobodys_list_but_its_authors(database: Database) -> None:
    found = begun(database)
    with database.read() as connection:
        assert [one.id for one in store.of_person(connection, ALICE)] == [found.id]
        assert store.handed_in(connection) == []


def test_of_two_windows_one_is_refused(database: Database) -> None:
    first = begun(database)
    save(database, first, acts.edit(first, AUTHOR, {"title": "One"}, NOON))
    assert reason(lambda: save(database, first, acts.edit(first, AUTHOR, {"title": "Two"}, NOON))) is Reason.Conflict
    with database.read() as connection:
        now = store.require(connection, first.id)
    assert (now.title, now.version) == ("One", 1)
    assert save(database, now, now) == now


def test_nobody_fills_the_record_with_drafts(database: Database) -> None:
    for _ in range(store.MOST_DRAFTS):
        begun(database)
    assert reason(lambda: begun(database)) is Reason.RateLimited
    with database.change(event()) as change:
        other = Person(subject=BOB, display_name="Bob", roles=frozenset({Role.researcher}))
        assert store.begin(change, other, NOON).author == BOB


def test_a_vote_is_cast_once_also_from_two_windows(database: Database) -> None:
    found = reviewed(database)
    cast(database, found, "pat")
    assert reason(lambda: cast(database, found, "pat", "decline")) is Reason.AlreadyVoted
    with database.read() as connection:
        (kept,) = committee.votes_on(connection, found.id)
        assert (kept.voter.id, kept.choice, kept.session) == ("pat", "approve", "session-of-pat")
        assert committee.ballots(connection, [found.id]) == {found.id: committee.ballot(connection, found.id)}
        assert committee.count_votes(connection) == {found.id: 1}


def test_what_was_refused_leaves_no_event(database: Database) -> None:
    found = reviewed(database)
    for _ in range(2):
        with pytest.raises(TREError):
            cast(database, found, "eve")
    with database.read() as connection:
        assert committee.votes_on(connection, found.id) == []


def test_a_closed_vote_and_a_changed_application_take_no_vote(database: Database) -> None:
    found = reviewed(database)
    for name in ("clara", "adam", "connie", "pat"):
        cast(database, found, name)
    with database.change(event()) as change:
        committee.add_seat(change, seat("dora", "academic"), TERMS)
    with database.change(event()) as change:
        closed = committee.close(change, found.id, TERMS, act("clara"))
    assert closed.closing is not None
    assert reason(lambda: cast(database, closed, "dora")) is Reason.VoteClosed
    other = reviewed(database, "Other")
    withdrawn = save(database, other, acts.withdraw(other, AUTHOR, NOON))
    assert reason(lambda: cast(database, withdrawn, "pat")) is Reason.VoteClosed


def test_who_stood_aside_is_kept(database: Database) -> None:
    found = reviewed(database)
    with database.change(event()) as change:
        committee.recuse(change, found.id, "a friend", act("pat"))
    assert reason(lambda: cast(database, found, "pat")) is Reason.ConflictOfInterest
    with database.read() as connection:
        assert [one.why for one in committee.recusals_of(connection, found.id)] == ["a friend"]


def test_seats_are_given_ended_and_told_of(database: Database) -> None:
    def change_seat(act: Callable[[object], Seat]) -> Seat:
        with database.change(event()) as change:
            return act(change)

    ended = change_seat(lambda change: committee.end_seat(change, SEATS[3].id, "moved", NOON))  # type: ignore[arg-type]
    assert ended.last == NOON
    again = lambda: change_seat(lambda change: committee.end_seat(change, SEATS[3].id, "x", LATER))  # type: ignore[arg-type] # noqa: E731
    assert reason(again) is Reason.SeatEnded
    told = change_seat(lambda change: committee.declare(change, SEATS[0].id, ["A fund", "A fund"]))  # type: ignore[arg-type]
    assert told.interests == ("A fund",)
    with database.read() as connection:
        assert {one.id: one for one in committee.seats(connection)}[SEATS[0].id] == told
        assert reason(lambda: committee.require_seat(connection, "s-nothing")) is Reason.SeatNotFound
    taken = lambda: change_seat(lambda change: committee.add_seat(change, seat("adam", "patient"), TERMS))  # type: ignore[arg-type] # noqa: E731
    assert reason(taken) is Reason.Conflict


def approve(database: Database, found: Application) -> Application:
    for name in ("clara", "adam", "connie", "pat"):
        cast(database, found, name)
    with database.change(event()) as change:
        ballot = committee.ballot(change.connection, found.id)
        made = decided(found, tally(found, ballot, TERMS, NOON), POLICY, None, NOON)
        if made.grant is not None:
            grants.apply(change, made.grant.metadata.name, made.grant.spec, "committee", NOON)
        return committee.keep_decision(change, found, made, sign_record(made.record, KEY))


def test_a_decision_is_found_by_its_digest_its_application_and_its_grant(database: Database) -> None:
    found = approve(database, reviewed(database))
    assert found.grant is not None
    assert found.decision is not None
    with database.read() as connection:
        for name in (found.decision, found.id, found.grant):
            kept = committee.require_decision(connection, name)
            assert kept.record.digest() == found.decision
            check_record(kept, KEYS)
        assert committee.decisions_on(connection, found.id) == [kept]
        assert reason(lambda: committee.require_decision(connection, "other")) is Reason.ObjectNotFound
        assert store.in_force(connection, found.grant) == found
        assert store.plans_of(connection, found.grant) == found.plans
        assert store.plans_of(connection, "other") == ()


def test_a_change_begins_with_what_was_approved_and_only_for_those_named(database: Database) -> None:
    found = approve(database, reviewed(database))
    with database.change(event()) as change:
        varied = store.begin(change, AUTHOR, NOON, found.grant)
    assert found.content is not None
    assert varied.draft == found.content.as_plain()
    stranger = Person(subject=EVE, display_name="Eve", roles=frozenset({Role.researcher}))

    def begin(person: Person, grant: str) -> None:
        with database.change(event()) as change:
            store.begin(change, person, NOON, grant)

    assert reason(lambda: begin(stranger, found.grant or "")) is Reason.GrantNotFound
    assert reason(lambda: begin(AUTHOR, "nccid-1")) is Reason.GrantNotFound


def granted(database: Database) -> None:
    with database.change(event()) as change:
        grants.apply(change, "nccid-1", access_grant("nccid-1").spec, "committee", NOON)


def test_an_emergency_vote_stops_a_project_in_the_same_moment(database: Database) -> None:
    granted(database)

    def stop(name: str, rules: object = POLICY) -> str | None:
        with database.change(event()) as change:
            return committee.stop(change, "nccid-1", "a breach", rules, act(name))  # type: ignore[arg-type]

    two = policy(emergency={"votes": 2})
    assert stop("pat", two) is None
    assert reason(lambda: stop("pat", two)) is Reason.AlreadyVoted
    identifier = stop("adam", two)
    assert identifier is not None
    with database.read() as connection:
        (found,) = suspensions_in_force(grants.require(connection, "nccid-1"), NOON)
        assert "emergency vote: a breach" in found.reason
        assert len(committee.emergency_votes(connection, "nccid-1")) == 2
    with database.change(event()) as change:
        grants.resume(change, [identifier], NOON)
    with database.read() as connection:
        assert committee.emergency_votes(connection, "nccid-1") == []
    assert stop("pat") is not None
    assert reason(lambda: stop("eve")) is Reason.NotPermitted
    assert member("pat").holds(Role.committee)


def test_programs_write_what_is_theirs_and_nothing_else(backend: Backend, path: Path) -> None:
    if backend.kind == "sqlite":
        pytest.skip("SQLite has no roles: the file's owner and groups take their place")
    owner = backend.make(path)
    portal, controller = (backend.as_role(owner, role) for role in ("portal", "controller"))
    with portal.change(event()) as change:
        for one in SEATS:
            committee.add_seat(change, one, TERMS)
    found = reviewed(portal)
    for name in ("clara", "adam", "connie", "pat"):
        cast(portal, found, name)
    with pytest.raises(Exception, match="permission denied"):
        approve(portal, reviewed(portal, "Other"))
    with pytest.raises(Exception, match="permission denied"):
        cast(controller, reviewed(controller, "Third"), "pat")
    with controller.change(event()) as change:
        ballot = committee.ballot(change.connection, found.id)
        made = decided(found, tally(found, ballot, TERMS, NOON), POLICY, None, NOON)
        assert committee.keep_decision(change, found, made, sign_record(made.record, KEY)).grant


def test_letters_go_to_the_author_and_to_seats_that_take_part(database: Database) -> None:
    application = reviewed(database)
    with database.change(event("seat.added")) as change:
        committee.add_seat(change, seat("paula", "patient", organisation="University"), TERMS)
        committee.add_seat(change, seat("omar", "patient", begins=LATER), TERMS)
    aside = committee.event_of("committee.recused", f"application/{application.id}", act("adam"))
    with database.change(aside) as change:
        committee.recuse(change, application.id, "a friend", act("adam"))
    with database.read() as connection:
        found = circles.around(connection, event(about=f"application/{application.id}"), NOON)
        nobody = circles.around(connection, event(about="application/a-nobodynobody"), NOON)
    assert found.people[Relation.author] == {ALICE}
    assert found.people[Relation.committee] == {one.subject for one in SEATS} - {subject("adam")}
    assert (found.state, found.words) == ("InReview", {"name": application.id})
    assert Relation.author not in nobody.people
