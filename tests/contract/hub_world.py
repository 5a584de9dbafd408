"""A real Hub process with a small record and a small portal beside it, on unix sockets.

The Hub is the program that production runs; `hub_main.py` adds one log line where the spawner's `stop` is called,
and takes configuration changes, so that a test can take one guard away.
"""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import yaml
from aiohttp import web

from tre.domain.names import hub_user_name
from tre.system.hub_keys import CONTROLLER_TOKEN, OAUTH_SECRET, make_keys, read_key
from tre.system.layout import Layout
from tre.system.settings import Settings, load_settings

REPOSITORY = Path(__file__).resolve().parents[2]
HUB_HOST = "hub.tre.localhost:8000"
ENTER_CALLBACK = "http://enter.tre.localhost:8000/oauth_callback"
STOP_CALLED = "SPAWNER STOP CALLED"


def until(condition: Callable[[], Any], what: str, seconds: float = 20.0) -> Any:
    """Wait for a real condition; fail by name at the deadline."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"waited {seconds} s for: {what}"
        time.sleep(0.05)
    return found


class Served:
    """An aiohttp application on a unix socket, in a thread of its own; it can go away and come back."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._runner: web.AppRunner | None = None
        self.up()

    def application(self) -> web.Application:
        raise NotImplementedError

    def up(self) -> None:
        if self._runner is None:
            self._run(self._start())

    def down(self) -> None:
        if self._runner is not None:
            self._run(self._runner.cleanup())
            self._runner = None

    def close(self) -> None:
        self.down()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()

    async def _start(self) -> None:
        self._runner = web.AppRunner(self.application(), shutdown_timeout=0.1)
        await self._runner.setup()
        self.path.unlink(missing_ok=True)
        await web.UnixSite(self._runner, str(self.path)).start()

    def _run(self, work: Any) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(10)


class FakeRecord(Served):
    """The controller's one read for the Hub."""

    def __init__(self, path: Path) -> None:
        self.workspaces: dict[tuple[str, str], dict[str, Any]] = {}
        self.reads = 0
        super().__init__(path)

    def application(self) -> web.Application:
        application = web.Application()
        application.router.add_get("/v1/hub/{user}/{server}", self._read)
        return application

    def set(self, user: str, server: str, phase: str, *, wanted: str = "Running", **more: Any) -> None:
        known = {"wanted": wanted, "phase": phase, "reason": "Requested", "message": "", "progress": []}
        self.workspaces[user, server] = known | more

    async def _read(self, request: web.Request) -> web.Response:
        self.reads += 1
        found = self.workspaces.get((request.match_info["user"], request.match_info["server"]))
        return web.json_response(found) if found else web.Response(status=404)


class FakePortal(Served):
    """The portal's internal interface: accounts in memory, what it was asked, and answers to order."""

    def __init__(self, path: Path) -> None:
        self.passwords = {"alice": "correct horse", "bob": "battery staple"}
        self.asked: list[dict[str, Any]] = []
        self.people: list[dict[str, Any]] = []
        self.answer: tuple[int, dict[str, Any]] | None = None
        super().__init__(path)

    def application(self) -> web.Application:
        application = web.Application()
        application.router.add_post("/internal/login", self._login)
        application.router.add_post("/internal/people", self._people)
        return application

    async def _login(self, request: web.Request) -> web.Response:
        body = await request.json()
        self.asked.append(body)
        if self.answer is not None:
            return web.json_response(self.answer[1], status=self.answer[0])
        if self.passwords.get(body["name"]) != body["password"]:
            return web.json_response({"reason": "LoginFailed"}, status=401)
        return web.json_response(
            {
                "hubName": hub_user_name("local", body["name"]),
                "displayName": body["name"].title(),
                "subject": {"issuer": "local", "id": body["name"]},
                "roles": ["researcher"],
            }
        )

    async def _people(self, request: web.Request) -> web.Response:
        body = await request.json()
        self.people.append(body)
        return web.json_response({"hubName": hub_user_name(body["issuer"], body["id"]), "roles": []})


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=30)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(30)
        self.sock.connect(str(self._path))


