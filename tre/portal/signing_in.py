"""Signing in: who may, how often it may be tried, and what a sign-in gives.

Guarantees: an attempt is counted in the record before the password is looked at, in one transaction with the look at
the limits, so that neither attempts side by side nor a restart get around them; an unknown name, a disabled account
and a wrong password are told apart by nobody outside. A sign-in always makes a new secret; only its SHA-256 is kept.
A ticket is good for one host, once, for a minute. The provider vouches for people of its own issuer only.

Does not guarantee: that the person at the keyboard is still the one who signed in.

Threat: guessing; a session prepared by somebody else; a ticket carried to another host; a provider that names a
local account.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection

from tre.domain.desk.attempts import (
    BY_ADDRESS,
    BY_NAME,
    BY_NAME_AND_ADDRESS,
    WINDOW,
    address_key,
    name_key,
    pair_key,
    retry_after,
)
from tre.domain.errors import Reason, TREError
from tre.domain.identity import is_in_force
from tre.domain.names import hub_user_name
from tre.domain.people import LOCAL_ISSUER, Person, Role, Subject
from tre.portal.context import PROGRAM, Desk
from tre.portal.reconciling import check_issuer, confirm, is_let_in, keep_out
from tre.portal.seals import fingerprint, new_secret
from tre.store import correspondents, people
from tre.store.people import KnownPerson, NewTicket, StoredSession

TICKET_LIFE = timedelta(seconds=60)


class TooManyAttemptsError(TREError):
    """Over a limit; `seconds` until the next attempt is looked at."""

    def __init__(self, seconds: int) -> None:
        super().__init__(
            Reason.RateLimited, "Too many attempts to sign in.", remedy=f"Wait {seconds} seconds, then try again."
        )
        self.seconds = seconds


def _login_failed() -> TREError:
    return TREError(Reason.LoginFailed, "The name or the password is not right.", remedy="Check both and try again.")


def sign_in_locally(desk: Desk, name: str, password: str, address: str) -> KnownPerson:
    """The person of a local account.

    Raises `TREError(LoginFailed)`, `TooManyAttemptsError`, or `TREError(RateLimited)` where too many wait.
    """
    if desk.settings.auth != "local":
        raise _login_failed()
    now = desk.clock.now()
    keys = (pair_key(name, address), name_key(name), address_key(address))
    with desk.database.read() as connection:
        _check_limits(connection, keys, now)
        account, hashed = people.account(connection, name), people.password_hash(connection, name)
    known = f"account/{name}" if account is not None else "account/unknown"
    with desk.database.change(desk.event(PROGRAM, "login.tried", known, address=keys[2])) as change:
        _check_limits(change.connection, keys, now)
        people.count_attempt(change, keys, now)
    if not desk.passwords.fits(hashed, password) or account is None:
        raise _login_failed()
    person = Person(
        subject=Subject(issuer=LOCAL_ISSUER, id=name), display_name=account.display_name, roles=account.roles
    )
    with desk.database.change(desk.event(person.subject, "login.succeeded", known, address=keys[2])) as change:
        people.forgive(change, keys[0])
        for key in keys[1:]:  # this attempt alone: what others tried on the name goes on counting
            people.forgive(change, key, now)
        hub_name = people.keep_person(change, person, now)
    return _known(person, hub_name)


def _check_limits(connection: Connection, keys: tuple[str, str, str], now: datetime) -> None:
    waits = [
        retry_after(people.attempts_since(connection, key, now - WINDOW), most, now)
        for key, most in zip(keys, (BY_NAME_AND_ADDRESS, BY_NAME, BY_ADDRESS), strict=True)
    ]
    longest = max((wait for wait in waits if wait is not None), default=None)
    if longest is not None:
        raise TooManyAttemptsError(longest)


@dataclass(frozen=True)
class Newcomer:
    """A person as the identity provider vouches for them; `email` is an address that it verified, or none."""

    subject: Subject
    display_name: str
    groups: tuple[str, ...]
    email: str | None = None


def take_in_vouched(desk: Desk, newcomer: Newcomer) -> KnownPerson:
    """Keep a person whom the identity provider vouched for, with the roles that their groups give.

    Their address is what the provider says now, so that one it does not vouch for any more is written to no more.

    Raises `TREError(LoginFailed)` for an issuer other than the configured provider, or somebody of no group that is
    let in.
    """
    subject, now = newcomer.subject, desk.clock.now()
    check_issuer(desk, subject)
    if not is_let_in(desk, newcomer.groups):
        keep_out(desk, subject, "in none of the groups that are let in")
        raise TREError(Reason.LoginFailed, "This person is in no group that is let in here.")
    roles = desk.roles.roles_of(newcomer.groups)
    person = Person(subject=subject, display_name=newcomer.display_name, roles=roles)
    event = desk.event(subject, "login.succeeded", f"person/{subject}", roles=sorted(person.roles))
    with desk.database.change(event) as change:
        hub_name = people.keep_person(change, person, now)
        if correspondents.get(change.connection, subject).address != newcomer.email:
            correspondents.set_address(change, subject, newcomer.email, now)
        confirm(desk, change, subject, now)
    return _known(person, hub_name)


def _known(person: Person, hub_name: str) -> KnownPerson:
    return KnownPerson(subject=person.subject, display_name=person.display_name, hub_name=hub_name, roles=person.roles)


def open_session(desk: Desk, hub_name: str) -> tuple[str, StoredSession]:
    """A new session of the person whom the Hub signed in, with its secret.

    Raises `TREError(LoginFailed)` where nobody is known by that name, or the account was disabled since.
    """
    now = desk.clock.now()
    with desk.database.read() as connection:
        person = people.by_hub_name(connection, hub_name)
        roles = None if person is None else _present_roles(connection, person, now)
    if person is None or roles is None or hub_user_name(*person.subject.key) != hub_name:
        raise TREError(Reason.LoginFailed, "This person may not sign in here.", remedy="Ask an operator.")
    secret = new_secret()
    session = StoredSession(
        id=fingerprint(secret),
        subject=person.subject,
        display_name=person.display_name,
        roles=roles,
        created_at=now,
        expires_at=now + timedelta(hours=desk.settings.session_hours),
    )
    event = desk.event(session.subject, "session.opened", f"session/{session.id}", roles=sorted(roles))
    with desk.database.change(event) as change:
        people.open_session(change, session)
        people.tidy(change, now, attempts_before=now - WINDOW)
    return secret, session


def _present_roles(connection: Connection, person: KnownPerson, now: datetime) -> frozenset[Role] | None:
    if person.subject.issuer != LOCAL_ISSUER:
        return person.roles if is_in_force(person.barred, person.confirmed_until, now) else None
    account = people.account(connection, person.subject.id)
    return None if account is None or account.disabled_at is not None else account.roles


def issue_ticket(desk: Desk, session: StoredSession, host: str) -> str:
    """The secret of a ticket that lets this session into one host, once, within a minute."""
    secret = new_secret()
    ticket = NewTicket(id=fingerprint(secret), session=session.id, host=host, expires_at=desk.clock.now() + TICKET_LIFE)
    event = desk.event(session.subject, "session.ticket-issued", f"session/{session.id}", host=host)
    with desk.database.change(event) as change:
        people.issue_ticket(change, ticket)
    return secret


def redeem_ticket(desk: Desk, secret: str, host: str) -> StoredSession:
    """Spend a ticket at its host. Raises `TREError(LoginFailed)`, whatever is wrong with it."""
    now, identifier = desk.clock.now(), fingerprint(secret)
    with desk.database.change(desk.event(PROGRAM, "session.entered", f"ticket/{identifier}", host=host)) as change:
        return people.spend_ticket(change, identifier, host, now)


def end_session(desk: Desk, identifier: str, actor: Subject) -> bool:
    """End a session on every host; say whether it was in force."""
    now = desk.clock.now()
    with desk.database.read() as connection:
        if people.session(connection, identifier, now) is None:
            return False
    with desk.database.change(desk.event(actor, "session.revoked", f"session/{identifier}")) as change:
        return people.revoke_session(change, identifier, now)
