"""How pictures are made, byte by byte where that matters: the tools of `pictures`."""

from __future__ import annotations

import base64
import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pikepdf
from PIL import Image

from tre.demodata.pixels import HIGHEST, ct_slice, make_anatomy, xray
from tre.demodata.randomness import Stream

FIGURES = Path(__file__).parent / "figures"


def radiograph(person: int = 0, size: int = 256) -> Image.Image:
    """A chest of nobody, in eight bits."""
    levels = xray(size, make_anatomy(Stream(7, "picture", person), person % 4), 7, "grain", person)
    return Image.fromarray((levels.astype(np.int64) * 255 // HIGHEST * 2).clip(0, 255).astype(np.uint8))


def section(person: int = 0) -> Image.Image:
    """An axial section of nobody."""
    levels = ct_slice(256, make_anatomy(Stream(7, "picture", person), 1), 0, 7, "grain", person)
    return Image.fromarray((levels.astype(np.int64) * 255 // levels.max()).astype(np.uint8))


def figure(name: str) -> bytes:
    """A figure that matplotlib drew, see `figures/make.py`."""
    return (FIGURES / name).read_bytes()


def as_png(image: Image.Image, **options: object) -> bytes:
    """The image as PNG."""
    memory = io.BytesIO()
    image.save(memory, "PNG", **options)
    return memory.getvalue()


def as_jpeg(image: Image.Image | None = None, **options: object) -> bytes:
    """The image as JPEG; without one, a small grey ramp."""
    memory = io.BytesIO()
    ramp = Image.fromarray(np.tile(np.arange(64, dtype=np.uint8), (64, 1)))
    (image or ramp).save(memory, "JPEG", **options)
    return memory.getvalue()


def in_figure(image: Image.Image, frame: int = 2) -> Image.Image:
    """The image between axes: a framed panel on a white ground, and a line beside it."""
    ground = Image.new("L", (640, 480), 255)
    ground.paste(0, (100 - frame, 60 - frame, 100 + image.width + frame, 60 + image.height + frame))
    ground.paste(image, (100, 60))
    ground.paste(0, (500, 60, 503, 400))
    return ground


def segment(marker: int, body: bytes) -> bytes:
    """One segment of a JPEG."""
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body


def jpeg_with(marker: int, body: bytes) -> bytes:
    """A small JPEG with one more segment at its beginning."""
    return as_jpeg()[:2] + segment(marker, body) + as_jpeg()[2:]


def jpeg_with_surplus(surplus: bytes) -> bytes:
    """Bytes behind the last coefficient, where a decoder skips them."""
    return as_jpeg()[:-2] + surplus + b"\xff\xd9"


def exif(
    further: bytes = b"", *, maker: bytes = b"alice\0\0\0", thumbnail: bool = False, position: bool = False
) -> bytes:
    """An EXIF block that names an artist."""
    entries = [struct.pack("<HHII", 0x13B, 2, 8, 200)]
    if position:
        entries.append(struct.pack("<HHII", 0x8825, 4, 1, 100))
    main = struct.pack("<H", len(entries)) + b"".join(entries) + struct.pack("<I", 150 if thumbnail else 0)
    block = bytearray(b"II*\0" + struct.pack("<I", 8) + main)
    block = block.ljust(220, b"\0")
    block[100:106] = struct.pack("<HI", 0, 0)
    block[150:156] = struct.pack("<HI", 0, 0)
    block[200:208] = maker
    return b"Exif\0\0" + bytes(block) + further


SVG_HEAD = '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" viewBox="0 0 100 100">'


def svg(inside: str, before: str = "", after: str = "") -> bytes:
    """A drawing with this inside."""
    return f"{before}{SVG_HEAD}{inside}</svg>{after}".encode()


def svg_picture(data: bytes, kind: str = "png") -> str:
    """A raster image inside a drawing."""
    address = f"data:image/{kind};base64,{base64.b64encode(data).decode()}"
    return f'<image x="10" y="10" width="50" height="50" xlink:href="{address}"/>'


def svg_dots(number: int, shape: str = '<circle cx="{x}" cy="{y}" r="1"/>') -> bytes:
    """So many marks, scattered."""
    places = np.random.default_rng(3).uniform(5, 95, (number, 2))
    return svg("".join(shape.format(x=f"{x:.3f}", y=f"{y:.3f}") for x, y in places))


def used_by_one_another() -> bytes:
    """Elements that use elements that use elements: ten to the sixth drawn parts."""
    levels = "".join(
        f'<g id="a{level}">{f"<use xlink:href={chr(34)}#a{level - 1}{chr(34)}/>" * 30}</g>' for level in range(1, 5)
    )
    return svg(f'<defs><g id="a0"><path d="M0 0h1"/></g>{levels}</defs><use xlink:href="#a4"/>')


PAGE = b"BT /F1 12 Tf 72 700 Td (Results) Tj ET"


def pdf(
    content: bytes = PAGE,
    *,
    page: bytes = b"",
    root: bytes = b"",
    more: tuple[bytes, ...] = (),
    trailer: bytes = b"",
    between: bytes = b"",
    pages: bytes = b"/Kids [3 0 R] /Count 1",
) -> bytes:
    """A document of one page; `more` are further objects, from number 6 on; `between` stands before the table."""
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R %s >>" % root,
        b"<< /Type /Pages %s >>" % pages,
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R"
        b" /Resources << /Font << /F1 5 0 R >> /XObject << %s >> >> %s >>"
        % (b"/X 6 0 R" if b"/X Do" in content else b"", page),
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(content), content),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
        *more,
    ]
    result, places = b"%PDF-1.5\n", []
    for number, body in enumerate(objects, start=1):
        places.append(len(result))
        result += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    result += between
    table = len(result)
    result += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    result += b"".join(b"%010d 00000 n \n" % place for place in places)
    result += b"trailer\n<< /Size %d /Root 1 0 R %s >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, trailer, table)
    return result


def stream(words: bytes, data: bytes) -> bytes:
    """A stream object."""
    return b"<< %s /Length %d >>\nstream\n%s\nendstream" % (words, len(data), data)


def many_pages(number: int) -> bytes:
    """A document of so many empty pages."""
    page = b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 99 99] /Resources << >> >>"
    kids = b" ".join(b"%d 0 R" % one for one in range(6, 5 + number))
    return pdf(pages=b"/Kids [3 0 R %s] /Count %d" % (kids, number), more=(page,) * (number - 1))


def form(content: bytes, draws: int = 0) -> bytes:
    """A part that may be drawn, and may draw the object of this number."""
    named = b"/X %d 0 R" % draws if draws else b""
    words = b"/Type /XObject /Subtype /Form /BBox [0 0 9 9] /Resources << /XObject << %s >> >>" % named
    return stream(words, content)


def pdf_picture(
    image: Image.Image,
    content: bytes = b"q 300 0 0 300 100 300 cm /X Do Q",
    words: bytes = b"",
    surplus: bytes = b"",
) -> bytes:
    """A document that draws an image."""
    head = (
        b"/Type /XObject /Subtype /Image /Width %d /Height %d /ColorSpace /DeviceGray /BitsPerComponent 8" % image.size
    )
    body = stream(head + b" /Filter /FlateDecode " + words, zlib.compress(image.convert("L").tobytes() + surplus))
    return pdf(content, more=(body,))


def pdf_dots(number: int) -> bytes:
    """A document with so many squares, scattered."""
    places = np.random.default_rng(3).uniform(50, 500, (number, 2))
    return pdf(b" ".join(b"%.2f %.2f 4 4 re f" % (x, y) for x, y in places))


def pdf_encrypted() -> bytes:
    """A document that asks for a password to be changed."""
    memory = io.BytesIO()
    with pikepdf.open(io.BytesIO(pdf())) as document:
        document.save(memory, encryption=pikepdf.Encryption(owner="secret", user=""))
    return memory.getvalue()


def pdf_with_attachment() -> bytes:
    """A document with a file in it."""
    memory = io.BytesIO()
    with pikepdf.open(io.BytesIO(pdf())) as document:
        document.attachments["patients.csv"] = b"id,age\n1,44\n"
        document.save(memory)
    return memory.getvalue()
