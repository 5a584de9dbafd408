"""When a letter goes out, when it is tried again, and when it is given up.

Guarantees: what cannot be switched off goes at once, whatever somebody wants; pauses grow and are bounded; only a
recipient whom the mail server refuses for good, again and again over more than a day, is given up. A mail server that
is away never makes a letter be given up, however long it is.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from tre.domain.letters.models import Draft, Pace

FIRST_PAUSE, LONGEST_PAUSE = timedelta(minutes=1), timedelta(hours=6)
FIRST_REFUSED = timedelta(hours=1)
REFUSALS = 8
"""How often a recipient is refused for good before a letter is given up: over some 31 hours."""
FIRST_SERVER_PAUSE, LONGEST_SERVER_PAUSE = timedelta(seconds=30), timedelta(minutes=15)
_DOUBLINGS = 12


def goes_out(draft: Draft, pace: Pace, now: datetime, digest_hour: int) -> datetime | None:
    """When this is due for somebody who wants letters so; `None` where they want none of this."""
    if draft.always or pace is Pace.at_once or (draft.acts and pace is Pace.action_only):
        return now
    return next_digest(now, digest_hour) if pace is Pace.daily else None


def is_together(draft: Draft, pace: Pace) -> bool:
    """Whether it goes out in the one message of the day."""
    return pace is Pace.daily and not draft.always


def next_digest(now: datetime, hour: int) -> datetime:
    """The next moment, in UTC, at which a day's letters go out together."""
    today = now.replace(hour=hour, minute=0, second=0, microsecond=0)
    return today if today > now else today + timedelta(days=1)


def pause_after(attempts: int) -> timedelta:
    """How long to wait after so many attempts in vain."""
    return _grown(FIRST_PAUSE, LONGEST_PAUSE, attempts)


def pause_after_refusal(refusals: int) -> timedelta:
    """How long to wait after a recipient was refused for good so many times."""
    return _grown(FIRST_REFUSED, LONGEST_PAUSE, refusals)


def server_pause(failures: int) -> timedelta:
    """How long a mail server that was away so many times in a row is left alone."""
    return _grown(FIRST_SERVER_PAUSE, LONGEST_SERVER_PAUSE, failures)


def is_given_up(refusals: int) -> bool:
    """Whether a letter is given up after so many refusals of its recipient."""
    return refusals >= REFUSALS


def _grown(first: timedelta, longest: timedelta, times: int) -> timedelta:
    return min(longest, first * 2.0 ** min(max(times, 1) - 1, _DOUBLINGS))
