"""Retiring a dataset or one of its releases: nothing new is given from it, what was approved goes on.

Guarantees: a retirement is final and carries who, when and why; whoever plans or approves afterwards is told so, and
told the reason.

Does not guarantee: that anything is deleted. Files that only retired releases name, and that no open grant can still
ask for, become left-over files of the store: `tre dataset sweep` counts and deletes those.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

from pydantic import Field

from tre.domain.errors import Reason, TREError
from tre.domain.model import Line, Record, UtcTime
from tre.domain.people import Subject
from tre.domain.slices.spec import ReleaseName, ResourceName


class Retirement(Record):
    """A dataset, or one release of it, that nothing new is given from."""

    dataset: ResourceName
    release: ReleaseName | None = None
    """`None`: the dataset with all its releases."""

    reason: Annotated[Line, Field(min_length=1, max_length=1000)]
    by: Subject
    at: UtcTime

    @property
    def what(self) -> str:
        """What is retired, as a sentence begins."""
        return f"The dataset {self.dataset!r}" if self.release is None else f"Release {self.release!r}"

    def covers(self, release: str | None) -> bool:
        """Whether a release, or with `None` a further one, is retired by this."""
        return self.release is None or self.release == release


def check_offered(found: Iterable[Retirement], release: str | None) -> None:
    """Raise `TREError(DatasetRetired)` where a release, or with `None` the whole dataset, is retired.

    `found` are the retirements of its dataset.
    """
    for one in found:
        if one.covers(release):
            raise TREError(
                Reason.DatasetRetired,
                f"{one.what} was retired on {one.at:%Y-%m-%d}.",
                why=one.reason,
                remedy="What was approved before goes on. For something new, name another release: `tre dataset list`.",
            )
