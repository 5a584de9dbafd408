"""What a REMS stated, as grants of the record: level-triggered, from its last truth.

Guarantees: it may run at any time and any number of times, and goes on from the record after a power cut. A person
whom the truth does not name any more is out at once, also where the rest of the grant cannot be renewed: then the whole
grant is withheld. What the source told to be over, and does not state any more, is revoked for good; what only is
missing is withheld at once and revoked when whole answers have missed it for as long as the policy says, since a key
that lost its rights sees an empty list. What ended here comes back only by an approval that began later.

Does not guarantee: that everything that is stated comes into force. Why something does not stands in its outcome.

Threat: a source that answers with less than it knows; an operator's revocation undone by the next question.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tre.domain.canonical import digest
from tre.domain.errors import Reason, TREError
from tre.domain.grants.models import AccessGrant, GrantRecord
from tre.domain.grants.states import ENDED_PHASES
from tre.domain.model import as_line
from tre.domain.sources.grants import begun_at, derive, gives_no_more, grant_name
from tre.domain.sources.policy import RemsSource
from tre.domain.sources.truth import Entitlement, Key, Truth, allowed, by_grant, states
from tre.sources.keeper import Keeper
from tre.sources.policyfile import templates_of
from tre.sources.signed import sign_elsewhere
from tre.store import sources as store
from tre.store.sources import StoredGrant

TOLD = "The source ended it."
MISSED = "The source does not state it any more."
_WAITS = "The source says that it is over; it is asked whether that is so."

Outcome = tuple[StoredGrant, bool]
"""What came of one approval, and whether its grant is vouched for."""


class _Settled(NamedTuple):
    """What was put into force of which entitlements and template, and as which content; nothing is to be done while all
    of it is as it was. Until when the grant is vouched for, and its phase, are other matters."""

    people: tuple[Entitlement, ...]
    template: AccessGrant
    name: str
    generation: int
    evidence_verified: bool

    @classmethod
    def of(cls, people: Sequence[Entitlement], template: AccessGrant, grant: GrantRecord) -> _Settled:
        """As the grant is now."""
        return cls(tuple(people), template, grant.name, grant.generation, grant.evidence_verified)


class RemsGrants:
    """The grants of one REMS."""

    def __init__(self, root: Path, source: RemsSource, keeper: Keeper, key: Callable[[], Ed25519PrivateKey]) -> None:
        self._root, self._source, self._keeper, self._key = root, source, keeper, key
        self._settled: dict[str, _Settled] = {}

    def applications(self) -> list[int]:
        """Every application that there is something to do about, or was."""
        with self._keeper.terms.database.read() as connection:
            truth = store.get(connection, self._source.id).truth
            before = store.grants_of(connection, self._source.id)
        return sorted({key[0] for key in states(truth)} | {key_of(text)[0] for text in before})

    def apply(self, only: Collection[int] | None = None) -> None:
        """Bring the record where the last truth says it belongs; `only` names applications, where the others rest."""
        terms = self._keeper.terms
        with terms.database.read() as connection:
            truth = store.get(connection, self._source.id).truth
            before = store.grants_of(connection, self._source.id)
        if truth.answer is None:
            return
        wanted = by_grant(allowed(truth, terms.clock.now()))
        found = self._wanted({key: people for key, people in wanted.items() if _among(key, only)}, before, truth)
        named = {text_of(key) for key in wanted}
        stated = {text_of(key) for key in states(truth)}
        for text, item in before.items():
            if text not in named and _among(key_of(text), only):
                found.append((self._gone(item, truth, text in stated), False))
        self._keeper.confirm([item.grant for item, vouched in found if vouched], truth.answer.asked_at)
        self._write([item for item, _ in found if item != before.get(item.key)])

    def _wanted(
        self, wanted: dict[Key, tuple[Entitlement, ...]], before: dict[str, StoredGrant], truth: Truth
    ) -> list[Outcome]:
        assert truth.answer is not None
        if not wanted:
            return []
        trouble: TREError | None = None
        templates: dict[str, AccessGrant] = {}
        try:
            templates = templates_of(self._root, self._source, self._keeper.terms.signers)
        except TREError as error:
            trouble = error
        found = []
        for key, people in wanted.items():
            item = before.get(text_of(key)) or self._new(key)
            template = templates.get(key[1]) or trouble or _no_template(key[1])
            found.append(self._one(item, people, template, truth.answer.asked_at))
        return found

    def _new(self, key: Key) -> StoredGrant:
        name = grant_name(self._source.name, key, 1)
        return StoredGrant(source=self._source.id, key=text_of(key), grant=name)

    def _one(
        self, item: StoredGrant, people: Sequence[Entitlement], template: AccessGrant | TREError, asked_at: datetime
    ) -> Outcome:
        """Bring one grant where these people's entitlements say."""
        item = item.model_copy(update={"missing_since": None, "told_over": False})
        before = self._keeper.owned(item.grant)
        if before is not None and before.phase in ENDED_PHASES:
            if item.begun_at is None or begun_at(people) <= item.begun_at:
                return _told(
                    item, Reason.StateForbids, f"It has ended ({before.phase}); a later approval opens it."
                ), False
            item = item.model_copy(
                update={
                    "number": item.number + 1,
                    "grant": grant_name(self._source.name, people[0].key, item.number + 1),
                }
            )
            before = self._keeper.owned(item.grant)
        vouched = False
        try:
            if isinstance(template, TREError):
                raise template
            if before is not None and self._settled.get(item.key) == _Settled.of(people, template, before):
                return _told(item.model_copy(update={"begun_at": begun_at(people)}), Reason.Entitled, ""), True
            grant = self._signed(template, people, item.number)
            vouched = before is not None and gives_no_more(before, people)
            self._keeper.put(grant, asked_at)
        except TREError as error:
            if error.reason is Reason.LeadershipLost:
                raise
            if before is not None and not gives_no_more(before, people):
                self._keeper.withhold(item.grant)
            self._settled.pop(item.key, None)
            return _told(item, error.reason, str(error)), vouched
        if (now := self._keeper.owned(item.grant)) is not None and now.evidence_verified:
            self._settled[item.key] = _Settled.of(people, template, now)
        return _told(item.model_copy(update={"begun_at": begun_at(people)}), Reason.Entitled, ""), True

    def _signed(self, template: AccessGrant, people: Sequence[Entitlement], number: int) -> AccessGrant:
        stated = {
            "source": self._source.id,
            "entitlements": [one.as_plain() for one in people],
            "template": digest(template.signed_content()),
        }
        return sign_elsewhere(derive(template, people, self._source, number), digest(stated), self._key())

    def _gone(self, item: StoredGrant, truth: Truth, stated: bool) -> StoredGrant:
        """See to a grant that opens nothing by the truth as it is."""
        assert truth.answer is not None
        before = self._keeper.owned(item.grant)
        if before is None or before.phase in ENDED_PHASES:
            return item
        if stated:
            if self._keeper.terms.clock.now() < before.spec.expires:  # else its own end ends it
                self._keeper.withhold(item.grant)
            return _told(item.model_copy(update={"missing_since": None}), Reason.SourceStale, _WAITS)
        self._keeper.withhold(item.grant)
        missing = item.missing_since or truth.answer.asked_at
        longest = timedelta(hours=self._source.revoke_after_hours)
        if item.told_over or truth.answer.asked_at - missing >= longest:
            why = TOLD if item.told_over else MISSED
            self._keeper.revoke(item.grant, why)
            return _told(item.model_copy(update={"missing_since": missing}), Reason.GrantRevoked, why)
        return _told(item.model_copy(update={"missing_since": missing}), Reason.SourceStale, MISSED)

    def _write(self, changed: list[StoredGrant]) -> None:
        if changed:
            reasons = {item.grant: item.reason.value for item in changed[:50]}
            event = self._keeper.event("source.outcomes", f"source/{self._source.id}", count=len(changed), some=reasons)
            self._keeper.write(event, lambda change: store.keep_grants(change, changed))


def text_of(key: Key) -> str:
    """What the record calls an application and its resource."""
    return f"{key[0]} {key[1]}"


def key_of(text: str) -> Key:
    """The application and the resource that the record calls so."""
    application, _, resource = text.partition(" ")
    return int(application), resource


def _among(key: Key, only: Collection[int] | None) -> bool:
    return only is None or key[0] in only


def _told(item: StoredGrant, reason: Reason, message: str) -> StoredGrant:
    return item.model_copy(update={"reason": reason, "message": as_line(message)})


def _no_template(resource: str) -> TREError:
    return TREError(
        Reason.PolicyMissing,
        f"No template says what the resource {resource!r} opens here.",
        remedy="Have the approving body sign one, and name it in policies/sources.yaml.",
    )
