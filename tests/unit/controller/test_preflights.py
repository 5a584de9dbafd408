"""Checks before submitting, the whole way: the program in a workspace, the checker, the controller, the storekeeper.

The program's waiting drives the world: each time it would sleep, every service takes one step.
"""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.support.factories import ALICE
from tests.support.indexes import keep_indexes
from tests.unit.controller.conftest import World
from tre.airlock.confine import ChildAnswer, ChildObservation
from tre.airlock.jobs import Ask, AskList
from tre.airlock.spool import Spool
from tre.airlock.vault import Vault
from tre.checker.handlers import Workbench
from tre.checker.service import CheckerService
from tre.controller.checker_relay import CheckerRelay
from tre.controller.preflights import Preflights
from tre.domain.events import program
from tre.domain.exports.models import ExportRequest, FileGroup, RequestFile
from tre.domain.workspaces.models import Workspace
from tre.runtimes.init.preflight import Places, main
from tre.store import exports, jobs, preflights
from tre.store.events import EventSearch, search
from tre.store.tables.airlock import export_requests
from tre.storekeeper.office import Office
from tre.storekeeper.service import LANES, Service

TABLE = b"sex,n_patients\nF,3\nM,400\n"
CLEAN = b"sex,mean_age\nF,44.5\nM,45.1\n"


class Site:
    """Every service of one machine, one step at a time."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.name = Workspace.name_for(world.apply(), ALICE)
        world.settle()
        self.outbox, self.inbox = world.layout.outboxes / self.name, world.layout.inboxes / self.name
        for place in (self.outbox, self.inbox):
            place.mkdir(parents=True)
        self.spool = Spool(world.layout.checker_spool)
        self.relay = CheckerRelay(world.context, self.spool)
        self.checker = CheckerService(Workbench(world.layout, world.clock), self.spool)
        self.checker.prepare()
        office = Office(world.layout, world.context.settings, world.database, world.clock, program("storekeeper"))
        self.storekeeper = Service(office)
        keep_indexes(world.layout, world.database, "nccid-00123")
        self.start()

    def start(self) -> None:
        """A controller that remembers nothing."""
        self.preflights = Preflights(self.world.context, self.spool)

    def round(self, _seconds: float = 0.0) -> None:
        self.world.clock.advance(1)
        self.checker.look_for_asks()
        self.preflights.step()
        self.relay.step()
        self.checker.work_once()
        self.relay.step()
        with self.world.database.read() as connection:
            waiting = jobs.waiting(connection, "storekeeper", self.world.clock.now())
        for job in waiting:
            self.storekeeper.do(job, LANES["workspaces"][job.kind])

    def settle(self) -> None:
        for _ in range(6):
            self.round()

    def places(self) -> Places:
        return Places(self.outbox, self.inbox, lambda: self.world.clock.now().timestamp(), self.round)

    def check(self, *words: str) -> int:
        return main([*words, "--wait", "60"], self.places())

    def kept(self) -> list[Path]:
        vault = self.world.layout.vault
        return [path for path in vault.rglob("*") if path.is_file()]

    def events(self, kind: str) -> list[dict[str, Any]]:
        with self.world.database.read() as connection:
            return [stored.event.detail for stored in search(connection, EventSearch(kind=kind))]


def printed_json(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """What the program printed, without the services' log."""
    printed = capsys.readouterr().out
    found: dict[str, Any] = json.loads(printed[printed.index("{\n") :])
    return found


ONE_DATABASE = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
"""For what does not depend on which: the first and the limits run on both."""


@pytest.fixture
def site(world: World) -> Site:
    return Site(world)


