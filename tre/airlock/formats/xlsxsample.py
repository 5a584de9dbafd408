"""The smallest workbook: read once when the parser is loaded, so that its library has asked the system for whatever it
needs before nothing may be asked any more.
"""

from __future__ import annotations

import io
import zipfile

_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_RELATIONS = "http://schemas.openxmlformats.org/package/2006/relationships"
_SHEET = "worksheets/sheet1.xml"
_KINDS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"

_PARTS = {
    "[Content_Types].xml": '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"/>',
    "_rels/.rels": f'<Relationships xmlns="{_RELATIONS}">'
    f'<Relationship Id="r1" Type="{_KINDS}/officeDocument" '
    'Target="xl/workbook.xml"/></Relationships>',
    "xl/workbook.xml": f'<workbook xmlns="{_MAIN}" xmlns:r="{_KINDS}"><sheets>'
    '<sheet name="a" sheetId="1" r:id="r1"/></sheets></workbook>',
    "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{_RELATIONS}">'
    f'<Relationship Id="r1" Type="{_KINDS}/worksheet" Target="{_SHEET}"/>'
    f'<Relationship Id="r2" Type="{_KINDS}/styles" Target="styles.xml"/>'
    f'<Relationship Id="r3" Type="{_KINDS}/sharedStrings" Target="sharedStrings.xml"/></Relationships>',
    "xl/styles.xml": f'<styleSheet xmlns="{_MAIN}"><numFmts>'
    f'<numFmt numFmtId="165" formatCode="yyyy\\-mm\\-dd"/></numFmts>'
    '<cellXfs><xf numFmtId="0"/><xf numFmtId="14"/><xf numFmtId="165"/></cellXfs></styleSheet>',
    "xl/sharedStrings.xml": f'<sst xmlns="{_MAIN}"><si><t>text</t></si></sst>',
    "xl/worksheets/sheet1.xml": f'<worksheet xmlns="{_MAIN}"><sheetData><row r="1"><c r="A1" t="s"><v>0</v></c>'
    '<c r="B1" s="1"><v>43831</v></c><c r="C1" s="2"><v>43831.5</v></c><c r="D1" t="b"><v>1</v></c>'
    '<c r="E1" t="inlineStr"><is><t>b</t></is></c><c r="F1" t="e"><v>#N/A</v></c><c r="G1"><f>1+1</f><v>2</v></c>'
    "</row></sheetData></worksheet>",
}


def sample() -> bytes:
    """A workbook with one cell of each kind."""
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w", zipfile.ZIP_DEFLATED) as target:
        for name, text in _PARTS.items():
            target.writestr(name, text)
    return memory.getvalue()
