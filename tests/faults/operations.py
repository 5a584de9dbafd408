"""What is being done while something goes wrong: made ready, begun, held in the middle, brought to its end.

Guarantees: an operation ends only when what it was for is there, looked at from outside of the services: by the record,
the kernel, the files and what people are answered. What was refused meanwhile is asked again, as a person would.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from datetime import timedelta
from typing import ClassVar

import aiohttp

from tests.faults.airlock import Airlock
from tests.faults.backups import Backups
from tests.faults.opened import broken, numbers, open_in, running, until
from tests.faults.site import PATIENCE, FaultWorld
from tests.faults.steps import Hit
from tests.system.endings import moment
from tre.cli.dataset import office_of
from tre.domain.optouts.lists import ListKind, ReadList
from tre.domain.optouts.states import BatchState
from tre.domain.withdrawals import WithdrawalLevel
from tre.store import grant_slices, optouts
from tre.storekeeper import slices, withdrawals


class Operation:
    """One of them, once. `again` counts how often somebody had to ask."""

    name: ClassVar[str]

    def __init__(self, world: FaultWorld) -> None:
        self.world, self.number, self.asked = world, next(numbers), 1

    async def prepare(self) -> None:
        """Whatever must be there before."""

    async def begin(self) -> None:
        """What somebody does."""
        raise NotImplementedError

    async def held(self, doing: asyncio.Task[None]) -> Hit:
        """Wait until it is in the middle."""
        return await self.world.steps.reached(self.name, doing)

    def let_go(self) -> None:
        """Let it go on, if it still lives."""
        self.world.steps.let_go(self.name)

    async def finish(self, doing: asyncio.Task[None]) -> None:
        """Until it is done, asking again what was refused; then what it was for is there."""
        try:
            await asyncio.wait_for(doing, PATIENCE)
        except Exception as error:
            if not broken(error):
                raise
            _, more = await self.world.again(self.begin)
            self.asked += more
        await self.reached()

    async def reached(self) -> None:
        """Wait until what it was for is there."""
        raise NotImplementedError

    async def cleanup(self) -> None:
        """Leave no more behind than the next needs."""


class Start(Operation):
    """Somebody opens a workspace; it is kept for whoever needs a running one."""

    name = "start"

    async def prepare(self) -> None:
        self.grant = await asyncio.to_thread(self.world.grant, f"start-{self.number}")
        await self.world.desk_of("alice")

    async def begin(self) -> None:
        self.opened = await open_in(self.world, self.grant)

    async def reached(self) -> None:
        async def enter() -> None:
            if not hasattr(self, "opened") or self.opened.state()[0] != "Running":
                self.opened = await open_in(self.world, self.grant)
            page = await self.opened.lab.call("GET", "/api/contents/")
            if page.status != 200:
                self.opened.lab = await self.opened.entered()
                raise aiohttp.ClientError

        _, more = await self.world.again(enter)
        self.asked += more - 1
        self.opened.run = self.world.run_of(self.grant)[1]
        self.world.kept.setdefault("running", []).append(self.opened)


class Revoke(Operation):
    """An approval is withdrawn while somebody is inside."""

    name = "revoke"

    async def prepare(self) -> None:
        self.opened = await running(self.world)

    async def begin(self) -> None:
        await asyncio.to_thread(self.opened.revoke)

    async def reached(self) -> None:
        await self.opened.gone("GrantRevoked")


class Expiry(Operation):
    """An approval ends by the clock while somebody is inside."""

    name = "expiry"

    async def prepare(self) -> None:
        self.opened = await running(self.world)

    async def begin(self) -> None:
        end = moment(1.5).isoformat()
        await asyncio.to_thread(self.world.apply, self.opened.grant, expires=end, legalBasis=None)

    async def reached(self) -> None:
        await self.opened.gone("GrantExpired")


class SliceBuild(Operation):
    """A grant needs a slice that nobody built before."""

    name = "slice build"

    async def prepare(self) -> None:
        self.grant = f"build-{self.number}"
        item = self.world.template.spec.slices[0].model_dump(by_alias=True, mode="json")
        day = (moment(0).replace(year=2021, month=12, day=31) - timedelta(days=self.number)).date().isoformat()
        item["spec"]["images"][0]["study_date"]["to"] = day
        changed = type(self.world.template.spec.slices[0]).model_validate(item)
        plan = await asyncio.to_thread(slices.make_plan, office_of(self.world.here), changed.spec)
        approval = self.world.template.spec.approval.model_copy(update={"plan_digest": plan.plan_digest})
        self.changes = {"slices": [item], "approval": approval.model_dump(by_alias=True, mode="json")}

    async def begin(self) -> None:
        await asyncio.to_thread(lambda: self.world.apply(self.grant, **self.changes))

    async def reached(self) -> None:
        await until(lambda: self.world._phase(self.grant) == "Active", f"{self.grant} is not active")
        await until(lambda: self._built() is not None, f"the slice of {self.grant} is not built")
        found = await asyncio.to_thread(slices.verify_slice, office_of(self.world.here), str(self._built()))
        assert not found.differences, found.differences

    def _built(self) -> str | None:
        with self.world.here.database.read() as connection:
            found = grant_slices.of_grant(connection, self.grant)
        return found[0].slice_id if found and found[0].state.value == "Ready" else None


class Withdrawal(Operation):
    """A patient opts out, and slices hold their images."""

    name = "withdrawal"

    async def prepare(self) -> None:
        await asyncio.to_thread(self.world.grant, "withdrawal")
        patients = sorted({path.name for path in self.world.here.layout.slices.glob("s-*/data/*/*") if path.is_dir()})
        self.person = patients[0]
        self.batch = ""

    async def begin(self) -> None:
        await asyncio.to_thread(self._withdraw)

    def _withdraw(self) -> None:
        office = office_of(self.world.here)
        if not self.batch:
            listed = ReadList({self.person: WithdrawalLevel.no_use}, f"{self.number:064x}")
            kind = ListKind.withdraw
            proposal = withdrawals.Proposal(
                dataset="nccid", kind=kind, level=WithdrawalLevel.no_use, source=f"list-{self.number}"
            )
            self.batch = withdrawals.propose(office, proposal, listed, office.actor).id
        if self._state() is BatchState.Counting:
            withdrawals.count(office, self.batch)
        if self._state() is BatchState.Proposed:
            withdrawals.confirm(office, self.batch, 1, office.actor)

    def _state(self) -> BatchState:
        with self.world.here.database.read() as connection:
            return optouts.require(connection, self.batch).state

    async def reached(self) -> None:
        done = {BatchState.Held, BatchState.Destroyed, BatchState.Receipted}
        # A step that failed rests for a minute, and the proof that follows may have to wait for another one.
        await until(lambda: self._state() in done, "the opt-out does not come to its hold", 200)
        left = [path for path in self.world.here.layout.slices.rglob(self.person) if "data" in path.parts]
        assert left == [], left


class Run(Operation):
    """A cell of a notebook runs."""

    name = "run"
    CELL = """
