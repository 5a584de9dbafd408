"""What an SVG draws: words, marks, and what of it nobody sees. Standard library only.

Guarantees: every drawn element is visited with the style and the place it inherits, elements that are used repeatedly
each time; more than `_MOST_UNFOLDED` visits of that kind, or elements that use one another in a circle, refuse the
file, so that a small file does not unfold in a viewer.

Does not guarantee: styles given by class in a style sheet; `svg` reports sheets that hide something.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field, replace

from tre.airlock.formats import svg_words as words
from tre.airlock.formats.marks import Marks, normalised
from tre.airlock.formats.svg_geometry import Matrix, length, matrix_of, numbers, outlines
from tre.airlock.formats.xmltree import COMMENT, Node
from tre.airlock.parsed import FileRefusedError, Observation, Passage, quoted

_MOST_UNFOLDED = 50_000
_MOST_NESTED_USES = 5
_SMALLEST_TEXT = 2.0  # user units; a reader needs about six
_FAINTEST = 0.03
_OUTSIDE = 0.1  # of the drawing's width or height beyond its edge
_GLYPH = re.compile(r"glyph-?\d+-\d+|[\w .]+-[0-9a-fA-F]{1,6}")
_FONT_SIZE = re.compile(r"(?<![\w.])[\d.]++(?:px|pt)")
_MOST_IN_A_WORD, _MOST_IN_A_SHAPE = 40, 64
_MARKUP = re.compile(r"\\[A-Za-z]++|[\s${}^_\\]")
CREATED = re.compile(r"Created with matplotlib \(https?://matplotlib\.org/\)")
"""A comment of matplotlib's earlier versions."""

_ELSEWHERE = "Save it without, or as PNG."


Shape = tuple[object, ...]

_NOWHERE = Matrix()


@dataclass(frozen=True)
class _State:
    """What an element inherits."""

    place: Matrix = _NOWHERE
    opacity: float = 1.0
    shown: bool = True
    fill: str = ""
    stroke: str = "none"
    size: float = 16.0
    uses: int = 0


