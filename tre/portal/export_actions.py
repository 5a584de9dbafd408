"""What researchers set in motion at the airlock: each act with its permission, its rule, and its event.

Guarantees: the domain alone decides who may do what, and when; pages and API call the same functions here. A request
that somebody may not see cannot be told from one that does not exist. Who has no access now has nothing looked up in
an outbox, copied or submitted. Events carry counts and digests, never names of files or words.

Does not guarantee: that files have been copied or checked when a function returns: the checker does that, asked by
rows; the portal opens no file that came out of a workspace.

Threat: a stranger who probes for requests; a member whose access has ended and who reads on through the airlock.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection

from tre.airlock.asking import check_payload
from tre.airlock.policy import directories, load_policy
from tre.domain.desk import permissions as desk_permissions
from tre.domain.errors import Reason, TREError
from tre.domain.exports import authoring, permissions
from tre.domain.exports.attempts import check_attempt
from tre.domain.exports.models import ExportRequest, FileGroup, FileKind
from tre.domain.exports.moves import check_phase
from tre.domain.exports.policies import check_checked
from tre.domain.exports.situation import Situation, grant_facts
from tre.domain.exports.states import BlindPhase
from tre.domain.grants.models import GrantRecord
from tre.domain.people import Person
from tre.domain.workspaces.models import Workspace
from tre.portal import actions, words
from tre.portal.context import Desk, Portal
from tre.store import export_desk, exports, grants, jobs
from tre.store.database import Change

PROGRAM = "checker"
LIST, INTAKE, CHECK, TRANSFORM = "list", "intake", "check", "transform"
PATIENCE_SECONDS = 300
"""How long the checker may take before the request says that it did not answer."""

VOTING = (BlindPhase.INDEPENDENT, BlindPhase.CONSOLIDATING)
_NONE = TREError(
    Reason.ExportNotFound, "There is no such export request for you.", remedy="Go back to the list of requests."
)

Act = Callable[[Change, ExportRequest, Situation], ExportRequest]


@dataclass(frozen=True)
class Found:
    """A request as it is recorded, with the facts of this moment. No page shows `request` as it is."""

    request: ExportRequest
    situation: Situation
    grant: GrantRecord


def situation_of(portal: Portal, grant: GrantRecord, request: ExportRequest) -> Situation:
    """The facts that the rules need of this moment. Raises `TREError(PolicyMissing)`."""
    now = portal.clock.now()
    return Situation(
        grant=grant_facts(grant, request.author, now),
        policy=load_policy(request.policy, directories(portal.layout.root)),
        now=now,
        release_delay=timedelta(seconds=portal.settings.release_delay_seconds),
    )


def find(portal: Portal, connection: Connection, person: Person, export: str) -> Found:
    """A request that a person may see. Raises `TREError(ExportNotFound)` for another's as for none."""
    request = exports.get(connection, export)
    if request is None:
        raise _NONE
    grant = grants.require(connection, request.grant)
    situation = situation_of(portal, grant, request)
    if not permissions.can_view(person, request, situation.grant):
        raise _NONE
    return Found(request, situation, grant)


def found_now(desk: Desk, person: Person, export: str) -> Found:
    """`find`, in a reading of its own."""
    with desk.database.read() as connection:
        return find(desk, connection, person, export)


def change_by(desk: Desk, person: Person, found: Found, verb: str, act: Act) -> ExportRequest:
    """Do an act of the domain in one transaction with its event, from the version that was read."""
    event = exports.event_of(verb, found.request, person.subject, found.situation.now)
    with desk.database.change(event) as change:
        return act(change, found.request, found.situation)


# What the author does.


