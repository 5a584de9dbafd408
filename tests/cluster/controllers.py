"""Real controller processes on one record and one cluster, and what is around them: people, data, a storekeeper.

Each process has a root of its own name for the same files, as pods have that mount one volume: a directory for
sockets and a lock of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import func, select
from typer.testing import CliRunner

from tests.cluster.harness.basics import CHECKOUT, wait_until
from tests.support.databases import Postgres, name_of
from tests.support.factories import NOON, access_grant
from tests.support.kubernetes import facts
from tests.unit.gateway.doors import make_pair
from tre.cli.main import app
from tre.cluster.protocol import Object
from tre.domain.canonical import digest_of_bytes
from tre.domain.datasets import Dataset, Release
from tre.domain.errors import TREError
from tre.domain.events import Event, program
from tre.domain.grants.models import GrantRecord
from tre.domain.slices.plan import Counts
from tre.runtimes.kubernetes.render.facts import HostPath, StorageArea
from tre.runtimes.kubernetes.settings import CLUSTER_FILE
from tre.sources.signed import sign
from tre.store import datasets, grants, jobs
from tre.store.database import Database, new_id
from tre.store.tables.audit import audit_events
from tre.store.tables.grants import grants as table
from tre.system.hub_keys import make_keys
from tre.system.layout import Layout
from tre.system.local_http import ask

DIGEST = "sha256:" + "ab" * 32
LONG = {"notBefore": "2020-01-01T00:00:00Z", "expires": "2099-01-01T00:00:00Z"}


class ControllerProcess:
    """One `python -m tre.controller`."""

    def __init__(self, root: Path, log: Path) -> None:
        self.layout = Layout(root)
        self.layout.socket("controller").parent.mkdir(parents=True, exist_ok=True)
        self.log = log
        with log.open("ab") as written:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tre.controller", "--root", str(root)], cwd=CHECKOUT, stderr=written
            )

    def answer(self, path: str) -> tuple[int, Any]:
        """Status and value of an answer; 0 where nobody answers."""
        with contextlib.suppress(TREError):
            found = asyncio.run(ask(self.layout.socket("controller"), "GET", path))
            return found.status, found.value
        return 0, None

    def metrics(self) -> str:
        """What it counts."""
        command = ["curl", "-s", "--unix-socket", str(self.layout.socket("controller")), "http://localhost/metrics"]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    def leads(self) -> bool:
        return self.answer("/leading")[0] == 200

    def stands_by(self) -> bool:
        return self.answer("/readyz") == (200, {"status": "stand-by"})

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def freeze(self) -> None:
        """Let it sleep in the middle of whatever it does."""
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def end(self, seconds: float = 20.0) -> int:
        """Ask it to end, as a cluster does; its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(seconds)


