"""A run's end by its runtime alone, when the wall clock is set: the first process is stopped, so it cannot help."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from tests.contract.test_runtimes import _cannot
from tests.support.machine import Machine, running_machine
from tre.domain.errors import Reason
from tre.domain.workspaces.models import WorkspacePlan
from tre.runtimes.protocol import RunPhase

pytestmark = pytest.mark.sandbox
if _cannot():
    pytest.skip(f"no sandbox on this machine: {_cannot()}", allow_module_level=True)


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    with running_machine(tmp_path_factory.mktemp("clocks"), "clock") as found:
        yield found


def alone(machine: Machine, plan: WorkspacePlan) -> None:
    """Start, and take the first process out of the game."""
    machine.set_clock(0)
    machine.start(plan)
    os.kill(machine.first_process(plan).pid, signal.SIGSTOP)


def test_a_wall_clock_set_forward_ends_a_run(machine: Machine) -> None:
    plan = machine.plan("forward", seconds=3600.0)
    alone(machine, plan)
    machine.set_clock(7200)
    assert machine.await_phase(plan, RunPhase.Ended, 10.0).reason is Reason.DeadlineReached


def test_a_wall_clock_set_back_gains_nothing(machine: Machine) -> None:
    plan = machine.plan("back", seconds=3600.0)
    alone(machine, plan)
    end = datetime.now(UTC) + timedelta(seconds=1)
    machine.runtime.shorten(plan.identity, end)
    machine.set_clock(-86400)
    run = machine.await_phase(plan, RunPhase.Ended, 10.0)
    assert run.reason is Reason.DeadlineReached
    assert datetime.now(UTC) >= end
    assert run.at < end - timedelta(hours=23)  # by the wall clock that it had, there was a day left
