"""When a workspace in which nothing happens is stopped.

Guarantees: it is stopped only on the word of a gateway that looked a moment ago; where nobody looks, nothing is
stopped. Whoever still works is told before.

Does not guarantee: that a workspace which seems busy is. Everything inside belongs to its researcher, who may pretend:
that costs their project its budget and its place, and lets them see or do nothing more.
"""

from __future__ import annotations

from typing import NamedTuple

WARNING_SECONDS = 600.0
"""How long before its end a person is told: long enough to come back from a meeting's last item."""

FRESH_SECONDS = 120.0
"""How old a gateway's last word may be: four of its looks."""


class Quiet(NamedTuple):
    """For how many seconds nothing happened in a run, and since when a gateway looked; `None` where none ever did."""

    lasted: float
    looked: float | None

    @property
    def is_known(self) -> bool:
        """Whether somebody looks."""
        return self.looked is not None and self.looked <= FRESH_SECONDS


def is_outdated(began_with: str | None, current: str | None) -> bool:
    """Whether a run began with other programs than one that would begin now; unknown ones are not judged."""
    return began_with is not None and current is not None and began_with != current


def minutes_until_stopped(profile: int | None, renewal: int | None, *, outdated: bool) -> int | None:
    """For how long nothing may happen in a run: what its profile says, and where its programs are outdated what the
    renewal says, if that is less."""
    told = (profile, renewal if outdated else None)
    return min((minutes for minutes in told if minutes is not None), default=None)


def seconds_left(minutes: int, quiet: Quiet) -> float:
    """Until the run is stopped, should nothing happen; 0 where it is due."""
    return max(0.0, minutes * 60 - quiet.lasted)


def is_due(minutes: int, quiet: Quiet) -> bool:
    """Whether the run is stopped now."""
    return quiet.is_known and seconds_left(minutes, quiet) <= 0


def is_near(minutes: int, quiet: Quiet) -> bool:
    """Whether the person is told that it will be."""
    return quiet.is_known and seconds_left(minutes, quiet) <= WARNING_SECONDS
