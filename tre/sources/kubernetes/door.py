"""The door: what a resource of the cluster may change in the record.

Guarantees: a resource becomes a grant only with evidence that a configured key signed over exactly its name and
content; what is not verified never reaches the record, so who can write resources cannot mint access. Deletion is
revocation. A resource that was deleted and made anew under its old name does not continue the old grant, which ended.
A resource that is missing without having been seen to be deleted (its definition removed, another cluster by mistake)
is not vouched for: access ends at once, and returns if the very same resource does. An older state of a resource than
the one in force is never taken, and signed content that a later approval replaced does not come back: with the old
signature anybody could bring back a member who was removed. That takes a new approval.

Does not guarantee: that the cluster's answer is the newest. What it vouches for ends after `staleness` in any case.

Threat: somebody with write access to resources, or an API server that answers with yesterday's state.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from sqlalchemy import Connection

from tre.cluster.conditions import Condition
from tre.cluster.protocol import Object, key_of
from tre.cluster.watch import RELIST_SECONDS
from tre.domain.canonical import digest
from tre.domain.clock import Clock
from tre.domain.errors import Reason, TREError
from tre.domain.events import Event, program
from tre.domain.grants.models import AccessGrant, GrantRecord
from tre.domain.grants.states import ENDED_PHASES
from tre.domain.model import parse_record
from tre.domain.workspaces.states import ALIVE_PHASES
from tre.sources.admission import admit
from tre.sources.renewal import check_later, has_ended, replaced
from tre.sources.verified import VerifiedEvidence
from tre.store import grant_sources, workspaces
from tre.store import grants as store
from tre.store.database import Database, new_id
from tre.store.outlines import GrantOutline

SOURCE = "kubernetes"
ACTOR = program("kubernetes-source")
DELETED = "Its resource was deleted from the cluster."

Checks = Callable[[Connection, AccessGrant], Iterable[TREError]]
"""What is wrong with a grant beyond its form: the same that a file is asked (data, people, profile, time left)."""


@dataclass(frozen=True)
class DoorTerms:
    """What the door works with; `check_clock` raises where nothing new may be granted, `check_leading` where nothing
    may be written at all."""

    database: Database
    clock: Clock
    signers: Callable[[], dict[str, Ed25519PublicKey]]
    checks: Checks
    staleness: timedelta = timedelta(hours=4)
    check_clock: Callable[[], None] = lambda: None
    check_leading: Callable[[], None] = lambda: None
    verified: VerifiedEvidence = field(default_factory=VerifiedEvidence)

    def __post_init__(self) -> None:
        """Refuse a time in which no complete list may come, which would end access while all is well."""
        if self.staleness.total_seconds() < 3 * RELIST_SECONDS:
            raise TREError(
                Reason.SetupIncomplete,
                f"Access cannot end {self.staleness} after the cluster was last heard.",
                why=f"Resources are listed anew every {RELIST_SECONDS:g} seconds.",
                remedy=f"Allow {3 * RELIST_SECONDS:g} seconds or more.",
            )


@dataclass(frozen=True)
class Verdict:
    """What came of a resource: whether its present content is the grant's, and whether its evidence is good."""

    accepted: Condition
    evidence: Condition
    owns_grant: bool = False

    @property
    def conditions(self) -> list[Condition]:
        """Both, as they are shown."""
        return [self.accepted, self.evidence]


_TAKEN = Condition("Accepted", True, Reason.Entitled)
_VERIFIED = Condition("EvidenceVerified", True, Reason.Entitled)


