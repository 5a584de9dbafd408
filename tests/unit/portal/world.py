"""A portal over a real record, a Hub that says who signed in, and browsers that keep cookies per host."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache, cached_property
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import yaml
from aiohttp import web
from argon2 import PasswordHasher
from starlette.types import ASGIApp

from tests.support.databases import sqlite_with_tables
from tests.support.factories import NOON, START, spec_plain
from tre.domain.clock import ManualClock
from tre.domain.errors import Reason
from tre.domain.events import Event, program
from tre.domain.grants.models import AccessGrantSpec, Suspension
from tre.domain.grants.states import GrantPhase
from tre.domain.names import hub_user_name
from tre.domain.people import Role, Subject
from tre.domain.workspaces.models import Workspace, WorkspacePlan
from tre.domain.workspaces.states import StartStep, Wanted, WorkspacePhase
from tre.portal.applications import intake_app, internal_app, portal_switch
from tre.portal.context import Desk
from tre.portal.live import Live
from tre.portal.passwords import PasswordChecker
from tre.portal.public_applications import public_switch
from tre.portal.roles import load_roles
from tre.portal.seals import Sealer, fingerprint
from tre.portal.sessions import DESK_COOKIE
from tre.portal.signing_in import open_session
from tre.store import grant_slices, grants, people, workspaces
from tre.store.database import new_id
from tre.store.grant_slices import SliceState
from tre.store.people import Account, StoredSession
from tre.system.layout import Layout
from tre.system.settings import load_settings

PASSWORD = "correct horse battery"
CHEAP = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
GRANT = "nccid-00123"
PEOPLE = {
    "alice": ("Alice Able", [Role.researcher]),
    "bob": ("Bob Baker", [Role.researcher]),
    "eve": ("Eve Else", [Role.researcher]),
    "olga": ("Olga Operator", [Role.operator]),
    "carl": ("Carl Committee", [Role.committee]),
    "chris": ("Chris Checker", [Role.checker]),
    "dana": ("Dana Data", [Role.data_manager]),
}
BASE_SETTINGS = {"tls": {"certificate": "cert.pem", "key": "key.pem"}, "listenPort": 8443}
"""Over https, so that an ordinary client sends `Secure` cookies back."""


def subject(name: str) -> Subject:
    return Subject(issuer="local", id=name)


class World:
    """One root with a record, people, and the applications."""

    def __init__(self, root: Path, settings: dict[str, Any] | None = None) -> None:
        root.mkdir(parents=True, exist_ok=True)
        (root / "tre.yaml").write_text(yaml.safe_dump(BASE_SETTINGS if settings is None else settings))
        (root / "keys").mkdir(exist_ok=True)
        self.layout = Layout(root)
        self.layout.database.parent.mkdir(parents=True, exist_ok=True)
        self.settings = load_settings(root)
        self.database = sqlite_with_tables(self.layout.database)
        self.clock = ManualClock(NOON)
        self.desk = Desk(
            settings=self.settings,
            layout=self.layout,
            database=self.database,
            clock=self.clock,
            sealer=Sealer(b"k" * 32),
            passwords=PasswordChecker(CHEAP),
            roles=load_roles(root),
            hub_secret="ab" * 32,
        )
        self.live = Live(self.database)
        self.portal: ASGIApp = portal_switch(self.desk, self.live)
        self.internal: ASGIApp = internal_app(self.desk)
        self.intake: ASGIApp = intake_app(self.desk)

    @cached_property
    def public(self) -> ASGIApp:
        """The public pages: put together for whoever asks for one."""
        return public_switch(self.desk)

    def close(self) -> None:
        self.live.close()
        self.database.close()

    def event(self, kind: str = "test.prepared", about: str = "test/world") -> Event:
        return Event(id=new_id(), at=self.clock.now(), actor=program("test"), kind=kind, object=about)

    def events(self, kind: str) -> list[Event]:
        from tre.store.events import EventSearch, search

        with self.database.read() as connection:
            return [stored.event for stored in search(connection, EventSearch(kind=kind))]

    # What is in the record.

    def add_people(self) -> None:
        hashed = CHEAP.hash(PASSWORD)
        for name, (shown, roles) in PEOPLE.items():
            new = Account(name=name, display_name=shown, roles=frozenset(roles), created_at=START)
            with self.database.change(self.event()) as change:
                people.add_account(change, new, hashed)

    def add_grant(self, name: str = GRANT, *, active: bool = True, **changes: Any) -> str:
        spec = AccessGrantSpec.model_validate(spec_plain(**changes))
        with self.database.change(self.event("grant.applied", f"grant/{name}")) as change:
            grants.apply(change, name, spec, "signed-file", self.clock.now())
            grants.set_evidence(change, name, verified=True)
            for member in spec.members:
                workspaces.ensure(change, name, member.subject, self.clock.now())
        if active:
            with self.database.change(self.event("grant.activated", f"grant/{name}")) as change:
                grants.set_phase(change, name, GrantPhase.Active, self.clock.now())
                grants.set_conditions(change, name, [_condition("EvidenceVerified"), _condition("SlicesReady")])
                for item in spec.slices:
                    values = {"content_digest": "sha256:" + "cd" * 32, "files": 31192, "manifest_version": 1}
                    grant_slices.set_state(change, name, item.name, SliceState.Ready, Reason.Entitled, **values)
        return name

    def workspace(self, name: str = "alice", grant: str = GRANT) -> Workspace:
        with self.database.read() as connection:
            return workspaces.require(connection, Workspace.name_for(grant, subject(name)))

    def move(self, who: str, *phases: WorkspacePhase, reason: Reason = Reason.Requested, **plan: Any) -> None:
        """Bring a workspace through these phases, as the controller would."""
        workspace = self.workspace(who)
        for phase in phases:
            with self.database.change(
                self.event(f"workspace.{phase.lower()}", f"workspace/{workspace.name}")
            ) as change:
                if phase is WorkspacePhase.Starting:
                    workspaces.begin_start(change, self.plan(workspace, **plan), self.clock.now())
                else:
                    workspaces.set_phase(change, workspace.name, phase, reason, self.clock.now())

    def want(self, who: str, wanted: Wanted) -> None:
        with self.database.change(self.event()) as change:
            workspaces.want(change, self.workspace(who).name, wanted)

    def reach(self, who: str, step: StartStep) -> None:
        name = self.workspace(who).name
        with self.database.change(self.event("workspace.progressed", f"workspace/{name}")) as change:
            workspaces.add_progress(change, name, step, self.clock.now())

    def plan(self, workspace: Workspace, **changes: Any) -> WorkspacePlan:
        values = {
            "workspace": workspace.name,
            "instance": workspace.instance + 1,
            "grant": workspace.grant,
            "subject": workspace.subject,
            "uid": 20000,
            "mounts": (),
            "end": self.clock.now() + timedelta(days=7),
            "cap_seconds": 7 * 86400,
        }
        return WorkspacePlan.model_validate(values | changes)

    def suspend(self, suspension: Suspension, grant: str | None = GRANT) -> str:
        with self.database.change(self.event("suspension.added", f"grant/{grant}")) as change:
            return grants.suspend(change, grant, suspension)

    # Who looks at it.

    def session(self, name: str) -> tuple[str, StoredSession]:
        return open_session(self.desk, hub_user_name("local", name))

    def browser(self, name: str | None = None) -> Browser:
        """A browser at the desk, signed in as somebody."""
        made = Browser(self)
        if name is not None:
            _, session = self.session(name)
            made.cookies("desk")[DESK_COOKIE] = self.desk.sealer.seal("desk", {"session": session.id})
        return made

    def host(self, prefix: str = "") -> str:
        return urlsplit(self.settings.origin(prefix)).netloc


@cache
def populated_record() -> bytes:
    """The record of a portal with people and one running grant: a copy takes a tenth of the time."""
    with tempfile.TemporaryDirectory() as folder:
        made = World(Path(folder) / "root")
        made.add_people()
        made.add_grant()
        made.close()
        return made.layout.database.read_bytes()


@contextmanager
def populated(root: Path) -> Iterator[World]:
    """A portal with people and one running grant; nothing of it is left."""
    path = Layout(root).database
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(populated_record())
    with opened(root) as made:
        yield made


@contextmanager
def opened(root: Path) -> Iterator[World]:
    """A portal whose record is there."""
    made = World(root)
    try:
        yield made
    finally:
        made.close()
        shutil.rmtree(made.layout.run, ignore_errors=True)


def _condition(kind: str) -> dict[str, str]:
    return {"type": kind, "status": "True", "reason": "Entitled", "lastTransitionTime": "2026-11-01T09:00:00Z"}


@dataclass
class Browser:
    """Cookies for each host apart, and headers as Chromium sends them."""

    world: World
    jars: dict[str, dict[str, str]] = field(default_factory=dict)
    sent: list[str] = field(default_factory=list)

    def cookies(self, prefix: str) -> dict[str, str]:
        return self.jars.setdefault(self.world.host(prefix), {})

    async def get(self, path: str, prefix: str = "desk", **headers: str) -> httpx.Response:
        navigation = {"Sec-Fetch-Site": "none", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
        return await self.send("GET", path, prefix, headers=navigation | headers)

    async def post(self, path: str, fields: dict[str, str] | None = None, **headers: str) -> httpx.Response:
        """A form of the desk's own page, with its token."""
        token = {"csrf": await self.token()} if fields is None or "csrf" not in fields else {}
        return await self.send("POST", path, "desk", data=(fields or {}) | token, headers=self.same_origin() | headers)

    async def api(self, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
        extra = self.same_origin() | {"X-CSRF-Token": await self.token()}
        return await self.send(method, path, "desk", json=body, headers=extra | headers)

    def same_origin(self, prefix: str = "desk") -> dict[str, str]:
        return {"Sec-Fetch-Site": "same-origin", "Origin": self.world.settings.origin(prefix)}

    async def token(self) -> str:
        value = self.world.desk.sealer.open("desk", self.cookies("desk").get(DESK_COOKIE, ""))
        return "" if value is None else self.world.desk.sealer.token(value["session"])

    async def send(self, method: str, path: str, prefix: str, **more: Any) -> httpx.Response:
        jar = self.cookies(prefix)
        headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in jar.items())} | more.pop("headers", {})
        application = self.world.public if not prefix else self.world.portal
        origin = self.world.settings.origin(prefix)
        transport = httpx.ASGITransport(app=application, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url=origin) as client:
            response = await client.request(method, path, headers=headers, **more)
        self._keep(jar, response)
        return response

    def _keep(self, jar: dict[str, str], response: httpx.Response) -> None:
        for line in response.headers.get_list("set-cookie"):
            name, _, rest = line.partition("=")
            value = rest.partition(";")[0].strip('"')
            if "Max-Age=0" in rest or not value:
                jar.pop(name, None)
            else:
                jar[name] = value

    async def follow(self, response: httpx.Response, most: int = 12) -> httpx.Response:
        """Follow redirects among the desk, enter and the Hub's stand-in."""
        for _ in range(most):
            if response.status_code not in {302, 303}:
                return response
            target = httpx.URL(response.headers["location"])
            self.sent.append(str(target))
            prefix = target.host.partition(".")[0] if target.host else "desk"
            if prefix == "hub":
                return response
            response = await self.get(target.raw_path.decode(), prefix)
        raise AssertionError("too many redirects")


