"""Searching the audit log: what was asked on a page or typed into its address, and the events that fit.

Guarantees: a value that is none finds nothing or is refused, never everything; what belongs to a project or a slice is
taken from the record. Taking events away is an event of its own, committed before the first line is handed out.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta
from urllib.parse import urlencode

from sqlalchemy import Connection

from tre.domain.desk.questions import question_of
from tre.domain.errors import Reason, TREError
from tre.domain.model import Record, as_line
from tre.domain.people import Person
from tre.portal.context import Desk
from tre.store import events, exports, grant_slices, imports, workspaces
from tre.store.events import MAX_PAGE, EventSearch, StoredEvent

PAGE = 50
MOST_LINES = 20_000
"""Most events that are taken away at once: the whole log is for `tre audit export`."""

MOST_OBJECTS = 5_000


class Asked(Record):
    """What somebody wants to find, as the form's fields; empty means anything."""

    question: str = ""
    about: str = ""
    kind: str = ""
    who: str = ""
    since: str = ""
    until: str = ""

    def query(self) -> str:
        """The same for an address, without what is empty."""
        return urlencode({_FIELDS[name]: value for name, value in self.model_dump().items() if value})


_FIELDS = {name: name for name in Asked.model_fields} | {"about": "object"}
"""What each is called in a form and in an address."""


def asked(fields: Mapping[str, str]) -> Asked:
    """What was asked by a form or an address, each field as one line."""
    return Asked(**{name: as_line(fields.get(field, ""), 600) for name, field in _FIELDS.items()})


def find(connection: Connection, wanted: Asked, before: int | None, limit: int = PAGE) -> list[StoredEvent]:
    """The events that fit, newest first. Raises `TREError(BadInput)` for a day that is none."""
    question = question_of(wanted.question)
    if wanted.question and question is None:
        return []
    about = wanted.about or None
    kinds = question.kinds if question else ()
    if wanted.kind:
        if kinds and wanted.kind not in kinds:
            return []
        kinds = (wanted.kind,)
    objects = None if about is None or question is None else belonging(connection, about)
    search = EventSearch(
        object=about if objects is None else None,
        objects=objects,
        kinds=kinds,
        who=wanted.who or None,
        since=_day(wanted.since, "since"),
        until=_day(wanted.until, "until", 1),
        before=before,
        limit=limit,
    )
    return events.search(connection, search)


def belonging(connection: Connection, about: str) -> tuple[str, ...]:
    """A project's or a slice's objects in the log; anything else is only itself."""
    kind, _, name = about.partition("/")
    if kind == "grant":
        grants = [name]
    elif kind == "slice":
        grants = grant_slices.holders(connection, name)
    else:
        return (about,)
    found = [about]
    for grant in grants:
        found.append(f"grant/{grant}")
        found += [f"slice/{item.slice_id}" for item in grant_slices.of_grant(connection, grant)]
        found += [f"workspace/{item.name}" for item in workspaces.of_grant(connection, grant)]
        for item in exports.of_grant(connection, grant):
            found += [f"export/{item.id}", f"release/{item.id}"]
        found += [f"import/{item.id}" for item in imports.of_grant(connection, grant)]
    return tuple(dict.fromkeys(found))[:MOST_OBJECTS]


def take_away(desk: Desk, person: Person, wanted: Asked) -> Iterator[bytes]:
    """The events that fit as lines of JSON, newest first; that they were taken is put on record first."""
    with desk.database.read() as connection:
        find(connection, wanted, None, 1)  # what is refused is refused before anything is written
    told = {name: value for name, value in wanted.model_dump().items() if value}
    with desk.database.change(desk.event(person.subject, "log.handed-out", "log/desk", asked=told)):
        pass  # the event is all there is to keep
    return _lines(desk, wanted)


def _lines(desk: Desk, wanted: Asked) -> Iterator[bytes]:
    before: int | None = None
    for _ in range(MOST_LINES // MAX_PAGE):
        with desk.database.read() as connection:
            found = find(connection, wanted, before, MAX_PAGE)
        for stored in found:
            yield json.dumps(stored.as_plain(), sort_keys=True).encode() + b"\n"
        if len(found) < MAX_PAGE:
            return
        before = found[-1].number


def _day(text: str, field: str, later: int = 0) -> datetime | None:
    if not text:
        return None
    try:
        day = date.fromisoformat(text) + timedelta(days=later)
    except (ValueError, OverflowError) as error:
        raise TREError(
            Reason.BadInput, f"The field {field} holds no day.", remedy="Write it as 2026-11-01, or leave it empty."
        ) from error
    return datetime.combine(day, time(), UTC)
