"""Sources of which the policy says less than before: taken out while grants of theirs go on, or believed for less long.

Guarantees: of no grant a source's word holds for longer than the policy says now, whatever it said when the word came,
and whatever the clock said then. A source that was taken out counts as one that nobody reaches: nothing vouches for its
grants any more, so that access by them ends when its last word is too old. It is told once, with an event. A source
that is back in the policy vouches again from its next answer on. A policy that cannot be read takes nothing out.

Does not guarantee: that its grants end for good. An operator revokes them, or puts the source back.

Threat: a grant whose source is gone, which nobody looks at any more and nothing ends.
"""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import Connection

from tre.domain.errors import Reason
from tre.domain.sources.policy import SourcePolicy
from tre.sources.keeper import KeeperTerms, event_of
from tre.store import grant_sources
from tre.store import sources as store

SAID = (
    "It stands no longer in policies/sources.yaml, so nothing vouches for its grants: access by them ends when its last"
    " word is too old. Put it back, or end each grant with `tre grant revoke`."
)


def believe_no_longer(terms: KeeperTerms, policy: SourcePolicy) -> None:
    """Shorten what sources vouched for beyond what the policy lets their word hold."""
    for source, staleness in _believed(policy):
        latest = terms.clock.now() + staleness
        with terms.database.read() as connection:
            names = grant_sources.vouched_beyond(connection, source, latest)
        if names:
            terms.check_leading()
            said = {"grants": len(names), "until": latest.isoformat()}
            with terms.database.change(event_of(terms, "source.believed-less", f"source/{source}", **said)) as change:
                grant_sources.shorten(change, names, latest)


def _believed(policy: SourcePolicy) -> list[tuple[str, timedelta]]:
    rems = [(one.id, one.staleness) for one in policy.spec.rems]
    return rems + [(one.id, one.staleness) for one in policy.spec.directories]


def removed(connection: Connection, policy: SourcePolicy) -> list[str]:
    """Sources that have grants which have not ended and stand in the policy no more."""
    there = {source for source, _ in _believed(policy)}
    return [source for source in grant_sources.following(connection) if source not in there]


def tell_removed(terms: KeeperTerms, policy: SourcePolicy) -> None:
    """Keep of each such source that it was taken out, where that is news."""
    with terms.database.read() as connection:
        found = [store.get(connection, source) for source in removed(connection, policy)]
    for stands in found:
        if stands.reason is Reason.SourceRemoved:
            continue
        terms.check_leading()
        after = stands.model_copy(update={"reason": Reason.SourceRemoved, "message": SAID})
        event = event_of(terms, "source.removed", f"source/{stands.id}", reason=Reason.SourceRemoved.value)
        with terms.database.change(event) as change:
            store.keep(change, after)
