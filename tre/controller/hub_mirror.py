"""Telling the Hub what is so: the one module outside `tre.hub` that speaks JupyterHub's REST API.

Guarantees: level-triggered. Each pass compares what the Hub shows with what is so and calls only for the
difference, so a Hub that forgot (killed, started with an empty database) is told again, and passing twice changes
nothing. No answer of the Hub is believed: after a start or a stop its own model is read. Nothing is raised into the
controller's loop; a pass ends within its time and says in a report what it could not do.

Does not guarantee: that the Hub agrees at the end of a pass. `MirrorReport.agreed` says so; the next pass goes on.
Nothing here can start or end a workspace: the Hub's spawner only reads the record.

Facts of JupyterHub 6.1 that this leans on: POST may answer 201 while the start is pending; while a server is
pending `check`, `stop` or `rename`, POST answers 400 and DELETE 500; both are waited out.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp

PAGE = 200
"""Users in one answer: JupyterHub's own upper bound."""

AT_ONCE = 8
"""Calls in flight; a start costs the Hub some 45 ms."""

_TRANSIENT = frozenset({"check", "stop", "rename"})
_FAILURES = (aiohttp.ClientError, OSError, TimeoutError, ValueError, KeyError, TypeError, AttributeError)

Desired = Mapping[str, Mapping[str, bool]]
"""Hub user → server → whether it is (or is becoming) ready. `False`: it exists and nothing runs. Absent: removed."""


@dataclass(frozen=True)
class HubServer:
    """A server as the Hub shows it."""

    ready: bool
    pending: str | None


@dataclass
class MirrorReport:
    """What a pass did: calls that changed something, servers still on their way, and what went wrong, in words."""

    told: int = 0
    pending: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    reachable: bool = True

    @property
    def agreed(self) -> bool:
        """Whether the Hub now shows what is so."""
        return self.reachable and not self.pending and not self.problems


