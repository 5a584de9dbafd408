"""The Lab host: who may ask, what may be asked, and whom to ask.

Guarantees: in this order: a page at the top of a window goes to the shell; a request of another page is refused; one
without the Lab's own cookie is refused; then the decision; then the allow-list; then the register of what is open;
then static files from the gateway's copy, or the workspace. There is no other way to a workspace.

Does not guarantee: what the answer says. See `tre.gateway.proxy` and `tre.gateway.websockets`.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from types import MappingProxyType
from urllib.parse import parse_qs

from aiohttp import web

from tre.domain.clock import Clock
from tre.domain.errors import Reason
from tre.domain.workspaces.routes import Route
from tre.gateway.decisions import Session, decide, moment_of
from tre.gateway.headers import lab_headers, transport_headers
from tre.gateway.hosts import Place
from tre.gateway.hygiene import wants_websocket
from tre.gateway.openings import Opening, Openings
from tre.gateway.origins import check_lab_request, check_lab_websocket, is_document
from tre.gateway.paths import Kind, permitted
from tre.gateway.proxy import Visit, WorkspaceProxy
from tre.gateway.refusals import RefusedError
from tre.gateway.sessions import CookieKind, LabTickets, Sessions
from tre.gateway.static import StaticFiles
from tre.gateway.table import Table
from tre.gateway.websockets import WebsocketProxy
from tre.system.settings import Settings

START_PAGE = "/lab"
_REMEMBERED = 1024
MOST_OPEN = 1024
"""Exchanges open to one workspace at a time: far above what pages need, so that one cannot exhaust the gateway."""


class Lab:
    """Everything behind `<workspace>.lab.<base>`."""

    def __init__(
        self,
        settings: Settings,
        clock: Clock,
        table: Table,
        openings: Openings,
        access: tuple[Sessions, LabTickets],
        answers: tuple[StaticFiles, WorkspaceProxy, WebsocketProxy],
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._table = table
        self._openings = openings
        self._sessions, self._tickets = access
        self._static, self._proxy, self._websockets = answers
        self._headers_of = functools.lru_cache(maxsize=_REMEMBERED)(self._make_headers)

    def headers(self, place: Place) -> Mapping[str, str]:
        """The headers of every response of a Lab host."""
        return self._headers_of(place.workspace)

    def _make_headers(self, workspace: str) -> Mapping[str, str]:
        origins = (self._settings.origin(f"{workspace}.lab"), self._settings.origin(f"{workspace}.open"))
        return MappingProxyType(lab_headers(*origins, transport_headers(self._settings.tls)))

    async def serve(self, request: web.BaseRequest, place: Place) -> web.StreamResponse:
        """Answer a request to a Lab host. Raises `RefusedError`."""
        if is_document(request):
            return web.Response(
                status=302, headers={"Location": f"{self._settings.origin(f'{place.workspace}.open')}/"}
            )
        websocket = wants_websocket(request)
        if websocket:
            check_lab_websocket(request)
        else:
            check_lab_request(request)
        path, _, query = request.raw_path.partition("?")
        if not websocket and (request.method, path) == ("GET", "/.tre/ticket"):
            return self._take_ticket(place, query)
        session = self._sessions.read(request, CookieKind.lab, place.host)
        if session is None:
            raise RefusedError(403, Reason.LoginRequired, "Open this workspace from the desk.")
        route = self._admitted(place, session)
        if not websocket and (request.method, path) == ("GET", "/"):
            return web.Response(status=302, headers={"Location": START_PAGE})
        address = permitted(request.method, request.raw_path, websocket=websocket)
        if len(self._openings.of(place.workspace)) >= MOST_OPEN:
            raise RefusedError(429, Reason.RateLimited)
        opening = Opening(place.workspace, session, request.transport, "websocket" if websocket else "http")
        with self._openings.keep(opening):
            visit = Visit(route, session, address)
            if websocket:
                return await self._websockets.serve(request, visit, opening)
            if address.kind is Kind.static:
                return await self._static.serve(request, address.path, self.headers(place))
            return await self._proxy.serve(request, visit, self.headers(place))

    def _admitted(self, place: Place, session: Session) -> Route:
        standing = self._table.standing(place.workspace, session)
        verdict = decide(standing, session, moment_of(self._clock))
        if not verdict or standing.route is None:
            raise RefusedError(403, verdict.reason)
        return standing.route

    def _take_ticket(self, place: Place, query: str) -> web.Response:
        tickets = parse_qs(query, max_num_fields=5).get("t", [])
        session = self._tickets.redeem(tickets[0], place.host) if len(tickets) == 1 else None
        if session is None:
            raise RefusedError(403, Reason.LoginRequired, "This way in was used before or is too old. Reload the page.")
        response = web.Response(status=303, headers={"Location": START_PAGE})
        self._sessions.set(response, CookieKind.lab, place.host, session)
        return response
