"""Connections to the unix sockets behind the gateway; those of workspaces are hostile.

Guarantees: a workspace's socket is opened once, by name in its directory, without following a link, as a bare handle
(`O_PATH`); it must be a socket and belong to the workspace's user; every connection then goes to that very handle
through `/proc/self/fd`, so that nothing the workspace does with names afterwards can lead elsewhere. Addresses are
sent exactly as they were matched: the client library is told that they are encoded, and the result is compared.
Connections are pooled for each run of a workspace and closed with it.

Does not guarantee: that what answers is JupyterLab. It may be anything that the researcher wrote.

Threat: a workspace swaps its socket for a link to the hub's, the portal's or another workspace's.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

import aiohttp
from yarl import URL

from tre.domain.errors import Reason
from tre.domain.workspaces.routes import Route
from tre.gateway.refusals import RefusedError

O_PATH = 0o10000000
_CONNECT_SECONDS = 5.0
_HEAD_BYTES = 16384


def open_socket_handle(path: Path, owner: int) -> int:
    """A handle on a socket that `owner` made; raises `OSError` for anything else at that path."""
    directory = os.open(path.parent, O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        handle = os.open(path.name, O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory)
    finally:
        os.close(directory)
    found = os.fstat(handle)
    if not stat.S_ISSOCK(found.st_mode) or found.st_uid != owner:
        os.close(handle)
        raise OSError(f"{path.name} is not a socket of user {owner}")
    return handle


def silent_workspace(text: str = "The server of this workspace does not answer.") -> RefusedError:
    """The refusal for a workspace that runs but cannot be spoken with."""
    return RefusedError(502, Reason.ServiceUnavailable, text)


def exact_url(target: str) -> URL:
    """The address that puts exactly these bytes on the wire; raises `RefusedError` where it would not."""
    url = URL(f"http://localhost{target}", encoded=True)
    if url.raw_path_qs != target:
        raise RefusedError(400, Reason.BadInput, "The address has no exact spelling.")
    return url


def make_client(socket: str) -> aiohttp.ClientSession:
    """A client for one unix socket: no cookies, no decompression, no time limit on answers, no header of its own."""
    return aiohttp.ClientSession(
        connector=aiohttp.UnixConnector(socket, limit=0, keepalive_timeout=30),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_SECONDS),
        max_line_size=_HEAD_BYTES,
        max_field_size=_HEAD_BYTES,
    )


class WorkspaceUpstream:
    """The connections to one run of a workspace."""

    def __init__(self, route: Route) -> None:
        if route.socket is None:
            raise RefusedError(503, Reason.ServiceUnavailable, "The server of this workspace is not there yet.")
        owner = os.geteuid() if route.uid is None else route.uid
        try:
            self._handle = open_socket_handle(Path(route.socket), owner)
        except OSError as error:
            raise silent_workspace() from error
        self.client = make_client(f"/proc/self/fd/{self._handle}")

    async def close(self) -> None:
        """Close every connection and the handle."""
        await self.client.close()
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1


class Upstreams:
    """Connections to all workspaces and to our own services."""

    def __init__(self) -> None:
        self._runs: dict[str, tuple[tuple[int, str | None], WorkspaceUpstream]] = {}
        self._services: dict[Path, aiohttp.ClientSession] = {}

    async def workspace(self, route: Route) -> aiohttp.ClientSession:
        """The client for a workspace's present run. Raises `RefusedError` where its socket is not what it should be."""
        run = (route.instance, route.socket)
        known = self._runs.get(route.workspace)
        if known is not None and known[0] == run:
            return known[1].client
        fresh = WorkspaceUpstream(route)
        self._runs[route.workspace] = (run, fresh)
        if known is not None:
            await known[1].close()
        return fresh.client

    def service(self, socket: Path) -> aiohttp.ClientSession:
        """The client for one of our own services."""
        if socket not in self._services:
            self._services[socket] = make_client(str(socket))
        return self._services[socket]

    async def drop(self, workspace: str) -> None:
        """Close what leads to a workspace; the next request opens anew and looks again."""
        known = self._runs.pop(workspace, None)
        if known is not None:
            await known[1].close()

    async def close(self) -> None:
        """Close everything."""
        for workspace in tuple(self._runs):
            await self.drop(workspace)
        for client in self._services.values():
            await client.close()
