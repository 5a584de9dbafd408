"""After a restore: closed until somebody told what the backup cannot know.

Guarantees: no controller and no portal starts with a restored record (`tre.store.schema.require_current` asks) until
for every data set the version of its deny set was named that the record has now. Whoever names it has looked whether
the lists of opt-outs since the backup were applied; `tre withdraw` works while everything is closed. Sessions and
tickets are over; slices are built again from their plans and the deny set of now.

Does not guarantee: that the lists were all there. It says from when on they are needed; people have to ask for them.

Threat: a restore that brings a patient back whose opt-out came after the backup.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update

from tre.domain.errors import Reason, TREError
from tre.domain.events import Event
from tre.domain.workspaces.models import Workspace
from tre.domain.workspaces.states import Wanted, WorkspacePhase
from tre.store import workspaces as runs
from tre.store.database import Change, Database, new_id
from tre.store.grant_slices import SliceState
from tre.store.schema import RESTORED
from tre.store.tables.data import datasets, slices
from tre.store.tables.grants import grant_slices
from tre.store.tables.jobs import jobs, settings
from tre.store.tables.people import sessions, tickets
from tre.store.tables.workspaces import workspaces

_STOPPED = "workspace.stopped-by-statement"
_ANSWERED = "It ran on the machine that was lost."
_AGAIN = ("slice.build", "workspace.provision")
"""Jobs of the storekeeper whose result lay in directories that no backup holds: they are asked for again."""


def close_until_told(database: Database, event: Event, name: str, now: datetime) -> None:
    """Turn a restored record into one that nothing starts with, in one change."""
    with database.change(event) as change:
        _end_what_ran(change, event, now)
        _forget_slices(change)
        change.connection.execute(delete(settings).where(settings.c.key == RESTORED))
        value = {"backup": name, "at": now.isoformat(), "event": event.id}
        change.connection.execute(insert(settings).values(key=RESTORED, value=value))


def _end_what_ran(change: Change, event: Event, now: datetime) -> None:
    in_force = sessions.c.revoked_at.is_(None)
    change.connection.execute(update(sessions).where(in_force).values(revoked_at=now))
    change.connection.execute(delete(tickets))
    change.connection.execute(update(workspaces).values(wanted=Wanted.Stopped))
    for run in runs.alive(change.connection):
        _answer_for(change, run, event, now)


def _answer_for(change: Change, run: Workspace, event: Event, now: datetime) -> None:
    """A run of the lost machine: nobody here can look for it, so whoever restores answers for its end."""
    statement = {"event": event.id, "by": event.actor.as_plain(), "reason": "restored from a backup"}
    detail = {"grant": run.grant, "instance": run.instance, "reason": Reason.RuntimeFailed.value}
    detail |= {"statement": statement, "unproven": ["the machine on which it ran"]}
    about = {"kind": _STOPPED, "object": f"workspace/{run.name}", "actor": event.actor, "at": now}
    change.record(Event(id=new_id(), detail=detail, **about))
    for target in (WorkspacePhase.Stopping, WorkspacePhase.Stopped):
        if run.phase is not target:
            runs.set_phase(change, run.name, target, Reason.RuntimeFailed, now, message=_ANSWERED)


def _forget_slices(change: Change) -> None:
    """No slice lies here yet: each that stood is planned and built anew, without whoever opted out by then."""
    standing = grant_slices.c.state != SliceState.Gone
    change.connection.execute(update(grant_slices).where(standing).values(state=SliceState.Pending))
    change.connection.execute(delete(slices))
    change.connection.execute(delete(jobs).where(jobs.c.kind.in_(_AGAIN)))


def waiting_since(connection: Connection) -> dict[str, Any] | None:
    """The restore that still waits to be told; `None` where none does."""
    value = connection.execute(select(settings.c.value).where(settings.c.key == RESTORED)).scalar()
    return None if value is None else dict(value)


def deny_versions(connection: Connection) -> dict[str, int]:
    """The version of each data set's deny set."""
    rows = connection.execute(select(datasets.c.name, datasets.c.deny_version).order_by(datasets.c.name))
    return {row.name: row.deny_version for row in rows}


def check_told(connection: Connection, told: Mapping[str, int]) -> None:
    """Raise `TREError(ConfirmationWrong)` unless exactly the present versions were told, of every data set."""
    now = deny_versions(connection)
    if dict(told) != now:
        words = " ".join(f"{name}={version}" for name, version in now.items())
        wrong = sorted(name for name in now.keys() | told.keys() if now.get(name) != told.get(name))
        raise TREError(
            Reason.ConfirmationWrong,
            f"What was told does not fit: {', '.join(wrong)}.",
            why=f"The record stands at: {words or 'no data set'}.",
            remedy="Ask each custodian for the lists since the backup, apply them with `tre withdraw`, then name every "
            "data set with the version that its deny set has then.",
        )


def reopen(database: Database, event: Event, told: Mapping[str, int]) -> None:
    """Let services start again.

    Raises `TREError(StateForbids)` where no restore waits, `TREError(ConfirmationWrong)` for other versions.
    """
    with database.change(event) as change:
        if waiting_since(change.connection) is None:
            raise TREError(
                Reason.StateForbids,
                "Nothing waits to be opened again.",
                why="This record was not restored, or was opened since.",
                remedy="`tre up` starts the services.",
            )
        check_told(change.connection, told)
        change.connection.execute(delete(settings).where(settings.c.key == RESTORED))
