"""M03: a model without the report of an attack on it; coefficients without either that or their degrees of freedom.

Guarantees: every model of the request is pointed out unless SACRO-ML's report, or for coefficients the residual degrees
of freedom (in ACRO's record, in another JSON file, or in a table that says so), stand in its group; where files have no
group, in its directory or below.

Does not guarantee: that report and model belong together, or that an attack which failed proves anything.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath

from tre.airlock.across import Member, Remark
from tre.airlock.across.sacroml import read_report
from tre.airlock.parsed import Observation, Surroundings

MODELS = frozenset({"safetensors", "onnx"})
COEFFICIENTS = frozenset({"coefficients"})
_DEGREES = re.compile(
    r"dof|df|df_?resid\w{0,5}|resid\w{0,5}_?(?:df|dof)|degrees?_of_freedom|residual_degrees\w{0,12}", re.IGNORECASE
)
_MOST_VALUES = 50_000


def observe(members: Sequence[Member], around: Surroundings) -> Iterator[Remark]:  # noqa: ARG001 - one shape for all
    """Models that come without evidence."""
    ours = [member for member in members if member.origin == "request"]
    for place, member in enumerate(members):
        if member.origin != "request" or member.extract.type not in MODELS | COEFFICIENTS:
            continue
        beside = [other for other in ours if other is not member and _belongs(other, member)]
        if any(read_report(other.extract.value) for other in beside):
            continue
        if member.extract.type in COEFFICIENTS:
            if any(_says_degrees(other) for other in [*beside, member]):
                continue
            message = "The coefficients come without residual degrees of freedom and without the report of an attack."
        else:
            message = "The model comes without the report of an attack on it."
        advice = (
            "Run SACRO-ML's attacks in the workspace and add report.json to the same group as a supporting file; say "
            "which learner it is, from how many people, and its degrees of freedom."
        )
        yield Remark(place, Observation("M03", message, advice))


def _belongs(other: Member, model: Member) -> bool:
    if model.group or other.group:
        return other.group == model.group
    folder = PurePosixPath(model.path).parent
    return folder == PurePosixPath(other.path).parent or folder in PurePosixPath(other.path).parents


def _says_degrees(member: Member) -> bool:
    if any(_DEGREES.fullmatch(title.strip()) for table in member.extract.tables for title in table.header):
        return True
    rows = (row for table in member.extract.tables for row in table.rows)
    if any(row and _DEGREES.fullmatch(re.sub(r"\W+", "_", row[0].strip())) for row in rows):
        return True
    waiting = [member.extract.value]
    seen = 0
    while waiting and seen < _MOST_VALUES:
        seen += 1
        value = waiting.pop()
        if isinstance(value, dict):
            if any(_DEGREES.fullmatch(str(key)) for key in value):
                return True
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value
    return False
