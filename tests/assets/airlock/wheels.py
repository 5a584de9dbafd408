"""Python packages as people build them, and as nobody honest does: each trick by name, with the check that stops it.

Guarantees: every package is written here, field by field, so that what a test refuses can be read.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import struct
import tarfile
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from tests.assets.airlock.files import Hostile, archive

NAME = "demo_tool-1.0-py3-none-any.whl"
INFO = "demo_tool-1.0.dist-info"
METADATA = b"Metadata-Version: 2.1\nName: demo-tool\nVersion: 1.0\nSummary: Nothing much\n\nIt says hello.\n"
WHEEL = b"Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
FILES = {
    "demo_tool/__init__.py": b"ANSWER = 42\n",
    f"{INFO}/METADATA": METADATA,
    f"{INFO}/WHEEL": WHEEL,
}
PLAIN, LINK, DEVICE, FOLDER = 0o100644, 0o120777, 0o020666, 0o040755
BOMB_BYTES = 100 << 20


@dataclass(frozen=True)
class Part:
    """One entry of a zip, every field of which may lie."""

    name: bytes
    data: bytes
    mode: int = PLAIN
    method: int = 8
    flags: int = 0
    maker: int = 3
    extra: bytes = b""
    comment: bytes = b""
    local_name: bytes | None = None
    size: int | None = None
    checksum: int | None = None
    packed: bytes | None = None
    before: bytes = b""
    attributes: int = 0

    def bodies(self, offset: int) -> tuple[bytes, bytes]:
        """The entry with its header, and its line in the directory."""
        squeeze = zlib.compressobj(6, zlib.DEFLATED, -15)
        deflated = squeeze.compress(self.data) + squeeze.flush() if self.method == 8 else self.data
        packed = self.packed if self.packed is not None else deflated
        checksum = zlib.crc32(self.data) if self.checksum is None else self.checksum
        size = len(self.data) if self.size is None else self.size
        shared = (self.flags, self.method, 0, 0x21, checksum, len(packed), size)
        name = self.name if self.local_name is None else self.local_name
        local = struct.pack("<4s5H3I2H", b"PK\3\4", 20, *shared, len(name), 0) + name + packed
        central = struct.pack("<4s6H3I5H2I", b"PK\1\2", self.maker << 8 | 20, 20, *shared, len(self.name),
                              len(self.extra), len(self.comment), 0, 0, self.mode << 16 | self.attributes,
                              offset + len(self.before))  # fmt: skip
        return self.before + local, central + self.name + self.extra + self.comment


def zipped(parts: Sequence[Part], *, prefix: bytes = b"", gap: bytes = b"", comment: bytes = b"") -> bytes:
    """A zip of these entries."""
    body, directory = prefix, b""
    for part in parts:
        local, central = part.bodies(len(body))
        body, directory = body + local, directory + central
    start = len(body) + len(gap)
    end = struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, len(parts), len(parts), len(directory), start, len(comment))
    return body + gap + directory + end + comment


def line(name: str, data: bytes) -> bytes:
    """A file's line in RECORD."""
    digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
    quoted = f'"{name}"' if "," in name else name
    return f"{quoted},sha256={digest},{len(data)}\n".encode()


def parts_of(files: dict[str, bytes], record: bytes | None = None, info: str = INFO) -> list[Part]:
    """The entries of a package: its files, and RECORD."""
    own = b"".join(line(*item) for item in files.items()) + f"{info}/RECORD,,\n".encode()
    flags = {name: 0 if name.isascii() else 0x0800 for name in files}
    entries = [Part(name.encode(), data, flags=flags[name]) for name, data in files.items()]
    return [*entries, Part(f"{info}/RECORD".encode(), own if record is None else record)]


def package(more: dict[str, bytes] | None = None, **changes: bytes) -> bytes:
    """An honest package with more files, or with other words in METADATA or WHEEL."""
    said = {f"{INFO}/{name}": data for name, data in changes.items()}
    return zipped(parts_of(FILES | (more or {}) | said))


def without(name: str) -> bytes:
    """A package that lacks one file."""
    return zipped(parts_of({key: data for key, data in FILES.items() if key != name}))


