"""The service: jobs are taken at once, ended in the record, and taken again after a crash."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread
from typing import Any

import pytest
from prometheus_client import REGISTRY
from sqlalchemy.exc import OperationalError

from tests.unit.storekeeper.conftest import SLICE, House
from tre.domain.errors import Reason, TREError
from tre.slices.watch import Watcher
from tre.store import jobs
from tre.store.jobs import Job, JobRequest, JobState
from tre.storekeeper import service as module
from tre.storekeeper.service import LANES, PATIENCE_SECONDS, Service

HOME = "w-aaaaaaaaaaaa"
AWAY = TREError(Reason.ServiceUnavailable, "The record cannot be reached.")


def ask(house: House, kind: str, payload: dict[str, Any], subject: str = "thing") -> str:
    event = house.office.event("job.asked", f"test/{subject}", job=kind)
    request = JobRequest(program="storekeeper", kind=kind, subject=subject, payload=payload)
    with house.record.change(event) as change:
        return jobs.ask(change, request, house.clock.now())


def look(house: House, job: str) -> Job:
    with house.record.read() as connection:
        found = jobs.get(connection, job)
    assert found is not None
    return found


def await_end(house: House, job: str, patience: float = 20.0) -> Job:
    deadline = time.monotonic() + patience
    while (found := look(house, job)).state not in {JobState.done, JobState.failed}:
        assert time.monotonic() < deadline, found
        time.sleep(0.005)
    return found


@contextmanager
def running(house: House) -> Iterator[Service]:
    service = Service(house.office)
    thread = Thread(target=lambda: asyncio.run(service.run()))
    thread.start()
    try:
        yield service
    finally:
        service.stop()
        thread.join(10)
        assert not thread.is_alive()


def do_now(house: House, job: str, handler: Any = None) -> Job:
    """One job, without the loop."""
    found = look(house, job)
    handlers = {kind: one for lane in LANES.values() for kind, one in lane.items()}
    Service(house.office).do(found, handler or handlers[found.kind])
    return look(house, job)


def test_the_whole_way_by_jobs(house: House) -> None:
    with running(house) as service:
        added = await_end(
            house, ask(house, "dataset.add", {"dataset": "demo", "path": str(house.maker.root), "release": "r1"})
        )
        assert added.result is not None, added.error
        assert added.result["instances"] == 3
        spec = house.spec().as_plain()
        plan = await_end(house, ask(house, "slice.plan", {"spec": spec}))
        assert plan.result is not None, plan.error
        payload = {
            "grant": "grant-1",
            "slice": "cxr",
            "sliceId": SLICE,
            "spec": spec,
            "signedPlanDigest": plan.result["planDigest"],
            "notice": {"title": "T", "body": "B", "reference": "R", "expires": "2027-10-31T23:59:59+00:00"},
        }
        built = await_end(house, ask(house, "slice.build", payload))
        assert built.result is not None, built.error
        assert set(built.result) >= {"planDigest", "contentDigest", "manifestVersion", "files", "dataGroup"}
        assert "Approved by B, reference R" in (house.layout.slices / SLICE / "README.md").read_text()
        uid = 20001 if house.office.owner().uid != -1 else os.geteuid()
        made = await_end(house, ask(house, "workspace.provision", {"workspace": HOME, "grant": "grant-1", "uid": uid}))
        assert made.state is JobState.done, made.error
        gone = await_end(house, ask(house, "workspace.destroy", {"workspace": HOME, "grant": "grant-1"}))
        assert gone.state is JobState.done, gone.error
        removed = await_end(house, ask(house, "slice.remove", {"sliceId": SLICE}))
        assert removed.state is JobState.done, removed.error
        assert service.trouble() is None
    assert not (house.layout.slices / SLICE).exists()
    kinds = house.kinds()
    assert kinds.count("job.taken") == kinds.count("job.done") == 6


def test_a_job_begins_soon_after_it_was_asked(house: House) -> None:
    begun: list[float] = []
    original = LANES["workspaces"]["workspace.destroy"]

    def note(*_args: object) -> dict[str, Any]:
        begun.append(time.monotonic())
        return {}

    LANES["workspaces"]["workspace.destroy"] = note
    try:
        with running(house):
            waits = []
            for number in range(5):
                asked = time.monotonic()
                await_end(house, ask(house, "workspace.destroy", {}, subject=f"w-{number}"))
                waits.append(begun[-1] - asked)
    finally:
        LANES["workspaces"]["workspace.destroy"] = original
    assert min(waits) < 0.25, "the bound is 50 ms after the commit; two busy cores get some slack"


def test_a_record_that_is_away_for_a_moment_ends_no_lane(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter([AWAY, OperationalError("SELECT", {}, sqlite3.OperationalError("database is locked"))])
    real = Service._next

    def away(self: Service, lane: str) -> Job | None:
        if (error := next(answers, None)) is not None:
            raise error
        return real(self, lane)

    monkeypatch.setattr(Service, "_next", away)
    monkeypatch.setattr(module, "_IDLE_SECONDS", 0.01)
    with running(house):
        failed = await_end(house, ask(house, "slice.plan", {"spec": house.spec().as_plain()}))
        assert failed.state is JobState.failed
    assert next(answers, None) is None


@pytest.mark.parametrize("kept", [False, True])
def test_what_was_done_while_the_record_was_away_is_not_done_again(
    house: House, monkeypatch: pytest.MonkeyPatch, kept: bool
) -> None:
    """The record is away at the end of a job: nothing was kept yet, or only the word of it was lost."""
    done: list[int] = []
    real, away = Service._finished, [AWAY, AWAY]

    def finished(self: Service, job: Job, result: dict[str, Any]) -> None:
        if kept:
            real(self, job, result)
        if away:
            raise away.pop()
        real(self, job, result)

    def work(*_args: object) -> dict[str, Any]:
        done.append(1)
        return {"files": 3}

    monkeypatch.setattr(Service, "_finished", finished)
    monkeypatch.setattr(module, "AGAIN_SECONDS", 0.0)
    found = do_now(house, ask(house, "slice.plan", {}), work)
    assert (found.state, found.result, done) == (JobState.done, {"files": 3}, [1])
    assert house.kinds().count("job.done") == 1


def test_an_end_that_the_record_refuses_is_not_tried_for_ever(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_args: object) -> None:
        raise TREError(Reason.BadInput, "This has no canonical form.")

    monkeypatch.setattr(Service, "_finished", refused)
    with pytest.raises(TREError, match="canonical"):
        do_now(house, ask(house, "slice.plan", {}), lambda *_: {})


def test_a_refused_job_says_why_and_stays_failed(house: House) -> None:
    failed = do_now(house, ask(house, "slice.plan", {"spec": house.spec().as_plain()}))
    assert failed.state is JobState.failed
    assert failed.error is not None
    assert failed.error["reason"] == Reason.DatasetNotFound
    assert house.kinds()[-1] == "job.failed"


@pytest.mark.parametrize(
    ("kind", "payload"),
    [
        ("slice.build", {}),
        ("slice.plan", {"spec": {}}),
        ("slice.remove", {"sliceId": "../datasets"}),
        ("workspace.provision", {"workspace": "../x", "grant": "g", "uid": 20001}),
        ("workspace.provision", {"workspace": HOME, "grant": "g", "uid": "20001"}),
        ("workspace.destroy", {"workspace": "", "grant": "g"}),
        ("dataset.add", {"dataset": "demo", "path": "/x", "release": "../r"}),
    ],
)
def test_orders_that_make_no_sense_are_refused(house: House, kind: str, payload: dict[str, Any]) -> None:
    failed = do_now(house, ask(house, kind, payload))
    assert failed.error is not None
    assert failed.error["reason"] == Reason.BadInput


def test_an_accident_is_tried_again_and_then_stays_failed(house: House) -> None:
    def accident(*_args: object) -> dict[str, Any]:
        raise ZeroDivisionError

    job = ask(house, "slice.plan", {})
    assert do_now(house, job, accident).state is JobState.open
    assert do_now(house, job, accident).state is JobState.open
    failed = do_now(house, job, accident)
    assert failed.state is JobState.failed
    assert failed.error is not None
    assert failed.error["reason"] == Reason.RuntimeFailed


def test_a_job_of_a_dead_storekeeper_is_taken_again(house: House) -> None:
    job = ask(house, "workspace.destroy", {"workspace": HOME, "grant": "grant-1"})
    with house.record.change(house.office.event("job.taken", f"job/{job}")) as change:
        assert jobs.take(change, job, house.clock.now(), PATIENCE_SECONDS)
    assert do_now(house, job).state is JobState.taken, "its taker may still be at work"
    house.clock.advance(PATIENCE_SECONDS + 1)
    assert do_now(house, job).state is JobState.done


def test_told_to_stop_it_interrupts_work_and_leaves_the_job_open(house: House) -> None:
    service = Service(house.office)
    job = ask(house, "slice.plan", {})

    def long(_office: object, _payload: object, watcher: Watcher) -> dict[str, Any]:
        watcher.step("one")
        service.stop()
        watcher.progress(1, 2)
        raise AssertionError("not reached")

    service.do(look(house, job), long)
    assert look(house, job).state is JobState.open


def test_ended_jobs_are_counted(house: House) -> None:
    def count() -> float:
        labels = {"kind": "slice.plan", "outcome": "DatasetNotFound"}
        return REGISTRY.get_sample_value("tre_storekeeper_jobs_total", labels) or 0.0

    before = count()
    do_now(house, ask(house, "slice.plan", {"spec": house.spec().as_plain()}))
    assert count() == before + 1


def test_a_lane_that_does_not_look_is_trouble(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    service = Service(house.office)
    assert service.trouble() is None
    real = time.monotonic()
    monkeypatch.setattr(module.time, "monotonic", lambda: real + 3600)
    assert service.trouble() is not None


def test_an_error_keeps_no_path_of_an_accident(house: House) -> None:
    def accident(*_args: object) -> dict[str, Any]:
        raise ValueError("secret value")

    job = do_now(house, ask(house, "slice.plan", {}), accident)
    assert job.error is not None
    assert "secret" not in str(job.error)
