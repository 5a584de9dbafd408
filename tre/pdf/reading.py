"""From the markup that our own templates write to the blocks of a paper.

Guarantees: only the few elements that are listed here are known, and whatever else comes is an error, so that nothing
is lost on the way to paper; a link becomes its words. What people typed was escaped by the template and is text here.

Does not guarantee: to read anybody else's pages.

Threat: a name that is really a script: it stays the letters it is made of.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser

from tre.pdf.blocks import NEW_LINE, Bars, Block, Bullets, Cell, Heading, Paragraph, Part, Rows, Run, Text
from tre.pdf.letters import drawable

_AROUND = frozenset({"section", "div", "main", "article", "header"})
_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_LOWEST = 5
_WITHIN = frozenset({"strong", "b", "em", "i", "code", "span", "a", "time", "br", "p"})
_BOLD = frozenset({"strong", "b", "th", "dt"})
_EMPTY = frozenset({"br", "rect"})
_KINDS = {"app-small": "small", "app-quiet": "small", "more": "small", "lead": "lead", "app-lead": "lead"}
_LINES = frozenset({"app-prose"})
_SPACES = re.compile(r"[ \t\r\n\f]+")
_FACTS = (0.3, 0.7)
_BAR_ROW = (0.38, 0.27, 0.35)


@dataclass
class Node:
    """An element with what is in it."""

    tag: str
    attributes: dict[str, str] = field(default_factory=dict)
    inside: list[Node | str] = field(default_factory=list)

    @property
    def classes(self) -> frozenset[str]:
        """Its classes."""
        return frozenset(self.attributes.get("class", "").split())

    def elements(self, *tags: str) -> list[Node]:
        """The elements directly within, of these names."""
        return [one for one in self.inside if isinstance(one, Node) and one.tag in tags]

    def only(self, *tags: str) -> list[Node]:
        """The same, where nothing else may be within. Raises `ValueError` for whatever would be lost."""
        for one in self.inside:
            if one.strip() if isinstance(one, str) else one.tag not in tags:
                msg = f"<{self.tag}> holds what is not known there: {one if isinstance(one, str) else one.tag}"
                raise ValueError(msg)
        return self.elements(*tags)


class _Tree(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open = [Node("main")]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        node = Node(tag, {name: value or "" for name, value in attrs})
        self.open[-1].inside.append(node)
        if tag not in _EMPTY:
            self.open.append(node)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open[-1].inside.append(Node(tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        if self.open[-1].tag != tag:
            msg = f"<{self.open[-1].tag}> is open where </{tag}> stands"
            raise ValueError(msg)
        self.open.pop()

    def handle_data(self, data: str) -> None:
        self.open[-1].inside.append(data)


def read(markup: str) -> list[Block]:
    """The blocks of a page. Raises `ValueError` for markup that is not known here."""
    tree = _Tree()
    tree.feed(markup)
    tree.close()
    if len(tree.open) != 1:
        msg = f"<{tree.open[-1].tag}> is not closed"
        raise ValueError(msg)
    return list(_joined(_blocks(tree.open[0])))


def _joined(blocks: Iterator[Block]) -> Iterator[Block]:
    """Rows of bars that follow one another are one table."""
    held: Rows | None = None
    for block in blocks:
        if isinstance(block, Rows) and block.widths == _BAR_ROW:
            held = block if held is None else Rows(_BAR_ROW, held.rows + block.rows)
            continue
        if held is not None:
            yield held
            held = None
        yield block
    if held is not None:
        yield held


def _blocks(node: Node) -> Iterator[Block]:
    deeper = int(node.attributes.get("data-deeper", "0"))
    for block in _inside(node):
        if deeper and isinstance(block, Heading):
            yield Heading(min(_LOWEST, block.level + deeper), block.text)
        else:
            yield block


def _inside(node: Node) -> Iterator[Block]:
    if "data-part" in node.attributes:
        yield Part(drawable(node.attributes["data-part"]), drawable(node.attributes.get("data-about", "")))
    loose: list[Node | str] = []
    for one in node.inside:
        if isinstance(one, str) or (one.tag in _WITHIN and one.tag != "p"):
            loose.append(one)
            continue
        yield from _paragraph(Node("p", {}, loose))
        loose = []
        yield from _block(one)
    yield from _paragraph(Node("p", {}, loose))


def _block(node: Node) -> Iterator[Block]:
    if node.tag in _HEADINGS:
        yield Heading(_HEADINGS[node.tag], _text(node, bold=True))
    elif node.tag == "p":
        yield from _paragraph(node)
    elif node.tag in {"ul", "ol"}:
        yield Bullets(tuple(_text(item) for item in node.only("li")), numbered=node.tag == "ol")
    elif node.tag == "dl":
        yield Rows(_FACTS, tuple(_row(pair) for pair in node.only("div")))
    elif node.tag == "table":
        yield _table(node)
    elif node.tag == "div" and "row" in node.classes:
        yield Rows(_BAR_ROW, (_row(node),))
    elif node.tag in _AROUND:
        yield from _blocks(node)
    else:
        msg = f"<{node.tag}> is not known on paper"
        raise ValueError(msg)


def _paragraph(node: Node) -> Iterator[Paragraph]:
    text = _text(node, bold="verdict" in node.classes)
    kind = next((kind for name, kind in _KINDS.items() if name in node.classes), "")
    if text:
        yield Paragraph(text, kind)


def _row(node: Node) -> tuple[Cell, ...]:
    return tuple(_cell(one) for one in node.only("th", "td", "dt", "dd", "div"))


def _cell(node: Node) -> Cell:
    if node.elements("svg"):
        drawings = node.only("svg")
        bars = [drawing.elements("rect")[-1].attributes for drawing in drawings]
        return Bars(tuple((bar["class"], float(bar["width"])) for bar in bars))
    return _text(node, bold=node.tag in _BOLD)


def _table(node: Node) -> Rows:
    parts = node.only("thead", "tbody", "tr")
    lines = [_row(line) for part in parts for line in ([part] if part.tag == "tr" else part.only("tr"))]
    has_head = bool(node.elements("thead"))
    head = tuple(cell for cell in lines[0] if isinstance(cell, tuple)) if has_head else ()
    columns = max(map(len, lines))
    return Rows((1 / columns,) * columns, tuple(lines[1:] if has_head else lines), head)


def _text(node: Node, *, bold: bool = False) -> Text:
    """The words of an element; spaces as a browser has them."""
    made: list[Run] = []
    after_space = True
    for run in _runs(node, bold, keep=False):
        text = _SPACES.sub(" ", run.text)
        text = re.sub(f" ?{NEW_LINE} ?", NEW_LINE, text)
        text = text.lstrip(" ") if after_space else text
        if text or run.swatch:
            made.append(Run(text, run.bold, run.swatch))
            after_space = text.endswith((" ", NEW_LINE))
    while made and not made[-1].swatch and not (ended := made[-1].text.rstrip(f" {NEW_LINE}")):
        made.pop()
    if made and not made[-1].swatch:
        made[-1] = Run(ended, made[-1].bold)
    return tuple(Run(_but_lines(run.text), run.bold, run.swatch) for run in made)


def _but_lines(text: str) -> str:
    return NEW_LINE.join(map(drawable, text.split(NEW_LINE)))


def _runs(node: Node, bold: bool, keep: bool) -> Iterator[Run]:
    keep = keep or bool(node.classes & _LINES)
    for one in node.inside:
        if isinstance(one, str):
            yield Run(one.replace("\n", NEW_LINE) if keep else one.replace(NEW_LINE, " "), bold)
        elif one.tag == "br":
            yield Run(NEW_LINE)
        elif one.tag == "i" and one.classes:
            yield Run("", swatch=min(one.classes))
        elif one.tag in _WITHIN:
            yield from _runs(one, bold or one.tag in _BOLD, keep)
            if one.tag == "p":
                yield Run(NEW_LINE)
            elif node.classes & {"legend"}:
                yield Run(" \N{NO-BREAK SPACE} ")
        else:
            msg = f"<{one.tag}> is not known within a line on paper"
            raise ValueError(msg)
