"""Hostile and honest pictures by name, in the form of `files`: PNG, JPEG, SVG and PDF, one for each trick.

Guarantees: `HOSTILE` is refused, each with its own reason; `TELLING` is let through with a finding of its own;
`HONEST` is let through with nothing but the time of its making. `write_all` puts them into a directory
(`python -m tests.assets.airlock.pictures DIR`).
"""

from __future__ import annotations

import base64
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from tests.assets.airlock.files import Hostile, archive, chunk, png
from tests.assets.airlock.picture_makers import (
    FIGURES,
    PAGE,
    as_jpeg,
    as_png,
    exif,
    figure,
    form,
    in_figure,
    jpeg_with,
    jpeg_with_surplus,
    many_pages,
    pdf,
    pdf_dots,
    pdf_encrypted,
    pdf_picture,
    pdf_with_attachment,
    radiograph,
    section,
    segment,
    stream,
    svg,
    svg_dots,
    svg_picture,
    used_by_one_another,
)


def _action(body: bytes) -> Callable[[], bytes]:
    return partial(pdf, root=b"/OpenAction << /Type /Action %s >>" % body)


_ENTITIES = '<!DOCTYPE svg [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;">]>'
_OUTSIDE = '<!DOCTYPE svg [<!ENTITY file SYSTEM "file:///etc/passwd">]>'
_DOT = '<circle cx="5" cy="5" r="1"/>'
_DEEP_ADDRESS = base64.b64encode(b"<html><script>1</script></html>").decode()

