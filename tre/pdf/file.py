"""The file: pages, structure, contents and fonts as one PDF. Uses pikepdf (QPDF).

Guarantees: the same markup and the same particulars give the same bytes. The file holds nothing that runs, loads,
links or is attached; it says its title and its language.

Does not guarantee: PDF/UA, which needs an examination of its own; the structure that it asks for is there.

Source: ISO 32000-1, 9.7 (fonts), 14.7 and 14.8 (structure).
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape

import pikepdf
from pikepdf import Array, Dictionary, Name, OutlineItem, Pdf, String

from tre.pdf.layout import Bookmark, Layout
from tre.pdf.letters import Face, drawable, faces
from tre.pdf.reading import read
from tre.pdf.sheets import HEIGHT, WIDTH, Element, Mark, Sheets

_UPRIGHT = 32
"""Of a font's flags: letters, not signs (ISO 32000-1, table 123)."""


@dataclass(frozen=True)
class Paper:
    """What a file says of itself. `notice` stands at the foot of every page, `at` is when it was made."""

    title: str
    author: str
    notice: str
    at: datetime
    language: str = "en-GB"


def make_pdf(markup: str, paper: Paper) -> bytes:
    """The file of a page of our own markup. Raises `ValueError` for an element that is not known on paper."""
    layout = Layout()
    layout.place(read(markup))
    layout.feet(drawable(paper.notice))
    with pikepdf.new() as document:
        _add_pages(document, layout.paper)
        _add_structure(document, layout)
        _add_bookmarks(document, layout.bookmarks)
        _describe(document, paper)
        written = io.BytesIO()
        document.save(written, deterministic_id=True, object_stream_mode=pikepdf.ObjectStreamMode.generate)
    return written.getvalue()


def _add_pages(document: Pdf, paper: Sheets) -> None:
    fonts = Dictionary(
        {
            f"/F{number}": document.make_indirect(_font(document, face, used))
            for number, (face, used) in enumerate(zip(faces(), paper.used, strict=True))
        }
    )
    resources = document.make_indirect(Dictionary(Font=fonts))
    for number, sheet in enumerate(paper.sheets):
        page = document.add_blank_page(page_size=(WIDTH, HEIGHT)).obj
        page.Contents = document.make_stream("\n".join(sheet.orders).encode("ascii"))
        page.Resources = resources
        page.StructParents = number
        page.Tabs = Name.S


# Structure.


def _add_structure(document: Pdf, layout: Layout) -> None:
    root = document.make_indirect(Dictionary(Type=Name.StructTreeRoot))
    made: dict[int, pikepdf.Object] = {}
    root.K = _element(document, layout.root, root, made)
    parents = Array()
    for number, sheet in enumerate(layout.paper.sheets):
        parents.append(number)
        parents.append(document.make_indirect(Array([made[id(element)] for element in sheet.marks])))
    root.ParentTree = document.make_indirect(Dictionary(Nums=parents))
    root.ParentTreeNextKey = len(layout.paper.sheets)
    document.Root.StructTreeRoot = root
    document.Root.MarkInfo = Dictionary(Marked=True)


def _element(
    document: Pdf, element: Element, parent: pikepdf.Object, made: dict[int, pikepdf.Object]
) -> pikepdf.Object:
    found = document.make_indirect(Dictionary(Type=Name.StructElem, S=Name(f"/{element.tag}"), P=parent))
    made[id(element)] = found
    if element.scope:
        found.A = Dictionary(O=Name.Table, Scope=Name(f"/{element.scope}"))
    first = next((one.sheet for one in element.inside if isinstance(one, Mark)), None)
    if first is not None:
        found.Pg = document.pages[first].obj
    inside = Array()
    for one in element.inside:
        if isinstance(one, Element):
            inside.append(_element(document, one, found, made))
        elif one.sheet == first:
            inside.append(one.number)
        else:
            inside.append(Dictionary(Type=Name.MCR, Pg=document.pages[one.sheet].obj, MCID=one.number))
    found.K = inside
    return found


def _add_bookmarks(document: Pdf, bookmarks: Sequence[Bookmark]) -> None:
    with document.open_outline() as outline:
        for one in bookmarks:
            item = OutlineItem(one.words, one.sheet, "XYZ", left=0, top=one.height)
            item.is_closed = True
            above = outline.root
            if one.level > 1 and above:
                above = above[-1].children
            above.append(item)


