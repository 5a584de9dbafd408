"""Who may do what at the desk. Pairs: `check_…` raises an error for people, `can_…` answers yes or no.

Guarantees: a workspace is opened by its member and by nobody else, whatever role they hold; what only takes access
away (stop, suspend, revoke) is open to more people than what gives it back; nobody lifts a suspension of a project
they are in. Who is in no way concerned with a grant learns no more of it than of one that does not exist.

Does not guarantee: that a member is entitled now. `tre.domain.entitlement` alone answers that.

Threat: an operator who gives themselves access, or ends a suspension of their own project.
"""

from __future__ import annotations

from collections.abc import Callable

from tre.domain.duties import DUTIES, Duty, Part, conflict
from tre.domain.errors import Reason, TREError, passes
from tre.domain.grants.models import GrantRecord
from tre.domain.grants.states import ENDED_PHASES, GRANT_TRANSITIONS, GrantPhase
from tre.domain.people import Person, Role
from tre.domain.quarantine import QuarantinedFile, QuarantineState
from tre.domain.workspaces.models import Workspace
from tre.domain.workspaces.states import ALIVE_PHASES, Wanted, WorkspacePhase

READERS = frozenset({Role.operator, Role.committee, Role.data_manager})
"""Who sees every grant, member or not."""


def _refuse(what: str, why: str, remedy: str = "") -> TREError:
    return TREError(Reason.NotPermitted, what, why=why, remedy=remedy)


def _forbid(what: str, why: str) -> TREError:
    return TREError(Reason.StateForbids, what, why=why)


def is_member(person: Person, grant: GrantRecord) -> bool:
    """Whether the grant names this person."""
    return grant.spec.member(person.subject) is not None


def check_see_grant(person: Person, grant: GrantRecord) -> None:
    """Members see their grant; operators, committee and data managers see all.

    Raises `TREError(GrantNotFound)`: a stranger cannot tell it from a grant that does not exist.
    """
    if not is_member(person, grant) and not person.roles & READERS:
        raise TREError(
            Reason.GrantNotFound,
            f"There is no project {grant.name!r} for you.",
            why="There is none of that name, or its approval does not name you.",
            remedy="Ask the lead of the project whether the approval names you.",
        )


def check_open(person: Person, grant: GrantRecord) -> None:
    """Members open their own workspace of a grant. Raises `TREError(NotAMember)`."""
    if not is_member(person, grant):
        raise TREError(
            Reason.NotAMember,
            "You cannot open a workspace of this project.",
            why="The approval does not name you.",
            remedy="Ask the lead of the project to have you added by the committee.",
        )


def check_see_workspace(person: Person, workspace: Workspace) -> None:
    """Its member and operators see a workspace. Raises `TREError(NotPermitted)`."""
    if person.subject.key != workspace.subject.key and not person.holds(Role.operator):
        raise _refuse("This workspace is not yours.", "It belongs to somebody else.")


def check_stop(person: Person, workspace: Workspace) -> None:
    """Its member and operators stop a workspace that runs or is wanted.

    Raises `TREError(NotPermitted)` or `TREError(StateForbids)`.
    """
    check_see_workspace(person, workspace)
    if workspace.phase not in ALIVE_PHASES and workspace.wanted is Wanted.Stopped:
        raise _forbid("There is nothing to stop.", "The workspace does not run.")


def check_restart(person: Person, workspace: Workspace) -> None:
    """Its member restarts a workspace that runs. Raises `TREError(NotPermitted)` or `TREError(StateForbids)`."""
    if person.subject.key != workspace.subject.key:
        raise _refuse("You cannot restart this workspace.", "A workspace is opened by its member.")
    if workspace.phase is not WorkspacePhase.Running or workspace.wanted is not Wanted.Running:
        raise _forbid("There is nothing to restart.", "The workspace does not run, or is on its way to an end.")


def check_suspend(person: Person, grant: GrantRecord) -> None:
    """Operators suspend what has not ended. Raises `TREError(NotPermitted)` or `TREError(StateForbids)`."""
    if not person.holds(Role.operator):
        raise _refuse("You cannot suspend this.", "Only operators suspend.")
    if grant.phase in ENDED_PHASES:
        raise _forbid("There is nothing to suspend.", "The grant has ended.")


def check_resume(person: Person, grant: GrantRecord) -> None:
    """Operators lift suspensions, but not of a project they are in.

    Raises `TREError(NotPermitted)` or `TREError(StateForbids)`.
    """
    if not person.holds(Role.operator):
        raise _refuse("You cannot lift this suspension.", "Only operators do.")
    check_impartial(person, grant)
    if grant.phase in ENDED_PHASES:
        raise _forbid("There is nothing to resume.", "The grant has ended.")


def check_impartial(person: Person, grant: GrantRecord) -> None:
    """Whoever gives access back is not among those who get it. Raises `TREError(NotPermitted)`."""
    members = [member.subject for member in grant.spec.members]
    if conflict(Duty.lift_suspension, person.subject, {Part.member: members}) is not None:
        raise _refuse(
            DUTIES[Duty.lift_suspension].refused,
            f"You are a member of the project {grant.name}.",
            DUTIES[Duty.lift_suspension].remedy,
        )


