"""Judging a whole header: every element at every depth, then what they say together.

Guarantees: one pass over the file; the same rules for a header and for the sidecar made from it; a file passes only
if no element breaks a rule, the person is the pseudonym and nobody else, the header says that and how identity was
removed, and the picture is an original one without text burned in as far as the header tells. Safe lists come from
the dataset's manifest alone.

Does not guarantee: anything about pixels unless the manifest has them read for text (`tre.slices.gate.ocr`), about
faces in pixels, or about text inside compressed frames.

Threat: a header that a site's tool cleaned at the top and not further down.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import BinaryIO

from pydicom.datadict import tag_for_keyword

from tre.domain.gate import GateReason, Verdict, verdict_of
from tre.slices.gate import attributes as of
from tre.slices.gate.attributes import Handling, handling_of, name_of, representation_of
from tre.slices.gate.fragments import judge_fragments
from tre.slices.gate.manifest import NO_RULES, TagRules
from tre.slices.gate.pieces import Pieces
from tre.slices.gate.rules import reason
from tre.slices.gate.seen import Harmless, Seen
from tre.slices.gate.text import TextReader
from tre.slices.gate.values import Order, ValueJudge, is_empty, text_of
from tre.slices.gate.wire import DEFLATED, Element, Reader

_MOST_REASONS = 50
"""Reasons that are told of one file; the verdict counts all."""

_HEAD = 8
"""Bytes before a value: tag, representation and length."""

_CREATORS = range(0x10, 0x100)
_KEPT_TEXT = 1 << 10
_REMEMBERED = 128
_MOST_REMEMBERED = 100_000
_WHATEVER_FORM = frozenset({Handling.absent, Handling.person, Handling.birth})
_REPEATED = frozenset(
    {Handling.text, Handling.code, Handling.number, Handling.binary, Handling.age, Handling.tag, Handling.bulk}
)
"""What is judged by the value alone, whatever stands around it."""


_Known = set[tuple[int, str, bytes | None]]
"""Values that are harmless by themselves."""


@dataclass
class Judged:
    """What was found in one header: reasons, the texts of its own level, where its dates stand, which tags it has."""

    reasons: tuple[GateReason, ...] = ()
    raw: dict[int, bytes] = field(default_factory=dict)
    moments: list[tuple[int, int, str]] = field(default_factory=list)
    tags: set[tuple[int, ...]] = field(default_factory=set)
    above: set[tuple[int, ...]] = field(default_factory=set)
    """The sequences that hold elements."""

    empty: set[tuple[int, ...]] = field(default_factory=set)
    pixel_bytes: int | None = None
    deflated: bool = False
    order: Order = "little"

    @property
    def verdict(self) -> Verdict:
        """What becomes of the file."""
        return verdict_of(self.reasons)

    def text(self, keyword: str) -> str:
        """The text of an attribute of the header's own level; empty where it has none."""
        return self.text_at(_tag_of(keyword))

    def text_at(self, tag: int) -> str:
        """The same by tag."""
        return text_of(self.raw.get(tag, b""))


@cache
def _tag_of(keyword: str) -> int:
    return tag_for_keyword(keyword) or 0


class Gate:
    """One dataset's rules, ready to judge."""

    def __init__(self, rules: TagRules = NO_RULES) -> None:
        self.rules = rules
        self.values = ValueJudge(TextReader(rules.words, rules.gazetteer))
        self.safe = {(one.creator, int(one.group, 16), int(one.element, 16)): one.vr for one in rules.safe_private}
        self.opened = {tag_for_keyword(keyword) for keyword in rules.safe_attributes}
        self.harmless: tuple[_Known, _Known] = (set(), set())
        self.seen = Seen(self.values, self.opened)
        self.seen_in_sidecars = Seen(self.values, self.opened, sidecar=True)
        self.pieces = Pieces()
        self.image_types = {("ORIGINAL", "PRIMARY"), *rules.image_types}

    def judge_file(self, file: BinaryIO) -> Judged:
        """Judge an open DICOM file. Raises `UnfitError` for one that cannot be read whole."""
        judging = Judging(self)
        reader = Reader(file, judging.pass_over)
        for element in reader.elements():
            judging.see(element, reader.order if element.tag >> 16 != 2 else "little")
        if reader.has_preamble:
            judging.breach("preamble")
        for rule in judge_fragments(file, reader.fragments, reader.syntax, self.values.read):
            judging.breach(rule, name_of(of.PIXEL_DATA))
        judging.found.deflated = reader.syntax == DEFLATED
        judging.found.order = reader.order
        return judging.finish()


