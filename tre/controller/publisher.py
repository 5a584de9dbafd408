"""What the gateways are told: the whole truth first, then every change, then a beat so that silence is noticed.

Guarantees: whoever connects gets a consistent start and misses nothing after it; what has not changed is not said
again; a listener that does not read is dropped (it will connect again and be told everything) and delays nobody.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

BEAT_SECONDS = 2.0
_MOST_WAITING = 20_000

_KEYS = {"grant": "record.name", "route": "record.workspace", "session-revoked": "session"}
_GONE = {"grant-gone": ("grant", "name"), "route-gone": ("route", "workspace")}


class Publisher:
    """Keeps the last word on each object and passes on what changes. `publish` may be called from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[tuple[str, str], str] = {}
        self._listeners: dict[asyncio.Queue[str], asyncio.AbstractEventLoop] = {}

    def publish(self, message: dict[str, Any]) -> None:
        """Tell every listener, unless this was the last word already."""
        kind = message["type"]
        line = json.dumps(message)
        with self._lock:
            if kind in _KEYS:
                key = (kind, _value(message, _KEYS[kind]))
                if self._known.get(key) == line:
                    return
                self._known[key] = line
            elif kind in _GONE:
                of, field = _GONE[kind]
                if self._known.pop((of, message[field]), None) is None:
                    return
            listeners = list(self._listeners.items())
        for queue, loop in listeners:
            loop.call_soon_threadsafe(self._put, queue, line)

    def _put(self, queue: asyncio.Queue[str], line: str) -> None:
        if queue.qsize() < _MOST_WAITING:
            queue.put_nowait(line)
        else:
            with self._lock:
                self._listeners.pop(queue, None)
            queue.put_nowait("")  # ends the listener's stream

    async def listen(self, now: datetime) -> AsyncIterator[str]:
        """Everything known, then everything new, one JSON line each; a beat when nothing happens."""
        queue: asyncio.Queue[str] = asyncio.Queue()
        with self._lock:
            self._listeners[queue] = asyncio.get_running_loop()
            start = list(self._known.values())
        try:
            yield json.dumps({"type": "reset"})
            for line in start:
                yield line
            yield json.dumps({"type": "synced", "at": now.isoformat()})
            while (line := await self._next(queue)) != "":
                yield line
        finally:
            with self._lock:
                self._listeners.pop(queue, None)

    async def _next(self, queue: asyncio.Queue[str]) -> str:
        try:
            return await asyncio.wait_for(queue.get(), BEAT_SECONDS)
        except TimeoutError:
            return json.dumps({"type": "beat"})


def _value(message: dict[str, Any], path: str) -> str:
    value: Any = message
    for part in path.split("."):
        value = value[part]
    return str(value)
