"""What moves by itself on the way in, told to a page that waits: copying, checking, placing.

Guarantees: a stream says what the person may see at that moment, and ends where the person may see nothing any more
or nothing moves; the same words stand in the page, which loads itself again where there is no script.
"""

from __future__ import annotations

from typing import Any

from fastapi import Request
from starlette.responses import Response

from tre.domain.imports.states import ImportState
from tre.portal import import_actions, import_words, streams
from tre.portal.context import Desk
from tre.portal.import_views import ImportView, import_view
from tre.portal.sessions import Visitor


def stream_of(request: Request, desk: Desk, who: Visitor, name: str) -> Response:
    """Server-sent events about a request. Raises `TREError(ImportNotFound)` or `TREError(RateLimited)`."""

    def tell() -> dict[str, Any]:
        with desk.database.read() as connection:
            found = import_actions.find(desk, connection, who.person, name)
            return message_of(import_view(desk, connection, who.person, found))

    return streams.stream_of(request, desk, who, tell)


def message_of(view: ImportView) -> dict[str, Any]:
    """What a waiting page is told of a request."""
    return streams.progress_message(label_of(view), colour_of(view), steps_of(view), done=not view.waiting)


def label_of(view: ImportView) -> str:
    """What is going on now, in two words."""
    if view.editing and view.work.busy:
        return "Checking files" if view.work.copied else "Copying files"
    return view.words.text


def colour_of(view: ImportView) -> str:
    """The colour that goes with it."""
    return "blue" if view.editing and view.work.busy else import_words.STATE_COLOURS[view.request.state]


def steps_of(view: ImportView) -> list[tuple[str, str, bool]]:
    """The steps of what is going on: name, words, whether it is reached."""
    if view.coming:
        return [
            ("approved", "Approved by a checker", True),
            ("recorded", "Everything looked at once more", view.request.state is ImportState.Placing),
            ("placed", "Files placed in the workspaces", False),
        ]
    if view.editing and view.work.busy:
        return [
            ("copied", "Files copied into the airlock", view.work.copied),
            ("checked", "Files checked", False),
        ]
    return []