def one(name: str, **changes: object) -> bytes:
    """A package with one entry of which some fields are others."""
    parts = parts_of(FILES)
    return zipped([replace(p, **changes) if p.name == name.encode() else p for p in parts])  # type: ignore[arg-type]


def recorded(change: Callable[[bytes], bytes]) -> bytes:
    """A package with another RECORD."""
    own = parts_of(FILES)[-1].data
    return zipped(parts_of(FILES, change(own)))


def added(part: Part) -> bytes:
    """A package with one entry more, which RECORD lists."""
    files = FILES | {part.name.decode(): part.data}
    own = parts_of(files)
    return zipped([part if entry.name == part.name else entry for entry in own])


def tarred() -> bytes:
    """A source distribution."""
    memory = io.BytesIO()
    with tarfile.open(fileobj=memory, mode="w:gz") as target:
        told = tarfile.TarInfo("demo-1.0/setup.py")
        told.size = 5
        target.addfile(told, io.BytesIO(b"x = 1"))
    return memory.getvalue()


def bomb() -> bytes:
    """Zeros that unfold to a thousand times their size."""
    return added(Part(b"demo_tool/zeros.bin", b"\0" * BOMB_BYTES))


def many_bombs() -> bytes:
    """Many entries, each of which is just small enough for itself."""
    squeeze = zlib.compressobj(9, zlib.DEFLATED, -15)
    piece = b"\0" * (127 << 20)
    packed, checksum = squeeze.compress(piece) + squeeze.flush(), zlib.crc32(piece)
    entries = [Part(b"demo_tool/%d.bin" % n, b"", packed=packed, size=len(piece), checksum=checksum) for n in range(9)]
    return zipped([*parts_of(FILES)[:-1], *entries, parts_of(FILES)[-1]])


SOURCE = "demo_tool/__init__.py"


def shifted(data: bytes) -> bytes:
    """Bytes before the first entry, with offsets that agree, as a program before an archive has them."""
    return zipped(parts_of(FILES), prefix=data)


