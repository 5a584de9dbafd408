"""Hours of real work by chance: people come, work, go and ask for files, and their approvals end under them.

Guarantees: every workspace is a real one, opened as a person opens it; what must hold is looked at whenever nobody does
anything, so that what is found then is wrong and not merely under way. Ends are timed by the kernel's word.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import shutil
import time
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import select

from tests.faults.airlock import Airlock
from tests.faults.invariants import Acknowledged, faults
from tests.faults.opened import Opened, until
from tests.faults.site import FaultWorld
from tests.system.endings import BEN, Stopwatch, moment
from tre.airlock.policy import SITE_DIRECTORY, shipped_directory
from tre.cli.bench.live import PERSON, RoomyWorld, living
from tre.cli.bench.workspaces import held
from tre.cli.services import MODULES
from tre.cli.trial.browser import Browser, sign_in
from tre.cli.trial.desk import Desk
from tre.cli.trial.lab import open_workspace
from tre.cli.trial.world import World
from tre.domain.errors import TREError
from tre.store.tables.audit import audit_events

AT_ONCE = 4
"""People who do something at the same moment."""

TO_A_BROWSER = 6
"""Workspaces that share a browser, which holds so many connections."""

PAUSE = 0.5
SOON = 3.0
DEEDS = {"work": 70, "stop": 9, "export": 6, "revoke": 7, "expire": 4, "remove": 4}
"""What is done, and how often of a hundred times."""

ENDS = {"stop": "Requested", "revoke": "GrantRevoked", "expire": "GrantExpired", "remove": "NotAMember"}
"""The reason that an end has in the record."""

READ = "import pathlib; print(sum(len(p.read_bytes()) for p in pathlib.Path('/data').rglob('*') if p.is_file()) > 0)"
WRITE = "pathlib.Path('/home/researcher/notes.txt').write_text('seen ' * {size}); print('True')"


class BusyWorld(RoomyWorld, FaultWorld):
    """An installation with users for many, whose releases do not wait. Nothing stops its services."""

    ranges = {**World.ranges, "workspaceUids": (100_000_000, 5000)}

    def make(self) -> None:
        """As any, and the checks may run more often: all that leaves in the hour leaves from one project."""
        super().make()
        own = self.root / SITE_DIRECTORY / "default.yaml"
        own.parent.mkdir(parents=True, exist_ok=True)
        shipped = (shipped_directory() / own.name).read_text(encoding="utf-8")
        assert "attemptsPerDay: 100 " in shipped
        own.write_text(shipped.replace("attemptsPerDay: 100 ", "attemptsPerDay: 10000 "), encoding="utf-8")

    def start(self) -> None:
        """As they are, without any steps."""
        World.start(self)

    def stop(self) -> None:
        """End everything and remove it; it has no disk of its own."""
        shutil.rmtree(self.steps.place, ignore_errors=True)
        World.stop(self)


@dataclass
class Seat:
    """A person's place: a grant, and its workspace while it is open."""

    browser: Browser
    grant: str = ""
    opened: Opened | None = None
    kernel: str = ""
    taken: bool = False


@dataclass(frozen=True)
class Weight:
    """A service at a quiet moment."""

    pid: int
    memory: int
    descriptors: int


