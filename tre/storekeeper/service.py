"""The storekeeper as a service: it takes jobs from the record and does them.

Guarantees: a job begins within 50 ms of its commitment when its lane is free; additions of data, which take long, have
a lane of their own, so that building, provisioning and destroying never wait for them; whatever a job does can be
done again, so a crash in its midst costs time only; each end of a job is an event. A record that is away for a while
interrupts no work and loses no result: lanes wait for it. Told to stop, it interrupts work at its next step, leaves the
job open, and goes.

Does not guarantee: more than one build at a time: the directory of slices has one lock.

Started by root it runs as its own user with the ambient capabilities CAP_CHOWN (files to datasets' groups, homes to
workspaces' users), CAP_DAC_OVERRIDE and CAP_FOWNER (delete what a researcher locked away), and no other.
"""

from __future__ import annotations

import asyncio
import functools
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import structlog
from aiohttp import web
from prometheus_client import Counter, Gauge, Histogram
from pydantic import Field
from sqlalchemy.exc import OperationalError

from tre.domain.datasets import SliceId
from tre.domain.errors import Reason, TREError
from tre.domain.events import program
from tre.domain.model import Line, Record, parse_record
from tre.domain.optouts.states import AT_WORK, BatchState
from tre.domain.slices.plan import Digest
from tre.domain.slices.previews import KIND as PREVIEW
from tre.domain.slices.previews import PreviewRequest
from tre.domain.slices.shown import as_shown
from tre.domain.slices.spec import ReleaseName, ResourceName, SliceSpec
from tre.slices.populations import check_policies, disclosure_of
from tre.slices.watch import Watcher
from tre.store import jobs
from tre.store.changes import ChangeFeed
from tre.store.database import Database
from tre.store.roles import Role
from tre.store.schema import require_current
from tre.storekeeper import answers, deliveries, inboxes, measuring, notes, previews, slices, withdrawals, workspaces
from tre.storekeeper.office import Office
from tre.system.clock import SystemClock
from tre.system.health import Probes, health_routes
from tre.system.layout import Layout
from tre.system.service import arguments, serve_unix, until_told
from tre.system.settings import Settings

PROGRAM = "storekeeper"
PATIENCE_SECONDS = 30
"""After so long a job may be taken again. A lane does one job at a time, so only a crash leaves one to be taken."""

AGAIN_SECONDS = 1.0
"""How long a record that is away is left alone before the end of a job is put into it again."""

_AWAY = frozenset({Reason.ServiceUnavailable, Reason.Conflict})
_IDLE_SECONDS = 2.0
log = structlog.get_logger()

_done = Counter("tre_storekeeper_jobs", "Jobs that ended.", ["kind", "outcome"])
_seconds = Histogram("tre_storekeeper_job_seconds", "Time that a job took.", ["kind"])
_busy = Gauge("tre_storekeeper_busy", "Whether a lane is at work (1) or waits (0).", ["lane"])


class AddRequest(Record):
    """A delivery, by its directory on this machine."""

    dataset: ResourceName
    path: Path
    release: ReleaseName | None = None
    title: Line = ""
    manifest: Path | None = None
    """A signed tag manifest on this machine."""

    onto: ReleaseName | None = None
    validation_permille: Annotated[int, Field(strict=True, ge=0, le=999)] = 0


class PlanRequest(Record):
    """A specification to plan, and the plan that people saw before: whether it covers the present one is told then."""

    spec: SliceSpec
    signed: Digest | None = None


class RemoveRequest(Record):
    """A slice to take away."""

    slice_id: SliceId


Handler = Callable[[Office, Mapping[str, Any], Watcher], dict[str, Any]]


def _add(office: Office, payload: Mapping[str, Any], watcher: Watcher) -> dict[str, Any]:
    asked = parse_record(AddRequest, payload, source="job")
    order = deliveries.Delivery(
        dataset=asked.dataset,
        path=asked.path,
        release=asked.release or "",
        title=asked.title,
        manifest=asked.manifest,
        onto=asked.onto or "",
        validation_permille=asked.validation_permille,
    )
    return dict(deliveries.add(office, order, watcher).as_plain())


def _plan(office: Office, payload: Mapping[str, Any], watcher: Watcher) -> dict[str, Any]:
    asked = parse_record(PlanRequest, payload, source="job")
    rule = disclosure_of(asked.spec.dataset, office.layout.root).small_numbers
    found = slices.make_plan(office, asked.spec, watcher)
    covered = {} if asked.signed is None else {"covered": slices.is_covered(office, asked.signed, found)}
    return as_shown(found, rule) | covered  # the exact plan stays with the storekeeper


def _preview(office: Office, payload: Mapping[str, Any], _watcher: Watcher) -> dict[str, Any]:
    return previews.preview(office, parse_record(PreviewRequest, payload, source="job"))


def _build(office: Office, payload: Mapping[str, Any], watcher: Watcher) -> dict[str, Any]:
    asked = parse_record(slices.BuildRequest, payload, source="job")
    return slices.build_slice(office, asked, watcher).as_plain()


