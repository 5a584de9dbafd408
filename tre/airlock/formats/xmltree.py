"""XML, strictly: a bounded tree of elements, texts and comments. Standard library only.

Guarantees: UTF-8; no entities but the five that XML knows; no internal subset of a document type, and only the public
types named by the caller; no processing instructions; amounts and depth bounded while reading, so that nothing
unfolds; no character that nobody can see. Expat never loads anything, since no handler for that exists here.

Threats: entities that read files or unfold to gigabytes, instructions to load a style sheet, text in another encoding.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from xml.parsers import expat

from tre.airlock.parsed import INVISIBLE, FileRefusedError, Observation, Place

COMMENT = "#comment"
_PUBLISHER = "http://www.w3.org/"  # some programs fetch what a document type names
_DEEPEST = 100
_MOST_ATTRIBUTES = 60


@dataclass
class Node:
    """An element, or a comment (`tag` is `#comment`); `tag` and attributes are `NAMESPACE LOCAL`, or `LOCAL`.

    `text` is all character data directly inside, in order; `tail` is what of its parent's follows right behind it.
    """

    tag: str
    attributes: dict[str, str]
    row: int
    text: str = ""
    children: list[Node] = field(default_factory=list)
    tail: str = ""

    @property
    def lead(self) -> str:
        """The character data before the first child."""
        return self.text[: len(self.text) - sum(len(child.tail) for child in self.children)]

    @property
    def place(self) -> Place:
        """The line on which it begins."""
        return Place(row=self.row)

    def everything(self) -> Iterator[Node]:
        """This node and all below it, in the order of the document."""
        waiting = [self]
        while waiting:
            node = waiting.pop()
            yield node
            waiting += reversed(node.children)


class _Reader:
    """Builds the tree while expat reads."""

    def __init__(self, types: frozenset[str], most: int) -> None:
        self.types, self.most, self.seen = types, most, 0
        self.outside: list[Node] = []
        self.root: Node | None = None
        self.open: list[Node] = []
        self.parser = expat.ParserCreate(namespace_separator=" ")
        self.parser.buffer_text = True
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._characters
        self.parser.CommentHandler = self._comment
        self.parser.ProcessingInstructionHandler = self._instruction
        self.parser.StartDoctypeDeclHandler = self._doctype
        self.parser.EntityDeclHandler = self._entity
        self.parser.SkippedEntityHandler = self._entity
        self.parser.XmlDeclHandler = self._declaration

    def refused(self, message: str, check: str = "F02") -> FileRefusedError:
        """What stops the reading, with its line."""
        place = Place(row=self.parser.CurrentLineNumber)
        return FileRefusedError(Observation(check, message, "Save it again with its program, or as PNG.", place))

    def _node(self, tag: str, attributes: dict[str, str]) -> Node:
        self.seen += 1
        if self.seen > self.most or len(self.open) > _DEEPEST or len(attributes) > _MOST_ATTRIBUTES:
            raise self.refused("The document has more parts than allowed.", "F05")
        if any(INVISIBLE.search(value) for value in attributes.values()):
            raise self.refused("A character that nobody can see stands in the document.", "F03")
        return Node(tag, attributes, self.parser.CurrentLineNumber)

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        node = self._node(tag, attributes)
        if self.open:
            self.open[-1].children.append(node)
        else:
            self.root = node
        self.open.append(node)

    def _end(self, tag: str) -> None:  # noqa: ARG002 - expat has checked that it is the open one
        self.open.pop()

    def _characters(self, text: str) -> None:
        if INVISIBLE.search(text):
            raise self.refused("A character that nobody can see stands in the document.", "F03")
        node = self.open[-1]
        node.text += text
        if node.children:
            node.children[-1].tail += text

    def _comment(self, text: str) -> None:
        node = self._node(COMMENT, {})
        node.text = text
        (self.open[-1].children if self.open else self.outside).append(node)

    def _instruction(self, target: str, data: str) -> None:  # noqa: ARG002 - expat's shape
        raise self.refused("The document gives an instruction to the program that opens it.", "F06")

    def _doctype(self, name: str, system: str | None, public: str | None, subset: int) -> None:  # noqa: ARG002
        if subset or public not in self.types or not (system or "").startswith(_PUBLISHER):
            raise self.refused("The document brings a document type of its own.", "F06")

    def _entity(self, *_: object) -> None:
        raise self.refused("The document uses or declares entities.", "F06")

    def _declaration(self, version: str, encoding: str | None, standalone: int) -> None:  # noqa: ARG002
        if encoding is not None and encoding.lower() not in {"utf-8", "utf8", "us-ascii", "ascii"}:
            raise self.refused("The document is not UTF-8.")


def read(data: bytes, types: frozenset[str], most: int) -> tuple[Node, list[Node]]:
    """The root of a document, and the comments outside it. Raises `FileRefusedError`.

    `types` are the public document types that may be named; `most` bounds elements and comments.
    """
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise FileRefusedError(
            Observation("F02", "The file is not UTF-8 text.", "Save it as UTF-8.", Place(offset=error.start))
        ) from error
    reader = _Reader(types, most)
    try:
        reader.parser.Parse(data, True)
    except expat.ExpatError as error:
        raise reader.refused("The document is not well-formed XML.") from error
    if reader.root is None:
        raise reader.refused("The document is empty.")
    return reader.root, reader.outside
