"""What moves by itself in a request, told to a page that waits: copying, checking, releasing.

Guarantees: a stream says what the person may see at that moment, and ends where the person may see nothing any more
or nothing moves; the same words stand in the page, which loads itself again where there is no script.
"""

from __future__ import annotations

from typing import Any

from fastapi import Request
from starlette.responses import Response, StreamingResponse

from tre.domain.errors import TREError
from tre.domain.exports.states import BlindPhase, ExportState
from tre.portal import export_actions, export_words
from tre.portal.context import Desk
from tre.portal.export_views import ExportView, export_view
from tre.portal.live import Live
from tre.portal.sessions import Visitor
from tre.store import people


def stream_of(request: Request, desk: Desk, who: Visitor, export: str) -> Response:
    """Server-sent events about a request. Raises `TREError(ExportNotFound)` or `TREError(RateLimited)`."""
    streams: Live = request.app.state.live
    with desk.database.read() as connection:
        export_actions.find(desk, connection, who.person, export)
    streams.check_room(who.session.id)
    body = streams.stream(who.session.id, lambda: _message(desk, who, export))
    return StreamingResponse(body, media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})


def _message(desk: Desk, who: Visitor, export: str) -> dict[str, Any] | None:
    with desk.database.read() as connection:
        if people.session(connection, who.session.id, desk.clock.now()) is None:
            return None
        try:
            found = export_actions.find(desk, connection, who.person, export)
        except TREError:
            return None
        view = export_view(desk, connection, who.person, found)
    return message_of(view)


def message_of(view: ExportView) -> dict[str, Any]:
    """What a waiting page is told of a request."""
    return {
        "label": label_of(view),
        "colour": colour_of(view),
        "words": "",
        "steps": [{"step": name, "reached": reached} for name, _, reached in steps_of(view)],
        "running": False,
        "done": not view.waiting,
    }


def label_of(view: ExportView) -> str:
    """What is going on now, in two words."""
    if view.leaving or view.request.phase is not BlindPhase.AUTHOR:
        return view.words.text
    if view.work.busy:
        return "Checking files" if view.work.copied else "Copying files"
    return "Looking into the outbox" if view.own and view.work.waits_for_list else view.words.text


def colour_of(view: ExportView) -> str:
    """The colour that goes with it."""
    busy = view.request.phase is BlindPhase.AUTHOR and view.waiting
    return "blue" if busy else export_words.STATE_COLOURS[view.request.state]


def steps_of(view: ExportView) -> list[tuple[str, str, bool]]:
    """The steps of what is going on: name, words, whether it is reached."""
    state = view.request.state
    if view.leaving:
        return [
            ("confirmed", "Confirmed by a checker", True),
            ("recorded", "Delay over, decision on record", state is ExportState.Releasing),
            ("released", "Files packed and released", False),
        ]
    if view.request.phase is BlindPhase.AUTHOR and view.work.busy:
        return [
            ("copied", "Files copied into the airlock", view.work.copied),
            ("checked", "Files checked", False),
        ]
    return []