HOSTILE: dict[str, Hostile] = {
    "animation.png": Hostile("F03", "may not leave", lambda: png(before=chunk(b"acTL", b"\0" * 8))),
    "exif.png": Hostile("F03", "may not leave", lambda: png(before=chunk(b"eXIf", exif()[6:]))),
    "international-text.png": Hostile("F03", "may not leave", lambda: png(before=chunk(b"iTXt", b"k\0\0\0\0\0hidden"))),
    "zip-behind-the-end.jpg": Hostile("F03", "follow the end", lambda: as_jpeg() + archive()),
    "second-picture.jpg": Hostile("F03", "follow the end", lambda: as_jpeg() * 2),
    "second-picture-inside.jpg": Hostile("F03", "second image", lambda: as_jpeg()[:-2] + as_jpeg()),
    "zip-in-a-comment.jpg": Hostile("F03", "archive", lambda: jpeg_with(0xFE, archive())),
    "page-in-a-comment.jpg": Hostile("F03", "a script", lambda: jpeg_with(0xFE, b"<script>alert(1)</script>")),
    "thumbnail-of-exif.jpg": Hostile("F03", "second picture", lambda: jpeg_with(0xE1, exif(as_jpeg()))),
    "long-comment.jpg": Hostile("F03", "more text", lambda: jpeg_with(0xFE, b"x" * 5000)),
    "behind-the-last-coefficient.jpg": Hostile("F03", "follow the compressed", lambda: jpeg_with_surplus(b"44F " * 9)),
    "behind-a-progressive-scan.jpg": Hostile(
        "F03",
        "follow the compressed",
        lambda: as_jpeg(radiograph(), progressive=True)[:-2] + b"44F " * 9 + b"\xff\xd9",
    ),
    "between-two-segments.jpg": Hostile("F03", "between two parts", lambda: as_jpeg()[:20] + b"44F" + as_jpeg()[20:]),
    "many-segments.jpg": Hostile(
        "F03", "more parts", lambda: as_jpeg()[:2] + segment(0xFE, b"44F") * 300 + as_jpeg()[2:]
    ),
    "unknown-segment.jpg": Hostile("F03", "may not leave", lambda: jpeg_with(0xF5, b"44F")),
    "restart-marks.jpg": Hostile("F02", "not looked into", lambda: jpeg_with(0xDD, b"\0\4")),
    "arithmetic.jpg": Hostile("F02", "not looked into", lambda: as_jpeg().replace(b"\xff\xc0", b"\xff\xc9", 1)),
    "four-colours.jpg": Hostile("F02", "neither grey", lambda: as_jpeg(Image.new("CMYK", (8, 8)))),
    "bomb.jpg": Hostile(
        "F05",
        "pixels are more",
        lambda: b"\xff\xd8" + segment(0xC0, b"\x08\xff\xff\xff\xff\x01\x01\x11\x00") + as_jpeg()[2:],
    ),
    "really-a-png.jpg": Hostile("F02", "not a JPEG", png),
    "cut-off.jpeg": Hostile("F02", "cut off", lambda: as_jpeg()[:-2]),
    "broken-exif.jpg": Hostile("F02", "EXIF", lambda: jpeg_with(0xE1, b"Exif\0\0II*\0\xff\xff\xff\xff")),
    "exif-in-a-circle.jpg": Hostile(
        "F02", "EXIF", lambda: jpeg_with(0xE1, b"Exif\0\0II*\0\x08\0\0\0\0\0\x08\0\0\0" + b"\0" * 20)
    ),
    "data-in-tables.jpg": Hostile(
        "F03",
        "more parts",
        lambda: as_jpeg()[:20] + segment(0xC4, (b"\x10" + bytes(15) + b"\xff" + b"4" * 255) * 99) + as_jpeg()[20:],
    ),
    "table-that-is-none.jpg": Hostile(
        "F02", "table", lambda: as_jpeg()[:20] + segment(0xC4, b"\x10" + b"\xff" * 400) + as_jpeg()[20:]
    ),
    "much-of-a-program.jpg": Hostile(
        "F03", "more parts", lambda: as_jpeg()[:20] + segment(0xEA, b"4" * 30_000) * 3 + as_jpeg()[20:]
    ),
    "script.svg": Hostile("F06", "script", lambda: svg("<script>alert(1)</script>")),
    "event-handler.svg": Hostile("F06", "onload", lambda: svg('<g onload="alert(1)"/>')),
    "event-handler-in-capitals.svg": Hostile("F06", "by itself", lambda: svg('<g onClick="alert(1)"/>')),
    "foreign-object.svg": Hostile("F06", "foreignObject", lambda: svg("<foreignObject><p/></foreignObject>")),
    "web-page-inside.svg": Hostile(
        "F06", "iframe", lambda: svg('<iframe xmlns="http://www.w3.org/1999/xhtml" src="https://x.example"/>')
    ),
    "animated-address.svg": Hostile("F06", "set", lambda: svg('<g><set attributeName="href" to="javascript:1"/></g>')),
    "link.svg": Hostile("F06", "runs, loads", lambda: svg('<a xlink:href="https://x.example"><circle r="1"/></a>')),
    "image-from-outside.svg": Hostile("F06", "refers to", lambda: svg('<image href="https://x.example/a.png"/>')),
    "image-from-a-file.svg": Hostile("F06", "refers to", lambda: svg('<image xlink:href="file:///etc/passwd"/>')),
    "use-from-outside.svg": Hostile("F06", "refers to", lambda: svg('<use xlink:href="https://x.example/a.svg#b"/>')),
    "page-as-address.svg": Hostile(
        "F06", "refers to", lambda: svg(f'<image href="data:text/html;base64,{_DEEP_ADDRESS}"/>')
    ),
    "drawing-in-a-drawing.svg": Hostile(
        "F06", "refers to", lambda: svg(f'<image href="data:image/svg+xml;base64,{_DEEP_ADDRESS}"/>')
    ),
    "base-from-outside.svg": Hostile("F06", "loads its parts", lambda: svg('<g xml:base="https://x.example/"/>')),
    "style-import.svg": Hostile("F06", "loads", lambda: svg("<style>@import 'https://x.example/a.css';</style>")),
    "style-address.svg": Hostile("F06", "loads", lambda: svg('<g style="fill: url(https://x.example/a.svg#b)"/>')),
    "style-escape.svg": Hostile("F06", "loads", lambda: svg(r"<style>g{fill:\75rl(https://x.example)}</style>")),
    "fill-address.svg": Hostile("F06", "loads", lambda: svg('<path fill="url(//x.example/a#b)" d="M0 0h1"/>')),
    "style-sheet-instruction.svg": Hostile(
        "F06", "instruction", lambda: svg("", before='<?xml-stylesheet href="https://x.example/a.css"?>')
    ),
    "billion-laughs.svg": Hostile("F06", "document type", lambda: svg("<text>&b;</text>", before=_ENTITIES)),
    "file-entity.svg": Hostile("F06", "document type", lambda: svg("<text>&file;</text>", before=_OUTSIDE)),
    "document-type-from-outside.svg": Hostile(
        "F06",
        "document type",
        lambda: svg("", before='<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "https://x.example/svg11.dtd">'),
    ),
    "unfolds.svg": Hostile("F05", "unfolds", used_by_one_another),
    "uses-itself.svg": Hostile(
        "F05", "in a circle", lambda: svg('<g id="a"><circle r="1"/><use xlink:href="#a"/></g>')
    ),
    "deep.svg": Hostile("F05", "more parts", lambda: svg("<g>" * 5000 + "</g>" * 5000)),
    "many-elements.svg": Hostile("F05", "more parts", lambda: svg("<g/>" * 300_000)),
    "many-attributes.svg": Hostile(
        "F05", "more parts", lambda: svg(f"<g {' '.join(f'a{number}={chr(34)}1{chr(34)}' for number in range(100))}/>")
    ),
    "unknown-element.svg": Hostile("F02", "may not leave", lambda: svg("<payload>44F</payload>")),
    "no-drawing.svg": Hostile("F02", "not an SVG", lambda: b"<html><p/></html>"),
    "foreign-root.svg": Hostile("F02", "not an SVG", lambda: b'<svg xmlns="http://x.example"/>'),
    "behind-the-end.svg": Hostile("F02", "well-formed", lambda: svg("", after="44F")),
    "zip-behind-the-end.svg": Hostile("F02", "UTF-8", lambda: svg(_DOT) + archive() + b"\xff"),
    "utf-16.svg": Hostile("F02", "UTF-8", lambda: svg(_DOT).decode().encode("utf-16")),
    "other-encoding.svg": Hostile("F02", "UTF-8", lambda: svg("", before='<?xml version="1.0" encoding="utf-7"?>')),
    "bidi.svg": Hostile("F03", "nobody can see", lambda: svg("<text>&#x202e;21</text>")),
    "zip-in-its-picture.svg": Hostile("F03", "follow the end", lambda: svg(svg_picture(png(after=archive())))),
    "broken-picture.svg": Hostile("F02", "broken", lambda: svg('<image href="data:image/png;base64,abc"/>')),
    "picture-of-another-type.svg": Hostile("F02", "not a PNG", lambda: svg(svg_picture(as_jpeg()))),
    "javascript.pdf": Hostile("F06", "JavaScript", _action(b"/S /JavaScript /JS (app.alert(1))")),
    "javascript-by-name.pdf": Hostile(
        "F06",
        "JavaScript",
        lambda: pdf(root=b"/Names << /JavaScript << /Names [(a) << /S /JavaScript /JS (1) >>] >> >>"),
    ),
    "launch.pdf": Hostile("F06", "starts a program", _action(b"/S /Launch /F (cmd.exe)")),
    "address.pdf": Hostile("F06", "link to an address", _action(b"/S /URI /URI (https://x.example)")),
    "other-file.pdf": Hostile("F06", "another file", _action(b"/S /GoToR /F (a.pdf)")),
    "attached-file-opened.pdf": Hostile("F06", "attached file", _action(b"/S /GoToE /T << >>")),
    "sends-data.pdf": Hostile("F06", "sends data", _action(b"/S /SubmitForm /F (https://x.example)")),
    "loads-data.pdf": Hostile("F06", "loads data", _action(b"/S /ImportData /F (a.fdf)")),
    "page-action.pdf": Hostile("F06", "by themselves", lambda: pdf(page=b"/AA << /O << /S /Named /N /Print >> >>")),
    "form.pdf": Hostile("F06", "a form", lambda: pdf(root=b"/AcroForm << /Fields [] >>")),
    "form-xfa.pdf": Hostile("F06", "a form", lambda: pdf(root=b"/AcroForm << /XFA 4 0 R >>")),
    "film.pdf": Hostile(
        "F06", "active part", lambda: pdf(page=b"/Annots [<< /Type /Annot /Subtype /Screen /Rect [0 0 1 1] >>]")
    ),
    "stream-from-outside.pdf": Hostile(
        "F06", "another file", lambda: pdf(page=b"/B 6 0 R", more=(stream(b"/F (https://x.example)", b""),))
    ),
    "encrypted.pdf": Hostile("F04", "encrypted", pdf_encrypted),
    "zip-behind-the-end.pdf": Hostile("F03", "follow the end", lambda: pdf() + archive()),
    "earlier-version.pdf": Hostile("F03", "earlier versions", lambda: pdf() + pdf()[9:]),
    "before-the-header.pdf": Hostile("F02", "not a PDF", lambda: b"\n" + pdf()),
    "zip-between-objects.pdf": Hostile("F03", "between the objects", lambda: pdf(between=archive())),
    "much-in-remarks.pdf": Hostile("F03", "Remarks", lambda: pdf(between=(b"%" + b"4" * 99 + b"\n") * 99)),
    "object-twice.pdf": Hostile("F03", "stands twice", lambda: pdf(between=b"4 0 obj\n(hidden)\nendobj\n")),
    "object-nobody-knows.pdf": Hostile("F03", "does not name", lambda: pdf(between=b"77 0 obj\n(hidden)\nendobj\n")),
    "behind-a-stream.pdf": Hostile(
        "F03",
        "behind a stream",
        lambda: pdf(page=b"/B 6 0 R", more=(b"<< /Length 3 >>\nstream\nabc" + b" \t\t " * 99 + b"\nendstream",)),
    ),
    "zip-behind-a-stream.pdf": Hostile(
        "F02",
        "broken",
        lambda: pdf(page=b"/B 6 0 R", more=(b"<< /Length 3 >>\nstream\nabc" + archive() + b"\nendstream",)),
    ),
    "cut-off.pdf": Hostile("F02", "cut off", lambda: pdf()[:-40]),
    "bomb.pdf": Hostile(
        "F05",
        "larger pictures",
        lambda: pdf(b"/X Do", more=(stream(b"/Type /XObject /Subtype /Image /Width 60000 /Height 60000", b""),)),
    ),
    "too-many-pages.pdf": Hostile("F05", "106 pages are not", lambda: many_pages(106)),
    "picture-jpeg-2000.pdf": Hostile(
        "F02",
        "not looked into",
        lambda: pdf(b"/X Do", more=(stream(b"/Subtype /Image /Width 9 /Height 9 /Filter /JPXDecode", b"x"),)),
    ),
    "zip-in-its-picture.pdf": Hostile(
        "F03",
        "follow the end",
        lambda: pdf(
            b"/X Do",
            more=(stream(b"/Subtype /Image /Width 64 /Height 64 /Filter /DCTDecode", as_jpeg() + archive()),),
        ),
    ),
    "behind-the-pixels.pdf": Hostile(
        "F03", "behind a picture", lambda: pdf_picture(radiograph(), surplus=b"44 F" * 99)
    ),
    "draws-itself.pdf": Hostile("F05", "in a circle", lambda: pdf(b"/X Do", more=(form(b"/X Do /X Do", 6),))),
    "unfolds.pdf": Hostile(
        "F05",
        "unfold to more",
        lambda: pdf(
            b"/X Do", more=(*(form(b"/X Do " * 100, next_one) for next_one in (7, 8, 9)), form(b"0 0 1 1 re f"))
        ),
    ),
    "really-a-zip.pdf": Hostile("F02", "not a PDF", archive),
    "no-pages.pdf": Hostile("F05", "0 pages", lambda: pdf(pages=b"/Kids [] /Count 0")),
}
"""Name, what it is, and why it does not leave."""


