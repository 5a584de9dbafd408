"""Bringing files in, the whole way: the upload, the checker, the controller, the storekeeper, the inbox."""

from __future__ import annotations

import json
import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.support.factories import ALICE, access_grant
from tests.unit.controller.conftest import World
from tre.airlock.policy import load_policy, shipped_directory
from tre.airlock.spool import Spool
from tre.checker.handlers import Workbench
from tre.checker.service import CheckerService
from tre.controller.checker_relay import CheckerRelay
from tre.controller.imports import ImportReconciler
from tre.controller.situations import import_situation
from tre.domain.errors import Reason
from tre.domain.events import program
from tre.domain.exports.situation import Situation
from tre.domain.imports import acts
from tre.domain.imports.models import ImportRequest, ImportVote
from tre.domain.imports.states import ImportState
from tre.domain.people import Person, Role, Subject
from tre.domain.workspaces.models import Workspace
from tre.store import grants, imports, jobs
from tre.store.events import EventSearch, search
from tre.storekeeper.office import Office
from tre.storekeeper.service import LANES, Service
from tre.storekeeper.workspaces import ProvisionRequest, provision

GRANT = "nccid-00123"
UPLOAD = "0123456789abcdef" * 2
AUTHOR = Person(subject=ALICE, display_name="Alice", roles=frozenset({Role.researcher}))
CHLOE = Person(subject=Subject(issuer="local", id="chloe"), display_name="Chloe", roles=frozenset({Role.checker}))
PURPOSE = "Code that segments lungs on chest films"
CODE = b"def answer():\n    return 42\n"


class Site:
    """Every service that takes part, one step at a time."""

    def __init__(self, world: World) -> None:
        self.world = world
        world.apply()
        world.settle()
        self.name = Workspace.name_for(GRANT, ALICE)
        layout = world.layout
        for place in (layout.uploads, layout.handover, layout.homes):
            place.mkdir(parents=True)
        office = Office(layout, world.context.settings, world.database, world.clock, program("storekeeper"))
        provision(office, ProvisionRequest(workspace=self.name, grant=GRANT, uid=_user()))
        self.inbox = layout.inboxes / self.name
        self.spool = Spool(layout.checker_spool)
        self.relay = CheckerRelay(world.context, self.spool)
        self.checker = CheckerService(Workbench(layout, world.clock), self.spool)
        self.checker.prepare()
        self.storekeeper = Service(office)
        self.start()

    def start(self) -> None:
        """A controller that remembers nothing."""
        self.imports = ImportReconciler(self.world.context)
        self.relay.appliers = dict(self.imports.appliers)

    def round(self) -> None:
        self.world.clock.advance(1)
        for name in self.unfinished():
            self.imports.reconcile(name)
        self.relay.step()
        self.checker.work_once()
        self.relay.step()
        with self.world.database.read() as connection:
            waiting = jobs.waiting(connection, "storekeeper", self.world.clock.now())
        for job in waiting:
            self.storekeeper.do(job, LANES["workspaces"][job.kind])

    def unfinished(self) -> list[str]:
        with self.world.database.read() as connection:
            return imports.unfinished(connection, self.world.clock.now() - timedelta(days=1))

    def settle(self, rounds: int = 8) -> None:
        for _ in range(rounds):
            self.round()

    # What people do; the portal does it by the same functions.

    def begin(self) -> ImportRequest:
        draft = acts.ImportDraft(id=imports.new_import_id(), grant=GRANT, author=ALICE)
        with self.world.database.change(self.world.event("import.created", f"import/{draft.id}")) as change:
            situation = import_situation(self.world.context, change.connection, GRANT, ALICE)
            return imports.create(change, acts.begin(draft, situation))

    def upload(self, request: ImportRequest, **files: bytes) -> None:
        place = self.world.layout.uploads / UPLOAD
        place.mkdir()
        for name, data in files.items():
            (place / f"{name}.py").write_bytes(data)
        policy = load_policy("default", [shipped_directory()])
        payload = {
            "upload": UPLOAD,
            "paths": [f"{name}.py" for name in files],
            "policy": policy.ref.as_plain(),
            "about": {"person": AUTHOR.as_plain()},
        }
        asked = jobs.JobRequest(program="checker", kind="receive", subject=f"import/{request.id}", payload=payload)
        with self.world.database.change(self.world.event("job.asked", f"import/{request.id}")) as change:
            jobs.ask(change, asked, self.world.clock.now())

    def act(self, request: ImportRequest, do: Any) -> ImportRequest:
        with self.world.database.change(self.world.event("import.changed", f"import/{request.id}")) as change:
            now = imports.require(change.connection, request.id)
            situation = import_situation(self.world.context, change.connection, now.grant, now.author)
            return imports.save(change, now, do(now, situation))

    def approve(self, request: ImportRequest) -> ImportRequest:
        self.act(request, lambda r, s: acts.submit(r, AUTHOR, PURPOSE, s))

        def yes(now: ImportRequest, situation: Situation) -> ImportRequest:
            vote = ImportVote(by=CHLOE.subject, approves=True, manifest=now.manifest, at=situation.now)
            return acts.decide(now, CHLOE, vote, situation)

        return self.act(request, yes)

    def now(self, request: ImportRequest) -> ImportRequest:
        with self.world.database.read() as connection:
            return imports.require(connection, request.id)

    def placed(self) -> ImportRequest:
        request = self.begin()
        self.upload(request, code=CODE)
        self.settle()
        self.approve(request)
        self.settle()
        return self.now(request)

    def shown(self) -> dict[str, bytes]:
        files = (path for path in self.inbox.rglob("*") if path.is_file())
        return {str(path.relative_to(self.inbox)): path.read_bytes() for path in files}

    def copies(self) -> list[str]:
        return [path.name for path in self.world.layout.handover.iterdir()]

    def kinds(self, request: ImportRequest) -> list[str]:
        with self.world.database.read() as connection:
            found = search(connection, EventSearch(object=f"import/{request.id}", limit=100))
        return [item.event.kind for item in found if item.event.kind.startswith("import.")][::-1]


