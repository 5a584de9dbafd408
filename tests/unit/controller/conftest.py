"""A controller with a real database, a manual clock and a runtime in memory; a storekeeper that answers at once."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import func, select

from tests.support.databases import Backend
from tests.support.factories import ALICE, NOON, access_grant
from tests.support.memory_runtime import MemoryRuntime
from tre.controller.context import Context
from tre.controller.reconciler import Reconciler
from tre.domain.clock import ManualClock
from tre.domain.events import Event, program
from tre.domain.grants.models import AccessGrant, GrantRecord
from tre.domain.people import Subject
from tre.domain.workspaces.models import Workspace
from tre.domain.workspaces.states import Wanted
from tre.runtimes.protocol import RunPhase
from tre.sources.signed import SOURCE, sign
from tre.store import grants, jobs, workspaces
from tre.store.database import new_id
from tre.store.tables.audit import audit_events
from tre.system.layout import Layout
from tre.system.settings import Settings

DIGEST = "sha256:" + "ab" * 32
QUIET_ROUNDS = 2


class World:
    """One controller and everything around it."""

    def __init__(self, backend: Backend, root: Path) -> None:
        self.clock = ManualClock(NOON)
        self.layout = Layout(root)
        (self.layout.keys / "grant-signers").mkdir(parents=True)
        self.key = Ed25519PrivateKey.generate()
        public = self.key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        (self.layout.keys / "grant-signers" / "committee.pub").write_bytes(public)
        self.layout.database.parent.mkdir(parents=True)
        self.database = backend.make(self.layout.database)
        self.runtime = MemoryRuntime(self.clock)
        self.log_trouble: str | None = None
        self.published: list[dict[str, Any]] = []
        self.prepared: list[str] = []
        self.context = Context(
            database=backend.as_role(self.database, "controller"),
            layout=self.layout,
            settings=Settings(),
            clock=self.clock,
            runtime=self.runtime,
            publish=self.published.append,
            own_users=True,
            prepare_grant=self.prepared.append,
            log_trouble=lambda: self.log_trouble,
        )
        self.reconciler = Reconciler(self.context, threading.Event())
        self.storekeeper_answers = True

    def event(self, kind: str, subject: str) -> Event:
        return Event(id=new_id(), at=self.clock.now(), actor=program("test"), kind=kind, object=subject)

    def apply(self, grant: AccessGrant | None = None, *, signed: bool = True) -> str:
        found = grant or access_grant()
        found = sign(found, self.key) if signed else found
        name = found.metadata.name
        with self.database.change(self.event("grant.applied", f"grant/{name}")) as change:
            grants.apply(change, name, found.spec, SOURCE, self.clock.now())
            grants.set_evidence(change, name, verified=signed)
            for member in found.spec.members:
                workspaces.ensure(change, name, member.subject, self.clock.now())
        return name

    def settle(self, rounds: int = 12) -> None:
        """Let the controller look, and the storekeeper work, until nothing more happens in two rounds."""
        before, quiet = self.happened(), 0
        for _ in range(rounds):
            self.reconciler.step()
            if self.storekeeper_answers:
                self.do_jobs()
            now = self.happened()
            quiet = quiet + 1 if now == before else 0
            if quiet == QUIET_ROUNDS:
                return
            before = now

    def happened(self) -> tuple[int, ...]:
        """How much: no change of the record is without an event, and the others were told what was told them."""
        asked = (self.runtime.started, self.runtime.ended, self.runtime.asked_for_readers, self.runtime.runs)
        with self.database.read() as connection:
            events = connection.execute(select(func.max(audit_events.c.number))).scalar_one() or 0
        return (events, *(len(one) for one in (*asked, self.published, self.prepared)))

    def do_jobs(self) -> None:
        now = self.clock.now()
        with self.database.read() as connection:
            waiting = jobs.waiting(connection, "storekeeper", now)
        for job in waiting:
            with self.database.change(self.event("job.done", job.subject)) as change:
                jobs.take(change, job.id, now)
                jobs.finish(change, job.id, self.answer(job), now)

    def answer(self, job: jobs.Job) -> dict[str, Any]:
        if job.kind == "slice.build":
            digests = {"planDigest": DIGEST, "contentDigest": DIGEST}
            return digests | {"files": 7, "manifestVersion": 1, "dataGroup": 60100}
        return {"files": 0, "bytes": 0}

    def grant(self, name: str = "nccid-00123") -> GrantRecord:
        with self.database.read() as connection:
            return grants.require(connection, name)

    def want(self, wanted: Wanted = Wanted.Running, subject: Subject = ALICE) -> str:
        name = Workspace.name_for("nccid-00123", subject)
        with self.database.change(self.event("workspace.wanted", f"workspace/{name}")) as change:
            workspaces.want(change, name, wanted)
        return name

    def workspace(self, name: str) -> Workspace:
        with self.database.read() as connection:
            return workspaces.require(connection, name)

    def run(self, subject: Subject = ALICE) -> str:
        """Bring a workspace to Running; return its name."""
        self.settle()
        name = self.want(subject=subject)
        self.settle()
        plan = self.workspace(name).plan
        assert plan is not None
        self.runtime.becomes(plan.identity, RunPhase.Proven)
        self.advance(1)
        self.runtime.becomes(plan.identity, RunPhase.Ready)
        self.advance(1)
        assert self.workspace(name).phase == "Running"
        return name

    def advance(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.settle()

    def kinds(self) -> list[str]:
        """Kinds of all events so far."""
        with self.database.read() as connection:
            return list(connection.execute(select(audit_events.c.kind).order_by(audit_events.c.number)).scalars())


@pytest.fixture
def world(backend: Backend, tmp_path: Path) -> Iterator[World]:
    found = World(backend, tmp_path)
    yield found
    found.reconciler._feed.close()
