"""Hostile and honest files by name: one hostile file for each trick, with the check that must stop it.

Guarantees: every file is made here, byte by byte, from nothing but the standard library, so that what a test refuses
can be read; `write_all` puts them into a directory for a person to try (`python -m tests.assets.airlock.files DIR`).
"""

from __future__ import annotations

import gzip
import io
import json
import struct
import sys
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def chunk(name: bytes, body: bytes) -> bytes:
    """One chunk of a PNG with its checksum."""
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png(
    *, before: bytes = b"", size: tuple[int, int] = (4, 4), pixels: bytes | None = None, after: bytes = b""
) -> bytes:
    """A grey picture; `before` stands before the image data, `after` behind the end."""
    width, height = size
    raw = pixels if pixels is not None else (b"\0" + bytes(range(width))) * height
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return PNG_SIGNATURE + header + before + chunk(b"IDAT", zlib.compress(raw)) + chunk(b"IEND", b"") + after


def archive() -> bytes:
    """A zip with one member."""
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w") as target:
        target.writestr("patients.csv", "id,age\n1,44\n")
    return memory.getvalue()


def table(rows: int, columns: int = 3) -> bytes:
    """An honest CSV without small counts."""
    head = ",".join(f"mean_{number}" for number in range(columns))
    line = ",".join("1.5" for _ in range(columns))
    return (head + "\n" + (line + "\n") * rows).encode()


@dataclass(frozen=True)
class Hostile:
    """A file, the check that stops it, and a piece of the reason in words."""

    check: str
    says: str
    make: Callable[[], bytes]


HOSTILE: dict[str, Hostile] = {
    "zip-behind-the-end.png": Hostile("F03", "follow the end of the image", lambda: png(after=archive())),
    "zip-in-a-private-chunk.png": Hostile("F03", "may not leave", lambda: png(before=chunk(b"prVt", archive()))),
    "bytes-behind-the-stream.png": Hostile(
        "F03",
        "follow the compressed image data",
        lambda: (
            png()[:33] + chunk(b"IDAT", zlib.compress((b"\0" + bytes(range(4))) * 4) + archive()) + chunk(b"IEND", b"")
        ),
    ),
    "more-pixels-than-announced.png": Hostile("F03", "unfolds to more", lambda: png(pixels=b"\0" * 100_000)),
    "fewer-pixels-than-announced.png": Hostile("F02", "incomplete", lambda: png(pixels=b"\0" * 5)),
    "bomb.png": Hostile("F05", "pixels are more than allowed", lambda: png(size=(60_000, 60_000), pixels=b"\0")),
    "compressed-text.png": Hostile(
        "F03", "may not leave", lambda: png(before=chunk(b"zTXt", b"k\0\0" + zlib.compress(b"x" * 999)))
    ),
    "much-text.png": Hostile("F03", "more text", lambda: png(before=chunk(b"tEXt", b"k\0" + b"x" * 2000))),
    "two-headers.png": Hostile(
        "F02",
        "one header",
        lambda: png(before=chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0))),
    ),
    "wrong-checksum.png": Hostile("F02", "checksum", lambda: png()[:-1] + b"\0"),
    "cut-off.png": Hostile("F02", "cut off", lambda: png()[:-6]),
    "interrupted.png": Hostile(
        "F02",
        "interrupted",
        lambda: (
            png()[:33]
            + chunk(b"IDAT", b"x")
            + chunk(b"tIME", b"\x07\xea\1\1\0\0\0")
            + chunk(b"IDAT", b"y")
            + chunk(b"IEND", b"")
        ),
    ),
    "no-palette.png": Hostile(
        "F02",
        "palette",
        lambda: (
            PNG_SIGNATURE
            + chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 3, 0, 0, 0))
            + chunk(b"IDAT", zlib.compress(b"\0\0"))
            + chunk(b"IEND", b"")
        ),
    ),
    "really-a-zip.png": Hostile("F02", "not a PNG", archive),
    "really-a-zip.csv": Hostile("F02", "not UTF-8", archive),
    "nul-bytes.csv": Hostile("F02", "nobody can see", lambda: b"a,b\n1,\x002\n"),
    "utf-16.csv": Hostile("F02", "UTF-16", lambda: "a,b\n1,2\n".encode("utf-16")),
    "latin-1.csv": Hostile("F02", "not UTF-8", lambda: "naïve,b\n1,2\n".encode("latin-1")),
    "a-million-columns.csv": Hostile("F05", "columns", lambda: b"," * 1_000_000 + b"\n"),
    "sixteen-million-columns.csv": Hostile("F05", "columns", lambda: b"," * (16 * 2**20 - 1)),
    "too-many-rows.csv": Hostile("F05", "rows", lambda: table(5001)),
    "ragged.csv": Hostile("F02", "cells, the header", lambda: b"a,b\n1,2\n1,2,hidden\n"),
    "hidden-in-a-quoted-cell.csv": Hostile("F05", "characters", lambda: b'a,b\n1,"' + b"hidden\n" * 10_000 + b'"\n'),
    "quote-never-closed.csv": Hostile("F02", "quoting", lambda: b'a,b\n1,"open\n2,3\n'),
    "bidi.csv": Hostile("F03", "U+202E", "a,b\n1,\u202e21\n".encode),
    "tag-characters.txt": Hostile(
        "F03", "U+E0041", ("all well" + "".join(chr(0xE0000 + ord(c)) for c in "A 44 F")).encode
    ),
    "zero-width.txt": Hostile("F03", "U+200B", "all\u200b well".encode),
    "escape-sequences.log": Hostile("F02", "nobody can see", lambda: b"fit \x1b[8mhidden\x1b[0m done\n"),
    "really-a-pdf.txt": Hostile("F03", "another type", lambda: b"notes\n%PDF-1.7\n"),
    "really-html.md": Hostile("F03", "another type", lambda: b"<html><script>1</script></html>"),
    "too-many-lines.log": Hostile("F05", "lines", lambda: b"x\n" * 30_000),
    "empty.csv": Hostile("F02", "empty", lambda: b""),
    "blank.csv": Hostile("F02", "no header", lambda: b"\n\n"),
    "deep.json": Hostile("F05", "deeper", lambda: b"[" * 100_000 + b"]" * 100_000),
    "deep-objects.json": Hostile("F05", "deeper", lambda: b'{"a":' * 5_000 + b"1" + b"}" * 5_000),
    "many-values.json": Hostile("F05", "larger", lambda: b"[" + b"0," * 5_000_000 + b"0]"),
    "quotes-that-never-close.json": Hostile("F02", "JSON", lambda: b'"' + b'\\"' * 4_000_000),
    "key-twice.json": Hostile("F02", "twice", lambda: b'{"n": 400, "n": 3}'),
    "not-a-number.json": Hostile("F02", "NaN", lambda: b'{"mean": NaN}'),
    "endless-number.json": Hostile("F02", "number", lambda: b"[" + b"9" * 100_000 + b"]"),
    "two-values.json": Hostile("F02", "JSON", lambda: b"{} {}"),
    "compressed.json": Hostile("F02", "not UTF-8", lambda: gzip.compress(b"{}")),
}
"""Name, what it is, and why it does not leave."""

