"""A record, the sources elsewhere of a policy in files, and a controller that activates what is verified."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import Future
from datetime import timedelta
from pathlib import Path
from typing import Any

import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import Connection, select

from tests.support.databases import sqlite_with_tables
from tests.support.factories import NOON
from tests.support.sources import RESOURCE, template
from tre.cli.trial.rems import KEY, Approved, SmallRems
from tre.domain.clock import ManualClock
from tre.domain.entitlement import Verdict, is_entitled
from tre.domain.errors import Reason, TREError
from tre.domain.events import Event, program
from tre.domain.grants.models import AccessGrant, GrantRecord
from tre.domain.grants.states import GrantPhase
from tre.domain.people import Subject
from tre.domain.sources.grants import grant_name
from tre.sources.keeper import KeeperTerms
from tre.sources.rems.asking import Asked
from tre.sources.service import Sources
from tre.sources.signed import load_signers, sign
from tre.store import grants
from tre.store import sources as store
from tre.store.database import Database, new_id
from tre.store.sources import Channel, StoredGrant, StoredMessage, StoredSource
from tre.store.tables.audit import audit_events
from tre.store.tables.grants import grants as table
from tre.system.layout import Layout

REMS = "rems:rems"
GIT = "directory:git"


def at_once(work: Any) -> Future[Asked]:
    """What would be done beside, done now."""
    future: Future[Asked] = Future()
    try:
        future.set_result(work())
    except Exception as error:  # noqa: BLE001 - whoever asks for the result is told
        future.set_exception(error)
    return future


class World:
    """Everything around the sources of one launcher."""

    def __init__(self, root: Path, database: Database | None = None) -> None:
        self.layout = Layout(root)
        self.clock = ManualClock(NOON)
        if database is None:
            database = sqlite_with_tables(root / "record.sqlite")
        self.database = database
        self.committee, self.stranger = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
        self.problems: list[TREError] = []
        self.granting: TREError | None = None
        self.leading: TREError | None = None
        self._make_keys()
        self.spec: dict[str, Any] = {}
        self.restart()

    def _make_keys(self) -> None:
        self.layout.source_secrets.mkdir(parents=True)
        (self.layout.source_secrets / "rems.key").write_text(f"{KEY}\n")
        own = Ed25519PrivateKey.generate()
        for directory, key in (("grant-signers", self.committee), ("source-signers", own)):
            (self.layout.keys / directory).mkdir()
            encoding, form = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
            (self.layout.keys / directory / "one.pub").write_bytes(key.public_key().public_bytes(encoding, form))
        plain = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        self.layout.source_key.write_bytes(own.private_bytes(*plain))

    def restart(self) -> None:
        """The program starts anew, knowing nothing but the record and the files."""
        terms = KeeperTerms(
            self.database,
            self.clock,
            lambda: load_signers(self.layout.keys / "grant-signers"),
            self._checks,
            lambda: _raise(self.granting),
            lambda: _raise(self.leading),
        )
        self.sources = Sources(self.layout, terms, at_once)

    def _checks(self, _connection: Connection, _grant: AccessGrant) -> Iterable[TREError]:
        return self.problems

    # --- what people write

    def write(self, path: str, *grants: AccessGrant) -> Path:
        """A YAML file below the root."""
        target = self.layout.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(yaml.safe_dump_all([grant.as_plain() for grant in grants]))
        return target

    def write_policy(self, **spec: Any) -> None:
        """`policies/sources.yaml`."""
        self.spec = spec
        plain = {"apiVersion": "tre.research/v1alpha1", "kind": "SourcePolicy", "metadata": {"name": "sources"}}
        path = self.layout.root / "policies" / "sources.yaml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(yaml.safe_dump(plain | {"spec": spec}))

    def use_rems(self, rems: SmallRems, **changes: Any) -> None:
        """The policy of one REMS with one signed template."""
        self.write("policies/sources/cxr.yaml", sign(template(), self.committee))
        plain = {
            "name": "rems",
            "address": rems.address,
            "apiUser": "tre-robot",
            "issuer": "local",
            "templates": ["policies/sources/cxr.yaml"],
        }
        self.write_policy(rems=[plain | changes])

    def use_directory(self, **changes: Any) -> Path:
        """The policy of one directory, which is empty but for its mark."""
        path = self.layout.root / "git"
        path.mkdir(exist_ok=True)
        (path / ".tre-source").write_text("git\n")
        self.write_policy(directories=[{"name": "git", "path": "git"} | changes])
        return path

    # --- what comes in

    def told(self, channel: Channel, body: bytes, source: str = REMS) -> None:
        """A message, as the door keeps it."""
        with self.database.change(self.event("source.told", f"source/{source}")) as change:
            store.tell(change, source, channel, body, self.clock.now())

    # --- the record

    def event(self, kind: str, subject: str, **detail: Any) -> Event:
        """An event of the test's own."""
        return Event(id=new_id(), at=self.clock.now(), actor=program("test"), kind=kind, object=subject, detail=detail)

    def grant(self, name: str) -> GrantRecord | None:
        """A grant in the record."""
        with self.database.read() as connection:
            return grants.get(connection, name)

    def verdict(self, user: str, name: str) -> Verdict:
        """What the record says of a person in a grant now."""
        found = self.grant(name)
        if found is None:
            return Verdict(entitled=False, reason=Reason.GrantNotFound)
        return is_entitled(found, Subject(issuer="local", id=user), self.clock.now())

    def stands(self, source: str = REMS) -> StoredSource:
        """How a source stands."""
        with self.database.read() as connection:
            return store.get(connection, source)

    def outcomes(self, source: str = REMS) -> dict[str, StoredGrant]:
        """What came of everything that it approved."""
        with self.database.read() as connection:
            return store.grants_of(connection, source)

    def messages(self, source: str = REMS) -> list[StoredMessage]:
        """What it told, the oldest first."""
        with self.database.read() as connection:
            return store.latest(connection, source, 1000)[::-1]

    def kinds(self) -> list[str]:
        """Kinds of all events so far."""
        with self.database.read() as connection:
            return list(connection.execute(select(audit_events.c.kind).order_by(audit_events.c.number)).scalars())

    def activate(self) -> None:
        """What the controller does with a grant whose slices are built, and with one whose time is over."""
        with self.database.read() as connection:
            names = list(connection.execute(select(table.c.name).where(table.c.phase == GrantPhase.Pending)).scalars())
        for name in names:
            with self.database.change(self.event("grant.activated", f"grant/{name}")) as change:
                grants.set_phase(change, name, GrantPhase.Active, self.clock.now())

    # --- time

    def settle(self, steps: int = 4, seconds: float = 3.0) -> None:
        """Let everything come to rest; some time passes."""
        for _ in range(steps):
            self.sources.step()
            self.activate()
            self.clock.advance(seconds)

    def pass_time(self, span: timedelta, step: timedelta = timedelta(minutes=15)) -> None:
        """Let time pass, with everything at work."""
        while span > timedelta():
            self.clock.advance(min(step, span).total_seconds())
            span -= step
            self.settle(3, 0.0)


def name_of(application: int = 7, resource: str = RESOURCE, number: int = 1) -> str:
    """The name of the grant of an application."""
    return grant_name("rems", (application, resource), number)


def approved(*users: str, **changes: Any) -> Approved:
    """An approved application, begun ten days ago."""
    values: dict[str, Any] = {"resources": [RESOURCE], "start": NOON - timedelta(days=10)}
    return Approved(users=list(users or ("alice",)), **(values | {"end": NOON + timedelta(days=300)} | changes))


def _raise(error: TREError | None) -> None:
    if error is not None:
        raise error
