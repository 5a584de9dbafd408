"""Workspaces in the record, by intent.

Guarantees: a phase moves along its table only; people set what is wanted, the controller alone sets what is; a
numeric user identity is given to one workspace and to no other until its certificate of destruction is written.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, func, insert, select, update

from tre.domain import names
from tre.domain.errors import Reason, TREError
from tre.domain.grants.states import GrantPhase
from tre.domain.model import as_line
from tre.domain.people import Subject
from tre.domain.workspaces.models import Progress, Workspace, WorkspacePlan
from tre.domain.workspaces.states import (
    ALIVE_PHASES,
    WORKSPACE_TRANSITIONS,
    StartStep,
    Wanted,
    WorkspacePhase,
)
from tre.store.database import Change
from tre.store.spans import Span
from tre.store.tables.grants import grants
from tre.store.tables.workspaces import workspace_uids, workspaces

_NAMED = select(workspaces).where(workspaces.c.name == bindparam("name"))
_OF_GRANT = select(workspaces).where(workspaces.c.grant == bindparam("grant")).order_by(workspaces.c.name)
"""Put together once: the controller asks them at every look."""


def get(connection: Connection, name: str) -> Workspace | None:
    """One workspace by name."""
    row = connection.execute(_NAMED, {"name": name}).one_or_none()
    return None if row is None else _workspace(row._mapping)


def require(connection: Connection, name: str) -> Workspace:
    """One workspace; raises `TREError(BadInput)` for an unknown name."""
    if (found := get(connection, name)) is None:
        raise TREError(
            Reason.BadInput,
            f"There is no workspace {name!r}.",
            why="The record knows none of that name.",
            remedy="See `tre workspace list`.",
        )
    return found


def among(connection: Connection, span: Span) -> dict[str, list[Workspace]]:
    """Every workspace of the grants in a span of names, by grant."""
    found: dict[str, list[Workspace]] = {}
    query = select(workspaces).where(span.holds(workspaces.c.grant)).order_by(workspaces.c.name)
    for row in connection.execute(query):
        found.setdefault(row.grant, []).append(_workspace(row._mapping))
    return found


def of_grant(connection: Connection, grant: str) -> list[Workspace]:
    """Every workspace of a grant."""
    return [_workspace(row._mapping) for row in connection.execute(_OF_GRANT, {"grant": grant})]


def named(connection: Connection, names: Sequence[str]) -> list[Workspace]:
    """The workspaces of these names, in the order of the names; a name that nobody knows is left out."""
    rows = connection.execute(select(workspaces).where(workspaces.c.name.in_(names)))
    found = {row.name: _workspace(row._mapping) for row in rows}
    return [found[name] for name in names if name in found]


def count_alive(connection: Connection) -> int:
    """Of how many workspaces something may be alive."""
    query = select(func.count()).where(workspaces.c.phase.in_(sorted(ALIVE_PHASES)))
    return int(connection.execute(query).scalar_one())


def names_of_grant(connection: Connection, grant: str) -> list[str]:
    """The names of a grant's workspaces."""
    query = select(workspaces.c.name).where(workspaces.c.grant == grant).order_by(workspaces.c.name)
    return list(connection.execute(query).scalars())


def of_subject(connection: Connection, subject: Subject) -> list[Workspace]:
    """Every workspace of a person."""
    rows = connection.execute(
        select(workspaces)
        .where(workspaces.c.issuer == subject.issuer, workspaces.c.subject == subject.id)
        .order_by(workspaces.c.name)
    )
    return [_workspace(row._mapping) for row in rows]


def alive(connection: Connection) -> list[Workspace]:
    """Every workspace of which something may be alive."""
    rows = connection.execute(select(workspaces).where(workspaces.c.phase.in_(sorted(ALIVE_PHASES))))
    return [_workspace(row._mapping) for row in rows]


def alive_runs(connection: Connection) -> set[str]:
    """The identities of the runs of which something may be alive, without reading their plans."""
    columns = (workspaces.c.name, workspaces.c.instance)
    mine = workspaces.c.phase.in_(sorted(ALIVE_PHASES)) & (workspaces.c.instance > 0)
    return {names.run_identity(row.name, row.instance) for row in connection.execute(select(*columns).where(mine))}


def phases(connection: Connection) -> list[tuple[tuple[str, str], str, WorkspacePhase]]:
    """Whose every workspace is (`Subject.key`), its name and where it is: nothing else of it."""
    columns = (workspaces.c.issuer, workspaces.c.subject, workspaces.c.name, workspaces.c.phase)
    rows = connection.execute(select(*columns).order_by(workspaces.c.name))
    return [((issuer, subject), name, _PHASES[phase]) for issuer, subject, name, phase in rows]


_PHASES = {phase.value: phase for phase in WorkspacePhase}
"""Looked up ten thousand times in a row, which takes a tenth of making them."""


def count_restarts(connection: Connection) -> int:
    """How many workspaces wait for their next run because people opted out."""
    query = select(func.count()).where(
        workspaces.c.wanted == Wanted.Restart, workspaces.c.reason == Reason.DataWithdrawn
    )
    return int(connection.execute(query).scalar_one())


def everything(connection: Connection) -> list[Workspace]:
    """All workspaces, by name."""
    return [_workspace(row._mapping) for row in connection.execute(select(workspaces).order_by(workspaces.c.name))]


