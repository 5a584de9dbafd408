"""The checker's side of the way in: receive, inspect, hand over, take back; each may be done twice."""

from __future__ import annotations

import hashlib
import os
from datetime import timedelta
from pathlib import Path

import pytest

from tests.assets.airlock.files import archive
from tests.assets.airlock.notebooks import code, figure, notebook
from tests.assets.airlock.wheels import NAME, TOLD_WHEELS, package
from tests.unit.checker.test_service import Bench, failed
from tests.unit.domain.exports.world import START
from tre.airlock.extract import decode
from tre.airlock.handover import Handover
from tre.airlock.jobs import (
    AskedFile,
    CheckAnswer,
    CheckJob,
    ForgetAnswer,
    HandOverAnswer,
    HandOverJob,
    InspectJob,
    IntakeAnswer,
    ReceiveJob,
    TakeBackJob,
)
from tre.airlock.policy import load_policy, shipped_directory
from tre.airlock.uploads import Uploads
from tre.airlock.vault import Vault
from tre.checker import service as service_module
from tre.checker.handlers import Workbench, handle
from tre.domain.clock import ManualClock
from tre.domain.errors import Reason
from tre.domain.exports.models import Finding, PolicyRef
from tre.domain.exports.severity import Severity

POLICY = load_policy("default", [shipped_directory()]).ref
UPLOAD = "0123456789abcdef" * 2
COUNTS = b"n,x\n3,a\n400,b\n"


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    made = Bench(tmp_path)
    made.layout.handover.mkdir(parents=True)
    (made.layout.uploads / UPLOAD).mkdir(parents=True)
    return made


def uploaded(bench: Bench, **files: bytes) -> IntakeAnswer:
    folder = bench.layout.uploads / UPLOAD
    folder.mkdir(exist_ok=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)
    answer = bench.ask(ReceiveJob(upload=UPLOAD, paths=tuple(files), policy=POLICY))
    assert isinstance(answer, IntakeAnswer)
    return answer


def inspected(bench: Bench, **files: bytes) -> list[Finding]:
    taken = uploaded(bench, **files).files
    asked = tuple(AskedFile(path=file.path, sha256=file.sha256) for file in taken)
    answer = bench.ask(InspectJob(files=asked, policy=POLICY))
    assert isinstance(answer, CheckAnswer)
    assert answer.run.policy == POLICY
    assert [(file.path, file.sha256) for file in answer.run.files] == [(file.path, file.sha256) for file in taken]
    return list(answer.run.findings)


def test_an_upload_is_copied_and_removed_once_it_is_answered_for(bench: Bench) -> None:
    data = package()
    (bench.layout.uploads / UPLOAD / "deep").mkdir()
    answer = uploaded(bench, **{NAME: data, "deep/a.csv": COUNTS})
    assert [(file.path, file.type) for file in answer.files] == [(NAME, "wheel"), ("deep/a.csv", "csv")]
    assert answer.refused == ()
    kept = Vault(bench.layout.vault).path(hashlib.sha256(data).hexdigest())
    assert kept.read_bytes() == data
    assert not (bench.layout.uploads / UPLOAD).exists()


def test_an_interruption_before_the_answer_costs_nothing(bench: Bench) -> None:
    (bench.layout.uploads / UPLOAD / "a.csv").write_bytes(COUNTS)
    job = ReceiveJob(upload=UPLOAD, paths=("a.csv",), policy=POLICY)
    first = handle(job, Workbench(bench.layout, ManualClock(START)))  # and the program dies before it answers
    assert bench.ask(job) == first
    assert failed(bench.ask(job)) == Reason.ContentChanged


def test_an_upload_is_kept_where_the_job_failed(bench: Bench) -> None:
    (bench.layout.uploads / UPLOAD / "a.csv").write_bytes(COUNTS)
    other = PolicyRef(name="default", sha256="0" * 64)
    assert failed(bench.ask(ReceiveJob(upload=UPLOAD, paths=("a.csv",), policy=other))) == Reason.PolicyChanged
    assert uploaded(bench, **{"a.csv": COUNTS}).files


