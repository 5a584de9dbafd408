"""What a policy says of content: counts, rounding, dominance, models, suppression, records of the slice, images.

Guarantees: every threshold has a default whose source is named, and bounds beyond which it would switch its check off
by mistake.

Does not guarantee: that a threshold fits a site's data. Risk appetites differ; a policy says what a site decided.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from tre.domain.model import Record


class CountRules(Record):
    """Small counts: the fewest people a shown number may stand for. 10: the default of ACRO and the ONS family."""

    threshold: Annotated[int, Field(ge=1, le=1000)] = 10
    zeros: Literal["disclosive", "allowed"] = "disclosive"


class RoundingRules(Record):
    """How counts are rounded: not at all, to the nearest multiple of `base`, or to the midpoint of `base` numbers.

    Base 5, to the nearest: NHS England SDE and OpenSAFELY; base 6, to the midpoint: OpenSAFELY ("midpoint 6").
    """

    method: Literal["none", "nearest", "midpoint"] = "none"
    base: Annotated[int, Field(ge=2, le=1000)] = 5


class DominanceRules(Record):
    """Totals that few make up: the (n, k) rule and the p-ratio. ACRO's defaults: n = 2, k = 90 %, ratio 10 %."""

    contributors: Annotated[int, Field(ge=1, le=10)] = 2
    share_percent: Annotated[int, Field(ge=1, le=100)] = 90
    ratio_percent: Annotated[int, Field(ge=0, le=100)] = 10


class ModelRules(Record):
    """Fewest residual degrees of freedom of a model. 10: ACRO's `safe_dof_threshold` and the ONS family."""

    residual_degrees: Annotated[int, Field(ge=1, le=1000)] = 10


class SuppressionRules(Record):
    """How narrowly others may bound a suppressed cell: a bound narrower than `recoverable_width` is a recovery."""

    recoverable_width: Annotated[int, Field(ge=1, le=1000)] = 5


class RecordRules(Record):
    """When rows of an output count as records of the slice.

    A row is linked when one record explains `linked_values` of its rare values; a file, when `linked_rows` of its
    rows are linked or `linked_percent` of them. Measured on a table of 918 patients: 3 of 3 leaks found, none of
    31,325 unrelated rows.
    """

    linked_values: Annotated[int, Field(ge=2, le=20)] = 3
    linked_rows: Annotated[int, Field(ge=1, le=1000)] = 3
    linked_percent: Annotated[int, Field(ge=1, le=100)] = 1


class ImageRules(Record):
    """When two pictures are one: at most `distance` of 256 bits of their perceptual hashes apart.

    60: copies, windows and overlays stayed below 37, other patients above 95. `grey_levels`: from how many a picture
    may be a radiograph.
    """

    distance: Annotated[int, Field(ge=0, le=128)] = 60
    grey_levels: Annotated[int, Field(ge=2, le=256)] = 64


class FigureRules(Record):
    """From how many marks of one shape a figure draws people: a share of the people of the slice, within two bounds.

    200 where the number of people is unknown. The bounds are the launcher's own: a line of twenty points stays below,
    a scatter plot of a few hundred people does not.
    """

    fewest_marks: Annotated[int, Field(ge=2, le=100_000)] = 50
    share_percent: Annotated[int, Field(ge=1, le=100)] = 10
    most_marks: Annotated[int, Field(ge=2, le=100_000)] = 200


class PreflightRules(Record):
    """How often a workspace may have files checked before anything is submitted.

    `per_hour`: enough for work on a table, too few to find out by trying what the checks know of the slice.
    """

    per_hour: Annotated[int, Field(ge=0, le=10_000)] = 20
