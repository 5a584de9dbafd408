"""What the Hub heard from the identity provider about people who signed in before, brought into the record.

Guarantees: only people of the configured provider whom the launcher knows are touched. Whoever the provider refuses, or
who is in none of the groups that are let in, is kept out from that moment and loses every sign-in, in one transaction;
whoever lost a role loses the sign-ins that carried it. Whoever is vouched for as before has the word renewed, all of a
round in one event.

Does not guarantee: that it hears anything. The last word counts until its own moment, which each sign-in and each
renewal puts forward.

Threat: somebody who lost a group at the provider and keeps the role that it gave.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import Connection

from tre.domain.errors import Reason, TREError
from tre.domain.people import Person, Role, Subject
from tre.portal.context import PROGRAM, Desk
from tre.store import people
from tre.store.database import Change
from tre.store.people import KnownPerson, StoredSession


class Told(NamedTuple):
    """A person for whom the provider vouches."""

    subject: Subject
    display_name: str
    groups: Sequence[str]


def is_let_in(desk: Desk, groups: Iterable[str]) -> bool:
    """Whether one of these groups is enough to come in, or none is needed."""
    allowed = () if desk.settings.oidc is None else desk.settings.oidc.allowed_groups
    return not allowed or bool(set(allowed) & set(groups))


def check_issuer(desk: Desk, subject: Subject) -> None:
    """The configured provider vouches for its own people only. Raises `TREError(LoginFailed)`."""
    oidc = desk.settings.oidc
    if desk.settings.auth != "oidc" or oidc is None or subject.issuer != oidc.issuer:
        raise TREError(Reason.LoginFailed, "This issuer vouches for nobody here.")


def confirm(desk: Desk, change: Change, subject: Subject, now: datetime) -> None:
    """Let the provider's word count from now, as long as it does."""
    recheck = None if desk.settings.oidc is None else desk.settings.oidc.recheck
    if recheck is None:
        people.confirm(change, subject, fresh_until=None, confirmed_until=None)
        return
    fresh, stale = timedelta(seconds=recheck.fresh_seconds), timedelta(seconds=recheck.stale_seconds)
    people.confirm(change, subject, fresh_until=now + fresh, confirmed_until=now + stale)


def keep_out(desk: Desk, subject: Subject, why: str) -> None:
    """Bar a known person of the provider and end every sign-in of theirs; once is enough."""
    now = desk.clock.now()
    with desk.database.read() as connection:
        known = people.by_subject(connection, subject)
        running = people.sessions_of(connection, subject, now)
    if known is None or (known.barred is not None and not running):
        return
    events = [desk.event(PROGRAM, "session.revoked", f"session/{item.id}") for item in running]
    with desk.database.change(desk.event(PROGRAM, "person.not-vouched", f"person/{subject}", why=why)) as change:
        change.record(*events)
        people.bar(change, subject, Reason.NotVouchedFor)
        people.revoke_sessions_of(change, subject, now)


def take_in_round(desk: Desk, told: Sequence[Told], refused: Sequence[Subject]) -> None:
    """Bring a part of a round into the record. Raises `TREError(LoginFailed)` for another issuer's people."""
    for subject in (*refused, *(one.subject for one in told)):
        check_issuer(desk, subject)
    for subject in refused:
        keep_out(desk, subject, "the provider refuses to confirm the sign-in")
    same: list[Subject] = []
    for one in told:
        known, running = _known(desk, one.subject)
        if known is None:
            continue
        if not is_let_in(desk, one.groups):
            keep_out(desk, one.subject, "in none of the groups that are let in")
        elif _is_as_before(known, _person(desk, one)):
            same.append(one.subject)
        else:
            _change(desk, known, _person(desk, one), running)
    if same:
        _renew(desk, same)


def _known(desk: Desk, subject: Subject) -> tuple[KnownPerson | None, list[StoredSession]]:
    with desk.database.read() as connection:
        return _of(connection, subject, desk.clock.now())


def _of(connection: Connection, subject: Subject, now: datetime) -> tuple[KnownPerson | None, list[StoredSession]]:
    return people.by_subject(connection, subject), people.sessions_of(connection, subject, now)


def _person(desk: Desk, told: Told) -> Person:
    return Person(subject=told.subject, display_name=told.display_name, roles=desk.roles.roles_of(told.groups))


def _is_as_before(known: KnownPerson, now: Person) -> bool:
    return known.barred is None and (known.roles, known.display_name) == (now.roles, now.display_name)


def _renew(desk: Desk, subjects: Sequence[Subject]) -> None:
    event = desk.event(PROGRAM, "identity.confirmed", f"provider/{subjects[0].issuer}", people=len(subjects))
    with desk.database.change(event) as change:
        for subject in subjects:
            confirm(desk, change, subject, desk.clock.now())


def _change(desk: Desk, known: KnownPerson, person: Person, running: Sequence[StoredSession]) -> None:
    """Somebody is called otherwise, has other roles, or is let in again."""
    now = desk.clock.now()
    lost = [item for item in running if item.roles - person.roles]
    detail = {"roles": _words(person.roles), "before": _words(known.roles), "barredBefore": known.barred is not None}
    with desk.database.change(desk.event(PROGRAM, "person.changed", f"person/{person.subject}", **detail)) as change:
        people.keep_person(change, person, known.seen_at)
        confirm(desk, change, person.subject, now)
        for item in lost:
            change.record(desk.event(PROGRAM, "session.revoked", f"session/{item.id}"))
            people.revoke_session(change, item.id, now)


def _words(roles: Iterable[Role]) -> list[str]:
    return sorted(role.value for role in roles)