def test_an_upload_that_cannot_be_removed_is_answered_for(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(service_module, "afterwards", fails)
    assert uploaded(bench, **{"a.csv": COUNTS}).files


def test_limits_are_those_of_what_comes_in(bench: Bench) -> None:
    assert uploaded(bench, **{"a.csv": b"x" * (17 << 20)}).refused == ()  # outputs may have 16 MiB
    (refused,) = uploaded(bench, **{"a.csv": b"x" * (33 << 20)}).refused
    assert (refused.check, refused.suggestion) == ("F05", "Bring in less.")
    refused = uploaded(bench, **{f"{number}.csv": b"x" for number in range(51)}).refused[0]
    assert "50 files" in refused.message


def test_a_package_comes_in_and_its_content_can_be_looked_at(bench: Bench) -> None:
    data = package({"demo_tool/core.py": b"def answer():\n    return 42\n"})
    assert inspected(bench, **{NAME: data}) == []
    kept = Workbench(bench.layout, ManualClock(START)).extracts.find(hashlib.sha256(data).hexdigest(), "wheel")
    assert kept is not None
    cards = decode(kept).cards
    assert "return 42" in next(card.text for card in cards if card.title == "demo_tool/core.py")


def test_what_a_package_does_unasked_is_told_and_blocks_nothing(bench: Bench) -> None:
    (found,) = inspected(bench, **{NAME: TOLD_WHEELS["pth"][1]()})
    assert (found.check, found.case, found.severity) == ("F06", "package", Severity.A)


def test_what_comes_in_is_judged_by_what_it_carries_and_not_by_disclosure(bench: Bench) -> None:
    """Small counts, a notebook's outputs: exceptions on the way out, nothing on the way in."""
    files = {"a.csv": COUNTS, "b.ipynb": notebook(code("x = 1", figure()))}
    assert inspected(bench, **files) == []
    taken = uploaded(bench, **files).files
    asked = tuple(AskedFile(path=file.path, sha256=file.sha256) for file in taken)
    answer = bench.ask(CheckJob(files=asked, policy=POLICY))
    assert isinstance(answer, CheckAnswer)
    assert {"S01", "F09"} <= {finding.check for finding in answer.run.findings}


def test_secrets_are_told_on_the_way_in(bench: Bench) -> None:
    (found,) = inspected(bench, **{"a.py": b'password = "hunter2hunter2"\n'})
    assert (found.check, found.severity) == ("P05", Severity.A)


@pytest.mark.parametrize(("name", "data"), [("a.zip", archive()), ("a.exe", b"MZ"), ("a.png", b"x"), ("a.pkl", b"x")])
def test_other_types_do_not_come_in_and_are_told_so(bench: Bench, name: str, data: bytes) -> None:
    found = inspected(bench, **{name: data})
    assert "Files of this type do not come in." in [finding.message for finding in found]
    assert all(finding.severity is Severity.B for finding in found)
    assert not any("leave" in finding.message + finding.suggestion for finding in found)


def test_a_package_in_an_outbox_does_not_leave(bench: Bench) -> None:
    file = bench.taken(NAME, package())
    answer = bench.ask(CheckJob(files=(file,), policy=POLICY))
    assert isinstance(answer, CheckAnswer)
    assert {finding.check: finding.suggestion for finding in answer.run.findings}["F04"].startswith("Packages do not")
    assert any(finding.message == "Files of this type do not leave." for finding in answer.run.findings)


def test_what_people_said_of_columns_outlives_an_inspection(bench: Bench) -> None:
    file = bench.taken("a.csv", COUNTS)
    bench.ask(CheckJob(files=(file,), policy=POLICY, labels={"x": "category"}))
    extracts = Workbench(bench.layout, ManualClock(START)).extracts
    before = extracts.find(file.sha256, "csv")
    inspected(bench, **{"b.csv": COUNTS})
    assert before is not None
    assert extracts.find(file.sha256, "csv") == before


def copies(bench: Bench) -> list[str]:
    return sorted(path.name for path in bench.layout.handover.iterdir())


def test_a_copy_is_put_there_once_and_taken_back(bench: Bench) -> None:
    sha256 = uploaded(bench, **{"a.csv": COUNTS}).files[0].sha256
    job = HandOverJob(sha256s=(sha256, sha256))
    for _ in range(2):
        assert bench.ask(job) == HandOverAnswer(present=1)
        assert copies(bench) == [sha256]
    copy = bench.layout.handover / sha256
    assert copy.read_bytes() == COUNTS
    assert copy.stat().st_mode & 0o7777 == 0o640
    assert [bench.ask(TakeBackJob(sha256s=(sha256,))) for _ in range(2)] == [
        ForgetAnswer(removed=1),
        ForgetAnswer(removed=0),
    ]
    assert copies(bench) == []


def test_a_copy_that_is_whole_is_not_written_again_and_another_one_is(bench: Bench) -> None:
    sha256 = uploaded(bench, **{"a.csv": COUNTS}).files[0].sha256
    bench.ask(HandOverJob(sha256s=(sha256,)))
    copy = bench.layout.handover / sha256
    first = copy.stat().st_ino
    bench.ask(HandOverJob(sha256s=(sha256,)))
    assert copy.stat().st_ino == first
    copy.write_bytes(b"changed")
    bench.ask(HandOverJob(sha256s=(sha256,)))
    assert copy.read_bytes() == COUNTS
    copy.unlink()
    copy.symlink_to(bench.layout.vault)
    bench.ask(HandOverJob(sha256s=(sha256,)))
    assert not copy.is_symlink()
    assert copy.read_bytes() == COUNTS


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives a directory to another group")
def test_a_copy_belongs_to_the_group_of_the_directory(bench: Bench) -> None:
    os.chown(bench.layout.handover, -1, 12345)
    bench.layout.handover.chmod(0o2750)
    sha256 = uploaded(bench, **{"a.csv": COUNTS}).files[0].sha256
    bench.ask(HandOverJob(sha256s=(sha256,)))
    assert (bench.layout.handover / sha256).stat().st_gid == 12345


@pytest.mark.parametrize("changed", [b"n,x\n3,a\n400,c\n", COUNTS + b"more", b""])
def test_bytes_that_changed_in_the_vault_are_not_handed_over(bench: Bench, changed: bytes) -> None:
    sha256 = uploaded(bench, **{"a.csv": COUNTS}).files[0].sha256
    kept = Vault(bench.layout.vault).path(sha256)
    kept.chmod(0o600)
    kept.write_bytes(changed)
    assert failed(bench.ask(HandOverJob(sha256s=(sha256,)))) == Reason.ContentChanged
    assert copies(bench) == []


def test_bytes_that_are_gone_are_not_handed_over(bench: Bench) -> None:
    assert failed(bench.ask(HandOverJob(sha256s=("0" * 64,)))) == Reason.ContentChanged


def test_what_interruptions_left_is_swept_when_it_is_a_day_old(bench: Bench) -> None:
    (bench.layout.handover / ".incoming-1").write_bytes(b"half")
    (bench.layout.handover / ("0" * 64)).write_bytes(b"whole")
    upload = bench.layout.uploads / UPLOAD
    (upload / "a.csv").write_bytes(b"left alone")
    handover, uploads = Handover(bench.layout.handover), Uploads(bench.layout.uploads)
    young = Path(upload).stat().st_mtime
    clock = ManualClock(START)
    clock.jump(START.fromtimestamp(young, START.tzinfo) + timedelta(hours=23))
    assert (handover.sweep(clock.now()), uploads.sweep(clock.now())) == (0, 0)
    clock.advance(2 * 60 * 60)
    assert (handover.sweep(clock.now()), uploads.sweep(clock.now())) == (1, 1)
    assert copies(bench) == ["0" * 64]
    assert not upload.exists()


def test_the_service_sweeps_when_it_starts(bench: Bench) -> None:
    (bench.layout.handover / ".incoming-1").write_bytes(b"half")
    os.utime(bench.layout.handover / ".incoming-1", (0, 0))
    os.utime(bench.layout.uploads / UPLOAD, (0, 0))
    assert bench.service.prepare() == 2
