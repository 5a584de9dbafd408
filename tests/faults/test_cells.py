"""Something goes wrong in the middle of something, on a real launcher, and everything holds."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from tests.faults.cells import run_cell
from tests.faults.matrix import Cell, cells, selection
from tests.faults.site import FaultWorld, running_fault_world
from tests.faults.steps import NoHitError
from tests.support.machine import lacking_for_workspaces

REASON = lacking_for_workspaces()
pytestmark = [pytest.mark.timeout(300), pytest.mark.skipif(bool(REASON), reason=REASON)]
CHOSEN = selection()


@pytest.fixture(scope="module")
def fault_world() -> Iterator[FaultWorld]:
    """One installation for all of them."""
    with running_fault_world() as found:
        yield found


async def tried(world: FaultWorld, cell: Cell) -> None:
    try:
        outcome = await run_cell(world, cell)
    except BaseException:
        world.kept.clear()
        raise
    finally:
        await world.leave_desks()
    assert outcome.pid > 1
    assert outcome.at > 0


@pytest.mark.parametrize("cell", CHOSEN, ids=lambda cell: cell.name)
async def test_it_holds_and_comes_back(fault_world: FaultWorld, cell: Cell) -> None:
    await tried(fault_world, cell)


@pytest.mark.soak
@pytest.mark.parametrize("cell", [cell for cell in cells() if cell not in CHOSEN], ids=lambda cell: cell.name)
async def test_it_holds_in_every_cell(fault_world: FaultWorld, cell: Cell) -> None:
    await tried(fault_world, cell)


async def test_a_fault_that_meets_nothing_in_the_middle_is_no_cell(fault_world: FaultWorld) -> None:
    async def nothing() -> None:
        return

    fault_world.steps.arm("revoke")
    with pytest.raises(NoHitError):
        await fault_world.steps.reached("revoke", asyncio.create_task(nothing()), 0.2)
