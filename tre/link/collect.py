"""The numbers of all services of one machine at one address: for a collector, which asks no unix socket.

Guarantees: it listens on an address of this machine alone; only `GET` of `/SERVICE/metrics`, `/SERVICE/healthz` and
`/SERVICE/readyz` is passed on, for the services it was given, as a request of our own making: nothing of what the
caller sent reaches a service but the choice among them. What does not answer within seconds counts as down. Standard
library only, as all of `tre.link`: it runs under root, the only user whom every service answers.

Does not guarantee: secrecy of the numbers from other users of this machine. They name nobody.

Threat: a way from a browser or a user of this machine to the routes of a service that trust their caller.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
from collections.abc import Mapping
from pathlib import Path

from tre.domain.errors import Reason, TREError
from tre.link.config import Health
from tre.link.health import SECONDS, answer, asked_for, pass_on

ADDRESSES = ("metrics", "healthz", "readyz")
_HEAD = 8192


def check_local(address: str) -> None:
    """Raise `TREError(BadInput)` for an address that other machines could reach."""
    try:
        local = ipaddress.ip_address(address).is_loopback
    except ValueError:
        local = False
    if not local:
        raise TREError(
            Reason.BadInput,
            f"{address} is not an address of this machine alone.",
            why="The numbers are for a collector on the same machine.",
            remedy="Take 127.0.0.1, and let a collector elsewhere ask one that runs here.",
        )


def paths(sockets: Mapping[str, Path]) -> dict[bytes, tuple[bytes, Path]]:
    """What may be asked for: by the path that is asked, the path and the socket that it leads to."""
    return {
        f"/{service}/{name}".encode(): (f"/{name}".encode(), socket)
        for service, socket in sockets.items()
        for name in ADDRESSES
    }


async def serve_numbers(sockets: Mapping[str, Path], address: str, port: int) -> asyncio.Server:
    """Listen for a collector. Raises `TREError(BadInput)` for an address that others could reach."""
    check_local(address)
    known = paths(sockets)

    async def accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one question."""
        broken = (OSError, EOFError, TimeoutError, asyncio.LimitOverrunError)
        try:
            with contextlib.suppress(*broken):  # whoever asked wrongly or went away is owed nothing
                await asyncio.wait_for(_reply(known, reader, writer), SECONDS)
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    return await asyncio.start_server(accepted, address, port, limit=_HEAD)


async def _reply(
    known: Mapping[bytes, tuple[bytes, Path]], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    found = known.get(await asked_for(reader) or b"")
    if found is None:
        writer.write(answer("404 Not Found", "nothing here\n"))
        return
    path, socket = found
    try:
        await pass_on(path, Health(0, socket), writer)
    except OSError as error:
        writer.write(answer("503 Service Unavailable", f"nobody answers: {error.strerror}\n"))