@dataclass
class Drawing:
    """A walk over the drawn elements. `used` names the elements that others refer to."""

    ids: dict[str, Node]
    used: set[str]
    passages: list[Passage] = field(default_factory=list)
    hidden: list[Observation] = field(default_factory=list)
    marks: Marks = field(default_factory=Marks)
    known: dict[int, tuple[Shape, tuple[float, float]]] = field(default_factory=dict)
    read: set[int] = field(default_factory=set)
    unfolded: int = 0
    shapes_unseen: int = 0
    view: tuple[float, float, float, float] | None = None
    outside: int = 0

    def draw(self, root: Node) -> None:
        """Visit everything that is drawn below the root."""
        self.view = _view(root)
        self._children(root, _inherited(root, _State()))
        if self.outside:
            self._hide(f"{self.outside} marks, words or pictures lie outside the drawing.", root)

    def _hide(self, message: str, node: Node) -> None:
        self.hidden.append(Observation("F07", message, _ELSEWHERE, node.place))

    def _children(self, node: Node, state: _State) -> None:
        drawn = [child for child in node.children if child.tag != COMMENT and _name(child) != "defs"]
        if drawn and all(_name(child) == "use" and self._is_glyph(child) for child in drawn):
            self._word(drawn, state)
            return
        for child in drawn:
            self._visit(child, state)

    def _visit(self, node: Node, state: _State) -> None:
        self.unfolded += state.uses > 0
        if self.unfolded > _MOST_UNFOLDED:
            raise FileRefusedError(Observation("F05", "The drawing unfolds to more parts than allowed."))
        name = _name(node)
        state = _inherited(node, state)
        if name in words.NOT_DRAWN or name in words.UNSEEN_TEXT or name == "style":
            return
        if name in words.DRAWN and not self._is_seen(state):
            self._unseen(node, name)
        if name == "text":
            self._text(node, state)
        elif name == "use":
            self._use(node, state)
        elif name in words.DRAWN:
            self._shape(node, name, state)
        else:
            self._children(node, state)

    def _unseen(self, node: Node, name: str) -> None:
        """A part that is not displayed. Programs leave a few such shapes behind, the ground of a figure for one."""
        self.shapes_unseen += name in _PLAIN
        if name not in _PLAIN or self.shapes_unseen == _MOST_UNSEEN:
            self._hide(f"A part ({quoted(name)}) is not displayed: {quoted(_said(node))}.", node)

    def _is_seen(self, state: _State) -> bool:
        return state.shown and state.opacity > _FAINTEST and state.place.scale > 0

    def _text(self, node: Node, state: _State) -> None:
        text = _said(node)
        self.read.update(id(one) for one in node.everything())
        if not text:
            return
        self.passages.append(Passage(text, node.place, "label"))
        self._check_sizes(node, state)
        self._place(("text", text), f"texts {quoted(text)}", node, state)

    def _check_sizes(self, node: Node, state: _State) -> None:
        """A text and the parts of it, each with a style of its own."""
        faint = state.fill in _NOTHING and state.stroke in _NOTHING
        if node.text.strip() and (faint or state.size * state.place.scale < _SMALLEST_TEXT):
            self._hide(f"Text is too small or too faint to be read: {quoted(node.text.strip())}.", node)
        for child in node.children:
            if child.tag != COMMENT and _name(child) not in words.UNSEEN_TEXT:
                inner = _inherited(child, state)
                if not self._is_seen(inner) and self._is_seen(state):
                    self._hide(f"A part of a text is not displayed: {quoted(_said(child))}.", child)
                self._check_sizes(child, inner)

    def check_words(self, root: Node) -> None:
        """Words that stand in the drawing but are drawn nowhere."""
        for node in root.everything():
            if _name(node) in _TEXTS and id(node) not in self.read and node.text.strip():
                self.passages.append(Passage(node.text.strip(), node.place, "metadata"))
                self._hide(f"Text is drawn nowhere: {quoted(node.text.strip())}.", node)

    def _place(self, shape: Shape, name: str, node: Node, state: _State) -> None:
        """A mark at the place that its attributes give."""
        at = [numbers(node.attributes.get(key, "")) or [0.0] for key in _PLACES.get(_name(node), ("x", "y"))]
        self._mark(shape, name, state.place.at(at[0][0], at[1][0]))

    def _mark(self, shape: Shape, name: str, at: tuple[float, float]) -> None:
        self.marks.add(shape, name, at)
        if self.view is not None:
            left, top, width, height = self.view
            inside = -_OUTSIDE * width <= at[0] - left <= (1 + _OUTSIDE) * width
            self.outside += not (inside and -_OUTSIDE * height <= at[1] - top <= (1 + _OUTSIDE) * height)

    def _shape(self, node: Node, name: str, state: _State) -> None:
        if name in {"circle", "ellipse"}:
            self._place((name,), f"{name}s", node, state)
        elif name == "image":
            self._place((name, node.row), "pictures", node, state)
        elif name == "rect":
            wide, high = (length(node.attributes.get(key)) or 0.0 for key in ("width", "height"))
            x, y = (length(node.attributes.get(key)) or 0.0 for key in ("x", "y"))
            corners = [(x, y), (x + wide, y), (x + wide, y + high), (x, y + high)]
            self.marks.add_outline("MLLLZ", [state.place.at(*corner) for corner in corners])
        else:
            for commands, points in _drawn(node, name):
                self.marks.add_outline(commands, [state.place.at(*point) for point in points])

    def _use(self, node: Node, state: _State) -> None:
        """An element that is drawn once more."""
        target = self.ids.get(_target(node))
        if target is None:
            return
        if state.uses >= _MOST_NESTED_USES:
            raise FileRefusedError(Observation("F05", "The drawing uses its own parts in a circle."))
        x, y = (length(node.attributes.get(key)) or 0.0 for key in ("x", "y"))
        inner = replace(state, place=state.place.then(Matrix(e=x, f=y)), uses=state.uses + 1)
        if _name(target) in {"symbol", "svg", "g"}:
            self._children(target, _inherited(target, inner))
        elif _name(target) == "path":
            shape, corner = self._defined(target)
            self._mark(shape, "marks of one shape", _inherited(target, inner).place.at(*corner))
        else:
            self._visit(target, inner)

    def _defined(self, target: Node) -> tuple[Shape, tuple[float, float]]:
        """The shape of a path that is used, and its own corner; worked out once."""
        if id(target) not in self.known:
            commands, points = next(outlines(target.attributes.get("d", "")), ("", [(0.0, 0.0)]))
            shape, corner = normalised(points[:_MOST_IN_A_SHAPE])
            self.known[id(target)] = ((commands[:_MOST_IN_A_SHAPE], shape), corner)
        return self.known[id(target)]

    def _is_glyph(self, node: Node) -> bool:
        return _GLYPH.fullmatch(_target(node)) is not None

    def _word(self, glyphs: list[Node], state: _State) -> None:
        """Letters that were drawn as shapes: one word is one mark, unless it is long and of one letter."""
        self.unfolded += len(glyphs) if state.uses else 0
        names = [_target(glyph) for glyph in glyphs]
        often = max(Counter(names).values())
        if often > _MOST_IN_A_WORD:
            for glyph in glyphs:
                self._place(("letter", _target(glyph)), "times one letter", glyph, _inherited(glyph, state))
        else:
            self._place(("word", *names), "times one word", glyphs[0], _inherited(glyphs[0], state))

    def check_comments(self, root: Node) -> None:
        """Comments: matplotlib writes each text that it draws as shapes beside them; others are words nobody sees."""
        letters: dict[str, str] = {}
        for node in root.everything():
            comments = [one for one in node.children if one.tag == COMMENT and one.text.strip()]
            if not comments:
                continue
            glyphs = [_target(one) for one in node.everything() if _name(one) == "use" and self._is_glyph(one)]
            written = sum(len(one.text.strip()) for one in node.everything() if _name(one) in _TEXTS)
            for comment in comments:
                self._comment(comment, _is_drawn(comment.text.strip(), glyphs, written, letters))

    def _comment(self, comment: Node, drawn: bool) -> None:
        text = comment.text.strip()
        if CREATED.fullmatch(text):
            return
        self.passages.append(Passage(text, comment.place, "label" if drawn else "metadata"))
        if not drawn:
            self._hide(f"A comment holds words that nobody sees: {quoted(text)}.", comment)