def _covered_radiograph() -> bytes:
    picture = radiograph().convert("RGBA")
    picture.putalpha(0)
    return as_png(picture)


def _radiograph_as_transparency() -> bytes:
    picture = Image.new("RGBA", (256, 256), "white")
    picture.putalpha(radiograph())
    return as_png(picture)


def _deep_grey() -> bytes:
    return as_png(Image.fromarray(np.asarray(radiograph(), dtype=np.uint16)))


_LAYER = b"/OCProperties << /OCGs [6 0 R] /D << /OFF [6 0 R] >> >>"

TELLING: dict[str, Hostile] = {
    "radiograph.png": Hostile("P03", "continuous tone", lambda: as_png(radiograph())),
    "section.png": Hostile("P03", "continuous tone", lambda: as_png(section())),
    "radiograph-in-a-figure.png": Hostile("P03", "x 256 pixels", lambda: as_png(in_figure(radiograph()))),
    "radiograph-under-transparency.png": Hostile("P03", "continuous tone", _covered_radiograph),
    "hidden-colours.png": Hostile("F07", "under transparent", _covered_radiograph),
    "radiograph-as-transparency.png": Hostile("P03", "continuous tone", _radiograph_as_transparency),
    "radiograph-in-deep-grey.png": Hostile("P03", "continuous tone", _deep_grey),
    "sixteen-bits.png": Hostile("F07", "16 bits", _deep_grey),
    "two-faces.png": Hostile("F07", "brightness", lambda: png(before=chunk(b"gAMA", b"\0\0\x03\xe8"))),
    "radiograph.jpg": Hostile("P03", "continuous tone", lambda: as_jpeg(radiograph(), quality=60)),
    "artist.jpg": Hostile("F08", "alice", lambda: jpeg_with(0xE1, exif())),
    "position.jpg": Hostile("F08", "where it was taken", lambda: jpeg_with(0xE1, exif(position=True))),
    "thumbnail.jpg": Hostile("F07", "second, small picture", lambda: jpeg_with(0xE1, exif(thumbnail=True))),
    "jfif-thumbnail.jpg": Hostile(
        "F07", "second, small", lambda: jpeg_with(0xE0, b"JFIF\0\1\1\0\0\1\0\1\2\2" + b"\1\2\3" * 4)
    ),
    "comment.jpg": Hostile("F08", "patient 44", lambda: jpeg_with(0xFE, b"patient 44")),
    "xmp.jpg": Hostile("F08", "XMP", lambda: jpeg_with(0xE1, b"http://ns.adobe.com/xap/1.0/\0<x:xmpmeta/>")),
    "profile.jpg": Hostile("F08", "colour profile", lambda: jpeg_with(0xE2, b"ICC_PROFILE\0\1\1" + b"x" * 99)),
    "private-segment.jpg": Hostile("F07", "named “Secret”", lambda: jpeg_with(0xEA, b"Secret\0" + b"x" * 99)),
    "not-displayed.svg": Hostile("F07", "not displayed", lambda: svg('<text style="display:none">44 F</text>')),
    "not-displayed-above.svg": Hostile("F07", "not displayed", lambda: svg('<g display="none"><text>44</text></g>')),
    "not-visible.svg": Hostile("F07", "not displayed", lambda: svg('<text visibility="hidden">44 F</text>')),
    "transparent.svg": Hostile("F07", "not displayed", lambda: svg('<g opacity="0.01"><text>44 F</text></g>')),
    "shrunk-to-nothing.svg": Hostile("F07", "not displayed", lambda: svg('<g transform="scale(0)"><text>4</text></g>')),
    "tiny-text.svg": Hostile("F07", "too small", lambda: svg('<text font-size="0.1">44 F</text>')),
    "tiny-by-scale.svg": Hostile("F07", "too small", lambda: svg('<g transform="scale(.01)"><text>44</text></g>')),
    "text-without-colour.svg": Hostile("F07", "too faint", lambda: svg('<text y="9" fill="none">44 F</text>')),
    "outside.svg": Hostile("F07", "outside the drawing", lambda: svg('<text x="900" y="9">44 F</text>')),
    "dots-outside.svg": Hostile("F07", "30 marks", lambda: svg('<circle cx="900" cy="9" r="1"/>' * 30)),
    "comment.svg": Hostile("F07", "comment", lambda: svg("<!-- patient 44 -->")),
    "comment-behind.svg": Hostile("F07", "comment", lambda: svg("", after="<!-- patient 44 -->")),
    "title.svg": Hostile("F07", "title", lambda: svg("<title>patient 44</title>")),
    "description.svg": Hostile("F07", "description", lambda: svg("<g><desc>patient 44</desc></g>")),
    "data-attribute.svg": Hostile("F07", "data-id", lambda: svg('<path data-id="patient 44" d="M0 0h9"/>')),
    "label-for-readers.svg": Hostile("F07", "aria-label", lambda: svg('<path aria-label="age 44" d="M0 0h9"/>')),
    "never-drawn.svg": Hostile("F07", "never drawn", lambda: svg('<symbol id="a"><text>44 F</text></symbol>')),
    "never-drawn-definition.svg": Hostile("F07", "never drawn", lambda: svg('<defs><text id="a">44 F</text></defs>')),
    "never-drawn-nameless.svg": Hostile("F07", "never drawn", lambda: svg("<defs><text>44 F</text></defs>")),
    "hidden-with-emphasis.svg": Hostile(
        "F07", "not displayed", lambda: svg('<text style="display:none !important">44 F</text>')
    ),
    "hidden-with-a-remark.svg": Hostile("F07", "not displayed", lambda: svg('<text style="display:/**/none">4</text>')),
    "tiny-by-shorthand.svg": Hostile("F07", "too small", lambda: svg('<text style="font: bold 0.1px serif">4</text>')),
    "hidden-part-of-a-text.svg": Hostile(
        "F07", "part of a text", lambda: svg('<text y="9">Age<tspan display="none">44 F</tspan></text>')
    ),
    "tiny-part-of-a-text.svg": Hostile(
        "F07", "too small", lambda: svg('<text y="9">Age<tspan font-size=".1">44 F</tspan></text>')
    ),
    "words-in-a-group.svg": Hostile("F07", "nobody sees", lambda: svg("<g>patient 44</g>")),
    "words-by-themselves.svg": Hostile("F07", "drawn nowhere", lambda: svg("<tspan>patient 44</tspan>")),
    "words-in-a-mask.svg": Hostile("F07", "drawn nowhere", lambda: svg("<mask><text>patient 44</text></mask>")),
    "remark-in-a-sheet.svg": Hostile("F07", "style sheet", lambda: svg("<style>g{display:/*a*/none}</style>")),
    "hiding-sheet.svg": Hostile("F07", "style sheet", lambda: svg("<style>text{display: none}</style>")),
    "faint-sheet.svg": Hostile("F07", "style sheet", lambda: svg("<style>.a{fill-opacity:0.0}</style>")),
    "program-part.svg": Hostile("F07", "of a program", lambda: svg('<n:v xmlns:n="http://x.example">patient 44</n:v>')),
    "author.svg": Hostile("F08", "alice", lambda: svg("<metadata>drawn by alice at home</metadata>")),
    "radiograph.svg": Hostile("P03", "continuous tone", lambda: svg(svg_picture(as_png(radiograph())))),
    "radiograph-as-jpeg.svg": Hostile("P03", "continuous", lambda: svg(svg_picture(as_jpeg(radiograph()), "jpeg"))),
    "radiograph-never-drawn.svg": Hostile(
        "P03", "continuous tone", lambda: svg(f"<defs>{svg_picture(as_png(radiograph()))}</defs>")
    ),
    "circles.svg": Hostile("S09", "300 circles", lambda: svg_dots(300)),
    "circles-in-a-symbol.svg": Hostile(
        "S09",
        "300 circles",
        lambda: svg(f'<defs><g id="a">{svg_dots(300).decode().split(">", 1)[1][:-6]}</g></defs><use xlink:href="#a"/>'),
    ),
    "letters-as-dots.svg": Hostile("S09", "300 texts", lambda: svg_dots(300, '<text x="{x}" y="{y}">o</text>')),
    "paths-as-dots.svg": Hostile(
        "S09", "300 marks", lambda: svg_dots(300, '<path d="M{x} {y}l1 1l-2 1z" style="fill:#0{x:.1}0"/>')
    ),
    "one-path-of-dots.svg": Hostile(
        "S09",
        "300 marks",
        lambda: svg('<path d="' + svg_dots(300, "M{x} {y}l1 1l-2 1z").decode().split(">", 1)[1][:-6] + '"/>'),
    ),
    "one-dot-a-person.svg": Hostile("S09", "300 marks", lambda: figure("one-dot-a-person.svg")),
    "dots-of-many-sizes.svg": Hostile("S09", "300 marks", lambda: figure("dots-of-many-sizes.svg")),
    "one-dot-a-person.pdf": Hostile("S09", "300 marks", lambda: figure("one-dot-a-person.pdf")),
    "dots-of-many-sizes.pdf": Hostile("S09", "300 marks", lambda: figure("dots-of-many-sizes.pdf")),
    "squares.pdf": Hostile("S09", "300 marks", lambda: pdf_dots(300)),
    "attachment.pdf": Hostile("F07", "attached file", pdf_with_attachment),
    "layer.pdf": Hostile("F07", "layers", lambda: pdf(root=_LAYER, more=(b"<< /Type /OCG /Name (a) >>",))),
    "note.pdf": Hostile(
        "F07",
        "notes",
        lambda: pdf(page=b"/Annots [<< /Type /Annot /Subtype /Text /Rect [0 0 9 9] /Contents (patient 44) >>]"),
    ),
    "thumbnail.pdf": Hostile("F07", "small pictures", lambda: pdf(page=b"/Thumb 4 0 R")),
    "private-part.pdf": Hostile("F07", "private parts", lambda: pdf(page=b"/PieceInfo << /A (patient 44) >>")),
    "unused-object.pdf": Hostile("F07", "no page uses", lambda: pdf(more=(stream(b"", b"patient 44"),))),
    "replaced-text.pdf": Hostile("F07", "nobody sees", lambda: pdf(root=b"/X << /ActualText (patient 44) >>")),
    "author.pdf": Hostile("F08", "alice", lambda: pdf(trailer=b"/Info << /Author (alice) >>")),
    "xmp.pdf": Hostile(
        "F08", "alice", lambda: pdf(root=b"/Metadata 6 0 R", more=(stream(b"/Type /Metadata", b"<a>alice</a>"),))
    ),
    "remark-between-strokes.pdf": Hostile("F07", "remarks", lambda: pdf(PAGE + b"\n% patient 44\n")),
    "replaced-text-of-a-page.pdf": Hostile(
        "F07", "nobody sees", lambda: pdf(b"/Span << /ActualText (44 F) >> BDC " + PAGE + b" EMC")
    ),
    "invisible-text.pdf": Hostile(
        "F07", "does not show", lambda: pdf(PAGE + b" BT 3 Tr /F1 12 Tf 72 600 Td (patient 44) Tj ET")
    ),
    "white-text.pdf": Hostile(
        "F07", "does not show", lambda: pdf(PAGE + b" BT 1 g /F1 12 Tf 72 600 Td (patient 44) Tj ET")
    ),
    "covered-text.pdf": Hostile(
        "F07",
        "does not show",
        lambda: pdf(b"BT /F1 12 Tf 72 600 Td (patient 44) Tj ET 1 g 50 500 300 200 re f"),
    ),
    "outside-the-page.pdf": Hostile(
        "F07", "outside the page", lambda: pdf(PAGE + b" BT /F1 12 Tf 72 2000 Td (patient 44) Tj ET")
    ),
    "outside-the-crop.pdf": Hostile(
        "F07",
        "outside the page",
        lambda: pdf(PAGE + b" BT /F1 12 Tf 72 100 Td (patient 44) Tj ET", page=b"/CropBox [0 400 612 792]"),
    ),
    "radiograph.pdf": Hostile("P03", "continuous tone", lambda: pdf_picture(radiograph())),
    "radiograph-not-drawn.pdf": Hostile("P03", "256 x 256", lambda: pdf_picture(radiograph(), PAGE + b" % /X Do")),
    "radiograph-as-mask.pdf": Hostile(
        "P03",
        "256 x 256",
        lambda: pdf_picture(radiograph(), PAGE + b" % /X Do", b"/Mask [0 255]"),
    ),
}
"""Name, what it is, and what is said of it; none of them is refused."""

