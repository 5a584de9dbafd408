"""The parts of a workbook that say how its sheets are found and shown: relations, names, styles, texts, properties.

Guarantees: every part is on the list below or put into words; every part is referred to by another one; relations to
anything outside the file are put into words (F06), as are hidden sheets and names, and people and places in the
properties; for each style it is known whether it makes a value invisible.

Does not guarantee: that a value is legible: colours are compared with one another and with white only.

Threats: hidden sheets, hidden names, styles that show nothing, texts that no cell refers to.
Source: ECMA-376 part 1, sections 18.2, 18.3, 18.8, 15.2.
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass, field
from typing import TypeVar

from tre.airlock.formats.container import Member
from tre.airlock.formats.office import carried_by, what_of
from tre.airlock.formats.text import invisible_in
from tre.airlock.formats.xmlparts import Reader, Remarks, read_part, words_of
from tre.airlock.parsed import FileRefusedError, Observation, Passage, Place, quoted

T = TypeVar("T")

_READ = re.compile(
    r"\[Content_Types\]\.xml|_rels/\.rels|docProps/(?:core|app)\.xml|xl/(?:workbook|sharedStrings|styles|calcChain|"
    r"metadata)\.xml|xl/theme/theme\d*\.xml|xl/_rels/workbook\.xml\.rels|xl/worksheets/sheet\d+\.xml|"
    r"xl/worksheets/_rels/sheet\d+\.xml\.rels|xl/tables/table\d+\.xml"
)
_HARMLESS: dict[str, set[str] | None] = {
    "creator": {"openpyxl", "XlsxWriter", ""},
    "lastModifiedBy": {"openpyxl", "XlsxWriter", ""},
    "Application": None,
    "AppVersion": None,
    "created": None,
    "modified": None,
    "TotalTime": None,
    "revision": None,
    "lastPrinted": None,
    "DocSecurity": None,
    "ScaleCrop": None,
    "LinksUpToDate": None,
    "SharedDoc": None,
    "HyperlinksChanged": None,
    "lpstr": None,
    "i4": None,
    "language": None,
    "Template": {"", "Normal"},
}
"""Properties and the values that tell nothing; `None` where no value does. Times tell when the file was made only."""

_PROPERTIES = frozenset(_HARMLESS) | words_of(
    "title subject description keywords category contentStatus identifier lastPrinted revision version Manager Company "
    "HyperlinkBase Pages Words Characters Lines Paragraphs Slides Notes HiddenSlides lpwstr"
)
REACHING = re.compile(
    r"\[\d+\]|[A-Za-z]\w*\s*\|\s*'?[^!|]{0,200}!|\b(?:WEBSERVICE|CALL|REGISTER(?:\.ID)?|RTD|HYPERLINK|IMAGE|EXEC|DDE|"
    r"FILTERXML|STOCKHISTORY|CUBE\w+|SQL\.REQUEST|IMPORT\w+)\s*\(|https?:|file:|\\\\",
    re.IGNORECASE,
)
"""What a formula, a name or a rule says that calls a program, another workbook or an address."""

_RELATIONS = re.compile(r"(?:(.*)/)?_rels/([^/]*)\.rels")
_SHOWS_VALUE = re.compile(r"[0#?@]|general|[ymdhs]", re.IGNORECASE)
_QUOTED = re.compile(r'"[^"]*"|\\.|_.|\[[^\]]*\]')
_WHITES = {"FFFFFF", "theme 0", "indexed 1", "indexed 9"}
_SMALLEST_FONT = 3.0
_NOTHING = re.compile(r'(?:""|;|\s|\[[A-Za-z]+\])*')


@dataclass
class Relations:
    """What one part refers to: identifiers to parts of the file."""

    targets: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Sheet:
    """A sheet's name, its part, and whether it is shown."""

    name: str
    part: str
    state: str


