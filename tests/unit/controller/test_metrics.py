"""What the controller counts: by reason what it refused and ended, and what there is of each kind."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import REGISTRY, CollectorRegistry, generate_latest

from tests.support.factories import ALICE
from tests.unit.controller.conftest import World
from tre.audit.courier import GRACE, state_path
from tre.backup.make import BACKED_UP
from tre.controller.metrics import RecordNumbers, WitnessNumbers
from tre.domain.errors import Reason
from tre.domain.letters.models import Letter
from tre.domain.workspaces.states import Wanted, WorkspacePhase
from tre.runtimes.protocol import RunPhase
from tre.store import grants, letters
from tre.system.files import write_json
from tre.system.heartbeat import heartbeat_of
from tre.system.settings import Settings


def counted(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


def in_record(world: World, name: str, **labels: Any) -> float | None:
    registry = CollectorRegistry()
    registry.register(RecordNumbers(world.database, world.clock, world.layout.checker_spool))
    return registry.get_sample_value(name, labels)


def test_a_life_is_counted_by_reason(world: World) -> None:
    reasons = {"reason": Reason.Requested.value}
    before = counted("tre_workspace_endings_total", **reasons)
    active = counted("tre_grant_moves_total", phase="Active", reason="Entitled")
    starts = counted("tre_workspace_start_seconds_count")
    world.apply()
    name = world.run()
    assert counted("tre_grant_moves_total", phase="Active", reason="Entitled") == active + 1
    assert counted("tre_workspace_start_seconds_count") == starts + 1
    world.want(Wanted.Stopped)
    world.settle()
    assert world.workspace(name).phase is WorkspacePhase.Stopped
    assert counted("tre_workspace_endings_total", **reasons) == before + 1


def test_a_refusal_is_counted_by_reason(world: World) -> None:
    before = counted("tre_workspace_refusals_total", reason="EvidenceUnverified")
    world.apply(signed=False)
    world.want()
    world.settle()
    assert counted("tre_workspace_refusals_total", reason="EvidenceUnverified") == before + 1


def test_what_there_is_comes_from_the_record(world: World) -> None:
    assert in_record(world, "tre_grants", phase="Active") == 0
    world.apply()
    waiting = in_record(world, "tre_audit_events_waiting")
    assert waiting is not None
    assert waiting >= 1
    assert in_record(world, "tre_grants", phase="Pending") == 1
    world.storekeeper_answers = False
    world.settle()
    assert in_record(world, "tre_jobs_unfinished", program="storekeeper") == 1
    world.storekeeper_answers = True
    world.run()
    assert in_record(world, "tre_grants", phase="Active") == 1
    assert in_record(world, "tre_workspaces", phase="Running") == 1
    assert in_record(world, "tre_jobs_unfinished", program="storekeeper") == 0


@pytest.mark.parametrize("phase", WorkspacePhase)
def test_every_phase_is_there_from_the_first_moment(world: World, phase: str) -> None:
    assert in_record(world, "tre_workspaces", phase=phase) == 0


def test_no_name_is_in_the_numbers(world: World) -> None:
    world.apply()
    world.run()
    registry = CollectorRegistry()
    registry.register(RecordNumbers(world.database, world.clock, world.layout.checker_spool))
    text = (generate_latest(registry) + generate_latest()).decode()
    for name in ("alice", "nccid-00123", world.workspace(world.want()).name):
        assert name not in text


def test_the_age_of_the_oldest_letter_that_should_have_gone(world: World) -> None:
    assert in_record(world, "tre_letters_oldest_seconds") == 0
    letter = Letter(
        id="ab" * 16,
        event="cd" * 16,
        recipient=ALICE,
        subject="Project p is open",
        text="It is open.",
        page="/",
        at=world.clock.now(),
        next_at=world.clock.now(),
    )
    with world.database.change(world.event("letters.written", "letters/all")) as change:
        letters.add(change, [letter], world.clock.now())
    world.clock.advance(90)
    assert in_record(world, "tre_letters_oldest_seconds") == 90
    assert in_record(world, "tre_letters", state="Waiting") == 1
    assert in_record(world, "tre_letters", state="Abandoned") == 0


def proofs(kind: str, outcome: str) -> float:
    return counted("tre_proofs_total", kind=kind, outcome=outcome)


def test_proofs_of_isolation_and_death_are_counted(world: World) -> None:
    sealed, dead = proofs("isolation", "ok"), proofs("death", "ok")
    world.apply()
    world.run()
    assert proofs("isolation", "ok") == sealed + 1
    assert proofs("death", "ok") == dead
    world.want(Wanted.Stopped)
    world.settle()
    assert proofs("death", "ok") == dead + 1


def test_a_run_that_lost_its_isolation_is_counted_as_failed(world: World) -> None:
    failed = proofs("isolation", "failed")
    world.apply()
    plan = world.workspace(world.run()).plan
    assert plan is not None
    world.runtime.becomes(plan.identity, RunPhase.Ended, Reason.IsolationFailed)
    world.advance(1)
    assert proofs("isolation", "failed") == failed + 1


def revoke(world: World) -> None:
    with world.database.change(world.event("grant.revoked", "grant/nccid-00123")) as change:
        grants.revoke(change, "nccid-00123", "breach", world.clock.now())


def test_what_lives_on_after_its_grant_was_revoked_is_overdue_and_its_end_is_timed(world: World) -> None:
    def seconds() -> float:
        return counted("tre_workspace_ending_seconds_sum", reason="GrantRevoked")

    before = seconds()
    world.apply()
    name = world.run()
    assert in_record(world, "tre_workspaces_overdue") == 0
    world.runtime.lingering.add(f"{name}-1")
    revoke(world)
    world.settle()
    assert in_record(world, "tre_workspaces_overdue") == 0
    world.advance(90)
    assert in_record(world, "tre_workspaces_overdue") == 1
    world.runtime.lingering.clear()
    world.advance(10)
    world.advance(10)
    assert in_record(world, "tre_workspaces_overdue") == 0
    assert 90 <= seconds() - before <= 110


def test_what_lives_on_after_its_time_is_overdue(world: World) -> None:
    world.apply()
    plan = world.workspace(world.run()).plan
    assert plan is not None
    world.clock.advance((plan.end - world.clock.now()).total_seconds() + 30)
    assert in_record(world, "tre_workspaces_overdue") == 0
    world.clock.advance(60)
    assert in_record(world, "tre_workspaces_overdue") == 1


def test_the_age_of_what_the_log_does_not_hold_and_of_jobs(world: World) -> None:
    world.apply()
    world.storekeeper_answers = False
    world.settle()
    world.clock.advance(75)
    assert in_record(world, "tre_audit_oldest_seconds") == 75
    assert in_record(world, "tre_jobs_oldest_seconds") == 75


def test_a_clock_behind_the_log(world: World) -> None:
    world.apply()
    assert in_record(world, "tre_clock_behind_seconds") == 0
    world.clock.jump(world.clock.now() - timedelta(minutes=10))
    assert in_record(world, "tre_clock_behind_seconds") == 600


def test_the_age_of_the_last_backup(world: World) -> None:
    assert in_record(world, "tre_backup_age_seconds") == float("inf")
    with world.database.change(world.event(BACKED_UP, "backup/000001")):
        pass
    world.clock.advance(75)
    assert in_record(world, "tre_backup_age_seconds") == 75


def test_a_checker_that_never_ran_and_one_that_just_did(world: World) -> None:
    assert in_record(world, "tre_checker_heard_seconds") == float("inf")
    path = heartbeat_of(world.layout.checker_spool)
    path.parent.mkdir(parents=True)
    path.touch()
    found = in_record(world, "tre_checker_heard_seconds")
    assert found is not None
    assert found < 30


def test_places_that_lack_a_checkpoint_are_counted(world: World, tmp_path: Path) -> None:
    registry = CollectorRegistry()
    settings = Settings.model_validate({"witnesses": [{"name": name, "file": f"/{name}"} for name in ("a", "b", "c")]})
    registry.register(WitnessNumbers(tmp_path, settings, world.clock))
    assert registry.get_sample_value("tre_audit_witnesses_behind") == 0
    now = world.clock.now()
    late = {"size": 3, "dueAt": (now - GRACE - timedelta(seconds=90)).isoformat()}
    state_path(tmp_path).parent.mkdir()
    write_json(state_path(tmp_path), {"places": {"a": {"size": 3}, "b": late, "gone": late}})
    assert registry.get_sample_value("tre_audit_witnesses_behind") == 1
    assert registry.get_sample_value("tre_audit_witnesses_behind_seconds") == 90
