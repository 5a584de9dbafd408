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


def test_a_run_becomes_ready_only_with_its_isolation_proven(machine: Machine) -> None:
    plan = machine.plan("ready")
    run = machine.start(plan)
    assert run.isolation is not None
    assert run.isolation["proven"] is True
    assert len(run.isolation["provenItems"]) > 40  # type: ignore[arg-type]
    assert set(run.means) == {"memory", "cpu", "processes", "home"}
    machine.runtime.end(plan.identity, Reason.Requested)
    machine.await_phase(plan, RunPhase.Ended)


def test_starting_twice_starts_one(machine: Machine) -> None:
    plan = machine.plan("twice")
    machine.start(plan)
    first = machine.supervisor(plan)
    machine.runtime.start(plan)
    assert machine.supervisor(plan) == first
    machine.runtime.end(plan.identity, Reason.Requested)


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
    plan = machine.plan("ending")
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


def test_a_living_run_is_not_forgotten(machine: Machine) -> None:
    plan = machine.plan("living")
    machine.start(plan)
    with pytest.raises(TREError) as caught:
        machine.runtime.forget(plan.identity)
    assert caught.value.reason is Reason.Conflict
    machine.runtime.end(plan.identity, Reason.Requested)


def test_ending_what_is_not_there_is_nothing(machine: Machine) -> None:
    machine.runtime.end("w-aaaaaaaaaaaa-7", Reason.Requested)
    assert machine.runtime.verify_dead(machine.plan("never")).dead


def test_a_run_ends_at_its_end_by_itself(machine: Machine) -> None:
    plan = machine.plan("clock", seconds=4.0)
    machine.start(plan)
    run = machine.await_phase(plan, RunPhase.Ended, 10.0)
    assert run.reason is Reason.DeadlineReached
    assert 0 <= (run.at - plan.end).total_seconds() < 1.5


def test_the_boot_time_cap_ends_a_run_whose_wall_clock_end_is_far(machine: Machine) -> None:
    plan = machine.plan("capped", seconds=3600.0, cap=4)
    machine.start(plan)
    assert machine.await_phase(plan, RunPhase.Ended, 10.0).reason is Reason.DeadlineReached


def test_an_end_is_brought_forward_and_never_back(machine: Machine) -> None:
    plan = machine.plan("sooner", seconds=3600.0)
    assert machine.start(plan).end == plan.end
    sooner = datetime.now(UTC) + timedelta(seconds=1.5)
    for end in (sooner, sooner + timedelta(seconds=60), plan.end):
        machine.runtime.shorten(plan.identity, end)
    found = machine.observation(plan)
    assert found is not None
    assert found.end == sooner
    run = machine.await_phase(plan, RunPhase.Ended)
    assert run.reason is Reason.DeadlineReached
    assert run.at >= sooner


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


def test_bringing_the_end_of_nothing_forward_is_nothing(machine: Machine) -> None:
    before = machine.runtime.observe()
    machine.runtime.shorten("w-aaaaaaaaaaaa-7", datetime.now(UTC))
    assert machine.runtime.observe() == before


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
