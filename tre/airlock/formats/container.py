"""Zip as a container of a document or a package: every byte belongs to a member or to the directory.

Standard library only.

Guarantees: members lie one behind the other from the first byte on, each with a local header that says the same as
the directory; the directory follows, its end record closes the file, nothing stands before, between or behind. No
encryption, no name twice, no path, no member that is compressed in a way of its own; what a member unfolds to has the
announced size and checksum, is counted while it unfolds, and stays within bounds. Fields for extensions hold times,
owners or zeros, nothing else; every part is a plain file or, where the terms allow it, a folder.

Does not guarantee: anything of what the members mean.

Threats: a document behind the archive or between its members, two members of one name of which two programs open
different ones, sizes that lie, bombs. Source: APPNOTE 6.3.10; ECMA-376 part 2 annex B.
"""

from __future__ import annotations

import re
import stat
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NoReturn

from tre.airlock.parsed import FileRefusedError, Observation, Place, quoted

MEMBERS = 1000
MEMBER_BYTES = 64 << 20
TOTAL_BYTES = 128 << 20
RATIO = 100
RATIO_FROM = 1 << 20
"""From how many bytes on a member's ratio counts: short repetitive parts unfold more without doing harm."""

_LOCAL, _CENTRAL, _END, _DESCRIPTOR = b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06", b"PK\x07\x08"
_STORED, _DEFLATED = 0, 8
_ENCRYPTED, _DESCRIBED, _STRONG, _UTF8, _MASKED = 0x0001, 0x0008, 0x0040, 0x0800, 0x2000
_MADE_BY_UNIX, _FOLDER_ON_DOS = 3, 0x10
_PART_NAME = re.compile(r"\.?[A-Za-z0-9_\[\]][A-Za-z0-9_.\[\] -]*(?:/\.?[A-Za-z0-9_\[\]][A-Za-z0-9_.\[\] -]*)*")
_TIMES = {0x5455: 13, 0x7875: 15, 0x5855: 12, 0x000A: 36}
"""Extension fields for times and owners, with their greatest length."""

_PADDING = 0xA220
_LONGEST_NAME = 200
_EMPTY_DEFLATED = 2
_PIECE = 1 << 18


def plain_name(name: str) -> str:
    """What is wrong with the name of a document's part, in words; empty where nothing is."""
    return "" if _PART_NAME.fullmatch(name) and len(name) <= _LONGEST_NAME else "It is none that such documents have."


@dataclass(frozen=True)
class Terms:
    """What a container is called in messages, what to do about one that is refused, and how much it may hold.

    `problem` says what is wrong with a name; `folders`: it may hold entries for folders, which hold nothing.
    """

    noun: str = "document"
    remedy: str = "Save the document again."
    less: str = "Ask for less."
    members: int = MEMBERS
    member_bytes: int = MEMBER_BYTES
    total_bytes: int = TOTAL_BYTES
    problem: Callable[[str], str] = plain_name
    folders: bool = False


DOCUMENT = Terms()


@dataclass(frozen=True)
class Member:
    """One part: its name and its unfolded bytes."""

    name: str
    data: bytes


@dataclass(frozen=True)
class _Entry:
    raw: bytes
    name: str
    flags: int
    method: int
    checksum: int
    packed: int
    unfolded: int
    offset: int


def members_of(data: bytes, terms: Terms = DOCUMENT) -> list[Member]:
    """Every part of the container. Raises `FileRefusedError`."""
    return list(unfold(data, terms))


def unfold(data: bytes, terms: Terms = DOCUMENT) -> Iterator[Member]:
    """Part after part, so that no more than one need be held. Raises `FileRefusedError`, at the end at the latest."""
    return _Container(data, terms).members()


