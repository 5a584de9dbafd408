"""What happened, as pages tell it: the events that mean something to people, in their words and with their names.

Guarantees: an event without words is left out, never shown as a code; what somebody wrote is told as they wrote it;
neighbours that say the same become one line. The whole course, event by event, is the operator's audit log.

Does not guarantee: who may see which event. Whoever asks for lines has looked at that before.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from tre.domain.errors import Reason
from tre.domain.events import SYSTEM_ISSUER
from tre.domain.people import Subject
from tre.portal.views import display_name
from tre.portal.words import WORDS
from tre.store.events import StoredEvent

KEYBOARD = "machine"
"""The issuer of people who typed a command on the machine itself."""

_PLAIN = frozenset({Reason.Entitled.value, Reason.Requested.value})
"""Reasons that say nothing which the event does not say."""


@dataclass(frozen=True)
class HistoryLine:
    """One thing that happened: what, what is to be said about it, when, and by whom."""

    text: str
    detail: str
    at: datetime
    by: str


def history_lines(
    connection: Connection, found: Iterable[StoredEvent], texts: Mapping[str, str]
) -> tuple[HistoryLine, ...]:
    """Events as lines, in the order they come in. `texts` says which kinds are told, and how."""
    lines: list[HistoryLine] = []
    for stored in found:
        text = texts.get(stored.event.kind)
        if text is None:
            continue
        line = HistoryLine(text, _detail(stored), stored.event.at, actor_words(connection, stored.event.actor))
        if not lines or (lines[-1].text, lines[-1].detail) != (line.text, line.detail):
            lines.append(line)
    return tuple(lines)


def actor_words(connection: Connection, actor: Subject) -> str:
    """Who did something: a person's name, the service itself, or somebody at the machine's keyboard."""
    if actor.issuer == SYSTEM_ISSUER:
        return "the service"
    if actor.issuer == KEYBOARD:
        return f"{actor.id}, on the command line"
    return display_name(connection, actor)


def _detail(stored: StoredEvent) -> str:
    """The reason of an event: its words where it is one of ours, else what a person wrote."""
    reason = str(stored.event.detail.get("reason") or "")
    if reason in _PLAIN:
        return ""
    return WORDS[Reason(reason)].text if reason in Reason.__members__ else reason