HONEST: dict[str, Callable[[], bytes]] = {
    **{
        path.name: partial(figure, path.name)
        for path in sorted(FIGURES.iterdir())
        if path.suffix != ".py" and "dot" not in path.stem
    },
    "ramp.jpg": as_jpeg,
    "progressive.jpg": lambda: as_jpeg(Image.open(FIGURES / "trends.png").convert("RGB"), progressive=True),
    "best-quality.jpg": lambda: as_jpeg(Image.open(FIGURES / "bars.png").convert("RGB"), quality=95, subsampling=0),
    "white.jpg": lambda: as_jpeg(Image.new("RGB", (300, 200), "white")),
    "one-pixel.jpg": lambda: as_jpeg(Image.new("L", (1, 1))),
    "transparent-ground.png": lambda: as_png(Image.new("RGBA", (50, 50), (255, 255, 255, 0))),
    "palette.png": lambda: as_png(Image.open(FIGURES / "bars.png").convert("P")),
    "drawn-by-hand.svg": lambda: svg('<defs><linearGradient id="a"/></defs><path fill="url(#a)" d="M0 0h9v9z"/>'),
    "few-dots.svg": lambda: svg_dots(40),
    "grid-of-cells.svg": lambda: svg(
        "".join(f'<rect x="{x}" y="{y}" width="2" height="2"/>' for x in range(0, 90, 3) for y in range(0, 90, 3))
    ),
    "white-label-on-dark.svg": lambda: svg('<rect width="50" height="50"/><text x="9" y="20" fill="#fff">12</text>'),
    "plain.pdf": pdf,
    "opens-on-a-page.pdf": lambda: pdf(root=b"/OpenAction [3 0 R /Fit]"),
    "few-squares.pdf": lambda: pdf_dots(40),
    "white-label-on-dark.pdf": lambda: pdf(b"50 500 300 200 re f BT 1 g /F1 12 Tf 72 600 Td (12) Tj ET"),
    "per-cent-sign.pdf": lambda: pdf(b"BT /F1 12 Tf 72 700 Td (44 % of \\(all\\) people) Tj ET"),
    "heat-map.pdf": lambda: pdf_picture(Image.fromarray(np.arange(144, dtype=np.uint8).reshape(12, 12))),
}
"""Pictures that a researcher really makes; nothing is said of them but the time of their making."""


def write_all(directory: Path) -> list[Path]:
    """Write every file; returns the paths."""
    directory.mkdir(parents=True, exist_ok=True)
    made = {name: item.make for name, item in (HOSTILE | TELLING).items()} | HONEST
    for name, make in made.items():
        (directory / name).write_bytes(make())
    return [directory / name for name in made]


if __name__ == "__main__":
    write_all(Path(sys.argv[1]))
