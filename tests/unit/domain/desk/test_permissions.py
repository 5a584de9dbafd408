"""Who may do what at the desk: every rule, both sides."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.factories import ALICE, EVE, NOON, grant_record, quarantined_file
from tre.domain.desk import permissions as rules
from tre.domain.errors import Reason, TREError
from tre.domain.grants.models import GrantRecord
from tre.domain.grants.states import GrantPhase
from tre.domain.people import Person, Role, Subject
from tre.domain.quarantine import QuarantineState
from tre.domain.workspaces.models import Workspace
from tre.domain.workspaces.states import Wanted, WorkspacePhase

GRANT = grant_record()
ENDED = (GrantPhase.Expired, GrantPhase.Revoked, GrantPhase.Closed)


def person(*roles: Role, subject: Subject = EVE) -> Person:
    return Person(subject=subject, display_name="Somebody", roles=frozenset(roles))


MEMBER = person(Role.researcher, subject=ALICE)
OPERATOR = person(Role.operator)
EVERY_ROLE = person(*Role)


def workspace(**changes: Any) -> Workspace:
    values = {"name": "w-aaaaaaaaaaaa", "grant": GRANT.name, "subject": ALICE, "changed_at": NOON} | changes
    return Workspace.model_validate(values)


def of_phase(phase: GrantPhase) -> GrantRecord:
    return grant_record(phase=phase)


def reason_of(act: Any, *given: Any) -> Reason | None:
    try:
        act(*given)
    except TREError as error:
        return error.reason
    return None


@pytest.mark.parametrize("role", [None, *Role])
def test_who_sees_a_grant(role: Role | None) -> None:
    who = person(*([role] if role else []))
    assert rules.can_see_grant(who, GRANT) is (role in {Role.operator, Role.committee, Role.data_manager})
    assert rules.can_see_grant(MEMBER, GRANT)
    if not rules.can_see_grant(who, GRANT):
        assert reason_of(rules.check_see_grant, who, GRANT) is Reason.GrantNotFound


def test_no_role_opens_somebody_elses_workspace() -> None:
    assert rules.can_open(MEMBER, GRANT)
    assert rules.can_open(person(subject=ALICE), GRANT)
    assert reason_of(rules.check_open, EVERY_ROLE, GRANT) is Reason.NotAMember


@pytest.mark.parametrize(
    ("phase", "wanted", "stoppable"),
    [
        (WorkspacePhase.Stopped, Wanted.Stopped, False),
        (WorkspacePhase.Refused, Wanted.Stopped, False),
        (WorkspacePhase.Stopped, Wanted.Running, True),
        (WorkspacePhase.Running, Wanted.Stopped, True),
        (WorkspacePhase.Running, Wanted.Running, True),
    ],
)
def test_who_stops_what(phase: WorkspacePhase, wanted: Wanted, stoppable: bool) -> None:
    found = workspace(phase=phase, wanted=wanted)
    assert rules.can_stop(MEMBER, found) is stoppable
    assert rules.can_stop(OPERATOR, found) is stoppable
    others = person(*(role for role in Role if role is not Role.operator))
    assert reason_of(rules.check_stop, others, found) is Reason.NotPermitted
    assert not rules.can_see_workspace(others, found)


@pytest.mark.parametrize("phase", list(GrantPhase))
def test_suspending_and_resuming(phase: GrantPhase) -> None:
    grant = of_phase(phase)
    assert rules.can_suspend(OPERATOR, grant) is (phase not in ENDED)
    assert rules.can_resume(OPERATOR, grant) is (phase not in ENDED)
    everybody_else = person(*(role for role in Role if role is not Role.operator))
    assert reason_of(rules.check_suspend, everybody_else, grant) is Reason.NotPermitted
    assert reason_of(rules.check_resume, everybody_else, grant) is Reason.NotPermitted


def test_an_operator_in_the_project_may_stop_it_but_not_begin_it_again() -> None:
    insider = person(Role.operator, subject=ALICE)
    assert rules.can_suspend(insider, GRANT)
    assert rules.can_revoke(insider, GRANT)
    assert reason_of(rules.check_resume, insider, GRANT) is Reason.NotPermitted
    assert rules.can_resume(OPERATOR, GRANT)


@pytest.mark.parametrize("phase", list(GrantPhase))
def test_revoking_and_closing(phase: GrantPhase) -> None:
    grant = of_phase(phase)
    for who in (OPERATOR, person(Role.committee)):
        assert rules.can_revoke(who, grant) is (phase not in ENDED)
    assert reason_of(rules.check_revoke, person(Role.data_manager, Role.checker), grant) is Reason.NotPermitted
    assert rules.can_close(OPERATOR, grant) is (phase in {GrantPhase.Expired, GrantPhase.Revoked})
    assert reason_of(rules.check_close, person(Role.committee), grant) is Reason.NotPermitted


@pytest.mark.parametrize("role", list(Role))
def test_pages(role: Role) -> None:
    who = person(role)
    assert rules.can_operate(who) is (role is Role.operator)
    assert rules.can_review_exports(who) is (role is Role.checker)
    assert rules.can_withdraw(who) is (role is Role.data_manager)
    assert rules.can_manage_data(who) is (role is Role.data_manager)
    assert rules.can_preview(who) is (role in {Role.researcher, Role.data_manager, Role.committee})
    assert rules.can_read_record(who) is (role in rules.READERS)


def test_a_workspace_is_restarted_by_its_member_while_it_runs() -> None:
    running = workspace(phase=WorkspacePhase.Running, wanted=Wanted.Running)
    assert rules.can_restart(MEMBER, running)
    assert reason_of(rules.check_restart, OPERATOR, running) is Reason.NotPermitted
    for changes in ({"phase": WorkspacePhase.Starting}, {"wanted": Wanted.Stopped}, {"wanted": Wanted.Restart}):
        other = running.model_copy(update=changes)
        assert reason_of(rules.check_restart, MEMBER, other) is Reason.StateForbids


def test_allowed_actions() -> None:
    assert rules.grant_actions(MEMBER, GRANT) == ["open"]
    assert rules.grant_actions(OPERATOR, GRANT) == ["suspend", "resume", "revoke"]
    assert rules.grant_actions(OPERATOR, of_phase(GrantPhase.Revoked)) == ["close"]
    assert rules.grant_actions(person(Role.researcher), GRANT) == []
    stopped, running = workspace(), workspace(phase=WorkspacePhase.Running, wanted=Wanted.Running)
    assert rules.workspace_actions(MEMBER, stopped, entitled=True) == ["open"]
    assert rules.workspace_actions(MEMBER, stopped, entitled=False) == []
    assert rules.workspace_actions(OPERATOR, stopped, entitled=True) == []
    assert rules.workspace_actions(MEMBER, running, entitled=True) == ["restart", "stop"]
    assert rules.workspace_actions(MEMBER, running, entitled=False) == ["stop"]
    assert rules.workspace_actions(OPERATOR, running, entitled=False) == ["stop"]


def test_files_in_quarantine_are_decided_by_data_managers_once() -> None:
    manager = person(Role.data_manager)
    file = quarantined_file()
    assert rules.quarantine_actions(manager, file) == ["release", "reject"]
    everybody_else = person(*(role for role in Role if role is not Role.data_manager))
    assert reason_of(rules.check_decide, everybody_else, file) is Reason.NotPermitted
    assert rules.quarantine_actions(everybody_else, file) == []
    for state in (QuarantineState.released, QuarantineState.rejected):
        decided = file.model_copy(update={"state": state})
        assert reason_of(rules.check_decide, manager, decided) is Reason.StateForbids
        assert rules.quarantine_actions(manager, decided) == []
