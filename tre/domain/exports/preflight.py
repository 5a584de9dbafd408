"""Checks before anything is submitted: how often, and what of the findings is told inside the workspace.

Guarantees: what only checkers may read is not told at all; of what an author reads in outline only the check's own
statement is told, once for a file, without place, number or piece of the file, so that asking again and again says no
more than "something of the slice is in this file"; the verdict rests on what is told and on nothing else. How often a
workspace asked is counted for the checkers.

Does not guarantee: that a patient person learns nothing: each answer is a bit. The policy bounds answers by the hour.

Threat: the checks as an oracle for what the slice holds.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Literal

from pydantic import Field

from tre.domain.exports.catalogue import CATALOGUE, Audience
from tre.domain.exports.fixes import fixes_for
from tre.domain.exports.models import Finding, Locator, PolicyRef
from tre.domain.exports.severity import Severity
from tre.domain.model import Line, Record, UtcTime

FORM: Literal["tre-preflight/1"] = "tre-preflight/1"
WINDOW = timedelta(hours=1)
MOST_TOLD = 100
"""Findings of one file that are told one by one."""

_OUTLINE = "The checkers see where. Take it out, or explain it to them when you submit."


class ToldFinding(Record):
    """A finding as it is told inside the workspace."""

    check: Line
    severity: Severity
    message: str
    suggestion: str = ""
    locator: Locator = Locator()


class OfferedFix(Record):
    """What the page of a request can make of the file."""

    id: Line
    title: Line


class ToldFile(Record):
    """One file: what was found in it, the worst letter of that, and how many findings more there are."""

    path: str
    sha256: Line = ""
    findings: tuple[ToldFinding, ...] = ()
    worst: Severity | None = None
    more: Annotated[int, Field(ge=0)] = 0
    fixes: tuple[OfferedFix, ...] = ()


class Refusal(Record):
    """Why nothing was checked, in the words of `TREError`."""

    reason: Line
    what: str
    why: str = ""
    remedy: str = ""


class PreflightAnswer(Record):
    """What comes back into a workspace. `until` is given where it must wait before it asks again."""

    form: Literal["tre-preflight/1"] = FORM
    id: Line = ""
    at: UtcTime
    policy: PolicyRef | None = None
    files: tuple[ToldFile, ...] = ()
    remaining: Annotated[int, Field(ge=0)] = 0
    refused: Refusal | None = None
    until: UtcTime | None = None


@dataclass(frozen=True)
class Allowance:
    """How many more times a workspace may ask within the hour; `again` is when, where that is never."""

    remaining: int
    again: datetime | None = None


@dataclass(frozen=True)
class Attempts:
    """How often a workspace had files checked before submitting: in all, and within the last day."""

    total: int
    last_day: int


def allowance(asked: Sequence[datetime], per_hour: int, now: datetime) -> Allowance:
    """What is left of the hour's asks. Where the policy allows none at all, `again` is an hour from now."""
    recent = sorted(moment for moment in asked if moment > now - WINDOW)
    if len(recent) < per_hour:
        return Allowance(per_hour - len(recent))
    return Allowance(0, recent[len(recent) - per_hour] + WINDOW if per_hour else now + WINDOW)


def attempts(asked: Sequence[datetime], now: datetime) -> Attempts:
    """The count that checkers are shown."""
    return Attempts(len(asked), sum(moment > now - timedelta(days=1) for moment in asked))


def told(path: str, sha256: str, findings: Iterable[Finding]) -> ToldFile:
    """What is told of one file."""
    everything = list(findings)
    shown: list[ToldFinding] = []
    outlined: set[str] = set()
    open_ = []
    for finding in everything:
        audience = CATALOGUE[finding.check].audience_of(finding.case)
        if audience is Audience.everyone:
            open_.append(finding)
            shown.append(_whole(finding))
        elif audience is Audience.outline and finding.check not in outlined:
            outlined.add(finding.check)
            shown.append(_outline(finding))
    order = list(Severity)
    shown.sort(key=lambda item: order.index(item.severity))
    return ToldFile(
        path=path,
        sha256=sha256,
        findings=tuple(shown[:MOST_TOLD]),
        worst=shown[0].severity if shown else None,
        more=max(0, len(shown) - MOST_TOLD),
        fixes=tuple(OfferedFix(id=fix.id, title=fix.title) for fix in fixes_for(path, open_)),
    )


def _whole(finding: Finding) -> ToldFinding:
    return ToldFinding(
        check=finding.check,
        severity=finding.severity,
        message=finding.message,
        suggestion=finding.suggestion,
        locator=finding.locator,
    )


def _outline(finding: Finding) -> ToldFinding:
    """The rule, the letter that the policy gives it, and no more."""
    statement = CATALOGUE[finding.check].statement
    return ToldFinding(check=finding.check, severity=finding.severity, message=statement, suggestion=_OUTLINE)
