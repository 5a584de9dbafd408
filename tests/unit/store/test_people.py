"""Accounts, people, sessions, tickets and attempts in a real record."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest

from tests.support.factories import ALICE, BOB, NOON
from tre.domain.errors import Reason, TREError
from tre.domain.events import Event, program
from tre.domain.names import hub_user_name
from tre.domain.people import Person, Role, Subject
from tre.store import people
from tre.store.database import Database, new_id
from tre.store.people import Account, NewTicket, StoredSession

LATER = NOON + timedelta(hours=8)


def event() -> Event:
    return Event(id=new_id(), at=NOON, actor=program("test"), kind="test.prepared", object="test/people")


def account(name: str = "alice", **changes: Any) -> Account:
    values = {"name": name, "display_name": name.title(), "roles": {Role.researcher}, "created_at": NOON}
    return Account.model_validate(values | changes)


def stored(identifier: str = "s1", subject: Subject = ALICE, **changes: Any) -> StoredSession:
    values = {
        "id": identifier,
        "subject": subject,
        "display_name": "Alice",
        "roles": {Role.checker},
        "created_at": NOON,
        "expires_at": LATER,
    }
    return StoredSession.model_validate(values | changes)


class TestAccounts:
    def test_added_once_with_the_person_behind_it(self, database: Database) -> None:
        with database.change(event()) as change:
            people.add_account(change, account(), "hash")
        with database.read() as connection:
            assert people.account(connection, "alice") == account()
            assert people.account(connection, "ALICE") is None
            person = people.by_subject(connection, ALICE)
            assert person is not None
            assert person.hub_name == hub_user_name("local", "alice")
            assert person.seen_at is None
        with pytest.raises(TREError) as refused, database.change(event()) as change:
            people.add_account(change, account(), "other")
        assert refused.value.reason is Reason.AlreadyExists

    def test_a_disabled_account_has_no_hash_to_compare_with(self, database: Database) -> None:
        with database.change(event()) as change:
            people.add_account(change, account(), "hash")
            assert people.password_hash(change.connection, "alice") == "hash"
            people.set_password(change, "alice", "new")
            assert people.password_hash(change.connection, "alice") == "new"
            people.disable_account(change, "alice", NOON)
            assert people.password_hash(change.connection, "alice") is None
            assert people.password_hash(change.connection, "nobody") is None
            assert people.all_accounts(change.connection)[0].disabled_at == NOON

    def test_who_is_disabled_is_kept_out_until_enabled(self, database: Database) -> None:
        with database.change(event()) as change:
            people.add_account(change, account(), "hash")
            people.add_account(change, account("bob"), "hash")
            people.open_session(change, stored())
            people.disable_account(change, "alice", NOON)
        with database.read() as connection:
            alice, bob = people.by_subject(connection, ALICE), people.by_subject(connection, BOB)
            assert alice is not None
            assert bob is not None
            assert (alice.barred, bob.barred) == (Reason.AccountDisabled, None)
            assert people.session(connection, "s1", NOON) is None  # though nobody revoked it
        with database.change(event()) as change:
            people.enable_account(change, "alice")
        with database.read() as connection:
            assert people.password_hash(connection, "alice") == "hash"
            alice = people.by_subject(connection, ALICE)
            assert alice is not None
            assert alice.barred is None
            assert people.session(connection, "s1", NOON) is not None

    @pytest.mark.parametrize("act", ["set_password", "disable_account", "enable_account"])
    def test_unknown_accounts(self, database: Database, act: str) -> None:
        values: dict[str, tuple[Any, ...]] = {"set_password": ("hash",), "disable_account": (NOON,)}
        with pytest.raises(TREError) as refused, database.change(event()) as change:
            getattr(people, act)(change, "nobody", *values.get(act, ()))
        assert refused.value.reason is Reason.MemberNotFound


def test_a_session_lasts_no_longer_than_the_providers_word(database: Database) -> None:
    ada = Subject(issuer="https://idp", id="ada")
    with database.change(event()) as change:
        people.keep_person(change, Person(subject=ada, display_name="Ada"), NOON)
        people.open_session(change, stored(subject=ada))
    soon = NOON + timedelta(minutes=10)
    with database.change(event()) as change:
        assert people.session(change.connection, "s1", soon) is not None  # nobody has to confirm
        people.confirm(change, ada, fresh_until=NOON, confirmed_until=soon)
        assert people.session(change.connection, "s1", soon - timedelta(microseconds=1)) is not None
        assert people.session(change.connection, "s1", soon) is None
        people.bar(change, ada, Reason.NotVouchedFor)
        assert people.session(change.connection, "s1", NOON) is None
        people.confirm(change, ada, fresh_until=soon, confirmed_until=LATER)
        assert people.session(change.connection, "s1", soon) is not None


def test_a_person_is_kept_and_kept_up_to_date(database: Database) -> None:
    before = Person(subject=ALICE, display_name="Alice", roles=frozenset({Role.operator}))
    after = Person(subject=ALICE, display_name="Alice A", roles=frozenset())
    with database.change(event()) as change:
        name = people.keep_person(change, before, None)
        assert people.keep_person(change, after, NOON) == name
        found = people.by_hub_name(change.connection, name)
        assert found is not None
        assert (found.display_name, found.roles, found.seen_at) == ("Alice A", frozenset(), NOON)
        assert people.everybody(change.connection) == [found]
        assert people.by_hub_name(change.connection, "nobody") is None
        assert people.by_subject(change.connection, Subject(issuer="other", id="alice")) is None


class TestSessions:
    def test_in_force_until_its_end(self, database: Database) -> None:
        with database.change(event()) as change:
            people.open_session(change, stored())
        with database.read() as connection:
            assert people.session(connection, "s1", NOON) == stored()
            assert people.session(connection, "s1", LATER - timedelta(microseconds=1)) is not None
            assert people.session(connection, "s1", LATER) is None
            assert people.session(connection, "s2", NOON) is None
        assert stored().person.holds(Role.checker)

    def test_revoked_at_once_and_told_until_it_would_have_ended(self, database: Database) -> None:
        with database.change(event()) as change:
            for identifier, subject in (("s1", ALICE), ("s2", ALICE), ("s3", BOB)):
                people.open_session(change, stored(identifier, subject))
            assert people.revoke_session(change, "s1", NOON)
            assert not people.revoke_session(change, "s1", NOON)
            assert people.session(change.connection, "s1", NOON) is None
            assert people.revoked_sessions(change.connection, NOON) == ["s1"]
            assert people.revoked_sessions(change.connection, LATER) == []
            assert [item.id for item in people.sessions_of(change.connection, ALICE, NOON)] == ["s2"]
            assert people.revoke_sessions_of(change, ALICE, NOON) == 1
            assert people.revoked_sessions(change.connection, NOON) == ["s1", "s2"]
            assert people.session(change.connection, "s3", NOON) is not None

    def test_old_rows_go(self, database: Database) -> None:
        with database.change(event()) as change:
            people.open_session(change, stored())
            people.issue_ticket(change, NewTicket(id="t", session="s1", host="h", expires_at=NOON))
            people.count_attempt(change, ["name/x"], NOON)
            people.revoke_session(change, "s1", NOON)
            people.tidy(change, LATER + people.KEEP_ENDED, attempts_before=NOON)
            assert people.revoked_sessions(change.connection, NOON) == ["s1"]
            assert len(people.attempts_since(change.connection, "name/x", NOON - timedelta(days=1))) == 1
            people.tidy(change, LATER + people.KEEP_ENDED + timedelta(seconds=1), attempts_before=LATER)
            assert people.revoked_sessions(change.connection, NOON) == []
            assert people.attempts_since(change.connection, "name/x", NOON - timedelta(days=1)) == []


class TestTickets:
    @pytest.fixture
    def ticketed(self, database: Database) -> Database:
        with database.change(event()) as change:
            people.open_session(change, stored())
            people.issue_ticket(
                change, NewTicket(id="t", session="s1", host="h", expires_at=NOON + timedelta(minutes=1))
            )
        return database

    def test_spent_once_at_its_host(self, ticketed: Database) -> None:
        for identifier, host, now in (
            ("t", "other", NOON),
            ("x", "h", NOON),
            ("t", "h", NOON + timedelta(minutes=1)),
        ):
            with pytest.raises(TREError), ticketed.change(event()) as change:
                people.spend_ticket(change, identifier, host, now)
        with ticketed.change(event()) as change:
            assert people.spend_ticket(change, "t", "h", NOON) == stored()
        with pytest.raises(TREError), ticketed.change(event()) as change:
            people.spend_ticket(change, "t", "h", NOON)

    def test_not_for_a_session_that_is_over(self, ticketed: Database) -> None:
        with ticketed.change(event()) as change:
            people.revoke_session(change, "s1", NOON)
        with pytest.raises(TREError), ticketed.change(event()) as change:
            people.spend_ticket(change, "t", "h", NOON)

    def test_of_many_at_once_one_gets_in(self, ticketed: Database) -> None:
        outcomes: list[bool] = []

        def spend() -> None:
            try:
                with ticketed.change(event()) as change:
                    people.spend_ticket(change, "t", "h", NOON)
                outcomes.append(True)
            except TREError:
                outcomes.append(False)

        threads = [threading.Thread(target=spend) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(outcomes) == [False] * 7 + [True]


def test_attempts_are_counted_and_forgiven(database: Database) -> None:
    with database.change(event()) as change:
        for minutes in (2, 1, 0):
            people.count_attempt(change, ["name/a", "address/b"], NOON - timedelta(minutes=minutes))
        found = people.attempts_since(change.connection, "name/a", NOON - timedelta(minutes=2))
        assert found == [NOON - timedelta(minutes=1), NOON]
        people.forgive(change, "name/a")
        people.forgive(change, "address/b", NOON)
        assert people.attempts_since(change.connection, "name/a", NOON - timedelta(days=1)) == []
        assert len(people.attempts_since(change.connection, "address/b", NOON - timedelta(days=1))) == 2
