"""Files without a strict parser: always refused, with words for what the bytes are and what to do instead.

Guarantees: nothing gets through. Where the bytes are an office document, what it holds beside its visible text is
named, so that whoever saved it learns what would have left.

Does not guarantee: a complete list of what such a document hides.
"""

from __future__ import annotations

from tre.airlock.formats import magics, office, signatures
from tre.airlock.parsed import Bounds, FileRefusedError, Observation, ParsedFile


def parse(kind: str, data: bytes, bounds: Bounds) -> ParsedFile:  # noqa: ARG001 - one shape for all parsers
    """Raises `FileRefusedError`, always."""
    found = signatures.content_of(data)
    if found is None:
        found = signatures.Content(_text_or_not(data), magics.TEXT if _is_text(data) else magics.UNCLEAR)
    also: list[Observation] = list(office.carried(data)) if data.startswith(b"PK\x03\x04") else []
    raise FileRefusedError(found.observation(), also)


def _is_text(data: bytes) -> bool:
    try:
        return bool(data) and "\0" not in data.decode("utf-8")
    except UnicodeDecodeError:
        return False


def _text_or_not(data: bytes) -> str:
    if not data:
        return "none: the file is empty"
    return "plain text" if _is_text(data) else "of a kind that is not known"