class ControllerSite:
    """One record, one namespace of a cluster, and as many controllers as a test starts."""

    def __init__(self, postgres: Postgres, kubeconfig: Path, namespace: str, path: Path, *settings: str) -> None:
        self.root, self.path, self.namespace = path / "root", path, namespace
        self.root.mkdir()
        name = name_of(postgres.empty(path))
        lines = [f"databaseUrl: {postgres.server.setting(name)}", "runtime: kubernetes", *settings]
        if os.geteuid() == 0:
            lines.append("services: {controller: 0}")  # so that this user's processes can read its keys
        (self.root / "tre.yaml").write_text("\n".join(["base: tre.localhost", *lines, ""]))
        content = facts(areas=_areas(path)).as_plain() | {"namespace": namespace, "kubeconfig": str(kubeconfig)}
        (self.root / CLUSTER_FILE).write_text(yaml.safe_dump(content))
        self.tre("init")
        make_keys(Layout(self.root))
        make_pair(self.root / "keys", "gateway-door")
        self.committee = Ed25519PrivateKey.generate()
        public = self.committee.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        (self.root / "keys" / "grant-signers" / "committee.pub").write_bytes(public)
        self.database = Database(postgres.server.url(name, "owner"))
        self._fill()
        self.controllers: list[ControllerProcess] = []
        self._stop = threading.Event()
        self._keeper = threading.Thread(target=self._keep_store, daemon=True)
        self._keeper.start()

    def tre(self, *words: str, typed: str = "") -> str:
        """A command of the operator's."""
        done = CliRunner().invoke(app, [*words, "--root", str(self.root)], input=typed)
        assert done.exit_code == 0, (done.output, done.exception)
        return done.output

    def start(self) -> ControllerProcess:
        """One more controller."""
        number = len(self.controllers)
        root = self.path / f"replica-{number}"
        root.symlink_to(self.root)
        self.controllers.append(ControllerProcess(root, self.path / f"controller-{number}.log"))
        return self.controllers[-1]

    def resource(self, name: str, *, signed: bool = True, **changes: Any) -> Object:
        """A grant as somebody gives it to `kubectl apply`."""
        grant = access_grant(name, **LONG | changes)
        grant = sign(grant, self.committee) if signed else grant
        return grant.as_plain() | {"metadata": {"name": name, "namespace": self.namespace}}

    def grant(self, name: str) -> GrantRecord | None:
        with self.database.read() as connection:
            return grants.get(connection, name)

    def phases(self) -> dict[str, int]:
        """How many grants are in each phase."""
        with self.database.read() as connection:
            rows = connection.execute(select(table.c.phase, func.count()).group_by(table.c.phase)).all()
        return {str(phase): int(count) for phase, count in rows}

    def counted(self, name: str, label: str) -> float:
        """A figure of the controller that was started last."""
        found = re.search(rf"^{name}\{{{label}\}} (\S+)$", self.controllers[-1].metrics(), re.M)
        return float(found[1]) if found else 0.0

    def events(self, kind: str) -> list[str]:
        """What every event of a kind is about, in order."""
        query = select(audit_events.c.object).where(audit_events.c.kind == kind).order_by(audit_events.c.number)
        with self.database.read() as connection:
            return list(connection.execute(query).scalars())

    def logs(self) -> str:
        """What the controllers wrote down."""
        return "\n".join(path.read_text()[-4000:] for path in sorted(self.path.glob("controller-*.log")))

    def await_that(self, condition: Any, what: str, seconds: float = 30.0) -> None:
        """Wait until something holds; say what the controllers wrote down where it does not in time."""
        try:
            wait_until(condition, what, seconds, 0.05)
        except Exception as error:
            raise AssertionError(f"{error}\n{self.phases()}\n{self.logs()}") from error

    def event(self, kind: str, subject: str, /, **detail: Any) -> Event:
        """An event of the test's own."""
        return Event(id=new_id(), at=NOON, actor=program("test"), kind=kind, object=subject, detail=detail)

    def _fill(self) -> None:
        for person in ("alice", "bob"):
            self.tre("user", "add", person, "--password-stdin", typed="a long enough password\n")
        with self.database.change(self.event("dataset.registered", "dataset/nccid")) as change:
            datasets.register(change, Dataset(name="nccid", title="Chest", data_group=60100, created_at=NOON))
            index = digest_of_bytes(b"index")
            release = Release(dataset="nccid", name="2026-10-01", index_digest=index, counts=COUNTS, created_at=NOON)
            datasets.publish(change, release)

    def _keep_store(self) -> None:
        """Every slice is built the moment it is asked for."""
        while not self._stop.wait(0.05):
            with self.database.read() as connection:
                waiting = jobs.waiting(connection, "storekeeper", NOON, 500)
            for job in waiting:
                with self.database.change(self.event("job.done", job.subject)) as change:
                    if jobs.take(change, job.id, NOON):
                        jobs.finish(change, job.id, _answer(job), NOON)

    def close(self) -> None:
        """End everything."""
        for controller in self.controllers:
            controller.kill()
            shutil.rmtree(controller.layout.run, ignore_errors=True)
        self._stop.set()
        self._keeper.join(10.0)
        self.database.close()
        shutil.rmtree(Layout(self.root).run, ignore_errors=True)


REPLICAS = 8


def _areas(path: Path) -> tuple[StorageArea, ...]:
    """Where a node would find what each controller names by its own root."""
    return tuple(
        StorageArea(mounted_at=f"{path}/replica-{number}/{area}", volume=HostPath(path=str(path / "root" / area)))
        for number in range(REPLICAS)
        for area in ("data", "work")
    )


COUNTS = Counts(patients=7, studies=7, series=7, instances=7, bytes=7)


def _answer(job: jobs.Job) -> dict[str, Any]:
    if job.kind == "slice.build":
        digests = {"planDigest": DIGEST, "contentDigest": DIGEST}
        return digests | {"files": 7, "manifestVersion": 1, "dataGroup": 60100}
    return {"files": 0, "bytes": 0}


@contextlib.contextmanager
def measured() -> Iterator[list[float]]:
    """How long something took, in seconds."""
    took: list[float] = []
    began = time.monotonic()
    yield took
    took.append(time.monotonic() - began)
