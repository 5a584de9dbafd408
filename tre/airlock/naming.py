"""Which names a file may have on its way out.

Guarantees: a name that passes is a plain relative path that means the same to every program and every recipient's
system: no dot segments, no hidden parts, no control or turning characters, one Unicode spelling, nothing that
Windows or a shell reads as something else.

Threats: `../` in an archive, names that show other letters than they hold, `report.csv` beside `REPORT.CSV`.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable

from tre.airlock.parsed import INVISIBLE

LONGEST_PART = 200
LONGEST_NAME = 1000
DEEPEST = 16
_RESERVED = re.compile(r'[<>:"|?*\\]')
_DEVICES = re.compile(r"(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\..*)?", re.IGNORECASE)


def problem_of(name: str) -> str:
    """What is wrong with a name, as a sentence without the name; empty where nothing is."""
    whole = next((sentence for sentence, wrong in _WHOLE_NAME if wrong(name)), "")
    if whole:
        return whole
    return next((found for part in name.split("/") if (found := _problem_of_part(part))), "")


_WHOLE_NAME: tuple[tuple[str, Callable[[str], bool]], ...] = (
    (
        "The name is empty or too long.",
        lambda name: not name or len(name.encode("utf-8", "replace")) > LONGEST_NAME,
    ),
    (
        "The name holds characters that nobody can see.",
        lambda name: bool(INVISIBLE.search(name)) or any(unicodedata.category(c)[0] == "C" for c in name),
    ),
    (
        "The name is not in the composed Unicode spelling (NFC).",
        lambda name: unicodedata.normalize("NFC", name) != name,
    ),
    (
        'The name holds one of < > : " | ? * or a backslash.',
        lambda name: bool(_RESERVED.search(name)),
    ),
    ("The file lies too deep.", lambda name: name.count("/") >= DEEPEST),
)


def _problem_of_part(part: str) -> str:
    if part in {"", ".", ".."}:
        return "The path holds an empty part or a dot segment."
    if part.startswith("."):
        return "The path holds a hidden part, beginning with a dot."
    if part != part.strip() or part.endswith("."):
        return "A part of the path begins or ends with a blank, or ends with a dot."
    if len(part.encode()) > LONGEST_PART:
        return "A part of the path is too long."
    if _DEVICES.fullmatch(part):
        return "A part of the path is the name of a device on Windows."
    return ""


def colliding(names: Iterable[str]) -> set[str]:
    """Names that some recipients' systems cannot tell apart (they differ in case only), or that stand twice."""
    listed = list(names)
    folded = Counter(name.casefold() for name in listed)
    return {name for name in listed if folded[name.casefold()] > 1}
