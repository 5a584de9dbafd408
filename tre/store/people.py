"""Who people are to the launcher: local accounts, everybody known, sessions, one-time tickets, failed sign-ins.

Guarantees: no secret is kept: a password as its argon2id hash, a session and a ticket as the SHA-256 of theirs. A
ticket is spent by one conditional update, so that of two who present it at once one is let in. A session that was
revoked or is over is never returned as one in force. Writing demands a `Change`, and with it an event.

Does not guarantee: that a person may do anything. Roles are what a person held at sign-in; each page asks the rules.

Threat: a copy of the database that opens somebody's session; a ticket seen in a log and used again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update

from tre.domain.errors import Reason, TREError
from tre.domain.identity import is_in_force
from tre.domain.model import Line, Record, UtcTime
from tre.domain.names import hub_user_name
from tre.domain.people import LOCAL_ISSUER, Person, Role, Subject
from tre.store.database import Change
from tre.store.tables.people import accounts, login_failures, people, sessions, tickets

KEEP_ENDED = timedelta(days=30)
"""How long rows of ended sessions are kept; what happened in them stands in the audit log for good."""


class Account(Record):
    """A local account, without its password."""

    name: Line
    display_name: Line
    roles: frozenset[Role]
    created_at: UtcTime
    disabled_at: UtcTime | None = None


class KnownPerson(Record):
    """Somebody whom the launcher has met, or for whom an account was made."""

    subject: Subject
    display_name: Line
    hub_name: Line
    roles: frozenset[Role]
    seen_at: UtcTime | None = None
    barred: Reason | None = None
    fresh_until: UtcTime | None = None
    confirmed_until: UtcTime | None = None


class StoredSession(Record):
    """A sign-in. `id` is the SHA-256 of the secret that the browser holds."""

    id: Line
    subject: Subject
    display_name: Line
    roles: frozenset[Role]
    created_at: UtcTime
    expires_at: UtcTime

    @property
    def person(self) -> Person:
        """The signed-in person as the rules know them."""
        return Person(subject=self.subject, display_name=self.display_name, roles=self.roles)


class NewTicket(Record):
    """A ticket to be kept: the SHA-256 of its secret, the session it stands for, and the one host it is good for."""

    id: Line
    session: Line
    host: Line
    expires_at: UtcTime


# Local accounts.


def account(connection: Connection, name: str) -> Account | None:
    """One local account."""
    row = connection.execute(select(accounts).where(accounts.c.name == name)).one_or_none()
    return None if row is None else _account(row._mapping)


def require_account(connection: Connection, name: str) -> Account:
    """One local account; raises `TREError(MemberNotFound)`."""
    if (found := account(connection, name)) is None:
        raise TREError(
            Reason.MemberNotFound,
            f"There is no account {name!r}.",
            why="The record knows none of that name.",
            remedy="See `tre user list`.",
        )
    return found


def refuse_known(connection: Connection, name: str) -> None:
    """Raise `TREError(AlreadyExists)` where there is an account of this name."""
    if account(connection, name) is not None:
        raise TREError(
            Reason.AlreadyExists,
            f"There is an account {name!r} already.",
            why="A name stands for one person for good.",
            remedy="Set a new password with `tre user passwd`.",
        )


def all_accounts(connection: Connection) -> list[Account]:
    """Every local account, by name."""
    return [_account(row._mapping) for row in connection.execute(select(accounts).order_by(accounts.c.name))]


def password_hash(connection: Connection, name: str) -> str | None:
    """The hash of an account that may sign in; `None` where there is none or it is disabled."""
    usable = (accounts.c.name == name) & accounts.c.disabled_at.is_(None)
    return connection.execute(select(accounts.c.password_hash).where(usable)).scalar()


def add_account(change: Change, new: Account, hashed: str) -> None:
    """Make an account, and the person behind it. Raises `TREError(AlreadyExists)`."""
    refuse_known(change.connection, new.name)
    change.connection.execute(
        insert(accounts).values(
            name=new.name,
            display_name=new.display_name,
            password_hash=hashed,
            roles=_plain_roles(new.roles),
            created_at=new.created_at,
        )
    )
    person = Person(subject=Subject(issuer=LOCAL_ISSUER, id=new.name), display_name=new.display_name, roles=new.roles)
    keep_person(change, person, seen_at=None)


def set_password(change: Change, name: str, hashed: str) -> None:
    """Replace an account's password hash. Raises `TREError(MemberNotFound)`."""
    _update_account(change, name, password_hash=hashed)


def disable_account(change: Change, name: str, now: datetime) -> None:
    """Keep an account from signing in, and its person from everything. Raises `TREError(MemberNotFound)`."""
    _update_account(change, name, disabled_at=now)
    bar(change, Subject(issuer=LOCAL_ISSUER, id=name), Reason.AccountDisabled)


