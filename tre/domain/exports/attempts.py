"""How often a project has its files checked, and when that looks like asking about the data instead.

Guarantees: within any 24 hours a project has no more runs than its policy says; who is refused is told why and when
it goes on.

Does not guarantee: that fewer attempts are honest ones. Checkers are shown how many there were, and in how many
identifiers or records of the mounted data were found.

Threat: an author who changes a file little by little until no check finds the record in it.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from tre.domain.errors import Reason, TREError
from tre.domain.exports.models import CheckRun
from tre.domain.exports.rules import AirlockPolicy
from tre.domain.model import Record, UtcTime

DAY = timedelta(days=1)
WEEK = timedelta(days=7)
TELLING = frozenset({"P01", "P02"})
"""Checks that compare with the mounted data: what an attempt that probes would meet."""


class Attempt(Record):
    """One run of the checks of a project; `met` where it found identifiers or records of the mounted data."""

    at: UtcTime
    met: bool = False


class Attempts(Record):
    """A project's runs within a week."""

    runs: int
    met: int


def meets(run: CheckRun) -> bool:
    """Whether a run found identifiers or records of the mounted data."""
    return any(finding.check in TELLING for finding in run.findings)


def of_a_week(attempts: Iterable[Attempt], now: datetime) -> Attempts:
    """How many runs there were within the last seven days, and how many met the mounted data."""
    recent = [attempt for attempt in attempts if now - WEEK < attempt.at]
    return Attempts(runs=len(recent), met=sum(attempt.met for attempt in recent))


def check_attempt(attempts: Iterable[Attempt], policy: AirlockPolicy, now: datetime) -> None:
    """Raise `TREError(RateLimited)` where the project has had its runs of a day, with when it goes on."""
    most = policy.spec.review.attempts_per_day
    recent = sorted(attempt.at for attempt in attempts if now - DAY < attempt.at)
    if len(recent) >= most:
        again = recent[-most] + DAY
        raise TREError(
            Reason.RateLimited,
            f"The checks of this project ran {len(recent)} times within a day.",
            why=f"Its policy allows {most}: results are made first and then checked, not found by trying.",
            remedy=f"It goes on at {again:%Y-%m-%d %H:%M} UTC. Ask the checkers where that cannot wait.",
        )
