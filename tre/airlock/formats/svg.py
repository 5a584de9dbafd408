"""SVG: an allow-list of elements and attributes, nothing that runs or loads, nothing that hides.

Guarantees: strict XML (see `xmltree`) with the elements and attributes of `svg_words`; references stay inside the
document; pictures in it are PNG or JPEG and pass the same strict parsers as files do; all words in it are given to
the checks and shown, seen or unseen; what is not displayed, has no opacity, is too small or outside the drawing is
pointed out; marks are counted. People are shown the drawing as an image, in which browsers run nothing.

Does not guarantee: finding what is covered by another shape, cut off by a clip path, or painted in the colour of its
ground. Words and pictures under it are looked at all the same.

Threats: scripts and event handlers, addresses that are loaded when somebody opens the file, text that nobody sees.
"""

from __future__ import annotations

import base64
import binascii
import io
import re
from dataclasses import dataclass, field

from PIL.PngImagePlugin import PngImageFile

from tre.airlock.formats import jpeg, png, raster
from tre.airlock.formats import svg_words as words
from tre.airlock.formats.svg_drawing import CREATED, Drawing
from tre.airlock.formats.xmltree import COMMENT, Node, read
from tre.airlock.parsed import (
    Bounds,
    Card,
    FileRefusedError,
    Observation,
    ParsedFile,
    Passage,
    bounded,
    quoted,
)

_DATA = re.compile(r"data:image/(png|jpeg|jpg);base64,")
_HIDES = re.compile(
    r"display\s*+:\s*+none|visibility\s*+:\s*+(?:hidden|collapse)|opacity\s*+:\s*+0*\.?0*(?![.\d])|font-size\s*+:\s*+0"
)
_EVERYDAY = re.compile(
    r"Matplotlib v[\w.+]{1,30}, https://matplotlib\.org/|image/svg\+xml|http://purl\.org/dc/dcmitype/StillImage|[\w-]{0,40}"
)
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT[\d:.+Z-]{5,30}")
_NUMBERED = re.compile(r"[A-Za-z0-9.]{1,20}_\d{1,4}|[A-Za-z][\w .]{0,40}-[0-9a-f]{1,6}|[a-z][0-9a-f]{10}")
"""Names that matplotlib gives to parts, letters and clips; people's words are given to the checks."""

_MOST_PICTURES = 50
_WORDED = frozenset({"text", "tspan", "textPath", "style", *words.UNSEEN_TEXT})
_USUAL_SHEET = "*{stroke-linejoin: round; stroke-linecap: butt}"
_SAYING = frozenset({"symbol", "g", "svg", "text", "image", "use"})
_DRAWING = "Save it without, or as PNG."


def _active(message: str, node: Node) -> FileRefusedError:
    return FileRefusedError(Observation("F06", message, _DRAWING, node.place))


@dataclass
class _Gathered:
    """What has been found so far."""

    bounds: Bounds
    ids: dict[str, Node] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)
    images: list[Node] = field(default_factory=list)
    hidden: list[Observation] = field(default_factory=list)
    remarks: list[Observation] = field(default_factory=list)
    passages: list[Passage] = field(default_factory=list)
    strange: set[str] = field(default_factory=set)
    names: set[str] = field(default_factory=set)

    def hide(self, message: str, node: Node) -> None:
        """Something that a reader of the drawing does not see."""
        self.hidden.append(Observation("F07", message, _DRAWING, node.place))


def parse(kind: str, data: bytes, bounds: Bounds) -> ParsedFile:
    """An SVG file. Raises `FileRefusedError`."""
    root, outside = read(data, words.PUBLIC_TYPES, bounds.json_values)
    if root.tag != f"{words.SVG} svg":
        raise FileRefusedError(Observation("F02", "The file is not an SVG drawing."))
    found = _Gathered(bounds)
    _check(root, found)
    drawing = Drawing(found.ids, found.used)
    drawing.draw(root)
    for node in outside:
        if CREATED.fullmatch(node.text.strip()):
            continue
        _say(node, node.text, "A comment", found)
    drawing.check_comments(root)
    drawing.check_words(root)
    _unused(root, found)
    file = ParsedFile(kind, len(data), passages=[*drawing.passages, *found.passages], marks=drawing.marks.counted())
    file.remarks = bounded([*found.hidden, *drawing.hidden], "hidden parts") + found.remarks
    file.cards = [Card("drawing", data=data)]
    if file.passages:
        file.cards.append(Card("text", "All words in the drawing", "\n".join(one.text for one in file.passages)))
    if names := sorted(name for name in found.names if not _NUMBERED.fullmatch(name)):
        file.passages.append(Passage(" ".join(names), root.place, "metadata"))
    shown = raster.Seen()
    for number, node in enumerate(found.images, start=1):
        _picture(node, number, shown, file, bounds)
    return shown.into(file)


def _check(node: Node, found: _Gathered) -> None:
    """An element and all below it against the vocabulary."""
    if node.tag == COMMENT:
        return
    space, _, name = node.tag.rpartition(" ")
    if name in words.ACTIVE:
        raise _active(f"The drawing holds {quoted(name)}, which runs, loads or moves something.", node)
    if space != words.SVG:
        _say(node, _all_text(node), f"The part {quoted(name)} of a program", found)
        return
    if name not in words.DRAWN | words.CONTAINERS:
        raise FileRefusedError(
            Observation("F02", f"The drawing holds {quoted(name)}, which may not leave.", _DRAWING, node.place)
        )
    _check_attributes(node, name, found)
    if name not in _WORDED:
        _say(node, node.text, f"The part {quoted(name)}", found)
    if name == "image":
        found.images.append(node)
    if name in _OF_THEIR_OWN:
        _OF_THEIR_OWN[name](node, found)
    else:
        for child in node.children:
            _check(child, found)


