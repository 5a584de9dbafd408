"""What the controller answers on its unix socket: the gateways' stream, their events, the Hub's questions.

Guarantees: only the users of our own services are served, by the kernel's word (`SO_PEERCRED`), each only what it
needs; events taken in twice are one event; nothing here changes a grant or a workspace. A controller that does not
lead says so (503), and what a gateway has to tell it keeps for the one that does.
"""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from tre.audit.intake import from_programs
from tre.controller.context import Context
from tre.controller.publisher import Publisher
from tre.domain.errors import Reason, TREError
from tre.domain.events import Event
from tre.domain.model import parse_record
from tre.store import people, workspaces
from tre.store.events import append_many, known
from tre.system.sockets import peer_uid

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
_MOST_EVENTS = 1000
_STATUS = {
    Reason.NotPermitted: 403,
    Reason.Conflict: 409,
    Reason.LeadershipLost: 503,
    Reason.ServiceUnavailable: 503,
}


class ControllerApi:
    """The handlers, over one record and one publisher."""

    def __init__(
        self,
        context: Context,
        publisher: Publisher,
        callers: dict[str, frozenset[int]],
        leads: Callable[[], bool] = lambda: True,
    ) -> None:
        self._context, self._publisher, self._callers, self._leads = context, publisher, callers, leads

    def app(self) -> web.Application:
        """The application to serve."""
        app = web.Application(middlewares=[self._errors], client_max_size=4 * 2**20)
        app.router.add_get("/v1/stream", self._only("gateway", self.stream))
        app.router.add_post("/v1/heard", self._only("gateway", self.heard))
        app.router.add_post("/v1/events", self._only("gateway", self.events))
        app.router.add_post("/v1/activity", self._only("gateway", self.activity))
        app.router.add_get("/v1/hub/{user}/{server}", self._only("hub", self.hub_record))
        app.router.add_get("/leading", self.leading)
        return app

    @web.middleware
    async def _errors(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except TREError as error:
            status = _STATUS.get(error.reason, 400)
            return web.json_response(error.as_dict(), status=status)

    def _only(self, who: str, handler: Handler) -> Handler:
        async def guarded(request: web.Request) -> web.StreamResponse:
            transport = request.transport
            connection: socket.socket | None = transport.get_extra_info("socket") if transport else None
            if connection is None or peer_uid(connection) not in self._callers[who]:
                raise TREError(Reason.NotPermitted, f"This answer is for the {who} alone.")
            if who == "gateway" and not self._leads():
                raise TREError(Reason.LeadershipLost, "This controller stands by; another one leads, or will.")
            return await handler(request)

        return guarded

    async def leading(self, _request: web.Request) -> web.Response:
        """200 from the leader alone, 503 from the others: for whoever sends the gateways to the right one."""
        leads = self._leads()
        return web.json_response({"leading": leads}, status=200 if leads else 503)

    async def stream(self, request: web.Request) -> web.StreamResponse:
        """Everything a gateway must know, for as long as it listens."""
        response = web.StreamResponse(headers={"Content-Type": "application/x-ndjson", "Cache-Control": "no-store"})
        await response.prepare(request)
        async for line in self._publisher.listen(self._context.clock.now()):
            await response.write(line.encode() + b"\n")
        return response

    async def heard(self, request: web.Request) -> web.Response:
        """A gateway has closed its doors on what was announced."""
        body: Any = json.loads(await request.read())
        try:
            self._publisher.heard(str(body["listener"]), int(body["number"]))
        except (KeyError, TypeError, ValueError) as error:
            raise TREError(Reason.BadInput, "A listener and a number are due.") from error
        return web.Response(status=204)

    async def events(self, request: web.Request) -> web.Response:
        """Take in what a gateway saw."""
        body: Any = json.loads(await request.read())
        listed = body.get("events") if isinstance(body, dict) else None
        if not isinstance(listed, list) or len(listed) > _MOST_EVENTS:
            raise TREError(Reason.BadInput, f"At most {_MOST_EVENTS} events under the key `events` are due.")
        events = [parse_record(Event, item, source="event") for item in listed]
        if not all(from_programs(event) for event in events):
            raise TREError(Reason.NotPermitted, "A gateway cannot speak in a person's name.")
        await asyncio.to_thread(self._take_in, events)
        return web.Response(status=204)

    async def activity(self, request: web.Request) -> web.Response:
        """In which runs a gateway saw something happen, and in which nothing."""
        body: Any = json.loads(await request.read())
        said = body if isinstance(body, dict) else {}
        active, quiet = (_names(said.get(key)) for key in ("active", "quiet"))
        self._context.activity.take(active, quiet, self._context.clock.boottime())
        return web.Response(status=204)

    def _take_in(self, events: list[Event]) -> None:
        with self._context.database.read() as connection:
            before = known(connection, [event.id for event in events])
        append_many(self._context.database, [event for event in events if event.id not in before])

    async def hub_record(self, request: web.Request) -> web.Response:
        """What the record says of a workspace, for the spawner."""
        with self._context.database.read() as connection:
            workspace = workspaces.get(connection, request.match_info["server"])
            person = None if workspace is None else people.by_subject(connection, workspace.subject)
        if workspace is None or person is None or person.hub_name != request.match_info["user"]:
            return web.json_response({"reason": Reason.NotAMember}, status=404)
        return web.json_response(
            {
                "wanted": workspace.wanted,
                "phase": workspace.phase,
                "reason": workspace.reason,
                "message": workspace.message,
                "progress": [step.as_plain() for step in workspace.progress],
            }
        )


def _names(found: Any) -> list[str]:
    if not isinstance(found, list) or len(found) > _MOST_EVENTS or not all(isinstance(one, str) for one in found):
        raise TREError(Reason.BadInput, f"At most {_MOST_EVENTS} runs under each of `active` and `quiet` are due.")
    return found
