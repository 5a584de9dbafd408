"""Jobs that run without a browser: from the notes that the checker sees to the record, and so to a letter at their end.

Guarantees: level-triggered: each look goes from what is noted and what the record says to the next step; a job runs for
the record while a living process holds its note and its run goes on; its end is recorded once, with one state out of
four; of one workspace only so many a day are noticed. Nothing that a workspace wrote gets into a letter but the number.

Does not guarantee: that a job of a second is seen to run before it is seen to have ended.

Threat: a workspace that has letters written by writing notes.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import structlog

from tre.airlock.jobs import BatchNote
from tre.airlock.spool import Spool
from tre.controller.context import Context
from tre.domain.errors import TREError
from tre.domain.events import Event
from tre.domain.workspaces.batch import DAY, BatchJob, BatchState, is_noticed, judged
from tre.domain.workspaces.models import Workspace
from tre.domain.workspaces.states import WorkspacePhase
from tre.store import batches, workspaces
from tre.store.database import new_id

log = structlog.get_logger()

LOOK_SECONDS = 2.0
Key = tuple[str, str]


class BatchKeeper:
    """Brings what is recorded of jobs to what is so."""

    def __init__(self, context: Context, spool: Spool) -> None:
        self._context, self._spool = context, spool
        self._mark, self._due = -1, 0.0
        self._open: dict[Key, BatchJob] | None = None
        self._known: set[Key] = set()
        self._quiet: dict[Key, datetime] = {}

    def step(self) -> bool:
        """Look at new notes and at jobs that run; nothing waits for it."""
        if self._open is None:
            with self._context.database.read() as connection:
                self._open = {(job.workspace, job.id): job for job in batches.running(connection)}
        mark, moment = self._spool.batches_mark(), self._context.clock.boottime()
        if mark == self._mark and (not self._open or moment < self._due):
            return False
        try:
            notes = {(note.outbox, note.id): note for note in self._spool.batches()}
        except TREError as error:
            log.warning("batches-unreadable", error=str(error))
            notes = {}
        self._mark, self._due = mark, moment + LOOK_SECONDS
        for key in sorted(notes.keys() - self._open.keys() - self._known):
            self._begin(key, notes[key])
        for key in sorted(self._open):
            self._judge(key, notes.get(key))
        self._known &= notes.keys()
        return False

    def _begin(self, key: Key, note: BatchNote) -> None:
        """Take up a job that the record does not know, where its workspace runs and it may be noticed."""
        now, (name, identifier) = self._context.clock.now(), key
        assert self._open is not None
        with self._context.database.read() as connection:
            workspace = workspaces.get(connection, name)
            known = batches.get(connection, name, identifier)
            begun = batches.begun_since(connection, name, now - DAY)
        if known is not None or workspace is None or not is_noticed(begun, now):
            self._known.add(key)
            return
        if workspace.phase is not WorkspacePhase.Running:
            return  # it is looked at again with the next note
        job = BatchJob(
            workspace=name,
            id=identifier,
            number=note.number,
            instance=workspace.instance,
            begun_at=now,
            changed_at=now,
        )
        with self._context.database.change(_begun(workspace, job, now)) as change:
            batches.begin(change, job)
        self._open[key] = job

    def _judge(self, key: Key, note: BatchNote | None) -> None:
        """Record the end of a job that has ended."""
        assert self._open is not None
        job, now = self._open[key], self._context.clock.now()
        alive = note is not None and note.alive
        quiet = now - self._quiet.setdefault(key, now) if not alive else timedelta(0)
        if alive:
            self._quiet.pop(key, None)
        with self._context.database.read() as connection:
            workspace = workspaces.get(connection, job.workspace)
        runs_on = workspace is not None and _is_run_of(workspace, job)
        state = judged(note.word if note else "", alive=alive, runs_on=runs_on, quiet=quiet)
        if state is BatchState.Running:
            if alive and workspace is not None and workspace.plan is not None:  # its run is not idle, whoever looks on
                self._context.activity.take((workspace.plan.identity,), (), self._context.clock.boottime())
            return
        detail = {"number": job.number, "state": state.value, "grant": workspace.grant if workspace else ""}
        with self._context.database.change(self._context.event("batch.ended", f"batch/{job.name}", **detail)) as change:
            batches.settle(change, job, state, now)
        del self._open[key]
        self._quiet.pop(key, None)
        self._known.add(key)


def _is_run_of(workspace: Workspace, job: BatchJob) -> bool:
    return workspace.phase is WorkspacePhase.Running and workspace.instance == job.instance


def _begun(workspace: Workspace, job: BatchJob, now: datetime) -> Event:
    """An event of whoever works there: with a number, and without names of files."""
    return Event(
        id=new_id(),
        at=now,
        actor=workspace.subject,
        kind="batch.begun",
        object=f"batch/{job.name}",
        detail={"grant": workspace.grant, "number": job.number},
    )