def begin(desk: Desk, person: Person, grant_name: str) -> str:
    """Begin a request and have the outbox looked into; return its id. Raises `TREError`."""
    with desk.database.read() as connection:
        grant = actions.visible_grant(connection, person, grant_name)
    desk_permissions.check_open(person, grant)
    draft = authoring.Draft(
        id=exports.new_export_id(),
        grant=grant.name,
        workspace=Workspace.name_for(grant.name, person.subject),
        author=person.subject,
    )
    now = desk.clock.now()
    blank = ExportRequest(**dict(draft), policy=grant.spec.export.policy, created_at=now, changed_at=now)
    situation = situation_of(desk, grant, blank)
    check_entitled(situation)
    with desk.database.change(exports.event_of("created", blank, person.subject, now)) as change:
        made = exports.create_request(change, draft, situation)
        _ask_list(change, made, situation)
    return made.id


def check_entitled(situation: Situation) -> None:
    """Raise `TREError` with the grant's reason where the author has no access now."""
    words.check_entitled(situation.grant.author, "Nothing can be taken out of this project now.")


def check_editable(found: Found, person: Person) -> None:
    """The author may change the request now, and has access. Raises `TREError`."""
    permissions.check_edit(person, found.request, found.situation.grant)
    check_phase(found.request, BlindPhase.AUTHOR)
    check_entitled(found.situation)


def look(desk: Desk, person: Person, export: str) -> None:
    """Have the outbox looked into again. Raises `TREError`."""
    found = found_now(desk, person, export)
    check_editable(found, person)
    event = desk.event(person.subject, "job.asked", f"export/{export}", job=LIST)
    with desk.database.change(event) as change:
        _ask_list(change, found.request, found.situation)


def _ask_list(change: Change, request: ExportRequest, situation: Situation) -> None:
    asked = jobs.JobRequest(
        program=PROGRAM,
        kind=LIST,
        subject=f"workspace/{request.workspace}",
        payload={"outbox": request.workspace},
        patience_seconds=PATIENCE_SECONDS,
    )
    jobs.ask(change, asked, situation.now)


def add_files(desk: Desk, person: Person, export: str, group: FileGroup, paths: tuple[str, ...]) -> None:
    """Have files of the outbox copied into a group, which is made where it is new, and then checked.

    A text of `group` that is blank leaves what was written before. Raises `TREError`.
    """
    found = found_now(desk, person, export)
    request, situation = found.request, found.situation
    check_editable(found, person)
    most = situation.policy.spec.limits.files
    if not 1 <= len(paths) <= most:
        raise TREError(Reason.BadInput, "No file is chosen." if not paths else f"Choose at most {most} files.")
    if any("\0" in path for path in paths):
        raise TREError(Reason.BadInput, "No file has such a name.", remedy="Choose from the list.")
    known = next((old for old in request.groups if old.name == group.name), group)
    described = _filled(group, known)
    check_attempts(desk, found)
    event = exports.event_of("files-asked", request, person.subject, situation.now, files=len(paths))
    with desk.database.change(event) as change:
        check_idle(change.connection, request)
        exports.describe_group(change, request, person, described, situation)
        payload = {
            "outbox": request.workspace,
            "paths": list(paths),
            "policy": situation.policy.ref.as_plain(),
            "about": {"person": person.as_plain(), "group": group.name},
        }
        ask_checker(change, INTAKE, request, payload, situation)


def _filled(group: FileGroup, known: FileGroup) -> FileGroup:
    """A group's words; those that are left blank are what they were before."""
    return FileGroup(
        name=group.name,
        context=group.context or known.context,
        controls=group.controls or known.controls,
        relation=group.relation or known.relation,
        people=known.people if group.people is None else group.people,
    )


def check_attempts(desk: Desk, found: Found) -> None:
    """The project has runs of the checks left for today. Raises `TREError(RateLimited)`."""
    with desk.database.read() as connection:
        attempts = export_desk.attempts_of(connection, found.request.grant, found.situation.now)
    check_attempt(attempts, found.situation.policy, found.situation.now)


