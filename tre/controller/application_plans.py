"""Having the slices of an application planned by the storekeeper, at the handing in and once more before an approval.

Guarantees: each slice is asked for once in a round, and once more after the votes came to an approval; what failed for
a while is asked again; what failed for good is told in words. The controller meets counts only through the record.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from tre.controller.context import Context
from tre.controller.receipts import PROGRAM, pause_after, worth_asking_again
from tre.domain.applications.models import Application, AskedSlice, PlannedSlice
from tre.domain.errors import Reason, TREError
from tre.domain.slices.plan import check_buildable
from tre.store import datasets, jobs

PLAN = "slice.plan"
PATIENCE_SECONDS = 900

FOR_GOOD = frozenset(
    {
        Reason.BadInput,
        Reason.DatasetNotFound,
        Reason.DatasetRetired,
        Reason.EmptySlice,
        Reason.PrivacyNotMet,
        Reason.ReleaseNotFound,
    }
)
"""What time does not mend: the applicant has to change something."""


@dataclass(frozen=True)
class Planned:
    """How far the plans are. `failed` says in sentences what cannot be planned, `covered` whether all later plans are
    covered by those that people saw; `again` is when to look next while something is under way."""

    plans: tuple[PlannedSlice, ...] = ()
    whole: bool = False
    covered: bool = True
    failed: tuple[str, ...] = ()
    reason: Reason = Reason.PlanNotCovered
    again: datetime | None = None


class ApplicationPlans:
    """Asks, listens, and says how far it is."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def first(self, application: Application) -> Planned:
        """The plans of what was handed in."""
        return self._look(application, "", None)

    def again(self, application: Application, since: datetime) -> Planned:
        """The plans as they are after a moment, held against those that people saw."""
        return self._look(application, "/again", since)

    def _look(self, application: Application, suffix: str, since: datetime | None) -> Planned:
        assert application.content is not None
        seen = {one.name: one.plan_digest for one in application.plans}
        found = []
        for item in application.content.slices:
            subject = f"application/{application.id}/{application.round}/{item.name}{suffix}"
            found.append((item, self._job(subject, item, seen.get(item.name), since)))
        return self._summed(found)

    def _job(self, subject: str, item: AskedSlice, seen: str | None, since: datetime | None) -> jobs.Job | None:
        """The job about one slice; asked for where there is none that counts."""
        now = self._context.clock.now()
        with self._context.database.read() as connection:
            job = jobs.latest(connection, PROGRAM, PLAN, subject)
            pause = timedelta(0) if job is None else pause_after(connection, job)
        stale = job is not None and since is not None and (job.created_at < since or job.payload.get("signed") != seen)
        if job is not None and not stale and not self._may_ask_again(job, now, pause):
            return job
        payload = {"spec": item.spec.as_plain()} | ({} if since is None else {"signed": seen})
        request = jobs.JobRequest(
            program=PROGRAM, kind=PLAN, subject=subject, payload=payload, patience_seconds=PATIENCE_SECONDS
        )
        with self._context.database.change(self._context.event("job.asked", subject, job=PLAN)) as change:
            jobs.replace(change, request, now)
        return None

    def _may_ask_again(self, job: jobs.Job, now: datetime, pause: timedelta) -> bool:
        for_good = job.error is not None and job.error.get("reason") in FOR_GOOD
        return not for_good and worth_asking_again(job, now, pause)

    def _summed(self, found: Sequence[tuple[AskedSlice, jobs.Job | None]]) -> Planned:
        plans: list[PlannedSlice] = []
        failed: list[tuple[str, Reason]] = []
        covered = True
        for item, job in found:
            if job is None or job.result is None:
                failed += [] if job is None else self._failures(item, job)
                continue
            digest = str(job.result["planDigest"])
            covered = covered and job.result.get("covered") is not False
            plans.append(PlannedSlice(name=item.name, plan_digest=digest))
            failed += self._unbuildable(item, digest)
        whole = len(plans) == len(found) and not failed
        reason = failed[0][1] if failed else Reason.PlanNotCovered
        again = None if whole else self._context.clock.now() + timedelta(minutes=1)
        return Planned(tuple(plans), whole, covered, tuple(text for text, _ in failed), reason, again)

    def _failures(self, item: AskedSlice, job: jobs.Job) -> list[tuple[str, Reason]]:
        if job.state is not jobs.JobState.failed or job.error is None or job.error.get("reason") not in FOR_GOOD:
            return []
        what = f"{job.error['what']} {job.error.get('why', '')}".strip()
        return [(f"The slice {item.name} cannot be planned: {what}", Reason(job.error["reason"]))]

    def _unbuildable(self, item: AskedSlice, digest: str) -> list[tuple[str, Reason]]:
        """A plan that would never be built is not put before people."""
        with self._context.database.read() as connection:
            plan = datasets.get_plan(connection, digest)
        if plan is None:
            return []
        try:
            check_buildable(plan)
        except TREError as error:
            return [(f"The slice {item.name} could not be built: {error.what} {error.why}".strip(), error.reason)]
        return []
