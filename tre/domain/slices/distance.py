"""How differently two groups of people are made up.

Guarantees: the Jensen-Shannon distance (square root of the divergence, logarithm to base 2) in whole thousandths: 0 for
equal shares, 1000 for no category in common, the same whichever group comes first.

Source: the measure by which MIDRC compares its collection with a population, over time.
"""

from __future__ import annotations

import math
from collections.abc import Sequence


def distance(one: Sequence[int], other: Sequence[int]) -> int:
    """The distance of two lists of counts, category by category, times 1000; 1000 where one of them is empty."""
    if not sum(one) or not sum(other):
        return 1000
    divergence = 0.0
    for a, b in zip(one, other, strict=True):
        p, q = a / sum(one), b / sum(other)
        middle = (p + q) / 2
        divergence += sum(x * math.log2(x / middle) / 2 for x in (p, q) if x)
    return min(1000, round(1000 * math.sqrt(max(0.0, divergence))))
