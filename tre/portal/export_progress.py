"""What moves by itself in a request, told to a page that waits: copying, checking, releasing.

Guarantees: a stream says what the person may see at that moment, and ends where the person may see nothing any more
or nothing moves; the same words stand in the page, which loads itself again where there is no script.
"""

from __future__ import annotations

from typing import Any

from fastapi import Request
from starlette.responses import Response

from tre.domain.exports.states import BlindPhase, ExportState
from tre.portal import export_actions, export_words, streams
from tre.portal.context import Desk
from tre.portal.export_views import ExportView, export_view
from tre.portal.sessions import Visitor


def stream_of(request: Request, desk: Desk, who: Visitor, export: str) -> Response:
    """Server-sent events about a request. Raises `TREError(ExportNotFound)` or `TREError(RateLimited)`."""

    def tell() -> dict[str, Any]:
        with desk.database.read() as connection:
            found = export_actions.find(desk, connection, who.person, export)
            return message_of(export_view(desk, connection, who.person, found))

    return streams.stream_of(request, desk, who, tell)


def message_of(view: ExportView) -> dict[str, Any]:
    """What a waiting page is told of a request."""
    return streams.progress_message(label_of(view), colour_of(view), steps_of(view), done=not view.waiting)


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