def check_revoke(person: Person, grant: GrantRecord) -> None:
    """Operators and the committee withdraw an approval that has not ended.

    Raises `TREError(NotPermitted)` or `TREError(StateForbids)`.
    """
    if not person.roles & {Role.operator, Role.committee}:
        raise _refuse("You cannot revoke this approval.", "Only operators and the committee do.")
    if not GRANT_TRANSITIONS.can(grant.phase, GrantPhase.Revoked):
        raise _forbid("There is nothing to revoke.", "The grant has ended.")


def check_close(person: Person, grant: GrantRecord) -> None:
    """Operators have an ended grant's homes destroyed before their time is over.

    Raises `TREError(NotPermitted)` or `TREError(StateForbids)`.
    """
    if not person.holds(Role.operator):
        raise _refuse("You cannot close this grant.", "Only operators do.")
    if not GRANT_TRANSITIONS.can(grant.phase, GrantPhase.Closed):
        raise _forbid("This grant cannot be closed.", "Only a grant that has ended, and was not closed, can be.")


def check_read_record(person: Person) -> None:
    """Operators, committee and data managers look through all grants. Raises `TREError(NotPermitted)`."""
    if not person.roles & READERS:
        raise _refuse("This page is not for you.", "It needs the role operator, committee or data manager.")


def check_operate(person: Person) -> None:
    """Operators see every workspace, the audit log, isolation proofs and health. Raises `TREError(NotPermitted)`."""
    if not person.holds(Role.operator):
        raise _refuse("This page is not for you.", "It needs the role operator.")


def check_review_exports(person: Person) -> None:
    """Checkers see the review desk. Raises `TREError(NotPermitted)`."""
    if not person.holds(Role.checker):
        raise _refuse("This page is not for you.", "It needs the role checker.")


def check_withdraw(person: Person) -> None:
    """Data managers take opt-outs, and see how far they are. Raises `TREError(NotPermitted)`."""
    if not person.holds(Role.data_manager):
        raise _refuse("This page is not for you.", "It needs the role data-manager.")


def check_manage_data(person: Person) -> None:
    """Data managers see datasets, releases and what waits in quarantine. Raises `TREError(NotPermitted)`."""
    if not person.holds(Role.data_manager):
        raise _refuse("This page is not for you.", "It needs the role data-manager.")


def check_decide(person: Person, file: QuarantinedFile) -> None:
    """Data managers decide about a file that waits.

    Raises `TREError(NotPermitted)` or `TREError(StateForbids)`.
    """
    check_manage_data(person)
    if file.state is not QuarantineState.waiting:
        raise _forbid("There is nothing to decide.", "Somebody decided about this file already.")


PLANNERS = frozenset({Role.researcher, Role.data_manager, Role.committee})
"""Who may ask what a specification would give: applicants, those who help them, and those who decide."""


def check_preview(person: Person) -> None:
    """Researchers, data managers and committee preview plans. Raises `TREError(NotPermitted)`."""
    if not person.roles & PLANNERS:
        raise _refuse("This page is not for you.", "It needs the role researcher, data-manager or committee.")


def _can_grant(check: Callable[[Person, GrantRecord], None]) -> Callable[[Person, GrantRecord], bool]:
    return lambda person, grant: _passes(lambda: check(person, grant))


def _can_workspace(check: Callable[[Person, Workspace], None]) -> Callable[[Person, Workspace], bool]:
    return lambda person, workspace: _passes(lambda: check(person, workspace))


def _can_person(check: Callable[[Person], None]) -> Callable[[Person], bool]:
    return lambda person: _passes(lambda: check(person))


def _passes(ask: Callable[[], None]) -> bool:
    try:
        ask()
    except TREError:
        return False
    return True


can_see_grant = _can_grant(check_see_grant)
can_open = _can_grant(check_open)
can_suspend = _can_grant(check_suspend)
can_resume = _can_grant(check_resume)
can_revoke = _can_grant(check_revoke)
can_close = _can_grant(check_close)
can_see_workspace = _can_workspace(check_see_workspace)
can_restart = _can_workspace(check_restart)
can_stop = _can_workspace(check_stop)
can_read_record = _can_person(check_read_record)
can_operate = _can_person(check_operate)
can_review_exports = _can_person(check_review_exports)
can_withdraw = _can_person(check_withdraw)
can_manage_data = passes(check_manage_data)
can_decide = passes(check_decide)
can_preview = _can_person(check_preview)

_GRANT_ACTIONS = {
    "open": can_open,
    "suspend": can_suspend,
    "resume": can_resume,
    "revoke": can_revoke,
    "close": can_close,
}


def grant_actions(person: Person, grant: GrantRecord) -> list[str]:
    """What a person may do with a grant now: what the answers of the API carry as `allowedActions`."""
    return [name for name, can in _GRANT_ACTIONS.items() if can(person, grant)]


def workspace_actions(person: Person, workspace: Workspace, *, entitled: bool) -> list[str]:
    """What a person may do with a workspace now; `entitled` is the word of `is_entitled` about its member."""
    own = person.subject.key == workspace.subject.key
    startable = own and entitled and workspace.wanted is Wanted.Stopped and workspace.phase not in ALIVE_PHASES
    may = {
        "open": startable,
        "restart": entitled and can_restart(person, workspace),
        "stop": can_stop(person, workspace),
    }
    return [name for name, permitted in may.items() if permitted]


def quarantine_actions(person: Person, file: QuarantinedFile) -> list[str]:
    """What a person may do with a file in quarantine now."""
    return ["release", "reject"] if can_decide(person, file) else []
