"""A cluster in memory, a record, and the source between them; a controller that activates what is verified."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import Connection, select

from tests.support.databases import sqlite_with_tables
from tests.support.factories import NOON, access_grant
from tests.support.faulty_cluster import FaultyCluster
from tre.cluster.events import Recorder
from tre.cluster.memory import MemoryCluster
from tre.cluster.protocol import Deletion, Key, Object, Preconditions
from tre.cluster.resources import ACCESS_GRANT, FINALIZER
from tre.domain.clock import ManualClock
from tre.domain.entitlement import is_entitled
from tre.domain.errors import TREError
from tre.domain.events import Event, program
from tre.domain.grants.models import AccessGrant, GrantRecord
from tre.domain.grants.states import GrantPhase
from tre.domain.people import Subject
from tre.sources.kubernetes.door import DoorTerms
from tre.sources.kubernetes.service import KubernetesSource, SourceTerms
from tre.sources.signed import key_id, sign
from tre.store import grants
from tre.store.database import new_id
from tre.store.tables.audit import audit_events
from tre.store.tables.grants import grants as table

NAMESPACE, NAME = "tre", "nccid-00123"
STALENESS = timedelta(hours=1)


class SourceWorld:
    """Everything around one source."""

    def __init__(self, path: Path) -> None:
        self.clock = ManualClock(NOON)
        self.database = sqlite_with_tables(path)
        self.cluster = MemoryCluster(self.clock.now)
        self.client = FaultyCluster(self.cluster)
        self.committee, self.stranger = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
        self.problems: list[TREError] = []
        self.leading: TREError | None = None
        self.clock_trouble: TREError | None = None
        self.restart()

    def restart(self) -> None:
        """The program starts anew, knowing nothing but the record and the cluster."""
        public = self.committee.public_key()
        terms = DoorTerms(
            self.database,
            self.clock,
            lambda: {key_id(public): public},
            self._checks,
            STALENESS,
            lambda: _raise(self.clock_trouble),
            lambda: _raise(self.leading),
        )
        recorder = Recorder(self.client, "tre.research/controller", "test", self.clock)
        self.source = KubernetesSource(SourceTerms(self.client, NAMESPACE, terms, recorder))

    def _checks(self, _connection: Connection, _grant: AccessGrant) -> Iterable[TREError]:
        return self.problems

    # --- people with kubectl

    def signed(self, key: Ed25519PrivateKey | None = None, **changes: Any) -> Object:
        """The content of a resource, signed by the committee unless another key is given."""
        return self.resource(sign(access_grant(**changes), key or self.committee))

    def resource(self, grant: AccessGrant) -> Object:
        """A resource of this content."""
        plain = grant.as_plain()
        return plain | {"metadata": {"name": grant.metadata.name, "namespace": NAMESPACE}}

    def write(self, content: Object) -> Object:
        """Create or edit a resource, as `kubectl apply` does."""
        return self.cluster.apply(ACCESS_GRANT, content, "kubectl")

    def delete(self, name: str = NAME) -> None:
        """`kubectl delete`."""
        self.cluster.delete(ACCESS_GRANT, Key(NAMESPACE, name), Deletion(Preconditions()))

    def item(self, name: str = NAME) -> Object | None:
        """A resource as it is on the cluster."""
        return self.cluster.get(ACCESS_GRANT, Key(NAMESPACE, name))

    def status(self, name: str = NAME) -> Object:
        """A resource's status."""
        item = self.item(name)
        assert item is not None
        found: Object = item["status"]
        return found

    def condition(self, kind: str, name: str = NAME) -> Object:
        """One condition of a resource."""
        found: Object = next(one for one in self.status(name)["conditions"] if one["type"] == kind)
        return found

    def is_held(self) -> bool:
        """Whether our finalizer keeps the resource."""
        item = self.item()
        return item is not None and FINALIZER in (item["metadata"].get("finalizers") or ())

    # --- the record

    def grant(self, name: str = NAME) -> GrantRecord | None:
        """The grant in the record."""
        with self.database.read() as connection:
            return grants.get(connection, name)

    def allows(self, subject: Subject, name: str = NAME) -> bool:
        """Whether the record lets a person in now."""
        found = self.grant(name)
        return found is not None and bool(is_entitled(found, subject, self.clock.now()))

    def event(self, kind: str, subject: str, **detail: Any) -> Event:
        """An event of the test's own."""
        return Event(id=new_id(), at=self.clock.now(), actor=program("test"), kind=kind, object=subject, detail=detail)

    def kinds(self) -> list[str]:
        """Kinds of all events so far."""
        with self.database.read() as connection:
            return list(connection.execute(select(audit_events.c.kind).order_by(audit_events.c.number)).scalars())

    def applied(self) -> list[int]:
        """The generations of the resource that came into force, in order."""
        return [int(detail["generation"]) for detail in self._applied()]

    def first_uid(self) -> str | None:
        """The identity of the resource that first came into force."""
        return next((str(detail["uid"]) for detail in self._applied()), None)

    def _applied(self) -> list[dict[str, Any]]:
        query = select(audit_events.c.detail).where(audit_events.c.kind == "grant.applied")
        with self.database.read() as connection:
            return list(connection.execute(query.order_by(audit_events.c.number)).scalars())

    def activate(self) -> None:
        """What the controller does with a grant whose slices are built."""
        with self.database.read() as connection:
            query = select(table.c.name).where(table.c.phase == GrantPhase.Pending)
            waiting = list(connection.execute(query).scalars())
        for name in waiting:
            with self.database.change(self.event("grant.activated", f"grant/{name}")) as change:
                grants.set_phase(change, name, GrantPhase.Active, self.clock.now())

    # --- time

    def look(self) -> None:
        """One round: each watcher lists or watches once, the source does what is due, the controller too."""
        for watcher in self.source.watchers.values():
            watcher.step()
        self.source.step()
        self.activate()

    def settle(self, rounds: int = 8) -> None:
        """Let everything come to rest; some time passes."""
        for _ in range(rounds):
            self.look()
            self.clock.advance(1.0)

    def pass_time(self, seconds: float) -> None:
        """Let time pass in steps of a minute, with everything at work."""
        while seconds > 0:
            self.clock.advance(min(60.0, seconds))
            seconds -= 60.0
            self.look()

    def close(self) -> None:
        """Give the record back."""
        self.database.close()


def _raise(error: TREError | None) -> None:
    if error is not None:
        raise error
