"""Asking for a preview of a plan: the order, how many one person gets, and when there is another.

Guarantees: within any hour nobody gets more previews than the dataset's disclosure policy says; whoever is refused is
told the moment from which it is possible again, and being refused does not put that moment off where nothing was
recorded of the attempt.

Does not guarantee: that two people do not compare what they see.

Threat: somebody who asks for a slice with and without one day, one trust, one year of age, and subtracts.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Annotated

from pydantic import Field

from tre.domain.errors import Reason, TREError, passes
from tre.domain.model import Line, Record
from tre.domain.names import hub_user_name
from tre.domain.people import Subject
from tre.domain.slices.spec import SliceSpec

PROGRAM, KIND = "storekeeper", "slice.preview"
"""Who takes these jobs, and their kind. Their subject is who asks (`asker_of`), so that the record counts them."""

WINDOW = timedelta(hours=1)


class PreviewRequest(Record):
    """Who wants to see what a specification would give. `asker` is the subject of the job, too."""

    asker: Annotated[Line, Field(min_length=1, max_length=200)]
    spec: SliceSpec


def asker_of(subject: Subject) -> str:
    """A person as the jobs name them: short whatever the provider calls them, and nobody else's by its hash."""
    return hub_user_name(subject.issuer, subject.id)


def check_rate(asked: Sequence[datetime], most: int, now: datetime) -> None:
    """Whether there is another preview for a person who asked for some at these moments, of `most` in an hour.

    Raises `TREError(RateLimited)` with the moment from which there is.
    """
    recent = sorted(moment for moment in asked if moment > now - WINDOW)
    if len(recent) < most:
        return
    again = recent[-most] + WINDOW
    raise TREError(
        Reason.RateLimited,
        f"You have asked for {most} previews within an hour, and more are not given.",
        why="Many previews that differ a little give small numbers away.",
        remedy=f"It is possible again from {again:%H:%M:%S} UTC on ({again:%d %B}); a data manager can plan it now.",
    )


can_preview = passes(check_rate)
