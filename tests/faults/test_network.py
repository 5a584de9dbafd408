"""Lines to the record and to the provider fail in the middle of something, and everything holds."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.contract.oidc_world import need_provider
from tests.faults.cells import kind_of, tried
from tests.faults.matrix import Cell, cells, selection
from tests.faults.network import NetworkWorld
from tests.faults.site import running_fault_world
from tests.support import postgres
from tests.support.machine import lacking_for_workspaces

REASON = lacking_for_workspaces() or ("" if (postgres.PACKAGE / "native").is_dir() else postgres.MISSING)
pytestmark = [pytest.mark.timeout(300), pytest.mark.skipif(bool(REASON), reason=REASON)]
CHOSEN = [cell for cell in selection() if kind_of(cell) is NetworkWorld]
OTHERS = [cell for cell in cells() if kind_of(cell) is NetworkWorld and cell not in CHOSEN]


@pytest.fixture(scope="module")
def network_world() -> Iterator[NetworkWorld]:
    """One installation for all of them."""
    need_provider()
    with running_fault_world(NetworkWorld) as found:
        yield found


@pytest.mark.parametrize("cell", CHOSEN, ids=lambda cell: cell.name)
async def test_it_holds_and_comes_back(network_world: NetworkWorld, cell: Cell) -> None:
    await tried(network_world, cell)


@pytest.mark.soak
@pytest.mark.parametrize("cell", OTHERS, ids=lambda cell: cell.name)
async def test_it_holds_in_every_cell(network_world: NetworkWorld, cell: Cell) -> None:
    await tried(network_world, cell)
