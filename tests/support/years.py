"""A year of an installation, made of real services over a clock that runs: what people do by chance, and what must hold
on every day of it.

Guarantees: a seed gives the same year. Does not guarantee: sandboxes, which are in memory here.
"""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, cast

from tests.support.factories import grant_plain, slice_plain
from tests.support.whole_site import Site
from tests.unit.slices.conftest import Maker
from tre.cli import grant as grants_command
from tre.cli.common import Installation
from tre.cli.signing import load_key
from tre.domain.errors import Reason
from tre.domain.exports.models import Choice, FileGroup, Looking
from tre.domain.exports.states import ExportState
from tre.domain.grants.models import AccessGrant, GrantRecord, Suspension, SuspensionScope
from tre.domain.optouts.lists import ListKind, ReadList
from tre.domain.optouts.states import AT_WORK
from tre.domain.people import Person, Role, Subject
from tre.domain.slices.spec import SliceSpec
from tre.domain.withdrawals import WithdrawalLevel
from tre.domain.workspaces.models import Workspace
from tre.domain.workspaces.states import Wanted
from tre.portal import export_actions, review_actions
from tre.register.reading import entries, records
from tre.runtimes.protocol import RunPhase
from tre.sources.signed import sign
from tre.store import exports, grants, workspaces
from tre.storekeeper import slices, withdrawals
from tre.storekeeper.deliveries import Delivery, add
from tre.system.clock import SystemClock

PATIENTS = 40
DAY = timedelta(days=1)
WORDS = "Mean ages of 2,500 people by sex, from the whole slice"


def person(name: str, role: Role) -> Person:
    """Somebody with one role."""
    return Person(subject=Subject(issuer="local", id=name), display_name=name, roles=frozenset({role}))


ALICE = person("alice", Role.researcher)
CHECKERS = (person("carol", Role.checker), person("chris", Role.checker))