def test_from_the_program_to_its_answer_and_nothing_stays(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    (site.outbox / "table.csv").write_bytes(TABLE)
    (site.outbox / "sub").mkdir()
    (site.outbox / "sub" / "ages.csv").write_bytes(CLEAN)
    before = sorted(path for path in site.outbox.rglob("*") if path.is_file())
    assert site.check() == 1
    printed = capsys.readouterr().out
    assert "sub/ages.csv: nothing found" in printed
    assert "table.csv: 1 found" in printed
    assert "E S01 (row 2, column 2): “n_patients” shows 3, below 10." in printed
    assert "can do for you: Round the counts; " in printed
    assert "19 more checks" in printed
    assert sorted(path for path in site.outbox.rglob("*") if path.is_file()) == before, "the ask is gone again"
    site.settle()
    assert site.kept() == []
    assert site.events("preflight.asked") == [{"grant": "nccid-00123", "files": 2}]
    everything = json.dumps(site.events("job.asked"))
    assert "ages" not in everything, "no name of a file in any event"
    with site.world.database.read() as connection:
        counted = preflights.attempts_of(connection, site.name, site.world.clock.now())
    assert (counted.total, counted.last_day) == (1, 1)


@ONE_DATABASE
def test_as_json_and_only_what_was_named(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    (site.outbox / "ages.csv").write_bytes(CLEAN)
    (site.outbox / "link.csv").symlink_to("/etc/passwd")
    assert site.check("ages.csv", str(site.outbox / "ages.csv"), "--json") == 0
    answer = printed_json(capsys)
    assert [file["path"] for file in answer["files"]] == ["ages.csv"]
    assert answer["policy"]["name"] == "default"
    assert site.check("link.csv", "--json") == 1
    (refused,) = printed_json(capsys)["files"]
    assert refused["findings"][0]["check"] == "F01"
    assert "symbolic link" in refused["findings"][0]["message"]


@ONE_DATABASE
def test_what_only_checkers_may_read_is_not_told(
    site: Site, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (site.outbox / "ages.csv").write_bytes(CLEAN)
    said = [
        ChildObservation(check="P01", message="Pseudonym “X-17” stands in row 2."),
        ChildObservation(check="P01", message="Pseudonym “X-18” stands in row 3."),
        ChildObservation(check="S04", case="sibling", message="4 people differ from a release of another project."),
    ]
    answer = (ChildAnswer(walls=(), observations=tuple(said)), b"")
    monkeypatch.setattr("tre.airlock.examination.examine", lambda *_: answer)
    assert site.check("ages.csv") == 1
    printed = capsys.readouterr().out
    assert printed.count("P01") == 1
    assert "No pseudonym, unique identifier or accession number" in printed
    for told_too_much in ("X-1", "row", "S04", "differ", "another project"):
        assert told_too_much not in printed
    told = "".join(path.read_text() for path in (site.inbox / ".preflight").iterdir())
    assert "X-1" not in told
    assert "S04" not in told


def test_only_so_often_in_an_hour_then_a_time_to_ask_again(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    (site.outbox / "ages.csv").write_bytes(CLEAN)
    policies = site.world.layout.root / "policies" / "airlock"
    policies.mkdir(parents=True)
    shipped = Path(__file__).parents[3] / "policies" / "airlock" / "default.yaml"
    (policies / "default.yaml").write_text(shipped.read_text().replace("perHour: 20", "perHour: 2"))
    assert [site.check(), site.check()] == [0, 0]
    capsys.readouterr()
    assert [site.check("--json"), site.check("--json")] == [1, 1]
    refusals = capsys.readouterr().out
    assert refusals.count("RateLimited") == 2
    assert len(site.events("preflight.refused")) == 1, "said once, however often it is asked"
    assert len(site.events("preflight.asked")) == 2
    site.world.clock.advance(3600)
    assert site.check() == 0


@pytest.mark.parametrize("crash_after", [1, 3, 4])
@ONE_DATABASE
def test_a_crash_at_any_step_costs_time_only(site: Site, crash_after: int) -> None:
    (site.outbox / "table.csv").write_bytes(TABLE)
    rounds = 0

    def tired(_seconds: float) -> None:
        nonlocal rounds
        rounds += 1
        if rounds == crash_after:
            site.start()
        site.round()

    places = Places(site.outbox, site.inbox, lambda: site.world.clock.now().timestamp(), tired)
    assert main(["table.csv", "--wait", "60"], places) == 1
    site.start()
    site.settle()
    assert site.kept() == []
    assert len(site.events("preflight.asked")) == 1


@ONE_DATABASE
def test_a_workspace_is_answered_one_ask_at_a_time(site: Site) -> None:
    (site.outbox / "table.csv").write_bytes(TABLE)
    folder = site.outbox / ".preflight"
    folder.mkdir()
    for digit in "ab":
        (folder / f"ask-{digit * 32}").write_text("tre-preflight/1\ntable.csv\n")
    site.checker.look_for_asks()
    site.preflights.step()
    assert len(site.events("preflight.asked")) == 1
    for _ in range(4):
        site.settle()
    assert len(list((site.inbox / ".preflight").iterdir())) == 2, "the other one is answered later, without a new look"
    assert site.kept() == []


@ONE_DATABASE
def test_an_ask_that_is_taken_away_leaves_nothing_in_the_vault(site: Site) -> None:
    (site.outbox / "table.csv").write_bytes(TABLE)
    assert main(["table.csv", "--wait", "1"], site.places()) == 1, "it did not wait for its answer"
    site.settle()
    assert site.events("preflight.asked")
    assert site.kept() == []


@ONE_DATABASE
def test_bytes_that_a_request_uses_stay(site: Site) -> None:
    (site.outbox / "table.csv").write_bytes(TABLE)
    (site.outbox / "ages.csv").write_bytes(CLEAN)
    known = Vault(site.world.layout.vault)
    with (site.outbox / "table.csv").open("rb") as file:
        stored = known.take_in(file.fileno(), 1000)
    request_with(site, RequestFile(path="t.csv", sha256=stored.sha256, size=stored.size, type="csv"))
    site.check()
    site.settle()
    assert [path.name for path in site.kept()] == [stored.sha256[2:]]


def request_with(site: Site, file: RequestFile) -> None:
    now = site.world.clock.now()
    request = ExportRequest(
        id="e-abcdefghijkl",
        grant="nccid-00123",
        workspace=site.name,
        author=ALICE,
        policy="default",
        created_at=now,
        changed_at=now,
    )
    with site.world.database.change(site.world.event("export.created", "export/e-abcdefghijkl")) as change:
        change.connection.execute(export_requests.insert().values(exports.request_row(request)))
        exports.save(change, request, request.changed(groups=(FileGroup(name="g", files=(file,)),)))


@ONE_DATABASE
def test_nothing_is_removed_while_the_same_bytes_may_be_on_their_way_to_a_request(site: Site) -> None:
    (site.outbox / "table.csv").write_bytes(TABLE)
    copying = jobs.JobRequest(program="checker", kind="intake", subject="export/e-x", payload={"outbox": "none"})
    with site.world.database.change(site.world.event("job.asked", "export/e-x")) as change:
        job = jobs.ask(change, copying, site.world.clock.now() + timedelta(days=1))
        jobs.take(change, job, site.world.clock.now(), 10**6)
    assert site.check() == 1
    site.settle()
    assert len(site.kept()) == 1
    with site.world.database.change(site.world.event("job.done", "export/e-x")) as change:
        jobs.finish(change, job, {}, site.world.clock.now())
    site.settle()
    assert site.kept() == []


@ONE_DATABASE
def test_who_has_no_access_any_more_is_not_answered(site: Site) -> None:
    (site.outbox / "table.csv").write_bytes(TABLE)
    site.world.clock.advance(400 * 86400)
    assert site.check() == 1
    assert site.events("preflight.asked") == []


@ONE_DATABASE
def test_a_stranger_and_a_broken_list_stop_nobody(site: Site) -> None:
    (site.outbox / "table.csv").write_bytes(TABLE)
    site.spool.tell_asks(AskList(asks=(Ask(outbox="w-zzzzzzzzzzzz", id="0" * 32, paths=("x",)),)))
    site.preflights.step()
    (site.world.layout.checker_spool / "out" / "asks").write_text("nonsense")
    site.preflights.step()
    assert site.check() == 1
    assert len(site.events("preflight.asked")) == 1


@ONE_DATABASE
def test_an_ask_out_of_form_is_told_so_and_counts(site: Site) -> None:
    folder = site.outbox / ".preflight"
    folder.mkdir()
    (folder / f"ask-{'a' * 32}").write_text("nonsense\n")
    site.settle()
    (answer,) = (site.inbox / ".preflight").iterdir()
    assert "form that tre-check writes" in answer.read_text()
    with site.world.database.read() as connection:
        assert preflights.attempts_of(connection, site.name, site.world.clock.now()).total == 1
    assert site.events("preflight.asked") == []


@ONE_DATABASE
def test_a_checker_that_fails_is_an_answer(
    site: Site, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (site.outbox / "table.csv").write_bytes(TABLE)

    def broken(*_: object) -> None:
        raise RuntimeError

    monkeypatch.setattr("tre.checker.handlers.check_files", broken)
    assert site.check() == 1
    assert "The checker could not do this job." in capsys.readouterr().out
    site.settle()
    assert site.kept() == []
