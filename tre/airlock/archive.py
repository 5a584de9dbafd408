"""The one form of zip that a release has, written and read by the same rules.

Guarantees: the same entries give the same bytes on every machine (stored, not compressed; one date; no extras). The
reader accounts for every byte of the file from the first to the last: it takes no archive with a gap, a prefix, a
comment, two names for one place, a name that leads outside, or a central directory that tells another story than
the entries themselves.

Threats: an archive that unpacks outside its folder, that shows other files to one program than to another, that
unfolds to gigabytes. Source of the layout: PKWARE APPNOTE 6.3.10, sections 4.3.7, 4.3.12 and 4.3.16.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import BinaryIO

from tre.airlock.naming import colliding, problem_of
from tre.domain.errors import Reason, TREError

MOST_BYTES = 2**32 - 1
MOST_ENTRIES = 20_000

_LOCAL = struct.Struct("<4sHHHHHIIIHH")
_CENTRAL = struct.Struct("<4sHHHHHHIIIHHHHHII")
_END = struct.Struct("<4sHHHHIIH")
_VERSION, _UTF8, _STORED = 20, 0x0800, 0
_TIME, _DATE = 0, 0x0021  # 1980-01-01: a release's time stands in its statement
_MADE_BY_UNIX = (3 << 8) | _VERSION
_MODE = 0o100644 << 16


@dataclass(frozen=True)
class Entry:
    """One file of an archive: its name, and where its bytes lie."""

    name: str
    size: int
    crc: int
    header_at: int

    @property
    def data_at(self) -> int:
        """Offset of the first byte."""
        return self.header_at + _LOCAL.size + len(self.name.encode())

    def local(self) -> bytes:
        """The header before the bytes."""
        name = self.name.encode()
        fields = (_VERSION, _UTF8, _STORED, _TIME, _DATE, self.crc, self.size, self.size, len(name), 0)
        return _LOCAL.pack(b"PK\x03\x04", *fields) + name

    def central(self) -> bytes:
        """The line of the directory at the end."""
        name = self.name.encode()
        fields = (_MADE_BY_UNIX, _VERSION, _UTF8, _STORED, _TIME, _DATE, self.crc, self.size, self.size)
        return _CENTRAL.pack(b"PK\x01\x02", *fields, len(name), 0, 0, 0, 0, _MODE, self.header_at) + name


def _ending(entries: list[Entry], directory_at: int) -> bytes:
    directory = b"".join(entry.central() for entry in entries)
    counts = (0, 0, len(entries), len(entries), len(directory), directory_at, 0)
    return directory + _END.pack(b"PK\x05\x06", *counts)


def write_archive(target: BinaryIO, files: Iterable[tuple[str, bytes]]) -> None:
    """Write the files in this order. Raises `TREError(FileRefused)` where they do not fit into one archive."""
    entries: list[Entry] = []
    offset = 0
    for name, data in files:
        entry = Entry(name, len(data), zlib.crc32(data), offset)
        target.write(entry.local())
        target.write(data)
        offset = entry.data_at + len(data)
        entries.append(entry)
    ending = _ending(entries, offset)
    if offset + len(ending) > MOST_BYTES or len(entries) > MOST_ENTRIES:
        raise TREError(Reason.FileRefused, "The release is too large for one archive.")
    target.write(ending)


def _invalid(what: str, why: str = "") -> TREError:
    return TREError(Reason.BundleInvalid, what, why=why, remedy="Do not use these files; ask where you got them from.")


def read_archive(source: BinaryIO) -> list[Entry]:
    """The entries of an archive, every byte of it accounted for.

    Raises `TREError(BundleInvalid)` with a sentence for each kind of deviation.
    """
    size = source.seek(0, 2)
    entries: list[Entry] = []
    offset = 0
    while (magic := _at(source, offset, 4)) == b"PK\x03\x04":
        entry = _read_entry(source, offset, size)
        entries.append(entry)
        offset = entry.data_at + entry.size
        if len(entries) > MOST_ENTRIES:
            raise _invalid("The archive has more entries than a release has.")
    if not entries or magic not in {b"PK\x01\x02", b"PK\x05\x06"}:
        raise _invalid("The file is not a release bundle: it is no archive in that form.")
    _check_names(entries)
    ending = _ending(entries, offset)
    if _at(source, offset, len(ending)) != ending:
        raise _invalid("The archive's directory tells another story than its entries.")
    if offset + len(ending) != size:
        raise _invalid("Bytes follow the end of the archive.")
    return entries


def read_entry(source: BinaryIO, entry: Entry) -> bytes:
    """The bytes of an entry."""
    return _at(source, entry.data_at, entry.size)


def _at(source: BinaryIO, offset: int, amount: int) -> bytes:
    source.seek(offset)
    return source.read(amount)


def _read_entry(source: BinaryIO, offset: int, whole: int) -> Entry:
    header = _at(source, offset, _LOCAL.size)
    if len(header) < _LOCAL.size:
        raise _invalid("The archive is cut off.")
    fields = _LOCAL.unpack(header)
    crc, size, name_length = fields[6], fields[8], fields[9]
    raw = _at(source, offset + _LOCAL.size, name_length)
    try:
        name = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _invalid("A name in the archive is not UTF-8.") from error
    entry = Entry(name, size, crc, offset)
    if entry.data_at + size > whole:
        raise _invalid("The archive is cut off.")
    if header + raw != entry.local():
        raise _invalid("An entry is compressed, encrypted or carries extras; a release has none of these.")
    return entry


def _check_names(entries: list[Entry]) -> None:
    names = [entry.name for entry in entries]
    for name in names:
        if problem := problem_of(name):
            raise _invalid("A name in the archive is not one that a release has.", problem)
    if colliding(names):
        raise _invalid("Two entries of the archive have the same name.")