def ask_checker(
    change: Change, kind: str, request: ExportRequest, payload: dict[str, Any], situation: Situation
) -> None:
    """Ask the checker for work about a request."""
    asked = jobs.JobRequest(
        program=PROGRAM,
        kind=kind,
        subject=f"export/{request.id}",
        payload=payload,
        patience_seconds=PATIENCE_SECONDS,
    )
    jobs.ask(change, asked, situation.now)


def check_idle(connection: Connection, request: ExportRequest) -> None:
    """Raise `TREError(StateForbids)` while the checker works on the request."""
    subject = f"export/{request.id}"
    if any(jobs.is_open(jobs.latest(connection, PROGRAM, kind, subject)) for kind in (INTAKE, CHECK, TRANSFORM)):
        raise TREError(
            Reason.StateForbids,
            "Files of this request are being copied or checked.",
            why="One thing at a time: the checks look at the request as a whole.",
            remedy="Wait until that is done; it takes seconds.",
        )


def describe(desk: Desk, person: Person, export: str, group: FileGroup) -> ExportRequest:
    """Give a group other words; how many people and what it relates to stay where they are left out.

    Raises `TREError`.
    """
    found = found_now(desk, person, export)
    known = next((known for known in found.request.groups if known.name == group.name), None)
    if known is None:
        raise TREError(Reason.BadInput, "There is no such group in this request.")
    group = _filled(group, known.model_copy(update={"context": "", "controls": ""}))
    return change_by(
        desk, person, found, "described", lambda c, request, s: exports.describe_group(c, request, person, group, s)
    )


def set_kind(desk: Desk, person: Person, export: str, path: str, kind: FileKind) -> ExportRequest:
    """Say what a file is; `withdrawn` takes it back. Raises `TREError`."""
    found = found_now(desk, person, export)
    return change_by(
        desk, person, found, "file-changed", lambda c, request, s: exports.set_kind(c, request, person, (path, kind), s)
    )


def submit(desk: Desk, person: Person, export: str) -> ExportRequest:
    """Hand a request to the checkers. Raises `TREError`."""
    found = found_now(desk, person, export)

    def act(change: Change, request: ExportRequest, situation: Situation) -> ExportRequest:
        permissions.check_edit(person, request, situation.grant)
        check_entitled(situation)
        check_idle(change.connection, request)
        return exports.submit(change, request, person, situation)

    return change_by(desk, person, found, "submitted", act)


def withdraw(desk: Desk, person: Person, export: str) -> ExportRequest:
    """Take a request back for good. Raises `TREError`."""
    found = found_now(desk, person, export)
    return change_by(desk, person, found, "withdrawn", lambda c, request, s: exports.withdraw(c, request, person, s))


def recheck(desk: Desk, person: Person, export: str) -> None:
    """Have every shown file checked again, where the last run does not count any more. Raises `TREError`."""
    found = found_now(desk, person, export)
    check_recheck(found, person)
    check_attempts(desk, found)
    event = desk.event(person.subject, "job.asked", f"export/{export}", job=CHECK)
    with desk.database.change(event) as change:
        check_idle(change.connection, found.request)
        ask_check(change, found.request, found.situation)


def ask_check(change: Change, request: ExportRequest, situation: Situation) -> None:
    """Have every shown file checked, beside what is known now."""
    ask_checker(change, CHECK, request, check_payload(change.connection, request, situation.policy.ref), situation)


def check_recheck(found: Found, person: Person) -> None:
    """The checks may run again: they lack something, and it is this person's turn. Raises `TREError`."""
    if found.request.phase is BlindPhase.AUTHOR:
        permissions.check_edit(person, found.request, found.situation.grant)
    else:
        permissions.check_review(person, found.request, found.situation.grant)
        check_phase(found.request, *VOTING)
    if not found.request.shown:
        raise TREError(Reason.StateForbids, "There is nothing to check.")
    try:
        check_checked(found.request, found.situation.policy)
    except TREError as error:
        if error.reason in {Reason.CheckMissing, Reason.PolicyChanged}:
            return
    raise TREError(Reason.StateForbids, "The checks need not run again.", why="The last run is complete and current.")
