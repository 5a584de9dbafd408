"""F06, F07, F08, F09: what a parser saw in a file beside its content, and files folded into its text.

Guarantees: what the strict parser let through but nobody sees, or what would run, load or unfold, is told; long runs
of Base64 or hexadecimal digits are told with what they unfold to, where that is known; of each check at most
`MAX_OBSERVATIONS` are listed one by one, the rest summed up, so that a thousand comments hide no macro.

Does not guarantee: that data written as words or numbers are recognised as a file.

Threats: a picture or a model that leaves as letters in a program, a log or a cell.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from dataclasses import replace

from tre.airlock.formats.signatures import content_of
from tre.airlock.parsed import Observation, ParsedFile, Place, Surroundings, bounded

_SHORTEST = 500
"""Characters without a break. The longest honest ones (digests, keys, addresses) have fewer than 200."""

_RUN = re.compile(rf"[A-Za-z0-9+/_-]{{{_SHORTEST},}}")
_LINES = re.compile(r"(?:^[A-Za-z0-9+/]{56,100}\r?\n){8,}", re.MULTILINE)
_FEWEST_DIFFERENT = 12
"""Kinds of characters in a run: sequences of nucleotides have 4, hexadecimal digits 16, Base64 about 64."""

_PEEK = 4096


def observe(file: ParsedFile, around: Surroundings) -> list[Observation]:  # noqa: ARG001 - one shape for all checks
    """The parser's remarks, and folded files."""
    found: dict[str, list[Observation]] = {}
    for remark in [*file.remarks, *_folded(file)]:
        found.setdefault(remark.check, []).append(remark)
    return [remark for check, remarks in found.items() for remark in bounded(remarks, f"findings of {check}")]


def _folded(file: ParsedFile) -> Iterator[Observation]:
    for passage in file.passages:
        if len(passage.text) >= _SHORTEST:
            yield from _in_text(passage.text, passage.place)
    for table in file.tables:
        for number, row in enumerate(table.rows):
            for column, cell in enumerate(row):
                if len(cell) >= _SHORTEST:
                    yield from _in_text(cell, table.at(number, column))


def _in_text(text: str, place: Place) -> Iterator[Observation]:
    for pattern in (_RUN, _LINES):
        for run in pattern.finditer(text):
            letters = "".join(run.group().split())
            if len(set(letters)) >= _FEWEST_DIFFERENT and any(letter.isdigit() for letter in letters):
                begun = None if place.row is None else place.row + text.count("\n", 0, run.start())
                yield _told(letters, replace(place, row=begun))


def _told(letters: str, place: Place) -> Observation:
    content = content_of(_unfolded(letters[:_PEEK]))
    what = f"; they unfold to {content.what}" if content is not None else ""
    message = f"{len(letters):,} characters look like a file folded into text{what}."
    return Observation("F07", message, "Submit it as a file by itself, or remove it.", place)


def _unfolded(letters: str) -> bytes:
    try:
        if re.fullmatch(r"[0-9a-fA-F]+", letters):
            return bytes.fromhex(letters[: len(letters) // 2 * 2])
        return base64.b64decode(letters[: len(letters) // 4 * 4], altchars=b"-_" if set("-_") & set(letters) else None)
    except (ValueError, binascii.Error):
        return b""