class Year:
    """One installation and the days of it."""

    def __init__(self, home: Path, seed: int) -> None:
        self.chance = random.Random(seed)
        self.site = Site(home / "root")
        self.withdrawn: set[str] = set()
        self.granted: list[str] = []
        self.revoked: set[str] = set()
        self.counts: dict[str, int] = {}
        self._begin(home)

    def _begin(self, home: Path) -> None:
        maker = Maker(home / "delivery")
        for number in range(PATIENTS):
            maker.record(f"Covid{number}", Sex=number % 2, Age=40 + number % 30)
            maker.image(f"Covid{number}", f"1.{number}", f"1.{number}.1")
        done = self.site.tre("init")
        assert done.exit_code == 0, done.output
        for one in (ALICE, *CHECKERS):
            role = next(iter(one.roles)).value
            words = ("user", "add", one.subject.id, "--role", role, "--password-stdin")
            assert self.site.tre(*words, typed="correct horse battery\n").exit_code == 0
        self.site.open()
        self.here = dataclasses.replace(Installation.open(self.site.root), clock=cast("SystemClock", self.site.clock))
        add(self.site.office, Delivery("demo", home / "delivery", "r1", "A demonstration"))

    def close(self) -> None:
        """Leave nothing."""
        self.here.database.close()
        self.site.remove()

    @property
    def now(self) -> datetime:
        """The installation's time."""
        return self.site.clock.now()

    # What people do.

    def apply(self) -> None:
        """A new approval, for some weeks."""
        name = f"project-{len(self.granted)}"
        self._put(name, self.now + DAY * self.chance.randint(5, 90))
        self.granted.append(name)

    def _put(self, name: str, expires: datetime) -> None:
        spec = {"slice": 1, "dataset": "demo", "release": "r1", "layout": "nccid", "images": [{"modality": ["DX"]}]}
        plan = slices.make_plan(self.site.office, SliceSpec.model_validate(spec))
        made = grant_plain(
            name,
            slices=[slice_plain("dx", dataset="demo", release="r1", spec=spec, planDigest=plan.plan_digest)],
            approval=grant_plain()["spec"]["approval"] | {"planDigest": plan.plan_digest},
            members=[{"subject": ALICE.subject.as_plain(), "role": "lead"}],
            notBefore="2026-01-01T00:00:00Z",
            expires=expires.isoformat(),
        )
        signed = sign(AccessGrant.model_validate(made), load_key(self.site.layout.grant_key))
        grants_command.put_into_force(self.here, [signed], {name: True})

    def vary(self) -> None:
        """An approval that is for longer, or shorter, than it was."""
        if (name := self._some("Active")) is not None:
            self._put(name, self.now + DAY * self.chance.randint(1, 60))

    def open(self) -> None:
        """Somebody opens a workspace."""
        self._want(Wanted.Running)

    def stop(self) -> None:
        """Somebody ends one."""
        self._want(Wanted.Stopped)

    def _want(self, wanted: Wanted) -> None:
        if (name := self._some("Active")) is None:
            return
        workspace = Workspace.name_for(name, ALICE.subject)
        with self.here.database.change(self.here.event("workspace.wanted", f"workspace/{workspace}")) as change:
            if workspaces.get(change.connection, workspace) is not None:
                workspaces.want(change, workspace, wanted)

    def revoke(self) -> None:
        """An approval is withdrawn."""
        if (name := self._some("Active")) is not None:
            with self.here.database.change(
                self.here.event("grant.revoked", f"grant/{name}", reason="breach")
            ) as change:
                grants.revoke(change, name, "breach", self.now)
            self.revoked.add(name)

    def suspend(self) -> None:
        """A question is asked, and everybody waits outside."""
        if (name := self._some("Active")) is not None:
            by = Subject(issuer="local", id="olga")
            found = Suspension(scope=SuspensionScope.grant, ref="", reason="a question", by=by, since=self.now)
            with self.here.database.change(self.here.event("suspension.added", f"grant/{name}")) as change:
                grants.suspend(change, name, found)

    def resume(self) -> None:
        """The question was answered."""
        with self.here.database.read() as connection:
            names = [name for name in self.granted if self._suspended(grants.require(connection, name))]
            if not names:
                return
            name = self.chance.choice(names)
            stored = [one.id for one in grants.stored_suspensions(connection, grants.require(connection, name))]
        with self.here.database.change(self.here.event("suspension.lifted", f"grant/{name}")) as change:
            grants.resume(change, stored, self.now)

    def withdraw(self) -> None:
        """A patient opts out."""
        left = sorted({f"Covid{number}" for number in range(PATIENTS)} - self.withdrawn)
        if len(left) < PATIENTS // 2:
            return
        one, office = self.chance.choice(left), self.site.office
        listed = ReadList({one: WithdrawalLevel.no_use}, f"{len(self.withdrawn):064x}")
        proposal = withdrawals.Proposal(
            dataset="demo", kind=ListKind.withdraw, level=WithdrawalLevel.no_use, source=f"list of {one}"
        )
        batch = withdrawals.propose(office, proposal, listed, office.actor).id
        withdrawals.count(office, batch)
        withdrawals.confirm(office, batch, 1, office.actor)
        self.withdrawn.add(one)

    def incident(self) -> None:
        """A sandbox dies by itself."""
        runs = [name for name, run in self.site.runtime.runs.items() if run.phase is RunPhase.Ready]
        if runs:
            self.site.runtime.becomes(self.chance.choice(sorted(runs)), RunPhase.Ended, Reason.RuntimeFailed)

    def take_out(self) -> None:
        """A file leaves: asked, looked into, agreed to by two, let out."""
        name = self._some("Active")
        outbox = None if name is None else self.site.layout.outboxes / Workspace.name_for(name, ALICE.subject)
        if name is None or outbox is None or not outbox.is_dir():
            return
        (outbox / "ages.csv").write_bytes(b"sex,mean_age\nF,44.5\nM,45.1\n")
        export = export_actions.begin(self.site.desk, ALICE, name)
        self.site.settle()
        group = FileGroup(name="tables", context=WORDS, controls=WORDS, relation="None.", people=2500)
        export_actions.add_files(self.site.desk, ALICE, export, group, ("ages.csv",))
        self.site.settle()
        export_actions.submit(self.site.desk, ALICE, export)
        for checker in CHECKERS:
            self._review(export, checker)
        request = self._request(export)
        seen = review_actions.seen_mark(request)
        review_actions.approve(self.site.desk, CHECKERS[0], export, seen, request.code)

    def _request(self, export: str) -> Any:
        with self.here.database.read() as connection:
            return exports.require(connection, export)

    def _review(self, export: str, checker: Person) -> None:
        request = self._request(export)
        for file in request.outputs:
            ballot = review_actions.Ballot(
                file.path, file.sha256, request.check_run.id, Choice.Approved, "Fine.", {}, looked=Looking.stated
            )
            review_actions.vote(self.site.desk, checker, export, ballot)
        seen = review_actions.seen_mark(self._request(export))
        review_actions.submit_review(self.site.desk, checker, export, seen)

    def _some(self, phase: str) -> str | None:
        with self.here.database.read() as connection:
            names = [name for name in self.granted if grants.require(connection, name).phase.value == phase]
        return self.chance.choice(names) if names else None

    # How the days go.

    def day(self, new: int) -> None:
        """Some approvals are new, some things happen, and the night passes."""
        acts: list[tuple[Callable[[], None], int]] = [
            (self.open, 5), (self.stop, 2), (self.vary, 1), (self.suspend, 1), (self.resume, 1), (self.revoke, 1),
            (self.withdraw, 1), (self.incident, 1), (self.take_out, 1),
        ]  # fmt: skip
        chosen = [self.apply] * new + self.chance.choices([act for act, _ in acts], [often for _, often in acts], k=3)
        for act in chosen:
            act()
            self.counts[act.__name__] = self.counts.get(act.__name__, 0) + 1
        self.rest()
        self.site.clock.ahead += DAY
        self.rest()

    def rest(self) -> None:
        """Every service works until nothing more happens."""
        worker = withdrawals.Worker(self.site.office, AT_WORK)
        self.site.settle()
        while worker.run():
            self.site.settle()

    # What must hold on each day.

    def wrong(self) -> list[str]:
        """What should not be."""
        return [*self._inside(), *self._phases(), *self._shown(), *self._left()]

    def _inside(self) -> list[str]:
        found = []
        for identity, run in self.site.runtime.runs.items():
            with self.here.database.read() as connection:
                grant = grants.require(connection, run.plan.grant)
            right = grant.phase.value == "Active" and grant.spec.expires > self.now and not self._suspended(grant)
            if run.phase is not RunPhase.Ended and not right:
                found.append(f"{identity} runs, and {grant.name} is {grant.phase.value} until {grant.spec.expires}")
        return found

    def _suspended(self, grant: GrantRecord) -> bool:
        return any(one.until is None or one.until > self.now for one in grant.suspensions)

    def _phases(self) -> list[str]:
        found = []
        with self.here.database.read() as connection:
            for name in self.granted:
                grant = grants.require(connection, name)
                over = grant.spec.expires <= self.now or name in self.revoked
                if over and grant.phase.value in {"Active", "Pending", "Preparing"}:
                    found.append(f"{name} is over and {grant.phase.value}")
        return found

    def _shown(self) -> list[str]:
        inside = {path.name for path in self.site.layout.slices.glob("s-*/data/**/Covid*") if path.is_dir()}
        return [f"{one} opted out and lies in a slice" for one in sorted(inside & self.withdrawn)]

    def _left(self) -> list[str]:
        with self.here.database.read() as connection:
            every = {one.id: one for one in exports.by_state(connection, list(ExportState))}
        bundles = {path.stem for path in self.site.layout.releases.glob("*.zip")}
        released = {name for name, one in every.items() if one.state is ExportState.Released}
        agreed = {name for name, one in every.items() if len([r for r in one.reviews if r.submitted_at]) > 1}
        found = [f"{name} left without two who agreed" for name in bundles - agreed]
        return found + [f"{name} is released without a bundle" for name in released - bundles]

    def register(self) -> tuple[set[str], set[str]]:
        """The projects that the register tells of, and those that the record says were ever active."""
        with self.here.database.read() as connection:
            told = {one.name for one in records(connection)}
            assert len(told) == len(list(entries(connection)))
            record = {one.name for one in grants.ever_active(connection)}
        return told, record
