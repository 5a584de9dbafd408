"""Ways in which access ends, and a stopwatch that sees in which order: by the kernel, the signed log and the socket.

The stopwatch shares no code with what it watches: a process' death is the kernel's word (`pidfd_open`), the rest is
read from the log's events.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
from sqlalchemy import select as sql_select

from tests.system.waiting import until
from tre.cli.services import listens
from tre.cli.trial.browser import Browser
from tre.cli.trial.lab import Lab, open_workspace
from tre.cli.trial.world import World
from tre.domain.grants.models import Suspension, SuspensionScope
from tre.domain.people import Subject
from tre.store import grants, workspaces
from tre.store.tables.audit import audit_events

OPERATOR = Subject(issuer="local", id="olga")
BEN = {"subject": {"issuer": "local", "id": "ben"}, "role": "researcher"}
SOON = 1.5
AT_ONCE = 3
"""Workspaces that start side by side."""
LATE_SECONDS = 0.05
"""How late a stopwatch may look at the clock after the kernel has woken it: its thread waits for the interpreter."""


def moment(seconds: float) -> datetime:
    """A moment from now."""
    return datetime.now(UTC) + timedelta(seconds=seconds)


@dataclass
class Scene:
    """A workspace that somebody is in, with a websocket open."""

    world: World
    grant: str
    browser: Browser
    lab: Lab
    reading: asyncio.Task[None]
    run: dict[str, Any]

    @property
    def workspace(self) -> str:
        return str(self.run["plan"]["workspace"])

    def change(self, kind: str, act: Callable[[Any], Any], subject: str = "") -> None:
        """Change the record as the command line does."""
        event = self.world.here.event(kind, subject or f"grant/{self.grant}")
        with self.world.here.database.change(event) as change:
            act(change)

    def suspend(self, scope: SuspensionScope, ref: str) -> None:
        """Suspend, by one of the scopes."""
        whole = scope is SuspensionScope.organisation
        found = Suspension(scope=scope, ref=ref, reason="a question", by=OPERATOR, since=datetime.now(UTC))
        subject = f"organisation/{ref}" if whole else ""
        self.change("suspension.added", lambda c: grants.suspend(c, None if whole else self.grant, found), subject)

    def revoke(self) -> None:
        """Withdraw the approval."""
        self.change("grant.revoked", lambda c: grants.revoke(c, self.grant, "a breach", datetime.now(UTC)))

    def sign_anew(self, **changes: Any) -> None:
        """Put the grant into force again, newly signed, with these changes."""
        organisation = organisation_of(self.grant)
        self.world.grant(self.grant, **(organisation | {"members": [MEMBER, BEN]} | changes))

    def state(self) -> tuple[str, str]:
        """Phase and reason, as the record has them."""
        with self.world.here.database.read() as connection:
            found = workspaces.require(connection, self.workspace)
        return found.phase.value, found.reason.value

    def events(self, kind: str) -> list[tuple[datetime, dict[str, Any]]]:
        """When the log says that something happened to the workspace, and its details."""
        columns = audit_events.c
        wanted = (columns.kind == kind) & (columns.object == f"workspace/{self.workspace}")
        with self.world.here.database.read() as connection:
            rows = connection.execute(sql_select(columns.at, columns.detail).where(wanted).order_by(columns.number))
            return [(row.at, row.detail) for row in rows]

    async def closed(self) -> None:
        """Wait until the websocket is closed from the other side."""
        await asyncio.wait_for(asyncio.shield(self.reading), 30)

    async def answer(self) -> tuple[int, str]:
        """What the gateway answers to a request of the Lab's page, once there is a gateway: status, and why not."""
        until = time.monotonic() + 30
        while True:
            try:
                page = await self.lab.call("GET", "/api/contents/")
            except aiohttp.ClientError:
                assert time.monotonic() < until, "no gateway answers"
                await asyncio.sleep(0.1)
            else:
                return page.status, "" if page.status == 200 else str(page.json()["reason"])


MEMBER = {"subject": {"issuer": "local", "id": "alice"}, "role": "researcher"}


def organisation_of(grant: str) -> dict[str, Any]:
    """A project of an organisation that no other grant belongs to."""
    organisation = {"name": "University", "id": f"org-{grant}", "sector": "academic", "commercial": False}
    words = {"title": "A test", "laySummary": "We try how access ends.", "publicBenefit": "It does end."}
    return {"project": {**words, "organisation": organisation}}


@asynccontextmanager
async def scenes(world: World, names: list[str]) -> AsyncIterator[list[Scene]]:
    """Alice in a workspace of each of these new grants, which are hers and Ben's."""
    await until(lambda: all(listens(world.here.layout.socket(name)) for name in ("controller", "hub", "portal")), 60)
    turn = asyncio.Semaphore(AT_ONCE)
    async with world.signed_in("alice") as (browser, projects), AsyncExitStack() as stack:

        async def one(grant: str) -> Scene:
            async with turn:
                await asyncio.to_thread(world.grant, grant, **organisation_of(grant), members=[MEMBER, BEN])
                page = await browser.get(projects.url)
                lab = await open_workspace(browser, page, grant, world.shell_of)
                address = lab.origin.replace("http", "ws", 1) + "/api/events/subscribe"
                socket = await stack.enter_async_context(browser.websocket(address, origin=lab.origin))
                reading = asyncio.create_task(read_on(socket))
                stack.callback(reading.cancel)
                return Scene(world, grant, browser, lab, reading, world.run_of(grant)[1])

        yield await asyncio.gather(*(one(grant) for grant in names))


async def read_on(socket: aiohttp.ClientWebSocketResponse) -> None:
    """Read, as a page does, until the other side closes; who does not read answers no heartbeat either."""
    with contextlib.suppress(ConnectionError):  # cut in the middle of a word
        while not (await socket.receive()).type.name.startswith(("CLOS", "ERR")):
            continue


@dataclass
class Stopwatch:
    """Watches a run's first process and its supervisor, which holds the mounts, in a thread of its own.

    What ended did so by the time that is kept, and at most `LATE_SECONDS` before it.
    """

    run: dict[str, Any]
    ended: dict[str, float] = field(default_factory=dict)

    def __enter__(self) -> Stopwatch:
        self._held = {name: os.pidfd_open(self.run[name]["pid"]) for name in ("init", "supervisor")}
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def _watch(self) -> None:
        poll = select.poll()
        names = {descriptor: name for name, descriptor in self._held.items()}
        for descriptor in names:
            poll.register(descriptor, select.POLLIN)
        until = time.monotonic() + 60
        while len(self.ended) < len(names) and time.monotonic() < until:
            for descriptor, _ in poll.poll(500):
                self.ended[names[descriptor]] = time.time()
                poll.unregister(descriptor)

    def __exit__(self, *_: object) -> None:
        self._thread.join(70)
        for descriptor in self._held.values():
            os.close(descriptor)


def mounts_left(run: dict[str, Any]) -> list[str]:
    """Mount points of a run that any process of the machine still sees."""
    found = []
    for path in Path("/proc").glob("[0-9]*/mountinfo"):
        with contextlib.suppress(OSError):  # it ended meanwhile
            found += [line for line in path.read_text().splitlines() if f"/{run['identity']}/" in line]
    return found
