"""The gateway as one object: its parts put together, and every request sent to the door it names.

Guarantees: a request is well-formed, names one of our hosts, and is answered by that host's door or refused; whatever
goes wrong inside is answered with a reason and never with a trace; every response of a workspace's hosts carries that
host's headers, refusals included. A form of the Hub is taken from the Hub's own page only.

Does not guarantee: anything about what the services behind the named hosts do with a request.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import structlog
from aiohttp import web

from tre.domain.clock import Clock
from tre.domain.errors import Reason
from tre.gateway.activity import Activity
from tre.gateway.budgets import Alarm, Budgets
from tre.gateway.decisions import moment_of
from tre.gateway.entry import Entry
from tre.gateway.forwarding import as_the_browser_sent_it
from tre.gateway.headers import transport_headers
from tre.gateway.hosts import Door, Place, find_place
from tre.gateway.hygiene import check_form, wants_websocket
from tre.gateway.lab import Lab
from tre.gateway.metrics import Metrics
from tre.gateway.openings import Openings
from tre.gateway.origins import check_same_origin
from tre.gateway.outbox import EventSpool, Outbox
from tre.gateway.proxy import Service, WorkspaceProxy, pass_to_service
from tre.gateway.refusals import OWN_HEADERS, STYLE, RefusedError, answer
from tre.gateway.sentry import Sentry
from tre.gateway.sessions import LabTickets, Sessions, Signer
from tre.gateway.shell import Shell
from tre.gateway.static import StaticFiles
from tre.gateway.stream import Stream
from tre.gateway.table import Table
from tre.gateway.upstream import DoorKey, Upstreams
from tre.gateway.websockets import WebsocketProxy
from tre.system.layout import Layout
from tre.system.settings import Settings

log = structlog.get_logger()

_KI, _MI = 2**10, 2**20
_READING = frozenset({"GET", "HEAD"})

LARGEST_TO_DESK = 257 * _MI
"""Bytes: 256 MiB of files that are to come in, and the form around them. The portal takes far less elsewhere."""


@dataclass(frozen=True)
class Parts:
    """What a gateway is made from. `environment` holds the JupyterLab whose static files are served; `doors` is what
    it shows to the doors of pods, on a cluster."""

    settings: Settings
    layout: Layout
    clock: Clock
    key: bytes
    environment: Path
    spool: EventSpool
    doors: DoorKey | None = None


class Gateway:
    """The only door."""

    def __init__(self, parts: Parts) -> None:
        self.settings, self.clock = parts.settings, parts.clock
        self._always = transport_headers(self.settings.tls)
        socket = parts.layout.socket
        self.metrics = Metrics()
        self.table = Table(self.settings.stream_staleness_seconds)
        self.openings = Openings()
        self.upstreams = Upstreams(parts.doors)
        self.outbox = Outbox(socket("controller"), parts.spool, self.clock, self.metrics)
        self.budgets = Budgets(self.clock, self._tell_alarm)
        signer = Signer(parts.key)
        self.sessions = Sessions(signer, self.clock)
        self.tickets = LabTickets(signer, self.clock)
        entry = Entry(self.settings.origin("enter"), socket("portal-internal"), self.sessions)
        self.shell = Shell(
            self.settings, self.clock, self.table, self.budgets, self.outbox, (self.sessions, self.tickets, entry)
        )
        self.activity = Activity(self.table, self.upstreams, socket("controller"))
        proxy = WorkspaceProxy(self.upstreams, self.budgets, self.outbox, self.metrics, self.activity.note)
        websockets = WebsocketProxy(self.upstreams, self.budgets, self.metrics, self.activity.note)
        answers = (StaticFiles(parts.environment), proxy, websockets)
        access = (self.sessions, self.tickets)
        self.lab = Lab(self.settings, self.clock, self.table, self.openings, access, answers)
        self.sentry = Sentry(self.table, self.openings, self.clock, self.metrics, self._tell_cut)
        self.stream = Stream(socket("controller"), self.table, self.clock, self.changed)
        self._closing: set[asyncio.Task[None]] = set()
        self._services = {
            Door.public: Service(socket("public"), 64 * _KI, cookies=False),
            Door.desk: Service(socket("portal"), LARGEST_TO_DESK),
            Door.enter: Service(socket("portal"), 64 * _KI),
            Door.preview: Service(socket("portal"), _KI, cookies=False, framed=True),
            Door.sources: Service(socket("portal"), _MI, cookies=False),
            Door.hub: Service(socket("hub"), _MI),
        }
        self._doors: dict[Door, Callable[[web.BaseRequest, Place], Awaitable[web.StreamResponse]]] = {
            Door.shell: self.shell.serve,
            Door.lab: self.lab.serve,
        }

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer any request that came in by the front."""
        place: Place | None = None
        begun = time.perf_counter()
        try:
            check_form(request)
            request = as_the_browser_sent_it(request, self.settings.tls.terminated_by_proxy)
            place = find_place(request.headers["Host"], self.settings.base)
            if place is None:
                raise RefusedError(421, Reason.BadInput, "This address serves no such host.", close=True)
            response = await self._answer(request, place)
        except RefusedError as refusal:
            response = self._refuse(request, place, refusal)
        except (ConnectionError, asyncio.CancelledError):
            raise
        except Exception:
            log.exception("request.failed", door=_door(place))
            response = self._refuse(request, place, RefusedError(500, Reason.ServiceUnavailable, close=True))
        if not response.prepared:
            self._dress(response, place)
        took = None if _lasts(response) else time.perf_counter() - begun
        self.metrics.count_request(_door(place), request.method, response.status, took)
        return response

    async def _answer(self, request: web.BaseRequest, place: Place) -> web.StreamResponse:
        if request.method == "GET" and request.raw_path == STYLE:
            return self.shell.style()
        return await self._doors.get(place.door, self._to_service)(request, place)

    def changed(self, workspaces: frozenset[str] | None) -> None:
        """Act on news from the controller: cut first, then close what leads nowhere, then tell the pages."""
        self.sentry.check(workspaces)
        self.shell.bells.ring(workspaces)
        for workspace in workspaces or ():
            route = self.table.route(workspace)
            if route is None or not route.is_served:
                self._in_background(self.upstreams.drop(workspace))

    def leads_to(self, workspace: str) -> bool:
        """Whether anybody could be let into a workspace now."""
        route = self.table.route(workspace)
        return route is not None and route.is_served

    def health(self) -> str:
        """Empty while all is well, else what is wrong."""
        until = self.table.trusted_until
        if until is None:
            return "the controller was not heard yet"
        return "" if moment_of(self.clock).boottime < until else "the controller was not heard for too long"

    async def run(self) -> None:
        """Follow the controller, hand over events and judge by the clock, until cancelled."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self.stream.run())
                tasks.create_task(self.sentry.run())
                tasks.create_task(self.outbox.run())
                tasks.create_task(self.activity.run())
        finally:
            await self.upstreams.close()

    async def _to_service(self, request: web.BaseRequest, place: Place) -> web.StreamResponse:
        service = self._services.get(place.door)
        if service is None:
            raise RefusedError(404, Reason.NotPermitted, "There is nothing here yet.")
        if wants_websocket(request):
            raise RefusedError(400, Reason.BadInput, "No websockets here.", close=True)
        if place.door is Door.hub and request.method not in _READING:
            check_same_origin(request)  # its own token can be chosen by a sibling's page; the desk looks for itself
        client = self.upstreams.service(service.socket)
        return await pass_to_service(request, client, service, self._always)

    def _refuse(self, request: web.BaseRequest, place: Place | None, refusal: RefusedError) -> web.Response:
        self.metrics.refused.labels(_door(place), refusal.reason.value).inc()
        log.info("request.refused", door=_door(place), reason=refusal.reason.value, status=refusal.status)
        page = request.headers.get("Sec-Fetch-Dest") in {"document", "iframe"}
        return answer(refusal, page=page, home=self.settings.origin("desk") + "/")

    def _dress(self, response: web.StreamResponse, place: Place | None) -> None:
        for name, value in OWN_HEADERS.items():
            response.headers.setdefault(name, value)
        response.headers.update(self._always)
        if place is not None and place.door is Door.lab:
            response.headers.pop("X-Frame-Options", None)  # it knows no exception for the shell; the policy does
            response.headers.update(self.lab.headers(place))
            response.headers.setdefault("Cache-Control", "no-store")
        if place is not None and place.door is Door.shell:
            response.headers.update(self.shell.headers(place))

    def _tell_cut(self, workspace: str, reason: Reason, count: int) -> None:
        self.outbox.put("workspace.connections-cut", f"workspace/{workspace}", reason=reason.value, count=count)
        self.metrics.cuts.labels(reason.value).inc(count)
        log.info("connections.cut", workspace=workspace, reason=reason.value, count=count)

    def _tell_alarm(self, alarm: Alarm) -> None:
        about = (
            f"grant/{alarm.route.grant}" if alarm.kind.startswith("grant.") else f"workspace/{alarm.route.workspace}"
        )
        self.metrics.alarms.labels(alarm.kind).inc()
        self.outbox.put(
            alarm.kind, about, person=alarm.route.subject, budget=alarm.budget.value, used=alarm.used, limit=alarm.limit
        )
        self.shell.bells.ring(frozenset({alarm.route.workspace}))

    def _in_background(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)


def _lasts(response: web.StreamResponse) -> bool:
    """Whether an answer is meant to last: how long it did is the person's choice, not the program's speed."""
    return response.status == 101 or response.headers.get("Content-Type", "").startswith("text/event-stream")


def _door(place: Place | None) -> str:
    return "none" if place is None else place.door.value
