"""Jobs: done at least once, by one taker at a time, and not for ever."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.unit.store.conftest import NOW, an_event
from tre.domain.errors import Reason, TREError
from tre.store import jobs
from tre.store.database import Database
from tre.store.jobs import MAX_ATTEMPTS, Job, JobRequest, JobState

LATER = NOW + timedelta(seconds=601)
BROKEN = TREError(Reason.RuntimeFailed, "It broke.", remedy="Mend it.")


def request(**changes: Any) -> JobRequest:
    values: dict[str, Any] = {"program": "storekeeper", "kind": "build-slice", "subject": "s-1", "payload": {"a": 1}}
    return JobRequest(**(values | changes))


def ask(database: Database, **changes: Any) -> str:
    with database.change(an_event()) as change:
        return jobs.ask(change, request(**changes), NOW)


def take(database: Database, job: str, now: Any = NOW) -> bool:
    with database.change(an_event()) as change:
        return jobs.take(change, job, now)


def fail(database: Database, job: str, error: TREError = BROKEN) -> None:
    with database.change(an_event()) as change:
        jobs.fail(change, job, error, NOW)


def finish(database: Database, job: str, result: dict[str, Any]) -> None:
    with database.change(an_event()) as change:
        jobs.finish(change, job, result, NOW)


def read(database: Database, job: str) -> Job:
    with database.read() as connection:
        found = jobs.get(connection, job)
    assert found is not None
    return found


def waiting(database: Database, now: Any = NOW, program: str = "storekeeper") -> list[str]:
    with database.read() as connection:
        return [job.id for job in jobs.waiting(connection, program, now)]


def test_a_job_goes_from_asked_to_done(database: Database) -> None:
    job = ask(database)
    assert waiting(database) == [job]
    assert waiting(database, program="checker") == []
    assert read(database, job).state is JobState.open
    assert read(database, job).payload == {"a": 1}
    assert take(database, job)
    assert waiting(database) == []
    assert (read(database, job).state, read(database, job).attempts) == (JobState.taken, 1)
    finish(database, job, {"files": 3})
    done = read(database, job)
    assert (done.state, done.result, done.finished_at) == (JobState.done, {"files": 3}, NOW)


def test_asking_twice_is_one_job_until_it_is_done(database: Database) -> None:
    job = ask(database)
    assert ask(database) == job
    assert ask(database, subject="s-2") != job
    assert ask(database, kind="verify-slice") != job
    take(database, job)
    assert ask(database) == job
    finish(database, job, {})
    again = ask(database)
    assert again != job


def test_of_two_takers_one_wins(database: Database) -> None:
    job = ask(database)
    assert [take(database, job), take(database, job)] == [True, False]
    assert read(database, job).attempts == 1


def test_a_silent_taker_loses_the_job_at_its_deadline(database: Database) -> None:
    job = ask(database)
    assert take(database, job)
    assert not take(database, job, NOW + timedelta(seconds=600))
    assert waiting(database, LATER) == [job]
    assert take(database, job, LATER)
    assert read(database, job).deadline == LATER + timedelta(seconds=600)


def test_a_job_whose_takers_all_fall_silent_fails(database: Database) -> None:
    job = ask(database)
    now = NOW
    for _ in range(MAX_ATTEMPTS):
        assert take(database, job, now)
        now += timedelta(seconds=601)
    assert not take(database, job, now)
    found = read(database, job)
    assert found.state is JobState.failed
    assert found.error is not None
    assert found.error["reason"] == "DeadlineReached"
    assert waiting(database, now) == []


def test_three_failures_are_enough(database: Database) -> None:
    job = ask(database)
    for attempt in range(1, MAX_ATTEMPTS + 1):
        assert take(database, job)
        fail(database, job)
        found = read(database, job)
        assert found.error == BROKEN.as_dict()
        assert found.state is (JobState.failed if attempt == MAX_ATTEMPTS else JobState.open)
    assert not take(database, job)


def test_an_error_that_time_does_not_mend_is_final_at_once(database: Database) -> None:
    job = ask(database)
    take(database, job)
    fail(database, job, TREError(Reason.BadInput, "The spec is wrong."))
    assert read(database, job).state is JobState.failed
    assert read(database, job).finished_at == NOW


def test_a_late_failure_does_not_reopen_what_another_taker_finished(database: Database) -> None:
    job = ask(database)
    take(database, job)
    take(database, job, LATER)
    finish(database, job, {"files": 3})
    fail(database, job)
    finish(database, job, {"files": 4})
    found = read(database, job)
    assert (found.state, found.result, found.error) == (JobState.done, {"files": 3}, None)


def test_an_open_job_has_nothing_to_finish(database: Database) -> None:
    job = ask(database)
    finish(database, job, {})
    assert read(database, job).state is JobState.open


def test_oldest_first_and_bounded(database: Database) -> None:
    made = []
    for number in range(3):
        with database.change(an_event()) as change:
            made.append(jobs.ask(change, request(subject=f"s-{number}"), NOW + timedelta(seconds=number)))
    assert waiting(database) == made
    with database.read() as connection:
        assert [job.id for job in jobs.waiting(connection, "storekeeper", NOW, limit=2)] == made[:2]


def test_the_latest_of_a_subject(database: Database) -> None:
    with database.read() as connection:
        assert jobs.latest(connection, "storekeeper", "build-slice", "s-1") is None
        assert jobs.get(connection, "none") is None
    first = ask(database)
    take(database, first)
    finish(database, first, {})
    with database.change(an_event()) as change:
        second = jobs.ask(change, request(), LATER)
    with database.read() as connection:
        found = jobs.latest(connection, "storekeeper", "build-slice", "s-1")
    assert found is not None
    assert found.id == second


def test_failing_an_unknown_job_is_an_error(database: Database) -> None:
    with pytest.raises(Exception, match="No row"):
        fail(database, "none")


def test_a_later_request_takes_the_place_of_an_open_one(database: Database) -> None:
    first = ask(database)
    with database.change(an_event()) as change:
        second = jobs.replace(change, request(payload={"a": 2}), NOW)
    assert second != first
    assert read(database, first).state is JobState.failed
    assert read(database, second).payload == {"a": 2}
    assert waiting(database) == [second]
    finish(database, first, {"late": True})
    assert read(database, first).result is None


def test_overdue_jobs_are_found(database: Database) -> None:
    first, second = ask(database), ask(database, subject="s-2")
    take(database, second)
    finish(database, second, {})
    with database.read() as connection:
        assert jobs.overdue(connection, "storekeeper", NOW) == []
        assert [job.id for job in jobs.overdue(connection, "storekeeper", LATER)] == [first]
        assert jobs.overdue(connection, "checker", LATER) == []
