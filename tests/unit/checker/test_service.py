"""The checker at work: each kind of job, failures that stay within their job, and the real program."""

from __future__ import annotations

import hashlib
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.unit.airlock.releases import CONTENTS, Releases
from tests.unit.domain.exports.world import START
from tre.airlock.bundle import verify_bundle
from tre.airlock.jobs import (
    Answer,
    AskedFile,
    CheckAnswer,
    CheckJob,
    FailedAnswer,
    ForgetAnswer,
    ForgetJob,
    IntakeAnswer,
    IntakeJob,
    Job,
    ListAnswer,
    ListJob,
    ReleaseAnswer,
    ReleaseJob,
)
from tre.airlock.policy import load_policy, shipped_directory
from tre.airlock.sliceindex.keeping import IndexStore
from tre.airlock.sliceindex.making import Material, make
from tre.airlock.spool import MOST_ATTEMPTS, Spool
from tre.airlock.vault import Vault
from tre.checker import service as service_module
from tre.checker.handlers import Workbench
from tre.checker.service import CheckerService
from tre.domain.clock import ManualClock
from tre.domain.errors import Reason
from tre.domain.exports.models import PolicyRef
from tre.domain.exports.severity import Severity
from tre.store.database import new_id
from tre.system.layout import Layout

BOX = "w-aaaaaaaaaaaa"
POLICY = load_policy("default", [shipped_directory()]).ref


class Bench:
    """A checker in one directory, its outbox and its spool."""

    def __init__(self, root: Path) -> None:
        self.layout = Layout(root)
        self.outbox = self.layout.outboxes / BOX
        self.outbox.mkdir(parents=True)
        self.spool = Spool(self.layout.checker_spool)
        self.spool.make()
        self.service = CheckerService(Workbench(self.layout, ManualClock(START)), self.spool)

    def ask(self, job: Job) -> Answer:
        job_id = new_id()
        self.spool.put(job_id, job)
        assert self.service.work_once() == 1
        answer = dict(self.spool.results())[job_id]
        self.spool.done(job_id)
        return answer

    def taken(self, name: str, data: bytes) -> AskedFile:
        (self.outbox / name).write_bytes(data)
        answer = self.ask(IntakeJob(outbox=BOX, paths=(name,), policy=POLICY))
        assert isinstance(answer, IntakeAnswer)
        return AskedFile(path=name, sha256=answer.files[0].sha256)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_the_way_of_a_file(bench: Bench) -> None:
    data = b"n,x\n3,a\n400,b\n"
    (bench.outbox / "a.csv").write_bytes(data)
    (bench.outbox / "link.csv").symlink_to("a.csv")
    listed = bench.ask(ListJob(outbox=BOX))
    assert isinstance(listed, ListAnswer)
    assert [(f.path, bool(f.problem)) for f in listed.files] == [("a.csv", False), ("link.csv", True)]
    taken = bench.ask(IntakeJob(outbox=BOX, paths=("a.csv", "link.csv"), policy=POLICY))
    assert isinstance(taken, IntakeAnswer)
    (file,) = taken.files
    assert (file.path, file.sha256, file.type) == ("a.csv", hashlib.sha256(data).hexdigest(), "csv")
    assert [(item.path, item.check) for item in taken.refused] == [("link.csv", "F01")]
    checked = bench.ask(CheckJob(files=(AskedFile(path="a.csv", sha256=file.sha256),), policy=POLICY))
    assert isinstance(checked, CheckAnswer)
    assert checked.run.policy == POLICY
    assert [(f.check, f.severity) for f in checked.run.findings] == [("S01", Severity.E)]
    forgotten = bench.ask(ForgetJob(sha256s=(file.sha256, "0" * 64)))
    assert forgotten == ForgetAnswer(removed=1)


def test_two_files_of_the_same_bytes_give_each_finding_once(bench: Bench) -> None:
    files = tuple(bench.taken(name, b"n,x\n3,a\n400,b\n") for name in ("a.csv", "b.csv"))
    answer = bench.ask(CheckJob(files=files, policy=POLICY))
    assert isinstance(answer, CheckAnswer)
    assert [(file.path, file.sha256) for file in answer.run.files] == [(file.path, file.sha256) for file in files]
    assert len(answer.run.findings) == 1


def test_a_release_is_written_from_the_vault(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "root")
    releases = Releases(tmp_path)
    for data in CONTENTS.values():
        bench.taken(f"{len(data)}.csv", data)
    document = releases.document()
    answer = bench.ask(ReleaseJob(document=document))
    assert isinstance(answer, ReleaseAnswer)
    bundle = bench.layout.releases / f"{document.statement.request}.zip"
    assert hashlib.sha256(bundle.read_bytes()).hexdigest() == answer.bundle_sha256
    assert bundle.stat().st_size == answer.bundle_size
    verify_bundle(bundle, (releases.signer.public,))
    again = bench.ask(ReleaseJob(document=document))
    assert again == answer


