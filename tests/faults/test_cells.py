"""Something goes wrong in the middle of something, on a real launcher, and everything holds."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from tests.faults.cells import kind_of, tried
from tests.faults.matrix import Cell, cells, selection
from tests.faults.site import FaultWorld, running_fault_world
from tests.faults.steps import NoHitError
from tests.support.machine import lacking_for_workspaces

REASON = lacking_for_workspaces()
pytestmark = [pytest.mark.timeout(300), pytest.mark.skipif(bool(REASON), reason=REASON)]
CHOSEN = [cell for cell in selection() if kind_of(cell) is FaultWorld]
OTHERS = [cell for cell in cells() if kind_of(cell) is FaultWorld and cell not in CHOSEN]


@pytest.fixture(scope="module")
def fault_world() -> Iterator[FaultWorld]:
    """One installation for all of them."""
    with running_fault_world(FaultWorld) as found:
        yield found


@pytest.mark.parametrize("cell", CHOSEN, ids=lambda cell: cell.name)
async def test_it_holds_and_comes_back(fault_world: FaultWorld, cell: Cell) -> None:
    await tried(fault_world, cell)


@pytest.mark.soak
@pytest.mark.parametrize("cell", OTHERS, ids=lambda cell: cell.name)
async def test_it_holds_in_every_cell(fault_world: FaultWorld, cell: Cell) -> None:
    await tried(fault_world, cell)


async def test_a_fault_that_meets_nothing_in_the_middle_is_no_cell(fault_world: FaultWorld) -> None:
    async def nothing() -> None:
        return

    fault_world.steps.arm("revoke")
    with pytest.raises(NoHitError):
        await fault_world.steps.reached("revoke", asyncio.create_task(nothing()), 0.2)
