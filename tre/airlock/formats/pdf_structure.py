"""The objects of a PDF: what runs, loads, hides or is attached. Uses pikepdf (QPDF).

Guarantees: every object is visited, used or not; actions, forms, attachments, layers, notes, thumbnails, programs'
private parts and replaced texts are named; documents that QPDF has to repair, and encrypted ones, are refused; a
stream is as long as it claims. Information about the document is put into words. Pictures are decoded from their
objects, drawn or not, and JPEG ones pass the strict JPEG walk.

Does not guarantee: the bytes of embedded fonts and colour profiles.

Threats: JavaScript, programs started and addresses loaded on opening, files attached, earlier or other pages hidden in
layers. Source: ISO 32000-1, 7.11, 8.11, 12.5, 12.6, 12.7, 14.3.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

import pikepdf
from PIL import Image

from tre.airlock.formats import jpeg, pdf_forms, raster
from tre.airlock.formats.pdf_bytes import Layout
from tre.airlock.parsed import Bounds, FileRefusedError, Observation, Passage, quoted

_MOST_VALUES = 1_000_000
_MOST_PICTURES = 500
_EOL = 2
_MOST_TOLD = 4000
_SAVE_AGAIN = "Save the document again without it, or as PNG."

_ACTIVE = {
    "/JS": "a program (JavaScript)",
    "/JavaScript": "a program (JavaScript)",
    "/AA": "actions that start by themselves",
    "/AcroForm": "a form",
    "/XFA": "a form",
    "/RichMedia": "a film or a program",
    "/RichMediaContent": "a film or a program",
}
_ACTIONS = {
    "/JavaScript": "a program (JavaScript)",
    "/Launch": "a command that starts a program",
    "/URI": "a link to an address",
    "/GoToR": "a link to another file",
    "/GoToE": "a link to an attached file",
    "/SubmitForm": "a command that sends data",
    "/ImportData": "a command that loads data",
    "/ResetForm": "a form",
    "/Rendition": "a film",
    "/Movie": "a film",
    "/Sound": "a sound",
    "/Hide": "a command that hides parts",
    "/SetOCGState": "a command that hides parts",
    "/Named": "a command of the viewer",
    "/RichMediaExecute": "a program",
    "/GoTo3DView": "a model in space",
    "/Trans": "a command of the viewer",
}
_HIDDEN = {
    "/EmbeddedFiles": "attached files",
    "/EF": "an attached file",
    "/AF": "attached files",
    "/OCProperties": "layers that can be hidden",
    "/Thumb": "small pictures of its pages",
    "/PieceInfo": "private parts of a program",
    "/Alternates": "other versions of a picture",
    "/Collection": "attached files",
    "/Alt": "a description that nobody sees",
    "/ActualText": "a text that nobody sees",
    "/OPI": "a reference to another file",
    "/LastModified": "",
}
_REMARK_OR_STRING = re.compile(rb"\([^()\\]*+(?:\\.[^()\\]*+)*\)|<[0-9A-Fa-f\s]*+>|%[^\r\n]*+", re.DOTALL)
_MOST_WORDS = 2000
_TIMES = frozenset({"/CreationDate", "/ModDate"})
_SPACES = {"/DeviceGray": 1, "/CalGray": 1, "/Indexed": 1, "/Separation": 1, "/DeviceRGB": 3, "/CalRGB": 3}
_SPACES |= {"/DeviceCMYK": 4, "/Lab": 3}
_MODES = {1: "L", 3: "RGB", 4: "CMYK"}
_NOTES = frozenset({"/Link"})
_EVERYDAY = re.compile(
    r"Matplotlib v[\w.+]{1,30}, https://matplotlib\.org/?|Matplotlib pdf backend v[\w.+]{1,30}"
    r"|R [\d.]{1,12}|R Graphics Output|cairo [\d.]{1,12} \(https?://cairographics\.org\)|pdfTeX-[\d.]{1,12}|/(?:True|False|Unknown)|Identity|Adobe|UCS"
)


@dataclass
class Structure:
    """What the objects hold beside the pages."""

    remarks: list[Observation] = field(default_factory=list)
    passages: list[Passage] = field(default_factory=list)
    told: set[str] = field(default_factory=set)
    contents: set[tuple[int, int]] = field(default_factory=set)
    pictures: raster.Seen = field(default_factory=raster.Seen)

    def say(self, key: str, text: str) -> None:
        """Words in an object, for the checks."""
        if key not in _TIMES and len(self.passages) < _MOST_WORDS and _EVERYDAY.fullmatch(text) is None:
            printable = "".join(letter if letter.isprintable() else " " for letter in text[:_MOST_TOLD])
            if len(printable.split()) and any(map(str.isalnum, printable)):
                self.passages.append(Passage(printable.strip(), kind="metadata"))

    def remark(self, check: str, message: str) -> None:
        """One more thing, told once."""
        if message not in self.told:
            self.told.add(message)
            self.remarks.append(Observation(check, message, _SAVE_AGAIN))


def _refused(check: str, message: str) -> FileRefusedError:
    return FileRefusedError(Observation(check, message, _SAVE_AGAIN))


def read(data: bytes, layout: Layout, bounds: Bounds) -> Structure:
    """Visit every object. Raises `FileRefusedError`."""
    try:
        with pikepdf.open(io.BytesIO(data), suppress_warnings=True, attempt_recovery=False) as document:
            return _visit(document, layout, bounds)
    except pikepdf.PasswordError as error:
        raise _refused("F04", "The document is encrypted.") from error
    except pikepdf.PdfError as error:
        raise _refused("F02", "The document is broken.") from error


def _drawn_by(page: pikepdf.Page) -> list[pikepdf.Stream]:
    drawn = page.obj.get("/Contents")
    listed = [one for one in (drawn.as_list() if isinstance(drawn, pikepdf.Array) else [drawn]) if one is not None]
    streams = [one for one in listed if isinstance(one, pikepdf.Stream)]
    if len(streams) < len(listed):
        raise _refused("F02", "The document is broken.")
    return streams


def _visit(document: pikepdf.Pdf, layout: Layout, bounds: Bounds) -> Structure:
    if document.is_encrypted:
        raise _refused("F04", "The document is encrypted.")
    result = Structure()
    for page in document.pages:
        result.contents |= {one.objgen for one in _drawn_by(page)}
    budget = iter(range(_MOST_VALUES))
    known = set()
    for one in document.objects:
        if not isinstance(one, pikepdf.Object):
            continue  # a number by itself
        known.add(one.objgen)
        if isinstance(one, pikepdf.Stream):
            _stream(one, layout, bounds, result)
        _examine(one, result, budget)
    _examine(document.trailer, result, budget)
    if document.get_warnings():
        raise _refused("F02", "The document is broken.")
    if any(document.get_object(name) is None for name in layout.objects.keys() - known):
        raise _refused("F03", "The document holds objects that its table does not name.")
    pdf_forms.check(document)
    _unused(document, result)
    _information(document, result)
    return result


def _parts(value: pikepdf.Object) -> Iterator[tuple[str, pikepdf.Object]]:
    """The direct values of an array, a dictionary or a stream, with their keys."""
    if isinstance(value, pikepdf.Array):
        yield from (("", one) for one in value.as_list())
    elif isinstance(value, pikepdf.Dictionary | pikepdf.Stream):
        yield from value.items()


def _examine(value: pikepdf.Object, result: Structure, budget: Iterator[int]) -> None:
    """One object, with all that stands directly in it; what it refers to is visited by itself."""
    waiting = [value]
    while waiting:
        if next(budget, None) is None:
            raise _refused("F05", "The document has more parts than allowed.")
        current = waiting.pop()
        if isinstance(current, pikepdf.Dictionary | pikepdf.Stream):
            _dictionary(current, result)
        is_palette = isinstance(current, pikepdf.Array) and len(current) == 4 and str(current[0]) == "/Indexed"
        for key, one in _parts(current):
            if isinstance(one, pikepdf.Array | pikepdf.Dictionary) and not one.is_indirect:
                waiting.append(one)
            elif isinstance(one, pikepdf.String) and not is_palette:
                result.say(key, str(one))


def _dictionary(value: pikepdf.Dictionary | pikepdf.Stream, result: Structure) -> None:
    keys = set(value.keys())
    for key in keys & _ACTIVE.keys():
        raise _refused("F06", f"The document holds {_ACTIVE[key]}.")
    kind = str(value.get("/S", ""))
    if kind in _ACTIONS and ("/Type" not in keys or str(value.get("/Type")) == "/Action"):
        raise _refused("F06", f"The document holds {_ACTIONS[kind]}.")
    opening = value.get("/OpenAction")
    if isinstance(opening, pikepdf.Dictionary) and str(opening.get("/S", "")) not in {"/GoTo", *_ACTIONS}:
        raise _refused("F06", "The document does something when it is opened.")
    for key in keys & _HIDDEN.keys():
        if _HIDDEN[key]:
            result.remark("F07", f"The document holds {_HIDDEN[key]}.")
    notes = value.get("/Annots")
    if isinstance(notes, pikepdf.Array):
        _notes(notes, result)


def _notes(notes: pikepdf.Array, result: Structure) -> None:
    """Notes on a page: links to other pages are harmless."""
    for note in notes.as_list():
        kind = str(note.get("/Subtype", "")) if isinstance(note, pikepdf.Dictionary) else ""
        if kind in {"/Widget", "/Screen", "/Movie", "/RichMedia", "/3D", "/Sound"}:
            raise _refused("F06", f"The document holds an active part ({quoted(kind.lstrip('/'))}).")
        if kind not in _NOTES:
            result.remark("F07", f"The document holds notes ({quoted(kind.lstrip('/'))}).")


def _stream(stream: pikepdf.Stream, layout: Layout, bounds: Bounds, result: Structure) -> None:
    """A stream: as long as it says, loaded from nowhere else; pictures are decoded."""
    if "/F" in stream or "/Ref" in stream:
        raise _refused("F06", "The document loads a part from another file.")
    kind = str(stream.get("/Type", "")), str(stream.get("/Subtype", ""))
    found = layout.streams.get(stream.objgen)
    claimed = len(stream.read_raw_bytes())
    if found is not None and not 0 <= found - claimed <= _EOL:
        raise _refused("F03", "Bytes stand behind a stream of the document.")
    if kind[0] == "/EmbeddedFile":
        result.remark("F07", "The document holds an attached file.")
    elif kind[0] == "/Metadata":
        text = stream.read_bytes()[:_MOST_TOLD].decode("utf-8", "replace")
        result.passages.append(Passage(text, kind="metadata"))
        result.remark("F08", f"The document holds metadata: {quoted(re.sub(r'<[^<>]*+>', ' ', text).strip())}.")
    elif kind[1] == "/Image":
        _picture(stream, bounds, result)
    elif kind[1] == "/PS" or "/OPI" in stream:
        raise _refused("F06", "The document holds a program (PostScript).")
    elif kind[1] == "/Form" or stream.objgen in result.contents:
        _content(stream.read_bytes(), result)


def _content(data: bytes, result: Structure) -> None:
    """Instructions for drawing: remarks, and texts that are not drawn."""
    if b"BI" in data:
        return  # pixels between instructions: chance would find remarks in them
    for found in _REMARK_OR_STRING.finditer(data):
        text = found.group()
        if text.startswith(b"%") and len(text.strip(b"% \t")) > 2:
            result.passages.append(Passage(text.decode("utf-8", "replace"), kind="metadata"))
            result.remark("F07", f"The document holds remarks that nobody sees: {quoted(text.decode('latin-1'))}.")
    if b"/ActualText" in data or b"/Alt" in data:
        result.remark("F07", "The document holds a text that nobody sees.")


def _picture(stream: pikepdf.Stream, bounds: Bounds, result: Structure) -> None:
    """A picture object, drawn or not."""
    width, height = int(stream.get("/Width", 0)), int(stream.get("/Height", 0))
    if width * height > bounds.image_pixels or len(result.pictures.pictures) > _MOST_PICTURES:
        raise _refused("F05", "The document holds more or larger pictures than allowed.")
    filters = stream.get("/Filter", pikepdf.Array())
    names = [str(one) for one in (filters.as_list() if isinstance(filters, pikepdf.Array) else [filters])]
    if names == ["/DCTDecode"]:
        raw = stream.read_raw_bytes()
        judged = jpeg.judged(raw, bounds)
        result.remarks += judged.remarks
        result.passages += judged.passages
        image = raster.decoded(lambda: jpeg.opened(raw))
    elif set(names) <= {"/FlateDecode", "/RunLengthDecode", "/LZWDecode", "/ASCII85Decode", "/ASCIIHexDecode"}:
        image = raster.decoded(lambda: _plain_picture(stream, width, height))
    else:
        raise _refused("F02", "A picture in the document is coded in a way that is not looked into.")
    result.pictures.look_at(image.convert("RGB") if image.mode not in {"L", "RGB"} else image)


def _plain_picture(stream: pikepdf.Stream, width: int, height: int) -> Image.Image:
    """Samples of one channel with one to eight bits, or of three or four with eight, with their palette."""
    data, bits = stream.read_bytes(), int(stream.get("/BitsPerComponent", 1))
    mode = _MODES.get(_channels(stream)) if bits == 8 else "P" if bits in {1, 2, 4} else None
    if mode is None:
        raise ValueError("samples that are not looked into")
    due = height * ((width * bits + 7) // 8) if mode == "P" else width * height * len(mode)
    if len(data) > due + _EOL:
        raise _refused("F03", "Bytes stand behind a picture of the document.")
    palette = _palette(stream)
    if mode == "P":
        image = Image.frombytes("P", (width, height), data, "raw", f"P;{bits}")
        shades = [255 * level // (2**bits - 1) for level in range(2**bits)]
        image.putpalette(palette or bytes(shade for level in shades for shade in (level,) * 3))
        return image
    image = Image.frombytes(mode, (width, height), data)
    if mode == "L" and palette is not None:
        image = image.convert("P")
        image.putpalette(palette)
    return image


def _channels(stream: pikepdf.Stream) -> int:
    """How many samples a pixel has; 0 for spaces that are not looked into."""
    space = stream.get("/ColorSpace", "/DeviceGray")
    if isinstance(space, pikepdf.Array) and len(space) == 2 and isinstance(space[1], pikepdf.Stream):
        return int(space[1].get("/N", 0))
    name = str(space[0]) if isinstance(space, pikepdf.Array) and len(space) else str(space)
    return _SPACES.get(name, 0)


def _palette(stream: pikepdf.Stream) -> bytes | None:
    """The colours of an indexed picture in RGB."""
    space = stream.get("/ColorSpace")
    if not isinstance(space, pikepdf.Array) or len(space) != 4 or str(space[0]) != "/Indexed":
        return None
    table = space[3]
    colours = table.read_bytes() if isinstance(table, pikepdf.Stream) else bytes(table)
    return colours[:768] if len(colours) % 3 == 0 and str(space[1]) == "/DeviceRGB" else None


def _unused(document: pikepdf.Pdf, result: Structure) -> None:
    """Objects that nothing refers to."""
    reached: set[tuple[int, int]] = set()
    waiting: list[pikepdf.Object] = [document.trailer]
    while waiting:
        for _, one in _parts(waiting.pop()):
            if not isinstance(one, pikepdf.Array | pikepdf.Dictionary | pikepdf.Stream):
                continue
            if one.is_indirect:
                if one.objgen in reached:
                    continue
                reached.add(one.objgen)
            waiting.append(one)
    for one in document.objects:
        kind = str(one.get("/Type", "")) if isinstance(one, pikepdf.Dictionary | pikepdf.Stream) else ""
        holds = isinstance(one, pikepdf.Array | pikepdf.Dictionary | pikepdf.Stream)
        if holds and one.objgen not in reached and kind not in {"/ObjStm", "/XRef"}:
            result.remark("F07", "The document holds parts that no page uses.")


def _information(document: pikepdf.Pdf, result: Structure) -> None:
    """Author, title, programs and times, as programs write them."""
    information = document.trailer.get("/Info")
    if not isinstance(information, pikepdf.Dictionary):
        return
    for key, value in information.items():
        text, name = str(value)[:_MOST_TOLD], key.lstrip("/")
        if name in {"CreationDate", "ModDate"}:
            result.remark("F08", "The document holds the time of its making.")
        elif text and _EVERYDAY.fullmatch(text) is None:
            result.remark("F08", f"The document holds metadata: {quoted(f'{name}: {text}')}.")
