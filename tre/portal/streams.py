"""Answering a page that waits: one way for everything that has a state of its own.

Guarantees: whoever may not see a thing is refused before a stream opens; a stream ends when the session does, and when
what it tells about cannot be seen any more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from fastapi import Request
from starlette.responses import Response, StreamingResponse

from tre.domain.errors import TREError
from tre.portal.context import Desk
from tre.portal.live import Live, Tell
from tre.portal.sessions import Visitor
from tre.store import people


def stream_of(request: Request, desk: Desk, who: Visitor, tell: Callable[[], dict[str, Any]]) -> Response:
    """Server-sent events of what `tell` says. Raises as `tell` does, and `TREError(RateLimited)`."""
    tell()
    streams: Live = request.app.state.live
    streams.check_room(who.session.id)
    body = streams.stream(who.session.id, while_in_force(desk, who, tell))
    return StreamingResponse(body, media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})


def while_in_force(desk: Desk, who: Visitor, tell: Callable[[], dict[str, Any]]) -> Tell:
    """The same for as long as the session is in force and `tell` refuses nothing."""

    def now() -> dict[str, Any] | None:
        with desk.database.read() as connection:
            if people.session(connection, who.session.id, desk.clock.now()) is None:
                return None
        try:
            return tell()
        except TREError:
            return None

    return now


def progress_message(label: str, colour: str, steps: Iterable[tuple[str, str, bool]], *, done: bool) -> dict[str, Any]:
    """What a page that waits is told of something that goes on by steps (name, words, whether it is reached)."""
    return {
        "label": label,
        "colour": colour,
        "words": "",
        "steps": [{"step": name, "reached": reached} for name, _, reached in steps],
        "running": False,
        "done": done,
    }
