"""What live workspaces are told of requests and jobs: record, controller, storekeeper, inbox."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.support.factories import ALICE, BOB
from tests.unit.controller.conftest import World
from tre.controller.notes import NoteKeeper
from tre.domain.events import program
from tre.domain.exports.models import ExportRequest
from tre.domain.exports.states import ExportState, Owner
from tre.domain.people import Person, Role
from tre.domain.workspaces.batch import BatchJob, BatchState
from tre.domain.workspaces.states import Wanted
from tre.store import batches, exports, jobs, people
from tre.store.export_rows import request_row
from tre.store.tables.airlock import export_requests
from tre.storekeeper.notes import git_identity
from tre.storekeeper.office import Office
from tre.storekeeper.service import LANES, Service

ONE_DATABASE = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)


class Site:
    """A workspace that runs, its inbox, and who writes into it."""

    def __init__(self, world: World) -> None:
        self.world = world
        world.apply()
        self.name = world.run()
        self.inbox = world.layout.inboxes / self.name
        self.inbox.mkdir(parents=True)
        office = Office(world.layout, world.context.settings, world.database, world.clock, program("storekeeper"))
        self.storekeeper = Service(office)
        self.keeper = NoteKeeper(world.context)

    def look(self) -> int:
        """One step of each; how many notes were written."""
        self.keeper.step()
        with self.world.database.read() as connection:
            waiting = jobs.waiting(connection, "storekeeper", self.world.clock.now())
        for job in waiting:
            self.storekeeper.do(job, LANES["workspaces"][job.kind])
        return len(waiting)

    @property
    def told(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.inbox / ".desk" / "notes.json").read_text())
        return found

    def request(self, identifier: str, **changes: Any) -> ExportRequest:
        now = self.world.clock.now()
        made = ExportRequest(
            id=identifier,
            grant="nccid-00123",
            workspace=self.name,
            author=ALICE,
            policy="default",
            created_at=now,
            changed_at=now,
        )
        with self.world.database.change(self.world.event("export.created", f"export/{identifier}")) as change:
            change.connection.execute(export_requests.insert().values(request_row(made)))
            if changes:
                exports.save(change, made, made.changed(**changes))
        return made

    def call(self, name: str) -> None:
        with self.world.database.change(self.world.event("person.seen", "person/alice")) as change:
            people.keep_person(
                change, Person(subject=ALICE, display_name=name, roles=frozenset({Role.researcher})), None
            )


@pytest.fixture
def site(world: World) -> Site:
    return Site(world)


def test_a_workspace_is_told_of_its_projects_requests_and_its_own_jobs(site: Site) -> None:
    assert site.look() == 1, "everything that runs is told at a start"
    assert (site.told["requests"], site.told["jobs"]) == ([], [])
    site.request("e-abcdefghijkl")
    site.world.clock.advance(60)
    site.request("e-bcdefghijklm", author=BOB, state=ExportState.Released)
    now = site.world.clock.now()
    job = BatchJob(workspace=site.name, id="0" * 16, number=3, instance=1, begun_at=now, changed_at=now)
    with site.world.database.change(site.world.event("batch.begun", f"batch/{job.name}")) as change:
        batches.begin(change, job)
    assert site.look() == 1
    assert [(r["id"], r["state"], r.get("turn"), r["own"]) for r in site.told["requests"]] == [
        ("e-bcdefghijklm", "Released", None, False),
        ("e-abcdefghijkl", "Pending", "author", True),
    ]
    assert [(told["number"], told["state"]) for told in site.told["jobs"]] == [(3, "Running")]
    site.world.clock.advance(3600)
    assert site.look() == 0, "nothing happened, so nothing is written"


@ONE_DATABASE
def test_a_vote_that_is_cast_apart_moves_nothing_that_is_told(site: Site) -> None:
    made = site.request("e-abcdefghijkl", state=ExportState.Submitted, turn=1)
    site.look()
    before = site.told
    with site.world.database.change(site.world.event("export.reviewed", "export/e-abcdefghijkl")) as change:
        stored = exports.require(change.connection, made.id)
        later = site.world.clock.now()
        exports.save(change, stored, stored.changed(state=ExportState.PartiallyReviewed, changed_at=later))
    assert site.look() == 0
    assert site.told == before
    assert before["requests"][0]["state"] == "Submitted"


@ONE_DATABASE
def test_only_workspaces_that_run_are_told_and_of_their_own_project_alone(site: Site) -> None:
    site.look()
    site.world.want(Wanted.Stopped)
    site.world.settle()
    site.request("e-abcdefghijkl")
    assert site.look() == 0
    assert site.told["requests"] == []


@ONE_DATABASE
def test_what_changes_while_notes_are_on_their_way_is_told_after_them(site: Site) -> None:
    site.keeper.step()
    site.request("e-abcdefghijkl")
    site.keeper.step()
    assert site.look() == 1
    assert site.told["requests"] == []
    assert site.look() == 1
    assert len(site.told["requests"]) == 1


@ONE_DATABASE
def test_a_controller_that_is_started_again_says_nothing_twice(site: Site) -> None:
    site.look()
    site.keeper = NoteKeeper(site.world.context)
    assert site.look() == 0


@pytest.mark.parametrize(
    "name",
    ["Zoë O’Hara", 'A "B" \\ C', "x\n[core]\n\thooksPath = /shared", '"; [alias] st = !sh', "# no comment ; at all"],
)
def test_a_name_is_never_another_setting_of_gits(tmp_path: Path, name: str) -> None:
    config = tmp_path / "gitconfig"
    config.write_text(git_identity(name, "w-aaaaaaaaaaaa@tre.invalid"))
    listed = subprocess.run(["git", "config", "--file", str(config), "--list", "-z"], capture_output=True, check=True)
    kept = dict(entry.split("\n", 1) for entry in listed.stdout.decode().split("\0") if entry)
    assert kept == {
        "user.name": " ".join(name.splitlines()).replace("\t", " "),
        "user.email": "w-aaaaaaaaaaaa@tre.invalid",
    }


@ONE_DATABASE
def test_the_name_is_the_desks_and_a_workspace_without_an_inbox_is_told_nothing(site: Site) -> None:
    site.call("Alice Example")
    site.look()
    assert site.told["person"] == "Alice Example"
    assert 'name = "Alice Example"' in (site.inbox / ".desk" / "gitconfig").read_text()
    folder = site.inbox / ".desk"
    assert {path.name for path in folder.iterdir()} == {"gitconfig", "notes.json"}
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()
    site.inbox.rmdir()
    site.request("e-abcdefghijkl")
    assert site.look() == 1
    assert not site.inbox.exists()


def test_jupyterlab_has_words_for_every_state() -> None:
    script = Path(__file__).parents[3] / "images/workspace/share/jupyter/labextensions/tre-lab/static/lab.js"
    text = script.read_text()
    for name, kind in (("STATES", ExportState), ("TURNS", Owner), ("JOBS", BatchState)):
        block = text.partition(f"const {name} = {{")[2].partition("}")[0]
        assert {line.partition(":")[0].strip() for line in block.replace(", ", ",\n").split("\n")} >= set(kind), name