def _remove(office: Office, payload: Mapping[str, Any], _watcher: Watcher) -> dict[str, Any]:
    return slices.remove_slice(office, parse_record(RemoveRequest, payload, source="job").slice_id)


def _provision(office: Office, payload: Mapping[str, Any], _watcher: Watcher) -> dict[str, Any]:
    asked = parse_record(workspaces.ProvisionRequest, payload, source="job")
    return workspaces.provision(office, asked)


def _destroy(office: Office, payload: Mapping[str, Any], _watcher: Watcher) -> dict[str, Any]:
    return workspaces.destroy(office, parse_record(workspaces.DestroyRequest, payload, source="job"))


def _answer(office: Office, payload: Mapping[str, Any], _watcher: Watcher) -> dict[str, Any]:
    return answers.deliver(office, parse_record(answers.DeliverRequest, payload, source="job"))


def _tell(office: Office, payload: Mapping[str, Any], _watcher: Watcher) -> dict[str, Any]:
    return notes.tell(office, parse_record(notes.TellRequest, payload, source="job"))


def _fill(office: Office, payload: Mapping[str, Any], _watcher: Watcher) -> dict[str, Any]:
    return inboxes.fill_all(office, parse_record(inboxes.FillRequest, payload, source="job"))


def _count(office: Office, payload: Mapping[str, Any], _watcher: Watcher) -> dict[str, Any]:
    return withdrawals.count(office, parse_record(withdrawals.BatchRequest, payload, source="job").batch).as_plain()


def _measure(office: Office, _payload: Mapping[str, Any], watcher: Watcher) -> dict[str, Any]:
    return measuring.measure(office, watcher)


LANES: dict[str, dict[str, Handler]] = {
    "data": {"dataset.add": _add},
    "slices": {
        "slice.plan": _plan,
        PREVIEW: _preview,
        "slice.build": _build,
        "slice.remove": _remove,
    },
    "workspaces": {
        "workspace.provision": _provision,
        "workspace.destroy": _destroy,
        "preflight.answer": _answer,
        "desk.tell": _tell,
        "inbox.fill": _fill,
    },
    "withdrawals": {"withdrawal.count": _count},
    "measuring": {"storage.measure": _measure},
}
"""What is done one after the other, and what beside it."""

OPT_OUTS: dict[str, frozenset[BatchState]] = {
    "opt-outs": withdrawals.URGENT,
    "afterwards": AT_WORK - withdrawals.URGENT,
}
"""Steps of accepted opt-outs, taken without anybody asking: those that end use, and beside them those that last."""


@dataclass
class _Stopping:
    """A watcher that interrupts the work once the service is told to stop."""

    stopped: bool = False

    def step(self, _name: str) -> None:
        if self.stopped:
            raise TREError(Reason.ServiceUnavailable, "The storekeeper is being stopped.")

    def progress(self, _done: int, _total: int) -> None:
        self.step("")


