"""Which transformations are offered for which findings, as data: "fix it for me".

Guarantees: a fix is offered only for a file whose ending it works on, and only where one of the file's findings
suggests it; its numbers come from the policy in force, so that what it makes is judged by the rule it was made for; a
number that an author chooses instead stays within the fix's own bounds. A fix gives new files: what it was made of
stays as it is, with its own SHA-256, and is shown or taken back as its author says.

Does not guarantee: that the new file passes. It is checked, and reviewed, like any other.

Threat: a file changed in place after somebody decided on it; a number chosen so that the fix changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Annotated

from pydantic import Field

from tre.domain.errors import Reason, TREError
from tre.domain.exports.catalogue import key_of
from tre.domain.exports.models import FilePath, Finding, Sha256
from tre.domain.exports.rules import AirlockPolicy
from tre.domain.model import Line, Record


@dataclass(frozen=True)
class Number:
    """A whole number that a fix is told: what it means, and its bounds."""

    title: str
    least: int
    most: int


_THRESHOLD = Number("threshold", 1, 1000)


@dataclass(frozen=True)
class Fix:
    """One transformation: what it does in one sentence, for which endings, and which findings suggest it.

    `version` grows whenever the same file would give other bytes.
    """

    id: str
    title: str
    statement: str
    endings: tuple[str, ...]
    checks: frozenset[str]
    numbers: Mapping[str, Number] = field(default_factory=dict)
    version: int = 1

    def works_on(self, path: str) -> bool:
        """Whether the file's ending is one of the fix's."""
        return path.lower().endswith(self.endings)


_TABLES = (".csv", ".tsv")

FIXES = (
    Fix(
        "round-counts",
        "Round the counts",
        "Hides counts below the threshold and rounds the others to the nearest multiple, each by itself",
        _TABLES,
        frozenset({"S01", "S02"}),
        {"base": Number("multiples of", 2, 100), "threshold": _THRESHOLD},
    ),
    Fix(
        "midpoint-counts",
        "Show midpoints instead of counts",
        "Shows, for each count, the middle of the group of numbers that it lies in; hides what is below the threshold",
        _TABLES,
        frozenset({"S01", "S02"}),
        {"base": Number("groups of", 2, 100), "threshold": _THRESHOLD},
    ),
    Fix(
        "suppress-counts",
        "Hide small counts",
        "Hides counts below the threshold, and as many others as are needed so that the totals do not give them away",
        _TABLES,
        frozenset({"S01", "S03"}),
        {"threshold": _THRESHOLD, "width": Number("a range of at least", 1, 1000)},
    ),
    Fix(
        "strip-metadata",
        "Strip the metadata",
        "Keeps the picture and removes texts, times and everything else that the file carries beside it",
        (".png", ".jpg", ".jpeg"),
        frozenset({"F03", "F06", "F07", "F08"}),
    ),
    Fix(
        "code-only",
        "Keep the code only",
        "Keeps the notebook's cells and removes their outputs, attachments and metadata",
        (".ipynb",),
        frozenset({"F06", "F07", "F08", "F09"}),
    ),
    Fix(
        "sheets-to-csv",
        "One CSV for each visible sheet",
        "Writes each visible sheet's values as a table; hidden sheets, formulas, comments and formats are left behind",
        (".xlsx",),
        frozenset({"F02", "F06", "F07", "F08"}),
    ),
    Fix(
        "svg-to-pixels",
        "Drawing as a picture",
        "Draws what shows as a picture; titles, scripts, hidden parts and exact coordinates are left behind",
        (".svg",),
        frozenset({"F02", "F03", "F06", "F07", "F08", "S09.marks"}),
    ),
    Fix(
        "pdf-to-pixels",
        "Pages as pictures",
        "Draws each page as a picture; what does not show on the page is left behind",
        (".pdf",),
        frozenset({"F02", "F03", "F06", "F07", "F08"}),
    ),
)
"""Every fix, in the order in which they are offered."""

BY_ID = {fix.id: fix for fix in FIXES}


class Provenance(Record):
    """From what a file was made, by which transformation, and with which numbers."""

    transformation: Line
    version: Annotated[int, Field(ge=1)]
    parameters: dict[str, int]
    from_sha256: Sha256
    to_sha256: Sha256


class Made(Record):
    """A file that a fix made, already in the vault."""

    path: FilePath
    sha256: Sha256
    size: Annotated[int, Field(ge=0)]
    type: Line


def fixes_for(path: str, findings: Iterable[Finding]) -> tuple[Fix, ...]:
    """The fixes that the findings of a file suggest."""
    found = {key for finding in findings for key in (finding.check, key_of(finding.check, finding.case))}
    return tuple(fix for fix in FIXES if fix.works_on(path) and fix.checks & found)


def check_suggested(fix: str, path: str, findings: Iterable[Finding]) -> Fix:
    """The fix of this id, if it is offered for the file. Raises `TREError(BadInput)`."""
    offered = fixes_for(path, findings)
    for one in offered:
        if one.id == fix:
            return one
    raise TREError(
        Reason.BadInput,
        "This fix is not offered for this file.",
        why="No finding of its last check suggests it.",
        remedy=f"Offered are {', '.join(one.id for one in offered)}." if offered else "",
    )


def columns_of(findings: Iterable[Finding]) -> tuple[int, ...]:
    """The columns, from 0, in which findings about counts point: what was found is what gets fixed."""
    about = {"S01", "S02", "S03"}
    return tuple(sorted({f.locator.column - 1 for f in findings if f.check in about and f.locator.column}))


def numbers_for(fix: Fix, policy: AirlockPolicy, chosen: Mapping[str, int] | None = None) -> dict[str, int]:
    """The numbers that a fix is told: the policy's, or those chosen, each within its bounds.

    A threshold is never below the policy's. Raises `TREError(BadInput)`.
    """
    spec = policy.spec
    base = spec.rounding.base if spec.rounding.method == _METHODS.get(fix.id) else _BASES.get(fix.id, 0)
    rules = {"base": base, "threshold": spec.counts.threshold, "width": spec.suppression.recoverable_width}
    told = {name: rules[name] for name in fix.numbers}
    for name, value in (chosen or {}).items():
        bounds = fix.numbers.get(name)
        least = max(bounds.least, rules[name] if name != "base" else 0) if bounds else 0
        if bounds is None or not least <= value <= bounds.most:
            said = f"It lies between {least} and {bounds.most}." if bounds else "The fix is not told such a number."
            raise TREError(Reason.BadInput, f"{name} cannot be {value}.", why=said)
        told[name] = value
    return told


_METHODS = {"round-counts": "nearest", "midpoint-counts": "midpoint"}
_BASES = {"round-counts": 5, "midpoint-counts": 6}
"""Where the policy does not say: multiples of 5 (NHS England SDE, OpenSAFELY), groups of 6 (OpenSAFELY)."""