import pathlib, time
home = pathlib.Path('/outbox')
(home / 'begun-{n}').write_text('x')
while (home / 'hold-{n}').exists():
    time.sleep(0.02)
for _ in range(600):
    try:
        (home / 'done-{n}').write_text('42')
        break
    except OSError:
        time.sleep(0.1)
print('done')
"""

    async def prepare(self) -> None:
        self.opened = await running(self.world)
        self.home = self.world.here.layout.outboxes / self.opened.workspace
        (self.home / f"hold-{self.number}").touch()
        self.place = os.open(self.home, os.O_DIRECTORY)  # by which a file goes although the disk is read-only by name
        answer = await self.opened.lab.call("POST", "/api/kernels", {"name": "python3"})
        self.kernel = answer.json()["id"]

    async def begin(self) -> None:
        if (self.home / f"begun-{self.number}").exists():
            return  # asked again, it is seen that it went on by itself
        async with self.opened.lab.attached(self.kernel) as kernel:
            await kernel.execute(self.CELL.format(n=self.number))

    async def held(self, doing: asyncio.Task[None]) -> Hit:
        begun = self.home / f"begun-{self.number}"
        await until(lambda: begun.exists() or doing.done(), "the cell does not begin", 45)
        assert begun.exists(), f"the cell did not begin: {doing.exception()}"
        return Hit("run", int(self.opened.run["init"]["pid"]), begun.stat().st_mtime)

    def let_go(self) -> None:
        if self.place != -1:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(f"hold-{self.number}", dir_fd=self.place)

    async def finish(self, doing: asyncio.Task[None]) -> None:
        await self.reached()
        doing.cancel()
        await asyncio.gather(doing, return_exceptions=True)
        os.close(self.place)
        self.place = -1

    async def reached(self) -> None:
        done = self.home / f"done-{self.number}"
        ended = ("Stopped", self.world.by_design)
        await until(lambda: self.opened.state() == ended or done.read_text() == "42", "the cell did not go on")

        async def inside() -> None:
            if self.opened.state() == ended:  # the cell came to its end before, or did not
                self.opened = await open_in(self.world, self.opened.grant)
                return
            self.opened.lab = await self.opened.entered()
            page = await self.opened.lab.call("GET", f"/api/kernels/{self.kernel}")
            if page.status != 200:
                raise aiohttp.ClientError

        _, more = await self.world.again(inside)
        self.asked += more - 1
        self.world.kept.setdefault("running", []).append(self.opened)


class OutOperation(Operation):
    """Something with a file that asks to leave."""

    async def prepare(self) -> None:
        self.airlock: Airlock = self.world.kept.setdefault("airlock", Airlock(self.world))
        await self.airlock.prepare()


class Intake(OutOperation):
    """A file is copied out of an outbox and looked into."""

    name = "intake"

    async def begin(self) -> None:
        self.airlock.asking = self.airlock.asking or {}
        await self.airlock.ask()

    async def prepare(self) -> None:
        await super().prepare()
        self.airlock.asking = None

    async def reached(self) -> None:
        asked = self.airlock.asking
        assert asked
        assert asked["state"] == "Submitted", asked
        self.world.kept.setdefault("asked", []).append(asked["id"])


class Review(OutOperation):
    """A checker hands a review in."""

    name = "review"

    async def prepare(self) -> None:
        await super().prepare()
        self.export = await self.airlock.asked()
        await self.airlock.vote("carol", self.export)

    async def begin(self) -> None:
        await self.airlock.hand_in("carol", self.export)

    async def reached(self) -> None:
        assert self.airlock.reviewers(self.export) == ["carol"]
        self.world.kept.setdefault("reviewed", []).append(self.export)


class Release(OutOperation):
    """Both checkers agreed; the bundle is written."""

    name = "release"

    async def prepare(self) -> None:
        await super().prepare()
        self.export = await self.airlock.reviewed()

    async def begin(self) -> None:
        await self.airlock.confirm(self.export)

    async def reached(self) -> None:
        await until(lambda: self.airlock.state(self.export) == "Released", "it is not released")
        await self.world.again(lambda: self.airlock.received(self.export))


class Backup(Operation):
    """A backup is made."""

    name = "backup"

    async def prepare(self) -> None:

        self.backups = Backups(self.world)
        self.before = self.backups.names()

    async def begin(self) -> None:
        await self.backups.make()

    async def reached(self) -> None:
        new = set(self.backups.names()) - set(self.before)
        assert new, "no backup was made"
        for name in new:
            await asyncio.to_thread(self.backups.verify, name)


KINDS: dict[str, type[Operation]] = {
    kind.name: kind for kind in (Start, Run, Revoke, Expiry, SliceBuild, Withdrawal, Intake, Review, Release, Backup)
}
"""Every operation by its name."""