class Judging:
    """One header being judged."""

    def __init__(self, gate: Gate, *, sidecar: bool = False) -> None:
        self._gate = gate
        self._known = gate.harmless[sidecar]
        self._sidecar = sidecar  # numbers are written as decimals there, and it may say less than a header must
        self._reasons: dict[GateReason, None] = {}
        self._creators: dict[tuple[tuple[int, ...], int, int], str] = {}
        self._last: dict[tuple[int, ...], int] = {}
        self._people: list[tuple[str, str]] = []
        self._taken: list[Harmless] = []
        self.found = Judged()

    def breach(self, rule: str, attribute: str = "") -> None:
        """Keep a reason."""
        self._reasons[reason(rule, attribute)] = None

    def pass_over(self, data: bytes, at: int, before: int, last: int) -> tuple[int, int]:
        """Take the elements from here that pass by themselves, up to one that has to be looked at (`wire.Skip`)."""
        seen, end, take = self._gate.seen, len(data) - _HEAD, self._taken.append
        known, learn = seen.elements, seen.learn
        while at <= end:
            stop = at + _HEAD + data[at + 6] + (data[at + 7] << 8)
            raw = data[at:stop]
            one = known.get(raw) or learn(raw)
            if one is None or not before < one.tag <= last:
                break
            take(one)
            if one.is_special:
                self._note_special(one, at + _HEAD)
            at, before = stop, one.tag
        return at, before

    def accept(self, one: Harmless, offset: int) -> None:
        """Take an element of the header's own level that passes by itself."""
        self._taken.append(one)
        if one.is_special:
            self._note_special(one, offset)

    def _note_special(self, one: Harmless, offset: int) -> None:
        if one.moment:
            self.found.moments.append((offset, len(one.value), one.moment))
        else:
            self._people.append((one.person, text_of(one.value)))

    def settle(self) -> Judged:
        """What was found, with what passed by itself."""
        found, taken = self.found, self._taken
        found.raw.update([(one.tag, one.value) for one in taken])
        found.tags.update([one.path for one in taken])
        found.empty.update([one.path for one in taken if not one.value])
        taken.clear()
        return found

    def see(self, element: Element, order: Order) -> None:
        """Judge one element."""
        tag, parents = element.tag, element.parents
        self._note(element)
        if order == "little" and (tag, element.vr, element.value) in self._known:
            if not parents:
                self.found.raw[tag] = element.value or b""
            return
        handling, element = self._due(element)
        if handling is None:  # the name of a private block, as declared
            return
        if not parents and element.value is not None and len(element.value) <= _KEPT_TEXT:
            self.found.raw[tag] = element.value
        if handling in {Handling.private, Handling.unknown, Handling.overlay}:
            self._barred(handling, element)
        elif element.vr == "UN":
            self.breach("unknown-vr", self._name(element))
        elif element.vr == "SQ" or handling is Handling.nested:
            self._nested(handling, element)
        elif not is_empty(element.value, element.length):
            self._value(handling, element, order)

    def _due(self, element: Element) -> tuple[Handling | None, Element]:
        """What is due of an element; a private one that is safe comes back with its declared representation."""
        if element.tag in self._gate.opened:
            return (Handling.nested if element.vr == "SQ" else Handling.text), element
        handling = handling_of(element.tag)
        return self._private(element) if handling is Handling.private else (handling, element)

    def _note(self, element: Element) -> None:
        """Remember which elements there are, and where another item begins: its private blocks are its own."""
        tag, parents = element.tag, element.parents
        self.found.tags.add((*parents, tag))
        if parents:
            self.found.above.add(parents)
        if element.length == 0:
            self.found.empty.add((*parents, tag))
        if tag <= self._last.get(parents, -1) and self._creators:
            self._creators = {key: name for key, name in self._creators.items() if key[0] != parents}
        self._last[parents] = tag

    def _barred(self, handling: Handling, element: Element) -> None:
        rules = {Handling.private: "private-group", Handling.overlay: "overlay-or-curve"}
        rule = rules.get(handling, "unknown-vr" if element.vr == "UN" else "unknown-attribute")
        self.breach(rule, self._name(element))

    def _private(self, element: Element) -> tuple[Handling | None, Element]:
        """A private element: creators and elements on the safe list are read, all others barred."""
        group, low = element.tag >> 16, element.tag & 0xFFFF
        if low in _CREATORS:
            name = text_of(element.value or b"")
            self._creators[element.parents, group, low] = name
            declared = any(name == creator and group == known for creator, known, _ in self._gate.safe)
            return (None if declared else Handling.private), element
        creator = self._creators.get((element.parents, group, low >> 8), "")
        vr = self._gate.safe.get((creator, group, low & 0xFF))
        if vr is None or element.vr not in {vr, "UN"}:
            return Handling.private, element
        return of.by_representation(vr), element._replace(vr=vr)

    def _nested(self, handling: Handling, element: Element) -> None:
        if element.vr != "SQ" or handling is not Handling.nested:
            if handling is not Handling.absent:
                self.breach("representation", self._name(element))
            elif element.length not in {0, 0xFFFFFFFF}:
                self.breach("absent-or-empty", self._name(element))

    def _value(self, handling: Handling, element: Element, order: Order) -> None:
        due = representation_of(element.tag)
        as_due = due is None or element.vr in due.split(" or ") or element.tag >> 16 & 1 == 1
        if not as_due:
            self.breach("representation", self._name(element))
            handling = handling if handling in _WHATEVER_FORM else of.by_representation(element.vr)
        if element.value is None:
            self._unseen(handling, element)
            return
        if handling is Handling.person:
            self._people.append((self._name(element), text_of(element.value)))
        elif self._sidecar and handling in {Handling.binary, Handling.bulk}:
            handling = Handling.number
        elif self._sidecar and handling is Handling.tag:
            handling = Handling.code
        elif handling is Handling.moment:
            self.found.moments.append((element.offset, element.length, element.vr))
        broken = tuple(self._gate.values.judge(handling, element.value, element.vr, order))
        if broken:
            name = self._name(element)
            for rule in broken:
                self.breach(rule, name)
        elif as_due and handling in _REPEATED and element.length <= _REMEMBERED and order == "little":
            self._remember(element)

    def _remember(self, element: Element) -> None:
        """Keep a value that is harmless by itself: the files of a series have most of theirs in common."""
        if not element.tag >> 16 & 1:
            if len(self._known) >= _MOST_REMEMBERED:
                self._known.clear()
            self._known.add((element.tag, element.vr, element.value))

    def _unseen(self, handling: Handling, element: Element) -> None:
        """A value that was passed over: the picture's own pixels may be, nothing else."""
        if element.tag == of.PIXEL_DATA and not element.parents:
            self.found.pixel_bytes = element.length
        elif handling is Handling.absent:
            self.breach("absent-or-empty", self._name(element))
        else:
            self.breach("binary" if element.tag == of.PIXEL_DATA else "too-long", self._name(element))

    def _name(self, element: Element) -> str:
        return ".".join(name_of(tag) for tag in (*element.parents, element.tag))

    def finish(self) -> Judged:
        """What the elements say together."""
        found = self.settle()
        for parents in found.above:
            if handling_of(parents[-1]) is Handling.absent and parents[-1] not in self._gate.opened:
                self.breach("absent-or-empty", ".".join(map(name_of, parents)))
        for name, text in self._people:
            if text != found.text_at(of.PATIENT_ID):
                self.breach("coded-identity", name)
        for rule, attribute in () if self._sidecar else self._together():
            self.breach(rule, attribute)
        found.reasons = tuple(sorted(self._reasons))[:_MOST_REASONS]
        if len(self._reasons) > _MOST_REASONS and verdict_of(self._reasons) is not found.verdict:
            found.reasons = tuple(sorted(self._reasons, key=lambda one: (not one.refuses, one)))[:_MOST_REASONS]
        return found

    def _together(self) -> Iterator[tuple[str, str]]:
        text_at = self.found.text_at
        if not text_at(of.PATIENT_ID) or text_at(of.PATIENT_NAME) != text_at(of.PATIENT_ID):
            yield "coded-identity", "PatientName"
        method = text_at(of.METHOD) or any(key[0] == of.METHOD_CODES and len(key) > 1 for key in self.found.tags)
        if text_at(of.IDENTITY_REMOVED) != "YES":
            yield "not-marked-deidentified", "PatientIdentityRemoved"
        if not method:
            yield "not-marked-deidentified", "DeidentificationMethod"
        if of.MEDIA_INSTANCE in self.found.raw and text_at(of.MEDIA_INSTANCE) != text_at(of.SOP_INSTANCE):
            yield "identifier", "MediaStorageSOPInstanceUID"
        yield from _picture(self.found, self._gate.image_types)


