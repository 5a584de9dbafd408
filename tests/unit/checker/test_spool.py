"""The checker's door, from both sides: whole files, one writer each, bounded reading."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tre.airlock import spool as module
from tre.airlock.jobs import AnswerFile, FailedAnswer, ForgetAnswer, ForgetJob, Heartbeat, IntakeJob, ListJob
from tre.airlock.spool import MOST_ATTEMPTS, Spool, read_bounded
from tre.domain.errors import Reason, TREError
from tre.domain.exports.models import PolicyRef

NOW = datetime(2026, 11, 2, tzinfo=UTC)
ONE, TWO = "1" * 32, "2" * 32
JOB = ListJob(outbox="w-aaaaaaaaaaaa")
DONE = AnswerFile(answer=ForgetAnswer(removed=1), at=NOW)


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    made = Spool(tmp_path)
    made.make()
    return made


def test_a_job_goes_in_and_its_answer_comes_out(spool: Spool) -> None:
    assert not spool.holds_jobs()
    spool.put(ONE, JOB)
    assert spool.waiting() == [ONE]
    assert spool.take(ONE) == JOB
    spool.answer(ONE, DONE)
    assert spool.waiting() == []
    assert list(spool.results()) == [(ONE, DONE.answer)]
    assert spool.holds_jobs()
    spool.done(ONE)
    assert list(spool.results()) == []
    spool.tidy()
    assert [path.name for path in spool.root.rglob("*") if path.is_file()] == []


def test_an_answer_stays_until_its_job_is_removed(spool: Spool) -> None:
    spool.put(ONE, JOB)
    spool.answer(ONE, DONE)
    spool.tidy()
    assert len(list(spool.results())) == len(list(spool.results())) == 1


def test_jobs_come_oldest_first(spool: Spool) -> None:
    spool.put(TWO, JOB)
    spool.put(ONE, JOB)
    os.utime(spool.root / "in" / f"{TWO}.json", ns=(1, 1))
    assert spool.waiting() == [TWO, ONE]


def test_a_job_put_twice_is_one_job(spool: Spool) -> None:
    spool.put(ONE, JOB)
    spool.put(ONE, ForgetJob(sha256s=()))
    assert spool.take(ONE) == JOB


@pytest.mark.parametrize("name", ["../x", "a", "A" * 32, "1" * 31, "1" * 33, ""])
def test_other_ids_are_refused(spool: Spool, name: str) -> None:
    with pytest.raises(TREError):
        spool.put(name, JOB)


def test_other_files_in_the_spool_are_no_jobs(spool: Spool) -> None:
    for name in (f".{ONE}.json.tmp", "x.json", f"{ONE}.txt", f"{ONE}.json.json", ONE):
        (spool.root / "in" / name).write_text("{}")
    assert spool.waiting() == []


def test_a_job_tried_too_often_is_given_up(spool: Spool) -> None:
    spool.put(ONE, JOB)
    for _ in range(MOST_ATTEMPTS):
        spool.take(ONE)
    with pytest.raises(TREError) as given_up:
        spool.take(ONE)
    assert given_up.value.reason is Reason.CheckerFailed
    spool.answer(ONE, DONE)
    spool.done(ONE)
    spool.tidy()
    spool.put(ONE, JOB)
    spool.take(ONE)


TEXTS = {"no json": "{", "other record": '{"answer": {"kind": "list"}, "at": 1}', "too long": " " * 101}


def hostile(spool: Spool, kind: str, secret: Path) -> None:
    path = spool.root / "out" / f"{ONE}.json"
    if kind == "link":
        path.symlink_to(secret)
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "directory":
        path.mkdir()
    else:
        path.write_text(
            {"no json": "{", "other record": '{"answer": {"kind": "list"}, "at": 1}', "too long": " " * 101}[kind]
        )


@pytest.mark.parametrize("kind", ["link", "pipe", "directory", "no json", "other record", "too long"])
def test_a_hostile_answer_is_a_failed_job(
    spool: Spool, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = tmp_path / "secret"
    secret.write_text(DONE.model_dump_json(by_alias=True))
    spool.put(ONE, JOB)
    monkeypatch.setattr(module, "MOST_BYTES", 100)
    hostile(spool, kind, secret)
    ((job_id, answer),) = spool.results()
    assert job_id == ONE
    assert isinstance(answer, FailedAnswer)
    assert answer.reason == Reason.CheckerFailed


def test_only_the_look_at_the_link_refuses_it(tmp_path: Path) -> None:
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_text(DONE.model_dump_json(by_alias=True))
    link.symlink_to(target)
    with pytest.raises(TREError):
        read_bounded(link, AnswerFile)
    assert read_bounded(target, AnswerFile) == DONE


def test_the_heartbeat_is_seen(spool: Spool) -> None:
    assert spool.heartbeat() is None
    beat = Heartbeat(at=NOW, version="1", job=ONE, since=NOW)
    spool.beat(beat)
    assert spool.heartbeat() == beat
    spool.tidy()
    assert spool.heartbeat() == beat


@pytest.mark.parametrize("outbox", ["../w-aaaaaaaaaaaa", "w-AAAAAAAAAAAA", "w-aaaaaaaaaaaa/x", "", "w-aaaaaaaaaaa1"])
def test_no_job_names_another_directory(outbox: str) -> None:
    ref = PolicyRef(name="default", sha256="0" * 64)
    IntakeJob(outbox="w-aaaaaaaaaaaa", paths=("a",), policy=ref)
    with pytest.raises(ValueError, match="outbox"):
        IntakeJob(outbox=outbox, paths=("a",), policy=ref)