def enable_account(change: Change, name: str) -> None:
    """Let an account sign in again. Raises `TREError(MemberNotFound)`."""
    _update_account(change, name, disabled_at=None)
    _update_person(change, Subject(issuer=LOCAL_ISSUER, id=name), barred=None)


def _update_account(change: Change, name: str, **values: Any) -> None:
    require_account(change.connection, name)
    change.connection.execute(update(accounts).where(accounts.c.name == name).values(**values))


# Everybody.


def everybody(connection: Connection) -> list[KnownPerson]:
    """Everybody who may meet the Hub."""
    return [_person(row._mapping) for row in connection.execute(select(people).order_by(people.c.hub_name))]


def named(connection: Connection, hub_names: Sequence[str]) -> list[KnownPerson]:
    """The people whom the Hub knows by these names, in their order."""
    rows = connection.execute(select(people).where(people.c.hub_name.in_(hub_names)).order_by(people.c.hub_name))
    return [_person(row._mapping) for row in rows]


def subjects(connection: Connection) -> list[tuple[str, str]]:
    """Everybody who was met, as `Subject.key`."""
    return [(row.issuer, row.subject) for row in connection.execute(select(people.c.issuer, people.c.subject))]


def by_subject(connection: Connection, subject: Subject) -> KnownPerson | None:
    """The person with exactly this subject."""
    same = (people.c.issuer == subject.issuer) & (people.c.subject == subject.id)
    row = connection.execute(select(people).where(same)).one_or_none()
    return None if row is None else _person(row._mapping)


def display_names(connection: Connection, subjects: Sequence[Subject]) -> dict[tuple[str, str], str]:
    """What each of these is called, by `Subject.key`; who was never seen is left out."""
    wanted = {subject.key for subject in subjects}
    among = people.c.subject.in_(sorted({subject.id for subject in subjects}))
    rows = connection.execute(select(people.c.issuer, people.c.subject, people.c.display_name).where(among))
    return {key: str(row.display_name) for row in rows if (key := (row.issuer, row.subject)) in wanted}


def by_hub_name(connection: Connection, hub_name: str) -> KnownPerson | None:
    """The person whom the Hub calls so."""
    row = connection.execute(select(people).where(people.c.hub_name == hub_name)).one_or_none()
    return None if row is None else _person(row._mapping)


def keep_person(change: Change, person: Person, seen_at: datetime | None) -> str:
    """Keep who a person is and which roles they hold now; return the Hub's name for them."""
    subject = person.subject
    hub_name = hub_user_name(subject.issuer, subject.id)
    values: dict[str, Any] = {"display_name": person.display_name, "roles": _plain_roles(person.roles)}
    if by_subject(change.connection, subject) is None:
        key = {"issuer": subject.issuer, "subject": subject.id, "hub_name": hub_name}
        change.connection.execute(insert(people).values(**key, **values, seen_at=seen_at))
    else:
        same = (people.c.issuer == subject.issuer) & (people.c.subject == subject.id)
        change.connection.execute(update(people).where(same).values(**values, seen_at=seen_at))
    return hub_name


def bar(change: Change, subject: Subject, why: Reason) -> None:
    """Keep a person out, whatever they signed in to before, until they are let in again."""
    _update_person(change, subject, barred=why)


def confirm(
    change: Change, subject: Subject, *, fresh_until: datetime | None, confirmed_until: datetime | None
) -> None:
    """The provider vouches for a person: what kept them out before is over, and its word counts so long."""
    _update_person(change, subject, barred=None, fresh_until=fresh_until, confirmed_until=confirmed_until)


def _update_person(change: Change, subject: Subject, **values: Any) -> None:
    same = (people.c.issuer == subject.issuer) & (people.c.subject == subject.id)
    change.connection.execute(update(people).where(same).values(**values))


# Sessions.


def open_session(change: Change, session: StoredSession) -> None:
    """Keep a new sign-in."""
    change.connection.execute(
        insert(sessions).values(
            id=session.id,
            issuer=session.subject.issuer,
            subject=session.subject.id,
            display_name=session.display_name,
            roles=_plain_roles(session.roles),
            created_at=session.created_at,
            expires_at=session.expires_at,
        )
    )


def session(connection: Connection, identifier: str, now: datetime) -> StoredSession | None:
    """The session in force with this id: neither over nor revoked, and of a person who is not kept out."""
    row = connection.execute(select(sessions).where(sessions.c.id == identifier, *_in_force(now))).one_or_none()
    found = None if row is None else _session(row._mapping)
    person = None if found is None else by_subject(connection, found.subject)
    if person is not None and not is_in_force(person.barred, person.confirmed_until, now):
        return None
    return found


def sessions_of(connection: Connection, subject: Subject, now: datetime) -> list[StoredSession]:
    """A person's sessions in force, newest first."""
    whose = (sessions.c.issuer == subject.issuer, sessions.c.subject == subject.id)
    rows = connection.execute(select(sessions).where(*whose, *_in_force(now)).order_by(sessions.c.created_at.desc()))
    return [_session(row._mapping) for row in rows]


