"""What the public reads of one slice: how many, what is told of them, who is represented and who is missing.

Guarantees: it is made from the shown form of a plan, in which small numbers are hidden already; it holds no digest,
no list, no k-report; hospitals are in it only where the dataset publishes them.

Does not guarantee: that the slice is used. That is what a project's page says.
"""

from __future__ import annotations

from typing import Any

from tre.domain.model import Line, Record
from tre.domain.slices.plan import SlicePlan
from tre.domain.slices.shown import Shown, SmallNumbers, as_shown

SITE = "site"
"""The dimension that says which hospitals."""


class PublicShare(Record):
    """Of 1,000 people, how many are of one category: here, in the whole dataset, in the reference population."""

    category: Line
    here: Shown | None = None
    dataset: Shown | None = None
    population: int | None = None
    fewer: bool = False


class PublicDimension(Record):
    """One way to divide people."""

    name: Line
    shares: tuple[PublicShare, ...]


class PublicSlice(Record):
    """One slice as the public reads of it; `small` is the number below which counts are hidden."""

    people: Shown
    studies: Shown
    images: Shown
    columns: tuple[Line, ...]
    opted_out: Shown
    population: Line | None = None
    dimensions: tuple[PublicDimension, ...]
    small: int

    def dimension(self, name: str) -> PublicDimension | None:
        """How people are divided in one way."""
        return next((one for one in self.dimensions if one.name == name), None)


def public_slice(plan: SlicePlan, rule: SmallNumbers, *, sites: bool) -> PublicSlice:
    """What the public reads of a plan; `sites` says whether the dataset publishes its hospitals."""
    shown = as_shown(plan, rule)
    return PublicSlice(
        people=shown["patients"],
        studies=shown["studies"],
        images=shown["instances"],
        columns=tuple(entry["column"] for entry in shown["dictionary"]),
        opted_out=shown["optOuts"]["patients"],
        population=shown["population"],
        dimensions=tuple(_dimension(one) for one in shown["representativeness"] if sites or one["name"] != SITE),
        small=rule.suppress_below,
    )


def _dimension(one: dict[str, Any]) -> PublicDimension:
    return PublicDimension(name=one["name"], shares=tuple(_share(share) for share in one["shares"]))


def _share(share: dict[str, Any]) -> PublicShare:
    return PublicShare(
        category=share["category"],
        here=share["slicePermille"],
        dataset=share["datasetPermille"],
        population=share["referencePermille"],
        fewer=share["underRepresented"],
    )
