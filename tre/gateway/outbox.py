"""Audit events on their way to the controller.

Guarantees: events leave in batches once a second; what the controller does not take goes to a local spool that
flushes to disk, and from there into the log later; each event has one identifier on both ways, so that it counts
once. Reads of files are gathered for a minute, one event for each workspace and person; a path that was read often is
one line with a count, and reads that do not fit are counted.

Does not guarantee: events of the last second when the machine loses power. What ends access never waits for events.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import aiohttp
import structlog

from tre.domain.clock import Clock
from tre.domain.events import Event, program
from tre.domain.people import Subject
from tre.gateway.metrics import Metrics

log = structlog.get_logger()

ACTOR = program("gateway")
FLUSH_SECONDS = 1.0
READS_SECONDS = 60.0
MOST_PATHS = 200
"""Paths named in one event; more are counted only, which keeps an event below 64 KiB."""

_MOST_WAITING = 10_000
_BATCH = 500


class EventSpool(Protocol):
    """Where events go that nobody takes: fsynced JSON lines, taken into the log later."""

    def append(self, events: Sequence[Event]) -> None:
        """Write events down for good; raises `OSError`."""
        ...


class Outbox:
    """Events that wait to be handed over."""

    def __init__(self, controller: Path, spool: EventSpool, clock: Clock, metrics: Metrics) -> None:
        self._controller = controller
        self._spool = spool
        self._clock = clock
        self._metrics = metrics
        self._waiting: list[Event] = []
        self._reads: dict[tuple[str, Subject], dict[str, list[int]]] = {}
        self._reads_since = clock.boottime()
        self._client: aiohttp.ClientSession | None = None

    def put(self, kind: str, about: str, *, person: Subject | None = None, **detail: Any) -> None:
        """Queue an event about `workspace/W` or `grant/NAME`: the gateway says it, of a person where there is one.

        Its own name stands on it, since no gateway may put an act of a person into the log.
        """
        said = detail if person is None else detail | {"person": person.as_plain()}
        event = Event(id=secrets.token_hex(16), at=self._clock.now(), actor=ACTOR, kind=kind, object=about, detail=said)
        self._waiting.append(event)

    def put_read(self, workspace: str, actor: Subject, path: str, amount: int) -> None:
        """Note that a person's browser drew so many bytes of a file."""
        reads = self._reads.setdefault((workspace, actor), {})
        name = path[:1000] if path in reads or len(reads) < MOST_PATHS else ""
        entry = reads.setdefault(name, [0, 0])
        entry[0] += 1
        entry[1] += amount

    async def run(self) -> None:
        """Hand over once a second until cancelled; what is left then goes to the spool."""
        try:
            while True:
                await asyncio.sleep(FLUSH_SECONDS)
                await self.flush()
        finally:
            self._gather_reads()
            self._keep(self._waiting)
            self._waiting = []
            if self._client is not None:
                await self._client.close()

    async def flush(self) -> None:
        """Hand over everything that waits."""
        if self._clock.boottime() - self._reads_since >= READS_SECONDS:
            self._gather_reads()
        while self._waiting:
            batch, self._waiting = self._waiting[:_BATCH], self._waiting[_BATCH:]
            if not await self._deliver(batch):
                self._keep(batch)
        self._metrics.events_waiting.set(len(self._waiting))

    async def _deliver(self, batch: list[Event]) -> bool:
        if self._client is None:
            self._client = aiohttp.ClientSession(
                connector=aiohttp.UnixConnector(str(self._controller)), timeout=aiohttp.ClientTimeout(total=5)
            )
        body = {"events": [event.as_plain() for event in batch]}
        try:
            async with self._client.post("http://controller/v1/events", json=body) as response:
                return response.status == 204
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            log.warning("events.undelivered", error=str(error)[:300], count=len(batch))
            return False

    def _keep(self, batch: list[Event]) -> None:
        if not batch:
            return
        try:
            self._spool.append(batch)
        except OSError as error:
            log.error("events.unspooled", error=str(error), count=len(batch))
            self._waiting = (batch + self._waiting)[:_MOST_WAITING]

    def _gather_reads(self) -> None:
        self._reads_since = self._clock.boottime()
        for (workspace, actor), reads in self._reads.items():
            named = [{"path": path, "times": n, "bytes": size} for path, (n, size) in sorted(reads.items())]
            self.put("workspace.files-read", f"workspace/{workspace}", person=actor, reads=named)
        self._reads = {}
