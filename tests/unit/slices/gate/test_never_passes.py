"""An identifier anywhere in a header, whatever its tag, depth, representation or private block, never passes."""

from __future__ import annotations

import json
import struct
from contextlib import suppress
from io import BytesIO

from hypothesis import given, settings
from hypothesis import strategies as some
from pydicom._dicom_dict import DicomDictionary

from tests.unit.slices.gate.files import CLEAN, EXPLICIT, IMPLICIT, LONG, Raw, element, elements, file, judged, sequence
from tre.demodata.faults import nhs_number
from tre.domain.gate import Verdict
from tre.slices.gate.attributes import PIXEL_DATA, Handling, handling_of, representation_of
from tre.slices.gate.judge import Gate
from tre.slices.unfit import UnfitError

GATE = Gate()
SHORT = ("AE", "AS", "AT", "CS", "DA", "DS", "DT", "FD", "FL", "IS", "LO", "LT", "PN", "SH", "SL", "SS")
REPRESENTATIONS = sorted({*SHORT, "ST", "TM", "UI", "UL", "US", *LONG} - {"SQ"})
NESTING = (0x00081140, 0x00082112, 0x00081115, 0x52009229, 0x00081199, 0x00400555, 0x30060010, 0x00540016)
MOST = 60_000

numbers = some.integers(0, 10_000).map(nhs_number)
names = some.sampled_from(("Okonkwo^Adaeze", "Jane Okonkwo", "OKONKWO", "Dr Featherstonehaugh", "van der Berg, Piet"))
identifiers = some.one_of(
    numbers,
    numbers.map(lambda one: f"{one[:3]} {one[3:6]} {one[6:]}"),
    numbers.map(lambda one: f"NHS-{one[:3]}-{one[3:6]}-{one[6:]}"),
    names,
    names.map(lambda one: f"Chest PA {one}"),
    some.sampled_from(("SW1A 1AA", "SW1A1AA", "12 Acacia Avenue", "a.okonkwo@hospital.nhs.uk", "Tel 020 7946 0958")),
    some.sampled_from(("born 12/06/1950", "12 June 1950", "RXH1234567", "1950-06-12T10:00")),
)
standard = some.sampled_from(sorted(DicomDictionary)).filter(lambda tag: tag >> 16 > 2 and tag != PIXEL_DATA)
anywhere = some.integers(0x00080000, 0xFFFCFFFF).filter(lambda tag: tag != PIXEL_DATA and tag >> 16 not in {2, 0xFFFE})
tags = some.one_of(standard, standard, anywhere)


def encoded(text: str, vr: str) -> bytes:
    """An identifier as a value of a representation: as a number where it is one and fits, else as its signs."""
    code = {"FD": "<d", "UL": "<I", "SL": "<i", "UV": "<Q", "SV": "<q"}.get(vr)
    number = int(text) if text.isdigit() else None
    if code is not None and number is not None:
        with suppress(struct.error):  # too large: its signs, then
            return struct.pack(code, number)
    data = text.encode()
    size = {"FD": 8, "UV": 8, "SV": 8, "OD": 8, "OV": 8, "US": 2, "SS": 2, "OW": 2}.get(vr, 4)
    fixed = vr in {"AT", "FL", "SL", "UL", "OF", "OL", "FD", "UV", "SV", "OD", "OV", "US", "SS", "OW"}
    return data + b" " * (-len(data) % size) if fixed else data


@some.composite
def hidden(draw: some.DrawFn) -> tuple[str, bytes]:
    """An identifier and a file that holds it somewhere."""
    text = draw(identifiers)
    explicit = draw(some.booleans())
    tag = draw(tags)
    known = None if tag >> 16 & 1 else representation_of(tag)
    vr = draw(some.sampled_from(REPRESENTATIONS)) if explicit else (known or "UN").split(" ")[0]
    if explicit and known and draw(some.booleans()):
        vr = known.split(" ")[0]
    raw: list[Raw] = [(tag, vr if vr != "SQ" else "LO", encoded(text, vr))]
    if tag >> 16 & 1 and draw(some.booleans()):
        raw.append((tag & 0xFFFF0000 | (tag >> 8 & 0xFF or 0x10), "LO", b"MAKER"))
    for outer in draw(some.lists(some.sampled_from(NESTING), max_size=3)):
        raw = [(outer, "SQ", sequence(elements(raw, explicit=explicit)))]
    return text, file([*CLEAN, *raw], syntax=EXPLICIT if explicit else IMPLICIT)


def outcome(data: bytes) -> tuple[Verdict, str]:
    """The verdict, and everything that is said."""
    try:
        found = GATE.judge_file(BytesIO(data))
    except UnfitError as error:
        return Verdict.refuse, f"{error.rule} {error.message}"
    return found.verdict, json.dumps([one.as_plain() for one in found.reasons])


@given(hidden())
@settings(max_examples=1200, deadline=None)
def test_a_file_with_an_identifier_in_it_never_passes_and_no_output_repeats_it(case: tuple[str, bytes]) -> None:
    text, data = case
    verdict, said = outcome(data)
    assert verdict is not Verdict.passed
    assert text not in said


def test_the_file_that_they_are_hidden_in_passes() -> None:
    for syntax in (EXPLICIT, IMPLICIT):
        assert judged(file(syntax=syntax)).reasons == ()
    nested = sequence(elements([(0x00081150, "UI", b"1.2.840.10008.5.1.4.1.1.1\0"), (0x00081155, "UI", b"2.25.3")]))
    assert judged(file([*CLEAN, (0x00081140, "SQ", nested)])).reasons == ()


@given(identifiers, some.sampled_from((0x00020013, 0x00020016, 0x00020100, 0x00020102, 0x00020017)))
@settings(max_examples=100, deadline=None)
def test_nor_in_the_meta_header(text: str, tag: int) -> None:
    vr = {0x00020013: "SH", 0x00020100: "UI", 0x00020102: "OB"}.get(tag, "AE")
    assert outcome(file(meta=[(tag, vr, text.encode())]))[0] is not Verdict.passed


@given(identifiers, some.sampled_from((0x7FE10010, 0xFFFAFFFA, 0xFFFCFFFC)))
@settings(max_examples=60, deadline=None)
def test_nor_behind_the_pixels(text: str, tag: int) -> None:
    pixels = element(PIXEL_DATA, "OW", bytes(64))
    behind = element(tag, "OB", text.encode())
    assert outcome(file(tail=pixels + behind))[0] is not Verdict.passed


def test_every_attribute_of_the_dictionary_has_a_handling() -> None:
    assert {handling_of(tag) for tag in DicomDictionary} <= set(Handling)