class GrantDoor:
    """Takes resources in and notices that they go."""

    def __init__(self, terms: DoorTerms) -> None:
        self._terms = terms

    def take(self, item: Object, confirmed_at: datetime) -> Verdict:
        """Bring the record where a resource says it belongs, as far as its evidence allows."""
        name, uid = key_of(item).name, str(item["metadata"]["uid"])
        try:
            grant = _parsed(item)
        except TREError as error:
            unknown = Condition("EvidenceVerified", False, Reason.BadInput, "What cannot be read was not verified.")
            return Verdict(_refused(error), unknown, self._owns(name, uid))
        try:
            self._terms.verified.check(grant, self._terms.signers())
        except TREError as error:
            refused = Condition("EvidenceVerified", False, error.reason, str(error))
            kept = " The grant stays as it was signed." if self._owns(name, uid) else ""
            accepted = Condition("Accepted", False, error.reason, f"{error}{kept}")
            return Verdict(accepted, refused, self._owns(name, uid))
        try:
            self._admit(grant, item, confirmed_at)
        except TREError as error:
            if error.reason is Reason.StreamStale:
                raise
            return Verdict(_refused(error), _VERIFIED, self._owns(name, uid))
        return Verdict(_TAKEN, _VERIFIED, True)

    def deleted(self, name: str, uid: str) -> None:
        """Revoke the grant that came from this very resource, if it has not ended."""
        found = self._owned(name)
        if found is None or found.phase in ENDED_PHASES or not self._owns(name, uid):
            return
        self._terms.check_leading()
        event = self._event("grant.revoked", f"grant/{name}", reason=DELETED, uid=uid)
        with self._terms.database.change(event) as change:
            store.revoke(change, name, DELETED, self._terms.clock.now())

    def missing(self, name: str) -> None:
        """Vouch no longer for a grant whose resource is not there, though nobody saw it being deleted."""
        found, now = self._owned(name), self._terms.clock.now()
        if found is None or found.phase in ENDED_PHASES:
            return
        if found.confirmed_until is not None and found.confirmed_until <= now:
            return
        self._terms.check_leading()
        event = self._event("grant.unconfirmed", f"grant/{name}", reason=Reason.SourceStale.value)
        with self._terms.database.change(event) as change:
            grant_sources.unconfirm(change, name, now)

    def is_over(self, name: str, uid: str) -> bool:
        """Whether nobody has access, or ever will, by this resource: its grant ended and every workspace is dead."""
        found = self._owned(name)
        if found is None or not self._owns(name, uid):
            return True
        with self._terms.database.read() as connection:
            present = workspaces.of_grant(connection, name)
        return found.phase in ENDED_PHASES and not any(one.phase in ALIVE_PHASES for one in present)

    def confirm(self, present: dict[str, str], confirmed_at: datetime) -> list[str]:
        """Vouch for the grants whose resources are there (name → identity); return the names of those that are not.

        Written at most four times within the time that it vouches for, however often the program is started.
        """
        with self._terms.database.read() as connection:
            until_now = grant_sources.open_grants(connection, SOURCE)
            origins = grant_sources.origins(connection)
        there = [name for name in until_now if _same(origins.get(name), present.get(name))]
        until = confirmed_at + self._terms.staleness
        enough = until - self._terms.staleness / 4
        due = [name for name in there if (before := until_now[name]) is None or before <= enough]
        if due:
            self._terms.check_leading()
            event = self._event("source.confirmed", f"source/{SOURCE}", grants=len(due), until=until.isoformat())
            with self._terms.database.change(event) as change:
                grant_sources.confirm(change, due, until)
        return sorted(until_now.keys() - set(there))

    def settled(self, item: Object, seen: GrantOutline, origin: grant_sources.Origin | None) -> Verdict | None:
        """What `take` would say of a resource whose content is in force; `None` where it would do anything, or might.

        For who has read many at once. Every doubt is a `None`. The content being the record's, so is its evidence: who
        keeps the record verifies that again and again, and whatever is lost there is an event.
        """
        now = self._terms.clock.now()
        if seen.source != SOURCE or origin is None or origin.uid != item["metadata"]["uid"]:
            return None
        if not seen.evidence_verified or item.get("spec") != seen.spec:
            return None
        if seen.phase not in ENDED_PHASES and (seen.confirmed_until is None or seen.confirmed_until <= now):
            return None
        return Verdict(_TAKEN, _VERIFIED, True)

    def _admit(self, grant: AccessGrant, item: Object, confirmed_at: datetime) -> None:
        name, metadata = grant.metadata.name, item["metadata"]
        with self._terms.database.read() as connection:
            before = store.get(connection, name)
            source = grant_sources.source_of(connection, name)
            origin = grant_sources.origin_of(connection, name)
        if source == SOURCE and origin is not None and origin.uid != metadata["uid"]:
            self.deleted(name, origin.uid)
            raise _made_anew(name)
        if before is not None and source == SOURCE and origin is not None:
            if before.spec.as_plain() == grant.spec.as_plain():
                self._reconfirm(before, name, confirmed_at)
                return
            if before.phase in ENDED_PHASES:
                raise has_ended(name)
            if int(metadata["generation"]) <= origin.generation:
                raise TREError(Reason.StreamStale, f"The resource {name!r} is older than what is in force.")
            check_later(before, grant)
        self._put(grant, item, confirmed_at)

    def _put(self, grant: AccessGrant, item: Object, confirmed_at: datetime) -> None:
        name, metadata, now = grant.metadata.name, item["metadata"], self._terms.clock.now()
        self._terms.check_clock()
        content = digest(grant.signed_content())
        with self._terms.database.read() as connection:
            in_force = grant_sources.digest_in_force(connection, name)
            if content != in_force and grant_sources.was_in_force(connection, name, content):
                raise replaced(name)
            for problem in self._terms.checks(connection, grant):
                raise problem
        self._terms.check_leading()
        event = self._event(
            grant_sources.APPLIED,
            f"grant/{name}",
            evidenceVerified=True,
            uid=metadata["uid"],
            generation=int(metadata["generation"]),
            digest=content,
        )
        with self._terms.database.change(event) as change:
            admit(change, grant, SOURCE, now, verified=True)
            grant_sources.confirm(change, [name], confirmed_at + self._terms.staleness)

    def _reconfirm(self, before: GrantRecord, name: str, confirmed_at: datetime) -> None:
        """A resource that was missing is there again, unchanged: vouched for once more."""
        now, until = self._terms.clock.now(), confirmed_at + self._terms.staleness
        if before.phase in ENDED_PHASES or before.confirmed_until is None:
            return
        if before.confirmed_until > now or until <= now:
            return
        self._terms.check_leading()
        event = self._event("grant.confirmed", f"grant/{name}", until=until.isoformat())
        with self._terms.database.change(event) as change:
            grant_sources.confirm(change, [name], until)

    def _owned(self, name: str) -> GrantRecord | None:
        with self._terms.database.read() as connection:
            if grant_sources.source_of(connection, name) != SOURCE:
                return None
            return store.get(connection, name)

    def _owns(self, name: str, uid: str) -> bool:
        with self._terms.database.read() as connection:
            return grant_sources.source_of(connection, name) == SOURCE and _same(
                grant_sources.origin_of(connection, name), uid
            )

    def _event(self, kind: str, subject: str, /, **detail: Any) -> Event:
        return Event(id=new_id(), at=self._terms.clock.now(), actor=ACTOR, kind=kind, object=subject, detail=detail)


def _same(origin: grant_sources.Origin | None, uid: str | None) -> bool:
    return origin is not None and origin.uid == uid


def _parsed(item: Object) -> AccessGrant:
    """The grant that a resource would be; what the cluster adds to its metadata is nothing of a grant's."""
    name = key_of(item).name
    content = {"apiVersion": item["apiVersion"], "kind": item["kind"], "metadata": {"name": name}}
    return parse_record(AccessGrant, content | {"spec": item.get("spec")}, source=f"The resource {name!r}")


def _refused(error: TREError) -> Condition:
    return Condition("Accepted", False, error.reason, str(error))


def _made_anew(name: str) -> TREError:
    return TREError(
        Reason.StateForbids,
        f"The grant {name!r} ended when its resource was deleted.",
        why="What has ended stays ended, also where a resource of the same name is made again.",
        remedy="A new approval needs a grant of a new name.",
    )