def failed(answer: Answer) -> str:
    assert isinstance(answer, FailedAnswer)
    return answer.reason


def test_a_release_of_other_bytes_is_refused(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "root")
    document = Releases(tmp_path).document()
    assert failed(bench.ask(ReleaseJob(document=document))) == Reason.ContentChanged
    assert not bench.layout.releases.exists() or not list(bench.layout.releases.iterdir())


def test_another_policy_than_the_one_asked_for_is_refused(bench: Bench) -> None:
    (bench.outbox / "a.csv").write_bytes(b"a")
    other = PolicyRef(name="default", sha256="0" * 64)
    assert failed(bench.ask(IntakeJob(outbox=BOX, paths=("a.csv",), policy=other))) == Reason.PolicyChanged
    unknown = PolicyRef(name="none", sha256="0" * 64)
    assert failed(bench.ask(IntakeJob(outbox=BOX, paths=("a.csv",), policy=unknown))) == Reason.PolicyMissing


def test_a_site_s_own_policy_comes_first(bench: Bench) -> None:
    text = (shipped_directory() / "default.yaml").read_text().replace("threshold: 10 ", "threshold: 3 ")
    own = bench.layout.root / "policies/airlock/default.yaml"
    own.parent.mkdir(parents=True)
    own.write_text(text)
    ref = load_policy("default", [own.parent]).ref
    assert ref != POLICY
    (bench.outbox / "a.csv").write_bytes(b"n,x\n5,a\n400,b\n")
    taken = bench.ask(IntakeJob(outbox=BOX, paths=("a.csv",), policy=ref))
    assert isinstance(taken, IntakeAnswer)
    answer = bench.ask(CheckJob(files=(AskedFile(path="a.csv", sha256=taken.files[0].sha256),), policy=ref))
    assert isinstance(answer, CheckAnswer)
    assert answer.run.findings == ()
    assert failed(bench.ask(IntakeJob(outbox=BOX, paths=("a.csv",), policy=POLICY))) == Reason.PolicyChanged


def test_an_outbox_that_is_not_there_is_told(bench: Bench) -> None:
    for job in (ListJob(outbox="w-bbbbbbbbbbbb"), IntakeJob(outbox="w-bbbbbbbbbbbb", paths=("a",), policy=POLICY)):
        assert failed(bench.ask(job)) == Reason.ServiceUnavailable


def test_a_file_that_is_not_in_the_vault_is_told(bench: Bench) -> None:
    job = CheckJob(files=(AskedFile(path="a.csv", sha256="0" * 64),), policy=POLICY)
    assert failed(bench.ask(job)) == Reason.ContentChanged