@dataclass
class Workbook:
    """What the sheets are read with."""

    parts: dict[str, Member]
    remarks: Remarks
    sheets: list[Sheet] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    invisible: dict[int, str] = field(default_factory=dict)
    passages: list[Passage] = field(default_factory=list)
    referred: set[str] = field(default_factory=set)


_FORMULAS = frozenset({"calculatedColumnFormula", "totalsRowFormula"})


def _ignore_text(_name: str, _text: str) -> None:
    """For parts whose elements say all that matters."""


def _ignore_element(_name: str, _attributes: dict[str, str]) -> None:
    """For parts whose text says all that matters."""


def open_workbook(members: list[Member]) -> Workbook:
    """Everything but the sheets' cells. Raises `FileRefusedError`."""
    book = Workbook({member.name: member for member in members}, Remarks())
    _check_parts(book)
    top = relations_of(book, "_rels/.rels")
    if "xl/workbook.xml" not in top.targets.values():
        raise FileRefusedError(Observation("F02", "The file holds no workbook.", "Save it again as .xlsx."))
    _workbook(book, relations_of(book, "xl/_rels/workbook.xml.rels"))
    _shared_texts(book)
    _styles(book)
    for name in ("docProps/core.xml", "docProps/app.xml"):
        _properties(book, name)
    for name, member in book.parts.items():
        if name.startswith(("xl/theme/", "xl/tables/", "xl/calcChain", "xl/metadata")):
            _other_part(book, member)
    _content_types(book)
    return book


def _other_part(book: Workbook, member: Member) -> None:
    def closed(element: str, text: str) -> None:
        if element in _FORMULAS and REACHING.search(text):
            book.remarks.add("F06", f"A formula reaches out of the file: {quoted(text)}.")

    read_part(member, Reader(_ignore_element, closed, _FORMULAS), book.remarks)


def _content_types(book: Workbook) -> None:
    """The list of parts names parts that are there, and nothing else."""

    def opened(element: str, attributes: dict[str, str]) -> None:
        name = attributes.get("PartName", "").lstrip("/")
        if element == "Override" and name not in book.parts:
            book.remarks.add("F07", f"The list of parts names {quoted(name)}, which is not there.")

    member = _required(book, "[Content_Types].xml")
    read_part(member, Reader(opened, _ignore_text, frozenset()), book.remarks)


def _check_parts(book: Workbook) -> None:
    for name in book.parts:
        if _READ.fullmatch(name) is None and what_of(name) is None and not _relates(book, name):
            message = f"The workbook holds a part {quoted(name)} that nobody knows."
            raise FileRefusedError(Observation("F02", message, "Save the values into a new workbook."))
    for said in carried_by(list(book.parts)):
        book.remarks.add(said.check, said.message, remedy=said.suggestion)
    for name in book.parts:
        if name.endswith(".rels") and _READ.fullmatch(name) is None:
            relations_of(book, name)


def _relates(book: Workbook, name: str) -> bool:
    """Whether a part holds the relations of a part that is there."""
    found = _RELATIONS.fullmatch(name)
    if found is None:
        return False
    folder, source = found.groups()
    return (f"{folder}/{source}" if folder else source) in book.parts


def check_orphans(book: Workbook) -> None:
    """Parts that nothing refers to: no program shows them, and they leave all the same."""
    for name in book.parts:
        if name not in book.referred and not name.endswith(".rels") and name != "[Content_Types].xml":
            book.remarks.add("F07", f"The part {quoted(name)} belongs to nothing that is shown.")


def relations_of(book: Workbook, name: str) -> Relations:
    """The relations in one part; none where it is missing."""
    found = Relations()
    member = book.parts.get(name)
    if member is None:
        return found
    folder = posixpath.dirname(posixpath.dirname(name))

    def opened(element: str, attributes: dict[str, str]) -> None:
        if element != "Relationship":
            return
        target = attributes.get("Target", "")
        if attributes.get("TargetMode", "Internal").lower() != "internal":
            remedy = "Remove links, or write the address as text."
            book.remarks.add("F06", f"The workbook refers to something outside: {quoted(target)}.", remedy=remedy)
            return
        path = posixpath.normpath(posixpath.join("/", folder, target)).lstrip("/")
        found.targets[attributes.get("Id", "")] = path
        book.referred.add(path)

    read_part(member, Reader(opened, _ignore_text, frozenset()), book.remarks)
    return found