def _describe(document: Pdf, paper: Paper) -> None:
    at = paper.at.astimezone(UTC)
    stamp = String(f"D:{at:%Y%m%d%H%M%S}Z")
    document.docinfo = document.make_indirect(
        Dictionary(Title=String(paper.title), Author=String(paper.author), CreationDate=stamp, ModDate=stamp)
    )
    root = document.Root
    root.Lang = String(paper.language)
    root.ViewerPreferences = Dictionary(DisplayDocTitle=True)
    root.PageMode = Name.UseOutlines
    told = _XMP.format(
        title=escape(paper.title),
        author=escape(paper.author),
        language=escape(paper.language),
        at=f"{at:%Y-%m-%dT%H:%M:%SZ}",
    )
    stream = document.make_stream(told.encode())
    stream.Type, stream.Subtype = Name.Metadata, Name.XML
    root.Metadata = stream


_XMP = """\
<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:xmp="http://ns.adobe.com/xap/1.0/">
<dc:format>application/pdf</dc:format>
<dc:title><rdf:Alt><rdf:li xml:lang="x-default">{title}</rdf:li></rdf:Alt></dc:title>
<dc:creator><rdf:Seq><rdf:li>{author}</rdf:li></rdf:Seq></dc:creator>
<dc:language><rdf:Bag><rdf:li>{language}</rdf:li></rdf:Bag></dc:language>
<xmp:CreateDate>{at}</xmp:CreateDate>
</rdf:Description></rdf:RDF></x:xmpmeta>
<?xpacket end="r"?>"""


# Fonts.


def _font(document: Pdf, face: Face, used: dict[int, str]) -> Dictionary:
    data = face.part({0, *used})
    name = Name(f"/{_mark(used)}+{face.name}")
    program = document.make_stream(data)
    program.Length1 = len(data)
    described = Dictionary(
        Type=Name.FontDescriptor,
        FontName=name,
        Flags=_UPRIGHT,
        FontBBox=Array(face.box),
        ItalicAngle=0,
        Ascent=face.ascent,
        Descent=face.descent,
        CapHeight=face.ascent,
        StemV=80,
        FontFile2=program,
    )
    widths = Array()
    for number, letter in sorted(used.items()):
        widths.append(number)
        widths.append(Array([face.advance(letter)]))
    inner = Dictionary(
        Type=Name.Font,
        Subtype=Name.CIDFontType2,
        BaseFont=name,
        CIDSystemInfo=Dictionary(Registry=String("Adobe"), Ordering=String("Identity"), Supplement=0),
        FontDescriptor=document.make_indirect(described),
        W=widths,
        CIDToGIDMap=Name.Identity,
    )
    return Dictionary(
        Type=Name.Font,
        Subtype=Name.Type0,
        BaseFont=name,
        Encoding=Name("/Identity-H"),
        DescendantFonts=Array([document.make_indirect(inner)]),
        ToUnicode=document.make_stream(_to_unicode(used)),
    )


def _mark(used: dict[int, str]) -> str:
    """Six letters that name this part of the font."""
    found = hashlib.sha256(repr(sorted(used)).encode()).digest()[:6]
    return "".join(chr(ord("A") + byte % 26) for byte in found)


def _to_unicode(used: dict[int, str]) -> bytes:
    """What each shape means, so that text can be searched and read out."""
    pairs = [f"<{number:04X}> <{letter.encode('utf-16-be').hex().upper()}>" for number, letter in sorted(used.items())]
    lines = [
        "/CIDInit /ProcSet findresource begin 12 dict begin begincmap",
        "/CIDSystemInfo <</Registry (Adobe) /Ordering (UCS) /Supplement 0>> def",
        "/CMapName /Adobe-Identity-UCS def /CMapType 2 def",
        "1 begincodespacerange <0000> <FFFF> endcodespacerange",
    ]
    for start in range(0, len(pairs), 100):
        some = pairs[start : start + 100]
        lines += [f"{len(some)} beginbfchar", *some, "endbfchar"]
    return "\n".join([*lines, "endcmap CMapName currentdict /CMap defineresource pop end end"]).encode("ascii")
