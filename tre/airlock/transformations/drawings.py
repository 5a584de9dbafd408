"""An SVG as a picture.

Guarantees: the drawing is read by the strict reader of XML; what is drawn is a new document that holds nothing but the
allow-list's elements and attributes, so that scripts, event handlers, addresses, titles, metadata, comments, parts of
programs and what has no opacity never reach the renderer; pictures inside pass the strict parsers of PNG and JPEG;
words become shapes of one font. The result is one PNG at 150 dots per inch, smaller where it would exceed the bound,
8 bits a colour, on white, with nothing in it but pixels. No file is opened for it and no font of the system needed.

Does not guarantee: a browser's look to the pixel (fonts are replaced, parts that may not leave are missing: the notes
say which), nor anything about what the picture shows; words in nearly the colour of their ground stay as they are.

Threat: a drawing that shows one thing and carries another; a drawing made to take over, or to exhaust, its renderer:
that runs behind the same walls as every parser.
"""

from __future__ import annotations

import base64
import binascii
import html
import io
import math
import re

import resvg_py
from PIL import Image, ImageFont

from tre.airlock.formats import jpeg, png
from tre.airlock.formats import svg_words as words
from tre.airlock.formats.svg_geometry import length, numbers
from tre.airlock.formats.xmltree import COMMENT, Node, read
from tre.airlock.parsed import Bounds, FileRefusedError, Observation, quoted
from tre.airlock.transformations import Outcome, Product, Source, UnfitError
from tre.airlock.transformations.glyphs import Font
from tre.airlock.transformations.lettering import (
    Letter,
    Lettering,
    Part,
    Style,
    check_sheet,
    inherited,
    shapes_of,
    without_places,
)
from tre.airlock.transformations.pixels import DOTS_PER_INCH, png_of_rows

MOST_PIXELS = 16_000_000
_PIXELS_PER_INCH = 96  # of CSS
_FAINTEST = 0.03
_MOST_NAMED = 5
_PICTURE = re.compile(r"data:image/(png|jpeg|jpg);base64,")
_SILENT = words.UNSEEN_TEXT | {"script"}
_UNWRAPPED = frozenset({"a"})
_TEXTS = frozenset({"text", "tspan", "textPath"})
_HEAD = f'<svg xmlns="{words.SVG}" xmlns:xlink="{words.XLINK}"'

Image.init()  # no plug-in can be loaded behind the walls


def drawing_as_picture(source: Source) -> Outcome:
    """The drawing as a PNG. Raises `FileRefusedError` or `UnfitError`."""
    root, _ = read(source.data, words.PUBLIC_TYPES, source.bounds.json_values)
    if root.tag != f"{words.SVG} svg":
        raise FileRefusedError(Observation("F02", "The file is not an SVG drawing."))
    wide, high = _size(root)
    most = min(MOST_PIXELS, source.bounds.image_pixels)
    zoom = min(DOTS_PER_INCH / _PIXELS_PER_INCH, math.sqrt(most / (wide * high)))
    if min(wide, high) * zoom < 1:
        raise UnfitError("The drawing is too narrow to be drawn.")
    copy = _Copy(root, source.bounds)
    picture = _drawn(copy.written(wide, high), zoom)
    left_out = ", ".join(sorted(copy.left_out)[:_MOST_NAMED])
    notes = [f"{picture.width} by {picture.height} pixels."]
    if left_out:
        notes.append(f"Left out, since they may not leave: {left_out}. Look whether the picture is complete.")
    rows = (picture.crop((0, row, picture.width, row + 1)).tobytes() for row in range(picture.height))
    data = png_of_rows(picture.width, picture.height, rows)
    return Outcome((Product(source.named("drawn", ".png"), data),), tuple(notes))


def _drawn(document: str, zoom: float) -> Image.Image:
    try:
        data = resvg_py.svg_to_bytes(
            svg_string=document, background="#ffffff", skip_system_fonts=True, dpi=_PIXELS_PER_INCH, zoom=zoom
        )
    except ValueError as error:
        raise FileRefusedError(Observation("F02", "The drawing cannot be drawn.", "Save it as PNG.")) from error
    return Image.open(io.BytesIO(data), formats=["PNG"]).convert("RGB")


def _size(root: Node) -> tuple[float, float]:
    """The drawing's width and height in CSS pixels: as it says, or as its view says."""
    view = numbers(root.attributes.get("viewBox", ""))
    given = [length(root.attributes.get(key)) for key in ("width", "height")]
    if len(view) == 4 and None in given and view[2] > 0 and view[3] > 0:
        known = next((one / view[2 + at] for at, one in enumerate(given) if one is not None), 1.0)
        given = [view[2] * known, view[3] * known]
    wide, high = given
    if wide is None or high is None or not (0 < wide < 1e6 and 0 < high < 1e6):
        raise UnfitError("The drawing does not say how large it is.")
    return wide, high