def _required(book: Workbook, name: str) -> Member:
    if name not in book.parts:
        raise FileRefusedError(Observation("F02", f"The workbook lacks its part {quoted(name)}.", "Save it again."))
    return book.parts[name]


def _workbook(book: Workbook, relations: Relations) -> None:
    defined: dict[str, str] = {}

    def opened(element: str, attributes: dict[str, str]) -> None:
        if element == "sheet":
            part = relations.targets.get(attributes.get("id", ""), "")
            book.sheets.append(Sheet(attributes.get("name", "")[:100], part, attributes.get("state", "visible")))
        elif element == "definedName":
            defined.clear()
            defined.update(attributes)
        elif element == "absPath" or (element == "fileSharing" and "userName" in attributes):
            told = attributes.get("url") or attributes.get("userName", "")
            book.remarks.add("F08", f"The workbook says where or by whom it was saved: {quoted(told)}.")
        elif element == "customWorkbookView":
            book.remarks.add("F08", f"The workbook names a view of {quoted(attributes.get('name', ''))}.")

    def closed(element: str, text: str) -> None:
        if element == "definedName":
            _defined_name(book, defined, text)

    reader = Reader(opened, closed, frozenset({"definedName"}))
    read_part(_required(book, "xl/workbook.xml"), reader, book.remarks)
    _check_sheets(book)


def _check_sheets(book: Workbook) -> None:
    if len({sheet.name.lower() for sheet in book.sheets}) != len(book.sheets):
        raise FileRefusedError(Observation("F03", "Two sheets have one name.", "Save it again."))
    for sheet in book.sheets:
        where = Place(sheet=sheet.name)
        if (unseen := invisible_in(sheet.name, where)) or not sheet.name:
            raise FileRefusedError(unseen or Observation("F02", "A sheet has no name.", "Save it again."))
        if sheet.state != "visible":
            hidden = "hidden so that no menu shows it" if sheet.state == "veryHidden" else "hidden"
            book.remarks.add("F07", f"The sheet {quoted(sheet.name)} is {hidden}.", where)


def _defined_name(book: Workbook, attributes: dict[str, str], text: str) -> None:
    name = attributes.get("name", "")
    if REACHING.search(text):
        book.remarks.add("F06", f"The name {quoted(name)} reaches out of the file: {quoted(text)}.")
    if name.startswith("_xlnm.") and len(text) <= 255 and '"' not in text:
        return
    book.passages.append(Passage(f"{name} = {text}", kind="metadata"))
    if attributes.get("hidden") in {"1", "true"}:
        book.remarks.add("F07", f"The name {quoted(name)} is hidden; it stands for {quoted(text)}.")
    elif '"' in text or "{" in text or len(text) > 255:
        book.remarks.add("F07", f"The name {quoted(name)} holds values of its own: {quoted(text)}.")
    if attributes.get("comment"):
        book.remarks.add("F07", f"The name {quoted(name)} carries a comment: {quoted(attributes['comment'])}.")


def _shared_texts(book: Workbook) -> None:
    member = book.parts.get("xl/sharedStrings.xml")
    if member is None:
        return
    pieces: list[str] = []
    phonetic: list[bool] = []

    def opened(element: str, _attributes: dict[str, str]) -> None:
        if element == "rPh":
            phonetic.append(True)

    def closed(element: str, text: str) -> None:
        if element == "t":
            if phonetic:
                book.remarks.add("F07", f"A cell has a reading aid that is not shown: {quoted(text)}.")
            else:
                pieces.append(text)
        elif element == "rPh":
            phonetic.pop()
        elif element == "si":
            book.texts.append("".join(pieces))
            pieces.clear()

    read_part(member, Reader(opened, closed, frozenset({"t"}), _TEXT_ELEMENTS), book.remarks)


