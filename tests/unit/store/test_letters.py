"""Letters, correspondents and circles in a real record, on both databases."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy.exc import DBAPIError

from tests.support.databases import Backend
from tests.support.factories import ALICE, BOB, NOON, access_grant
from tests.unit.store.conftest import an_event
from tre.domain.errors import Reason, TREError
from tre.domain.letters.models import Letter, LetterState, Pace
from tre.domain.letters.topics import Relation
from tre.domain.letters.writing import letter_id
from tre.domain.people import LOCAL_ISSUER, Person, Role, Subject
from tre.domain.workspaces.models import Workspace
from tre.store import circles, correspondents, grants, letters, people, workspaces
from tre.store.database import Database
from tre.store.letters import KEEP_SENT, Outcome
from tre.store.people import Account

GRANT = "nccid-00123"
HOUR = timedelta(hours=1)


def letter(event: str = "ab" * 16, whose: Subject = ALICE, **changes: Any) -> Letter:
    values: dict[str, Any] = {
        "id": letter_id(event, *whose.key),
        "event": event,
        "recipient": whose,
        "subject": "Project p is open",
        "text": "It is open.",
        "page": "/projects/p",
        "at": NOON,
        "next_at": NOON,
    }
    return Letter.model_validate(values | changes)


def keep(database: Database, *found: Letter) -> int:
    with database.change(an_event(kind="letters.written")) as change:
        return letters.add(change, found, NOON)


def settle(database: Database, found: Iterable[Letter], state: LetterState, **changes: Any) -> None:
    values: dict[str, Any] = {"reason": Reason.Requested, "next_at": NOON + HOUR}
    with database.change(an_event(kind="letter.tried")) as change:
        letters.settle(change, list(found), Outcome(state, **(values | changes)), NOON)


def due(database: Database, now: datetime = NOON) -> list[Letter]:
    with database.read() as connection:
        return letters.due(connection, now, 10)


def test_one_letter_for_an_event_and_a_recipient(database: Database) -> None:
    assert keep(database, letter(), letter(), letter(whose=BOB)) == 2
    assert keep(database, letter(text="Other words.")) == 0
    assert {(item.recipient.id, item.text) for item in due(database)} == {
        ("alice", "It is open."),
        ("bob", "It is open."),
    }
    assert due(database, NOON - HOUR) == []


def test_what_failed_is_due_later_and_what_was_sent_never(database: Database) -> None:
    first, second = letter(), letter(whose=BOB)
    keep(database, first, second)
    settle(database, [first], LetterState.Failed, reason=Reason.MailUnavailable)
    settle(database, [second], LetterState.Sent)
    assert due(database) == []
    again = due(database, NOON + HOUR)
    assert [(item.id, item.state, item.attempts, item.refusals) for item in again] == [
        (first.id, LetterState.Failed, 1, 0)
    ]
    with database.read() as connection:
        assert letters.next_due(connection) == NOON + HOUR
        found = letters.numbers(connection, NOON)
    assert found.states == {
        LetterState.Waiting: 0,
        LetterState.Failed: 1,
        LetterState.Sent: 1,
        LetterState.Abandoned: 0,
    }
    assert found.oldest == NOON
    with pytest.raises(TREError) as refused:
        settle(database, [second], LetterState.Sent)
    assert refused.value.reason is Reason.StateForbids


def test_what_was_given_up_is_tried_again_by_hand_only(database: Database) -> None:
    only = letter()
    keep(database, only)
    settle(database, [only], LetterState.Failed, reason=Reason.AddressRefused, refused=True)
    settle(database, [only], LetterState.Abandoned, reason=Reason.AddressRefused, refused=True)
    assert due(database, NOON + timedelta(days=365)) == []
    with database.read() as connection:
        assert letters.refused_to(connection, ALICE) == 1
        assert letters.refused_to(connection, BOB) == 0
        assert letters.next_due(connection) is None
        assert letters.numbers(connection, NOON).oldest is None
    with database.change(an_event()) as change:
        assert letters.try_again(change, NOON) == 1
    [again] = due(database)
    assert (again.state, again.refusals, again.attempts) == (LetterState.Waiting, 0, 2)


def test_a_days_letters_are_found_together(database: Database) -> None:
    mine = letter("cd" * 16, together=True, next_at=NOON + HOUR)
    other = letter("ef" * 16, together=True, next_at=NOON + HOUR)
    keep(database, mine, other, letter("ab" * 16), letter("cd" * 16, BOB, together=True, next_at=NOON + HOUR))
    with database.read() as connection:
        assert letters.together_with(connection, ALICE, NOON, 10) == []
        found = letters.together_with(connection, ALICE, NOON + HOUR, 10)
        assert {item.id for item in found} == {mine.id, other.id}


def test_a_letter_that_waits_for_its_hour_is_not_late(database: Database) -> None:
    keep(database, letter(together=True, next_at=NOON + HOUR))
    with database.read() as connection:
        assert letters.numbers(connection, NOON).oldest is None
        assert letters.numbers(connection, NOON + HOUR).oldest == NOON


def test_a_clock_that_was_wrong_for_a_while_holds_no_letter_for_years(database: Database) -> None:
    keep(database, letter(next_at=NOON + timedelta(days=3650)), letter(whose=BOB, next_at=NOON + HOUR))
    assert [item.recipient for item in due(database)] == [ALICE]


def test_how_far_the_log_was_read(database: Database) -> None:
    def read() -> int | None:
        with database.read() as connection:
            return letters.read_up_to(connection)

    assert read() is None
    for number in (7, 12):
        with database.change(an_event()) as change:
            letters.keep_read(change, number)
        assert read() == number
    with database.change(an_event()) as change:
        letters.stop_reading(change)
    assert read() is None


def test_what_was_sent_long_ago_is_removed_and_nothing_else(database: Database) -> None:
    sent, failed = letter(), letter(whose=BOB)
    keep(database, sent, failed)
    settle(database, [sent], LetterState.Sent)
    settle(database, [failed], LetterState.Failed, reason=Reason.MailUnavailable)
    for later, left in ((KEEP_SENT, 1), (KEEP_SENT + HOUR, 0)):
        with database.change(an_event()) as change:
            letters.tidy(change, NOON + later)
        with database.read() as connection:
            found = letters.numbers(connection, NOON).states
        assert (found[LetterState.Sent], found[LetterState.Failed]) == (left, 1)


def known(database: Database, name: str, *roles: Role, address: bool = True) -> Subject:
    who = Subject(issuer=LOCAL_ISSUER, id=name)
    new = Account(name=name, display_name=name, roles=frozenset(roles), created_at=NOON)
    with database.change(an_event()) as change:
        people.add_account(change, new, "hash")
        if address:
            correspondents.set_address(change, who, f"{name}@example.org", NOON)
    return who


class TestCorrespondents:
    def test_nobody_is_written_to_without_an_address(self, database: Database) -> None:
        with database.read() as connection:
            assert correspondents.get(connection, ALICE).address is None
            assert correspondents.get(connection, ALICE).pace is Pace.at_once
            assert correspondents.reachable(connection, [ALICE]) == {}

    def test_what_somebody_chose_outlives_their_address(self, database: Database) -> None:
        with database.change(an_event()) as change:
            correspondents.set_pace(change, ALICE, Pace.daily, NOON)
            correspondents.set_address(change, ALICE, "alice@example.org", NOON)
        with database.read() as connection:
            assert correspondents.reachable(connection, [ALICE, BOB]).keys() == {ALICE.key}
        with database.change(an_event()) as change:
            correspondents.set_address(change, ALICE, None, NOON)
        with database.read() as connection:
            assert correspondents.reachable(connection, [ALICE]) == {}
            assert correspondents.get(connection, ALICE).pace is Pace.daily

    def test_a_disabled_account_is_not_written_to(self, database: Database) -> None:
        who = known(database, "alice")
        other = Subject(issuer="https://idp.example.org", id="alice")
        with database.change(an_event()) as change:
            correspondents.set_address(change, other, "other@example.org", NOON)
            people.disable_account(change, "alice", NOON)
        with database.read() as connection:
            assert correspondents.reachable(connection, [who, other]).keys() == {other.key}

    def test_whom_the_provider_vouches_for_no_more_is_not_written_to_until_it_does_again(
        self, database: Database
    ) -> None:
        who, other = (Subject(issuer="https://idp.example.org", id=name) for name in ("alice", "bob"))
        alike = Subject(issuer="https://other.example.org", id="alice")
        with database.change(an_event()) as change:
            for one in (who, other, alike):
                people.keep_person(change, Person(subject=one, display_name=one.id), NOON)
                people.confirm(change, one, fresh_until=NOON - HOUR, confirmed_until=NOON - HOUR)
                correspondents.set_address(change, one, f"{one.id}@example.org", NOON)
        with database.read() as connection:  # a provider that is away for long keeps nobody's letters back
            assert correspondents.reachable(connection, [who, other, alike]).keys() == {who.key, other.key, alike.key}
        with database.change(an_event()) as change:
            people.bar(change, who, Reason.NotVouchedFor)
        with database.read() as connection:
            assert correspondents.reachable(connection, [who, other, alike]).keys() == {other.key, alike.key}
        with database.change(an_event()) as change:
            people.confirm(change, who, fresh_until=NOON + HOUR, confirmed_until=NOON + HOUR)
        with database.read() as connection:
            assert who.key in correspondents.reachable(connection, [who])

    def test_who_cannot_be_written_to_is_counted(self, database: Database) -> None:
        known(database, "alice")
        known(database, "bob", address=False)
        with database.read() as connection:
            assert correspondents.without_address(connection) == 1


class TestCircles:
    @pytest.fixture
    def grant(self, database: Database) -> str:
        with database.change(an_event()) as change:
            grants.apply(change, GRANT, access_grant().spec, "signed", NOON)
            workspaces.ensure(change, GRANT, ALICE, NOON)
        return GRANT

    def test_roles_stand_around_everything_also_around_the_unknown(self, database: Database) -> None:
        who = known(database, "chris", Role.checker)
        for about in ("job/1", "grant/nobody", "export/e-abcdefabcdef", "import/i-abcdefabcdef", "workspace/none"):
            with database.read() as connection:
                found = circles.around(connection, an_event(object=about), NOON)
            assert found.people[Relation.checkers] == {who}
            assert found.people.get(Relation.members, frozenset()) == frozenset()

    def test_members_and_the_end_of_a_grant(self, database: Database, grant: str) -> None:
        with database.read() as connection:
            about = an_event(object=f"grant/{grant}", detail={"ref": str(ALICE)})
            found = circles.around(connection, about, NOON)
        assert ALICE in found.people[Relation.members]
        assert found.people[Relation.lead] <= found.people[Relation.members]
        assert found.people[Relation.named] == {ALICE}
        assert found.words["name"] == grant
        assert found.words["ends"].endswith("UTC")
        assert found.state == "Pending"

    def test_whose_a_workspace_is(self, database: Database, grant: str) -> None:
        name = Workspace.name_for(grant, ALICE)
        with database.read() as connection:
            found = circles.around(connection, an_event(object=f"workspace/{name}"), NOON)
        assert found.people[Relation.owner] == {ALICE}
        assert found.words == {"name": name, "grant": grant}

    def test_the_members_of_every_project_of_an_organisation(self, database: Database, grant: str) -> None:
        organisation = access_grant().spec.project.organisation.id
        with database.read() as connection:
            found = circles.around(connection, an_event(object=f"organisation/{organisation}"), NOON)
            other = circles.around(connection, an_event(object="organisation/other"), NOON)
        assert ALICE in found.people[Relation.members]
        assert other.people[Relation.members] == frozenset()

    def test_two_who_are_spelled_alike_are_neither_of_them(self, database: Database) -> None:
        with database.change(an_event()) as change:
            for issuer, name in (("a", "b:c"), ("a:b", "c")):
                who = Subject(issuer=issuer, id=name)
                people.keep_person(change, Person(subject=who, display_name=name), seen_at=None)
        with database.read() as connection:
            found = circles.around(connection, an_event(object="person/a:b:c"), NOON)
        assert found.people[Relation.named] == frozenset()

    def test_whom_an_event_about_a_person_names(self, database: Database) -> None:
        who = known(database, "alice")
        known(database, "bob")
        with database.read() as connection:
            found = circles.around(connection, an_event(object=f"person/{who}"), NOON)
            other = circles.around(connection, an_event(object="person/local:nobody"), NOON)
        assert found.people[Relation.named] == {who}
        assert other.people[Relation.named] == frozenset()


def test_programs_may_do_their_part_and_no_more(database: Database, backend: Backend) -> None:
    controller, portal = (backend.as_role(database, role) for role in ("controller", "portal"))
    assert keep(controller, letter()) == 1
    with portal.change(an_event()) as change:
        correspondents.set_pace(change, ALICE, Pace.daily, NOON)
    with portal.read() as connection:
        assert letters.numbers(connection, NOON).states[LetterState.Waiting] == 1
    if database.is_postgres:
        with pytest.raises(DBAPIError), portal.change(an_event()) as change:
            letters.try_again(change, NOON)
    with backend.as_role(database, "operator").change(an_event()) as change:
        assert letters.try_again(change, NOON) == 0
    with controller.read() as connection:
        assert correspondents.get(connection, ALICE).pace is Pace.daily
