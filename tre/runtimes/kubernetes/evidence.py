"""What a door says of its pod's isolation, read from its log: lines of JSON, and a judgement.

Guarantees: isolation counts as proven only by the door's word on both of its probes and an attempt of the controller's
within a minute of the network's; one word of failure, whenever it was said, ends that. Lines that are not the door's
(a node's own messages) say nothing.

Does not guarantee: that the log is whole. A word that was lost proves nothing, and holds nobody up for good: the door
says its proof again.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from tre.runtimes.kubernetes.control import Controls

LINES = 200
_LONGEST = 600


@dataclass(frozen=True)
class Evidence:
    """What the door said last of each probe, what it said of a failure, and whether the server behind it answered."""

    sealed: dict[str, Any] | None = None
    network: dict[str, Any] | None = None
    failure: str = ""
    answers: bool = False

    @property
    def complete(self) -> bool:
        """Whether the door is content."""
        return not self.failure and self.sealed is not None and self.network is not None

    def proof(self, controls: Controls) -> dict[str, object] | None:
        """The whole proof, where there is one."""
        if self.sealed is None or self.network is None or self.failure:
            return None
        tried_at = _moment(self.network.get("triedAt"))
        control = None if tried_at is None else controls.near(tried_at)
        if tried_at is None or control is None:
            return None
        controlled = sorted(set(self.network.get("provenItems", [])) & control.answered)
        if not controlled:
            return None
        items = [*self.sealed.get("provenItems", []), *(f"door: {one}" for one in controlled)]
        return {
            "proven": True,
            "summary": f"{len(items)} ways out tried and closed, each open to a control",
            "provenItems": items,
            "failed": [],
            "unproven": [],
            "uncontrolled": [*self.sealed.get("uncontrolled", []), *self.network.get("uncontrolled", [])],
            "probedAt": tried_at.isoformat(timespec="milliseconds"),
            "controlledAt": control.at.isoformat(timespec="milliseconds"),
        }


def read(log: str) -> Evidence:
    """What a door's log comes to."""
    found: dict[str, dict[str, Any]] = {}
    failure, answers = "", False
    for line in log.splitlines():
        said = _said(line)
        answers |= said is not None and said.get("event") == "server-answers"
        if said is None or said.get("event") != "isolation":
            continue
        probe = str(said.get("probe"))
        if said.get("proven") is True:
            found[probe] = said
        elif not failure:
            failure = _why(probe, said)
    return Evidence(found.get("sealed"), found.get("network"), failure, answers)


def _said(line: str) -> dict[str, Any] | None:
    try:
        found = json.loads(line)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _why(probe: str, said: dict[str, Any]) -> str:
    if said.get("error"):
        return f"the {probe} probe gave no answer: {said['error']}"[:_LONGEST]
    if said.get("failed"):
        return f"possible ({probe} probe): {', '.join(map(str, said['failed']))}"[:_LONGEST]
    lacking = [*said.get("unproven", []), *said.get("uncontrolled", [])]
    return f"without a working control ({probe} probe): {', '.join(map(str, lacking))}"[:_LONGEST]


def _moment(value: object) -> datetime | None:
    return datetime.fromtimestamp(value, UTC) if isinstance(value, int | float) else None
