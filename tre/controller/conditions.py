"""Status conditions: what is true of a grant now, why, since when.

Guarantees: the shape that operators know from Kubernetes (`type, status, reason, message, observedGeneration,
lastTransitionTime`); the time moves only when the status does.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tre.domain.errors import Reason


@dataclass(frozen=True)
class Finding:
    """One condition as it is now."""

    type: str
    holds: bool
    reason: Reason
    message: str = ""


def merged(
    before: list[dict[str, Any]], findings: list[Finding], generation: int, now: datetime
) -> list[dict[str, Any]]:
    """The conditions to keep, given those kept before."""
    known = {item["type"]: item for item in before}
    return [_condition(known.get(finding.type), finding, generation, now) for finding in findings]


def _condition(before: dict[str, Any] | None, finding: Finding, generation: int, now: datetime) -> dict[str, Any]:
    status = "True" if finding.holds else "False"
    unchanged = before is not None and before["status"] == status
    since = before["lastTransitionTime"] if before is not None and unchanged else now.isoformat()
    return {
        "type": finding.type,
        "status": status,
        "reason": finding.reason.value,
        "message": finding.message,
        "observedGeneration": generation,
        "lastTransitionTime": since,
    }
