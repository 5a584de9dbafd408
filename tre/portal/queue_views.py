"""Where somebody stands in the queue for room, in numbers and in words.

Guarantees: the place is worked out by the same rule that the controller starts by; the words name nobody else and no
other project. When room comes is said only as what is known: by when enough of what is open now ends by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection

from tre.domain.workspaces.admission import Place, places
from tre.domain.workspaces.models import Workspace
from tre.domain.workspaces.states import WorkspacePhase
from tre.portal.context import Portal
from tre.portal.pages import distance
from tre.store import queue
from tre.system.room import needs_of

UNKNOWN = "Nobody can say when there is room: it depends on when people stop their workspaces."
AT_ONCE = "There is room at any moment."


def places_of(portal: Portal, connection: Connection, shown: Sequence[Workspace]) -> dict[str, Place]:
    """The places of those who wait, by workspace; nothing is read where none of those shown does."""
    if not any(one.phase is WorkspacePhase.Queued for one in shown):
        return {}
    return places(queue.scene(connection, portal.room, needs_of(portal.settings), portal.clock.now()))


def place_words(place: Place) -> str:
    """`Number 2 of 5 in the queue`."""
    return f"Number {place.position} of {place.of} in the queue"


def room_words(place: Place, now: datetime) -> str:
    """What is known of when there is room."""
    if place.room_by is None:
        return UNKNOWN
    if place.room_by <= now:
        return AT_ONCE
    when = f"{place.room_by.day} {place.room_by:%B, %H:%M} UTC"
    return f"At the latest {distance(place.room_by, now)} ({when}) enough workspaces end by themselves. " + _SOONER


_SOONER = "People often stop theirs sooner. A project that holds fewer workspaces may come first for a while."
