"""Settings of what projects cost."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from tre.domain.costs.prices import Prices
from tre.domain.model import Record


class CostSettings(Record):
    """How often use is measured, and what it costs."""

    sample_seconds: Annotated[int, Field(ge=10, le=3600)] = 300
    """How often what runs is read; at its end each run is read once more. A run whose end nobody could report is
    counted until it was read last, so this is also the most that is lost then."""

    storage_minutes: Annotated[int, Field(ge=10, le=7 * 24 * 60)] = 360
    """How often it is measured what projects keep on disk. Between two measurements the first of them counts."""

    prices: Prices | None = None
    """What each unit costs. Default: no prices, since nobody but the operator knows them; then units are shown alone,
    and a budget of money limits nothing."""
