"""An identifier in whatever encoding, around whatever picture: byte orders, open ends, deflation, padding, comments."""

from __future__ import annotations

import struct
import zlib
from io import BytesIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from tests.unit.slices.gate.files import CLEAN, EXPLICIT, IMPLICIT, Order, Raw, element, elements, file, rules, sequence
from tests.unit.slices.gate.test_never_passes import NESTING, identifiers, numbers, outcome, tags
from tre.domain.gate import Verdict
from tre.slices.gate.attributes import representation_of
from tre.slices.gate.fragments import RULE
from tre.slices.gate.judge import Gate
from tre.slices.gate.wire import BIG_ENDIAN, DEFLATED

PIXELS: tuple[Raw, ...] = (
    (0x00280002, "US", b"\1\0"),
    (0x00280010, "US", b"\4\0"),
    (0x00280011, "US", b"\4\0"),
    (0x00280100, "US", b"\x10\0"),
)
CHARACTER_SETS = {"ISO_IR 192": "utf-8", "ISO_IR 100": "latin-1", "ISO_IR 144": "iso8859_5", "GB18030": "gb18030"}
FOREIGN = {"ISO_IR 192": "Åse Ørsted", "ISO_IR 100": "Åse Ørsted", "ISO_IR 144": "Анна", "GB18030": "王小明"}


def open_sequence(tag: int, items: list[bytes], order: Order, *, explicit: bool) -> bytes:
    """A sequence of undefined length whose items have none either."""

    def mark(low: int, length: int) -> bytes:
        return (0xFFFE).to_bytes(2, order) + low.to_bytes(2, order) + length.to_bytes(4, order)

    body = b"".join(mark(0xE000, 0xFFFFFFFF) + item + mark(0xE00D, 0) for item in items) + mark(0xE0DD, 0)
    head = (tag >> 16).to_bytes(2, order) + (tag & 0xFFFF).to_bytes(2, order)
    return head + (b"SQ\0\0" if explicit else b"") + b"\xff\xff\xff\xff" + body


def whole(body: bytes, syntax: str, *, preamble: bytes = bytes(128)) -> bytes:
    """A file of this body, deflated where the syntax says so."""
    if syntax == DEFLATED:
        packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
        body = packer.compress(body) + packer.flush()
    return file((), syntax=syntax, preamble=preamble) + body


def with_sequence(outer: int, made: bytes, syntax: str) -> bytes:
    """The clean header with a sequence among its elements."""
    order: Order = "big" if syntax == BIG_ENDIAN else "little"
    explicit = syntax != IMPLICIT
    before = elements((one for one in CLEAN if one[0] < outer), explicit=explicit, order=order)
    return whole(
        before + made + elements((one for one in CLEAN if one[0] > outer), explicit=explicit, order=order), syntax
    )


@some.composite
def nested(draw: some.DrawFn) -> tuple[str, bytes]:
    """An identifier in a sequence, in one of four encodings, open-ended or not."""
    text, tag = draw(identifiers), draw(tags)
    syntax = draw(some.sampled_from((EXPLICIT, IMPLICIT, BIG_ENDIAN, DEFLATED)))
    order: Order = "big" if syntax == BIG_ENDIAN else "little"
    known = None if tag >> 16 & 1 else representation_of(tag)
    vr = draw(some.sampled_from(((known or "LO").split(" ")[0], "LO", "UN", "UT", "PN", "SH")))
    inner = elements([(tag, "LO" if vr == "SQ" else vr, text.encode())], explicit=syntax != IMPLICIT, order=order)
    explicit = syntax != IMPLICIT
    for outer in draw(some.lists(some.sampled_from(NESTING), min_size=1, max_size=3)):
        if draw(some.booleans()):
            inner = open_sequence(outer, [b"", inner], order, explicit=explicit)
        else:
            inner = element(outer, "SQ", sequence(inner, order=order), explicit=explicit, order=order)
    return text, with_sequence(outer, inner, syntax)


@given(nested())
@settings(max_examples=500, deadline=None)
def test_in_open_and_closed_sequences_of_every_encoding(case: tuple[str, bytes]) -> None:
    text, data = case
    verdict, said = outcome(data)
    assert verdict is not Verdict.passed
    assert text not in said


