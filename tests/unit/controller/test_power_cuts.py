"""The power is cut between any two steps of a grant's life: the next start brings everything to where it belongs.

Each act is done once while snapshots are taken at every step of every program. From each snapshot all programs start
anew, whoever was interrupted repeats the command, and what comes of it must be what came without a cut.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.factories import grant_plain, slice_plain
from tests.support.power_cuts import Cutter, Snapshot
from tests.support.whole_site import Site
from tests.unit.slices.conftest import Maker
from tre.domain.canonical import digest
from tre.domain.exports.models import Choice, ExportRequest, FileGroup, Looking, Readers
from tre.domain.exports.states import ExportState
from tre.domain.people import Person, Role, Subject
from tre.domain.slices.spec import SliceSpec
from tre.domain.workspaces.models import Workspace
from tre.domain.workspaces.states import Wanted
from tre.portal import dialogue_actions, export_actions, review_actions, seat_actions
from tre.store import exports, workspaces
from tre.storekeeper import slices
from tre.storekeeper.deliveries import Delivery, add

GRANT = "lungs"
PASSWORD = "correct horse battery"
WORDS = "Mean ages of 2,500 people by sex, from the whole slice"
PEOPLE = {"alice": Role.researcher, "carol": Role.checker, "chris": Role.checker}


def person(name: str) -> Person:
    return Person(subject=Subject(issuer="local", id=name), display_name=name, roles=frozenset({PEOPLE[name]}))


ALICE = person("alice").subject


# What people do; each may be repeated by whoever was interrupted.


def initialise(site: Site) -> None:
    done = site.tre("init")
    assert done.exit_code == 0, done.output
    site.open()


def add_people(site: Site) -> None:
    for name, role in PEOPLE.items():
        done = site.tre("user", "add", name, "--role", role.value, "--password-stdin", typed=PASSWORD + "\n")
        assert done.exit_code == 0 or "AlreadyExists" in done.stderr, done.output


def add_data(site: Site) -> None:
    add(site.office, Delivery("demo", site.root.parent / "delivery", "r1", "A demonstration"))


def apply(name: str) -> Callable[[Site], None]:
    def act(site: Site) -> None:
        done = site.tre("grant", "apply", str(site.root.parent / f"{name}.yaml"))
        assert done.exit_code == 0, done.output

    return act


def write_grant(site: Site, name: str, layout: str, *modalities: str) -> None:
    """A signed grant with a slice for each modality, as a committee hands it over."""
    spec = {"slice": 1, "dataset": "demo", "release": "r1", "layout": layout}
    specs = {modality.lower(): spec | {"images": [{"modality": [modality]}]} for modality in modalities}
    digests = {
        name: slices.make_plan(site.office, SliceSpec.model_validate(one)).plan_digest for name, one in specs.items()
    }
    items = [slice_plain(n, dataset="demo", release="r1", spec=s, planDigest=digests[n]) for n, s in specs.items()]
    whole = digest(digests) if len(digests) > 1 else digests[modalities[0].lower()]
    grant = grant_plain(
        GRANT,
        slices=items,
        approval=grant_plain()["spec"]["approval"] | {"planDigest": whole},
        members=[{"subject": ALICE.as_plain(), "role": "lead"}],
        notBefore="2026-01-01T00:00:00Z",
        expires=f"{datetime.now(UTC).year + 5}-01-01T00:00:00Z",
    )
    path = site.root.parent / f"{name}.yaml"
    path.write_text(yaml.safe_dump(grant))
    done = site.tre("grant", "sign", str(path))
    assert done.exit_code == 0, done.output


def want(wanted: Wanted) -> Callable[[Site], None]:
    def act(site: Site) -> None:
        name = Workspace.name_for(GRANT, ALICE)
        with site.database.change(site.context.event("workspace.wanted", f"workspace/{name}")) as change:
            workspaces.want(change, name, wanted)

    return act


def request_of(site: Site) -> ExportRequest | None:
    with site.database.read() as connection:
        found = exports.by_state(connection, list(ExportState))
    return found[0] if found else None


def request_now(site: Site) -> ExportRequest:
    found = request_of(site)
    assert found is not None
    return found


def begin_export(site: Site) -> None:
    outbox = site.layout.outboxes / Workspace.name_for(GRANT, ALICE)
    (outbox / "ages.csv").write_bytes(b"sex,mean_age\nF,44.5\nM,45.1\n")
    if request_of(site) is None:
        export_actions.begin(site.desk, person("alice"), GRANT)


def add_files(site: Site) -> None:
    request = request_now(site)
    if not request.groups:
        group = FileGroup(name="tables", context=WORDS, controls=WORDS, relation="None.", people=2500)
        export_actions.add_files(site.desk, person("alice"), request.id, group, ("ages.csv",))


def review(site: Site) -> None:
    request = request_now(site)
    if request.state is ExportState.Pending:
        export_actions.submit(site.desk, person("alice"), request.id)
    for name in ("carol", "chris"):
        review_as(site, person(name))
    request = request_now(site)
    if request.confirmation is None:
        seen = review_actions.seen_mark(request)
        review_actions.approve(site.desk, person("carol"), request.id, seen, request.code)


def review_as(site: Site, checker: Person) -> None:
    request = request_now(site)
    own = request.review_of(checker.subject)
    if own is not None and own.submitted_at is not None:
        return
    assert request.check_run is not None
    if checker.subject.key not in {claim.checker.key for claim in request.claims}:
        seat_actions.claim(site.desk, checker, request.id)
    if checker.subject.key not in {comment.by.key for comment in request.comments}:
        said = dialogue_actions.Said("tables", None, Readers.private, "Fine.")
        dialogue_actions.comment(site.desk, checker, request.id, said)
    for file in request.outputs:
        ballot = review_actions.Ballot(
            file.path, file.sha256, request.check_run.id, Choice.Approved, "Fine.", {}, looked=Looking.stated
        )
        review_actions.vote(site.desk, checker, request.id, ballot)
    review_actions.submit_review(site.desk, checker, request.id, review_actions.seen_mark(request_now(site)))


def end(*words: str) -> Callable[[Site], None]:
    def act(site: Site) -> None:
        done = site.tre("grant", *words)
        assert done.exit_code == 0 or "StateForbids" in done.stderr, done.output

    return act


def work(_site: Site) -> None:
    """Nobody does anything: the programs go on by themselves."""


ACTS: dict[str, Callable[[Site], None]] = {
    "init": initialise,
    "user add": add_people,
    "dataset add": add_data,
    "grant apply": apply("first"),
    "slices are built": work,
    "workspace is opened": want(Wanted.Running),
    "workspace starts": work,
    "export is begun": begin_export,
    "outbox is listed": work,
    "files are added": add_files,
    "files are taken in and checked": work,
    "export is reviewed": review,
    "export is released": work,
    "grant is changed": apply("second"),
    "run ends, slices are rebuilt and removed": work,
    "workspace is opened again": want(Wanted.Running),
    "workspace starts again": work,
    "workspace is stopped": want(Wanted.Stopped),
    "workspace stops": work,
    "grant is revoked": end("revoke", GRANT, "--reason", "breach", "--yes"),
    "access ends, slices go": work,
    "grant is closed": end("close", GRANT),
    "homes are destroyed": work,
}
"""A grant's life, one act after the other; after each, the programs have come to rest only where `work` is next."""