def _user() -> int:

    return 20001 if os.geteuid() == 0 else os.geteuid()


ONE_DATABASE = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)


@pytest.fixture
def site(world: World) -> Site:
    return Site(world)


def test_from_the_upload_into_the_inbox_and_out_again(site: Site) -> None:
    request = site.begin()
    site.upload(request, code=CODE)
    site.settle()
    checked = site.now(request)
    assert (checked.state, checked.is_checked, [file.path for file in checked.files]) == (
        ImportState.Pending,
        True,
        ["code.py"],
    )
    assert list(site.world.layout.uploads.iterdir()) == [], "what was copied is gone"
    assert site.shown() == {}
    site.approve(request)
    site.settle()
    assert site.now(request).state is ImportState.Placed
    assert site.shown() == {f"{request.id}/code.py": CODE}
    site.act(request, lambda r, s: acts.remove(r, CHLOE, "It calls home.", s))
    site.settle()
    assert (site.shown(), site.copies()) == ({}, [])
    assert site.kinds(request) == [
        *("import.created", "import.files-added", "import.checked", "import.changed", "import.changed"),
        *("import.placing", "import.placed", "import.changed"),
    ]


@ONE_DATABASE
def test_no_name_of_a_file_reaches_an_event(site: Site) -> None:
    site.placed()
    with site.world.database.read() as connection:
        found = [item.event.detail for item in search(connection, EventSearch(limit=500))]
    assert "code.py" not in json.dumps(found)


@ONE_DATABASE
def test_the_controller_may_forget_everything_at_any_moment(site: Site) -> None:
    request = site.begin()
    site.upload(request, code=CODE)
    for _ in range(8):
        site.start()
        site.round()
    site.approve(request)
    for _ in range(8):
        site.start()
        site.round()
    assert site.shown() == {f"{request.id}/code.py": CODE}
    assert site.kinds(request).count("import.placed") == 1


