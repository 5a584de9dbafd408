"""The controller's loop: look at what changed, at what is due, and at what runs; bring each where it belongs.

Guarantees: level-triggered. Every object is looked at when an event names it, when its clock says so, when its run
changes, and looked over once a minute in any case (`tre.controller.survey`); nothing depends on an event being seen.
One object that cannot be brought where it belongs (a failing runtime, a broken row) delays no other and is tried again,
later each time, with its reason in the log and in the metrics. What may end something comes before everything else
(`tre.controller.looks`), and what is decided while many wait is heard between two looks. While it cannot be told what
runs, grants go on to be looked at (a revocation reaches the gateways) and workspaces are left as they are. When the
machine's clock jumps, everything is looked at again at once, so that nothing waits for an hour that was there already.

Threat: a lost event, a crash between two steps, a run that nobody asked for, a clock set back.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime, timedelta

import structlog

from tre.controller.context import Context
from tre.controller.grants import GrantReconciler
from tre.controller.looks import Looks, Moments
from tre.controller.metrics import RECONCILED, SECONDS
from tre.controller.routes import Idle, route_of
from tre.controller.survey import Survey
from tre.controller.workspaces import WorkspaceReconciler
from tre.domain.errors import Reason, TREError
from tre.domain.exports import states as export_states
from tre.domain.grants.models import GrantRecord
from tre.domain.workspaces.models import Workspace
from tre.domain.workspaces.states import ALIVE_PHASES
from tre.runtimes.protocol import Observation, RunPhase
from tre.store import applications, conditions, exports, grant_slices, grants, imports, jobs, papers, people, workspaces
from tre.store.changes import ChangeFeed, objects_changed_after
from tre.store.events import last_number

log = structlog.get_logger()

FULL_LOOK = timedelta(seconds=60)
RUN_LOOK = timedelta(seconds=1)
HEAR_SECONDS = 0.05
"""How long it takes at most, one look aside, until what was decided while many wait is known."""
BACKGROUND_SECONDS = 0.5
"""How long the log waits at most for its turn while much is looked at: a checkpoint is due within a second."""
SOON_SECONDS = 0.03
"""How soon to look again while the checker works: its answers come as files, which tell nobody."""
LISTEN_SECONDS = 0.01
"""How often the record is asked whether it changed: a read of shared memory."""
UNFINISHED = tuple(export_states.WAITING)
REMEMBERED = timedelta(days=2)
"""How long after files were taken away it is looked whether their copies are gone."""
KEEPING_UP_SECONDS = 10.0
"""How old the last good look may be before the gateways are told nothing more."""
_JUMP_SECONDS = 2.0
_FIRST_RETRY = timedelta(milliseconds=250)
_LONGEST_RETRY = timedelta(seconds=30)

Handler = Callable[[str], datetime | None]


def both(first: Handler, second: Handler) -> Handler:
    """Two looks at one object; it is looked at again when the earlier of them says so."""

    def look(name: str) -> datetime | None:
        return min((moment for moment in (first(name), second(name)) if moment is not None), default=None)

    return look


class Reconciler:
    """Runs in a thread of its own; everything it knows is in the record or with the runtime."""

    def __init__(self, context: Context, tapped: threading.Event) -> None:
        self._context = context
        self._tapped = tapped
        self._grants = GrantReconciler(context)
        self._workspaces = WorkspaceReconciler(context)
        self._feed = ChangeFeed(context.database)
        self._survey = Survey(context, self._grants, self._workspaces)
        self._queue = Looks()
        self._due = Moments()
        self._failures: dict[str, int] = {}
        self._runs: dict[str, Observation] = {}
        self._unseen: str | None = None
        self._has_seen_runs = False
        self._seen: int | None = None
        self._next_full = self._next_runs = context.clock.now()
        self.handlers: dict[str, Handler] = {
            "grant": self._grant,
            "workspace": self._workspace,
            "queue": self._next_of_queue,
            "slice": self._slice,
            "organisation": self._organisation,
            "job": self._job,
            "session": self._session,
            "person": self._person,
        }
        self._looked_at: float | None = None
        self._drift = self._clock_drift()
        self.background: list[Callable[[], bool]] = []
        self._soon = False
        self.trouble: str | None = None

    def run(self, stop: threading.Event) -> None:
        """Look until told to stop."""
        while not stop.is_set():
            try:
                self.step()
                self.trouble = self._unseen
            except Exception as error:  # the loop must outlive anything, and say what is wrong
                self.trouble = f"{type(error).__name__}: {error}"
                log.error("step-failed", error=self.trouble, exc_info=True)
                stop.wait(1.0)
            self._wait()

    def keeps_up(self) -> bool:
        """Whether everything was looked at once, and looking goes on: what the gateways are told rests on it."""
        age = None if self._looked_at is None else self._context.clock.boottime() - self._looked_at
        return age is not None and age < KEEPING_UP_SECONDS

    def step(self) -> None:
        """Everything that is due now."""
        self._notice_jump()
        self._hear()
        self._look_at_runs(asked=len(self._queue) > 0)
        self._take_due()
        heard = rested = self._context.clock.boottime()
        while self._work():
            now = self._context.clock.boottime()
            if self._looked_at is not None or not (self._survey.is_first or self._queue.is_urgent):
                self._keep_up()  # what only begins, however much of it, is nothing that the gateways wait for
            if now - heard >= HEAR_SECONDS:  # seldom enough that a look whose own event asks for it starves nobody
                heard = now
                if self._feed.changed():
                    self._hear()
                self._take_due()
                self._look_at_runs(asked=self._queue.is_urgent)
            if now - rested >= BACKGROUND_SECONDS:
                self._run_background()
                rested = self._context.clock.boottime()
        self._keep_up()
        self._run_background()

    def _keep_up(self) -> None:
        """Nobody is told anything on the strength of a look that did not see what runs."""
        if self._unseen is None:
            self._looked_at = self._context.clock.boottime()

    def _work(self) -> bool:
        """The next look: at what may end something, over the next part of everything, at the rest; whether any."""
        key = self._queue.urgent()
        if key is None and self._survey.next_at <= self._context.clock.now():
            seen = self._survey.part(self._runs)
            for name in seen.looks:
                self._enqueue(name)
            for moment, name in seen.due:
                self._due.put(moment, name)
            return True
        key = key or self._queue.patient()
        if key is not None:
            self._look(key)
        return key is not None

    def _run_background(self) -> None:
        awaiting = [task() for task in self.background]
        self._soon = any(awaiting)

    def _take_due(self) -> None:
        for key in self._due.due(self._context.clock.now()):
            self._enqueue(key)

    def _clock_drift(self) -> float:
        return self._context.clock.now().timestamp() - self._context.clock.boottime()

    def _notice_jump(self) -> None:
        """What was put off until a moment of the wall clock is due now, if that clock was set."""
        before, self._drift = self._drift, self._clock_drift()
        if abs(self._drift - before) < _JUMP_SECONDS:
            return
        log.warning("clock-jumped", seconds=round(self._drift - before, 1))
        self._next_full = self._next_runs = self._context.clock.now()
        self._survey.begin_anew()
        for key in self._due.take_all():
            self._enqueue(key)

    def _wait(self) -> None:
        """Until the record changes, somebody taps, or something is due."""
        now = self._context.clock.now()
        due = self._due.next()
        moments = [self._next_full, self._next_runs, self._survey.next_at, *([] if due is None else [due])]
        seconds = max(0.0, (min(moments) - now).total_seconds())
        deadline = self._context.clock.boottime() + (min(seconds, SOON_SECONDS) if self._soon else seconds)
        while not self._tapped.is_set() and not self._feed.changed():
            left = deadline - self._context.clock.boottime()
            if left <= 0 or self._tapped.wait(min(LISTEN_SECONDS, left)):
                break

    def _enqueue(self, key: str) -> None:
        if key.partition("/")[0] in self.handlers:
            self._queue.add(key)

    def _hear(self) -> None:
        """Have looked at what events name; the survey sees to everything that was there before the first look."""
        now = self._context.clock.now()
        changed: list[str] = []
        with self._context.database.read() as connection:
            if self._seen is None:
                self._seen = last_number(connection)
            else:
                self._seen, changed = objects_changed_after(connection, self._seen)
                changed += workspaces.ended_grants_of(connection, changed)
            if now >= self._next_full:
                self._next_full = now + FULL_LOOK
                changed += ["session/all", "standing/all", "public-account/all"]
                changed += [f"export/{item.id}" for item in exports.by_state(connection, UNFINISHED)]
                changed += [f"import/{name}" for name in imports.unfinished(connection, now - REMEMBERED)]
                changed += [f"application/{name}" for name in applications.waiting(connection)]
                changed += [f"application/{name}" for name in papers.watched(connection)]
                changed += [f"condition/{name}" for name in conditions.ticking(connection)]
        for key in changed:
            self._enqueue(key)
        if any(key.startswith("workspace/") for key in changed):
            self._enqueue("queue/next")  # there may be room now, or somebody else may be first

    def _look_at_runs(self, *, asked: bool = False) -> None:
        now = self._context.clock.now()
        if now < self._next_runs and not self._tapped.is_set() and not asked:
            return
        self._tapped.clear()  # before looking: a tap from now on is another look
        self._next_runs = now + RUN_LOOK
        try:
            observed = self._context.runtime.observe()
        except TREError as error:
            if error.reason is not Reason.ServiceUnavailable:
                raise
            self._unseen = str(error)
            return
        self._unseen = None
        before, self._runs = self._runs, {run.identity: run for run in observed}
        self._queue.lives(self._runs.values())
        news = before.keys() | self._runs.keys() if self._has_seen_runs else ()  # at first the survey looks at each
        self._has_seen_runs = True
        for identity in news:
            old, new = before.get(identity), self._runs.get(identity)
            if old is not new and old != new:
                run = new or before[identity]
                self._enqueue(f"workspace/{run.plan.workspace}")
        self._sweep()

    def _sweep(self) -> None:
        """End runs that the record does not know: left over from a crash, or started by a stranger."""
        if not self._runs:
            return
        with self._context.database.read() as connection:
            known = workspaces.alive_runs(connection)
        for identity in self._runs.keys() - known:
            self._guarded("orphan", identity, self._end_orphan)

    def _end_orphan(self, identity: str) -> None:
        run = self._runs[identity]
        log.warning("orphan-run", identity=identity, phase=run.phase)
        self._context.runtime.end(identity, Reason.RuntimeFailed)
        if run.phase is RunPhase.Ended and self._context.runtime.verify_dead(run.plan).dead:
            self._context.runtime.forget(identity)

    def _look(self, key: str) -> None:
        kind, _, name = key.partition("/")
        with SECONDS.labels(kind).time():
            again = self._guarded(kind, key, lambda _key: self.handlers[kind](name))
        if again is not None:
            self._due.put(again, key)

    def _guarded(self, kind: str, key: str, look: Callable[[str], datetime | None]) -> datetime | None:
        """One object's trouble stays its own."""
        try:
            again: datetime | None = look(key)
        except Exception as error:  # noqa: BLE001 - the loop must outlive any single object
            count = self._failures[key] = self._failures.get(key, 0) + 1
            reason = error.reason if isinstance(error, TREError) else type(error).__name__
            RECONCILED.labels(kind, str(reason)).inc()
            log.error("reconcile-failed", object=key, reason=str(reason), error=str(error), count=count)
            pause: timedelta = min(_LONGEST_RETRY, _FIRST_RETRY * 2.0 ** min(count, 10))
            return self._context.clock.now() + pause
        self._failures.pop(key, None)
        RECONCILED.labels(kind, "ok").inc()
        return again

    def _grant(self, name: str) -> datetime | None:
        """Tell the gateways first, then end what must end, then see to the grant itself."""
        changes = self._context.database.changes
        self._publish_grant(name)
        with self._context.database.read() as connection:
            present = workspaces.of_grant(connection, name)
        for workspace in present:
            again = self._guarded("workspace", f"workspace/{workspace.name}", self._workspace_of_key)
            if again is not None:
                self._due.put(again, f"workspace/{workspace.name}")
        again = self._grants.reconcile(name)
        if self._context.database.changes != changes:
            self._publish_grant(name)
        return again

    def _publish_grant(self, name: str) -> None:
        try:
            with self._context.database.read() as connection:
                grant = grants.get(connection, name)
        except ValueError:  # a row that nobody understands entitles nobody
            self._context.publish({"type": "grant-gone", "name": name})
            raise
        if grant is not None:
            self._context.publish({"type": "grant", "record": grant.as_plain()})

    def _workspace_of_key(self, key: str) -> datetime | None:
        return self._workspace(key.removeprefix("workspace/"))

    def _workspace(self, name: str) -> datetime | None:
        if self._unseen is not None:  # what was not seen is not gone: nothing is ended for want of a trace
            return self._context.clock.now() + RUN_LOOK
        if (found := self._with_grant(name)) is None:
            return None
        changes = self._context.database.changes
        again = self._workspaces.reconcile(*found, self._runs)
        if self._context.database.changes != changes and (found := self._with_grant(name)) is None:
            return again
        workspace, grant = found
        run = self._runs.get(workspace.plan.identity) if workspace.plan else None
        idling = self._workspaces.idling
        route = route_of(workspace, grant, run, Idle(idling.minutes(workspace), idling.ends_at(workspace)))
        self._context.publish({"type": "route", "record": route.as_plain()})
        if workspace.phase not in ALIVE_PHASES and again is None and run is not None:
            self._tapped.set()  # its traces are gone now: look at the runs again
        return again

    def _with_grant(self, name: str) -> tuple[Workspace, GrantRecord] | None:
        with self._context.database.read() as connection:
            workspace = workspaces.get(connection, name)
            grant = None if workspace is None else grants.get(connection, workspace.grant)
        return None if workspace is None or grant is None else (workspace, grant)

    def _next_of_queue(self, _name: str) -> datetime | None:
        """Whoever waits and can start now is looked at at once."""
        if (name := self._workspaces.admission.next()) is not None:
            self._enqueue(f"workspace/{name}")
        return None

    def _job(self, identifier: str) -> datetime | None:
        """A job that ended concerns whatever it was about."""
        with self._context.database.read() as connection:
            job = jobs.get(connection, identifier)
            if job is not None:
                for key in (job.subject, *workspaces.ended_grants_of(connection, [job.subject])):
                    self._enqueue(key)
        return None

    def _slice(self, slice_id: str) -> datetime | None:
        with self._context.database.read() as connection:
            found = grant_slices.with_slice_id(connection, slice_id)
        if found is not None:
            self._enqueue(f"grant/{found.grant}")
        return None

    def _session(self, _name: str) -> datetime | None:
        """Whatever was revoked, the gateways must know; a session's own identifier stays out of the log."""
        with self._context.database.read() as connection:
            revoked = people.revoked_sessions(connection, self._context.clock.now())
        for session in revoked:
            self._context.publish({"type": "session-revoked", "session": session})
        return None

    def _person(self, name: str) -> datetime | None:
        """Somebody was met: the grants that name them say so."""
        with self._context.database.read() as connection:
            names = workspaces.grants_of_person(connection, name)
        for grant in names:
            self._enqueue(f"grant/{grant}")
        return None

    def _organisation(self, identifier: str) -> datetime | None:
        with self._context.database.read() as connection:
            names = grants.of_organisation(connection, identifier)
        for name in names:
            self._enqueue(f"grant/{name}")
        return None
