"""Every source of grants under one contract: REMS, a directory of signed files, resources of a cluster."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.contract.source_contract import SourceSite
from tests.support.cluster_source import NAME as RESOURCE_NAME
from tests.support.cluster_source import STALENESS, SourceWorld
from tests.support.factories import access_grant
from tests.support.source_world import World, approved, name_of
from tests.support.sources import RESOURCE
from tre.cli.trial.rems import SmallRems, small_rems
from tre.domain.errors import Reason, TREError
from tre.domain.people import Subject
from tre.sources.signed import sign
from tre.store.sources import Channel

DAY = timedelta(hours=24, minutes=1)


def members(*users: str) -> list[dict[str, object]]:
    return [{"subject": {"issuer": "local", "id": user}} for user in users]


class RemsSite:
    """A REMS on a socket."""

    def __init__(self, path: Path, rems: SmallRems) -> None:
        rems.applications, rems.trouble, rems.status = {}, None, 200
        self.rems, self.world = rems, World(path)
        self.world.use_rems(rems)

    def approve(self, *users: str) -> None:
        self.rems.applications[7] = approved(*users)
        self._told()

    def withdraw(self) -> None:
        del self.rems.applications[7]
        self._told()

    def _told(self) -> None:
        self.world.told(Channel.asked, b"")

    def spoil(self) -> None:
        self.rems.trouble = '[{"resource":'
        self._told()

    def forge(self, user: str) -> None:
        self.world.told(Channel.add, f'{{"application": 7, "resource": "{RESOURCE}", "user": "{user}"}}'.encode())

    def silence(self) -> None:
        self.rems.status = 503

    def speak(self) -> None:
        self.rems.status, self.rems.trouble = 200, None

    def hold(self, trouble: TREError | None) -> None:
        self.world.granting = trouble

    def restart(self) -> None:
        self.world.restart()

    def settle(self) -> None:
        self.world.settle(12)

    def pass_staleness(self) -> None:
        self.world.pass_time(DAY)

    def allows(self, user: str) -> bool:
        return bool(self.world.verdict(user, name_of()))

    def kinds(self) -> list[str]:
        return self.world.kinds()

    def close(self) -> None:
        self.world.database.close()


class DirectorySite(RemsSite):
    """A directory of signed files."""

    def __init__(self, path: Path) -> None:
        self.world = World(path)
        self.place = self.world.use_directory()
        self.days = 0

    def approve(self, *users: str) -> None:
        self.days += 1
        at = {"approvedAt": f"2026-11-{self.days:02}T10:00:00Z"}
        approval = access_grant().spec.approval.as_plain() | at
        self.world.write(
            "git/one.yaml", sign(access_grant(members=members(*users), approval=approval), self.world.committee)
        )

    def withdraw(self) -> None:
        (self.place / "one.yaml").unlink()

    def spoil(self) -> None:
        (self.place / "one.yaml").write_text("spec: [")

    def forge(self, user: str) -> None:
        self.world.write("git/one.yaml", sign(access_grant(members=members(user)), self.world.stranger))

    def silence(self) -> None:
        self.place.rename(self.place.with_name("gone"))

    def speak(self) -> None:
        if not self.place.exists():
            self.place.with_name("gone").rename(self.place)

    def allows(self, user: str) -> bool:
        return bool(self.world.verdict(user, RESOURCE_NAME))


class ClusterSite:
    """Resources of a cluster in memory."""

    def __init__(self, path: Path) -> None:
        self.world, self.days = SourceWorld(path / "tre.sqlite"), 0

    def approve(self, *users: str) -> None:
        self.days += 1
        at = {"approvedAt": f"2026-11-{self.days:02}T10:00:00Z"}
        approval = access_grant().spec.approval.as_plain() | at
        self.world.write(self.world.signed(members=members(*users), approval=approval))

    def withdraw(self) -> None:
        self.world.delete()

    def spoil(self) -> None:
        item = self.world.signed()
        item["spec"]["members"] = "nobody"
        self.world.write(item)

    def forge(self, user: str) -> None:
        self.world.write(self.world.signed(self.world.stranger, members=members(user)))

    def silence(self) -> None:
        client = self.world.client
        client.lists, client.watches, client.writes = (["silent"] * 100_000 for _ in range(3))

    def speak(self) -> None:
        client = self.world.client
        client.lists, client.watches, client.writes = [], [], []

    def hold(self, trouble: TREError | None) -> None:
        self.world.clock_trouble = trouble

    def restart(self) -> None:
        self.world.restart()

    def settle(self) -> None:
        self.world.settle(14)

    def pass_staleness(self) -> None:
        self.world.pass_time(STALENESS.total_seconds() + 60)

    def allows(self, user: str) -> bool:
        return self.world.allows(Subject(issuer="local", id=user), RESOURCE_NAME)

    def kinds(self) -> list[str]:
        return self.world.kinds()

    def close(self) -> None:
        self.world.close()


@pytest.fixture(scope="module")
def server() -> Iterator[SmallRems]:
    with small_rems() as found:
        yield found


@pytest.fixture(params=["rems", "directory", "cluster"])
def site(request: pytest.FixtureRequest, tmp_path: Path, server: SmallRems) -> Iterator[SourceSite]:
    """Each of the three sources in turn, with nothing approved yet."""
    made: RemsSite | ClusterSite
    if request.param == "rems":
        made = RemsSite(tmp_path, server)
    else:
        made = DirectorySite(tmp_path) if request.param == "directory" else ClusterSite(tmp_path)
    made.settle()
    yield made
    made.close()


def test_an_approval_opens_for_whom_it_names(site: SourceSite) -> None:
    site.approve("alice")
    site.settle()
    assert [site.allows(user) for user in ("alice", "bob")] == [True, False]


def test_a_change_of_people_is_followed(site: SourceSite) -> None:
    site.approve("alice", "bob")
    site.settle()
    site.approve("bob", "carol")
    site.settle()
    assert [site.allows(user) for user in ("alice", "bob", "carol")] == [False, True, True]


def test_a_withdrawal_ends_it(site: SourceSite) -> None:
    site.approve("alice")
    site.settle()
    site.withdraw()
    site.settle()
    assert not site.allows("alice")


def test_what_cannot_be_read_changes_nothing(site: SourceSite) -> None:
    site.approve("alice")
    site.settle()
    site.spoil()
    site.settle()
    assert site.allows("alice")


def test_who_may_not_approve_opens_nothing(site: SourceSite) -> None:
    site.approve("alice")
    site.settle()
    site.forge("eve")
    site.settle()
    assert [site.allows(user) for user in ("alice", "eve")] == [True, False]


def test_silence_opens_nothing_and_ends_what_runs_in_time(site: SourceSite) -> None:
    site.approve("alice")
    site.settle()
    site.silence()
    site.settle()
    assert site.allows("alice"), "it holds for a while"
    site.pass_staleness()
    assert not site.allows("alice")
    site.speak()
    site.pass_staleness()
    site.settle()
    assert site.allows("alice"), "it comes back with its source"


def test_nothing_opens_while_the_log_or_the_clock_is_in_doubt(site: SourceSite) -> None:
    site.hold(TREError(Reason.ClockOutOfStep, "The clock is out of step."))
    site.approve("alice")
    site.settle()
    assert not site.allows("alice")
    site.hold(None)
    site.settle()
    assert site.allows("alice")


def test_starting_anew_changes_nothing(site: SourceSite) -> None:
    site.approve("alice")
    site.settle()
    before = [kind for kind in site.kinds() if kind.startswith("grant.")]
    site.restart()
    site.settle()
    assert [kind for kind in site.kinds() if kind.startswith("grant.")] == before
    assert site.allows("alice")


def test_what_was_withdrawn_while_nobody_looked_ends_after_a_start(site: SourceSite) -> None:
    site.approve("alice")
    site.settle()
    site.withdraw()
    site.restart()
    site.settle()
    assert not site.allows("alice")
