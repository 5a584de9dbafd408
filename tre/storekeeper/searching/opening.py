"""Undoing what hides words from a search: Parquet, gzip, zip (workbooks, saved models), NumPy's `.npy` and `.npz`.

Guarantees: what comes out of a file is bounded (`MOST_BYTES`), whatever it claims; a container inside a container is
not opened. Called behind walls only.

Does not guarantee: other compressions (Feather, HDF5, encapsulated pixels): their words stay hidden.
"""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from collections.abc import Iterator

import pyarrow as pa
import pyarrow.parquet as pq

MOST_BYTES = 1 << 30
_PIECE = 1 << 20
_NUMPY = b"\x93NUMPY"
_WORDS = (pa.types.is_string, pa.types.is_large_string, pa.types.is_binary, pa.types.is_dictionary)


def opened(data: bytes) -> Iterator[bytes]:
    """What is inside, in pieces; nothing for a file of another kind. Raises whatever its reader raises."""
    if data[:4] == b"PAR1":
        yield from _parquet(data)
    elif data[:2] == b"\x1f\x8b":
        yield from _gzip(data)
    elif data[:4] == b"PK\x03\x04":
        yield from _zip(data)
    elif data[:6] == _NUMPY:
        yield from _numpy(data)


def _parquet(data: bytes) -> Iterator[bytes]:
    file = pq.ParquetFile(pa.BufferReader(data), pre_buffer=False)
    taken = 0
    for group in range(file.num_row_groups):
        for place in range(file.metadata.num_columns):
            name = file.metadata.schema.column(place).path
            table = file.read_row_group(group, columns=[name], use_threads=False)
            for column in table.columns:
                if any(test(column.type) for test in _WORDS):
                    text = "\n".join(str(value) for value in set(column.to_pylist())).encode("utf-8", "replace")
                    taken += len(text)
                    yield text
        if taken > MOST_BYTES:
            raise ValueError("too much is inside")


def _gzip(data: bytes) -> Iterator[bytes]:
    engine = zlib.decompressobj(wbits=31)
    taken, rest = 0, data
    while not engine.eof:
        piece = engine.decompress(rest, _PIECE)
        if not piece and not engine.eof:
            raise ValueError("it is cut off")
        rest = engine.unconsumed_tail
        taken += len(piece)
        yield piece
        if taken > MOST_BYTES:
            raise ValueError("too much is inside")


def _zip(data: bytes) -> Iterator[bytes]:
    taken = 0
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        for info in archive.infolist():
            yield info.filename.encode("utf-8", "replace")
            with archive.open(info) as member:
                kept: list[bytes] = []
                while piece := member.read(_PIECE):
                    taken += len(piece)
                    yield piece
                    if taken > MOST_BYTES:
                        raise ValueError("too much is inside")
                    kept += [piece] if not kept or kept[0][:6] == _NUMPY else []
            if kept and kept[0][:6] == _NUMPY:
                yield from _numpy(b"".join(kept))


def _numpy(data: bytes) -> Iterator[bytes]:
    """Texts of fixed width, item by item: without padding between them two items look like one word."""
    long = data[6:7] != b"\x01"
    start = 12 if long else 10
    length = int.from_bytes(data[8:start], "little")
    described = re.search(rb"'descr': ?'[<>|=]([US])(\d{1,6})'", data[start : start + min(length, _PIECE)])
    if described is None:
        return
    width = int(described[2]) * (4 if described[1] == b"U" else 1)
    body = memoryview(data)[start + length :]
    items = (bytes(body[place : place + width]) for place in range(0, len(body), max(width, 1)))
    if described[1] == b"U":
        yield b"\n".join(item.replace(b"\0", b"") for item in items)
    else:
        yield b"\n".join(items)


def warm_up() -> None:
    """Load what the readers load at their first use: behind the walls nothing can be loaded."""
    target = pa.BufferOutputStream()
    pq.write_table(pa.table({"a": pa.array(["b"]).dictionary_encode()}), target, compression="zstd")
    list(_parquet(target.getvalue().to_pybytes()))
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a", b"b")
    list(_zip(packed.getvalue()))
    list(_gzip(zlib.compress(b"a", wbits=31)))
