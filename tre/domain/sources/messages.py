"""What REMS says, read strictly: its answers, its events, and the entitlements that it pushes.

Guarantees: keys that are not needed are left alone, those that are needed must have their form; an answer is taken as
a whole or not at all, but for people whose names nobody can have here: these are left out and told. Nothing that comes
in between gives access: it says what is over, or that something is to be asked for.

Does not guarantee: that REMS tells of everything. It says nothing when an end passes, and gives a message up after a
day (REMS: `rems.db.outbox`); the next answer makes up for it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from tre.domain.canonical import digest
from tre.domain.errors import Reason, TREError
from tre.domain.model import Record, parse_record
from tre.domain.sources.policy import Foreign
from tre.domain.sources.truth import Entitlement, Withheld

MOST_ROWS = 200_000
ENDS = frozenset({"closed", "deleted", "rejected", "revoked"})
"""Events after which nobody is entitled by the application."""

MEMBER_REMOVED = "member-removed"
_KIND = re.compile(r"application\.event/([a-z][a-z-]{0,59})")
_LONG_AGO = "1970-01-01T00:00:00Z"
"""What is pushed says no beginning."""


class Read(NamedTuple):
    """An answer's entitlements, and what was left out of it and why."""

    entitlements: tuple[Entitlement, ...]
    refused: tuple[TREError, ...]


class Message(NamedTuple):
    """What came in between: its identity where it has one, what it is, and what is over by it."""

    identity: str | None
    kind: str
    over: tuple[Withheld, ...] = ()


class _User(Record):
    user: Foreign


def read_answer(value: object) -> Read:
    """The entitlements of an answer. Raises `TREError(BadInput)` where it is none, or any row is none."""
    if not isinstance(value, list) or len(value) > MOST_ROWS:
        raise _no_message("The answer is not a list of entitlements", f"a list of at most {MOST_ROWS} is due")
    found, refused = [], []
    for number, row in enumerate(value):
        plain = _mapping(row, f"entitlement {number}")
        user = _mapping(plain.get("user"), f"the user of entitlement {number}").get("userid")
        try:
            parse_record(_User, {"user": user}, source=f"The user of entitlement {number}")
        except TREError as error:
            refused.append(error)
            continue
        fields = {"application": plain.get("application-id"), "resource": plain.get("resource"), "user": user}
        times = {"start": plain.get("start"), "end": plain.get("end")}
        found.append(parse_record(Entitlement, fields | times, source=f"Entitlement {number}"))
    return Read(tuple(found), tuple(refused))


def read_event(value: object, number: int) -> Message:
    """An event that was notified; `number` is its place among all messages. Raises `TREError(BadInput)`."""
    plain = _mapping(value, "the event")
    identity, kind = plain.get("event/id"), plain.get("event/type")
    if type(identity) is not int or not 0 <= identity < 2**63:
        raise _no_message("The event has no identity", "event/id is due")
    if not isinstance(kind, str) or (named := _KIND.fullmatch(kind)) is None:
        raise _no_message("The event has no kind", "event/type is due")
    kind = named[1]
    head = {"number": number, "application": plain.get("application/id")}
    whole = parse_record(Withheld, head, source="The event")
    if kind in ENDS:
        return Message(f"event {identity}", kind, (whole,))
    if kind == MEMBER_REMOVED and isinstance(member := plain.get("application/member"), Mapping):
        over = parse_record(Withheld, head | {"user": member.get("userid")}, source="The event")
        return Message(f"event {identity}", kind, (over,) if over.user is not None else (whole,))
    return Message(f"event {identity}", kind)


def read_push(value: object, number: int, now: datetime, *, removed: bool) -> Message:
    """Entitlements that were pushed, as a list or one alone. Which of both it is, added or removed, only the address
    says that was called. Raises `TREError(BadInput)`, also for one that was added and has ended."""
    rows = value if isinstance(value, list) else [value]
    if not 0 < len(rows) <= MOST_ROWS:
        raise _no_message("Nothing was pushed", "entitlements are due")
    maps = [_mapping(row, "what was pushed") for row in rows]
    over = tuple(_pushed(row, number, None if removed else now) for row in maps)
    if not removed:
        return Message(None, "added")
    if any(row.get("end") is None for row in maps):  # without the moment of the removal it is never a repeat
        return Message(None, "removed", over)
    return Message(f"removed {digest({'rows': list(_shown(maps))})}", "removed", over)


def _pushed(plain: Mapping[str, Any], number: int, now: datetime | None) -> Withheld:
    named = {"application": plain.get("application"), "resource": plain.get("resource"), "user": plain.get("user")}
    start = {"start": _LONG_AGO, "end": plain.get("end")}
    one = parse_record(Entitlement, named | start, source="What was pushed")
    if now is not None and not one.holds(now):
        raise _no_message("An entitlement was pushed that has ended", "an end to come is due, or none")
    return Withheld(number=number, application=one.application, resource=one.resource, user=one.user)


def _shown(rows: list[Mapping[str, Any]]) -> Iterator[dict[str, str]]:
    for row in rows:
        yield {key: str(row.get(key)) for key in ("application", "resource", "user", "end")}


def _mapping(value: object, what: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise _no_message(f"{what[:1].upper()}{what[1:]} cannot be read", "a mapping is due")
    return value


def _no_message(what: str, due: str) -> TREError:
    return TREError(Reason.BadInput, f"{what}: {due}.", why="What a source says is read strictly; nothing was changed.")