class HubStandIn:
    """The Hub's two answers of the code exchange, on its socket; it checks the proof key as the Hub does."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.codes: dict[str, tuple[str, str]] = {}
        self.path = world.layout.socket("hub")

    async def __aenter__(self) -> HubStandIn:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        application = web.Application()
        application.router.add_post("/hub/api/oauth2/token", self._token)
        application.router.add_get("/hub/api/user", self._user)
        self._runner = web.AppRunner(application)
        await self._runner.setup()
        await web.UnixSite(self._runner, str(self.path)).start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    def authorize(self, url: str, name: str) -> dict[str, str]:
        """What the Hub sends back for an authorize address, once somebody signed in."""
        asked = dict(parse_qsl(urlsplit(url).query))
        code = new_id()
        self.codes[code] = (name, asked["code_challenge"])
        return {"code": code, "state": asked["state"]}

    async def _token(self, request: web.Request) -> web.Response:
        import base64
        import hashlib

        form = await request.post()
        name, challenge = self.codes.pop(str(form["code"]), ("", "?"))
        digest = hashlib.sha256(str(form["code_verifier"]).encode()).digest()
        fits = base64.urlsafe_b64encode(digest).decode().rstrip("=") == challenge
        if not fits or form["client_secret"] != self.world.desk.hub_secret:
            return web.json_response({"error": "invalid_grant"}, status=400)
        return web.json_response({"access_token": name, "token_type": "Bearer", "scope": ""})

    async def _user(self, request: web.Request) -> web.Response:
        name = request.headers["Authorization"].removeprefix("Bearer ")
        return web.json_response({"name": hub_user_name("local", name), "kind": "user"})


async def sign_in(browser: Browser, hub: HubStandIn, name: str, path: str = "/") -> httpx.Response:
    """The whole way from a page of the desk through enter and the Hub and back."""
    stopped = await browser.follow(await browser.get(path))
    location = stopped.headers["location"]
    assert location.startswith(browser.world.settings.origin("hub")), location
    back = hub.authorize(location, name)
    return await browser.follow(await browser.get(f"/oauth_callback?{httpx.QueryParams(back)}", "enter"))


def session_id(secret: str) -> str:
    return fingerprint(secret)


def title_of(response: httpx.Response) -> str:
    found = re.search(r"<title>(.*?)</title>", response.text, re.S)
    assert found is not None, response.text[:500]
    return found[1].strip()