@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT, BIG_ENDIAN, DEFLATED])
def test_the_same_without_an_identifier_passes(syntax: str) -> None:
    order: Order = "big" if syntax == BIG_ENDIAN else "little"
    explicit = syntax != IMPLICIT
    inner = elements(
        [(0x00081150, "UI", b"1.2.840.10008.5.1.4.1.1.1\0"), (0x00081155, "UI", b"2.25.3")],
        explicit=explicit,
        order=order,
    )
    made = open_sequence(0x00081140, [inner, b""], order, explicit=explicit)
    assert outcome(with_sequence(0x00081140, made, syntax)) == (Verdict.passed, "[]")
    closed = element(0x00081140, "SQ", sequence(inner, order=order), explicit=explicit, order=order)
    assert outcome(with_sequence(0x00081140, closed, syntax)) == (Verdict.passed, "[]")


@given(numbers, some.sampled_from((("UL", "I"), ("UV", "Q"), ("FD", "d"), ("SV", "q"))), some.sampled_from("<>"))
@settings(max_examples=60, deadline=None)
def test_as_a_number_in_either_byte_order(number: str, kind: tuple[str, str], sign: str) -> None:
    vr, code = kind
    try:
        value = struct.pack(f"{sign}{code}", int(number))
    except struct.error:
        value = struct.pack(f"{sign}d", float(number))
        vr = "FD"
    order: Order = "little" if sign == "<" else "big"
    body = elements([*CLEAN, (0x00189306, vr, value)], order=order)
    assert outcome(whole(body, EXPLICIT if sign == "<" else BIG_ENDIAN))[0] is not Verdict.passed


@given(identifiers, some.integers(0, 40))
@settings(max_examples=100, deadline=None)
def test_before_and_behind_the_file(text: str, offset: int) -> None:
    preamble = (bytes(offset) + text.encode() + bytes(128))[:128]
    behind = [text.encode(), bytes(offset) + text.encode(), bytes(8) + text.encode() + bytes(8)]
    for data in (file(preamble=preamble), *(file(tail=one) for one in behind)):
        verdict, said = outcome(data)
        assert verdict is Verdict.refuse
        assert text not in said
    pixels = element(0x7FE00010, "OW", bytes(32) + text.encode() + b" " * (len(text) % 2))
    assert outcome(file([*CLEAN, *PIXELS], tail=pixels))[0] is not Verdict.passed
    for one in (element(0xFFFCFFFC, "OB", text.encode()), text.encode()):
        assert outcome(file([*CLEAN, *PIXELS], tail=element(0x7FE00010, "OW", bytes(32)) + one))[0] is Verdict.refuse
    assert outcome(file([*CLEAN, *PIXELS], tail=element(0x7FE00010, "OW", bytes(32))))[0] is Verdict.passed


@given(identifiers, some.sampled_from(range(0x6000, 0x6020, 2)), some.sampled_from((0x3000, 0x4000, 0x0022, 0x1500)))
@settings(max_examples=60, deadline=None)
def test_in_overlays(text: str, group: int, low: int) -> None:
    assert outcome(file([*CLEAN, (group << 16 | low, "LO", text.encode())]))[0] is Verdict.refuse


@pytest.mark.parametrize("character_set", CHARACTER_SETS)
def test_in_every_character_set(character_set: str) -> None:
    text = FOREIGN[character_set].encode(CHARACTER_SETS[character_set])
    declared = (0x00080005, "CS", character_set.encode())
    assert outcome(file([*CLEAN, declared, (0x00081030, "LO", text)]))[0] is not Verdict.passed
    assert outcome(file([*CLEAN, declared, (0x00081030, "LO", b"Chest PA " + text)]))[0] is not Verdict.passed
    assert outcome(file([*CLEAN, (0x00081030, "LO", b"\x1b$B" + text)]))[0] is not Verdict.passed


