"""The shell: our page around the Lab, and the live facts it shows.

Guarantees: the page frames one Lab in a sandbox without popups, downloads and navigation of the window; it shows the
project, the person, the end with a countdown and the budgets, tells the progress of a start, warns before the end,
and when access ends removes the Lab and says why. It is served with a policy that lets no script but ours run, and
ours writes text only. The way into the Lab is a ticket given to this page alone, after the decision was asked.

Does not guarantee: what runs inside the frame. It is of another origin, which cannot touch this page.

Threat: a page in the Lab that carries data away in an address; a person who does not know why a window went blank.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import defaultdict
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

from aiohttp import web
from jinja2 import Environment, FileSystemLoader

from tre.domain.clock import Clock
from tre.domain.errors import Reason
from tre.gateway.budgets import Budgets
from tre.gateway.decisions import Session, check_caller, decide, moment_of
from tre.gateway.entry import Entry
from tre.gateway.headers import shell_headers, transport_headers
from tre.gateway.hosts import Place
from tre.gateway.origins import check_same_origin
from tre.gateway.outbox import Outbox
from tre.gateway.refusals import STYLE, RefusedError
from tre.gateway.sessions import CookieKind, LabTickets, Sessions
from tre.gateway.shell_state import Scene, describe
from tre.gateway.table import Table
from tre.system.settings import Settings

_HERE = Path(__file__).parent
_ASSETS = {"shell.css": "text/css", "shell.js": "text/javascript"}
_BEAT_SECONDS = 5.0
_PREFIX = "/.tre/"


class Bells:
    """Wakes the open shell pages of a workspace when something about it changed."""

    def __init__(self) -> None:
        self._waiting: defaultdict[str, set[asyncio.Event]] = defaultdict(set)

    @contextlib.contextmanager
    def listen(self, workspace: str) -> Iterator[asyncio.Event]:
        """An event that is set at each change."""
        bell = asyncio.Event()
        self._waiting[workspace].add(bell)
        try:
            yield bell
        finally:
            self._waiting[workspace].discard(bell)
            if not self._waiting[workspace]:
                del self._waiting[workspace]

    def ring(self, workspaces: frozenset[str] | None) -> None:
        """Wake those who listen to these workspaces; `None` wakes everybody."""
        for workspace in tuple(self._waiting) if workspaces is None else workspaces:
            for bell in self._waiting.get(workspace, ()):
                bell.set()


class Shell:
    """Everything behind `<workspace>.open.<base>`."""

    def __init__(
        self,
        settings: Settings,
        clock: Clock,
        table: Table,
        budgets: Budgets,
        outbox: Outbox,
        access: tuple[Sessions, LabTickets, Entry],
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._table = table
        self._budgets = budgets
        self._outbox = outbox
        self._sessions, self._tickets, self._entry = access
        self.bells = Bells()
        self._assets = {name: (_HERE / "assets" / name).read_bytes() for name in _ASSETS}
        templates = Environment(loader=FileSystemLoader(_HERE / "templates"), autoescape=True)
        self._page = templates.get_template("shell.html")
        self._handlers = {
            ("GET", "/"): self._show_page,
            ("GET", "/.tre/events"): self._send_events,
            ("GET", "/.tre/state"): self._send_state,
            ("POST", "/.tre/lab"): self._give_ticket,
        }

    async def serve(self, request: web.BaseRequest, place: Place) -> web.StreamResponse:
        """Answer a request to a shell host. Raises `RefusedError`."""
        path = request.raw_path.partition("?")[0]
        if request.method == "GET" and path.startswith(f"{_PREFIX}static/"):
            return self._asset(path)
        if (request.method, path) == ("GET", "/.tre/ticket"):
            return await self._entry.take_ticket(request, place.host)
        if (request.method, path) == ("GET", "/favicon.ico"):
            return web.Response(status=204)
        handler = self._handlers.get((request.method, path))
        if handler is None:
            raise RefusedError(404, Reason.NotPermitted, "There is no such page.")
        session = self._sessions.read(request, CookieKind.shell, place.host)
        if session is None or self._is_revoked(place, session):
            if path == "/":
                return self._entry.send_to_sign_in(request)
            raise RefusedError(403, Reason.LoginRequired)
        return await handler(request, place, session)

    def style(self) -> web.Response:
        """The style of the gateway's own pages."""
        return self._asset(STYLE)

    def lab_origin(self, workspace: str) -> str:
        """The origin of a workspace's Lab."""
        return self._settings.origin(f"{workspace}.lab")

    def headers(self, place: Place) -> dict[str, str]:
        """The headers of every response of a shell host."""
        return shell_headers(self.lab_origin(place.workspace), transport_headers(self._settings.tls))

    def _is_revoked(self, place: Place, session: Session) -> bool:
        return self._table.standing(place.workspace, session).session_revoked

    def _state(self, place: Place, session: Session) -> dict[str, Any]:
        standing = self._table.standing(place.workspace, session)
        moment = moment_of(self._clock)
        reason = check_caller(standing, session, moment)
        if reason is None and standing.route is None:
            reason = Reason.StreamStale if standing.trusted_until is None else Reason.NotPermitted
        if reason is not None:
            theirs = "This workspace belongs to somebody else, or there is none of this name."
            text = theirs if reason is Reason.NotPermitted else ""
            raise RefusedError(503 if reason is Reason.StreamStale else 403, reason, text)
        silent_for = 0.0 if self._table.heard_at is None else moment.boottime - self._table.heard_at
        desk = f"{self._settings.origin('desk')}/workspaces/{place.workspace}"
        cap = timedelta(hours=self._settings.workspace_cap_hours)
        return describe(Scene(standing, session, moment, self._budgets, silent_for, desk, cap))

    async def _show_page(self, request: web.BaseRequest, place: Place, session: Session) -> web.StreamResponse:
        del request
        state = self._state(place, session)
        body = self._page.render(state=state)
        status = 403 if state["view"] == "ended" else 200
        return web.Response(status=status, text=body, content_type="text/html")

    async def _send_state(self, request: web.BaseRequest, place: Place, session: Session) -> web.StreamResponse:
        del request
        return web.json_response(self._state(place, session))

    async def _send_events(self, request: web.BaseRequest, place: Place, session: Session) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream", **self.headers(place)})
        state = self._state(place, session)
        await response.prepare(request)
        with self.bells.listen(place.workspace) as bell:
            while True:
                await response.write(b"data: " + json.dumps(state).encode() + b"\n\n")
                with contextlib.suppress(TimeoutError):  # nothing changed: the page gets its beat
                    async with asyncio.timeout(_BEAT_SECONDS):
                        await bell.wait()
                bell.clear()
                try:
                    state = self._state(place, session)
                except RefusedError as refusal:
                    final = {"view": "refused", "reason": refusal.reason.value, "text": refusal.text}
                    await response.write(b"data: " + json.dumps(final).encode() + b"\n\n")
                    return response

    async def _give_ticket(self, request: web.BaseRequest, place: Place, session: Session) -> web.StreamResponse:
        check_same_origin(request)
        verdict = decide(self._table.standing(place.workspace, session), session, moment_of(self._clock))
        if not verdict:
            raise RefusedError(403, verdict.reason)
        ticket = self._tickets.mint(session, f"{place.workspace}.lab.{self._settings.base}")
        self._outbox.put("workspace.entered", f"workspace/{place.workspace}", person=session.subject)
        return web.json_response({"address": f"{self.lab_origin(place.workspace)}/.tre/ticket?t={ticket}"})

    def _asset(self, path: str) -> web.Response:
        name = path.rpartition("/")[2]
        if path != f"{_PREFIX}static/{name}" or name not in _ASSETS:
            raise RefusedError(404, Reason.NotPermitted, "There is no such file.")
        return web.Response(body=self._assets[name], content_type=_ASSETS[name], charset="utf-8")
