"""How an event becomes what people are told; the table itself is `tre.domain.letters.table`.

Guarantees: an event that stands in no line concerns nobody; a letter uses the words of its line, resource names and
moments, and nothing else: neither an event's detail nor anything that people typed can get into it. Whoever did a thing
is not told of it.

Does not guarantee: that a letter is sent; nor that the state it tells of still stands when it is read. It says when.

Threat: a mailbox outside of the walls that collects what is inside them; a refusal that tells of a vote.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from tre.domain.events import SYSTEM_ISSUER, Event
from tre.domain.letters.models import Draft
from tre.domain.people import Subject


class Relation(StrEnum):
    """What somebody is to the object of an event."""

    author = "author"
    checkers = "checkers"
    """Who may review it now: in the role, independent of it and not away; for other objects, all in the role."""

    seated = "seated"
    """Checkers who have a seat at its review."""

    owner = "owner"
    """Of a workspace: whose it is."""

    named = "named"
    """Whom the event itself names."""

    members = "members"
    lead = "lead"
    committee = "committee"
    data_managers = "data-managers"
    operators = "operators"


@dataclass(frozen=True)
class Circle:
    """The people around an object, its state now, and the few words about it that a letter may use."""

    people: Mapping[Relation, frozenset[Subject]]
    state: str = ""
    words: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Topic:
    """One line: people of these relations are told this, where it is so in that state and with that in the detail.

    `where` is a key of the event's detail and the values with which the line applies. `page` is an address at the desk.
    """

    kind: str
    to: tuple[Relation, ...]
    subject: str
    text: str
    page: str
    acts: bool = False
    always: bool = False
    states: frozenset[str] = frozenset()
    where: tuple[str, frozenset[Any]] | None = None


_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{0,100}")


def safe_words(**values: str) -> dict[str, str]:
    """Of these words those that are resource names: what people may have typed freely is left out."""
    return {key: value for key, value in values.items() if _NAME.fullmatch(value)}


def drafts(event: Event, circle: Circle, topics: Iterable[Topic]) -> list[Draft]:
    """What people are told of an event, each of them once, by the first line that names them.

    A line whose words are not all known tells nobody anything.
    """
    found: dict[tuple[str, str], Draft] = {}
    for topic in topics:
        said = _said(topic, circle) if applies(topic, event, circle) else None
        if said is None:
            continue
        for subject in _people(topic, event, circle):
            known = Draft(subject, *said, acts=topic.acts, always=topic.always)
            found.setdefault(subject.key, known)
    return list(found.values())


def applies(topic: Topic, event: Event, circle: Circle) -> bool:
    """Whether a line is about this event, as its object is now."""
    if topic.kind != event.kind or (topic.states and circle.state not in topic.states):
        return False
    if topic.where is None:
        return True
    key, values = topic.where
    found = event.detail.get(key)
    return any(found == value and type(found) is type(value) for value in values)


def _people(topic: Topic, event: Event, circle: Circle) -> list[Subject]:
    around = {one.key: one for relation in topic.to for one in circle.people.get(relation, frozenset())}
    return [around[key] for key in sorted(around) if key != event.actor.key and key[0] != SYSTEM_ISSUER]


def _said(topic: Topic, circle: Circle) -> tuple[str, str, str] | None:
    try:
        subject, text, page = (part.format(**circle.words) for part in (topic.subject, topic.text, topic.page))
    except KeyError:
        return None
    return subject, text, page
