"""Starting and stopping again and again leaves no process, mount, socket, loop device, control group or file."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.contract.test_runtimes import _cannot
from tests.support.machine import CGROUPS, Machine, processes_of, running_machine, wait_for
from tre.domain.errors import Reason
from tre.domain.workspaces.models import WorkspacePlan
from tre.runtimes.protocol import RunPhase

pytestmark = pytest.mark.sandbox
if _cannot():
    pytest.skip(f"no sandbox on this machine: {_cannot()}", allow_module_level=True)


def cycle(machine: Machine, plan: WorkspacePlan) -> None:
    """One life of a workspace, ended while its server ignores every signal and holds a file open."""
    machine.start(plan)
    machine.runtime.end(plan.identity, Reason.Requested)
    wait_for(lambda: machine.runtime.verify_dead(plan).dead, 5.0)
    machine.await_phase(plan, RunPhase.Ended)
    machine.runtime.forget(plan.identity)


def leftovers(machine: Machine, plans: list[WorkspacePlan]) -> dict[str, object]:
    """Whatever is left, looked for by plain means."""
    backing = [path.read_text() for path in Path("/sys/block").glob("loop*/loop/backing_file")]
    identities = {plan.identity for plan in plans}
    return {
        "processes": [pid for plan in plans if plan.uid != os.geteuid() for pid in processes_of(plan.uid)],
        "directories": sorted(path.name for path in (machine.layout.run / "workspaces").iterdir()),
        "mounts": [line for line in Path("/proc/mounts").read_text().splitlines() if str(machine.layout.root) in line],
        "loop devices": [text for text in backing if str(machine.layout.root) in text],
        "sockets": [
            line for line in Path("/proc/net/unix").read_text().splitlines() if any(i in line for i in identities)
        ],
        "control groups": [p.name for root in CGROUPS for p in (root / machine.layout.run.name).glob("w-*")],
    }


def open_by_launcher(machine: Machine) -> set[str]:
    """What the one program that stays holds open."""
    assert machine.process is not None
    return {path.name for path in Path(f"/proc/{machine.process.pid}/fd").iterdir()}


def run_cycles(root: Path, names: int, runs: int, *, server: str) -> tuple[Machine, list[WorkspacePlan]]:
    """`names` workspaces, each started and ended `runs` times, two at a time."""
    with running_machine(root, server=server) as machine:
        before = open_by_launcher(machine)
        first = [machine.plan(f"cycle{chr(97 + number)}", seconds=3600) for number in range(names)]
        lives = [[plan.model_copy(update={"instance": n}) for n in range(1, runs + 1)] for plan in first]
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(lambda plans: [cycle(machine, plan) for plan in plans], lives))
        plans = [plan for life in lives for plan in life]
        found = leftovers(machine, plans) | {"descriptors": open_by_launcher(machine) - before}
        assert not any(found.values()), found
    return machine, plans


@pytest.mark.timeout(180)
def test_12_cycles_leave_nothing(tmp_path: Path) -> None:
    machine, plans = run_cycles(tmp_path, names=4, runs=3, server="stubborn")
    assert len(plans) == 12
    assert not machine.layout.run.exists()


@pytest.mark.timeout(180)
def test_4_cycles_with_jupyterlab_leave_nothing(tmp_path: Path) -> None:
    _, plans = run_cycles(tmp_path, names=2, runs=2, server="lab")
    assert len(plans) == 4


@pytest.mark.soak
@pytest.mark.timeout(900)
def test_190_cycles_leave_nothing(tmp_path: Path) -> None:
    machine, plans = run_cycles(tmp_path, names=10, runs=19, server="stubborn")
    assert len(plans) == 190
    assert not machine.layout.run.exists()


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_200_cycles_with_jupyterlab_leave_nothing(tmp_path: Path) -> None:
    _, plans = run_cycles(tmp_path, names=4, runs=50, server="lab")
    assert len(plans) == 200
