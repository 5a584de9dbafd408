"""A gateway with everything around it that is real but small: a controller's stream, a portal, a workspace's server.

The gateway listens on a real port of 127.0.0.1; the others listen on unix sockets in a short directory. Tests speak to
it as a browser would, with a `Host` header, or with raw bytes.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import socket
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from tests.unit.gateway.doors import Pair, door_record, make_pair, server_context
from tre.domain.canonical import digest_of_bytes
from tre.domain.clock import Clock
from tre.domain.errors import Reason
from tre.domain.events import Event
from tre.domain.people import Subject
from tre.gateway.app import Gateway, Parts
from tre.gateway.decisions import Session
from tre.gateway.main import back, front
from tre.gateway.sessions import CookieKind, Signer, as_value
from tre.system.clock import SystemClock
from tre.system.layout import Layout
from tre.system.settings import Settings
from tre.system.tls_settings import TlsSettings

BASE = "tre.localhost"
WORKSPACE = "w-aaaaaaaaaaaa"
OTHER = "w-bbbbbbbbbbbb"
GRANT = "chest-severity"
ALICE = Subject(issuer="local", id="alice")
BOB = Subject(issuer="local", id="bob")
KEY = bytes(range(32))
CHECKOUT = Path(__file__).resolve().parents[3]
ENVIRONMENT = CHECKOUT / ".venv-workspace"
BEHIND = "socket"
"""What the workspaces' servers are behind: a unix socket, or the `door` of a pod. Tests of both replace it."""


def utc(**change: int) -> datetime:
    """Now, moved."""
    return datetime.now(tz=UTC).replace(microsecond=0) + timedelta(**change)


