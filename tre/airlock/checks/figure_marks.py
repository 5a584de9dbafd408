"""S09: a figure of lines and shapes that draws one mark for each person.

Guarantees: marks of one shape, whatever their size and colour, are counted by the parsers (`formats.marks`), without
axis ticks and grids; as many as the policy's fewest, or its share of the people of the slice where that is more, and
never more than its most, make a finding with the number. Steps of a curve count like marks: a survival curve falls
once for each event. Source: of figures that research projects released, the median held 259 elements of all kinds.

Does not guarantee: knowing what a mark stands for. Daily counts over a year are 365 marks as well; whoever decides
reads the number and the figure. Figures of pixels are not counted.

Threat: a scatter plot whose points carry two exact values of every person.
"""

from __future__ import annotations

from tre.airlock.parsed import Observation, ParsedFile, Rules, Surroundings, bounded

_SUGGESTION = (
    "Draw groups (bins, densities, means) instead of single people, or give a picture of pixels and its table."
)


def limit_of(rules: Rules, people: int) -> int:
    """From how many marks of one shape on a figure is taken to draw people."""
    if not people:
        return rules.marks_most
    return max(rules.marks_fewest, min(rules.marks_most, people * rules.marks_percent // 100))


def observe(file: ParsedFile, around: Surroundings) -> list[Observation]:
    """Shapes that are drawn too often."""
    limit = limit_of(around.rules, around.people)
    found = [
        Observation(
            "S09",
            f"The figure draws {number} {shape}: {limit} or more may be one for each person.",
            _SUGGESTION,
            case="marks",
        )
        for shape, number in sorted(file.marks.items(), key=lambda item: -item[1])
        if number >= limit
    ]
    return bounded(found, "shapes")