def revoked_sessions(connection: Connection, now: datetime) -> list[str]:
    """Ids of revoked sessions that would still last: what the gateways must refuse."""
    revoked = (sessions.c.revoked_at.is_not(None), sessions.c.expires_at > now)
    return list(connection.execute(select(sessions.c.id).where(*revoked).order_by(sessions.c.id)).scalars())


def revoke_session(change: Change, identifier: str, now: datetime) -> bool:
    """End a session on every host; say whether it was in force."""
    done = change.connection.execute(
        update(sessions).where(sessions.c.id == identifier, *_in_force(now)).values(revoked_at=now)
    )
    return done.rowcount == 1


def revoke_sessions_of(change: Change, subject: Subject, now: datetime) -> int:
    """End every session of a person; say how many were in force."""
    whose = (sessions.c.issuer == subject.issuer, sessions.c.subject == subject.id)
    done = change.connection.execute(update(sessions).where(*whose, *_in_force(now)).values(revoked_at=now))
    return done.rowcount


def _in_force(now: datetime) -> tuple[Any, Any]:
    return (sessions.c.revoked_at.is_(None), sessions.c.expires_at > now)


# One-time tickets.


def issue_ticket(change: Change, ticket: NewTicket) -> None:
    """Keep a ticket."""
    change.connection.execute(
        insert(tickets).values(id=ticket.id, session=ticket.session, host=ticket.host, expires_at=ticket.expires_at)
    )


def spend_ticket(change: Change, identifier: str, host: str, now: datetime) -> StoredSession:
    """Spend a ticket at a host; return the session it stands for.

    Raises `TREError(LoginFailed)` for a ticket that is unknown, spent, too old, meant for another host, or whose
    session is over: the caller learns no more than that.
    """
    good = (tickets.c.id == identifier, tickets.c.host == host, tickets.c.used_at.is_(None), tickets.c.expires_at > now)
    spent = change.connection.execute(update(tickets).where(*good).values(used_at=now))
    found = None
    if spent.rowcount == 1:
        whose = change.connection.execute(select(tickets.c.session).where(tickets.c.id == identifier)).scalar_one()
        found = session(change.connection, whose, now)
    if found is None:
        raise TREError(Reason.LoginFailed, "This sign-in was used before or is too old.", remedy="Sign in again.")
    return found


# Failed sign-ins.


def attempts_since(connection: Connection, key: str, since: datetime) -> list[datetime]:
    """When sign-ins under a key failed or were begun, oldest first."""
    rows = connection.execute(
        select(login_failures.c.at)
        .where(login_failures.c.key == key, login_failures.c.at > since)
        .order_by(login_failures.c.at)
    )
    return list(rows.scalars())


def count_attempt(change: Change, keys: Iterable[str], now: datetime) -> None:
    """Count a sign-in that begins under each of these keys, before its outcome is known."""
    change.connection.execute(insert(login_failures), [{"key": key, "at": now} for key in keys])


def forgive(change: Change, key: str, at: datetime | None = None) -> None:
    """Forget what was counted under a key, or the one attempt of a moment: somebody proved to be who they say."""
    query = delete(login_failures).where(login_failures.c.key == key)
    change.connection.execute(query if at is None else query.where(login_failures.c.at == at))


def tidy(change: Change, now: datetime, attempts_before: datetime) -> None:
    """Remove rows that nothing asks for any more."""
    change.connection.execute(delete(tickets).where(tickets.c.expires_at < now - KEEP_ENDED))
    change.connection.execute(delete(sessions).where(sessions.c.expires_at < now - KEEP_ENDED))
    change.connection.execute(delete(login_failures).where(login_failures.c.at < attempts_before))


def _plain_roles(roles: Iterable[Role]) -> list[str]:
    return sorted(role.value for role in roles)


def _account(row: Any) -> Account:
    names = ("name", "display_name", "roles", "created_at", "disabled_at")
    return Account.model_validate({name: row[name] for name in names})


def _person(row: Any) -> KnownPerson:
    return KnownPerson(
        subject=Subject(issuer=row["issuer"], id=row["subject"]),
        display_name=row["display_name"],
        hub_name=row["hub_name"],
        roles=row["roles"],
        seen_at=row["seen_at"],
        barred=row["barred"],
        fresh_until=row["fresh_until"],
        confirmed_until=row["confirmed_until"],
    )


def _session(row: Any) -> StoredSession:
    return StoredSession(
        id=row["id"],
        subject=Subject(issuer=row["issuer"], id=row["subject"]),
        display_name=row["display_name"],
        roles=row["roles"],
        created_at=row["created_at"],
        expires_at=row["expires_at"],
    )