class Service:
    """The lanes, and the end of each job."""

    def __init__(self, office: Office) -> None:
        self._office = office
        self._watcher = _Stopping()
        self._beats = dict.fromkeys((*LANES, *OPT_OUTS), time.monotonic())

    def stop(self) -> None:
        """Take nothing more; interrupt what runs at its next step."""
        self._watcher.stopped = True

    async def run(self) -> None:
        """Work until stopped."""
        async with asyncio.TaskGroup() as group:
            for lane in LANES:
                group.create_task(self._lane(lane))
            for lane, states in OPT_OUTS.items():
                group.create_task(self._opt_outs(lane, withdrawals.Worker(self._office, states)))

    def trouble(self) -> str | None:
        """What is wrong, for `/healthz`: a lane that neither works nor looks."""
        oldest = min(self._beats.values())
        return None if time.monotonic() - oldest < 10 * _IDLE_SECONDS else "a lane does not look any more"

    async def _lane(self, lane: str) -> None:
        feed = ChangeFeed(self._office.database)
        try:
            while not self._watcher.stopped:
                self._beats[lane] = time.monotonic()
                if not await self._at_work(lane):
                    await feed.wait_async(_IDLE_SECONDS)
        finally:
            feed.close()

    async def _at_work(self, lane: str) -> bool:
        """Do the next job, if there is one; while the record is away there is none."""
        try:
            if (job := self._next(lane)) is None:
                return False
            _busy.labels(lane).set(1)
            work = asyncio.create_task(asyncio.to_thread(self.do, job, LANES[lane][job.kind]))
            while not work.done():
                self._beats[lane] = time.monotonic()
                await asyncio.wait([work], timeout=_IDLE_SECONDS)
            work.result()
        except (TREError, OperationalError) as error:
            log.error("record-away", lane=lane, reason=_said(error))
            return False
        finally:
            _busy.labels(lane).set(0)
        return True

    async def _opt_outs(self, lane: str, worker: withdrawals.Worker) -> None:
        """Take steps of opt-outs as they come due."""
        feed = ChangeFeed(self._office.database)
        try:
            while not self._watcher.stopped:
                self._beats[lane] = time.monotonic()
                work = asyncio.create_task(asyncio.to_thread(self._take_steps, worker))
                while not work.done():
                    self._beats[lane] = time.monotonic()
                    await asyncio.wait([work], timeout=_IDLE_SECONDS)
                if not work.result():
                    await feed.wait_async(_IDLE_SECONDS)
        finally:
            feed.close()

    def _take_steps(self, worker: withdrawals.Worker) -> int:
        """One look; trouble that nobody foresaw is in the log, and the next look comes."""
        try:
            withdrawals.expire(self._office)
            return worker.run(self._watcher)
        except Exception as error:  # an opt-out waits for nothing so long as for a lane that died
            log.error("opt-outs failed", exc_info=error)
            return 0

    def _next(self, lane: str) -> jobs.Job | None:
        with self._office.database.read() as connection:
            found = jobs.waiting(connection, PROGRAM, self._office.clock.now())
        return next((job for job in found if job.kind in LANES[lane]), None)

    def do(self, job: jobs.Job, handler: Handler) -> None:
        """Do one job and keep its end. Only an error of the record itself is raised.

        While the record is away the end waits for it: hours of work shall not be done twice for a line that was cut.
        """
        if not self._taken(job):
            return
        begun = time.monotonic()
        try:
            result = handler(self._office, job.payload, self._watcher)
        except TREError as error:
            self._kept(job, functools.partial(self._failed, job, error))
        except Exception as error:  # a job must end in the record, whatever went wrong
            log.error("job failed", job=job.id, kind=job.kind, exc_info=error)
            what = f"The storekeeper could not finish {job.kind}."
            accident = TREError(Reason.RuntimeFailed, what, why=f"{type(error).__name__}.")
            self._kept(job, functools.partial(self._failed, job, accident))
        else:
            self._kept(job, functools.partial(self._finished, job, result))
        _seconds.labels(job.kind).observe(time.monotonic() - begun)

    def _kept(self, job: jobs.Job, keep: Callable[[], None]) -> None:
        """Put a job's end into the record, at a later try where it is away."""
        while True:
            try:
                keep()
            except (TREError, OperationalError) as error:
                if self._watcher.stopped or (isinstance(error, TREError) and error.reason not in _AWAY):
                    raise
                log.warning("end-not-kept", job=job.id, kind=job.kind, reason=_said(error))
            else:
                return
            time.sleep(AGAIN_SECONDS)
            if self._has_ended(job):  # it was kept, and only the word of that was lost
                return

    def _has_ended(self, job: jobs.Job) -> bool:
        try:
            with self._office.database.read() as connection:
                found = jobs.get(connection, job.id)
        except (TREError, OperationalError):
            return False
        return found is not None and found.state is not jobs.JobState.taken

    def _taken(self, job: jobs.Job) -> bool:
        event = self._office.event("job.taken", f"job/{job.id}", job=job.kind, subject=job.subject)
        with self._office.database.change(event) as change:
            return jobs.take(change, job.id, self._office.clock.now(), PATIENCE_SECONDS)

    def _finished(self, job: jobs.Job, result: dict[str, Any]) -> None:
        event = self._office.event("job.done", f"job/{job.id}", job=job.kind, subject=job.subject)
        with self._office.database.change(event) as change:
            jobs.finish(change, job.id, result, self._office.clock.now())
        _done.labels(job.kind, "done").inc()

    def _failed(self, job: jobs.Job, error: TREError) -> None:
        said = {"job": job.kind, "subject": job.subject, "reason": error.reason.value}
        with self._office.database.change(self._office.event("job.failed", f"job/{job.id}", **said)) as change:
            jobs.fail(change, job.id, error, self._office.clock.now())
        _done.labels(job.kind, error.reason.value).inc()
        log.warning("job failed", **said)  # the words, which can name files, stand with the job


def _said(error: TREError | OperationalError) -> str:
    """A word for the log: a database's own sentence may hold what was to be written."""
    return error.reason.value if isinstance(error, TREError) else type(error).__name__


def probes(service: Service, database: Database, layout: Layout) -> Probes:
    """Ready is who has the record; a dataset whose rules cannot be read waits, the others do not."""
    record = functools.partial(require_current, database)
    policies = functools.partial(check_policies, layout.root)
    return Probes({"lanes": service.trouble}, {"record": record}, {"policies": policies})


async def serve(layout: Layout, settings: Settings) -> None:
    """Run the service until TERM or INT."""
    database = Database.open(layout, settings, Role.storekeeper)
    service = Service(Office(layout, settings, database, SystemClock(), program(PROGRAM)))
    app = web.Application()
    app.add_routes(health_routes(probes(service, database, layout)))
    runner = await serve_unix(app, layout.socket(PROGRAM))
    work = asyncio.create_task(service.run())
    told = asyncio.create_task(until_told())
    log.info("storekeeper is up", root=str(layout.root), uid=os.geteuid())
    try:
        await asyncio.wait({work, told}, return_when=asyncio.FIRST_COMPLETED)
        service.stop()
        await work
    finally:
        told.cancel()
        await runner.cleanup()
        database.close()


def main() -> None:
    """`python -m tre.storekeeper --root R`."""
    layout, settings = arguments(PROGRAM)
    asyncio.run(serve(layout, settings))
