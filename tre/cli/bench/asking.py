"""Asking an application of the portal as the gateway does, in this process: what a page costs and nothing beside it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any

from starlette.types import ASGIApp, Message

from tre.domain.errors import Reason, TREError

Headers = Sequence[tuple[bytes, bytes]]
NAVIGATION: Headers = ((b"sec-fetch-site", b"none"), (b"sec-fetch-mode", b"navigate"), (b"accept", b"text/html"))


def asked(app: ASGIApp, host: str, path: str, rounds: int, headers: Headers = ()) -> list[float]:
    """Seconds that each of so many requests took, after one that warms what is cached.

    Raises `TREError(RuntimeFailed)` where a page is not answered with 200: a refusal is quick and no figure.
    """

    async def all_rounds() -> list[float]:
        """Each round after the other, in one loop."""
        await ask(app, host, path, headers)
        found = []
        for _ in range(rounds):
            begun = time.perf_counter()
            await ask(app, host, path, headers)
            found.append(time.perf_counter() - begun)
        return found

    return asyncio.run(all_rounds())


async def ask(app: ASGIApp, host: str, path: str, headers: Headers = ()) -> None:
    """Ask once. Raises `TREError(RuntimeFailed)`."""
    plain, _, query = path.partition("?")
    scope: dict[str, Any] = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": plain,
        "raw_path": plain.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(b"host", host.encode()), *NAVIGATION, *headers],
        "client": None,
        "server": None,
    }
    status: list[int] = []

    async def receive() -> Message:
        """A request without a body."""
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        """Look at the status; the body is only counted in time."""
        if message["type"] == "http.response.start":
            status.append(message["status"])

    await app(scope, receive, send)
    if status != [200]:
        raise TREError(Reason.RuntimeFailed, f"The page {path} was answered with {status}.")