def test_a_fault_is_the_job_s_answer_and_ends_nothing_else(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    real = service_module.handle

    def faulty(job: Job, workbench: Workbench) -> Answer:
        if isinstance(job, ForgetJob):
            raise ZeroDivisionError("secret words")
        return real(job, workbench)

    monkeypatch.setattr(service_module, "handle", faulty)
    answer = bench.ask(ForgetJob(sha256s=()))
    assert isinstance(answer, FailedAnswer)
    assert (answer.reason, "secret" in answer.why, "ZeroDivisionError" in answer.why) == ("CheckerFailed", False, True)
    assert isinstance(bench.ask(ListJob(outbox=BOX)), ListAnswer)


def test_a_job_that_is_no_job_is_answered(bench: Bench) -> None:
    job_id = new_id()
    (bench.layout.checker_spool / "in" / f"{job_id}.json").write_text('{"job": {"kind": "run", "code": "rm"}}')
    bench.service.work_once()
    assert failed(dict(bench.spool.results())[job_id]) == Reason.BadInput


def test_a_job_that_brought_it_down_three_times_is_given_up(bench: Bench) -> None:
    job_id = new_id()
    bench.spool.put(job_id, ListJob(outbox=BOX))
    for _ in range(MOST_ATTEMPTS):
        bench.spool.take(job_id)  # and died
    bench.service.work_once()
    assert failed(dict(bench.spool.results())[job_id]) == Reason.CheckerFailed


def test_what_a_crash_left_in_the_vault_is_swept(bench: Bench) -> None:
    vault = Vault(bench.layout.vault)
    bench.taken("a.csv", b"a,b\n")
    (bench.layout.vault / ".incoming-dead").write_bytes(b"half")
    assert vault.sweep() == 1
    assert vault.sweep() == 0


def test_a_disk_that_takes_nothing_for_a_moment_does_not_silence_it_for_good(bench: Bench) -> None:
    out = bench.layout.checker_spool / "out"
    away = out.rename(out.with_name("away"))
    out.touch()  # nothing can be written below it

    class Moments(threading.Event):
        """Between two beats: first the disk is well again, then it is enough."""

        def wait(self, timeout: float | None = None) -> bool:
            if out.is_file():
                out.unlink()
                away.rename(out)
            else:
                self.set()
            return self.is_set()

    bench.service.stopping = Moments()
    bench.service._beat()
    assert bench.spool.heartbeat() is not None


# The real program.


def until(condition: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


@pytest.fixture
def program(bench: Bench) -> Iterator[Callable[[], subprocess.Popen[bytes]]]:
    started: list[subprocess.Popen[bytes]] = []

    def start() -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "tre.checker", "--root", str(bench.layout.root)]
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.wait()


def test_the_program_works_beats_and_stops(bench: Bench, program: Callable[[], subprocess.Popen[bytes]]) -> None:
    process = program()
    until(lambda: bench.spool.heartbeat() is not None)
    (bench.outbox / "a.csv").write_bytes(b"n,x\n3,a\n400,b\n")
    jobs: dict[str, Job] = {
        new_id(): ListJob(outbox=BOX),
        new_id(): IntakeJob(outbox=BOX, paths=("a.csv",), policy=POLICY),
    }
    for job_id, job in jobs.items():
        bench.spool.put(job_id, job)
    until(lambda: len(list(bench.spool.results())) == 2)
    answers = dict(bench.spool.results())
    taken = answers[list(jobs)[1]]
    assert isinstance(taken, IntakeAnswer)
    check = new_id()
    bench.spool.put(check, CheckJob(files=(AskedFile(path="a.csv", sha256=taken.files[0].sha256),), policy=POLICY))
    until(lambda: check in dict(bench.spool.results()))
    answer = dict(bench.spool.results())[check]
    assert isinstance(answer, CheckAnswer)
    assert [finding.check for finding in answer.run.findings] == ["S01"]
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == 0


def test_a_job_in_hand_survives_the_death_of_the_program(
    bench: Bench, program: Callable[[], subprocess.Popen[bytes]]
) -> None:
    """Killed in the middle of a large intake, more often than once; started again, it answers."""
    names = tuple(f"{number}.csv" for number in range(60))
    for name in names:
        (bench.outbox / name).write_bytes(name.encode() * 200_000)
    job_id = new_id()
    bench.spool.put(job_id, IntakeJob(outbox=BOX, paths=names, policy=POLICY))
    mark = bench.layout.checker_spool / "taken" / job_id
    process = program()
    until(mark.exists)
    process.kill()
    process.wait()
    assert list(bench.spool.results()) == [], "it was not killed in the middle"
    program()
    until(lambda: len(list(bench.spool.results())) == 1)
    ((_, answer),) = bench.spool.results()
    assert isinstance(answer, IntakeAnswer)
    assert len(answer.files) == 60
    assert not list(bench.layout.vault.glob(".incoming-*")), "what the crash left half done is still there"


@pytest.mark.parametrize("given_up", [False, True])
def test_the_program_has_given_the_network_up(given_up: bool) -> None:
    code = (
        "import socket, sys\n"
        "from tre.checker.network import give_up_network\n"
        f"{'give_up_network()' if given_up else ''}\n"
        "socket.socket(socket.AF_UNIX).close()\n"
        "for family in (socket.AF_INET, socket.AF_INET6):\n"
        "    try:\n"
        "        socket.socket(family, socket.SOCK_STREAM).close()\n"
        "        print('open')\n"
        "    except OSError as error:\n"
        "        print(error.errno)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == (["97", "97"] if given_up else ["open", "open"])


def test_children_still_get_their_namespaces_after_it() -> None:
    """Giving the network up must not cost the children the walls from outside, where the host has them."""
    code = (
        "from tre.airlock.confine import namespace_prefix\n"
        "from tre.checker.network import give_up_network\n"
        "{}\n"
        "print(bool(namespace_prefix()))\n"
    )
    answers = [
        subprocess.run([sys.executable, "-c", code.format(act)], capture_output=True, text=True, check=True).stdout
        for act in ("", "give_up_network()")
    ]
    assert answers[0] == answers[1]


SLICE = "s-aaaaaaaaaaaa"


def test_files_are_compared_with_the_slices_that_the_job_names(bench: Bench) -> None:
    material = Material(identifiers=["Covid123456"], names=["Covid123456"], count=40)
    IndexStore(bench.layout.slice_indexes).keep(SLICE, make(material))
    file = bench.taken("named.csv", b"id,mean\nCOVID-0123456,1.5\n")
    answer = bench.ask(CheckJob(files=(file,), policy=POLICY, slices=(SLICE,)))
    assert isinstance(answer, CheckAnswer)
    assert [finding.check for finding in answer.run.findings] == ["P01"]
    unaware = bench.ask(CheckJob(files=(file,), policy=POLICY))
    assert isinstance(unaware, CheckAnswer)
    assert unaware.run.findings == ()


def test_without_the_index_of_a_slice_nothing_is_called_clear(bench: Bench) -> None:
    file = bench.taken("means.csv", b"group,mean\na,1.5\n")
    answer = bench.ask(CheckJob(files=(file,), policy=POLICY, slices=(SLICE,)))
    assert isinstance(answer, FailedAnswer)
    assert answer.reason == Reason.SliceNotFound.value
