"""Jobs without a browser, from the note in an outbox to the letter: checker, spool, controller, record."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.support.factories import ALICE
from tests.unit.controller.conftest import World
from tre.airlock.batches import FOLDER, MOST_NOTES, batches_in
from tre.airlock.jobs import BatchList
from tre.airlock.spool import Spool
from tre.checker.handlers import Workbench
from tre.checker.service import CheckerService
from tre.controller.batches import LOOK_SECONDS, BatchKeeper
from tre.domain.letters.table import TOPICS
from tre.domain.letters.topics import drafts
from tre.domain.workspaces.batch import GRACE, MOST_A_DAY, BatchState
from tre.domain.workspaces.states import Wanted
from tre.store import batches, circles
from tre.store.events import EventSearch, StoredEvent, search

ONE_DATABASE = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)


class Site:
    """A workspace that runs, and who looks at its notes."""

    def __init__(self, world: World) -> None:
        self.world = world
        world.apply()
        self.name = world.run()
        self.folder = world.layout.outboxes / self.name / FOLDER
        self.folder.mkdir(parents=True)
        self.spool = Spool(world.layout.checker_spool)
        self.checker = CheckerService(Workbench(world.layout, world.clock), self.spool)
        self.checker.prepare()
        self.keeper = BatchKeeper(world.context, self.spool)

    def look(self, seconds: float = LOOK_SECONDS) -> None:
        self.world.clock.advance(seconds)
        self.checker.look_for_batches()
        self.keeper.step()

    def note(self, number: int = 1, word: str = "", identifier: str = "") -> Path:
        path = self.folder / f"job-{number}-{identifier or f'{number:016x}'}"
        path.write_text(f"tre-batch/1\n7\n{word}\n" if word else "tre-batch/1\n7\n")
        return path

    @contextmanager
    def held(self, path: Path) -> Iterator[None]:
        with path.open("rb+") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def states(self) -> list[tuple[int, str]]:
        with self.world.database.read() as connection:
            return sorted((job.number, job.state.value) for job in batches.newest(connection, self.name))

    def events(self, kind: str) -> list[StoredEvent]:
        with self.world.database.read() as connection:
            return list(search(connection, EventSearch(kind=kind)))

    def letters(self) -> list[tuple[str, str, str]]:
        """What is written for the ends so far: to whom, the subject, the text."""
        found = []
        with self.world.database.read() as connection:
            for item in self.events("batch.ended"):
                circle = circles.around(connection, item.event, self.world.clock.now())
                found += [(str(d.recipient), d.subject, d.text) for d in drafts(item.event, circle, TOPICS)]
        return found


@pytest.fixture
def site(world: World) -> Site:
    return Site(world)


def test_a_job_runs_while_its_process_holds_the_note_and_its_end_is_told_once(site: Site) -> None:
    path = site.note()
    with site.held(path):
        site.look()
        site.look(3600)
        assert site.states() == [(1, "Running")]
        with site.world.database.read() as connection:
            assert [job.workspace for job in batches.running(connection)] == [site.name]
        site.note(word="finished")
        site.look()
        assert site.states() == [(1, "Running")], "a word counts once the process is gone"
    site.look()
    site.look()
    assert site.states() == [(1, "Finished")]
    assert [item.event.detail["state"] for item in site.events("batch.ended")] == ["Finished"]
    ((to, subject, text),) = site.letters()
    assert to == str(ALICE)
    assert subject == "Job 1 in project nccid-00123 has finished"
    assert "beside its file" in text


@pytest.mark.parametrize(("word", "state", "told"), [("failed", "Failed", 1), ("cancelled", "Cancelled", 0)])
@ONE_DATABASE
def test_a_job_that_was_over_at_once_is_told_of_too(site: Site, word: str, state: str, told: int) -> None:
    site.note(word=word)
    site.look()
    assert site.states() == [(1, state)]
    assert len(site.letters()) == told


@ONE_DATABASE
def test_a_process_that_is_gone_without_a_word_failed_after_a_while(site: Site) -> None:
    with site.held(site.note()):
        site.look()
    site.look()
    assert site.states() == [(1, "Running")]
    site.look(GRACE.total_seconds())
    assert site.states() == [(1, "Failed")]


@ONE_DATABASE
def test_the_end_of_the_run_is_the_jobs_end_and_says_so(site: Site) -> None:
    path = site.note()
    with site.held(path):
        site.look()
        site.world.want(Wanted.Stopped)
        site.world.settle()
        site.look()
        assert site.states() == [(1, "Ended")], "whatever still holds the note"
    site.note(word="finished")
    site.look()
    assert site.states() == [(1, "Ended")]
    assert site.letters()[0][1] == "Job 1 in project nccid-00123 ended with the workspace"


@ONE_DATABASE
def test_a_controller_that_is_started_again_goes_on_from_the_record(site: Site) -> None:
    path = site.note()
    with site.held(path):
        site.look()
        site.keeper = BatchKeeper(site.world.context, site.spool)
        site.look()
        assert len(site.events("batch.begun")) == 1
    path.unlink()
    site.keeper = BatchKeeper(site.world.context, site.spool)
    site.look()
    site.look(GRACE.total_seconds())
    assert site.states() == [(1, "Failed")], "a note that was taken away is no process"


@ONE_DATABASE
def test_a_run_with_a_job_is_not_idle_while_the_job_lives_and_no_longer(site: Site) -> None:
    def quiet_for() -> float:
        run = site.world.workspace(site.name).plan
        assert run is not None
        return site.world.context.activity.quiet(run.identity, site.world.clock.boottime()).lasted

    path = site.note()
    with site.held(path):
        for _ in range(5):
            site.look(600)
            assert quiet_for() == 0
    for _ in range(5):
        site.look(600)
    assert quiet_for() >= 2400, "a note that nobody holds keeps nothing awake"


@ONE_DATABASE
def test_a_workspace_that_writes_notes_writes_few_letters(site: Site) -> None:
    for number in range(1, MOST_A_DAY + 3):
        site.note(number, "finished")
        site.look()
    assert len(site.letters()) == MOST_A_DAY
    site.world.clock.advance(timedelta(days=1).total_seconds())
    site.note(50, "finished")
    site.look()
    assert len(site.letters()) == MOST_A_DAY + 1


@ONE_DATABASE
def test_nothing_of_a_note_but_its_number_is_told(site: Site) -> None:
    path = site.folder / "job-3-0123456789abcdef"
    for text in ("tre-batch/1\n7\nthe patient is ill\n", "finished\n", "tre-batch/1\n7\nfinished\nand more\n", ""):
        path.write_text(text)
        assert [(note.word, note.alive) for note in batches_in(site.world.layout.outboxes)] == [("", False)]
    path.write_bytes(b"\xff" * 10_000_000)
    assert batches_in(site.world.layout.outboxes)[0].word == ""


@ONE_DATABASE
def test_notes_that_are_links_or_pipes_or_many_harm_nothing(site: Site, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_text("tre-batch/1\n7\nfinished\n")
    (site.folder / "job-1-0000000000000001").symlink_to(outside)
    os.mkfifo(site.folder / "job-2-0000000000000002")
    (site.folder / "job-3-0000000000000003").mkdir()
    assert batches_in(site.world.layout.outboxes) == ()
    for number in range(100, 160):
        site.note(number)
    assert len(batches_in(site.world.layout.outboxes)) <= MOST_NOTES
    other = site.world.layout.outboxes / "w-aaaaaaaaaaaa"
    other.mkdir()
    (other / FOLDER).symlink_to(site.folder)
    assert {note.outbox for note in batches_in(site.world.layout.outboxes)} <= {site.name}
    assert batches_in(tmp_path / "nowhere") == ()


@ONE_DATABASE
def test_a_list_that_the_checker_cannot_have_written_changes_nothing(site: Site) -> None:
    (site.world.layout.checker_spool / "out" / "batches").write_text("{")
    site.keeper.step()
    assert site.states() == []


@ONE_DATABASE
def test_notes_of_a_workspace_that_nobody_knows_or_that_does_not_run_are_none(site: Site) -> None:
    stray: dict[str, Any] = {"id": "0" * 16, "number": 1, "alive": True}
    site.spool.tell_batches(BatchList.model_validate({"notes": [{"outbox": "w-aaaaaaaaaaaa", **stray}]}))
    site.keeper.step()
    site.world.want(Wanted.Stopped)
    site.world.settle()
    site.note(word="finished")
    site.look()
    assert site.states() == []
    assert {state.value for state in BatchState} >= {"Ended"}
