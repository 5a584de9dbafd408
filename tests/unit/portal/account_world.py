"""The public account in the portal's tests: the intake socket, a stranger's browser, the team's forms."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import httpx

from tests.unit.portal.world import Browser, World
from tre.domain.publicaccount.models import Item
from tre.portal.handing_in import SOCKET
from tre.portal.serving import server_for
from tre.store import publicaccount as store
from tre.system.sockets import listen

QUESTION = "Who may see my scan?"
BEFORE = """\
metadata: {name: default}
spec:
  counts:
    threshold: 10            # smaller counts need an exception
  types: [csv, png]
"""
AFTER = BEFORE.replace("threshold: 10 ", "threshold: 8  ").replace("[csv, png]", "[csv]")


@contextlib.asynccontextmanager
async def taking_in(world: World) -> AsyncIterator[None]:
    """The portal's intake on its real socket."""
    path = world.layout.socket(SOCKET)
    path.parent.mkdir(parents=True, exist_ok=True)
    made = listen(path, mode=0o660)
    made.setblocking(False)
    server = server_for(world.intake)
    running = asyncio.create_task(server.serve(sockets=[made]))
    while not server.started:
        await asyncio.sleep(0)
    try:
        yield
    finally:
        server.should_exit = True
        await running
        path.unlink(missing_ok=True)


class Stranger:
    """Somebody without an account, at an address."""

    def __init__(self, world: World, address: str = "192.0.2.7") -> None:
        self.world, self.address, self.browser = world, address, Browser(world)

    async def get(self, path: str) -> httpx.Response:
        return await self.browser.get(path, "")

    async def post(self, path: str, fields: dict[str, str], **headers: str) -> httpx.Response:
        sent = self.browser.same_origin("") | {"X-Forwarded-For": f"203.0.113.9, {self.address}"} | headers
        return await self.browser.send("POST", path, "", data=fields, headers=sent)

    async def ask(self, text: str = QUESTION) -> str:
        """Ask, and return the name of the question."""
        answer = await self.post("/questions", {"text": text})
        assert answer.status_code == 303, answer.text
        return answer.headers["location"].removeprefix("/questions/")


def item(world: World, name: str) -> Item:
    with world.database.read() as connection:
        return store.get(connection, name)


async def do(world: World, who: str, name: str, act: str, **fields: Any) -> httpx.Response:
    """An act of somebody of the team, from a fresh page."""
    given = {"version": str(item(world, name).version)} | fields
    return await world.browser(who).post(f"/public/{name}/{act}", given)


async def begin(world: World, kind: str, who: str = "olga", **fields: str) -> str:
    answer = await world.browser(who).post(f"/public/new/{kind}", fields)
    assert answer.status_code == 303, answer.text
    return answer.headers["location"].removeprefix("/public/")