REACHED = {
    "slices are built": ("Active", "Stopped"),
    "workspace starts": ("Active", "Running"),
    "export is released": ("Active", "Running"),
    "run ends, slices are rebuilt and removed": ("Active", "Stopped"),
    "workspace starts again": ("Active", "Running"),
    "workspace stops": ("Active", "Stopped"),
    "access ends, slices go": ("Revoked", "Stopped"),
    "homes are destroyed": ("Closed", "Stopped"),
}
"""Phases of grant and workspace after an act: what is repaired must have been reached at all."""


@dataclass(frozen=True)
class Done:
    """An act that was done: moments on its way, how many there were in all, and what came of it."""

    cuts: list[Snapshot]
    moments: int
    state: dict[str, Any]


class Life:
    """The whole life of one grant, done once."""

    def __init__(self, home: Path, every: int) -> None:
        self.site, self.done = Site(home / "root"), dict[str, Done]()
        self._cuts, self._every = home / "cuts", every
        deliver(Maker(home / "delivery"))
        for number, (name, act) in enumerate(ACTS.items()):
            if name == "grant apply":
                write_grant(self.site, "first", "nccid", "DX", "CT")
                write_grant(self.site, "second", "flat", "DX")
            self._do(number, name, act)

    def _do(self, number: int, name: str, act: Callable[[Site], None]) -> None:
        site = self.site
        cutter = Cutter(site.root, self._cuts / str(number), site.runtime, self._every)
        with cutter.watching():
            act(site)
            if act is work:
                site.settle()
        self.done[name] = Done(cutter.found, cutter.moments, site.state())

    def repair(self, name: str, cut: Snapshot) -> dict[str, Any]:
        """Start everything anew at a moment of an act; whoever was interrupted repeats it; what came of it."""
        site = self.site
        site.close()
        cut.restore(site.root, site.runtime)
        site.clock.set_back(cut.at)
        if name != "init":
            site.open()
        ACTS[name](site)
        if ACTS[name] is work:
            site.settle()
        return site.state()