def as_text(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


def grant_record(**changes: Any) -> dict[str, Any]:
    """A grant of Alice and Bob, in force, as the stream carries it; `spec=` merges into the specification."""
    spec = {
        "project": {
            "title": "Severity scoring of COVID-19 on chest X-rays",
            "laySummary": "We look at pictures.",
            "publicBenefit": "Better care.",
            "organisation": {"name": "Hospital", "id": "org-1", "sector": "academic", "commercial": False},
        },
        "approval": {
            "body": "Committee",
            "reference": "R-1",
            "approvedAt": as_text(utc(days=-2)),
            "planDigest": digest_of_bytes(b"plan"),
        },
        "members": [{"subject": ALICE.as_plain()}, {"subject": BOB.as_plain()}],
        "notBefore": as_text(utc(days=-1)),
        "expires": as_text(utc(days=200)),
        "slices": [{"name": "cxr", "dataset": "nccid", "release": "2026-10-01", "spec": SLICE_SPEC}],
    }
    spec.update(changes.pop("spec", {}))
    record = {
        "name": GRANT,
        "generation": 1,
        "spec": spec,
        "phase": "Active",
        "evidenceVerified": True,
        "activatedAt": as_text(utc(days=-1)),
    }
    return {**record, **changes}


SLICE_SPEC = {"slice": 1, "dataset": "nccid", "release": "2026-10-01", "images": [{"modality": ["CR"]}]}


def route_record(**changes: Any) -> dict[str, Any]:
    """Alice's running workspace, as the stream carries it."""
    record = {
        "workspace": WORKSPACE,
        "instance": 1,
        "grant": GRANT,
        "projectTitle": "Severity scoring of COVID-19 on chest X-rays",
        "subject": ALICE.as_plain(),
        "phase": "Running",
        "reason": "Entitled",
        "socket": None,
        "slices": ["cxr"],
        "end": as_text(utc(hours=5)),
        "grantEnd": as_text(utc(hours=5)),
        "grantEndReason": "GrantExpired",
    }
    record.update(changes)
    return {key: value for key, value in record.items() if value is not None}


def suspension(scope: str = "grant", ref: str = "") -> dict[str, Any]:
    return {
        "scope": scope,
        "ref": ref,
        "reason": "a question",
        "by": BOB.as_plain(),
        "since": as_text(utc(days=-1)),
    }


class Controller:
    """The controller's side: a stream that tests write to, and the events that came in."""

    def __init__(self) -> None:
        self.records: list[dict[str, Any]] = []
        self.events: list[dict[str, Any]] = []
        self.heard: list[dict[str, Any]] = []
        self.activity: list[dict[str, Any]] = []
        self.takes_events = True
        self.beats = True
        self._streams: set[web.StreamResponse] = set()
        self.app = web.Application()
        self.app.router.add_get("/v1/stream", self._stream)
        self.app.router.add_post("/v1/events", self._events)
        self.app.router.add_post("/v1/heard", self._heard)
        self.app.router.add_post("/v1/activity", self._activity)

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/x-ndjson"})
        await response.prepare(request)
        for message in ({"type": "reset", "listener": "l1"}, *self.records, {"type": "synced", "at": as_text(utc())}):
            await response.write(_line(message))
        self._streams.add(response)
        with contextlib.suppress(ConnectionError):  # the gateway went away
            while True:
                await asyncio.sleep(0.2)
                if self.beats:
                    await response.write(_line({"type": "beat", "at": as_text(utc())}))
        self._streams.discard(response)
        return response

    async def _heard(self, request: web.Request) -> web.Response:
        self.heard.append(await request.json())
        return web.Response(status=204)

    async def _activity(self, request: web.Request) -> web.Response:
        self.activity.append(await request.json())
        return web.Response(status=204)

    async def _events(self, request: web.Request) -> web.Response:
        if not self.takes_events:
            return web.Response(status=503)
        self.events += (await request.json())["events"]
        return web.Response(status=204)

    async def send(self, *messages: dict[str, Any]) -> None:
        """Write messages to every open stream."""
        for stream in tuple(self._streams):
            with contextlib.suppress(ConnectionError):  # one that just went away
                await stream.write(b"".join(_line(message) for message in messages))

    def kinds(self) -> list[str]:
        return [event["kind"] for event in self.events]


def _line(message: dict[str, Any]) -> bytes:
    return json.dumps(message).encode() + b"\n"


def grant_message(**changes: Any) -> dict[str, Any]:
    return {"type": "grant", "record": grant_record(**changes)}


def route_message(**changes: Any) -> dict[str, Any]:
    return {"type": "route", "record": route_record(**changes)}


class Spool:
    """Keeps what was spooled."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def append(self, events: Any) -> None:
        self.events += events


class ShortLayout(Layout):
    """A layout whose sockets lie under its own root."""

    @property
    def run(self) -> Path:
        return self.root / "run"


@dataclass
class World:
    """Everything a test needs to speak to a gateway."""

    root: Path
    gateway: Gateway
    controller: Controller
    spool: Spool
    port: int
    layout: Layout
    client: aiohttp.ClientSession
    keys: tuple[Pair, Pair]
    way: dict[str, Any] = field(default_factory=dict)
    runners: list[web.BaseRunner] = field(default_factory=list)

    @property
    def lab_socket(self) -> Path:
        return self.root / "door" / "lab.sock"

    def host(self, prefix: str = "") -> str:
        name = f"{prefix}.{BASE}" if prefix else BASE
        return f"{name}:{self.port}"

    def origin(self, prefix: str = "") -> str:
        return f"http://{self.host(prefix)}"

    def session(self, subject: Subject = ALICE, *, name: str = "s1", hours: float = 4) -> Session:
        return Session(name, subject, subject.id.title(), utc() + timedelta(hours=hours))

    def cookie(self, kind: CookieKind, workspace: str = WORKSPACE, session: Session | None = None) -> str:
        host = f"{workspace}.{'open' if kind is CookieKind.shell else 'lab'}.{BASE}"
        sealed = Signer(KEY).seal(kind.value, host, as_value(session or self.session()))
        return f"{kind.cookie_name}={sealed}"

    def lab_headers(self, workspace: str = WORKSPACE, **changes: str) -> dict[str, str]:
        """The headers of a request that the Lab's own page makes."""
        headers = {
            "Host": self.host(f"{workspace}.lab"),
            "Cookie": self.cookie(CookieKind.lab, workspace),
            "Sec-Fetch-Site": "same-origin",
            "Sec-Fetch-Dest": "empty",
            "Sec-Fetch-Mode": "cors",
        }
        return {**headers, **{name.replace("_", "-"): value for name, value in changes.items()}}

    def shell_headers(self, **changes: str) -> dict[str, str]:
        headers = {"Host": self.host(f"{WORKSPACE}.open"), "Cookie": self.cookie(CookieKind.shell)}
        return {**headers, **{name.replace("_", "-"): value for name, value in changes.items()}}

    def url(self, target: str) -> Any:
        from yarl import URL

        return URL(f"http://127.0.0.1:{self.port}{target}", encoded=True)

    async def request(self, method: str, target: str, headers: dict[str, str], **more: Any) -> tuple[int, Any, bytes]:
        async with self.client.request(
            method, self.url(target), headers=headers, allow_redirects=False, **more
        ) as answer:
            return answer.status, answer.headers, await answer.read()

    async def get_lab(self, target: str, **changes: str) -> tuple[int, Any, bytes]:
        return await self.request("GET", target, self.lab_headers(**changes))

    async def raw(self, data: bytes, *, patience: float = 3.0) -> bytes:
        """Send bytes, return everything that comes back until the gateway closes or is silent."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(data)
        answer = b""
        with contextlib.suppress(TimeoutError, ConnectionError):
            async with asyncio.timeout(patience):
                while chunk := await reader.read(65536):
                    answer += chunk
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
        return answer

    async def serve_unix(self, path: Path, app: web.Application | web.Server) -> None:
        """Serve an application on a unix socket until the world ends."""
        path.parent.mkdir(parents=True, exist_ok=True)
        runner: web.BaseRunner = (
            web.AppRunner(app, shutdown_timeout=0.1)
            if isinstance(app, web.Application)
            else web.ServerRunner(app, shutdown_timeout=0.1)
        )
        await runner.setup()
        await web.UnixSite(runner, str(path)).start()
        self.runners.append(runner)

    async def serve_lab(self, server: web.Server | None, name: str = "door") -> dict[str, Any]:
        """Put a server in JupyterLab's place; what a route must say to lead there."""
        if BEHIND == "socket":
            path = self.root / name / "lab.sock"
            if server is not None:
                await self.serve_unix(path, server)
            return {"socket": str(path)}
        port = free_port()
        door, gateway = self.keys
        if server is not None:
            runner = web.ServerRunner(server, shutdown_timeout=0.1)
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", port, ssl_context=server_context(door, gateway)).start()
            self.runners.append(runner)
        return {"door": door_record(port, door.pem)}

    def route(self, **changes: Any) -> dict[str, Any]:
        """A route's message that leads to the server in JupyterLab's place."""
        return route_message(**{**self.way, **changes})

    async def synced(self) -> None:
        await until(lambda: self.gateway.stream.connected)

    async def news(self, *messages: dict[str, Any]) -> None:
        """Send messages and wait until the gateway has taken them in."""
        mark = f"mark-{id(object())}"
        await self.controller.send(*messages, {"type": "session-revoked", "session": mark})
        await until(lambda: self.gateway.table.standing("", Session(mark, ALICE, "", utc())).session_revoked)


async def until(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    """Wait for a condition of real processes, at most so long."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.005)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.asynccontextmanager
async def make_world(
    *,
    upstream: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]] | None = None,
    clock: Clock | None = None,
    environment: Path = ENVIRONMENT,
    tls: TlsSettings | None = None,
    **route: Any,
) -> AsyncIterator[World]:
    """A synced gateway with one running workspace whose server is `upstream`."""
    root = Path(tempfile.mkdtemp(prefix="gw-", dir="/tmp"))
    layout = ShortLayout(root)
    port = free_port()
    settings = Settings(base=BASE, listen_port=port, tls=tls or TlsSettings())
    spool, controller = Spool(), Controller()
    keys = (make_pair(root, "door"), make_pair(root, "gateway"))
    layout.socket("controller").parent.mkdir(parents=True)
    gateway = Gateway(
        Parts(
            settings=settings,
            layout=layout,
            clock=clock or SystemClock(),
            key=KEY,
            environment=environment,
            spool=spool,
            doors=keys[1].as_key,
        )
    )
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False) as client:
        world = World(root, gateway, controller, spool, port, layout, client, keys)
        await world.serve_unix(layout.socket("controller"), controller.app)
        await world.serve_unix(layout.socket("gateway"), back(gateway))
        world.way = await world.serve_lab(None if upstream is None else web.Server(upstream))
        controller.records = [grant_message(), world.route(**route)]
        runner = web.ServerRunner(front(gateway), shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        work = asyncio.create_task(gateway.run())
        try:
            await world.synced()
            yield world
        finally:
            work.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await work
            await runner.cleanup()
            for other in world.runners:
                await other.cleanup()
            shutil.rmtree(root)


def reason_of(body: bytes) -> Reason:
    return Reason(json.loads(body)["reason"])
