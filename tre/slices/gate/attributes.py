"""What is due of an attribute: the handling that the gate gives each tag, from Table E.1-1 and the data dictionary.

Guarantees: a standard attribute has one handling; a tag that no dictionary knows has none and is refused, as are
private groups that no manifest declares safe, curves and overlays. What Table E.1-1 wants removed, emptied or replaced
must be absent or empty, except where an option of the profile is used and its own rule sees to it: dates (by tier),
descriptions (read word by word), sizes and weights (by form), unique identifiers (by form).

Sources: PS3.15 Annex E, options "Retain Longitudinal Temporal Information", "Retain Patient Characteristics", "Clean
Descriptors" and "Retain UIDs"; value representations from PS3.5 and pydicom's copy of PS3.6.
"""

from __future__ import annotations

from enum import IntEnum, auto
from functools import cache

from pydicom._dicom_dict import DicomDictionary, RepeatersDictionary
from pydicom.datadict import mask_match

from tre.slices.gate.table import ACTIONS


class Handling(IntEnum):
    """What is done with an element. Numbers, since these are compared for every element of every file."""

    absent = auto()  # must be absent or empty
    text = auto()  # read word by word
    code = auto()  # a short code of a coding scheme
    person = auto()  # PatientName and PatientID: the pseudonym and nothing else
    birth = auto()
    moment = auto()  # DA, TM, DT by form; which tier they go to decides the rest
    age = auto()
    number = auto()  # decimal digits
    binary = auto()  # fixed-size numbers
    uid = auto()
    tag = auto()  # AT
    nested = auto()
    bulk = auto()  # pixels and the tables by which they are shown
    opaque = auto()  # bytes that nobody can read: a person must say that they are safe
    overlay = auto()
    private = auto()
    unknown = auto()


PATIENT_ID, PATIENT_NAME, BIRTH_DATE = 0x00100020, 0x00100010, 0x00100030
IDENTITY_REMOVED, METHOD, METHOD_CODES = 0x00120062, 0x00120063, 0x00120064
MEDIA_INSTANCE = 0x00020003
SOP_CLASS, SOP_INSTANCE, STUDY, SERIES = 0x00080016, 0x00080018, 0x0020000D, 0x0020000E
PIXEL_DATA = 0x7FE00010

CHARACTERISTICS = frozenset({0x00100040, 0x00101010, 0x00101020, 0x00101030, 0x001021C0, 0x00102203, 0x001021A0})
"""Sex, age, size, weight, pregnancy, neutering, smoking: kept, by form."""

DESCRIPTORS = frozenset(
    {0x00081030, 0x0008103E, 0x00181030, 0x00189424, 0x00180010, 0x00082111, 0x00321060, 0x00400254, 0x00181400}
)
"""Descriptions of study, series and protocol, contrast agent, derivation, procedure, processing: read word by word."""

_KEPT = CHARACTERISTICS | DESCRIPTORS | {0x00080201}
"""What an option of the profile keeps, and the time zone."""

_LINKS = frozenset({0x00081140, 0x00082112, 0x00081110, 0x00081111, 0x00400555, 0x00081250})
"""Sequences that point at other images, and the context of acquisition: their items are judged like any others."""

_BORN = frozenset({0x00100032, 0x00100033, 0x00100034, 0x00100035, 0x001021D0, 0x0040A034, 0x0040A035})
"""Days that stay what they are whatever the tier, and belong to the person: must be empty."""

_CODES = frozenset({0x00080100, 0x00080102, 0x00080103, 0x0008010B, 0x0008010F, 0x00080119, 0x00282114})
_CODE_VERSIONS = frozenset({0x00080106, 0x00080107})
_TABLES = frozenset({0x00283006, 0x00281201, 0x00281202, 0x00281203, 0x00281204, 0x00281101, 0x00281102, 0x00281103})
"""Lookup tables for values and colours."""

_PIXELS = frozenset({PIXEL_DATA, 0x7FE00008, 0x7FE00009, 0x7FE00001, 0x7FE00002})
_BY_VR = {
    **dict.fromkeys(("SH", "LO", "ST", "LT", "UT", "UC", "CS", "AE"), Handling.text),
    **dict.fromkeys(("DA", "TM", "DT"), Handling.moment),
    **dict.fromkeys(("IS", "DS"), Handling.number),
    **dict.fromkeys(("US", "SS", "UL", "SL", "UV", "SV", "FL", "FD"), Handling.binary),
    **dict.fromkeys(("OB", "OW", "OD", "OF", "OL", "OV"), Handling.opaque),
    "AS": Handling.age,
    "AT": Handling.tag,
    "PN": Handling.absent,
    "UR": Handling.absent,
    "SQ": Handling.nested,
    "UI": Handling.uid,
}
"""By value representation, where nothing else is said: names of persons and addresses of documents must be empty."""

_SPECIAL = {
    PATIENT_ID: Handling.person,
    PATIENT_NAME: Handling.person,
    BIRTH_DATE: Handling.birth,
    0x00020001: Handling.binary,  # the version of the meta header: two bytes
    0x00020012: Handling.uid,
    0x00020100: Handling.private,
    0x00020102: Handling.private,
    **dict.fromkeys(_TABLES | _PIXELS, Handling.bulk),
    **dict.fromkeys(_CODES | _CODE_VERSIONS, Handling.code),
    **dict.fromkeys(_LINKS, Handling.nested),
    **dict.fromkeys(_BORN, Handling.absent),
}


@cache
def handling_of(tag: int) -> Handling:
    """What is due of a tag by itself; the caller knows the private blocks that are safe."""
    group = tag >> 16
    if group % 2:
        return Handling.private
    if 0x5000 <= group <= 0x50FF or 0x6000 <= group <= 0x60FF:
        return Handling.overlay
    return _SPECIAL.get(tag) or _by_table(tag)


def _by_table(tag: int) -> Handling:
    if tag & 0xFFFF == 0 and tag:
        return Handling.binary  # the length of a group
    vr = representation_of(tag)
    if vr is None:
        return Handling.absent if tag in ACTIONS else Handling.unknown
    handling = _BY_VR.get(vr.split(" ")[0], Handling.opaque)
    if tag not in ACTIONS or tag in _KEPT or handling in {Handling.moment, Handling.uid}:
        return handling
    return Handling.absent


def by_representation(vr: str) -> Handling:
    """What is due of a value of which nothing but its representation is known."""
    return _BY_VR.get(vr, Handling.opaque)


@cache
def representation_of(tag: int) -> str | None:
    """The value representation that the dictionary gives, such as `LO` or `US or SS`; `None` for a stranger."""
    entry = DicomDictionary.get(tag)
    if entry is None and (mask := mask_match(tag)):
        return str(RepeatersDictionary[mask][0])
    if entry is None and tag & 0xFFFF == 0:
        return "UL"
    return None if entry is None else str(entry[0])


@cache
def name_of(tag: int) -> str:
    """An attribute as reports name it: its keyword, or its number where it has none."""
    entry = DicomDictionary.get(tag)
    return str(entry[4]) if entry and entry[4] else f"({tag >> 16:04X},{tag & 0xFFFF:04X})"
