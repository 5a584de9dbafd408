"""One cell: an operation is held in its middle, something goes wrong, and everything comes back."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

from tests.faults import invariants
from tests.faults.harms import HARMS
from tests.faults.matrix import BY_DESIGN, STEPS, Cell
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