class HubMirror:
    """Makes the Hub agree; holds no state between passes but its address and token."""

    def __init__(
        self,
        socket: Path,
        token: str,
        *,
        pass_seconds: float = 20.0,
        pause: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._socket = socket
        self._token = token
        self._pass_seconds = pass_seconds
        self._pause = pause

    async def agree(self, desired: Desired) -> MirrorReport:
        """One pass over everybody: users the Hub knows and users it should know."""
        return await self._pass(desired, None)

    async def agree_user(self, user: str, servers: Mapping[str, bool]) -> MirrorReport:
        """One pass over one user's servers: after a change, without reading everybody."""
        return await self._pass({user: servers}, user)

    async def _pass(self, desired: Desired, only: str | None) -> MirrorReport:
        report = MirrorReport()
        try:
            async with asyncio.timeout(self._pass_seconds), _Calls(self._socket, self._token) as calls:
                seen = await (calls.users() if only is None else calls.user(only))
                await self._agree_all(calls, desired, seen, report)
        except _FAILURES as error:
            report.reachable = False
            report.problems.append(f"the Hub: {type(error).__name__}: {error}")
        return report

    async def _agree_all(
        self, calls: _Calls, desired: Desired, seen: dict[str, dict[str, HubServer]], report: MirrorReport
    ) -> None:
        missing = [user for user, servers in desired.items() if servers and user not in seen]
        created = await asyncio.gather(*(self._create(calls, user, report) for user in missing))
        known = seen | {user: {} for user, done in zip(missing, created, strict=True) if done}
        await asyncio.gather(
            *(
                self._agree_server(_Server(calls, user, name, report), ready, shown.get(name))
                for user, shown in known.items()
                for name, ready in _wishes(desired.get(user, {}), shown)
            )
        )

    async def _create(self, calls: _Calls, user: str, report: MirrorReport) -> bool:
        try:
            status = await calls.create_user(user)
        except _FAILURES as error:
            report.problems.append(f"{user}: {type(error).__name__}: {error}")
            return False
        if status not in {200, 201}:
            report.problems.append(f"{user}: making the user answered {status}")
            return False
        report.told += 1
        return True

    async def _agree_server(self, server: _Server, ready: bool | None, shown: HubServer | None) -> None:
        """Bring one server to where it should be, waiting out what the Hub is in the middle of."""
        try:
            while shown is not None and shown.pending in _TRANSIENT:
                if server.waited > self._pass_seconds / 2:
                    server.still_pending()
                    return
                await self._pause(0.2)
                server.waited += 0.2
                shown = await server.read()
            await server.bring_to(ready, shown)
        except _FAILURES as error:
            server.problem(f"{type(error).__name__}: {error}")


def _wishes(desired: Mapping[str, bool], shown: Mapping[str, HubServer]) -> list[tuple[str, bool | None]]:
    """Every server that is desired or shown, with its wish; `None`: it should not be there."""
    return [(name, desired.get(name)) for name in sorted({*desired, *shown})]


@dataclass
class _Server:
    """One server during one pass."""

    calls: _Calls
    user: str
    name: str
    report: MirrorReport
    waited: float = 0.0

    async def read(self) -> HubServer | None:
        return await self.calls.server(self.user, self.name)

    def still_pending(self) -> None:
        self.report.pending.append(f"{self.user}/{self.name}")

    def problem(self, words: str) -> None:
        self.report.problems.append(f"{self.user}/{self.name}: {words}")

    async def bring_to(self, ready: bool | None, shown: HubServer | None) -> None:
        if shown is not None and shown.pending is None and shown.ready is ready:
            return  # as it should be, by what this pass has read
        if ready is None:
            await self._tell("DELETE", {"remove": True}, {202, 204, 404})
        elif ready and (shown is None or not (shown.ready or shown.pending)):
            await self._make(shown)
            await self._tell("POST", {"user_options": {}}, {201, 202})
        elif not ready and shown is not None and (shown.ready or shown.pending):
            await self._tell("DELETE", None, {202, 204})
        elif not ready:
            await self._make(shown)
        await self._compare(ready)

    async def _make(self, shown: HubServer | None) -> None:
        if shown is None:
            await self._tell("PUT", {"user_options": {}}, {201, 409})

    async def _tell(self, method: str, body: dict[str, Any] | None, good: set[int]) -> None:
        status = await self.calls.change(method, self.user, self.name, body)
        self.report.told += 1
        # 400 and 500 are what JupyterHub says when something is pending: what counts is what it shows next.
        if status not in good | {400, 429, 500, 503}:
            self.problem(f"{method} answered {status}")

    async def _compare(self, ready: bool | None) -> None:
        """Believe what the Hub shows now, whatever it answered."""
        shown = await self.read()
        if shown is not None and shown.pending is not None:
            self.still_pending()
        elif (shown is None) is not (ready is None):
            self.problem("the Hub shows it, it should not" if shown else "the Hub does not show it")
        elif shown is not None and shown.ready is not ready:
            self.problem(f"the Hub shows it {'ready' if shown.ready else 'stopped'}")


class _Calls:
    """The REST API, as far as it is used."""

    def __init__(self, socket: Path, token: str) -> None:
        self._connector = aiohttp.UnixConnector(path=str(socket), limit=AT_ONCE)
        self._session = aiohttp.ClientSession(
            base_url="http://localhost/hub/api/",
            connector=self._connector,
            headers={"Authorization": f"token {token}", "Accept": "application/jupyterhub-pagination+json"},
            timeout=aiohttp.ClientTimeout(total=15),
        )

    async def __aenter__(self) -> _Calls:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def users(self) -> dict[str, dict[str, HubServer]]:
        """Everybody in the controller's reach, with every server, running or not."""
        found: dict[str, dict[str, HubServer]] = {}
        offset: int | None = 0
        while offset is not None:
            query = {"limit": str(PAGE), "offset": str(offset), "include_stopped_servers": "1"}
            page = await self._json("users", query)
            found |= {user["name"]: _servers(user) for user in page["items"]}
            following = page["_pagination"]["next"]
            offset = following["offset"] if following else None
        return found

    async def user(self, name: str) -> dict[str, dict[str, HubServer]]:
        """One user, or nobody where the Hub does not know the name."""
        user = await self._json(f"users/{_quoted(name)}", {"include_stopped_servers": "1"})
        return {} if user is None else {name: _servers(user)}

    async def server(self, user: str, name: str) -> HubServer | None:
        """One server, or `None`."""
        model = await self._json(_path(user, name), {})
        return None if model is None else _server(model)

    async def create_user(self, name: str) -> int:
        """The narrow door for a plain user; the status."""
        async with self._session.put(f"tre/users/{_quoted(name)}") as response:
            return response.status

    async def change(self, method: str, user: str, name: str, body: dict[str, Any] | None) -> int:
        """A call that changes one server; the status."""
        async with self._session.request(method, _path(user, name), json=body) as response:
            return response.status

    async def _json(self, path: str, query: dict[str, str]) -> Any:
        async with self._session.get(path, params=query) as response:
            if response.status == 404:
                return None
            response.raise_for_status()
            return await response.json()


def _servers(user: dict[str, Any]) -> dict[str, HubServer]:
    # The nameless default server belongs to nobody's workspace and is never started.
    return {name: _server(model) for name, model in user.get("servers", {}).items() if name}


def _server(model: dict[str, Any]) -> HubServer:
    return HubServer(ready=bool(model["ready"]), pending=model["pending"])


def _quoted(text: str) -> str:
    return quote(text, safe="")


def _path(user: str, name: str) -> str:
    return f"users/{_quoted(user)}/servers/{_quoted(name)}"