HONEST: dict[str, Callable[[], bytes]] = {
    "means.csv": lambda: table(200),
    "counts.csv": lambda: b"sex,n_patients,pct\nF,1200,48.0\nM,1300,52.0\n",
    "redacted.csv": lambda: b"group,count\nA,[REDACTED]\nB,120\nC,<10\n",
    "excel.csv": "\ufeffgroupe;moyenne\nA;1,5\nB;2,5\n".encode,
    "quoted.csv": lambda: b'label,mean\n"one, two\nlines",1.5\n',
    "windows.csv": lambda: b"level,mean\r\n1,2.5\r\n",
    "tabs.tsv": lambda: b"term\testimate\nage\t-0.25\nsex\t+1.5\n",
    "model.json": lambda: json.dumps({"auc": 0.91, "n": 1200, "note": "für alle"}).encode(),
    "notes.md": "# Results\n\nAge was associated with severity.\n".encode,
    "fit.log": lambda: b"epoch 1 loss 0.9\nepoch 2 loss 0.8\n",
    "words.txt": "Ergebnis: 12 % höher\n".encode,
    "figure.png": png,
    "matplotlib.png": lambda: png(
        before=chunk(b"tEXt", b"Software\0Matplotlib version3.8.2, https://matplotlib.org/")
        + chunk(b"pHYs", struct.pack(">IIB", 3937, 3937, 1))
    ),
    "interlaced.png": lambda: (
        PNG_SIGNATURE
        + chunk(b"IHDR", struct.pack(">IIBBBBB", 3, 3, 8, 0, 0, 0, 1))
        + chunk(b"IDAT", zlib.compress(b"\0\0" * 2 + b"\0\0\0" + b"\0\0" * 2 + b"\0\0\0\0"))
        + chunk(b"IEND", b"")
    ),
}
"""Files that a researcher really makes; none of them may be stopped."""


def write_all(directory: Path) -> list[Path]:
    """Write every file; returns the paths."""
    directory.mkdir(parents=True, exist_ok=True)
    made = {name: item.make for name, item in HOSTILE.items()} | HONEST
    for name, make in made.items():
        (directory / name).write_bytes(make())
    return [directory / name for name in made]


if __name__ == "__main__":
    write_all(Path(sys.argv[1]))