_DOCUMENTS = ("1.2.840.10008.5.1.4.1.1.88.", "1.2.840.10008.5.1.4.1.1.104.", "1.2.840.10008.1.3.")
_KINDS = """
    1 1.1 1.1.1 1.2 1.2.1 1.3 1.3.1 2 2.1 2.2 3.1 4 4.1 4.3 4.4 6.1 6.2 7 7.1 7.2 7.3 7.4 12.1 12.1.1 12.2 12.2.1
    13.1.1 13.1.2 13.1.3 13.1.4 13.1.5 20 128 128.1 130 77.1.1 77.1.2 77.1.4 77.1.5.1 77.1.5.2 77.1.5.4
"""
_IMAGES = frozenset(f"1.2.840.10008.5.1.4.1.1.{tail}" for tail in _KINDS.split())
"""Storage classes of images (PS3.4 Annex B.5), without waveforms, plans, presentation states and raw data."""

_SHAPE = (0x00280010, 0x00280011, 0x00280002, 0x00280100)
_ENCAPSULATED = 0xFFFFFFFF
_TEXT_LIKELY = frozenset({"US", "SC", "OT", "RF", "XA", "ES", "XC", "GM", "IVUS"})
"""Modalities whose devices write into the picture: ultrasound, captures of screens, fluoroscopy, endoscopy."""