class _Copy:
    """Writes the document anew, from the allow-list."""

    def __init__(self, root: Node, bounds: Bounds) -> None:
        self._root, self._bounds = root, bounds
        self.left_out: set[str] = set()
        self._pieces: list[str] = []
        self._lettering = Lettering(_FONT, self._check_sheets())

    def _check_sheets(self) -> bool:
        """Whether the sheets keep white space, where that matters. Raises `UnfitError`."""
        nodes = list(self._root.everything())
        if any(_name(one) == "text" for node in nodes if _name(node) == "clipPath" for one in node.everything()):
            raise UnfitError("The drawing is cut out by words. Save its words as shapes, or the figure as PNG.")
        if not any(_name(node) == "text" for node in nodes):
            return False
        sheets = [node.text for node in nodes if _name(node) == "style" and not words.loads_something(node.text)]
        return check_sheet("\n".join(sheets))

    def written(self, wide: float, high: float) -> str:
        """The document, so large."""
        said = {key: value for key, value in self._root.attributes.items() if key not in {"width", "height"}}
        self._pieces.append(f'{_HEAD} width="{wide:.3f}" height="{high:.3f}"{self._attributes(said)}>')
        self._children(self._root, inherited(self._root, self._lettering.first))
        self._pieces.append("</svg>")
        return "".join(self._pieces)

    def _children(self, node: Node, style: Style) -> None:
        for child in node.children:
            self._element(child, style)

    def _element(self, node: Node, style: Style) -> None:
        name = _name(node)
        if node.tag == COMMENT or name in _SILENT or not node.tag.startswith(words.SVG + " ") or _is_unseen(node):
            return
        if name not in words.DRAWN | words.CONTAINERS | _UNWRAPPED:
            self.left_out.add(quoted(name))
            return
        if name == "style":
            self._sheet(node)
        elif name == "text":
            self._text(node, style)
        elif name == "image" and not self._is_kept(node):
            self.left_out.add("a picture from elsewhere")
        elif name not in _TEXTS:
            written = "g" if name in _UNWRAPPED else name
            said = {key: value for key, value in node.attributes.items() if name == written or "href" not in key}
            self._pieces.append(f"<{written}{self._attributes(said, name == 'image')}>")
            self._children(node, inherited(node, style))
            self._pieces.append(f"</{written}>")

    def _attributes(self, said: dict[str, str], picture: bool = False) -> str:
        kept = []
        for key, value in said.items():
            space, _, name = key.rpartition(" ")
            if name == "href" and space in {"", words.XLINK}:
                if picture or words.is_inside(value):
                    kept.append(f' xlink:href="{html.escape(value)}"')
                else:
                    self.left_out.add("what stands elsewhere")
            elif not space and name in words.ATTRIBUTES and name != "xmlns":
                if words.loads_something(value):
                    self.left_out.add("a style that loads something")
                else:
                    kept.append(f' {name}="{html.escape(value)}"')
        return "".join(dict.fromkeys(kept))

    def _sheet(self, node: Node) -> None:
        if words.loads_something(node.text):
            self.left_out.add("a style sheet that loads something")
        else:
            self._pieces.append(f"<style>{html.escape(node.text, quote=False)}</style>")

    def _is_kept(self, node: Node) -> bool:
        """Whether a picture stands in the drawing itself; the strict parser of its type has the word."""
        address = next((value for key, value in node.attributes.items() if key.rpartition(" ")[2] == "href"), "")
        found = _PICTURE.match(address)
        if found is None:
            return False
        try:
            data = base64.b64decode(re.sub(r"\s++", "", address[found.end() :]), validate=True)
        except binascii.Error as error:
            raise FileRefusedError(
                Observation("F02", "A picture in the drawing is broken.", place=node.place)
            ) from error
        (png if found.group(1) == "png" else jpeg).judged(data, self._bounds)
        return True

    def _text(self, node: Node, style: Style) -> None:
        self._part(self._lettering.draw(node, style))

    def _part(self, part: Part) -> None:
        self._pieces.append(f"<g{self._attributes(without_places(part.node).attributes)}>")
        waiting: list[Letter] = []
        for one in part.holds:
            if isinstance(one, Letter):
                waiting.append(one)
                continue
            self._pieces.append(shapes_of(waiting))
            waiting = []
            self._part(one)
        self._pieces.append(shapes_of(waiting) + "</g>")


def _name(node: Node) -> str:
    return node.tag.rpartition(" ")[2]


def _is_unseen(node: Node) -> bool:
    """Whether the element itself says that nobody sees it."""
    said = {key: value.lower() for key, value in node.attributes.items()}
    said |= words.declarations(said.get("style", ""))
    given = numbers(said.get("opacity", "1"))
    faint = bool(given) and given[0] / (100 if "%" in said.get("opacity", "") else 1) <= _FAINTEST
    return said.get("display") == "none" or faint


def _font() -> Font:
    """The font that Pillow brings (Aileron, CC0)."""
    embedded = ImageFont.load_default(16)
    assert isinstance(embedded, ImageFont.FreeTypeFont), "every wheel of Pillow is built with FreeType"
    return Font(embedded.font_bytes)


_FONT = _font()
_drawn(f'{_HEAD} width="9" height="9"><path d="M0 0L5 5" stroke="red"/></svg>', 1.0)  # fetches its randomness once
