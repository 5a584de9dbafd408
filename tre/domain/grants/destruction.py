"""The certificate of destruction: what was destroyed of an ended project, when, and whether that was in time.

Guarantees: everything in it comes from events of the signed log, the storekeeper's receipts among them; it is written
only for a grant that is closed, which needs every receipt. The digest at its end is over everything above it.

Does not guarantee: anything about what is kept on purpose. The certificate says what that is.

Source of the limit: the NCCID framework contract demands destruction within 28 days, with a certificate; a site keeps
homes for as long as its setting `homeRetentionDays` says, and the certificate holds both against each other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from tre.domain.canonical import digest
from tre.domain.errors import Reason, TREError
from tre.domain.events import Event
from tre.domain.grants.models import GrantRecord
from tre.domain.grants.policies import effective_end
from tre.domain.grants.states import GrantPhase

LIMIT = timedelta(days=28)

REMAINS = (
    "Files that two people released stay with whoever received them, and with this service, to be recalled or shown.",
    "The signed log, the approval and this certificate are kept. They name people of the project and no patient.",
    "The dataset's store is not this project's: it lost the further names that the project's view had given its files.",
    "Backups are not rewritten; they are kept and destroyed by the operator's own rule.",
)


def certificate(grant: GrantRecord, course: Sequence[Event]) -> dict[str, Any]:
    """The certificate as JSON holds it, from every event about the grant, oldest first.

    Raises `TREError(StateForbids)` while the grant is not closed.
    """
    closed = next((event for event in reversed(course) if event.kind == "grant.closed"), None)
    if grant.phase is not GrantPhase.Closed or closed is None:
        raise TREError(
            Reason.StateForbids,
            f"There is no certificate of destruction for {grant.name} yet: it is {grant.phase}.",
            why="It is written when every slice and every home is destroyed.",
            remedy="See `tre grant show`; `tre grant close` destroys the homes of an ended grant without waiting.",
        )
    ended = access_ended(grant)
    homes = closed.detail["certificate"]
    plain: dict[str, Any] = {
        "certificate": "destruction",
        "grant": grant.name,
        "project": grant.spec.project.title,
        "organisation": grant.spec.project.organisation.name,
        "reference": grant.spec.approval.reference,
        "accessEnded": ended.isoformat(),
        "destroyedAt": closed.at.isoformat(),
        "daysAfterEnd": (closed.at - ended).days,
        "limitDays": LIMIT.days,
        "inTime": closed.at <= ended + LIMIT,
        "slices": [_slice(event) for event in _last_removals(course)],
        "homes": [_home(name, receipt) for name, receipt in sorted(homes.items())],
        "event": closed.id,
        "remains": list(REMAINS),
    }
    return plain | {"digest": digest(plain)}


def access_ended(grant: GrantRecord) -> datetime:
    """When access ended: at the earliest of the ends that the approval names, or by a withdrawal before."""
    end = effective_end(grant.spec).at
    return min(end, grant.revoked_at) if grant.revoked_at is not None else end


def _last_removals(course: Sequence[Event]) -> list[Event]:
    """Of each slice the last removal: one that was built anew was removed again."""
    return list({event.detail["slice"]: event for event in course if event.kind == "slice.removed"}.values())


def _slice(event: Event) -> dict[str, Any]:
    receipt = event.detail["receipt"]
    removed = {"slice": event.detail["slice"], "removedAt": event.at.isoformat(), "files": _files(receipt, "removed")}
    return removed | {"receipt": receipt}


def _home(workspace: str, receipt: Mapping[str, Any]) -> dict[str, Any]:
    destroyed = {"workspace": workspace, "destroyedAt": receipt.get("finishedAt"), "files": _files(receipt, "home")}
    return destroyed | {"receipt": receipt}


def _files(receipt: Mapping[str, Any], part: str) -> int | None:
    """How many files a receipt speaks of; `None` where an older form did not count them."""
    counted: int | None = receipt.get(part, {}).get("files")
    return counted
