"""Seeing from outside whether anything happens in a workspace, and telling the controller.

Guarantees: a person's work counts, by what their browser sends (a message to a kernel or a terminal, anything that
changes something); a page that is merely open does not. A kernel that is busy, a cell that ran and a terminal that
showed something count whether or not a browser is there: the server is asked twice a minute, in a way that it does
not itself take for activity. What cannot be found out counts as activity: nobody's run is ended for want of an answer.

Does not guarantee: that the answers are true. Everything inside belongs to the researcher; whoever makes it seem busy
keeps a place that they could keep by working, and gains nothing else. A program in a terminal that shows nothing
is not seen.

Threat: an answer without end, or of any shape, from inside.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import structlog

from tre.domain.names import run_identity
from tre.domain.workspaces.routes import Route
from tre.gateway.refusals import RefusedError
from tre.gateway.table import Table
from tre.gateway.upstream import Upstreams, exact_url

log = structlog.get_logger()

LOOK_SECONDS = 30.0
_ANSWER_SECONDS = 10.0
_LARGEST_ANSWER = 256 * 2**10
_AT_ONCE = 16
_ASKED = ("/api/kernels?no_track_activity=1", "/api/terminals?no_track_activity=1")
_BUSY = frozenset({"busy", "starting", "restarting"})


class Activity:
    """Looks at those workspaces whose profile stops them when nothing happens."""

    def __init__(self, table: Table, upstreams: Upstreams, controller: Path) -> None:
        self._table, self._upstreams, self._controller = table, upstreams, controller
        self._touched: set[str] = set()
        self._marks: dict[str, str] = {}
        self._turns = asyncio.Semaphore(_AT_ONCE)

    def note(self, route: Route) -> None:
        """A person did something in a workspace."""
        if route.idle_minutes is not None:
            self._touched.add(run_identity(route.workspace, route.instance))

    async def run(self) -> None:
        """Look and tell, until cancelled."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            await self.look()

    async def look(self) -> None:
        """Look at each once, and tell the controller."""
        watched = [route for route in self._table.routes() if route.is_served and route.idle_minutes is not None]
        touched, self._touched = self._touched, set()
        found = await asyncio.gather(*(self._is_active(route, touched) for route in watched))
        names = [run_identity(route.workspace, route.instance) for route in watched]
        self._marks = {name: mark for name, mark in self._marks.items() if name in names}
        if names:
            active = [name for name, happens in zip(names, found, strict=True) if happens]
            await self._tell({"active": active, "quiet": [name for name in names if name not in active]})

    async def _is_active(self, route: Route, touched: set[str]) -> bool:
        identity = run_identity(route.workspace, route.instance)
        async with self._turns:
            try:
                async with asyncio.timeout(_ANSWER_SECONDS):
                    kernels, terminals = [_understood(await self._ask(route, path)) for path in _ASKED]
            except (aiohttp.ClientError, OSError, TimeoutError, ValueError, RefusedError) as error:
                log.info("activity.unknown", workspace=route.workspace, error=str(error)[:200])
                return True
        before, mark = self._marks.get(identity), _mark([*kernels, *terminals])
        self._marks[identity] = mark
        return identity in touched or before != mark or any(one.state in _BUSY for one in kernels)

    async def _ask(self, route: Route, target: str) -> bytes:
        upstream = await self._upstreams.workspace(route)
        url, headers = exact_url(target, upstream.origin), {"Host": "localhost", "Accept": "application/json"}
        async with upstream.client.get(url, headers=headers, allow_redirects=False) as answer:
            body = bytearray()
            async for chunk in answer.content.iter_any():
                body += chunk
                if len(body) > _LARGEST_ANSWER:
                    raise ValueError("the answer is longer than it may be")
        if answer.status != 200:
            raise ValueError(f"the answer is {answer.status}")
        return bytes(body)

    async def _tell(self, body: dict[str, list[str]]) -> None:
        client = self._upstreams.service(self._controller)
        with contextlib.suppress(aiohttp.ClientError, OSError, TimeoutError):  # it then stops nothing, and is told anew
            async with asyncio.timeout(_ANSWER_SECONDS), client.post("http://controller/v1/activity", json=body):
                pass


class _Seen(NamedTuple):
    """A kernel or a terminal as its server tells of it."""

    name: str
    state: str
    at: str


def _understood(body: bytes) -> list[_Seen]:
    """What an answer says. Raises `ValueError` for one of any other shape, however deep or odd."""
    try:
        found = json.loads(body)
    except RecursionError as error:
        raise ValueError("the answer is too deep") from error
    if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
        raise ValueError("the answer is no list")
    keys = (("id", "name"), ("execution_state",), ("last_activity",))
    return [_Seen(*(_text(item, names) for names in keys)) for item in found]


def _text(item: dict[str, Any], names: tuple[str, ...]) -> str:
    value = next((item[name] for name in names if name in item), "")
    if not isinstance(value, str):
        raise ValueError("a word is due in the answer")  # noqa: TRY004 - what somebody else wrote has no type
    return value


def _mark(seen: list[_Seen]) -> str:
    """What changes when a cell ran or a terminal showed something between two looks."""
    return hashlib.sha256(repr([(one.name, one.at) for one in seen]).encode(errors="replace")).hexdigest()
