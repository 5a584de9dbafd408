"""A record, a namespace of a cluster, and as many real controllers as are started: nothing else of a launcher.

Guarantees: the controllers are the program as it is run, each with a root of its own name for the same files, as pods
have that mount one volume. Their record is an empty database on a PostgreSQL server, which is given. Everything lies in
one directory, whose maker removes it.

Does not guarantee: data. A stand-in for the storekeeper calls each slice built the moment that it is asked for, so what
is measured here is the controller's share.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import func, select

from tre.cli.trial.controllers import ControllerProcess
from tre.cli.trial.waiting import wait_until
from tre.cluster.protocol import Object
from tre.domain.canonical import digest_of_bytes
from tre.domain.datasets import Dataset, Release
from tre.domain.errors import Reason, TREError
from tre.domain.events import Event, program
from tre.domain.grants.models import AccessGrantSpec, GrantRecord
from tre.domain.people import Role as PersonRole
from tre.domain.slices.plan import Counts
from tre.link.certificates import self_signed
from tre.runtimes.kubernetes.render.facts import Gateway, HostPath, Images, PodProfile, StorageArea
from tre.runtimes.kubernetes.settings import CLUSTER_FILE, ClusterSettings
from tre.sources.grantfile import read_grants
from tre.sources.signed import sign
from tre.store import datasets, grants, jobs, people
from tre.store.database import Database, new_id
from tre.store.people import Account
from tre.store.roles import Role
from tre.store.tables.grants import grants as table
from tre.system.layout import Layout
from tre.system.paths import CHECKOUT
from tre.system.settings import SETTINGS_FILE, load_settings

DIGEST = "sha256:" + "ab" * 32
DATA_GROUP = 60100
LONG = {"notBefore": "2020-01-01T00:00:00Z", "expires": "2099-01-01T00:00:00Z", "legalBasis": None}
PEOPLE = ("alice", "bob")
MEMBERS = [{"subject": {"issuer": "local", "id": name}, "role": "researcher"} for name in PEOPLE]
COUNTS = Counts(patients=7, studies=7, series=7, instances=7, bytes=7)
REPLICAS = 16
"""How many controllers may be started one after the other: each is named in what the cluster is told of the storage."""

_KEEPER_SECONDS = 0.05
_TOGETHER = 500


class SiteTerms(NamedTuple):
    """Where it is: the record (as `databaseUrl` names it), a kubeconfig, and a namespace of its own."""

    database_url: str
    kubeconfig: Path
    namespace: str


class ControllerSite:
    """One of them; `settings` are more lines for `tre.yaml`.

    `patience` is by how much longer than on a machine that does nothing else everything may take.
    """

    patience = 1.0

    def __init__(self, terms: SiteTerms, path: Path, *settings: str) -> None:
        self.root, self.path, self.namespace = path / "root", path, terms.namespace
        self.root.mkdir()
        self._write_settings(terms, settings)
        self.tre("init")
        self._bring_keys()
        layout = Layout(self.root)
        self.database = Database.open(layout, load_settings(self.root), Role.owner)
        self._template = read_grants(CHECKOUT / "examples" / "grant.yaml")[0]
        self._fill()
        self.controllers: list[ControllerProcess] = []
        self._started = 0
        self._stop = threading.Event()
        self._keeper = threading.Thread(target=self._keep_store, daemon=True, name="storekeeper")
        self._keeper.start()

    def _write_settings(self, terms: SiteTerms, settings: tuple[str, ...]) -> None:
        lines = ["base: tre.localhost", f"databaseUrl: {terms.database_url}", "runtime: kubernetes", *settings]
        if os.geteuid() == 0:
            lines.append("services: {controller: 0}")  # so that this user's processes can read its keys
        (self.root / SETTINGS_FILE).write_text("\n".join([*lines, ""]), "utf-8")
        cluster = ClusterSettings(
            images=Images(workspace=f"simulated.invalid/workspace@{DIGEST}", door=f"simulated.invalid/tre@{DIGEST}"),
            areas=_areas(self.path),
            gateway=Gateway(namespace=terms.namespace, pod_labels={"app.kubernetes.io/component": "gateway"}),
            profiles={"small": PodProfile()},
            namespace=terms.namespace,
            kubeconfig=terms.kubeconfig.absolute(),
        )
        (self.root / CLUSTER_FILE).write_text(yaml.safe_dump(cluster.as_plain()), "utf-8")

    def _bring_keys(self) -> None:
        """The gateway's certificate for doors, and a committee."""
        pair, keys = self_signed("tre-gateway", datetime.now(tz=UTC)), Layout(self.root).keys
        (keys / "gateway-door.crt").write_bytes(pair.certificate)
        self.committee = Ed25519PrivateKey.generate()
        form = serialization.PublicFormat.SubjectPublicKeyInfo
        public = self.committee.public_key().public_bytes(serialization.Encoding.PEM, form)
        (keys / "grant-signers" / "committee.pub").write_bytes(public)

    def _fill(self) -> None:
        one, now = self._template.spec.slices[0], datetime.now(tz=UTC)
        for name in PEOPLE:
            account = Account(name=name, display_name=name, roles=frozenset({PersonRole.researcher}), created_at=now)
            with self.database.change(self.event("account.added", f"account/{name}")) as change:
                people.add_account(change, account, "!")  # nobody signs in here
        with self.database.change(self.event("dataset.registered", f"dataset/{one.dataset}")) as change:
            datasets.register(change, Dataset(name=one.dataset, title="Chest", data_group=DATA_GROUP, created_at=now))
            values = {"index_digest": digest_of_bytes(b"index"), "counts": COUNTS, "created_at": now}
            datasets.publish(change, Release(dataset=one.dataset, name=one.release, **values))

    # --- what is done with it

    def tre(self, *words: str) -> str:
        """A command of the operator's; what it prints. Raises `TREError(RuntimeFailed)` where it fails."""
        command = [sys.executable, "-m", "tre", *words, "--root", str(self.root)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=CHECKOUT)
        if done.returncode != 0:
            raise TREError(Reason.RuntimeFailed, f"`tre {' '.join(words)}` failed.", why=done.stderr.strip())
        return done.stdout

    def start(self) -> ControllerProcess:
        """One more controller."""
        number = self._started
        self._started += 1
        root = self.path / f"replica-{number}"
        root.symlink_to(self.root)
        self.controllers.append(ControllerProcess(root, self.path / f"controller-{number}.log"))
        return self.controllers[-1]

    def resource(self, name: str, *, signed: bool = True, **changes: Any) -> Object:
        """A grant as somebody gives it to `kubectl apply`: the example's, but for these changes."""
        metadata = self._template.metadata.model_copy(update={"name": name})
        content = self._template.spec.model_dump(by_alias=True) | LONG | {"members": MEMBERS} | changes
        found = self._template.model_copy(
            update={"metadata": metadata, "spec": AccessGrantSpec.model_validate(content)}
        )
        found = sign(found, self.committee) if signed else found
        return found.as_plain() | {"metadata": {"name": name, "namespace": self.namespace}}

    def event(self, kind: str, subject: str, /, **detail: Any) -> Event:
        """An event of the trial's own."""
        now = datetime.now(tz=UTC)
        return Event(id=new_id(), at=now, actor=program("trial"), kind=kind, object=subject, detail=detail)

    # --- what is there

    @property
    def slice_name(self) -> str:
        """What each of its grants calls its one slice."""
        return self._template.spec.slices[0].name

    def grant(self, name: str) -> GrantRecord | None:
        """A grant as the record has it."""
        with self.database.read() as connection:
            return grants.get(connection, name)

    def phases(self) -> dict[str, int]:
        """How many grants are in each phase."""
        with self.database.read() as connection:
            rows = connection.execute(select(table.c.phase, func.count()).group_by(table.c.phase)).all()
        return {str(phase): int(count) for phase, count in rows}

    def logs(self) -> str:
        """The end of what each controller wrote down."""
        return "\n".join(path.read_text("utf-8")[-4000:] for path in sorted(self.path.glob("controller-*.log")))

    def await_that(
        self, condition: Callable[[], object], what: str, seconds: float = 30.0, pause: float = 0.05
    ) -> None:
        """Wait until something is so. Raises `TREError(StartTimeout)`, with what the controllers wrote down."""
        try:
            wait_until(condition, what, self.patience * seconds, pause)
        except TREError as error:
            raise TREError(error.reason, error.what, why=f"{self.phases()}\n{self.logs()}") from error

    def close(self) -> None:
        """End everything."""
        for controller in self.controllers:
            controller.remove()
        self._stop.set()
        self._keeper.join(10.0)
        self.database.close()
        shutil.rmtree(Layout(self.root).run, ignore_errors=True)

    # --- the storekeeper's place

    def _keep_store(self) -> None:
        while not self._stop.wait(_KEEPER_SECONDS):
            with contextlib.suppress(TREError):  # the record is away, or busy: a moment later is as good
                self._keep_up()

    def _keep_up(self) -> None:
        now = datetime.now(tz=UTC)
        with self.database.read() as connection:
            waiting = jobs.waiting(connection, "storekeeper", now, _TOGETHER)
        for job in waiting:
            with self.database.change(self.event("job.done", job.subject)) as change:
                if jobs.take(change, job.id, now):
                    jobs.finish(change, job.id, _answer(job), now)


def _areas(path: Path) -> tuple[StorageArea, ...]:
    """Where a node would find what each controller names by its own root."""
    return tuple(
        StorageArea(mounted_at=f"{path}/replica-{number}/{area}", volume=HostPath(path=str(path / "root" / area)))
        for number in range(REPLICAS)
        for area in ("data", "work")
    )


def _answer(job: jobs.Job) -> dict[str, Any]:
    if job.kind == "slice.build":
        digests = {"planDigest": DIGEST, "contentDigest": DIGEST}
        return digests | {"files": 7, "manifestVersion": 1, "dataGroup": DATA_GROUP}
    return {"files": 0, "bytes": 0}