@dataclass
class Hour:
    """Everything that is done, and what was seen of it."""

    world: BusyWorld
    seed: int
    seats: list[Seat] = field(default_factory=list)
    starts: list[float] = field(default_factory=list)
    ends: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    done: Counter[str] = field(default_factory=Counter)
    troubles: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)
        self.airlock = Airlock(self.world)
        self._at_the_airlock = asyncio.Lock()
        self._numbers = itertools.count(1)
        self._browsers: list[Browser] = []
        self._deeds: dict[str, Callable[[Seat], Awaitable[None]]] = {
            "work": self._work,
            "stop": self._stop,
            "export": self._export,
            "revoke": lambda seat: self._end(seat, "revoke", lambda: self._revoke(seat.grant)),
            "expire": lambda seat: self._end(seat, "expire", lambda: self._expire(seat.grant)),
            "remove": lambda seat: self._end(seat, "remove", lambda: self._sign_anew(seat.grant, members=[BEN])),
        }

    async def fill(self, most: int, reserve: int) -> None:
        """Open workspaces, a few side by side: so many, or until no more than this is left of the memory."""
        await self.airlock.prepare()
        self._operator = Desk(await self._signed_in("olga"), self.world.desk)
        turn = asyncio.Semaphore(AT_ONCE)
        while len(self.seats) < most and _available() > reserve:
            browser = await self._signed_in(PERSON)
            new = [Seat(browser) for _ in range(min(TO_A_BROWSER, most - len(self.seats)))]
            self.seats += new
            await asyncio.gather(*(self._open_in_turn(seat, turn) for seat in new))

    async def _open_in_turn(self, seat: Seat, turn: asyncio.Semaphore) -> None:
        async with turn:
            await self._open(seat)

    async def _signed_in(self, name: str) -> Browser:
        browser = await Browser().__aenter__()
        self._browsers.append(browser)
        await sign_in(browser, f"{self.world.desk}/", name, self.world.password)
        return browser

    async def leave(self) -> None:
        """Close every browser."""
        for browser in self._browsers:
            await browser.__aexit__(None, None, None)
        await self.world.leave_desks()

    async def minute(self, seconds: float = 60.0) -> None:
        """A minute of work; then everybody has come to rest, and what must hold is looked at."""
        before = await asyncio.to_thread(Acknowledged.of, self.world)
        over, turn = time.monotonic() + seconds, asyncio.Semaphore(AT_ONCE)
        under_way: set[asyncio.Task[None]] = set()
        while time.monotonic() < over:
            await turn.acquire()
            seat = self.chance.choice([one for one in self.seats if not one.taken])
            seat.taken = True
            task = asyncio.create_task(self._do(seat, turn))
            under_way.add(task)
            task.add_done_callback(under_way.discard)
            await asyncio.sleep(self.chance.uniform(0, 2 * PAUSE))
        await asyncio.gather(*under_way)
        self.wrong += await asyncio.to_thread(faults, self.world, before)

    async def _do(self, seat: Seat, turn: asyncio.Semaphore) -> None:
        deed = "open"
        try:
            if seat.opened is None:
                await self._open(seat)
            else:
                deed = self.chance.choices(list(DEEDS), list(DEEDS.values()))[0]
                await self._deeds[deed](seat)
            self.done[deed] += 1
        except Exception as error:  # noqa: BLE001 - whatever it is, the hour goes on and tells of it
            self.troubles.append(f"{deed} of {seat.grant}: {type(error).__name__}: {error}")
        finally:
            seat.taken = False
            turn.release()

    async def _open(self, seat: Seat) -> None:
        """Come in: by the approval of before, or by a new one where that has ended."""
        if not seat.grant:
            seat.grant = f"hour-{next(self._numbers)}"
            await asyncio.to_thread(self.world.grant, seat.grant)
        begun = time.monotonic()
        page = await seat.browser.get(f"{self.world.desk}/projects/{seat.grant}")
        lab = await open_workspace(seat.browser, page, seat.grant, self.world.shell_of)
        answer = await lab.call("POST", "/api/kernels", {"name": "python3"})
        seat.opened, seat.kernel = Opened(self.world, seat.grant, lab), str(answer.json()["id"])
        await self._cells(seat, "1+1")
        self.starts.append(time.monotonic() - begun)

    async def _cells(self, seat: Seat, *sources: str) -> list[str]:
        assert seat.opened is not None
        async with asyncio.timeout(60), seat.opened.lab.attached(seat.kernel) as kernel:
            return [await kernel.execute(source) for source in sources]

    async def _work(self, seat: Seat) -> None:
        """Run cells on the data, and read a file as the page does."""
        assert seat.opened is not None
        size = self.chance.randrange(1, 20_000)
        printed = await self._cells(seat, READ, WRITE.format(size=size))
        page = await seat.opened.lab.call("GET", "/api/contents/home/notes.txt?content=1")
        read = page.json()["content"] if page.status == 200 else ""
        if [text.strip() for text in printed] != ["True", "True"] or read != "seen " * size:
            self.wrong.append(f"{seat.grant}: {printed}, {page.status}")

    async def _stop(self, seat: Seat) -> None:
        assert seat.opened is not None
        page = await seat.browser.get(f"{self.world.desk}/projects/{seat.grant}")
        await seat.browser.submit(page, page.form("/stop"))
        await self._gone(seat, "stop")

    async def _end(self, seat: Seat, deed: str, act: Callable[[], Awaitable[float]]) -> None:
        """Have access end, with a stopwatch on its processes."""
        assert seat.opened is not None
        with ExitStack() as stack:
            watch = stack.enter_context(Stopwatch(seat.opened.run))
            cause = await act()
            await asyncio.to_thread(stack.close)
        self.ends[deed].append(watch.ended["init"] - cause)
        await self._gone(seat, deed)
        seat.grant = ""

    async def _revoke(self, grant: str) -> float:
        begun = time.time()
        await self._operator.call("POST", f"/grants/{grant}/revoke", {"confirm": grant, "reason": "A busy hour."})
        return begun

    async def _expire(self, grant: str) -> float:
        end = moment(SOON)
        await self._sign_anew(grant, expires=end.isoformat(), legalBasis=None)
        return end.timestamp()

    async def _sign_anew(self, grant: str, **changes: Any) -> float:
        await asyncio.to_thread(lambda: self.world.apply(grant, **changes))
        return time.time()

    async def _gone(self, seat: Seat, deed: str) -> None:
        """By the record and by the gateway; processes are looked for when all is quiet."""
        opened = seat.opened
        assert opened is not None
        await until(lambda: opened.state() == ("Stopped", ENDS[deed]), f"{seat.grant} is not {ENDS[deed]}")
        page = await opened.lab.call("GET", "/api/contents/")
        if page.status < 400:
            self.wrong.append(f"{seat.grant} answers {page.status} after it was {ENDS[deed]}")
        seat.opened = None

    async def _export(self, _seat: Seat) -> None:
        """A file's whole way out, one at a time: two checkers agree, the researcher has it."""
        async with self._at_the_airlock:
            export = await self.airlock.reviewed()
            await self.world.again(lambda: self.airlock.confirm(export))
            await until(lambda: self.airlock.state(export) == "Released", f"{export} is not released")
            await self.airlock.received(export)

    def weights(self) -> dict[str, Weight]:
        """Every service as it is now."""
        found = {}
        for name in MODULES:
            with suppress(TREError):  # none of its name runs on one machine
                pid = self.world.service(name)
                found[name] = Weight(pid, held(pid), len(list(Path(f"/proc/{pid}/fd").iterdir())))
        return found

    def endings(self) -> Counter[str]:
        """How often workspaces were stopped by the log, and why."""
        columns = audit_events.c
        with self.world.here.database.read() as connection:
            rows = connection.execute(select(columns.detail).where(columns.kind == "workspace.stopped")).scalars()
            return Counter(str(row["reason"]) for row in rows)

    @property
    def live(self) -> int:
        """How many workspaces run."""
        return len(living(self.world))


def growth(begin: Weight, end: Weight) -> list[str]:
    """What grew more than anything does that is used and given back; empty where nothing did."""
    found = []
    if end.pid != begin.pid:
        found.append("it is another process")
    if end.memory > begin.memory * 1.25 + 32 * 2**20:
        found.append(f"{begin.memory / 2**20:.0f} MiB became {end.memory / 2**20:.0f}")
    if end.descriptors > begin.descriptors + 24:
        found.append(f"{begin.descriptors} descriptors became {end.descriptors}")
    return found


def _available() -> int:
    lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))


__all__ = ["DEEDS", "ENDS", "BusyWorld", "Hour", "Weight", "growth"]
