"""The bytes of a PDF between its objects: nothing stands where a reader would not look. Standard library only.

Guarantees: header at the first byte, objects one after another with white space between them, cross references,
one end, nothing behind it; no object number twice; the length of each stream as found here, so that `pdf_structure`
can compare it with the one its object claims.

Does not guarantee: the inside of objects, which `pdf_structure` reads, nor of object streams.

Threats: an archive behind, before or between the objects; earlier versions of a document that its program kept.
Source: ISO 32000-1, 7.5.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from tre.airlock.parsed import FileRefusedError, Observation, Place

_HEADER = re.compile(rb"%PDF-(?:1\.[0-7]|2\.0)[ \t]*+\r?+\n?+")
_SPACE = re.compile(rb"[\x00\t\n\x0c\r ]*+")
_REMARK = re.compile(rb"%(?!%EOF)[^\r\n]{0,200}+[\r\n]")
_OBJECT = re.compile(rb"(\d{1,10})[ \t\r\n]++(\d{1,5})[ \t\r\n]++obj(?![a-zA-Z])")
_TABLE = re.compile(
    rb"xref[ \t\r\n]++(?:\d{1,10} \d{1,10}[ \t]*+[\r\n]++(?:\d{10} \d{5} [nf][ \r\n]{1,2}+)*+)++[ \t\r\n]*+(?=trailer)"
)
_END = re.compile(rb"startxref[ \t\r\n]++\d{1,12}[ \t\r\n]++%%EOF[ \t\r\n]{0,4}")
_STREAM = re.compile(rb">>[ \t\r\n]*+stream(?:\r\n|\n|\r)")
_STREAM_END = re.compile(rb"endstream[ \t\r\n]++endobj(?=[ \t\r\n])")
_ENCRYPTED = re.compile(rb"/Encrypt[ \t\r\n]*+(?:\d{1,10} \d{1,5} R|<<)")
_MOST_OBJECTS = 50_000
_MOST_REMARKS = 512
_SAVE_AGAIN = "Save the document again with its program, without incremental saving, or as PNG."


@dataclass
class Layout:
    """Where objects and the bytes of their streams stand: number and generation to length and offset."""

    objects: dict[tuple[int, int], int] = field(default_factory=dict)
    streams: dict[tuple[int, int], int] = field(default_factory=dict)


def _refused(message: str, offset: int, check: str = "F03") -> FileRefusedError:
    return FileRefusedError(Observation(check, message, _SAVE_AGAIN, Place(offset=offset)))


def walk(data: bytes) -> Layout:
    """Account for every byte between the objects. Raises `FileRefusedError`."""
    header = _HEADER.match(data)
    if header is None:
        raise _refused("The file is not a PDF document.", 0, "F02")
    if (locked := _ENCRYPTED.search(data)) is not None:
        raise _refused("The document is encrypted.", locked.start(), "F04")
    layout, at, remarks, has_trailer = Layout(), header.end(), 0, False
    while True:
        at = _end_of(_SPACE, data, at)
        if (remark := _REMARK.match(data, at)) is not None:
            remarks += remark.end() - at
            if remarks > _MOST_REMARKS:
                raise _refused("Remarks between the objects hold more than a document needs.", at)
            at = remark.end()
        elif (begin := _OBJECT.match(data, at)) is not None and not has_trailer:
            at = _object(data, begin, layout)
        elif (table := _TABLE.match(data, at)) is not None and not has_trailer:
            at = _trailer(data, table.end())
            has_trailer = True
        elif (end := _END.match(data, at)) is not None:
            if end.end() != len(data):
                raise _behind(data, end.end())
            return layout
        else:
            raise _refused("Bytes stand between the objects of the document.", at)


def _behind(data: bytes, at: int) -> FileRefusedError:
    if b"%%EOF" in data[at:]:
        return _refused("The document holds earlier versions of itself.", at)
    return _refused(f"{len(data) - at} bytes follow the end of the document.", at)


def _end_of(pattern: re.Pattern[bytes], data: bytes, at: int) -> int:
    found = pattern.match(data, at)
    return at if found is None else found.end()


def _object(data: bytes, begin: re.Match[bytes], layout: Layout) -> int:
    """One object; returns where it ends."""
    name = (int(begin.group(1)), int(begin.group(2)))
    if name in layout.objects or len(layout.objects) >= _MOST_OBJECTS:
        raise _refused("An object of the document stands twice, or there are too many.", begin.start())
    layout.objects[name] = begin.start()
    plain = data.find(b"endobj", begin.end())
    if plain < 0:
        raise _refused("The document is cut off.", begin.start(), "F02")
    stream = _STREAM.search(data, begin.end(), plain)
    if stream is None:
        return plain + len(b"endobj")
    end = _STREAM_END.search(data, stream.end())
    if end is None:
        raise _refused("The document is cut off.", begin.start(), "F02")
    layout.streams[name] = end.start() - stream.end()
    return end.end()


def _trailer(data: bytes, at: int) -> int:
    """The dictionary behind the cross references; its content is read with the objects."""
    end = data.find(b"startxref", at)
    if end < 0 or end - at > 4096 or not data[at:end].rstrip().endswith(b">>"):
        raise _refused("The document is cut off.", at, "F02")
    if re.match(rb"trailer[ \t\r\n]*+<<", data[at:end]) is None:
        raise _refused("The document has no trailer.", at, "F02")
    return end
