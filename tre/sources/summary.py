"""How each source elsewhere stands, for people who look at it: on the command line and at the desk.

Guarantees: what the policy or the clock says counts before what was written down last; a source that was taken out of
the policy is shown until its last grant has ended.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from tre.domain.errors import Reason
from tre.domain.sources.policy import DirectorySource, RemsSource, SourcePolicy
from tre.sources.removed import SAID, removed
from tre.store.sources import Standing

_BACK = "It is in the policy again, and was not heard yet."


@dataclass(frozen=True)
class Removed:
    """A source that stands in the policy no more."""

    id: str

    @property
    def name(self) -> str:
        """What the policy called it."""
        return self.id.partition(":")[2]


Source = RemsSource | DirectorySource | Removed


def known(connection: Connection, policy: SourcePolicy) -> list[Source]:
    """Every source of the policy, and those that were taken out while grants of theirs go on."""
    gone = [Removed(identifier) for identifier in removed(connection, policy)]
    return [*policy.spec.rems, *policy.spec.directories, *gone]


def state_of(stands: Standing, source: Source, now: datetime) -> Reason:
    """How a source stands now: `Entitled` where it was heard lately, and all is well with it."""
    if isinstance(source, Removed):
        return Reason.SourceRemoved
    stale = stands.heard_at is None or now - stands.heard_at >= source.staleness
    if stands.reason is Reason.SourceRemoved or (stale and stands.reason is Reason.Entitled):
        return Reason.SourceStale
    return stands.reason


def why_of(stands: Standing, source: Source) -> str:
    """What is to be said of it; nothing where all is well."""
    if isinstance(source, Removed):
        return SAID
    return _BACK if stands.reason is Reason.SourceRemoved else stands.message