@dataclass(frozen=True)
class Reply:
    """An answer of the Hub."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def location(self) -> str:
        return self.headers["Location"]


def call(path: Path, method: str, url: str, *, headers: dict[str, str], body: bytes | None = None) -> Reply:
    """One request, redirects not followed."""
    connection = _UnixConnection(path)
    try:
        connection.request(method, url, body=body, headers=headers)
        response = connection.getresponse()
        return Reply(response.status, response.headers, response.read())
    finally:
        connection.close()


@dataclass
class Browser:
    """As much of a browser as a sign-in needs: cookies, and headers as the gateway passes them on."""

    socket: Path
    headers: dict[str, str] = field(default_factory=lambda: {"X-Forwarded-For": "192.0.2.7"})
    cookies: dict[str, str] = field(default_factory=dict)

    def get(self, url: str, **headers: str) -> Reply:
        return self.send("GET", url, headers=headers)

    def send(self, method: str, url: str, *, body: bytes | None = None, headers: dict[str, str]) -> Reply:
        cookie = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        fixed = {"Host": HUB_HOST, "User-Agent": "test", "Cookie": cookie}
        reply = call(self.socket, method, url, headers=fixed | self.headers | headers, body=body)
        for line in reply.headers.get_all("Set-Cookie", []):
            for name, morsel in SimpleCookie(line).items():
                if morsel.value:
                    self.cookies[name] = morsel.value
                else:
                    self.cookies.pop(name, None)
        return reply

    def form(self, url: str, fields: dict[str, str], **headers: str) -> Reply:
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        return self.send("POST", url, body=urlencode(fields).encode(), headers=kind | headers)

    def api(self, method: str, path: str, body: Any = None) -> Reply:
        """A call as the Hub's own pages make it: signed in by cookie, with the token against forgery."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"X-XSRFToken": self.cookies.get("_xsrf", ""), "Content-Type": "application/json"}
        return self.send(method, f"/hub/api/{path}", body=data, headers=headers)

    def sign_in(self, name: str, password: str, *, next_page: str = "", **headers: str) -> Reply:
        page = self.get(f"/hub/login?{urlencode({'next': next_page})}", **headers)
        assert page.status == 200, page.text
        action = re.search(r'<form action="([^"]+)"', page.text)
        token = re.search(r'name="_xsrf" value="([^"]+)"', page.text)
        assert action is not None
        assert token is not None
        fields = {"_xsrf": token[1], "username": name, "password": password}
        return self.form(action[1].replace("&amp;", "&"), fields, **headers)


class World:
    """One root, one Hub, one record, one portal."""

    def __init__(self, root: Path, settings: dict[str, Any] | None = None) -> None:
        root.mkdir(parents=True)
        (root / "keys").mkdir(mode=0o700)
        (root / "tre.yaml").write_text(yaml.safe_dump(settings or {"startTimeoutSeconds": 5}))
        self.layout = Layout(root)
        make_keys(self.layout)
        self.settings: Settings = load_settings(root)
        self.socket = self.layout.socket("hub")
        self.record = FakeRecord(self.layout.socket("controller"))
        self.portal = FakePortal(self.layout.socket("portal-internal"))
        self.log = root / "hub.log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def controller_token(self) -> str:
        return read_key(self.layout, CONTROLLER_TOKEN)

    @property
    def oauth_secret(self) -> str:
        return read_key(self.layout, OAUTH_SECRET)

    def start(self, **changes: Any) -> None:
        """Start the Hub and wait until it answers; `changes` of the configuration, `Class__trait=value`."""
        assert self._process is None
        environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(REPOSITORY), "JUPYTERHUB_CRYPT_KEY": "not-a-key"}
        if runtime := os.environ.get("XDG_RUNTIME_DIR"):
            environment["XDG_RUNTIME_DIR"] = runtime
        arguments = ["--root", str(self.layout.root), "--changes", json.dumps(changes)]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.contract.hub_main", *arguments],
                env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip
        until(self._answers, "the Hub answers", 30)

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self.log_text()[-3000:]
        try:
            return call(self.socket, "GET", "/healthz", headers={"Host": "localhost"}).status == 200
        except OSError:
            return False

    @property
    def is_up(self) -> bool:
        """Whether a Hub was started and not ended by the test."""
        return self._process is not None

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def terminate(self) -> None:
        self._end(signal.SIGTERM)

    def _end(self, how: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(how)
        self._process.wait(15)
        self._process = None

    def forget(self) -> None:
        """Delete the Hub's database."""
        (self.layout.root / "hub" / "hub.sqlite").unlink()

    def log_text(self) -> str:
        return self.log.read_text(errors="replace")

    def stops(self) -> int:
        """How often JupyterHub called the spawner's `stop`."""
        return self.log_text().count(STOP_CALLED)

    def browser(self) -> Browser:
        return Browser(self.socket)

    def signed_in(self, name: str) -> Browser:
        browser = self.browser()
        reply = browser.sign_in(name, self.portal.passwords[name])
        assert reply.status == 302, reply.text
        browser.get("/hub/home")  # takes the cookie against forgery that belongs to the session
        return browser

    def api(self, method: str, path: str, body: Any = None, *, token: str | None = None) -> Reply:
        """A call with the controller's token, or another."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"Host": "localhost", "Authorization": f"token {token or self.controller_token}"}
        return call(self.socket, method, f"/hub/api/{path}", headers=headers, body=data)

    def server(self, user: str, name: str) -> dict[str, Any] | None:
        """A server as the Hub shows it to the controller."""
        reply = self.api("GET", f"users/{user}/servers/{name}")
        return reply.json if reply.status == 200 else None

    def close(self) -> None:
        if self._process is not None:
            self.kill()
        self.record.close()
        self.portal.close()
        shutil.rmtree(self.layout.run, ignore_errors=True)


@contextlib.contextmanager
def a_world(root: Path, settings: dict[str, Any] | None = None) -> Iterator[World]:
    """A world, not started yet; everything is gone afterwards."""
    world = World(root, settings)
    try:
        yield world
    finally:
        world.close()


def query_of(url: str) -> dict[str, str]:
    """The query of an address, one value a name."""
    return dict(parse_qsl(urlsplit(url).query))