HOSTILE_WHEELS: dict[str, Hostile] = {
    "program-before": Hostile("F02", "does not begin", lambda: shifted(b"#!/bin/sh\nexit\n")),
    "gap-before-the-directory": Hostile("F03", "between", lambda: zipped(parts_of(FILES), gap=b"hidden")),
    "gap-between-entries": Hostile("F03", "between", lambda: one(f"{INFO}/WHEEL", before=b"hidden")),
    "comment": Hostile("F03", "follow the end", lambda: zipped(parts_of(FILES), comment=b"hidden")),
    "comment-of-an-entry": Hostile("F03", "comment", lambda: one(SOURCE, comment=b"hidden")),
    "bytes-behind": Hostile("F03", "follow the end", lambda: package() + b"hidden"),
    "extension-field": Hostile("F03", "field", lambda: one(SOURCE, extra=struct.pack("<2H", 0x7777, 4) + b"hide")),
    "zip64-lie": Hostile("F03", "field", lambda: one(SOURCE, extra=struct.pack("<2HQ", 1, 8, 5), size=2**32 - 1)),
    "one-name-twice": Hostile("F03", "one name", lambda: zipped([*parts_of(FILES), Part(SOURCE.encode(), b"x = 1\n")])),
    "names-that-collide": Hostile("F03", "one name", lambda: package({"Demo_Tool/__init__.py": b"x = 1\n"})),
    "file-and-folder": Hostile("F03", "also a file", lambda: package({"demo_tool": b"x = 1\n"})),
    "absolute-name": Hostile("F03", "outside", lambda: package({"/etc/cron.d/x": b"x"})),
    "parent-name": Hostile("F03", "outside", lambda: package({"demo_tool/../../x.py": b"x"})),
    "windows-name": Hostile("F03", "backslash", lambda: package({"demo_tool\\..\\x.py": b"x"})),
    "turning-name": Hostile("F03", "nobody can see", lambda: package({"demo_tool/\u202eyp.x": b"x"})),
    "name-in-an-unknown-coding": Hostile("F03", "differently", lambda: added(Part("demo_tool/\xe9.py".encode(), b"x"))),
    "symbolic-link": Hostile("F01", "link", lambda: added(Part(b"demo_tool/l.py", b"/etc/passwd", mode=LINK))),
    "device": Hostile("F01", "device", lambda: added(Part(b"demo_tool/d", b"", mode=DEVICE))),
    "set-uid": Hostile("F01", "set-id", lambda: added(Part(b"demo_tool/s", b"x", mode=0o104755))),
    "folder-on-dos": Hostile("F01", "folder", lambda: added(Part(b"demo_tool/f", b"x", attributes=0x10))),
    "folder-with-bytes": Hostile(
        "F03", "holds bytes", lambda: zipped([*parts_of(FILES), Part(b"demo_tool/", b"hidden", mode=FOLDER)])
    ),
    "encrypted": Hostile("F04", "encrypted", lambda: one(SOURCE, flags=1)),
    "unusual-compression": Hostile("F04", "unusual way", lambda: one(SOURCE, method=12)),
    "two-stories-of-a-name": Hostile("F03", "something else", lambda: one(SOURCE, local_name=b"demo_tool/__evil_.py")),
    "wrong-checksum": Hostile("F03", "unfold to what", lambda: one(SOURCE, checksum=1)),
    "wrong-size": Hostile("F03", "unfold to what", lambda: one(SOURCE, size=3)),
    "bomb": Hostile("F04", "100 times", bomb),
    "many-bombs": Hostile("F04", "100 times", many_bombs),
    "beyond-all-bounds": Hostile("F04", "more than allowed", lambda: one(SOURCE, size=200 << 20)),
    "not-listed": Hostile(
        "F03", "does not list", lambda: zipped([*parts_of(FILES), Part(b"demo_tool/extra.py", b"x = 1\n")])
    ),
    "listed-without-a-hash": Hostile(
        "F03",
        "with its hash",
        lambda: recorded(lambda r: r.replace(line(SOURCE, FILES[SOURCE]), f"{SOURCE},,\n".encode())),
    ),
    "other-bytes-than-listed": Hostile("F03", "not the file", lambda: one(SOURCE, data=b"ANSWER = 43\n")),
    "other-size-than-listed": Hostile("F03", "not the file", lambda: recorded(lambda r: r.replace(b",12\n", b",13\n"))),
    "listed-and-not-there": Hostile("F02", "not there", lambda: recorded(lambda r: line("demo_tool/gone.py", b"") + r)),
    "listed-twice": Hostile("F02", "twice", lambda: recorded(lambda r: line(SOURCE, FILES[SOURCE]) + r)),
    "weak-hash": Hostile("F02", "no SHA-256", lambda: recorded(lambda r: r.replace(b"sha256=", b"md5=", 1))),
    "record-of-itself": Hostile(
        "F02", "of itself", lambda: recorded(lambda r: r.replace(b"RECORD,,\n", line("RECORD", b"")))
    ),
    "record-in-four-parts": Hostile("F02", "three", lambda: recorded(lambda r: r.replace(b"\n", b",x\n", 1))),
    "no-metadata": Hostile("F02", "no METADATA", lambda: without(f"{INFO}/METADATA")),
    "no-wheel": Hostile("F02", "no WHEEL", lambda: without(f"{INFO}/WHEEL")),
    "no-record": Hostile("F02", "no RECORD", lambda: zipped(parts_of(FILES)[:-1])),
    "two-descriptions": Hostile("F02", "2 folders", lambda: package({"other-1.0.dist-info/METADATA": METADATA})),
    "two-names": Hostile(
        "F02",
        "more than one",
        lambda: package(METADATA=METADATA.replace(b"Version: 1.0", b"Version: 1.0\nName: other")),
    ),
    "metadata-of-another": Hostile(
        "F02", "METADATA is of", lambda: package(METADATA=METADATA.replace(b"demo-tool", b"numpy"))
    ),
    "metadata-in-latin-1": Hostile("F02", "not UTF-8", lambda: package(METADATA=METADATA + b"\xe9")),
    "format-of-tomorrow": Hostile("F02", "format of wheels", lambda: package(WHEEL=WHEEL.replace(b": 1.0", b": 2.0"))),
    "place-that-is-none": Hostile("F02", "no place", lambda: package({"demo_tool-1.0.data/etc/x": b"x"})),
    "place-of-another": Hostile("F02", "no place", lambda: package({"other-1.0.data/scripts/x": b"x"})),
    "zip-inside": Hostile("F04", "a zip archive", lambda: package({"demo_tool/data.bin": archive()})),
    "source-distribution-inside": Hostile(
        "F04", "tar archive", lambda: package({"demo_tool/demo-1.0.tar.gz": tarred()})
    ),
    "package-inside": Hostile("F04", "Python package", lambda: package({"demo_tool/inner.whl": package()})),
    "encrypted-file-inside": Hostile("F04", "encrypted", lambda: package({"demo_tool/x.txt": b"Salted__12345678"})),
    "archive-by-its-name": Hostile("F04", "By its name", lambda: package({"demo_tool/x.7z": b"no such thing"})),
}
"""Each trick, under the name `NAME`."""

