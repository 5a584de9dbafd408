"""What every runtime must hold: one run for one plan, ended at once, dead when it says so, over when time is over."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.contract.runtime_contract import RuntimeContract, RuntimeSite
from tests.support.machine import CGROUPS, Machine, processes_of, running_machine, wait_for
from tre.domain.errors import Reason, TREError
from tre.runtimes.bubblewrap.program import check_usable
from tre.runtimes.protocol import RunPhase

pytestmark = pytest.mark.sandbox


def _cannot() -> str:
    try:
        check_usable()
    except TREError as error:
        return str(error)
    return ""


if _cannot():
    pytest.skip(f"no sandbox on this machine: {_cannot()}", allow_module_level=True)


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    with running_machine(tmp_path_factory.mktemp("machine")) as found:
        yield found


class TestBubblewrap(RuntimeContract):
    """One machine."""

    @pytest.fixture
    def site(self, machine: Machine) -> RuntimeSite:
        return machine


def test_a_start_that_is_asked_for_again_before_its_first_word_starts_one(machine: Machine) -> None:
    """The controller asks again while a loaded machine has not yet let the supervisor speak."""
    plan = machine.plan("hasty")
    answers = [machine.ask({"ask": "start", "plan": plan.as_plain()}) for _ in range(8)]
    assert [answer["started"] for answer in answers] == [True] + [False] * 7
    assert not machine.runtime.verify_dead(plan).dead  # whether or not it has spoken
    machine.await_phase(plan, RunPhase.Ready)
    assert machine.supervisor(plan) == answers[0]["supervisor"]
    machine.runtime.end(plan.identity, Reason.Requested)
    wait_for(lambda: machine.runtime.verify_dead(plan).dead, 5.0)


def test_a_supervisor_that_died_before_its_first_word_leaves_nothing(machine: Machine) -> None:
    plan = machine.plan("unborn")
    directory = machine.layout.workspace_run(plan.identity)
    directory.mkdir(mode=0o711)
    (directory / "lock").write_text("1 1")
    assert machine.runtime.verify_dead(plan).dead
    machine.runtime.forget(plan.identity)
    assert not directory.exists()


def test_the_end_is_observed_and_nothing_is_left(machine: Machine) -> None:
    plan = machine.plan("closing")
    machine.start(plan)
    assert not machine.runtime.verify_dead(plan).dead
    if os.geteuid() == 0:
        assert len(processes_of(plan.uid)) >= 5
    began = time.monotonic()
    machine.runtime.end(plan.identity, Reason.GrantRevoked)
    wait_for(lambda: machine.runtime.verify_dead(plan).dead, 5.0)
    assert time.monotonic() - began < 1.0
    run = machine.await_phase(plan, RunPhase.Ended)
    assert run.reason is Reason.GrantRevoked
    if os.geteuid() == 0:
        assert processes_of(plan.uid) == []
    machine.runtime.forget(plan.identity)
    assert machine.observation(plan) is None
    assert not machine.layout.workspace_run(plan.identity).exists()


def test_the_first_process_holds_an_earlier_end_without_its_supervisor(machine: Machine) -> None:
    """The supervisor is stopped as a debugger or a fault would stop it."""
    plan = machine.plan("alone", seconds=3600.0)
    machine.start(plan)
    first = machine.first_process(plan)
    machine.runtime.shorten(plan.identity, datetime.now(UTC) + timedelta(seconds=1))
    supervisor = machine.supervisor(plan)
    os.kill(supervisor, signal.SIGSTOP)
    try:
        wait_for(lambda: not first.alive())
    finally:
        os.kill(supervisor, signal.SIGCONT)
    assert machine.await_phase(plan, RunPhase.Ended).reason is Reason.DeadlineReached


def test_a_run_dies_with_its_supervisor_and_is_seen_to(machine: Machine) -> None:
    plan = machine.plan("orphan")
    machine.start(plan)
    os.kill(machine.supervisor(plan), signal.SIGKILL)
    wait_for(lambda: machine.runtime.verify_dead(plan).dead, 5.0)
    run = machine.await_phase(plan, RunPhase.Ended)
    assert run.reason is Reason.RuntimeFailed


def test_a_run_dies_with_the_outer_half_of_its_sandbox(machine: Machine) -> None:
    """bubblewrap stays outside as a process of the workspace's user: who kills it must not free what is inside."""
    plan = machine.plan("outer")
    machine.start(plan)
    first = machine.first_process(plan)
    os.kill(parent_of(first.pid), signal.SIGKILL)
    assert machine.await_phase(plan, RunPhase.Ended).reason is Reason.RuntimeFailed
    assert not first.alive()
    wait_for(lambda: machine.runtime.verify_dead(plan).dead, 5.0)


def parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def test_a_supervisor_that_does_not_answer_is_killed_and_its_run_with_it(machine: Machine) -> None:
    """Stopped as a debugger or a fault would stop it, in the moment of a revocation."""
    plan = machine.plan("deaf", seconds=3600.0)
    machine.start(plan)
    os.kill(machine.supervisor(plan), signal.SIGSTOP)
    machine.runtime.end(plan.identity, Reason.GrantRevoked)
    wait_for(lambda: machine.runtime.verify_dead(plan).dead, 5.0)
    machine.runtime.forget(plan.identity)
    assert machine.observation(plan) is None


def test_a_killed_supervisor_leaves_no_control_group(machine: Machine) -> None:
    if not machine.runtime.means()["memory"].startswith("control group"):
        pytest.skip("limits are not kept by control groups here")
    plan = machine.plan("groups")
    machine.start(plan)
    groups = [path for root in CGROUPS for path in root.glob(f"*/{plan.identity}")]
    assert groups
    os.kill(machine.supervisor(plan), signal.SIGKILL)
    wait_for(lambda: machine.runtime.verify_dead(plan).dead, 5.0)
    machine.runtime.forget(plan.identity)
    assert not any(path.exists() for path in groups)


def test_what_is_left_of_a_run_that_nobody_forgot_is_swept_at_the_next_start(tmp_path: Path) -> None:
    with running_machine(tmp_path) as machine:
        if not machine.runtime.means()["memory"].startswith("control group"):
            pytest.skip("limits are not kept by control groups here")
        lost, kept = machine.plan("lost"), machine.plan("kept")
        for plan in (lost, kept):
            machine.start(plan)
        machine.kill_launcher()
        os.kill(machine.supervisor(lost), signal.SIGKILL)
        shutil.rmtree(machine.layout.workspace_run(lost.identity))
        wait_for(lambda: processes_of(lost.uid) == [])
        groups = {plan: [p for root in CGROUPS for p in root.glob(f"*/{plan.identity}")] for plan in (lost, kept)}
        assert all(groups.values())
        machine.start_launcher()
        assert not any(path.exists() for path in groups[lost])
        assert all(path.exists() for path in groups[kept])


def test_runs_outlive_the_launcher_and_are_found_again(tmp_path: Path) -> None:
    with running_machine(tmp_path) as machine:
        plan = machine.plan("outlive")
        machine.start(plan)
        machine.kill_launcher()
        found = machine.observation(plan)
        assert found is not None
        assert found.phase is RunPhase.Ready
        machine.runtime.end(plan.identity, Reason.Requested)
        machine.await_phase(plan, RunPhase.Ended)
        machine.start_launcher()
        assert machine.runtime.verify_dead(plan).dead


@pytest.mark.parametrize(
    "change",
    [
        {"uid": 0},
        {"uid": 1},
        {"data_groups": (0,)},
        {"mounts": "/etc"},
        {"mounts": "above"},
    ],
    ids=["root", "another user", "root's group", "another directory", "the parent directory"],
)
def test_a_plan_that_reaches_too_far_is_refused(machine: Machine, change: dict[str, object]) -> None:
    plan = machine.plan("reaching")
    if "mounts" in change:
        home = next(mount for mount in plan.mounts if mount.kind == "home")
        source = "/etc" if change["mounts"] == "/etc" else str(machine.layout.homes)
        change = {"mounts": (home.model_copy(update={"source": source}),)}
    with pytest.raises(TREError) as caught:
        machine.runtime.start(plan.model_copy(update=change))
    assert caught.value.reason is Reason.NotPermitted
    assert machine.observation(plan) is None