@dataclass(frozen=True)
class _Container:
    data: bytes
    terms: Terms

    def refuse(self, message: str, offset: int, check: str = "F02", remedy: str = "", detail: str = "") -> NoReturn:
        """Raises `FileRefusedError`, always. `detail` may quote the file."""
        place = Place(offset=max(0, offset))
        said = message.replace("DOCUMENT", self.terms.noun) + detail
        raise FileRefusedError(Observation(check, said, remedy or self.terms.remedy, place))

    def members(self) -> Iterator[Member]:
        entries, directory = self.directory()
        position, total = 0, 0
        for entry in sorted(entries, key=lambda item: item.offset):
            if entry.offset != position:
                self.refuse("Bytes stand between the parts of the DOCUMENT.", position, "F03")
            start = self.local_header(entry)
            content = self.unfold(self.data[start : start + entry.packed], entry, self.terms.total_bytes - total)
            total += len(content)
            position = self.after(entry, start + entry.packed)
            if entry.name.endswith("/"):
                self.check_folder(entry)
            else:
                yield Member(entry.name, content)
        if position != directory:
            self.refuse("Bytes stand between the parts of the DOCUMENT and their directory.", position, "F03")

    def directory(self) -> tuple[list[_Entry], int]:
        data = self.data
        if not data.startswith(_LOCAL):
            self.refuse("The file does not begin as such a DOCUMENT does.", 0)
        end = len(data) - 22
        if end < 0 or data[end : end + 4] != _END:
            if (found := data.rfind(_END)) >= 0:
                self.refuse("Bytes follow the end of the DOCUMENT.", found + 22, "F03")
            self.refuse("The DOCUMENT is cut off.", len(data))
        disk, first_disk, here, count, size, offset, comment = struct.unpack_from("<4H2IH", data, end + 4)
        if disk or first_disk or here != count or comment or offset + size != end or not count:
            self.refuse("The directory of the DOCUMENT is wrong.", end)
        if count > self.terms.members:
            self.refuse(f"{count} parts are more than the {self.terms.members} allowed.", end, "F05", self.terms.less)
        entries = list(self.entries(offset, end, count))
        if len({entry.name.casefold().rstrip("/") for entry in entries}) != count:
            self.refuse("Two parts of the DOCUMENT have one name.", offset, "F03")
        return entries, offset

    def entries(self, offset: int, end: int, count: int) -> Iterator[_Entry]:
        for _ in range(count):
            if offset + 46 > end or self.data[offset : offset + 4] != _CENTRAL:
                self.refuse("The directory of the DOCUMENT is wrong.", offset)
            maker, _, flags, method = struct.unpack_from("<4H", self.data, offset + 4)
            checksum, packed, unfolded, length, extra, comment, disk = struct.unpack_from(
                "<3I4H", self.data, offset + 16
            )
            attributes, start = struct.unpack_from("<2I", self.data, offset + 38)
            raw = self.data[offset + 46 : offset + 46 + length]
            name = self.check_entry(raw, flags, method, offset)
            self.check_attributes(maker >> 8, attributes, name, offset)
            if comment or disk:
                self.refuse("A part of the DOCUMENT carries a comment.", offset, "F03")
            self.check_extra(self.data[offset + 46 + length : offset + 46 + length + extra], offset)
            yield _Entry(raw, name, flags, method, checksum, packed, unfolded, start)
            offset += 46 + length + extra
        if offset != end:
            self.refuse("Bytes stand behind the directory of the DOCUMENT.", offset, "F03")

    def check_entry(self, raw: bytes, flags: int, method: int, offset: int) -> str:
        """The part's name."""
        if flags & (_ENCRYPTED | _STRONG | _MASKED):
            self.refuse("The DOCUMENT is encrypted.", offset, "F04", "Save it without a password.")
        if method not in {_STORED, _DEFLATED}:
            self.refuse("A part of the DOCUMENT is compressed in an unusual way.", offset, "F04")
        try:
            name = raw.decode("utf-8" if flags & _UTF8 else "ascii")
        except UnicodeDecodeError:
            name = ""
        bare = name.removesuffix("/") if self.terms.folders else name
        problem = self.terms.problem(bare) if bare else ""
        if problem or not bare:
            why = problem if bare else "Programs read it differently."
            detail = f" {quoted(raw.decode('utf-8', 'replace'))}. {why}"
            self.refuse("A part of the DOCUMENT has an unusual name", offset, "F03", detail=detail)
        return name

    def check_attributes(self, maker: int, attributes: int, name: str, offset: int) -> None:
        """A name for a folder is a folder, any other a plain file, whatever system wrote it."""
        folder, mode = name.endswith("/"), attributes >> 16
        kind = stat.S_IFMT(mode) if maker == _MADE_BY_UNIX else 0
        if kind not in {0, stat.S_IFDIR if folder else stat.S_IFREG} or (attributes & _FOLDER_ON_DOS and not folder):
            self.refuse("A part of the DOCUMENT is no plain file, but a link, a device or a folder.", offset, "F01")
        if maker == _MADE_BY_UNIX and mode & (stat.S_ISUID | stat.S_ISGID | stat.S_ISVTX) and not folder:
            self.refuse("A part of the DOCUMENT carries a set-id or sticky bit.", offset, "F01")

    def check_folder(self, entry: _Entry) -> None:
        if entry.unfolded or entry.packed > _EMPTY_DEFLATED:
            self.refuse("A folder of the DOCUMENT holds bytes.", entry.offset, "F03")

    def check_extra(self, extra: bytes, offset: int) -> None:
        at = 0
        while at + 4 <= len(extra):
            kind, length = struct.unpack_from("<2H", extra, at)
            body = extra[at + 4 : at + 4 + length]
            is_padding = kind == _PADDING and body[:2] == b"\x28\xa0" and not any(body[4:])
            if not is_padding and length > _TIMES.get(kind, -1):
                self.refuse("A part of the DOCUMENT has a field that may carry data.", offset, "F03")
            at += 4 + length
        if at != len(extra):
            self.refuse("A field of the DOCUMENT is broken.", offset, "F03")

    def local_header(self, entry: _Entry) -> int:
        """Where the part's bytes begin; its header must say what the directory says."""
        at = entry.offset
        if at + 30 > len(self.data) or self.data[at : at + 4] != _LOCAL:
            self.refuse("A part of the DOCUMENT is not where its directory says.", at)
        flags, method = struct.unpack_from("<2H", self.data, at + 6)
        checksum, packed, unfolded, length, extra = struct.unpack_from("<3I2H", self.data, at + 14)
        name = self.data[at + 30 : at + 30 + length]
        described = (0, 0, 0) if entry.flags & _DESCRIBED else (entry.checksum, entry.packed, entry.unfolded)
        said = (checksum, packed, unfolded)
        if (name, flags, method) != (entry.raw, entry.flags, entry.method) or said not in {
            described,
            (entry.checksum, entry.packed, entry.unfolded),
        }:
            self.refuse("A part of the DOCUMENT says something else than its directory.", at, "F03")
        self.check_extra(self.data[at + 30 + length : at + 30 + length + extra], at)
        return at + 30 + len(name) + int(extra)

    def unfold(self, packed: bytes, entry: _Entry, left: int) -> bytes:
        if len(packed) != entry.packed:
            self.refuse("A part of the DOCUMENT is cut off.", entry.offset)
        if entry.unfolded > min(self.terms.member_bytes, left):
            self.refuse("The DOCUMENT unfolds to more than allowed.", entry.offset, "F04", self.terms.less)
        content = packed if entry.method == _STORED else self.inflate(packed, entry)
        if len(content) != entry.unfolded or zlib.crc32(content) != entry.checksum:
            self.refuse("A part of the DOCUMENT does not unfold to what its directory says.", entry.offset, "F03")
        if len(content) > max(RATIO_FROM, RATIO * len(packed)):
            message = f"A part of the DOCUMENT unfolds to more than {RATIO} times its size."
            self.refuse(message, entry.offset, "F04", self.terms.less)
        return content

    def inflate(self, packed: bytes, entry: _Entry) -> bytes:
        unfolder = zlib.decompressobj(-15)
        pieces, produced, rest = list[bytes](), 0, packed
        try:
            while not unfolder.eof:
                piece = unfolder.decompress(rest, _PIECE)
                rest = unfolder.unconsumed_tail
                produced += len(piece)
                if produced > entry.unfolded or (not piece and not rest and not unfolder.eof):
                    self.refuse(
                        "A part of the DOCUMENT does not unfold to what its directory says.", entry.offset, "F03"
                    )
                pieces.append(piece)
        except zlib.error as error:
            observation = Observation("F02", f"A part of the {self.terms.noun} is broken.", self.terms.remedy)
            raise FileRefusedError(observation) from error
        if rest or unfolder.unused_data:
            self.refuse("Bytes follow a part's compressed data.", entry.offset, "F03")
        return b"".join(pieces)

    def after(self, entry: _Entry, position: int) -> int:
        """Where the next part begins: behind this one's bytes and, where it has one, its descriptor."""
        if not entry.flags & _DESCRIBED:
            return position
        due = struct.pack("<3I", entry.checksum, entry.packed, entry.unfolded)
        found = next((said for said in (_DESCRIPTOR + due, due) if self.data.startswith(said, position)), None)
        if found is None:
            message = "A part of the DOCUMENT is followed by something else than its description."
            self.refuse(message, position, "F03")
        return position + len(found)