def _picture(found: Judged, allowed: set[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """What kind of object it is, whether it is an original, and whether text may be burned in."""
    sop_class = found.text_at(of.SOP_CLASS)
    if sop_class.startswith(_DOCUMENTS):
        yield "document", "SOPClassUID"
    elif sop_class not in _IMAGES:
        yield "sop-class", "SOPClassUID"
    kind = tuple(part.strip() for part in found.text("ImageType").split("\\")[:2])
    if kind not in allowed:
        yield "image-type", "ImageType"
    burned, modality = found.text("BurnedInAnnotation"), found.text("Modality")
    captured = modality in _TEXT_LIKELY or (modality == "CR" and "SECONDARY" in kind)
    if burned not in {"NO", ""} or (captured and burned != "NO"):
        yield "burned-in-annotation", "BurnedInAnnotation"
    if not _fits(found):
        yield "pixels", "PixelData"


def _fits(found: Judged) -> bool:
    """Whether plain pixels are as long as rows, columns and bits say, padded to an even number."""
    if found.pixel_bytes in {None, _ENCAPSULATED} or not all(len(found.raw.get(tag, b"")) == 2 for tag in _SHAPE):
        return found.pixel_bytes in {None, _ENCAPSULATED}
    rows, columns, samples, bits = (int.from_bytes(found.raw[tag], found.order) for tag in _SHAPE)
    frames = found.text("NumberOfFrames") or "1"
    if found.text("PhotometricInterpretation") == "YBR_FULL_422":
        samples = 2
    size = -(-rows * columns * samples * bits * (int(frames) if frames.isdigit() else 1) // 8)
    return found.pixel_bytes == size + size % 2