_TEXT_ELEMENTS = words_of(
    "sst si t r rPr rPh phoneticPr b i u strike sz color rFont family charset scheme vertAlign outline shadow condense "
    "extend"
)


def _colour(attributes: dict[str, str]) -> str:
    if "rgb" in attributes:
        return attributes["rgb"][-6:].upper()
    if "theme" in attributes and "tint" not in attributes:
        return f"theme {attributes['theme']}"
    return f"indexed {attributes['indexed']}" if "indexed" in attributes else ""


class _StyleReader:
    """Follows the part of the styles: formats by number, fonts, fills, and the styles that combine them."""

    def __init__(self) -> None:
        self.formats: dict[str, str] = {}
        self.fonts: list[dict[str, str]] = []
        self.fills: list[str] = []
        self.styles: list[dict[str, str]] = []
        self.path: list[str] = []

    def opened(self, element: str, attributes: dict[str, str]) -> None:
        """One element begins."""
        parent = self.path[-1] if self.path else ""
        within = self.path[1] if len(self.path) > 1 else parent
        self.path.append(element)
        if element == "numFmt":
            self.formats[attributes.get("numFmtId", "")] = attributes.get("formatCode", "")
        elif (parent, element) == ("cellXfs", "xf"):
            self.styles.append(attributes)
        elif (parent, element) == ("fonts", "font"):
            self.fonts.append({})
        elif within == "fonts" and element in {"color", "sz"}:
            self.fonts[-1][element] = _colour(attributes) if element == "color" else attributes.get("val", "")
        elif (parent, element) == ("fills", "fill"):
            self.fills.append("")
        elif within == "fills" and element == "fgColor":
            self.fills[-1] = _colour(attributes)

    def closed(self, _element: str, _text: str) -> None:
        """One element ends."""
        self.path.pop()


def _styles(book: Workbook) -> None:
    """Which styles show nothing, by their number: values in them are pointed out."""
    member = book.parts.get("xl/styles.xml")
    if member is None:
        return
    seen = _StyleReader()
    read_part(member, Reader(seen.opened, seen.closed, frozenset()), book.remarks)
    for number, style in enumerate(seen.styles):
        font, fill = (_at(seen.fonts, style.get("fontId")) or {}), (_at(seen.fills, style.get("fillId")) or "")
        if why := _unseen(seen.formats.get(style.get("numFmtId", "")), font, fill):
            book.invisible[number] = why


def _at(items: list[T], number: str | None) -> T | None:
    return items[int(number)] if number and number.isdecimal() and int(number) < len(items) else None


def _unseen(code: str | None, font: dict[str, str], fill: str) -> str:
    """Why a style shows nothing; empty where it shows what is there."""
    if code is not None and ";" in code and _NOTHING.fullmatch(code):
        return "in a format that shows nothing"
    if code is not None and code and not _SHOWS_VALUE.search(_QUOTED.sub("", code)):
        return "in a format that shows other words"
    colour = font.get("color", "")
    behind = fill or "FFFFFF"
    if colour and (colour == behind or (colour in _WHITES and behind in _WHITES)):
        return "in the colour of its background"
    size = font.get("sz", "")
    if re.fullmatch(r"\d+(?:\.\d+)?", size) and float(size) < _SMALLEST_FONT:
        return "too small to be read"
    return ""


def _properties(book: Workbook, name: str) -> None:
    member = book.parts.get(name)
    if member is None:
        return

    def closed(element: str, text: str) -> None:
        said = text.strip()
        if not said or element not in _PROPERTIES:
            return
        book.passages.append(Passage(said, kind="metadata"))
        harmless = _HARMLESS.get(element, set())
        if harmless is not None and said not in harmless:
            book.remarks.add("F08", f"The workbook's properties name {quoted(said)} ({element}).")

    read_part(member, Reader(_ignore_element, closed, _PROPERTIES), book.remarks)
