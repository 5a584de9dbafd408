"""What the gateways are told: the whole truth first, then every change, then a beat so that silence is noticed.

Guarantees: whoever connects gets a consistent start and misses nothing after it; what has not changed is not said
again; a listener that does not read is dropped (it will connect again and be told everything) and delays nobody. An
announcement is waited for until every listener has acted on it, so that doors close before processes die; one that
does not answer delays a single announcement, and by a quarter of a second at most. Nobody is told anything, not even
a beat, by a controller that does not keep up with the record: the gateways then notice its silence.

Threat: a controller that still answers and no longer looks, so that a revocation reaches nobody.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import threading
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

BEAT_SECONDS = 2.0
HEARD_SECONDS = 0.25
"""How long an announcement waits for the gateways to act on it before the processes are killed all the same."""

_MOST_WAITING = 20_000

_KEYS = {"grant": "record.name", "route": "record.workspace", "session-revoked": "session"}
_GONE = {"grant-gone": ("grant", "name"), "route-gone": ("route", "workspace")}


@dataclass(eq=False)
class _Listener:
    loop: asyncio.AbstractEventLoop
    queue: asyncio.Queue[str] = field(default_factory=asyncio.Queue)
    coming: list[str] = field(default_factory=list)
    """Lines on their way into the queue, which only its own loop may touch: one call of the loop brings them all."""

    name: str = field(default_factory=lambda: secrets.token_hex(8))
    heard: int = 0
    waited_for: bool = True
    synced: bool = False


class Publisher:
    """Keeps the last word on each object and passes on what changes. `publish` may be called from any thread."""

    def __init__(self, keeps_up: Callable[[], bool] = lambda: True) -> None:
        self._keeps_up = keeps_up
        self._lock = threading.Condition()
        self._known: dict[tuple[str, str], str] = {}
        self._listeners: dict[str, _Listener] = {}
        self._announced = 0

    def publish(self, message: dict[str, Any]) -> bool:
        """Tell every listener, unless this was the last word already; whether it was news."""
        kind = message["type"]
        line = json.dumps(message)
        with self._lock:
            if kind in _KEYS:
                key = (kind, _value(message, _KEYS[kind]))
                if self._known.get(key) == line:
                    return False
                self._known[key] = line
            elif kind in _GONE:
                of, field_name = _GONE[kind]
                if self._known.pop((of, message[field_name]), None) is None:
                    return False
            idle = [listener for listener in self._listeners.values() if not listener.coming]
            for listener in self._listeners.values():
                listener.coming.append(line)
        for listener in idle:
            listener.loop.call_soon_threadsafe(self._take_in, listener)
        return True

    def announce(self, message: dict[str, Any]) -> None:
        """Tell every listener and wait, within bounds, until each has acted on it. Not from the listeners' loop."""
        with self._lock:
            self._announced += 1
            number = self._announced
            asked = [listener for listener in self._listeners.values() if listener.waited_for]
        self.publish({**message, "number": number})
        with self._lock:
            self._lock.wait_for(lambda: not self._silent(asked, number), HEARD_SECONDS)
            for listener in self._silent(asked, number):
                listener.waited_for = False

    def await_listener(self, seconds: float) -> bool:
        """Wait until somebody was told everything; whether somebody was. Not from the listeners' loop."""
        with self._lock:
            return self._lock.wait_for(lambda: any(one.synced for one in self._listeners.values()), seconds)

    def _silent(self, asked: list[_Listener], number: int) -> list[_Listener]:
        return [one for one in asked if one.heard < number and one.name in self._listeners]

    def heard(self, name: str, number: int) -> None:
        """A listener says that it has acted on everything up to an announcement."""
        with self._lock:
            if (listener := self._listeners.get(name)) is not None:
                listener.heard, listener.waited_for = max(listener.heard, number), True
                self._lock.notify_all()

    def _take_in(self, listener: _Listener) -> None:
        with self._lock:
            lines, listener.coming = listener.coming, []
        for line in lines:
            self._put(listener, line)

    def _put(self, listener: _Listener, line: str) -> None:
        if listener.queue.qsize() < _MOST_WAITING:
            listener.queue.put_nowait(line)
        else:
            with self._lock:
                self._listeners.pop(listener.name, None)
            listener.queue.put_nowait("")  # ends the listener's stream

    async def listen(self, now: datetime) -> AsyncIterator[str]:
        """Everything known, then everything new, one JSON line each; a beat when nothing happens.

        Nothing at all, and an end, while the record is not kept up with.
        """
        listener = _Listener(asyncio.get_running_loop())
        with self._lock:
            self._listeners[listener.name] = listener
            start = list(self._known.values())
        try:
            if not self._keeps_up():
                return
            yield json.dumps({"type": "reset", "listener": listener.name})
            for line in start:
                yield line
            yield json.dumps({"type": "synced", "at": now.isoformat()})
            with self._lock:
                listener.synced = True
                self._lock.notify_all()
            while (line := await self._next(listener.queue)) != "":
                yield line
        finally:
            with self._lock:
                self._listeners.pop(listener.name, None)
                self._lock.notify_all()

    async def _next(self, queue: asyncio.Queue[str]) -> str:
        try:
            return await asyncio.wait_for(queue.get(), BEAT_SECONDS)
        except TimeoutError:
            return json.dumps({"type": "beat"}) if self._keeps_up() else ""


def _value(message: dict[str, Any], path: str) -> str:
    value: Any = message
    for part in path.split("."):
        value = value[part]
    return str(value)
