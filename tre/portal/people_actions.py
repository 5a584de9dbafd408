"""What operators do at the desk about what people and organisations hold: record it, end it.

Guarantees: the same rules as at the command line; whoever acts is not who holds it; each change has its event, which
holds all of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field, ValidationError

from tre.domain.errors import Reason, TREError
from tre.domain.model import Line, Record
from tre.domain.people import Person
from tre.domain.standing.asked import AskedStanding, standing_of
from tre.domain.standing.models import Holder, as_detail
from tre.domain.standing.rules import check_record
from tre.portal.context import Desk
from tre.store import standings
from tre.store.standings import StoredStanding

_MISTAKES = {
    "kind": "Choose what it is.",
    "name": "Write its name in lower-case letters, digits and hyphens, for example safe-researcher.",
    "until": "Write the last day as 2027-06-30.",
    "since": "Write the first day as 2027-06-30, or leave it empty.",
    "reference": "Write the number on one line, in at most 200 characters.",
}
"""The fields of the form, and what is said of one that cannot be read."""


class MistakeError(TREError):
    """What was typed cannot be read; `field` is where."""

    def __init__(self, field: str) -> None:
        super().__init__(Reason.BadInput, _MISTAKES[field])
        self.field = field


class EndRequest(Record):
    """Why something ends early."""

    reason: Annotated[Line, Field(min_length=1, max_length=500)]


def asked_of(form: Mapping[str, str]) -> AskedStanding:
    """A standing as a form names it; an empty field was not filled in. Raises `MistakeError`."""
    given = {name: value for name in _MISTAKES if (value := form.get(name, "").strip())}
    try:
        return AskedStanding.model_validate(given)
    except ValidationError as error:
        wrong = {str(problem["loc"][0]) for problem in error.errors()}
        raise MistakeError(next(name for name in _MISTAKES if name in wrong)) from error


def add(desk: Desk, person: Person, holder: Holder, asked: AskedStanding) -> str:
    """Record what somebody holds; its identifier. Raises `TREError(NotPermitted | BadInput)`."""
    check_record(person, holder)
    new = standing_of(asked, holder, desk.clock.now())
    event = desk.event(person.subject, "standing.added", holder.object, **as_detail(new))
    with desk.database.change(event) as change:
        return standings.add(change, new)


def end(desk: Desk, person: Person, holder: Holder, identifier: str, why: EndRequest) -> None:
    """End what somebody holds. Raises `TREError(NotPermitted | ObjectNotFound | StateForbids)`."""
    check_record(person, holder)
    with desk.database.read() as connection:
        found = _own(standings.require(connection, identifier), holder)
    detail = {"standing": identifier, "what": str(found.meets), "reason": why.reason}
    with desk.database.change(desk.event(person.subject, "standing.ended", holder.object, **detail)) as change:
        standings.end(change, identifier, desk.clock.now())


def _own(found: StoredStanding, holder: Holder) -> StoredStanding:
    if found.holder != holder:
        raise TREError(Reason.ObjectNotFound, "There is no such standing.", remedy="Load the page again.")
    return found
