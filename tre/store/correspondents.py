"""How people are reached: their address, where one is known, and how they want letters.

Guarantees: an address is one that `tre.domain.letters.address` lets pass, or none; what somebody chose stays when their
address changes or goes. Who is kept out of here is not written to, and is again once they are let in.

Does not guarantee: that an address still belongs to somebody. It is what a provider vouched for at the last sign-in, or
what an operator gave.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, insert, select, update

from tre.domain.letters.models import Correspondent, Pace
from tre.domain.people import LOCAL_ISSUER, Subject
from tre.store.database import Change
from tre.store.tables.letters import correspondents
from tre.store.tables.people import accounts, people


def get(connection: Connection, subject: Subject) -> Correspondent:
    """How somebody is reached; who was never written down has no address and wants letters at once."""
    row = connection.execute(select(correspondents).where(*_same(subject))).mappings().one_or_none()
    if row is None:
        return Correspondent(subject=subject)
    return Correspondent(subject=subject, address=row["address"], pace=Pace(row["pace"]))


def reachable(connection: Connection, subjects: Iterable[Subject]) -> dict[tuple[str, str], Correspondent]:
    """Those of these people who have an address, by `Subject.key`.

    Who is kept out has none: a disabled account, and anybody whom the provider vouches for no more. Who was only not
    asked about for a while is written to: that the provider does not answer is nobody's fault.
    """
    out = _kept_out(connection)
    found = {}
    for subject in subjects:
        known = get(connection, subject)
        if known.address is not None and subject.key not in out:
            found[subject.key] = known
    return found


def _kept_out(connection: Connection) -> set[tuple[str, str]]:
    disabled = connection.execute(select(accounts.c.name).where(accounts.c.disabled_at.is_not(None))).scalars()
    barred = connection.execute(select(people.c.issuer, people.c.subject).where(people.c.barred.is_not(None)))
    return {(LOCAL_ISSUER, name) for name in disabled} | {(row.issuer, row.subject) for row in barred}


def without_address(connection: Connection) -> int:
    """How many people who signed in here, or have an account, cannot be written to."""
    with_address = {
        (row.issuer, row.subject)
        for row in connection.execute(select(correspondents).where(correspondents.c.address.is_not(None)))
    }
    everybody = {(row.issuer, row.subject) for row in connection.execute(select(people.c.issuer, people.c.subject))}
    return len(everybody - with_address)


def set_address(change: Change, subject: Subject, address: str | None, now: datetime) -> None:
    """Keep somebody's address, or that there is none."""
    _set(change, subject, {"address": address, "changed_at": now})


def set_pace(change: Change, subject: Subject, pace: Pace, now: datetime) -> None:
    """Keep how somebody wants letters."""
    _set(change, subject, {"pace": pace.value, "changed_at": now})


def _set(change: Change, subject: Subject, values: dict[str, Any]) -> None:
    done = change.connection.execute(update(correspondents).where(*_same(subject)).values(**values))
    if done.rowcount == 0:
        first = {"issuer": subject.issuer, "subject": subject.id, "address": None, "pace": Pace.at_once.value}
        change.connection.execute(insert(correspondents).values(**(first | values)))


def _same(subject: Subject) -> tuple[Any, Any]:
    return (correspondents.c.issuer == subject.issuer, correspondents.c.subject == subject.id)
