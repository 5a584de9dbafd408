"""Hostile workbooks and clean near-misses by name, made part by part from the standard library."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Callable

from tests.assets.airlock.files import Hostile, png

MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
PACKAGE = "http://schemas.openxmlformats.org/package/2006"
KINDS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"

CELLS = (
    '<row r="1"><c r="A1" t="s"><v>0</v></c><c r="B1" t="inlineStr"><is><t>n_patients</t></is></c></row>'
    '<row r="2"><c r="A2" t="str"><v>F</v></c><c r="B2"><v>120</v></c></row>'
    '<row r="3"><c r="A3" t="str"><v>M</v></c><c r="B3"><v>130</v></c></row>'
)
WHITE = '<font><color rgb="FFFFFFFF"/><sz val="11"/></font>'


def sheet(cells: str = CELLS, before: str = "", after: str = "") -> str:
    """A sheet's part."""
    return f'<worksheet xmlns="{MAIN}" xmlns:r="{KINDS}">{before}<sheetData>{cells}</sheetData>{after}</worksheet>'


def styles(*, fonts: str = "<font/>", fills: str = "", style: str = "", formats: str = "") -> str:
    """The part of styles; style 1 is the one under test."""
    return (
        f'<styleSheet xmlns="{MAIN}"><numFmts>{formats}</numFmts><fonts><font/>{fonts}</fonts>'
        f'<fills><fill><patternFill/></fill>{fills}</fills><cellXfs><xf fontId="0" fillId="0" numFmtId="0"/>'
        f"<xf {style}/></cellXfs></styleSheet>"
    )


STYLED = CELLS.replace('<c r="B2">', '<c r="B2" s="1">')


def kind_of(target: str) -> str:
    """The kind of a relation, as its target's name says."""
    name = target.rsplit("/", 1)[-1].removesuffix(".xml").rstrip("0123456789")
    return {"workbook": "officeDocument", "sheet": "worksheet", "core": "core-properties"}.get(name, name)


def relations(*more: str, targets: dict[str, str] | None = None) -> str:
    """A part of relations."""
    inside = "".join(
        f'<Relationship Id="{key}" Type="{KINDS}/{kind_of(target)}" Target="{target}"/>'
        for key, target in (targets or {}).items()
    )
    return f'<Relationships xmlns="{PACKAGE}/relationships">{inside}{"".join(more)}</Relationships>'


def parts(
    sheet_part: str = "", *, sheets: str = "", names: str = "", texts: str = "", more: dict[str, str] | None = None
) -> dict[str, str]:
    """The parts of a small honest workbook, with changes."""
    targets = {"r1": "worksheets/sheet1.xml", "r2": "sharedStrings.xml", "r3": "styles.xml"}
    listed = sheets or '<sheet name="Results" sheetId="1" r:id="r1"/>'
    made = {
        "[Content_Types].xml": f'<Types xmlns="{PACKAGE}/content-types"/>',
        "_rels/.rels": relations(targets={"r1": "xl/workbook.xml", "r2": "docProps/core.xml"}),
        "docProps/core.xml": f'<cp:coreProperties xmlns:cp="{PACKAGE}/metadata/core-properties"/>',
        "xl/workbook.xml": f'<workbook xmlns="{MAIN}" xmlns:r="{KINDS}"><sheets>{listed}</sheets>'
        f"<definedNames>{names}</definedNames></workbook>",
        "xl/_rels/workbook.xml.rels": relations(targets=targets),
        "xl/sharedStrings.xml": f'<sst xmlns="{MAIN}"><si><t>sex</t></si>{texts}</sst>',
        "xl/styles.xml": styles(),
        "xl/worksheets/sheet1.xml": sheet_part or sheet(),
    }
    return made | (more or {})


