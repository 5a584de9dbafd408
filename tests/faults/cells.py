"""One cell: an operation is held in its middle, something goes wrong, and everything comes back."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

from tests.faults import invariants
from tests.faults.harms import HARMS
from tests.faults.matrix import BY_DESIGN, FAULTS, STEPS, Cell
from tests.faults.network import NetworkWorld
from tests.faults.opened import until
from tests.faults.operations import KINDS
from tests.faults.site import FaultWorld


@dataclass(frozen=True)
class Outcome:
    """What is kept of a cell: where the fault hit, how soon all was well again, how often somebody had to ask."""

    fault: str
    operation: str
    step: str
    pid: int
    at: float
    back: float
    asked: int


def kind_of(cell: Cell) -> type[FaultWorld]:
    """What an installation a cell needs."""
    return NetworkWorld if FAULTS[cell.fault] == "network" else FaultWorld


async def run_cell(world: FaultWorld, cell: Cell) -> Outcome:
    """Raises `AssertionError` where something did not come back, or should not be; `NoHitError` without a hit."""
    operation = KINDS[cell.operation](world)
    world.by_design = BY_DESIGN.get(cell.fault, "")
    await until(world.all_answer, "not every service answered before")
    await operation.prepare()
    before = await asyncio.to_thread(invariants.Acknowledged.of, world)
    world.steps.arm(cell.operation)
    doing = asyncio.create_task(operation.begin())
    try:
        hit = await operation.held(doing)
        await asyncio.to_thread(HARMS[cell.fault], world, hit, operation.let_go)
        passed = time.monotonic()
        await operation.finish(doing)
        await until(world.all_answer, "not every service came back")
    finally:
        operation.let_go()
        doing.cancel()
        await asyncio.gather(doing, return_exceptions=True)
    back = time.monotonic() - passed
    await settled(world, before)
    return Outcome(*cell, STEPS[cell.operation][1], hit.pid, hit.at, round(back, 1), operation.asked)


async def settled(world: FaultWorld, before: invariants.Acknowledged) -> None:
    """Everything holds; what is still on its way out has some seconds. Raises `AssertionError` with what does not."""
    end = time.monotonic() + 10
    while found := await asyncio.to_thread(invariants.faults, world, before):
        assert time.monotonic() < end, found
        await asyncio.sleep(0.2)


async def tried(world: FaultWorld, cell: Cell) -> None:
    """Run a cell as a test: nothing of it stays for the next where it failed."""
    try:
        outcome = await run_cell(world, cell)
    except BaseException as error:
        error.add_note(world.said())
        world.kept.clear()
        raise
    finally:
        await world.leave_desks()
    assert outcome.pid > 1
    assert outcome.at > 0
