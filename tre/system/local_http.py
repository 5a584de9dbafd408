"""Asking our own services, over their unix sockets.

Guarantees: every call ends within its timeout, an answer larger than 1 MiB is refused, and whatever goes wrong
comes out as one `TREError(ServiceUnavailable)`: callers have one thing to handle.

Does not guarantee: that the answer makes sense. Whoever asks parses it strictly.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tre.domain.errors import Reason, TREError

if TYPE_CHECKING:
    import aiohttp

MAX_ANSWER = 2**20


@dataclass(frozen=True)
class Answer:
    """Status and JSON value of an answer; the value is `None` where there was no JSON."""

    status: int
    value: Any


async def ask(
    socket: Path, method: str, path: str, *, body: dict[str, Any] | None = None, timeout: float = 5.0
) -> Answer:
    """One request to the service that listens at a socket; `timeout` in seconds bounds all of it."""
    import aiohttp  # noqa: PLC0415 - takes longer to read than most commands run, and most of them ask nobody

    try:
        async with (
            aiohttp.ClientSession(
                connector=aiohttp.UnixConnector(path=str(socket)), timeout=aiohttp.ClientTimeout(total=timeout)
            ) as session,
            session.request(method, f"http://localhost{path}", json=body, allow_redirects=False) as response,
        ):
            return Answer(response.status, _json(await _bounded(response)))
    except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
        raise TREError(
            Reason.ServiceUnavailable, f"Nobody answers at {socket}.", why=f"{type(error).__name__}: {error}."
        ) from error


async def _bounded(response: aiohttp.ClientResponse) -> bytes:
    data = bytearray()
    async for chunk in response.content.iter_chunked(65536):
        data += chunk
        if len(data) > MAX_ANSWER:
            msg = "the answer is too long"
            raise ValueError(msg)
    return bytes(data)


def _json(data: bytes) -> Any:
    return json.loads(data) if data else None
