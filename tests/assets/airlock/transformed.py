"""Files for the transformations: a table with margins, a notebook, a workbook, a picture and a document."""

from __future__ import annotations

import io
import json
import zipfile

from PIL import Image

GRID = b"""sex,age,n_patients,pct
F,18-39,3,0.2
F,40+,1197,79.8
F,Total,1200,80.0
M,18-39,150,10.0
M,40+,150,10.0
M,Total,300,20.0
Total,18-39,153,10.2
Total,40+,1347,89.8
Total,Total,1500,100.0
"""
"""Two by two with all margins, in long form: one count is small, and follows from the others."""


def notebook() -> bytes:
    """A notebook whose every corner but the sources says "secret"."""
    code = {
        "cell_type": "code",
        "id": "secret-1",
        "execution_count": 7,
        "metadata": {"tags": ["secret"]},
        "source": "import pandas\ndf.head()",
        "outputs": [{"output_type": "stream", "name": "stdout", "text": ["secret\n"]}],
    }
    text = {
        "cell_type": "markdown",
        "id": "secret-2",
        "metadata": {},
        "source": ["# Results"],
        "attachments": {"secret.png": {"image/png": "AAAA"}},
    }
    metadata = {
        "widgets": {"secret": 1},
        "kernelspec": {"name": "secret"},
        "language_info": {"name": "python", "version": "secret"},
    }
    return json.dumps({"cells": [code, text], "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}).encode()


def drawing(inside: str = "") -> bytes:
    """A figure that says "secret" wherever nobody sees it, links somewhere, and says "N = 42" to those who look."""
    return f"""<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" onload="secret()"
 xmlns:other="https://other.example" other:note="secret" width="200" height="100" viewBox="0 0 200 100">
<title>secret</title><metadata>secret</metadata><desc>secret</desc><!-- secret --><other:part>secret</other:part>
<script>secret()</script><style>.figure path {{ fill: none; stroke: blue }} .figure text {{ white-space: pre }}</style>
<g class="figure" data-name="secret"><path d="M0 90H200"/>
<a xlink:href="https://secret.example"><text x="100" y="50" text-anchor="middle" font-size="20" fill="#c00"
>N <tspan fill="green">=</tspan> 42</text></a>
<text x="10" y="20" display="none">secret</text><text x="10" y="20" style="opacity: 0.01">secret</text></g>
{inside}</svg>""".encode()


def jpeg() -> bytes:
    """A picture 40 wide and 30 high that its EXIF data turns by a quarter."""
    picture = Image.new("RGB", (40, 30), (200, 30, 30))
    exif = picture.getexif()
    exif[0x010E], exif[0x0112] = "somebody's camera", 6
    target = io.BytesIO()
    picture.save(target, "JPEG", exif=exif)
    return target.getvalue()


def pdf() -> bytes:
    """Two pages with fonts that the document does not bring, a title, and hidden text."""
    shown = b"BT /F1 12 Tf 20 100 Td (Shown) Tj ET BT /F2 9 Tf 20 50 Td (too) Tj ET BT 3 Tr /F1 9 Tf (Secret) Tj ET"
    parts = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R 4 0 R]/Count 2>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 200 200]/Contents 5 0 R/Resources<</Font<</F1 6 0 R/F2 7 0 R>>>>>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 100 100]>>",
        b"<</Length %d>>stream\n%s\nendstream" % (len(shown), shown),
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
        b"<</Type/Font/Subtype/TrueType/BaseFont/AFontThatNobodyHas>>",
        b"<</Title(Secret)>>",
    ]
    body = b"".join(b"%d 0 obj%s endobj\n" % (number, part) for number, part in enumerate(parts, start=1))
    return b"%PDF-1.4\n" + body + b"trailer<</Root 1 0 R/Info 8 0 R>>\n"


_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_LINKS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"


def _sheet(rows: list[list[object]]) -> str:
    def cell(row: int, column: int, value: object) -> str:
        place = f'r="{chr(65 + column)}{row}"'
        if isinstance(value, str):
            return f'<c {place} t="inlineStr"><is><t>{value}</t></is></c>'
        return f"<c {place}><v>{value}</v></c>"

    lines = "".join(
        f'<row r="{r}">{"".join(cell(r, c, value) for c, value in enumerate(row))}</row>'
        for r, row in enumerate(rows, start=1)
    )
    return f'<worksheet xmlns="{_MAIN}"><sheetData>{lines}</sheetData></worksheet>'


def workbook() -> bytes:
    """Three sheets, the second of them hidden; the third has a title without a plain letter."""
    sheets = [
        ("By sex", "visible", [["sex", "n", "mean"], ["F", 3, 0.1], ["M", 400, 12.25]]),
        ("Raw", "hidden", [["hidden"], ["hidden"]]),
        ("\u2026", "visible", [["=1+2"]]),
    ]
    kind = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"
    listed = "".join(
        f'<sheet name="{name}" sheetId="{n}" state="{state}" r:id="r{n}"/>'
        for n, (name, state, _) in enumerate(sheets, start=1)
    )
    links = "".join(
        f'<Relationship Id="r{n}" Type="{_LINKS}/worksheet" Target="worksheets/s{n}.xml"/>'
        for n in range(1, len(sheets) + 1)
    )
    parts = {
        "[Content_Types].xml": f'<Types xmlns="{_PACKAGE}/content-types">'
        f'<Override PartName="/xl/workbook.xml" ContentType="{kind}"/></Types>',
        "_rels/.rels": f'<Relationships xmlns="{_PACKAGE}/relationships">'
        f'<Relationship Id="r" Type="{_LINKS}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{_MAIN}" xmlns:r="{_LINKS}"><sheets>{listed}</sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{_PACKAGE}/relationships">{links}</Relationships>',
    } | {f"xl/worksheets/s{n}.xml": _sheet(rows) for n, (_, _, rows) in enumerate(sheets, start=1)}
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w", zipfile.ZIP_DEFLATED) as target:
        for part, text in parts.items():
            target.writestr(zipfile.ZipInfo(part), text, zipfile.ZIP_DEFLATED)
    return memory.getvalue()