def packed(made: dict[str, str] | None = None, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """The parts as a container."""
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w", method) as target:
        for name, text in (made or parts()).items():
            target.writestr(name, text)
    return memory.getvalue()


def book(sheet_part: str = "", **changes: str) -> bytes:
    """A workbook with another sheet, or with other words for its names, texts or sheets."""
    return packed(parts(sheet_part, **changes))  # type: ignore[arg-type]


def with_part(name: str, text: str = "<a/>") -> bytes:
    """A workbook with one more part."""
    return packed(parts(more={name: text}))


def with_styles(part: str) -> bytes:
    """A workbook whose cell B2 has style 1 of these."""
    return packed(parts(sheet(STYLED), more={"xl/styles.xml": part}))


def two_sheets(state: str) -> bytes:
    """A workbook whose second sheet has a state."""
    listed = f'<sheet name="Results" sheetId="1" r:id="r1"/><sheet name="Raw" sheetId="2" r:id="r9" state="{state}"/>'
    targets = {
        "r1": "worksheets/sheet1.xml",
        "r2": "sharedStrings.xml",
        "r3": "styles.xml",
        "r9": "worksheets/sheet2.xml",
    }
    more = {"xl/worksheets/sheet2.xml": sheet(), "xl/_rels/workbook.xml.rels": relations(targets=targets)}
    return packed(parts(sheets=listed, more=more))


def named_twice() -> bytes:
    """A container in which one name stands twice."""
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w") as target:
        for name, text in [*parts().items(), ("xl/worksheets/Sheet1.xml", sheet(CELLS.replace("120", "3")))]:
            target.writestr(name, text)
    return memory.getvalue()


def bomb() -> bytes:
    """A sheet of which every megabyte is a kilobyte."""
    return packed(parts(sheet(CELLS + " " * 60_000_000)))


def lying_size() -> bytes:
    """The directory says that a part is shorter than it unfolds to."""
    data = bytearray(packed())
    at = data.rfind(b"PK\x01\x02")
    struct.pack_into("<I", data, at + 24, 10)
    local = struct.unpack_from("<I", data, at + 42)[0]
    struct.pack_into("<I", data, local + 22, 10)
    return bytes(data)


def local_says_otherwise() -> bytes:
    """A local header that names another part than the directory."""
    data = packed()
    return data.replace(b"xl/styles.xml", b"xl/stylez.xml", 1)


def between_members() -> bytes:
    """Bytes between two parts; the directory points past them."""
    data, junk = packed(), b"SECRET" * 10
    second = data.index(b"PK\x03\x04", 4)
    moved = bytearray(data[:second] + junk + data[second:])
    at = moved.index(b"PK\x01\x02")
    end = moved.rindex(b"PK\x05\x06")
    while moved[at : at + 4] == b"PK\x01\x02":
        name, extra, comment = struct.unpack_from("<HHH", moved, at + 28)
        offset = struct.unpack_from("<I", moved, at + 42)[0]
        struct.pack_into("<I", moved, at + 42, offset + len(junk) if offset >= second else offset)
        at += 46 + name + extra + comment
    struct.pack_into("<I", moved, end + 16, struct.unpack_from("<I", moved, end + 16)[0] + len(junk))
    return bytes(moved)


class _Stream(io.RawIOBase):
    """A sink that cannot be wound back: zipfile writes descriptors behind each part then."""

    def __init__(self) -> None:
        self.held = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]
        self.held += data
        return len(data)


def streamed() -> bytes:
    """A container with data descriptors, as programs that stream write it."""
    sink = _Stream()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as target:  # type: ignore[arg-type]
        for name, text in parts().items():
            target.writestr(name, text)
    return bytes(sink.held)


def lying_descriptor() -> bytes:
    """A data descriptor that names another checksum."""
    data = bytearray(streamed())
    at = data.index(b"PK\x07\x08")
    data[at + 4] ^= 1
    return bytes(data)


def extra_field() -> bytes:
    """A field for extensions that carries a text."""
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w") as target:
        for name, text in parts().items():
            about = zipfile.ZipInfo(name)
            about.extra = struct.pack("<HH", 0x6666, 6) + b"SECRET"
            target.writestr(about, text)
    return memory.getvalue()


def encrypted() -> bytes:
    """A container whose parts say that they are encrypted."""
    data = bytearray(packed())
    for magic, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        found = data.find(magic)
        while found >= 0:
            data[found + at] |= 1
            found = data.find(magic, found + 4)
    return bytes(data)


def behind_the_stream() -> bytes:
    """Bytes behind the end of one part's compressed data, counted as its own."""
    data = packed({"a": "b" * 100})
    method, name = 8, b"[Content_Types].xml"
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    text = b"<Types/>"
    body = packer.compress(text) + packer.flush() + b"SECRET"
    fields = struct.pack("<3I2H", zlib.crc32(text), len(body), len(text), len(name), 0)
    local = b"PK\x03\x04" + struct.pack("<5H", 20, 0, method, 0, 33) + fields + name + body
    central = b"PK\x01\x02" + struct.pack("<6H", 20, 20, 0, method, 0, 33) + fields + bytes(14) + name
    end = b"PK\x05\x06" + struct.pack("<4H2IH", 0, 0, 1, 1, len(central), len(local), 0)
    assert data.endswith(data[-22:])
    return local + central + end


