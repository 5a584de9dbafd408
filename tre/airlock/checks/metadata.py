"""F08: text and times that a file carries beside its content. Each checker must acknowledge them.

Guarantees: what the strict parser let through but nobody sees in a picture is put into words.
"""

from __future__ import annotations

from tre.airlock.parsed import Counts, Observation, ParsedFile


def observe(file: ParsedFile, counts: Counts) -> list[Observation]:  # noqa: ARG001 - one shape for all checks
    """The parser's remarks."""
    return list(file.remarks)