def deliver(maker: Maker) -> None:
    for number in (1, 2):
        maker.record(f"Covid{number}", Sex=number % 2, Age=40 + number)
        maker.image(f"Covid{number}", f"1.{number}", f"1.{number}.1", sidecar=True)
    maker.image("Covid1", "1.1", "1.1.2", Modality="CT")


def lives(tmp_path_factory: pytest.TempPathFactory, every: int) -> Iterator[Life]:
    home = tmp_path_factory.mktemp("life")
    found = Life(home, every)
    yield found
    found.site.remove()
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="module")
def life(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Life]:
    """With a cut at every commit and at each thirtieth other step; the soak run cuts at each."""
    yield from lives(tmp_path_factory, 30)


@pytest.fixture(scope="module")
def long_life(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Life]:
    """With a cut at every step."""
    yield from lives(tmp_path_factory, 1)


def differences(life: Life, name: str) -> dict[str, Any]:
    done = life.done[name]
    wrong = {}
    for cut in done.cuts:
        found = life.repair(name, cut)
        if found != done.state:
            different = {key: (found[key], value) for key, value in done.state.items() if found[key] != value}
            wrong[f"{cut.number} of {done.moments}: {cut.step}"] = different
    return wrong


@pytest.mark.timeout(120)
@pytest.mark.parametrize("name", ACTS)
def test_wherever_the_power_is_cut_the_next_start_repairs_it(life: Life, name: str) -> None:
    assert life.done[name].cuts
    assert differences(life, name) == {}


@pytest.mark.soak
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", ACTS)
def test_at_every_single_step(long_life: Life, name: str) -> None:
    assert differences(long_life, name) == {}


@pytest.mark.timeout(120)
def test_the_life_was_a_whole_one_without_a_fault(life: Life) -> None:
    for name, done in life.done.items():
        assert done.state["faults"] == [], name
    for name, (grant, workspace) in REACHED.items():
        state = life.done[name].state
        assert (state["grants"][0][1], state["workspaces"][0][1]) == (grant, workspace), name
    assert life.done["export is released"].state["exports"][0][0] == "Released"
    assert sum(done.moments for done in life.done.values()) > 400


def test_what_is_not_repaired_is_noticed(life: Life, monkeypatch: pytest.MonkeyPatch) -> None:
    name = "workspace stops"
    first = life.done[name].cuts[0]
    assert life.repair(name, first) == life.done[name].state
    monkeypatch.setattr(life.site, "settle", lambda: None)  # the programs do not start again
    assert life.repair(name, first) != life.done[name].state