GATE = Gate()
QUANTISATION = b"\xff\xdb\0\x43\0" + bytes(range(1, 65))
SCAN = b"\xff\xda\0\x08\1\1\0\0\x3f\0" + b"\x12\xff\0\x34\xff\xd0" * 9
JPEG = b"\xff\xd8" + QUANTISATION + SCAN + b"\xff\xd9"
SIZE_2000 = b"\xff\x51\0\x29" + bytes(39)
TILE_2000 = b"\xff\x90\0\x0a\0\0\0\0\0\x16\0\1" + b"\xff\x93" + b"\x12\x34" * 4
J2K = b"\xff\x4f" + SIZE_2000 + TILE_2000 + b"\xff\xd9"
RUNS = struct.pack("<16I", 1, 64, *[0] * 14) + b"\xf9\0" * 4
PICTURES = {"1.2.840.10008.1.2.4.50": JPEG, "1.2.840.10008.1.2.4.90": J2K, "1.2.840.10008.1.2.5": RUNS}


def compressed(syntax: str, *fragments: bytes, offsets: bytes = b"") -> bytes:
    """A file whose pixels lie in these fragments."""
    items = sequence(offsets, *(one + b"\0" * (len(one) % 2) for one in fragments))
    head = b"\xe0\x7f\x10\0OB\0\0\xff\xff\xff\xff"
    return file(syntax=syntax, tail=head + items + b"\xfe\xff\xdd\xe0\0\0\0\0")


@pytest.mark.parametrize("syntax", PICTURES)
def test_compressed_pictures_pass(syntax: str) -> None:
    picture = PICTURES[syntax]
    assert rules(compressed(syntax, picture)) == set()
    second = len(picture) + len(picture) % 2 + 8
    assert rules(compressed(syntax, picture, picture, offsets=struct.pack("<2I", 0, second))) == set()


def marked(marker: int, text: bytes, begin: bytes = b"") -> bytes:
    """A marker segment."""
    return bytes((0xFF, marker)) + (len(begin + text) + 2).to_bytes(2, "big") + begin + text


@given(identifiers)
@settings(max_examples=80, deadline=None)
def test_an_identifier_between_compressed_frames_never_passes(text: str) -> None:
    data = text.encode()
    lossy, wave, runs = PICTURES
    cases = [
        *(compressed(lossy, JPEG[:2] + marked(marker, data) + JPEG[2:]) for marker in (0xFE, *range(0xE0, 0xF0))),
        compressed(lossy, JPEG[:2] + QUANTISATION + marked(0xFE, data) + SCAN + b"\xff\xd9"),
        compressed(lossy, JPEG[:-2] + marked(0xFE, data) + b"\xff\xd9"),
        compressed(lossy, JPEG[:2] + marked(0xE0, b"JFIF\0\1\1\0\0\1\0\1\0\0" + data) + JPEG[2:]),
        compressed(wave, J2K[:2] + SIZE_2000 + marked(0x64, data, b"\0\1") + J2K[2 + len(SIZE_2000) :]),
        compressed(wave, J2K[:2] + marked(0x6F, data) + J2K[2:]),
        compressed(runs, struct.pack("<16I", 1, 64, *[0x41414141] * 14) + data),
        compressed("1.2.840.10008.1.2.4.100", data),
    ]
    for syntax, picture in PICTURES.items():
        cases += [
            compressed(syntax, data, picture),
            compressed(syntax, picture, offsets=data + b" " * (-len(data) % 4)),
        ]
    cases += [compressed(syntax, picture + data) for syntax, picture in PICTURES.items() if syntax != runs]
    cases += [compressed(syntax, picture, data) for syntax, picture in PICTURES.items()]
    for number, case in enumerate(cases):
        verdict, said = outcome(case)
        assert verdict is not Verdict.passed, number
        assert text not in said


@given(some.binary(max_size=200), some.sampled_from(sorted(PICTURES)), some.integers(0, 90), some.integers(0, 30))
@settings(max_examples=300, deadline=None)
def test_whatever_bytes_are_changed_there_is_a_verdict(noise: bytes, syntax: str, at: int, cut: int) -> None:
    picture = PICTURES[syntax]
    broken = picture[:at] + noise + picture[at + cut :]
    assert GATE.judge_file(BytesIO(compressed(syntax, broken, offsets=noise[:4]))).verdict in Verdict


def test_compressed_pixels_that_are_too_many_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    from tre.slices.gate import fragments

    monkeypatch.setattr(fragments, "MOST_BYTES", 20)
    assert rules(compressed("1.2.840.10008.1.2.4.50", JPEG)) == {(RULE, "PixelData")}
