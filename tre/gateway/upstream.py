"""Connections to what stands behind the gateway; what stands there of workspaces is hostile.

Guarantees: a workspace's socket is opened once, by name in its directory, without following a link, as a bare handle
(`O_PATH`); it must be a socket and belong to the workspace's user; every connection then goes to that very handle
through `/proc/self/fd`, so that nothing the workspace does with names afterwards can lead elsewhere. On a cluster a
connection goes to the door of the workspace's pod by TLS 1.3, and is used only if the other end holds the key of
exactly the run's certificate; the gateway shows its own, which is the only one that doors believe. Addresses are
sent exactly as they were matched: the client library is told that they are encoded, and the result is compared.
Connections are pooled for each run of a workspace and closed with it.

Does not guarantee: that what answers is JupyterLab. It may be anything that the researcher wrote.

Threat: a workspace swaps its socket for a link to the hub's, the portal's or another workspace's; another pod that
was given the address of one that ended, or that answers in a door's place.
"""

from __future__ import annotations

import os
import ssl
import stat
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import structlog
from yarl import URL

from tre.domain.errors import Reason, TREError
from tre.domain.workspaces.routes import Door, Route
from tre.gateway.refusals import RefusedError
from tre.system.certificates import load_pair

log = structlog.get_logger()

_Run = tuple[int, str | None, Door | None]

O_PATH = 0o10000000
LOCAL = "http://localhost"
_CONNECT_SECONDS = 5.0
_HEAD_BYTES = 16384
_IDLE_SECONDS = 30.0


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


def exact_url(target: str, origin: str = LOCAL) -> URL:
    """The address that puts exactly these bytes on the wire; raises `RefusedError` where it would not."""
    url = URL(f"{origin}{target}", encoded=True)
    if url.raw_path_qs != target:
        raise RefusedError(400, Reason.BadInput, "The address has no exact spelling.")
    return url


@dataclass(frozen=True)
class DoorKey:
    """What the gateway shows to doors: files in PEM form, read anew for each run, so that they can be renewed."""

    certificate: Path
    key: Path

    def context(self, certificate: str | None = None) -> ssl.SSLContext:
        """TLS 1.3 with our pair, believing this one certificate only (without one, nobody).

        Raises `TREError(SetupIncomplete)` where our files are no pair, `ssl.SSLError` for a certificate that is none.
        """
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.check_hostname = False  # a door has no name: it is known by its very certificate
        context.verify_flags |= ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN
        load_pair(context, self.certificate, self.key, where="Under these names")
        if certificate is not None:
            context.load_verify_locations(cadata=certificate)
        return context


def make_client(socket: str) -> aiohttp.ClientSession:
    """A client for one unix socket: no cookies, no decompression, no time limit on answers, no header of its own."""
    return _client(aiohttp.UnixConnector(socket, limit=0, keepalive_timeout=_IDLE_SECONDS))


def _client(connector: aiohttp.BaseConnector) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_SECONDS),
        max_line_size=_HEAD_BYTES,
        max_field_size=_HEAD_BYTES,
    )


class WorkspaceUpstream:
    """The connections to one run of a workspace; addresses for `client` begin with `origin`."""

    def __init__(self, route: Route, key: DoorKey | None = None) -> None:
        self._handle = -1
        if route.door is not None:
            host = f"[{route.door.address}]" if ":" in route.door.address else route.door.address
            self.origin = f"https://{host}:{route.door.port}"
            self.client = _client(_through_door(route.door, key))
        elif route.socket is not None:
            self._handle = _handle(route, route.socket)
            self.origin = LOCAL
            self.client = make_client(f"/proc/self/fd/{self._handle}")
        else:
            raise RefusedError(503, Reason.ServiceUnavailable, "The server of this workspace is not there yet.")

    async def close(self) -> None:
        """Close every connection and the handle."""
        await self.client.close()
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1


def _handle(route: Route, socket: str) -> int:
    owner = os.geteuid() if route.uid is None else route.uid
    try:
        return open_socket_handle(Path(socket), owner)
    except OSError as error:
        raise silent_workspace() from error


def _through_door(door: Door, key: DoorKey | None) -> aiohttp.BaseConnector:
    if key is None:
        raise silent_workspace("The server of this workspace is behind a door, and the gateway has no key for doors.")
    try:
        context = key.context(door.certificate)
    except (ssl.SSLError, TREError) as error:
        log.error("gateway.door", address=door.address, error=str(error))
        raise silent_workspace() from error
    return aiohttp.TCPConnector(ssl=context, limit=0, keepalive_timeout=_IDLE_SECONDS, use_dns_cache=False)


class Upstreams:
    """Connections to all workspaces and to our own services."""

    def __init__(self, key: DoorKey | None = None) -> None:
        self._key = key
        self._runs: dict[str, tuple[_Run, WorkspaceUpstream]] = {}
        self._services: dict[Path, aiohttp.ClientSession] = {}

    async def workspace(self, route: Route) -> WorkspaceUpstream:
        """What leads to a workspace's present run. Raises `RefusedError` where its socket is not what it should be."""
        run = (route.instance, route.socket, route.door)
        known = self._runs.get(route.workspace)
        if known is not None and known[0] == run:
            return known[1]
        fresh = WorkspaceUpstream(route, self._key)
        self._runs[route.workspace] = (run, fresh)
        if known is not None:
            await known[1].close()
        return fresh

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
