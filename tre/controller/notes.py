"""What live workspaces are told of requests and jobs: kept in step with the record, event by event.

Guarantees: level-triggered: what is told is computed from the record as it is, for the person whose workspace it is,
and given to the storekeeper where it differs from what was given last; only workspaces that events concern are looked
at, and all that run after a start. Nothing waits for it, and nobody is entitled to anything by it.

Does not guarantee: that it is read.
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Connection

from tre.controller.context import Context
from tre.domain.events import Event
from tre.domain.exports.situation import grant_facts
from tre.domain.people import Person, Role
from tre.domain.workspaces.models import Workspace
from tre.domain.workspaces.notes import DeskNotes, notes_for
from tre.domain.workspaces.states import WorkspacePhase
from tre.store import batches, exports, grants, jobs, people, workspaces
from tre.store.events import after, last_number

STOREKEEPER, TELL = "storekeeper", "desk.tell"
PART = 500
AT_ONCE = 20
"""Workspaces that are looked at in one step, so that a thousand delay nothing."""


class NoteKeeper:
    """Has notes written into inboxes."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._read: int | None = None
        self._due: dict[str, None] = {}

    def step(self) -> bool:
        """Read the next events, and see to some of the workspaces that they concern; whether any is left."""
        with self._context.database.read() as connection:
            self._hear(connection)
            names = list(self._due)[:AT_ONCE]
            orders = [(found.name, *self._order(connection, found)) for found in workspaces.named(connection, names)]
        for name in names:
            del self._due[name]
        for name, notes, waits in orders:
            if waits:
                self._due[name] = None  # another is on its way: this one comes after it
            elif notes is not None:
                self._tell(name, notes)
        return False

    def _hear(self, connection: Connection) -> None:
        if self._read is None:
            self._read = last_number(connection)
            self._due |= dict.fromkeys(found.name for found in workspaces.alive(connection))
            return
        for item in after(connection, self._read, PART):
            self._read = item.number
            self._due |= dict.fromkeys(_concerned(connection, item.event))

    def _order(self, connection: Connection, found: Workspace) -> tuple[DeskNotes | None, bool]:
        """What is to be told, if anything new is, and whether that must wait for what is being told."""
        grant = grants.get(connection, found.grant)
        if found.phase is not WorkspacePhase.Running or grant is None:
            return None, False
        known = people.display_names(connection, [found.subject]).get(found.subject.key, found.subject.id)
        viewer = Person(subject=found.subject, display_name=known, roles=frozenset({Role.researcher}))
        facts = {grant.name: grant_facts(grant, found.subject, self._context.clock.now())}
        seen = exports.visible(connection, viewer, facts)
        notes = notes_for(found.subject, known, seen, batches.newest(connection, found.name))
        last = jobs.latest(connection, STOREKEEPER, TELL, f"desk/{found.name}")
        if last is not None and last.payload["notes"] == notes.as_plain() and last.state is not jobs.JobState.failed:
            return None, False
        return notes, jobs.is_open(last)

    def _tell(self, workspace: str, notes: DeskNotes) -> None:
        subject = f"desk/{workspace}"
        payload = {"workspace": workspace, "notes": notes.as_plain()}
        request = jobs.JobRequest(program=STOREKEEPER, kind=TELL, subject=subject, payload=payload)
        with self._context.database.change(self._context.event("job.asked", subject, job=TELL)) as change:
            jobs.ask(change, request, self._context.clock.now())


def _concerned(connection: Connection, event: Event) -> Iterator[str]:
    """The workspaces of whose notes an event may change something."""
    kind, _, name = event.object.partition("/")
    if kind == "workspace":
        yield name
    elif kind == "batch":
        yield name.partition(".")[0]
    elif kind == "export" and (request := exports.get(connection, name)) is not None:
        yield from workspaces.names_of_grant(connection, request.grant)
