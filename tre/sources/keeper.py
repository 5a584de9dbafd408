"""Grants of one source in the record: put into force, vouched for, withheld, revoked; one way for every source.

Guarantees: nothing comes into force without evidence that verifies, while the log or the clock is in doubt, or on a
word of the source that is too old by then; what only takes away waits for none of these. What a source vouches for
holds until `staleness` after it was asked, and not a moment longer by being asked again for the same. Everything is
written with its event, by who leads.

Does not guarantee: that access ended. The controller hears the event, and sees to it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from sqlalchemy import Connection

from tre.domain.canonical import digest
from tre.domain.clock import Clock
from tre.domain.errors import Reason, TREError
from tre.domain.events import Event, program
from tre.domain.grants.models import AccessGrant, GrantRecord
from tre.domain.grants.states import ENDED_PHASES
from tre.domain.sources.grants import takes_away
from tre.sources.admission import admit
from tre.sources.renewal import check_later, has_ended, replaced
from tre.sources.verified import VerifiedEvidence
from tre.store import grant_sources
from tre.store import grants as store
from tre.store.database import Change, Database, new_id

ACTOR = program("sources")

Checks = Callable[[Connection, AccessGrant], Iterable[TREError]]
"""What is wrong with a grant beyond its form: the same that a file is asked (data, people, profile, time left)."""


@dataclass(frozen=True)
class KeeperTerms:
    """What every source works with; `check_granting` raises where nothing new may be granted, `check_leading` where
    nothing may be written at all."""

    database: Database
    clock: Clock
    signers: Callable[[], dict[str, Ed25519PublicKey]]
    checks: Checks
    check_granting: Callable[[], None] = lambda: None
    check_leading: Callable[[], None] = lambda: None
    verified: VerifiedEvidence = field(default_factory=VerifiedEvidence)


class Keeper:
    """The grants of one source. `signed_elsewhere`: their content was signed by somebody who may have signed another
    one since, so that old content must not come back."""

    def __init__(self, terms: KeeperTerms, source: str, staleness: timedelta, *, signed_elsewhere: bool) -> None:
        self.terms, self.source, self._staleness = terms, source, staleness
        self._signed_elsewhere = signed_elsewhere

    def owned(self, name: str) -> GrantRecord | None:
        """A grant of this source; `None` where there is none of that name, or it is another source's."""
        with self.terms.database.read() as connection:
            return store.get(connection, name) if self._owns(connection, name) else None

    def put(self, grant: AccessGrant, asked_at: datetime) -> None:
        """Put a grant into force as it is now, vouched for since `asked_at`.

        Raises `TREError`, and then nothing was changed.
        """
        name, until = grant.metadata.name, asked_at + self._staleness
        self.terms.verified.check(grant, self.terms.signers())
        before = self.owned(name)
        if before is not None and before.phase in ENDED_PHASES:
            raise has_ended(name)
        if before is not None and _same(before, grant):
            return
        less = before is not None and takes_away(before, grant.spec)
        content = digest(grant.signed_content())
        if not less:
            self._check_new(before, grant, content, until)
        self.terms.check_leading()
        detail = {"evidenceVerified": True, "digest": content, "source": self.source}
        with self.terms.database.change(self.event("grant.applied", f"grant/{name}", **detail)) as change:
            admit(change, grant, self.source, self.terms.clock.now(), verified=True)
            if until > self.terms.clock.now():
                grant_sources.confirm(change, [name], until)

    def _check_new(self, before: GrantRecord | None, grant: AccessGrant, content: str, until: datetime) -> None:
        """Raise `TREError` where this may not come into force now."""
        name = grant.metadata.name
        if until <= self.terms.clock.now():
            raise stale(self.source)
        self.terms.check_granting()
        if self._signed_elsewhere and before is not None:
            check_later(before, grant)
        with self.terms.database.read() as connection:
            if self._signed_elsewhere and before is not None and grant_sources.was_in_force(connection, name, content):
                raise replaced(name)
            for problem in self.terms.checks(connection, grant):
                raise problem

    def confirm(self, names: Sequence[str], asked_at: datetime) -> None:
        """Vouch for these grants since `asked_at`: written at most four times within the time that it vouches for."""
        until, now = asked_at + self._staleness, self.terms.clock.now()
        with self.terms.database.read() as connection:
            until_now = grant_sources.open_grants(connection, self.source)
        known = sorted(name for name in set(names) if name in until_now)
        lapsed = [name for name in known if _has_lapsed(until_now[name], now)]
        due = [name for name in known if name not in lapsed and _is_due(until_now[name], until - self._staleness / 4)]
        if lapsed and not self._can_grant():  # what lapsed is access anew: it waits as anything new does
            lapsed = []
        if not (due or lapsed) or until <= now:
            return
        self.terms.check_leading()
        events = [self.event("grant.confirmed", f"grant/{name}", until=until.isoformat()) for name in lapsed]
        count = len(due) + len(lapsed)
        first = self.event("source.confirmed", f"source/{self.source}", grants=count, until=until.isoformat())
        with self.terms.database.change(first, *events) as change:
            grant_sources.confirm(change, [*due, *lapsed], until)

    def _can_grant(self) -> bool:
        try:
            self.terms.check_granting()
        except TREError:
            return False
        return True

    def withhold(self, name: str) -> None:
        """Vouch no longer for a grant, from now on: access ends, and comes back if the source says so again."""
        found, now = self.owned(name), self.terms.clock.now()
        if found is None or found.phase in ENDED_PHASES or _has_lapsed(found.confirmed_until, now):
            return
        self.terms.check_leading()
        event = self.event("grant.unconfirmed", f"grant/{name}", reason=Reason.SourceStale.value)
        with self.terms.database.change(event) as change:
            grant_sources.unconfirm(change, name, now)

    def revoke(self, name: str, why: str) -> None:
        """End a grant for good."""
        found = self.owned(name)
        if found is None or found.phase in ENDED_PHASES:
            return
        self.terms.check_leading()
        event = self.event("grant.revoked", f"grant/{name}", reason=why, source=self.source)
        with self.terms.database.change(event) as change:
            store.revoke(change, name, why, self.terms.clock.now())

    def write(self, event: Event, *writes: Callable[[Change], None]) -> None:
        """Change something of the source's own."""
        self.terms.check_leading()
        with self.terms.database.change(event) as change:
            for write in writes:
                write(change)

    def event(self, kind: str, subject: str, /, **detail: Any) -> Event:
        """An event of the sources' own."""
        return event_of(self.terms, kind, subject, **detail)

    def _owns(self, connection: Connection, name: str) -> bool:
        return grant_sources.source_of(connection, name) == self.source


def event_of(terms: KeeperTerms, kind: str, subject: str, /, **detail: Any) -> Event:
    """An event of the sources' own."""
    return Event(id=new_id(), at=terms.clock.now(), actor=ACTOR, kind=kind, object=subject, detail=detail)


def stale(source: str) -> TREError:
    """What a source said is too old for anything new."""
    return TREError(
        Reason.SourceStale,
        f"The source {source} was not heard lately enough for anything new.",
        why="Its last word is older than the policy allows.",
        remedy="See `tre source show`: it says why the source does not answer.",
    )


def _same(before: GrantRecord, grant: AccessGrant) -> bool:
    return before.evidence_verified and before.spec.as_plain() == grant.spec.as_plain()


def _is_due(until: datetime | None, enough: datetime) -> bool:
    return until is None or until <= enough


def _has_lapsed(until: datetime | None, now: datetime) -> bool:
    return until is not None and until <= now