@ONE_DATABASE
def test_a_checker_who_joined_the_project_counts_no_more(site: Site) -> None:
    request = site.begin()
    site.upload(request, code=CODE)
    site.settle()
    site.approve(request)
    grant = access_grant()
    member = {"subject": CHLOE.subject.as_plain(), "role": "researcher"}
    spec = grant.as_plain()
    spec["spec"]["members"].append(member)
    site.world.apply(type(grant).model_validate(spec))
    site.settle()
    assert (site.now(request).state, site.shown()) == (ImportState.Submitted, {})


@ONE_DATABASE
def test_a_file_that_is_gone_is_said_and_tried_again(site: Site) -> None:
    request = site.begin()
    site.upload(request, code=CODE)
    site.settle()
    approved = site.approve(request)
    vault = site.world.layout.vault
    objects = {path: path.read_bytes() for path in vault.rglob("*") if path.is_file()}
    for path in objects:
        path.unlink()
    site.settle()
    failed = site.now(request)
    assert (failed.state, failed.reason) == (ImportState.Approved, Reason.ContentChanged)
    assert site.shown() == {}
    for path, data in objects.items():
        path.write_bytes(data)
    site.settle()
    assert site.now(request).state is ImportState.Approved, "not at every look"
    site.world.clock.advance(acts.TRY_AGAIN.total_seconds())
    site.settle()
    assert site.now(request).state is ImportState.Placed
    assert approved.manifest == site.now(request).manifest


@ONE_DATABASE
def test_a_project_that_is_over_keeps_nothing(site: Site) -> None:
    placed = site.placed()
    waiting = site.begin()
    with site.world.database.change(site.world.event("grant.revoked", f"grant/{GRANT}")) as change:
        grants.revoke(change, GRANT, "Over.", site.world.clock.now())
    site.settle()
    assert site.now(placed).state is ImportState.Removed
    assert site.now(waiting).state is ImportState.Withdrawn
    assert (site.shown(), site.copies()) == ({}, [])


@ONE_DATABASE
def test_what_is_withdrawn_leaves_the_vault(site: Site) -> None:
    request = site.begin()
    site.upload(request, code=CODE, other=CODE + b"\n")
    site.settle()
    placed = site.placed()
    site.act(request, lambda r, s: acts.withdraw(r, AUTHOR, s))
    site.settle()
    kept = [path.read_bytes() for path in site.world.layout.vault.rglob("*") if path.is_file()]
    assert kept == [CODE], "what another request let in stays"
    assert site.now(placed).state is ImportState.Placed


@ONE_DATABASE
def test_bytes_that_another_request_let_in_stay(site: Site) -> None:
    first, second = site.placed(), site.placed()
    site.act(first, lambda r, s: acts.remove(r, CHLOE, "Twice.", s))
    site.settle()
    assert site.shown() == {f"{second.id}/code.py": CODE}
    assert len(site.copies()) == 1


@ONE_DATABASE
def test_a_stricter_policy_has_everything_checked_again(site: Site, tmp_path: Path) -> None:
    request = site.begin()
    site.upload(request, code=CODE)
    site.settle()
    own = site.world.layout.root / "policies" / "airlock"
    own.mkdir(parents=True)
    text = (shipped_directory() / "default.yaml").read_text()
    (own / "default.yaml").write_text(text.replace("  title: ", "  title: Stricter "))
    before = site.now(request).check_run
    site.settle()
    after = site.now(request)
    assert before is not None
    assert after.check_run is not None
    assert after.check_run.policy != before.policy
    assert after.is_checked


@ONE_DATABASE
def test_a_draft_left_alone_ends(site: Site) -> None:
    request = site.begin()
    site.world.clock.advance(31 * 24 * 3600)
    site.settle()
    assert site.now(request).state is ImportState.Withdrawn
