"""From a file in an outbox to a bundle that verifies elsewhere: record, spool, checker, signed log, no stand-ins."""

from __future__ import annotations

from pathlib import Path

from tests.support.databases import sqlite_with_tables
from tests.support.factories import access_grant
from tests.unit.domain.exports.world import AUTHOR, CHECKERS, WORDS, World
from tre.airlock.bundle import verify_bundle
from tre.airlock.jobs import (
    Answer,
    AskedFile,
    CheckAnswer,
    CheckJob,
    IntakeAnswer,
    IntakeJob,
    Job,
    ReleaseAnswer,
    ReleaseJob,
)
from tre.airlock.policy import load_policy, shipped_directory
from tre.airlock.release import make_document, make_statement
from tre.airlock.spool import Spool
from tre.audit.keys import generate, load_public
from tre.audit.proof import prove_event
from tre.audit.sequencer import Sequencer
from tre.checker.handlers import Workbench
from tre.checker.service import CheckerService
from tre.domain.clock import ManualClock
from tre.domain.events import program
from tre.domain.exports import authoring
from tre.domain.exports.models import ExportRequest, FileGroup, Release, RequestFile
from tre.domain.exports.states import ExportState
from tre.store import exports, grants
from tre.store.database import new_id
from tre.system.layout import Layout

BOX = "w-aaaaaaaaaaaa"


class Site:
    """The programs that a release needs, in one process."""

    def __init__(self, root: Path) -> None:
        self.layout = Layout(root)
        (self.layout.outboxes / BOX).mkdir(parents=True)
        self.database = sqlite_with_tables(root / "tre.sqlite")
        self.world = World(rules=load_policy("default", [shipped_directory()]))
        self.clock = ManualClock(self.world.now)
        self.signer = generate("tre.example.org/audit")
        self.sequencer = Sequencer(self.database, self.signer, self.clock)
        self.spool = Spool(self.layout.checker_spool)
        self.spool.make()
        self.checker = CheckerService(Workbench(self.layout, self.clock), self.spool)

    def ask(self, job: Job) -> Answer:
        job_id = new_id()
        self.spool.put(job_id, job)
        self.checker.work_once()
        answer = dict(self.spool.results())[job_id]
        self.spool.done(job_id)
        return answer

    def prepare(self, name: str) -> ExportRequest:
        """A request with this file, taken in and checked."""
        ref = self.world.rules.ref
        taken = self.ask(IntakeJob(outbox=BOX, paths=(name,), policy=ref))
        assert isinstance(taken, IntakeAnswer)
        files = tuple(RequestFile(path=f.path, sha256=f.sha256, size=f.size, type=f.type) for f in taken.files)
        checked = self.ask(CheckJob(files=tuple(AskedFile(path=f.path, sha256=f.sha256) for f in files), policy=ref))
        assert isinstance(checked, CheckAnswer)
        draft = authoring.Draft(id="e-abcdefghijkl", grant="g", workspace=BOX, author=AUTHOR.subject)
        group = FileGroup(name="tables", context=WORDS, controls=WORDS, relation="None.", people=2500, files=files)
        situation = self.world.situation
        event = exports.event_of("created", self.world.request, AUTHOR.subject, self.world.now)
        with self.database.change(event) as change:
            grants.apply(change, "g", access_grant("g").spec, "test", self.world.now)
            request = exports.create_request(change, draft, situation)
            request = exports.describe_group(change, request, AUTHOR, group, situation)
            request = exports.add_files(change, request, AUTHOR, group, situation)
            request = exports.keep_run(change, request, checked.run, situation)
            return exports.submit(change, request, AUTHOR, situation)

    def decide(self, request: ExportRequest) -> ExportRequest:
        """Two people say yes to everything, with their reasons, and one confirms."""
        for checker in CHECKERS[:2]:
            self.world.request = request
            assert request.check_run is not None
            answers = self.world.answers(*request.check_run.findings)
            event = exports.event_of("reviewed", request, checker.subject, self.world.now)
            with self.database.change(event) as change:
                for output in request.outputs:
                    vote = self.world.ballot(output.path, dispositions=answers)
                    request = exports.record_vote(change, request, checker, vote, self.world.situation)
                    self.world.request = request
                request = exports.submit_review(change, request, checker, self.world.situation)
        event = exports.event_of("approved", request, CHECKERS[0].subject, self.world.now)
        with self.database.change(event) as change:
            return exports.approve(change, request, CHECKERS[0], request.code, self.world.situation)

    def release(self, request: ExportRequest) -> ExportRequest:
        """What the controller does: event, proof, signature, bundle, record."""
        situation = self.world.tick(seconds=6).situation
        statement = make_statement(request, situation)
        event = exports.event_of(
            "releasing", request, program("controller"), situation.now, statement=statement.digest()
        )
        with self.database.change(event) as change:
            request = exports.begin_release(change, request, situation)
        assert make_statement(request, situation) == statement, "the record alone gives the statement again"
        self.clock.advance(6)
        self.sequencer.step()
        with self.database.read() as connection:
            proof = prove_event(connection, event.id)
        assert proof is not None
        written = self.ask(ReleaseJob(document=make_document(statement, proof, self.signer)))
        assert isinstance(written, ReleaseAnswer)
        done = Release(at=situation.now, bundle_sha256=written.bundle_sha256, bundle_size=written.bundle_size)
        with self.database.change(
            exports.event_of("released", request, program("controller"), situation.now)
        ) as change:
            return exports.released(change, request, done, situation)


def test_the_whole_way(tmp_path: Path) -> None:
    site = Site(tmp_path / "root")
    data = b"sex,n_patients\nF,3\nM,400\n"
    (site.layout.outboxes / BOX / "by sex.csv").write_bytes(data)
    request = site.release(site.decide(site.prepare("by sex.csv")))
    assert request.state is ExportState.Released
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    bundle = elsewhere / "release.zip"
    (site.layout.releases / f"{request.id}.zip").rename(bundle)
    (elsewhere / "key.pub").write_text(site.signer.public.line() + "\n")
    report = verify_bundle(bundle, load_public(elsewhere / "key.pub"))
    assert [(file.path, file.size) for file in report.files] == [("by sex.csv", len(data))]
    assert report.exceptions == 1
    assert report.approved_at < report.logged_by
    with site.database.read() as connection:
        assert exports.require(connection, request.id) == request
