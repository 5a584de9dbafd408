"""Sources of approvals as an operator sees them at the desk: how each stands, since when, and what to do.

Guarantees: nothing that a source said of people is read here. A policy that cannot be read is told, and hides no page.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from tre.domain.errors import Reason, TREError
from tre.portal.context import Desk
from tre.sources.policyfile import PolicyFile
from tre.sources.summary import known, state_of, why_of
from tre.store import grant_sources
from tre.store import sources as store


@dataclass(frozen=True)
class SourceHealth:
    """One source."""

    name: str
    kind: str
    state: Reason
    why: str
    heard_at: datetime | None
    grants: int

    @property
    def well(self) -> bool:
        """Whether it was heard lately, and nothing is wrong with what it said."""
        return self.state is Reason.Entitled


@dataclass(frozen=True)
class SourcesHealth:
    """Every source, or what is wrong with the policy that names them."""

    sources: tuple[SourceHealth, ...] = ()
    trouble: str = ""


def sources_health(desk: Desk) -> SourcesHealth:
    """How every source stands now."""
    try:
        policy = PolicyFile(desk.layout.root).read()
    except TREError as error:
        return SourcesHealth(trouble=str(error))
    now, found = desk.clock.now(), []
    with desk.database.read() as connection:
        for source in known(connection, policy):
            stands = store.standing(connection, source.id)
            found.append(
                SourceHealth(
                    name=source.name,
                    kind=source.id.partition(":")[0],
                    state=state_of(stands, source, now),
                    why=why_of(stands, source),
                    heard_at=stands.heard_at,
                    grants=len(grant_sources.open_grants(connection, source.id)),
                )
            )
    return SourcesHealth(tuple(found))
