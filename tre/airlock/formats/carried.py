"""What a workbook carries beside its cells, as people are shown it: comments, caches, pictures, properties.

Guarantees: the texts and values of every such part of XML are shown and searched, pictures are judged by the strict
parser of their own type, and whatever is neither is said not to be shown: who grants an exception sees for what.

Does not guarantee: that they are shown in the look of the program that made them.

Threats: a pivot table's cache with all rows of people, of which a finding alone tells no more than that it is there.
"""

from __future__ import annotations

from tre.airlock.formats import embedded
from tre.airlock.formats.container import Member
from tre.airlock.formats.office import what_of
from tre.airlock.formats.text import passages_of
from tre.airlock.formats.workbook import Workbook
from tre.airlock.formats.xmlparts import Reader, Remarks, read_part
from tre.airlock.parsed import INVISIBLE, Bounds, Card, ParsedFile, Place

_ROWS = frozenset({"r", "comment", "threadedComment", "p", "ser", "property", "person", "pt"})
_VALUES = frozenset({"v", "val", "name", "displayName", "author", "text", "descr", "title", "connection", "command"})
_MOST_CHARACTERS = 1_000_000
_PICTURES = {"png": "image/png", "jpg": "image/jpeg", "jpeg": "image/jpeg"}


def show_carried(book: Workbook, parsed: ParsedFile, bounds: Bounds) -> None:
    """Cards and passages of what `formats.office` names."""
    for name, member in book.parts.items():
        found = what_of(name)
        if found is None:
            continue
        ending = name.rpartition(".")[2].lower()
        if name.startswith("xl/media/") and ending in _PICTURES:
            embedded.take_bytes(parsed, _PICTURES[ending], member.data, bounds, Place())
        elif ending == "xml":
            _show_texts(parsed, member, found[1])
        else:
            embedded.not_shown(parsed, name[:80], member.data, Place())


def _show_texts(parsed: ParsedFile, member: Member, what: str) -> None:
    text = INVISIBLE.sub("\N{REPLACEMENT CHARACTER}", _texts(member))
    if not text:
        return
    if len(text) > _MOST_CHARACTERS:
        parsed.lossy = "; ".join(filter(None, [parsed.lossy, f"Not shown: the end of {member.name}"]))
    parsed.cards.append(Card("text", f"{what[:100]} ({member.name})", text[:_MOST_CHARACTERS]))
    parsed.passages += passages_of(text, "metadata")


def _texts(member: Member) -> str:
    """Every text of a part, and the values in its attributes; one line for each row, comment or point."""
    lines: list[list[str]] = [[]]

    def opened(element: str, attributes: dict[str, str]) -> None:
        if element in _ROWS and lines[-1]:
            lines.append([])
        lines[-1].extend(value for name, value in attributes.items() if name in _VALUES and value)

    def closed(_element: str, text: str) -> None:
        if text.strip():
            lines[-1].append(text.strip())

    read_part(member, Reader(opened, closed, None), Remarks())
    return "\n".join("\t".join(line) for line in lines if line)
