"""What the pages show of a person or an organisation: what is required, what is held, what is missing now.

Guarantees: whether something is missing is worked out by the function that entitlement asks; every view carries what
its person may do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from tre.domain.errors import Reason, TREError
from tre.domain.identity import is_in_force
from tre.domain.people import Person
from tre.domain.standing.models import Holder, Required
from tre.domain.standing.rules import can_record, lacking
from tre.store import grants, people, standings
from tre.store.people import KnownPerson
from tre.store.standings import StoredStanding


@dataclass(frozen=True)
class RequiredRow:
    """One requirement: what it is, and until when it is met; no moment where it is not met now."""

    text: str
    until: datetime | None


@dataclass(frozen=True)
class HolderView:
    """What somebody must hold and holds."""

    holder: Holder
    required: Sequence[RequiredRow]
    held: Sequence[StoredStanding]
    actions: Sequence[str]

    @property
    def missing(self) -> Sequence[RequiredRow]:
        """What is required and not held now."""
        return [row for row in self.required if row.until is None]


def holder_view(connection: Connection, viewer: Person, holder: Holder, now: datetime) -> HolderView:
    """Everything of one holder, what ends last first."""
    rules = standings.rules(connection)
    held = standings.of(connection, [holder])
    asked = rules.organisations if holder.person is None else rules.people
    required = standings.required_of(asked, held, holder)
    return HolderView(
        holder=holder,
        required=[RequiredRow(str(one.requirement), _until(one, now)) for one in required],
        held=held[::-1],
        actions=["add", "end"] if can_record(viewer, holder) else [],
    )


def _until(required: Required, now: datetime) -> datetime | None:
    """The end of the time, without a gap, in which a requirement is met now."""
    if lacking([required], now) is not None:
        return None
    reached = now
    for span in sorted(required.spans, key=lambda span: span.since):
        if span.since <= reached < span.until:
            reached = span.until
    return reached


def kept_out(person: KnownPerson, now: datetime) -> Reason | None:
    """Why a person's sign-ins do not count now, if so."""
    if person.barred is not None:
        return person.barred
    return None if is_in_force(None, person.confirmed_until, now) else Reason.IdentityStale


def require_person(connection: Connection, hub_name: str) -> KnownPerson:
    """A person by the name in an address. Raises `TREError(ObjectNotFound)`."""
    found = people.by_hub_name(connection, hub_name)
    if found is None:
        raise TREError(Reason.ObjectNotFound, "There is no such person.", remedy="Go back to the list of people.")
    return found


def require_organisation(connection: Connection, identifier: str) -> Holder:
    """An organisation that a project is of. Raises `TREError(ObjectNotFound)`."""
    if identifier not in grants.organisations(connection):
        raise TREError(
            Reason.ObjectNotFound, "No project is of this organisation.", remedy="Go back to the list of people."
        )
    return Holder(organisation=identifier)