def _check_attributes(node: Node, name: str, found: _Gathered) -> None:
    for key, value in node.attributes.items():
        space, _, attribute = key.rpartition(" ")
        if space == words.XML and attribute == "base":
            raise _active(f"The drawing loads its parts from {quoted(value)}.", node)
        if attribute.lower().startswith("on"):
            raise _active(f"The drawing does something by itself ({quoted(attribute)}).", node)
        if attribute == "href":
            _check_reference(node, name, value, found)
        elif words.loads_something(value):
            raise _active(f"A style of the drawing loads something: {quoted(value)}.", node)
        elif attribute == "id":
            found.ids.setdefault(value, node)
            found.names.add(value)
        elif attribute == "class":
            found.names.add(value)
        elif space in {words.XML, words.XLINK} and attribute in {"space", "lang", "type", "show", "actuate"}:
            continue
        elif space or attribute not in words.ATTRIBUTES:
            _strange(node, attribute, value, found)
        found.used.update(words.ids_in(value))


def _check_reference(node: Node, name: str, value: str, found: _Gathered) -> None:
    if words.is_inside(value):
        found.used.add(value[1:])
    elif name != "image" or _DATA.match(value) is None:
        raise _active(f"The drawing refers to {quoted(value)}, which opening it would load.", node)


def _strange(node: Node, attribute: str, value: str, found: _Gathered) -> None:
    """An attribute that draws nothing: told once for each name, its words every time."""
    if not value.strip() or attribute in {"aria-hidden", "aria-labelledby", "aria-describedby"}:
        return
    found.passages.append(Passage(value, node.place, "metadata"))
    if attribute not in found.strange:
        found.strange.add(attribute)
        found.hide(f"Attributes {quoted(attribute)} hold words that nobody sees: {quoted(value)}.", node)


def _check_sheet(node: Node, found: _Gathered) -> None:
    if words.loads_something(node.text):
        raise _active("A style of the drawing loads something.", node)
    if node.text.strip() != _USUAL_SHEET:
        found.passages.append(Passage(node.text.strip(), node.place, "metadata"))
    if _HIDES.search(words.without_comments(node.text).lower()):
        found.hide("A style sheet of the drawing hides something.", node)


def _all_text(node: Node) -> str:
    pieces = [one.text.strip() for one in node.everything()]
    pieces += [value.strip() for one in node.everything() for value in one.attributes.values()]
    return "; ".join(filter(None, pieces))


def _say(node: Node, text: str, what: str, found: _Gathered) -> None:
    """Words that are not drawn."""
    if text.strip():
        found.passages.append(Passage(text.strip(), node.place, "metadata"))
        found.hide(f"{what} holds words that nobody sees: {quoted(text.strip())}.", node)


def _metadata(node: Node, found: _Gathered) -> None:
    """What programs write about a drawing: the time is told, everyday words are not, everything else is quoted."""
    pieces = _all_text(node).split("; ")
    told = [piece for piece in pieces if piece and not _MOMENT.fullmatch(piece) and not _EVERYDAY.fullmatch(piece)]
    if any(_MOMENT.fullmatch(piece) for piece in pieces):
        found.remarks.append(Observation("F08", "The drawing holds the time of its making.", _DRAWING, node.place))
    if told:
        found.passages.append(Passage("; ".join(told), node.place, "metadata"))
        found.remarks.append(
            Observation("F08", f"The drawing holds metadata: {quoted('; '.join(told))}.", _DRAWING, node.place)
        )


def _title(node: Node, found: _Gathered) -> None:
    _say(node, _all_text(node), "A title or description", found)


_OF_THEIR_OWN = {"style": _check_sheet, "metadata": _metadata, "title": _title, "desc": _title}


def _unused(root: Node, found: _Gathered) -> None:
    """Groups, words and pictures in definitions that nothing refers to."""
    for node in root.everything():
        name = node.tag.rpartition(" ")[2]
        defined = [node] if name == "symbol" else node.children if name == "defs" else []
        for one in defined:
            kind = one.tag.rpartition(" ")[2]
            if kind in _SAYING and one.attributes.get("id", "") not in found.used and not _is_referred_to(one, found):
                found.hide(f"A definition ({quoted(kind)}) is never drawn.", one)


def _is_referred_to(node: Node, found: _Gathered) -> bool:
    """Whether something inside is used by itself."""
    return any(one.attributes.get("id") in found.used for one in node.everything())


def _picture(node: Node, number: int, shown: raster.Seen, file: ParsedFile, bounds: Bounds) -> None:
    """A raster image in the drawing, by the strict parser of its type."""
    if number > _MOST_PICTURES:
        raise FileRefusedError(Observation("F05", f"The drawing holds more than {_MOST_PICTURES} pictures."))
    address = next(value for key, value in node.attributes.items() if key.rpartition(" ")[2] == "href")
    found = _DATA.match(address)
    if found is None:
        return
    try:
        data = base64.b64decode(re.sub(r"\s++", "", address[found.end() :]), validate=True)
    except binascii.Error as error:
        raise FileRefusedError(Observation("F02", "A picture in the drawing is broken.", place=node.place)) from error
    is_png = found.group(1) == "png"
    judged = (png if is_png else jpeg).judged(data, bounds)
    shown.take(
        raster.decoded(lambda: PngImageFile(io.BytesIO(data)) if is_png else jpeg.opened(data)),
        f"Picture {number} in the drawing",
        node.place,
    )
    file.remarks += judged.remarks
    file.passages += judged.passages
