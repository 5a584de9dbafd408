"""XML parts of a document, read strictly by expat: no document type, no entities, no instructions. Standard library.

Guarantees: UTF-8; depth is bounded; anything that could load or unfold (a document type, an entity) refuses the file;
text stands only where the reader of the part expects it, and comments, foreign vocabularies and very long attributes
are put into words, since nobody sees them.

Does not guarantee: that every attribute means something to a reader.

Threats: entities that unfold a billion times or read files, text in places that no program shows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NoReturn
from xml.parsers import expat

from tre.airlock.formats.container import Member
from tre.airlock.parsed import FileRefusedError, Observation, Place, quoted

_DEPTH = 64
_LONGEST_ATTRIBUTE = 255
_KNOWN = (
    "http://schemas.openxmlformats.org/",
    "http://purl.oclc.org/ooxml/",
    "http://schemas.microsoft.com/office/",
    "http://schemas.libreoffice.org/",
    "http://purl.org/dc/",
    "http://www.w3.org/2001/XMLSchema-instance",
    "http://www.w3.org/XML/1998/namespace",
)
_REMEDY = "Save the values into a new file."

Open = Callable[[str, dict[str, str]], None]
Close = Callable[[str, str], None]


@dataclass
class Remarks:
    """Findings without repetition: one for each message, with the first place of it."""

    held: dict[tuple[str, str], Observation] = field(default_factory=dict)

    def add(self, check: str, message: str, place: Place = Place(), remedy: str = _REMEDY) -> None:  # noqa: B008 - frozen
        """Put something into words, once."""
        self.held.setdefault((check, message), Observation(check, message, remedy, place))

    @property
    def all(self) -> list[Observation]:
        """Everything that was added, in order."""
        return list(self.held.values())


@dataclass(frozen=True)
class Reader:
    """What is expected of a part: elements whose text counts (`None`: all), and, unless empty, all that are known."""

    opened: Open
    closed: Close
    leaves: frozenset[str] | None
    known: frozenset[str] = frozenset()


class _Walk:
    def __init__(self, member: Member, reader: Reader, remarks: Remarks, place: Place) -> None:
        self.name, self.reader, self.remarks, self.place = member.name, reader, remarks, place
        self.path: list[str] = []
        self.text: list[str] = []

    def opened(self, name: str, attributes: dict[str, str]) -> None:
        local = name.rpartition(" ")[2]
        self.path.append(local)
        self.text.clear()
        if len(self.path) > _DEPTH:
            raise FileRefusedError(Observation("F05", "A part of the document is nested too deeply.", _REMEDY))
        if self.reader.known and local not in self.reader.known:
            self.remark(f"The document holds a part {quoted(local)} that is not shown.")
        plain = {}
        for key, value in attributes.items():
            if len(value) > _LONGEST_ATTRIBUTE:
                self.remark(f"The document holds a very long property: {quoted(value)}.")
            plain[key.rpartition(" ")[2]] = value
        self.reader.opened(local, plain)

    def closed(self, _name: str) -> None:
        local = self.path.pop()
        text = "".join(self.text)
        self.text.clear()
        if self.reader.leaves is not None and local not in self.reader.leaves and text.strip():
            self.remark(f"Text stands where nobody sees it: {quoted(text.strip())}.")
        self.reader.closed(local, text)

    def characters(self, text: str) -> None:
        self.text.append(text)

    def namespace(self, _prefix: str | None, address: str) -> None:
        if address and (not address.startswith(_KNOWN) or len(address) > _LONGEST_ATTRIBUTE):
            self.remark(f"The document holds markup of another kind: {quoted(address)}.")

    def comment(self, text: str) -> None:
        self.remark(f"A part of the document holds a comment in its markup: {quoted(text.strip())}.")

    def remark(self, message: str) -> None:
        self.remarks.add("F07", message, self.place)


def read_part(member: Member, reader: Reader, remarks: Remarks, place: Place = Place()) -> None:  # noqa: B008 - frozen
    """Walk through one part. Raises `FileRefusedError`."""
    walk = _Walk(member, reader, remarks, place)
    parser = expat.ParserCreate("utf-8", namespace_separator=" ")
    parser.buffer_text = True
    parser.StartElementHandler = walk.opened
    parser.EndElementHandler = walk.closed
    parser.CharacterDataHandler = walk.characters
    parser.StartNamespaceDeclHandler = walk.namespace
    parser.CommentHandler = walk.comment
    parser.XmlDeclHandler = _declaration
    parser.StartDoctypeDeclHandler = _document_type
    parser.EntityDeclHandler = _document_type
    parser.ExternalEntityRefHandler = _document_type
    parser.ProcessingInstructionHandler = _instruction
    try:
        parser.Parse(member.data, True)
    except expat.ExpatError as error:
        observation = Observation("F02", f"The part {quoted(member.name)} is not well-formed XML.", _REMEDY)
        raise FileRefusedError(observation) from error


def words_of(text: str) -> frozenset[str]:
    """The words of a text as a set: how lists of names are written down."""
    return frozenset(text.split())


def _declaration(_version: str, encoding: str | None, _standalone: int) -> None:
    if encoding is not None and encoding.lower() not in {"utf-8", "utf8"}:
        raise FileRefusedError(Observation("F02", "A part of the document is not UTF-8.", _REMEDY))


def _document_type(*_: object) -> NoReturn:
    message = "A part of the document declares a document type or entities, which can unfold or load other files."
    raise FileRefusedError(Observation("F06", message, _REMEDY))


def _instruction(*_: object) -> NoReturn:
    raise FileRefusedError(Observation("F03", "A part of the document holds an instruction to programs.", _REMEDY))