HONEST_WHEELS: dict[str, Callable[[], bytes]] = {
    "plain": package,
    "folders": lambda: zipped([Part(b"demo_tool/", b"", mode=FOLDER, method=0), *parts_of(FILES)]),
    "stored": lambda: zipped([replace(part, method=0) for part in parts_of(FILES)]),
    "times": lambda: one(SOURCE, extra=struct.pack("<2HBI", 0x5455, 5, 1, 0)),
    "made-on-windows": lambda: zipped([replace(part, maker=0, mode=0) for part in parts_of(FILES)]),
    "no-kind-in-the-mode": lambda: zipped([replace(part, mode=0o644) for part in parts_of(FILES)]),
    "signature": lambda: zipped([*parts_of(FILES), Part(f"{INFO}/RECORD.jws".encode(), b"{}")]),
    "record-not-listed": lambda: recorded(lambda r: r.replace(f"{INFO}/RECORD,,\n".encode(), b"")),
    "hidden-library": lambda: package({"demo_tool/.libs/notes.txt": b"x\n"}),
    "comma-in-a-name": lambda: package({"demo_tool/a,b.txt": b"x\n"}),
    "letters-beyond-ascii": lambda: package({"demo_tool/\xe9.txt": b"x\n"}),
    "empty-file": lambda: package({"demo_tool/py.typed": b""}),
    "spelled-otherwise": lambda: package(METADATA=METADATA.replace(b"demo-tool", b"Demo.Tool")),
    "folded-field": lambda: package(METADATA=METADATA.replace(b"Nothing much", b"Nothing\n        much")),
    "repetitive": lambda: package({"demo_tool/zeros.bin": b"\0" * (1 << 20)}),
}
"""Near-misses that must pass without a word."""

TOLD_WHEELS: dict[str, tuple[str, Callable[[], bytes]]] = {
    "pth": ("may run with the interpreter", lambda: package({"demo.pth": b"import os\n"})),
    "pth-in-data": ("may run with the interpreter", lambda: package({"demo_tool-1.0.data/purelib/x.pth": b"x\n"})),
    "start-up": ("may run with the interpreter", lambda: package({"sitecustomize.py": b"x = 1\n"})),
    "script": ("installed as a command", lambda: package({"demo_tool-1.0.data/scripts/demo": b"#!python\n"})),
    "data": ("beside the packages", lambda: package({"demo_tool-1.0.data/data/etc/x.cfg": b"x\n"})),
    "entry-points": (
        "call by name",
        lambda: package({f"{INFO}/entry_points.txt": b"[console_scripts]\ndemo = demo:x\n"}),
    ),
    "compiled": ("compiled code", lambda: package({"demo_tool/fast.cpython-311-x86_64-linux-gnu.so": b"\x7fELF\2"})),
    "program-of-another-name": ("compiled code", lambda: package({"demo_tool/notes.txt": b"\x7fELF\2" + b"\0" * 80})),
    "pickle": ("saved object", lambda: package({"demo_tool/model.bin": b"\x80\x04\x95\x05\0\0\0\0\0\0\0K\x01."})),
    "compressed": ("is compressed", lambda: package({"demo_tool/data.csv.gz": gzip.compress(b"a,b\n1,2\n")})),
    "turning": ("another order", lambda: package({"demo_tool/t.py": "x = '\u202e1'\n".encode()})),
}
"""What is said and forbids nothing."""

TERABYTE_TRICKS = ("bomb", "many-bombs", "beyond-all-bounds")
"""Those that are about time and memory."""