_PLAIN = frozenset({"path", "rect", "line", "polyline", "polygon"})
_MOST_UNSEEN = 5
_TEXTS = frozenset({"text", "tspan", "textPath"})
_NOTHING = frozenset({"none", "transparent", "rgba(0,0,0,0)"})
_PLACES = {"circle": ("cx", "cy"), "ellipse": ("cx", "cy")}


def _is_drawn(text: str, glyphs: list[str], written: int, letters: dict[str, str]) -> bool:
    """Whether a text may be what the shapes beside it draw: as long, and each shape the same letter everywhere.

    Formulas and lines are only compared in length, with the shapes or with the letters that are written there.
    """
    if "$" in text or "\n" in text:
        return len(_MARKUP.sub("", text)) <= max(len(glyphs), written)
    if len(text) != len(glyphs):
        return False
    return all(letters.setdefault(glyph, letter) == letter for glyph, letter in zip(glyphs, text, strict=True))


def _name(node: Node) -> str:
    return node.tag.rpartition(" ")[2]


def _target(node: Node) -> str:
    return next((value[1:] for key, value in node.attributes.items() if key.rpartition(" ")[2] == "href"), "")


def _said(node: Node) -> str:
    pieces = (one.text.strip() for one in node.everything() if one.tag != COMMENT)
    return " ".join(filter(None, pieces))


def _view(root: Node) -> tuple[float, float, float, float] | None:
    box = numbers(root.attributes.get("viewBox", ""))
    if len(box) == 4:
        return box[0], box[1], box[2], box[3]
    wide, high = length(root.attributes.get("width")), length(root.attributes.get("height"))
    return (0.0, 0.0, wide, high) if wide and high else None


def _inherited(node: Node, state: _State) -> _State:
    """The state inside an element."""
    said = {key: value.lower() for key, value in node.attributes.items()}
    if "style" in said:
        said |= words.declarations(said["style"])
    place = state.place.then(matrix_of(node.attributes["transform"])) if "transform" in said else state.place
    opacity = state.opacity
    if "opacity" in said:
        given = numbers(said["opacity"])
        opacity *= given[0] / (100 if "%" in said["opacity"] else 1) if given else 1.0
    shown = state.shown and said.get("display", "") != "none"
    if said.get("visibility", "visible") != "visible":
        shown = False
    size = length(said.get("font-size"))
    if size is None:
        shorthand = _FONT_SIZE.search(said.get("font", ""))
        size = length(shorthand.group()) if shorthand else state.size
    return replace(
        state,
        place=place,
        opacity=opacity,
        shown=shown,
        fill=said.get("fill", state.fill),
        stroke=said.get("stroke", state.stroke),
        size=state.size if size is None else size,
    )


def _drawn(node: Node, name: str) -> list[tuple[str, list[tuple[float, float]]]]:
    """The outlines of a path, a line or a polygon."""
    if name == "path":
        return list(outlines(node.attributes.get("d", "")))
    if name == "line":
        given = [(numbers(node.attributes.get(key, "")) or [0.0])[0] for key in ("x1", "y1", "x2", "y2")]
        return [("ML", [(given[0], given[1]), (given[2], given[3])])]
    given = numbers(node.attributes.get("points", ""))
    points = list(zip(given[::2], given[1::2], strict=False))
    return [("M" + "L" * (len(points) - 1), points)] if points else []
