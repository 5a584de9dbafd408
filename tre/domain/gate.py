"""What the header gate says of a file: pass, quarantine for a person, or refuse, with reasons.

Guarantees: a reason names the rule and the attribute and says one sentence that is the same for every value; it has
no room for the value itself.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """What becomes of a file. A person may let a quarantined one in, never a refused one."""

    passed = "pass"
    quarantine = "quarantine"
    refuse = "refuse"


@dataclass(frozen=True, order=True, slots=True)
class GateReason:
    """Why a file does not pass."""

    rule: str
    attribute: str
    message: str
    refuses: bool = True

    @property
    def key(self) -> tuple[str, str]:
        """What a person decides about: the rule at the attribute."""
        return self.rule, self.attribute

    def as_plain(self) -> dict[str, str]:
        """For `--json` and for the record."""
        return {"rule": self.rule, "attribute": self.attribute, "message": self.message}


def verdict_of(reasons: Iterable[GateReason]) -> Verdict:
    """The severest of the reasons decides."""
    found = list(reasons)
    if any(reason.refuses for reason in found):
        return Verdict.refuse
    return Verdict.quarantine if found else Verdict.passed