BILLION_LAUGHS = (
    '<!DOCTYPE w [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">'
    '<!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;">]>'
)
XXE = '<!DOCTYPE w [<!ENTITY e SYSTEM "file:///etc/passwd">]>'
FORMULA = CELLS.replace('<c r="B3"><v>130</v>', '<c r="B3"><f>FORMULA</f><v>130</v>')
OUTSIDE = '<Relationship Id="x" Type="a" Target="http://collect.example/?d=1" TargetMode="External"/>'

HOSTILE: dict[str, Hostile] = {
    "really-a-csv.xlsx": Hostile("F02", "does not begin", lambda: b"a,b\n1,2\n"),
    "really-a-docx.xlsx": Hostile(
        "F02", "a Word document", lambda: packed({"[Content_Types].xml": "", "word/document.xml": ""})
    ),
    "bytes-before.xlsx": Hostile("F02", "does not begin", lambda: b"#!/bin/sh\n" + packed()),
    "bytes-behind.xlsx": Hostile("F03", "follow the end", lambda: packed() + b"SECRET"),
    "picture-in-front.xlsx": Hostile("F02", "PNG image", lambda: png() + packed()),
    "comment-at-the-end.xlsx": Hostile("F03", "follow the end", lambda: packed()[:-2] + b"\x06\0SECRET"),
    "bytes-between.xlsx": Hostile("F03", "between the parts", between_members),
    "behind-the-stream.xlsx": Hostile("F03", "compressed data", behind_the_stream),
    "extra-field.xlsx": Hostile("F03", "may carry data", extra_field),
    "name-twice.xlsx": Hostile("F03", "one name", named_twice),
    "climbing-name.xlsx": Hostile("F03", "unusual name", lambda: with_part("../../etc/passwd")),
    "local-says-otherwise.xlsx": Hostile("F03", "something else than its directory", local_says_otherwise),
    "lying-size.xlsx": Hostile("F03", "does not unfold", lying_size),
    "lying-descriptor.xlsx": Hostile("F03", "followed by something else", lying_descriptor),
    "encrypted.xlsx": Hostile("F04", "encrypted", encrypted),
    "lzma.xlsx": Hostile("F04", "unusual way", lambda: packed(method=zipfile.ZIP_LZMA)),
    "bomb.xlsx": Hostile("F04", "100 times", bomb),
    "nested.xlsx": Hostile("F02", "nobody knows", lambda: with_part("xl/inner.zip")),
    "many-parts.xlsx": Hostile("F05", "parts", lambda: packed(parts(more={f"xl/media/p{n}": "" for n in range(1000)}))),
    "cut-off.xlsx": Hostile("F02", "cut off", lambda: packed()[:-30]),
    "billion-laughs.xlsx": Hostile("F06", "entities", lambda: book(BILLION_LAUGHS + sheet())),
    "external-entity.xlsx": Hostile("F06", "entities", lambda: book(XXE + sheet())),
    "utf-16-part.xlsx": Hostile("F02", "not UTF-8", lambda: book('<?xml version="1.0" encoding="UTF-16"?>' + sheet())),
    "deep.xlsx": Hostile("F05", "nested", lambda: book(sheet(after="<ext>" * 200 + "</ext>" * 200))),
    "instruction.xlsx": Hostile("F03", "instruction", lambda: book("<?php system(1) ?>" + sheet())),
    "macros.xlsx": Hostile("F06", "macros", lambda: with_part("xl/vbaProject.bin")),
    "old-macros.xlsx": Hostile("F06", "old macro sheet", lambda: with_part("xl/macrosheets/sheet1.xml")),
    "active-control.xlsx": Hostile("F06", "active controls", lambda: with_part("xl/activeX/activeX1.xml")),
    "embedded.xlsx": Hostile(
        "F06", "embedded document", lambda: with_part("xl/embeddings/Microsoft_Excel_Sheet1.xlsx")
    ),
    "linked-workbook.xlsx": Hostile("F06", "another workbook", lambda: with_part("xl/externalLinks/externalLink1.xml")),
    "connection.xlsx": Hostile("F06", "connection", lambda: with_part("xl/connections.xml")),
    "data-model.xlsx": Hostile("F06", "connection", lambda: with_part("xl/model/item.data")),
    "outside.xlsx": Hostile(
        "F06",
        "outside",
        lambda: packed(
            parts(
                more={
                    "xl/_rels/workbook.xml.rels": relations(
                        OUTSIDE, targets={"r1": "worksheets/sheet1.xml", "r2": "sharedStrings.xml", "r3": "styles.xml"}
                    )
                }
            )
        ),
    ),
    "dde.xlsx": Hostile("F06", "reaches out", lambda: book(sheet(FORMULA.replace("FORMULA", "cmd|'/C calc'!A0")))),
    "webservice.xlsx": Hostile("F06", "reaches out", lambda: book(sheet(FORMULA.replace("FORMULA", "WEBSERVICE(A1)")))),
    "other-book.xlsx": Hostile("F06", "reaches out", lambda: book(sheet(FORMULA.replace("FORMULA", "[1]Raw!A1")))),
    "second-value.xlsx": Hostile(
        "F02", "different cells", lambda: book(sheet(CELLS.replace("</is></c>", "</is><v>17</v></c>")))
    ),
    "sheets-of-one-name.xlsx": Hostile(
        "F03",
        "one name",
        lambda: book(sheets='<sheet name="a" sheetId="1" r:id="r1"/><sheet name="A" sheetId="2" r:id="r1"/>'),
    ),
    "sheet-from-nowhere.xlsx": Hostile(
        "F02", "not there", lambda: book(sheets='<sheet name="a" sheetId="1" r:id="r77"/>')
    ),
    "relations-of-nothing.xlsx": Hostile("F02", "nobody knows", lambda: with_part("xl/_rels/secret.rels", relations())),
    "dde-in-a-name.xlsx": Hostile(
        "F06", "reaches out", lambda: book(names="<definedName name=\"a\">cmd|'/C calc'!A0</definedName>")
    ),
    "dde-in-a-table.xlsx": Hostile(
        "F06",
        "reaches out",
        lambda: with_part(
            "xl/tables/table1.xml",
            f"<table xmlns=\"{MAIN}\"><calculatedColumnFormula>cmd|'/C calc'!A0</calculatedColumnFormula></table>",
        ),
    ),
    "dde-in-a-rule.xlsx": Hostile(
        "F06",
        "reaches out",
        lambda: book(
            sheet(
                after="<conditionalFormatting><cfRule><formula>WEBSERVICE(A1)</formula></cfRule></conditionalFormatting>"
            )
        ),
    ),
    "also-a-pdf.xlsx": Hostile(
        "F03",
        "PDF",
        lambda: packed(
            parts(more={"[Content_Types].xml": f'<Types xmlns="{PACKAGE}/content-types"/><!-- %PDF-1.7 -->'}),
            zipfile.ZIP_STORED,
        ),
    ),
    "far-away.xlsx": Hostile(
        "F05", "beyond", lambda: book(sheet(CELLS + '<row r="1048576"><c r="XFD1048576"><v>1</v></c></row>'))
    ),
    "wide.xlsx": Hostile("F05", "beyond", lambda: book(sheet(CELLS + '<row r="4"><c r="ZZZ4"><v>1</v></c></row>'))),
    "cell-twice.xlsx": Hostile(
        "F03",
        "one place",
        lambda: book(
            sheet(
                CELLS.replace("</v></c></row>", '</v></c><c r="B2"><v>3</v></c></row>', 1).replace(
                    'r="B2"><v>120', 'r="B2"><v>120'
                )
            )
        ),
    ),
    "scattered.xlsx": Hostile(
        "F05",
        "separate tables",
        lambda: book(
            sheet("".join(f'<row r="{row}"><c r="A{row}" t="s"><v>0</v></c></row>' for row in range(1, 2100, 2)))
        ),
    ),
    "other-row.xlsx": Hostile("F02", "another row", lambda: book(sheet(CELLS.replace('r="B3"', 'r="B9"')))),
    "missing-text.xlsx": Hostile("F02", "not there", lambda: book(sheet(CELLS.replace("<v>0</v>", "<v>99</v>")))),
    "bidi.xlsx": Hostile("F03", "U+202E", lambda: book(sheet(CELLS.replace(">F<", ">F&#x202E;<")))),
    "broken-xml.xlsx": Hostile("F02", "well-formed", lambda: book("<worksheet>")),
    "long-cell.xlsx": Hostile("F05", "characters", lambda: book(sheet(CELLS.replace(">F<", f">{'x' * 5000}<")))),
}
"""Files that are blocked: the check that stops each, and a piece of the reason in words."""

