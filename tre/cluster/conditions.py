"""Conditions as Kubernetes' own tools read them.

Guarantees: besides the launcher's own conditions there are always `Ready`, `Reconciling` and `Stalled` (the
convention that `kubectl wait` and kstatus go by); times are RFC 3339 in seconds; the time moves only when the status
does; what did not change compares equal, so that nobody writes it again.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from tre.cluster.protocol import Object
from tre.domain.errors import Reason

MESSAGE_LENGTH = 4096


@dataclass(frozen=True)
class Condition:
    """One thing that is so or not, why, and in words."""

    type: str
    holds: bool
    reason: Reason
    message: str = ""


def stamp(moment: datetime) -> str:
    """A time as the API writes it."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def summary(conditions: Iterable[Condition], *, waits: bool) -> list[Condition]:
    """The conditions with the three that say in short how it stands: ready, still under way, or stuck.

    `waits` says whether what does not hold can come to hold with nobody doing anything.
    """
    found = list(conditions)
    failing = next((condition for condition in found if not condition.holds), None)
    reason = Reason.Entitled if failing is None else failing.reason
    message = "" if failing is None else failing.message
    return [
        Condition("Ready", failing is None, reason, message),
        Condition("Reconciling", failing is not None and waits, reason, message),
        Condition("Stalled", failing is not None and not waits, reason, message),
        *found,
    ]


def merged(before: Iterable[Object], found: Iterable[Condition], generation: int, now: datetime) -> list[Object]:
    """The conditions to write, given those that stand there."""
    known = {item["type"]: item for item in before}
    return [_merged(known.get(condition.type), condition, generation, now) for condition in found]


def _merged(before: Object | None, condition: Condition, generation: int, now: datetime) -> Object:
    status = "True" if condition.holds else "False"
    same = before is not None and before.get("status") == status
    since = before["lastTransitionTime"] if before is not None and same else stamp(now)
    return {
        "type": condition.type,
        "status": status,
        "reason": condition.reason.value,
        "message": condition.message[:MESSAGE_LENGTH],
        "observedGeneration": generation,
        "lastTransitionTime": since,
    }
