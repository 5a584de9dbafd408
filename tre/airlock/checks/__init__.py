"""The checks that look into a parsed file: small modules behind one registry. Standard library only.

Guarantees: every check runs on every file; each has a version that is recorded with its findings. A check that fails
makes the whole file fail (F05): a missing answer is never taken for a clean one.

A new check is a module with `observe(file, counts)` and one line in `CHECKS`; its severity comes from the policy.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tre.airlock.checks import formula_cells, metadata, small_counts
from tre.airlock.parsed import Counts, Observation, ParsedFile


@dataclass(frozen=True)
class Check:
    """One check: its place in the catalogue, the version of its rule, and what runs it."""

    id: str
    version: int
    observe: Callable[[ParsedFile, Counts], list[Observation]]


CHECKS = (
    Check("F08", 1, metadata.observe),
    Check("F10", 1, formula_cells.observe),
    Check("S01", 1, small_counts.observe),
)

VERSIONS = {"F01": 1, "F02": 1, "F03": 1, "F05": 1} | {check.id: check.version for check in CHECKS}
"""The version of every check's rule: the first four are the intake's, the parsers' and the confinement's."""


def run_all(file: ParsedFile, counts: Counts) -> list[Observation]:
    """What every check says of a file."""
    return [observation for check in CHECKS for observation in check.observe(file, counts)]