def ensure(change: Change, grant: str, subject: Subject, now: datetime) -> str:
    """Make the workspace of a grant and a member, stopped, unless it exists; return its name."""
    name = Workspace.name_for(grant, subject)
    if get(change.connection, name) is None:
        change.connection.execute(
            insert(workspaces).values(
                name=name,
                grant=grant,
                issuer=subject.issuer,
                subject=subject.id,
                wanted=Wanted.Stopped,
                phase=WorkspacePhase.Stopped,
                reason=Reason.Requested,
                message="",
                instance=0,
                progress=[],
                changed_at=now,
            )
        )
    return name


def want(change: Change, name: str, wanted: Wanted) -> None:
    """Keep what is wanted of a workspace."""
    change.connection.execute(update(workspaces).where(workspaces.c.name == name).values(wanted=wanted))


def set_phase(
    change: Change,
    name: str,
    target: WorkspacePhase,
    reason: Reason,
    now: datetime,
    *,
    message: str = "",
) -> None:
    """Move a workspace along its table, with the reason. Raises `TREError(StateForbids)`."""
    current = require(change.connection, name)
    if current.phase is not target:
        WORKSPACE_TRANSITIONS.check(current.phase, target)
    times = {WorkspacePhase.Running: "ready_at", WorkspacePhase.Stopped: "stopped_at"}
    values: dict[str, Any] = {
        "phase": target,
        "reason": reason,
        "message": as_line(message),  # other programs' words: a line break would spoil the whole row
        "changed_at": now,
    }
    if target in times:
        values[times[target]] = now
    change.connection.execute(update(workspaces).where(workspaces.c.name == name).values(**values))


def begin_start(change: Change, plan: WorkspacePlan, now: datetime) -> None:
    """Keep the instruction of a new run and move to Starting; a restart that was asked for is done with that."""
    set_phase(change, plan.workspace, WorkspacePhase.Starting, Reason.Requested, now)
    restarting = (workspaces.c.name == plan.workspace, workspaces.c.wanted == Wanted.Restart)
    change.connection.execute(update(workspaces).where(*restarting).values(wanted=Wanted.Running))
    change.connection.execute(
        update(workspaces)
        .where(workspaces.c.name == plan.workspace)
        .values(
            instance=plan.instance,
            uid=plan.uid,
            plan=plan.as_plain(),
            progress=[Progress(step=StartStep.GrantChecked, at=now).as_plain()],
            started_at=now,
            ready_at=None,
            stopped_at=None,
        )
    )


def add_progress(change: Change, name: str, step: StartStep, now: datetime, message: str = "") -> None:
    """Add a step to what a person sees of a start; a step reached already stays as it was."""
    current = require(change.connection, name)
    if any(done.step is step for done in current.progress):
        return
    progress = [*current.progress, Progress(step=step, at=now, message=as_line(message))]
    change.connection.execute(
        update(workspaces).where(workspaces.c.name == name).values(progress=[item.as_plain() for item in progress])
    )


def given_uid(connection: Connection, name: str) -> int | None:
    """The numeric user identity that a workspace was given, if it was."""
    row = connection.execute(select(workspace_uids.c.uid).where(workspace_uids.c.workspace == name)).scalar()
    return None if row is None else int(row)


def allocate_uid(change: Change, name: str, first: int, last: int, now: datetime) -> int:
    """The workspace's own numeric user identity, new if it has none.

    Raises `TREError(RuntimeFailed)` when the range is used up: identities are not given twice before the certificate.
    """
    if (given := given_uid(change.connection, name)) is not None:
        return given
    highest = change.connection.execute(select(func.max(workspace_uids.c.uid))).scalar()
    uid = first if highest is None else int(highest) + 1
    if uid > last:
        raise TREError(
            Reason.RuntimeFailed,
            "No numeric user identity is left for a new workspace.",
            remedy="Raise workspaceUids.last in tre.yaml.",
        )
    change.connection.execute(insert(workspace_uids).values(uid=uid, workspace=name, allocated_at=now))
    return uid


def certify_uid(change: Change, name: str, now: datetime) -> None:
    """Keep that nothing of the workspace is left; its identity is still never given to another."""
    change.connection.execute(update(workspace_uids).where(workspace_uids.c.workspace == name).values(certified_at=now))


def _workspace(row: Any) -> Workspace:
    return Workspace(
        name=row["name"],
        grant=row["grant"],
        subject=Subject(issuer=row["issuer"], id=row["subject"]),
        wanted=row["wanted"],
        phase=row["phase"],
        reason=row["reason"],
        message=row["message"],
        instance=row["instance"],
        uid=row["uid"],
        plan=None if row["plan"] is None else WorkspacePlan.model_validate(row["plan"]),
        progress=tuple(Progress.model_validate(item) for item in row["progress"]),
        changed_at=row["changed_at"],
        started_at=row["started_at"],
        ready_at=row["ready_at"],
        stopped_at=row["stopped_at"],
    )


def grants_of_person(connection: Connection, written: str) -> list[str]:
    """The grants of a person's workspaces, by the person as `str(Subject)` writes them."""
    same = workspaces.c.issuer + ":" + workspaces.c.subject == written
    rows = connection.execute(select(workspaces.c.grant).where(same).order_by(workspaces.c.grant))
    return list(rows.scalars())


def ended_grants_of(connection: Connection, objects: list[str]) -> list[str]:
    """The ended grants (as `grant/NAME`) whose workspaces are among these objects: they wait for receipts."""
    concerned = [item.removeprefix("workspace/") for item in objects if item.startswith("workspace/")]
    if not concerned:
        return []
    ended = connection.execute(
        select(grants.c.name)
        .join(workspaces, workspaces.c.grant == grants.c.name)
        .where(workspaces.c.name.in_(concerned), grants.c.phase.in_([GrantPhase.Expired, GrantPhase.Revoked]))
        .distinct()
    )
    return [f"grant/{name}" for name in ended.scalars()]