HIDING: dict[str, Hostile] = {
    "hidden-sheet.xlsx": Hostile("F07", "is hidden", lambda: two_sheets("hidden")),
    "very-hidden-sheet.xlsx": Hostile("F07", "no menu shows it", lambda: two_sheets("veryHidden")),
    "hidden-row.xlsx": Hostile(
        "F07", "Hidden rows", lambda: book(sheet(CELLS.replace('<row r="3"', '<row r="3" hidden="1"')))
    ),
    "flat-row.xlsx": Hostile(
        "F07", "Hidden rows", lambda: book(sheet(CELLS.replace('<row r="3"', '<row r="3" ht="0.5"')))
    ),
    "hidden-column.xlsx": Hostile(
        "F07", "Hidden columns", lambda: book(sheet(before='<cols><col min="2" max="2" hidden="1"/></cols>'))
    ),
    "narrow-column.xlsx": Hostile(
        "F07", "Hidden columns", lambda: book(sheet(before='<cols><col min="2" max="2" width="0.1"/></cols>'))
    ),
    "pivot-cache.xlsx": Hostile("F07", "all rows", lambda: with_part("xl/pivotCache/pivotCacheRecords1.xml")),
    "comments.xlsx": Hostile("F07", "comments", lambda: with_part("xl/comments1.xml")),
    "threaded-comments.xlsx": Hostile("F07", "comments", lambda: with_part("xl/threadedComments/threadedComment1.xml")),
    "chart.xlsx": Hostile("F07", "copy of its values", lambda: with_part("xl/charts/chart1.xml")),
    "custom-properties.xlsx": Hostile("F07", "properties of its own", lambda: with_part("docProps/custom.xml")),
    "custom-xml.xlsx": Hostile("F07", "other programs", lambda: with_part("customXml/item1.xml")),
    "orphan.xlsx": Hostile("F07", "belongs to nothing", lambda: with_part("xl/worksheets/sheet7.xml", sheet())),
    "hidden-name.xlsx": Hostile(
        "F07", "is hidden", lambda: book(names='<definedName name="raw" hidden="1">Results!A1</definedName>')
    ),
    "name-with-data.xlsx": Hostile(
        "F07", "values of its own", lambda: book(names='<definedName name="raw">{"id1",44}</definedName>')
    ),
    "unused-texts.xlsx": Hostile("F07", "in no cell", lambda: book(texts="<si><t>patient 17</t></si>")),
    "shows-nothing.xlsx": Hostile(
        "F07",
        "shows nothing",
        lambda: with_styles(styles(formats='<numFmt numFmtId="170" formatCode=";;;"/>', style='numFmtId="170"')),
    ),
    "white-on-white.xlsx": Hostile(
        "F07", "colour of its background", lambda: with_styles(styles(fonts=WHITE, style='fontId="1" fillId="0"'))
    ),
    "tiny.xlsx": Hostile(
        "F07", "too small", lambda: with_styles(styles(fonts='<font><sz val="1"/></font>', style='fontId="1"'))
    ),
    "text-between-rows.xlsx": Hostile("F07", "nobody sees it", lambda: book(sheet(CELLS + "patient 17"))),
    "comment-in-markup.xlsx": Hostile(
        "F07", "comment in its markup", lambda: book(sheet(CELLS + "<!-- patient 17 -->"))
    ),
    "foreign-markup.xlsx": Hostile("F07", "another kind", lambda: book(sheet(after='<x xmlns="urn:mine"/>'))),
    "long-property.xlsx": Hostile(
        "F07", "very long property", lambda: book(sheet(before=f'<sheetPr codeName="Sheet{"x" * 300}"/>'))
    ),
    "other-words.xlsx": Hostile(
        "F07",
        "shows other words",
        lambda: with_styles(
            styles(formats='<numFmt numFmtId="170" formatCode="&quot;n/a&quot;"/>', style='numFmtId="170"')
        ),
    ),
    "own-attribute.xlsx": Hostile(
        "F07", "carries “patient”", lambda: book(sheet(CELLS.replace('<row r="3"', '<row r="3" patient="17"')))
    ),
    "listed-part.xlsx": Hostile(
        "F07",
        "not there",
        lambda: with_part(
            "[Content_Types].xml", f'<Types xmlns="{PACKAGE}/content-types"><Override PartName="/patients/17"/></Types>'
        ),
    ),
}
"""Files that carry more than they show: each needs an exception from everybody who checks it."""

