"""A source that is taken out of the policy counts as one that nobody reaches, in whatever order things happen."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from tests.support.factories import access_grant
from tests.support.source_world import GIT, REMS, World, approved, name_of
from tests.unit.sources.test_directory import NAME, phase, signed
from tre.cli.trial.rems import small_rems
from tre.domain.errors import Reason, TREError
from tre.domain.grants.states import GrantPhase
from tre.sources.signed import sign
from tre.store import grants
from tre.store.database import Database
from tre.store.migrate import migrate

STALE = timedelta(hours=24)


@pytest.fixture
def running(tmp_path: Path) -> Iterator[World]:
    """A directory with one grant, in force."""
    world = World(tmp_path)
    world.use_directory()
    world.write("git/one.yaml", signed(world))
    world.settle()
    assert world.verdict("alice", NAME)
    yield world
    world.database.close()


def until(world: World) -> datetime:
    found = world.grant(NAME)
    assert found is not None
    assert found.confirmed_until is not None
    return found.confirmed_until


def test_it_ends_when_its_last_word_is_too_old_and_not_later(running: World) -> None:
    end = until(running)
    running.write_policy()
    running.settle()
    assert running.stands(GIT).reason is Reason.SourceRemoved
    assert "tre grant revoke" in running.stands(GIT).message
    assert until(running) == end
    running.pass_time(end - running.clock.now() - timedelta(seconds=1))
    assert running.verdict("alice", NAME)
    running.pass_time(timedelta(seconds=1))
    assert running.verdict("alice", NAME).reason is Reason.SourceStale
    assert phase(running) is GrantPhase.Active  # withheld, not ended


@pytest.mark.parametrize("restarted", [False, True])
def test_without_any_policy_it_is_the_same_and_told_once(running: World, restarted: bool) -> None:
    (running.layout.root / "policies" / "sources.yaml").unlink()
    running.settle()
    if restarted:
        running.restart()
    running.pass_time(3 * STALE)
    assert running.kinds().count("source.removed") == 1
    assert running.verdict("alice", NAME).reason is Reason.SourceStale


def test_a_start_without_the_policy_sees_it_too(running: World) -> None:
    (running.layout.root / "policies" / "sources.yaml").unlink()
    running.restart()
    running.settle(1)
    assert running.stands(GIT).reason is Reason.SourceRemoved


def test_a_wrong_policy_takes_no_source_out(running: World) -> None:
    (running.layout.root / "policies" / "sources.yaml").write_text("spec: [")
    running.pass_time(3 * STALE)
    assert running.stands(GIT).reason is Reason.Entitled
    assert "source.removed" not in running.kinds()
    assert running.verdict("alice", NAME).reason is Reason.SourceStale


def test_what_comes_back_vouches_again(running: World) -> None:
    kept = running.spec
    running.write_policy()
    running.pass_time(2 * STALE)
    assert not running.verdict("alice", NAME)
    running.write_policy(**kept)
    running.settle()
    assert running.stands(GIT).reason is Reason.Entitled
    assert running.verdict("alice", NAME)
    running.write_policy()
    running.settle()
    assert running.kinds().count("source.removed") == 2


def test_access_that_lapsed_comes_back_with_the_log_only(running: World) -> None:
    kept = running.spec
    running.write_policy()
    running.pass_time(2 * STALE)
    running.granting = TREError(Reason.AuditBroken, "The log is not whole.")
    running.write_policy(**kept)
    running.settle()
    assert not running.verdict("alice", NAME)


def test_a_source_that_is_believed_for_less_long_is_so_at_once(running: World) -> None:
    running.use_directory(staleAfterHours=168)
    running.pass_time(timedelta(hours=1))
    assert until(running) - running.clock.now() > timedelta(hours=160)
    (running.layout.root / "git" / ".tre-source").unlink()
    running.write_policy(directories=[{"name": "git", "path": "git", "staleAfterHours": 2}])
    running.settle(1, 0)
    assert until(running) == running.clock.now() + timedelta(hours=2)
    assert running.kinds().count("source.believed-less") == 1
    running.pass_time(timedelta(hours=2))
    assert running.verdict("alice", NAME).reason is Reason.SourceStale
    assert running.kinds().count("source.believed-less") == 1


def test_a_word_that_came_while_the_clock_was_wrong_holds_no_longer(running: World) -> None:
    right = running.clock.now()
    running.clock.jump(right + timedelta(days=90))
    running.pass_time(timedelta(hours=1))
    running.clock.jump(right)
    assert until(running) > right + timedelta(days=80)
    (running.layout.root / "git" / ".tre-source").unlink()
    running.restart()
    running.settle(1, 0)
    assert until(running) == right + STALE


def test_who_does_not_lead_writes_nothing(running: World) -> None:
    before = running.kinds()
    running.leading = TREError(Reason.LeadershipLost, "This controller does not lead.")
    running.write_policy()
    running.settle()
    assert running.kinds() == before
    running.leading = None
    running.settle(1)
    assert running.kinds()[len(before) :] == ["source.removed"]


def test_what_has_ended_and_what_never_was_are_not_told(running: World) -> None:
    with running.database.change(running.event("grant.revoked", f"grant/{NAME}")) as change:
        grants.revoke(change, NAME, "It is over.", running.clock.now())
    file = sign(access_grant("by-file"), running.committee)
    with running.database.change(running.event("grant.applied", "grant/by-file")) as change:
        grants.apply(change, "by-file", file.spec, "signed-file", running.clock.now())
    running.write_policy()
    running.settle()
    assert "source.removed" not in running.kinds()


def test_one_of_two_is_taken_out_and_the_other_goes_on(tmp_path: Path) -> None:
    world = World(tmp_path)
    with small_rems() as rems:
        rems.applications[7] = approved()
        world.use_rems(rems)
        world.settle()
        assert world.verdict("alice", name_of())
        kept = world.spec
        world.use_directory()
        world.write("git/one.yaml", signed(world))
        world.pass_time(2 * STALE)
        assert world.stands(REMS).reason is Reason.SourceRemoved
        assert world.verdict("alice", name_of()).reason is Reason.SourceStale
        assert world.verdict("alice", NAME)
        world.write_policy(**kept)
        world.settle()
        assert world.stands(REMS).reason is Reason.Entitled
        assert world.verdict("alice", name_of())
        assert world.stands(GIT).reason is Reason.SourceRemoved
    world.database.close()


@pytest.fixture(scope="module")
def empty_record() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "empty.sqlite"
        database = Database.sqlite(path)
        migrate(database)
        database.close()
        yield path


OPERATIONS = ("take out", "delete the policy", "break the policy", "put back", "restart", "unmount", "mount", "wait")
things = st.tuples(st.sampled_from(OPERATIONS), st.sampled_from([0, 1, 6, 13, 25]))


class Story:
    """What an operator does with the policy, and when the directory was last there to be read."""

    def __init__(self, root: Path, record: Path) -> None:
        shutil.copyfile(record, root / "record.sqlite")
        self.world = World(root, Database.sqlite(root / "record.sqlite"))
        self.policy, self.mark = root / "policies" / "sources.yaml", root / "git" / ".tre-source"
        self.world.use_directory()
        self.whole = self.policy.read_text()
        self.world.write("git/one.yaml", signed(self.world))
        self.heard = self.world.clock.now()

    def do(self, operation: str, hours: int) -> None:
        """One step, and then the hours after it, one by one."""
        match operation:
            case "take out":
                self.world.write_policy()
            case "delete the policy":
                self.policy.unlink(missing_ok=True)
            case "break the policy":
                self.policy.write_text("spec: [")
            case "put back":
                self.policy.write_text(self.whole)
            case "restart":
                self.world.restart()
            case "unmount":
                self.mark.unlink(missing_ok=True)
            case "mount":
                self.mark.write_text("git\n")
        for _ in range(hours + 1):
            self.look()
            self.world.clock.advance(3600)
        self.look()

    def look(self) -> None:
        """Everything works; then nobody is in but by a word that is young enough."""
        there = self.policy.exists() and self.policy.read_text() == self.whole and self.mark.exists()
        for _ in range(2):
            self.heard = self.world.clock.now() if there else self.heard
            self.world.sources.step()
            self.world.activate()
            self.world.clock.advance(2)
        inside = bool(self.world.verdict("alice", NAME))
        event("somebody is let in" if inside else "nobody is let in")
        assert not inside or self.world.clock.now() - self.heard <= STALE
        assert inside or not there


QUICK = settings(max_examples=16, deadline=None, suppress_health_check=list(HealthCheck))


@QUICK
@given(st.lists(things, min_size=1, max_size=8))
def test_nothing_that_an_operator_does_gives_longer_access(empty_record: Path, steps: list[tuple[str, int]]) -> None:
    tell(empty_record, steps)


@pytest.mark.soak
@pytest.mark.timeout(900)
@settings(QUICK, max_examples=200)
@given(st.lists(things, min_size=1, max_size=16))
def test_nothing_that_an_operator_does_for_long_does(empty_record: Path, steps: list[tuple[str, int]]) -> None:
    tell(empty_record, steps)


def tell(empty_record: Path, steps: list[tuple[str, int]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        told = Story(Path(folder), empty_record)
        try:
            for step in steps:
                told.do(*step)
        finally:
            told.world.database.close()
