"""The checker's side of papers: kept if they are what was sent, removed, each also twice; links lead nowhere."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from tests.unit.checker.test_service import Bench, failed
from tre.airlock.jobs import Answer, ForgetAnswer, ForgetPaperJob, HandOverAnswer, KeepPaperJob
from tre.domain.errors import Reason

UPLOAD = "0123456789abcdef" * 2
DATA = b"%PDF a protocol"
SHA256 = hashlib.sha256(DATA).hexdigest()
JOB = KeepPaperJob(upload=UPLOAD, path="paper", sha256=SHA256, size=len(DATA))


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    made = Bench(tmp_path)
    made.layout.papers.mkdir(parents=True)
    (made.layout.uploads / UPLOAD).mkdir(parents=True)
    (made.layout.uploads / UPLOAD / "paper").write_bytes(DATA)
    return made


def stored(bench: Bench) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in bench.layout.papers.iterdir()}


def keep(bench: Bench) -> Answer:
    return bench.ask(JOB)


def test_a_paper_is_kept_and_its_upload_removed(bench: Bench) -> None:
    assert keep(bench) == HandOverAnswer(present=1)
    assert stored(bench) == {SHA256: DATA}
    assert (bench.layout.papers / SHA256).stat().st_mode & 0o777 == 0o640
    assert list(bench.layout.uploads.iterdir()) == []
    assert keep(bench) == HandOverAnswer(present=1)
    assert stored(bench) == {SHA256: DATA}


def test_what_is_not_what_was_sent_is_not_kept(bench: Bench) -> None:
    (bench.layout.uploads / UPLOAD / "paper").write_bytes(DATA[::-1])
    assert failed(keep(bench)) == Reason.ContentChanged
    (bench.layout.uploads / UPLOAD / "paper").write_bytes(DATA + b"more")
    assert failed(keep(bench)) == Reason.ContentChanged
    assert stored(bench) == {}


@pytest.mark.parametrize("what", ["gone", "link", "second-name", "directory"])
def test_what_is_no_plain_file_of_the_upload_is_not_kept(bench: Bench, tmp_path: Path, what: str) -> None:
    path, secret = bench.layout.uploads / UPLOAD / "paper", tmp_path / "secret"
    secret.write_bytes(DATA)
    path.unlink()
    if what == "link":
        path.symlink_to(secret)
    elif what == "second-name":
        path.hardlink_to(secret)
    elif what == "directory":
        path.mkdir()
    assert failed(keep(bench)) == Reason.ContentChanged
    assert stored(bench) == {}


def test_a_paper_that_somebody_changed_is_healed(bench: Bench) -> None:
    (bench.layout.papers / SHA256).write_bytes(b"other")
    assert keep(bench) == HandOverAnswer(present=1)
    assert stored(bench) == {SHA256: DATA}


def test_a_paper_is_removed_once_and_for_all(bench: Bench) -> None:
    keep(bench)
    assert bench.ask(ForgetPaperJob(sha256=SHA256)) == ForgetAnswer(removed=1)
    assert bench.ask(ForgetPaperJob(sha256=SHA256)) == ForgetAnswer(removed=0)
    assert stored(bench) == {}