TOLD: dict[str, Hostile] = {
    "author.xlsx": Hostile(
        "F08",
        "alice",
        lambda: packed(
            parts(
                more={
                    "docProps/core.xml": f'<cp:coreProperties xmlns:cp="{PACKAGE}/metadata/core-properties" xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:creator>alice</dc:creator></cp:coreProperties>'
                }
            )
        ),
    ),
    "printer.xlsx": Hostile("F08", "printer", lambda: with_part("xl/printerSettings/printerSettings1.bin")),
    "header.xlsx": Hostile(
        "F08", "at its edge", lambda: book(sheet(after="<headerFooter><oddHeader>ward 7</oddHeader></headerFooter>"))
    ),
    "formula.xlsx": Hostile("F10", "formulas", lambda: book(sheet(FORMULA.replace("FORMULA", "SUM(B2:B2)")))),
}
"""Files that may leave once each checker has acknowledged what is told of them."""

HONEST: dict[str, Callable[[], bytes]] = {
    "plain.xlsx": packed,
    "stored.xlsx": lambda: packed(method=zipfile.ZIP_STORED),
    "streamed.xlsx": streamed,
    "two-visible-sheets.xlsx": lambda: two_sheets("visible"),
    "hidden-empty-columns.xlsx": lambda: book(sheet(before='<cols><col min="5" max="16384" hidden="1"/></cols>')),
    "hidden-empty-row.xlsx": lambda: book(sheet(CELLS + '<row r="9" hidden="1"/>')),
    "white-on-blue.xlsx": lambda: with_styles(
        styles(
            fonts=WHITE,
            fills='<fill><patternFill patternType="solid"><fgColor rgb="FF003087"/></patternFill></fill>',
            style='fontId="1" fillId="1"',
        )
    ),
    "number-format.xlsx": lambda: with_styles(
        styles(formats='<numFmt numFmtId="170" formatCode="#,##0;-#,##0;0"/>', style='numFmtId="170"')
    ),
    "custom-look.xlsx": lambda: book(
        sheet(
            CELLS.replace('<row r="3"', '<row r="3" spans="1:2" ht="15" customHeight="1"'),
            after='<conditionalFormatting sqref="B2:B3"><cfRule type="cellIs"><formula>100</formula></cfRule>'
            "</conditionalFormatting>",
        )
    ),
    "libreoffice.xlsx": lambda: packed(
        parts(
            more={
                "xl/styles.xml": styles().replace(
                    "</styleSheet>",
                    '<extLst><ext xmlns:loext="http://schemas.libreoffice.org/" uri="{7626C862}">'
                    '<loext:extCalcPr stringRefSyntax="CalcA1"/></ext></extLst></styleSheet>',
                ),
                "docProps/core.xml": f'<cp:coreProperties xmlns:cp="{PACKAGE}/metadata/core-properties">'
                "<cp:revision>1</cp:revision></cp:coreProperties>",
            }
        )
    ),
    "excel.xlsx": lambda: packed(
        parts(
            f'<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n<worksheet xmlns="{MAIN}" '
            'xmlns:x14ac="http://schemas.microsoft.com/office/spreadsheetml/2009/9/ac"><sheetPr codeName="Sheet1"/>'
            '<dimension ref="A1:B3"/><sheetViews><sheetView tabSelected="1" workbookViewId="0"/></sheetViews>'
            '<sheetFormatPr defaultRowHeight="15" x14ac:dyDescent="0.25"/><sheetData>'
            + CELLS.replace('<row r="2"', '<row r="2" spans="1:2" x14ac:dyDescent="0.25"')
            + '</sheetData><pageMargins left="0.7" right="0.7" top="0.75" bottom="0.75" header="0.3" footer="0.3"/>'
            "</worksheet>"
        )
    ),
    "filter.xlsx": lambda: book(
        names='<definedName name="_xlnm._FilterDatabase" hidden="1">Results!A1:B3</definedName>'
    ),
    "named-range.xlsx": lambda: book(names='<definedName name="area">Results!$A$1:$B$3</definedName>'),
    "error.xlsx": lambda: book(sheet(CELLS.replace('<c r="B3"><v>130</v>', '<c r="B3" t="e"><v>#N/A</v>'))),
    "far-but-allowed.xlsx": lambda: book(sheet(CELLS + '<row r="4900"><c r="A4900"><v>100</v></c></row>')),
    "long-but-allowed.xlsx": lambda: book(sheet(CELLS.replace(">F<", f">{'x ' * 1500}<"))),
}
"""Near-misses: workbooks that are as they should be."""
