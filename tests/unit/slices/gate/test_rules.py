"""Each rule with what breaks it and with its near miss."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as some

from tests.unit.slices.gate.files import CLEAN, Raw, element, elements, file, judged, rules, sequence, with_raw
from tre.demodata.faults import nhs_number
from tre.domain.gate import Verdict
from tre.slices.gate.judge import Gate
from tre.slices.gate.manifest import SafePrivate, TagRules
from tre.slices.gate.rules import RULES, reason
from tre.slices.gate.table import ACTIONS
from tre.slices.gate.text import TextReader
from tre.slices.unfit import UnfitError

NUMBER = nhs_number(7)
PIXELS: tuple[Raw, ...] = (
    (0x00280002, "US", b"\1\0"),
    (0x00280010, "US", b"\4\0"),
    (0x00280011, "US", b"\4\0"),
    (0x00280100, "US", b"\x10\0"),
)
CREATOR: Raw = (0x00290010, "LO", b"MAKER 1")
BREACHES: dict[str, tuple[bytes, str, bytes]] = {
    "absent-or-empty": (
        with_raw((0x00080080, "LO", b"A hospital")),
        "InstitutionName",
        with_raw((0x00080080, "LO", b"")),
    ),
    "birth-date": (
        with_raw((0x00100030, "DA", b"19500623")),
        "PatientBirthDate",
        with_raw((0x00100030, "DA", b"")),
    ),
    "coded-identity": (
        with_raw((0x00100010, "PN", b"Covid2")),
        "PatientName",
        with_raw((0x00100010, "PN", b"Covid1 ")),
    ),
    "document": (
        with_raw((0x00080016, "UI", b"1.2.840.10008.5.1.4.1.1.88.11\0")),
        "SOPClassUID",
        with_raw((0x00080016, "UI", b"1.2.840.10008.5.1.4.1.1.2\0")),
    ),
    "e-mail": (
        with_raw((0x00081030, "LO", b"chest a.b@nhs.uk")),
        "StudyDescription",
        with_raw((0x00081030, "LO", b"chest @ rest")),
    ),
    "nhs-number": (
        with_raw((0x00081030, "LO", f"chest {NUMBER[:3]} {NUMBER[3:6]}-{NUMBER[6:]}".encode())),
        "StudyDescription",
        with_raw((0x00081030, "LO", f"chest {NUMBER[:9]}{(int(NUMBER[9]) + 1) % 10}".encode())),
    ),
    "postcode": (
        with_raw((0x00081030, "LO", b"chest SW1A 1AA")),
        "StudyDescription",
        with_raw((0x00081030, "LO", b"chest AP 1")),
    ),
    "person-name": (
        with_raw((0x00081030, "LO", b"Head^Foot")),
        "StudyDescription",
        with_raw((0x00081030, "LO", b"Head Foot")),
    ),
    "not-marked-deidentified": (
        with_raw((0x00120062, "CS", b"NO")),
        "PatientIdentityRemoved",
        with_raw((0x00120062, "CS", b"YES ")),
    ),
    "overlay-or-curve": (with_raw((0x60220010, "US", b"\1\0")), "(6022,0010)", with_raw()),
    "preamble": (file(preamble=b"x" + bytes(127)), "", with_raw()),
    "private-group": (with_raw(CREATOR), "(0029,0010)", with_raw()),
    "unknown-attribute": (with_raw((0x00209FF0, "LO", b"x")), "(0020,9FF0)", with_raw()),
    "unknown-vr": (with_raw((0x00081030, "UN", b"Chest")), "StudyDescription", with_raw()),
    "identifier": (with_raw((0x00080018, "UI", b"2.25.1/2")), "SOPInstanceUID", with_raw()),
    "identifier-in-uid": (
        with_raw((0x00200052, "UI", f"1.2.{NUMBER}".encode())),
        "FrameOfReferenceUID",
        with_raw((0x00200052, "UI", b"1.2.9991234567123")),
    ),
    "identifier-in-number": (
        with_raw((0x00189306, "FD", struct.pack("<d", float(NUMBER)))),
        "",
        with_raw((0x00189306, "FD", struct.pack("<d", 1.25))),
    ),
    "free-text": (
        with_raw((0x0008103E, "LO", b"Requested by Dr Example")),
        "SeriesDescription",
        with_raw((0x0008103E, "LO", b"CT Thorax 1.25 B31f LUNG")),
    ),
    "form": (with_raw((0x00101010, "AS", b"064")), "PatientAge", with_raw((0x00101010, "AS", b"064Y"))),
    "burned-in-annotation": (
        with_raw((0x00080060, "CS", b"US"), (0x00280301, "CS", b"")),
        "BurnedInAnnotation",
        with_raw((0x00080060, "CS", b"US")),
    ),
    "image-type": (
        with_raw((0x00080008, "CS", b"DERIVED\\PRIMARY")),
        "ImageType",
        with_raw((0x00080008, "CS", b"ORIGINAL\\PRIMARY\\AXIAL")),
    ),
    "sop-class": (with_raw((0x00080016, "UI", b"1.2.3.4")), "SOPClassUID", with_raw()),
    "representation": (with_raw((0x00081030, "UI", b"1.2")), "StudyDescription", with_raw()),
    "binary": (with_raw((0x00282000, "OB", b"profile!")), "ICCProfile", with_raw()),
    "pixels": (
        file([*CLEAN, *PIXELS], tail=element(0x7FE00010, "OW", bytes(34))),
        "PixelData",
        file([*CLEAN, *PIXELS], tail=element(0x7FE00010, "OW", bytes(32))),
    ),
}


@pytest.mark.parametrize("rule", BREACHES)
def test_a_rule_is_broken_and_nearly_broken(rule: str) -> None:
    bad, attribute, good = BREACHES[rule]
    found = {one.rule: one for one in judged(bad).reasons}
    assert rule in found
    assert not attribute or (rule, attribute) in rules(bad)
    assert rule not in {name for name, _ in rules(good)}


def test_rules_that_are_not_shown_here_are_shown_elsewhere() -> None:
    elsewhere = {"burned-in-text", "ocr-missing", "ocr-unread", "gazetteer", "too-long", "date", "unknown-key"}
    elsewhere |= {"compressed-pixels"}
    assert RULES - BREACHES.keys() == elsewhere


def test_a_reason_says_the_same_of_every_value() -> None:
    assert {reason(rule, "X").message for rule in RULES} == {reason(rule, "Y").message for rule in RULES}


def test_nothing_may_stand_in_what_must_be_empty_however_it_is_nested() -> None:
    item = elements([(0x00081150, "UI", b"1.2")])
    assert ("absent-or-empty", "RequestAttributesSequence") in rules(with_raw((0x00400275, "SQ", sequence(item))))
    open_end = b"\xfe\xff\x00\xe0\xff\xff\xff\xff" + item + b"\xfe\xff\x0d\xe0\0\0\0\0" + b"\xfe\xff\xdd\xe0\0\0\0\0"
    head = b"\x40\0\x75\x02SQ\0\0\xff\xff\xff\xff"
    assert ("absent-or-empty", "RequestAttributesSequence") in rules(file(tail=head + open_end))
    assert rules(file(tail=head + b"\xfe\xff\xdd\xe0\0\0\0\0")) == set()


def test_a_method_may_be_given_as_codes() -> None:
    code = [(0x00080100, "SH", b"113100"), (0x00080102, "SH", b"DCM"), (0x00080104, "LO", b"Basic Profile")]
    raw = [one for one in CLEAN if one[0] != 0x00120063]
    assert rules(file(raw)) == {("not-marked-deidentified", "DeidentificationMethod")}
    assert rules(file([*raw, (0x00120064, "SQ", sequence(elements(code)))])) == set()


def test_a_table_of_grey_values_is_no_text() -> None:
    eight = bytes(range(256))
    sixteen = b"".join(struct.pack("<H", 0x4100 + step % 256) for step in range(256))
    for ramp in (eight, sixteen, eight[::-1]):
        item = elements([(0x00283002, "US", bytes(6)), (0x00283006, "OW", ramp)])
        assert rules(with_raw((0x00283010, "SQ", sequence(item)))) == set()
    hidden = elements([(0x00283006, "OW", b"Jane Okonkwo")])
    assert rules(with_raw((0x00283010, "SQ", sequence(hidden)))) == {("binary", "VOILUTSequence.LUTData")}


def test_a_private_element_is_safe_only_as_declared() -> None:
    safe = SafePrivate(creator="MAKER 1", group="0029", element="08", vr="CS")
    gate = Gate(TagRules(safe_private=(safe,)))
    declared = (0x00291008, "CS", b"AXIAL")
    assert rules(with_raw(CREATOR, declared), gate) == set()
    assert rules(with_raw(CREATOR, declared)) == {("private-group", "(0029,0010)"), ("private-group", "(0029,1008)")}
    assert rules(with_raw(CREATOR, (0x00291008, "CS", b"OKONKWO")), gate) == {("free-text", "(0029,1008)")}
    for raw in ((0x00291009, "CS", b"AXIAL"), (0x00291108, "CS", b"AXIAL"), (0x00291008, "LO", b"AXIAL")):
        assert ("private-group", f"(0029,{raw[0] & 0xFFFF:04X})") in rules(with_raw(CREATOR, raw), gate)
    other = (0x00290010, "LO", b"MAKER 2")
    assert ("private-group", "(0029,1008)") in rules(with_raw(other, declared), gate)


def test_a_block_of_one_item_is_not_that_of_the_next() -> None:
    gate = Gate(TagRules(safe_private=(SafePrivate(creator="MAKER 1", group="0029", element="08", vr="CS"),)))
    declared = (0x00291008, "CS", b"AXIAL")
    items = sequence(elements([CREATOR, declared]), elements([declared]))
    assert ("private-group", "ReferencedImageSequence.(0029,1008)") in rules(with_raw((0x00081140, "SQ", items)), gate)


def test_pixels_inside_a_sequence_are_nobody_s_pixels() -> None:
    for length in (16, 2 << 20):
        item = elements([(0x7FE00010, "OW", b"Jane Okonkwo" + bytes(length))])
        found = rules(with_raw((0x00081140, "SQ", sequence(item))))
        assert found == {("binary", "ReferencedImageSequence.PixelData")}


def test_a_long_value_is_not_passed_over() -> None:
    assert rules(with_raw((0x00204000, "LT", b""))) == set()
    long = element(0x7FE00008, "OF", bytes(2 << 20))
    assert rules(file(tail=long)) == {("too-long", "FloatPixelData")}


def test_a_sequence_that_is_opened_is_judged_inside() -> None:
    gate = Gate(TagRules(safe_attributes=("RequestAttributesSequence",)))
    good, bad = elements([(0x00400007, "LO", b"")]), elements([(0x00400007, "LO", b"Okonkwo")])
    code = elements([(0x00080104, "LO", b"Chest")])
    assert rules(with_raw((0x00400275, "SQ", sequence(good, code))), gate) == set()
    name = "RequestAttributesSequence.ScheduledProcedureStepDescription"
    assert rules(with_raw((0x00400275, "SQ", sequence(bad))), gate) == {("absent-or-empty", name)}


def test_what_was_seen_before_is_judged_alike_again() -> None:
    gate = Gate()
    for data in [
        with_raw((0x00081030, "UI", b"1.2")),
        with_raw((0x00280010, "LO", b"AP")),
        *(one[0] for one in BREACHES.values()),
    ]:
        first = rules(data, gate)
        assert first
        assert rules(data, gate) == first
    assert rules(file(), gate) == rules(file(), gate) == set()


def test_a_manifest_opens_what_it_names_and_nothing_else() -> None:
    hospital = (0x00081040, "LO", b"radiology")
    opened = TagRules(safe_attributes=("InstitutionalDepartmentName",), words=("Radiology",))
    assert rules(with_raw(hospital), Gate(opened)) == set()
    assert rules(with_raw(hospital)) == {("absent-or-empty", "InstitutionalDepartmentName")}
    assert rules(with_raw((0x00081040, "LO", b"oncology")), Gate(opened)) == {
        ("free-text", "InstitutionalDepartmentName")
    }
    derived = (0x00080008, "CS", b"DERIVED\\PRIMARY")
    assert rules(with_raw(derived), Gate(TagRules(image_types=(("DERIVED", "PRIMARY"),)))) == set()


@pytest.mark.parametrize("keyword", ["PatientName", "PatientID", "StudyDescription", "PatientBirthDate", "Nonsense"])
def test_a_manifest_cannot_open_what_has_a_rule_of_its_own(keyword: str) -> None:
    with pytest.raises(ValueError, match="no attribute that may be opened"):
        TagRules(safe_attributes=(keyword,))


def test_the_sites_own_names_are_refused_however_they_are_spelt() -> None:
    reader = TextReader(gazetteer=["Chest Clinic  North"])
    for text in ("chest clinic north", "AP CHEST  CLINIC NORTH 2", "chest clinic\tnorth"):
        assert "gazetteer" in reader.read(text)
    assert reader.read("chest clinic") == ()


@pytest.mark.parametrize(
    "text",
    [
        "XR Chest",
        "CXR",
        "CT Pulmonary angiogram",
        "T1 3D AP",
        "0.5 mm",
        "1.2\\3.4",
        "B70f",
        "LUNG 2021",
        "ISO_10918_1",
        "ISO_15444_1\\ISO_10918_1",
        "",
        "5551234567",
    ],
)
def test_what_departments_write_passes(text: str) -> None:
    assert TextReader().read(text) == ()


@pytest.mark.parametrize(
    "text",
    [
        "12345",
        "123456789",
        "12345678901",
        "020 7946 0958",
        "12/06/1950",
        "2020-04-01",
        "X\u00e9",
        "a\x1b$B",
        "RXH12345",
        "ISO_10919_1",
    ],
)
def test_what_could_be_about_somebody_waits(text: str) -> None:
    assert "free-text" in TextReader().read(text)


@given(some.integers(0, 5000), some.text(" -.", max_size=2), some.text(" -.", max_size=2))
def test_a_health_number_is_found_in_every_spelling(seed: int, first: str, second: str) -> None:
    number = nhs_number(seed)
    assert "nhs-number" in TextReader().read(f"chest {number[:3]}{first}{number[3:6]}{second}{number[6:]} AP")


def test_the_table_is_whole() -> None:
    assert len(ACTIONS) == 652
    assert ACTIONS[0x00100020] == "Z/D"
    assert ACTIONS[0x00081140] == "X/Z/U*"
    assert set(ACTIONS.values()) == {"X", "Z", "D", "U", "X/Z", "X/D", "Z/D", "X/Z/D", "X/Z/U*"}


@pytest.mark.parametrize(
    ("data", "rule"),
    [
        (b"", "not-dicom"),
        (bytes(132), "not-dicom"),
        (file()[:-3], "truncated"),
        (file()[:140], "truncated"),
        (file() + b"x" * 20, "not-dicom"),
        (file(tail=b"\xe0\x7f\x10\0OW\0\0\xfe\xff\xff\x7f" + bytes(64)), "truncated"),
        (file(tail=b"\x08\0\x05\0LO\x04\0abcd"), "not-dicom"),
        (file(tail=b"\xe0\x7f\x11\0ZZ\0\0\0\0\0\0"), "not-dicom"),
        (file(syntax="1.2.840.10008.1.2.1.99"), "not-dicom"),
    ],
)
def test_a_broken_file_is_refused_with_one_sentence(data: bytes, rule: str) -> None:
    with pytest.raises(UnfitError) as caught:
        judged(data)
    assert caught.value.rule == rule


def test_nesting_and_numbers_of_elements_are_bounded() -> None:
    raw: list[Raw] = [(0x00081150, "UI", b"1.2")]
    for _ in range(20):
        raw = [(0x00081140, "SQ", sequence(elements(raw)))]
    with pytest.raises(UnfitError, match="too deeply"):
        judged(file([*CLEAN, *raw]))
    many = sequence(*[b""] * 200_001)
    with pytest.raises(UnfitError, match="more elements"):
        judged(file(tail=element(0x00081140 | 0x30000000, "SQ", many)))


def test_a_deflated_file_is_read_and_a_bomb_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    import zlib

    from tre.slices.gate import wire

    def deflated(data: bytes) -> bytes:
        packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
        head = file(syntax=wire.DEFLATED)[: -len(elements(CLEAN))]
        return head + packer.compress(data) + packer.flush()

    assert judged(deflated(elements(CLEAN))).verdict is Verdict.passed
    monkeypatch.setattr(wire, "MAX_UNPACKED", 1 << 22)
    with pytest.raises(UnfitError, match="more than can be looked at"):
        judged(deflated(bytes(1 << 26)))
    with pytest.raises(UnfitError, match="ends early"):
        judged(deflated(elements(CLEAN))[:-4])


def test_every_rule_that_the_code_can_name_is_listed() -> None:
    """Whatever raises a refusal by rule does so by one that the reference page explains."""
    import re
    from pathlib import Path

    import tre.slices
    from tre.slices.gate.rules import OF_FILES, sentence

    named: set[str] = set()
    calls = re.compile(r'(?:UnfitError\(|GateReason\(|Refusal\((?:[^,"]|"[^"]*")+,)\s*"([a-z-]+)"')
    for path in Path(tre.slices.__file__).parent.rglob("*.py"):
        named.update(calls.findall(path.read_text(encoding="utf-8")))
    assert len(named) > 15
    assert named <= RULES | OF_FILES.keys()
    assert not RULES & OF_FILES.keys()
    for rule in RULES | OF_FILES.keys():
        text, refuses = sentence(rule)
        assert text
        assert rule in OF_FILES or reason(rule).refuses is refuses
