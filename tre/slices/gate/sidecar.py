"""Judging a sidecar: the header of an image in the DICOM JSON model, by the rules of the header.

Guarantees: a sidecar is read as a header would be, value by value; it may hold no element that its image does not
hold, no bytes, no key twice, and nothing beside the model. The person, the study, the series and the image are those
of the file.

Does not guarantee: that every value is the image's: a sidecar may say less, and numbers are written in other ways.

Threat: a sidecar that still holds what the header lost.

Source: PS3.18 Annex F; sidecars of the chest imaging database write `null` for bytes and for one table.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from tre.domain.gate import GateReason
from tre.slices.coarse import coarse_sidecar
from tre.slices.gate import attributes as of
from tre.slices.gate.judge import Gate, Judged, Judging
from tre.slices.gate.pieces import BODY, KEY, PLAIN, Piece, split
from tre.slices.gate.seen import Harmless
from tre.slices.gate.wire import MAX_DEPTH, MAX_ELEMENTS, MAX_VALUE, Element
from tre.slices.unfit import UnfitError

MAX_SIDECAR_BYTES = 8 * 2**20
"""Sidecars average 15 kB; pixels have no place in them."""

RULE = "sidecar"
_KEY = re.compile(r"[0-9A-Fa-f]{8}")
_MEMBERS = frozenset({"vr", "Value", "InlineBinary", "BulkDataURI"})
_SAME = (of.PATIENT_ID, of.SOP_INSTANCE, of.STUDY, of.SERIES)
_MUST = frozenset({of.PATIENT_ID, of.SOP_INSTANCE})
_UNDEFINED = 0xFFFFFFFF
_MOST = 20
_REPRESENTATION = re.compile(r"[A-Z]{2}")


def parse_model(data: bytes) -> dict[str, Any]:
    """The JSON object of a sidecar. Raises `UnfitError`."""
    if len(data) > MAX_SIDECAR_BYTES:
        raise UnfitError(RULE, "larger than any header")
    try:
        model = json.loads(data, object_pairs_hook=_each_key_once, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise UnfitError(RULE, "not JSON") from error
    if not isinstance(model, dict):
        raise UnfitError(RULE, "not a JSON object")
    return model


def _each_key_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise UnfitError(RULE, "a key stands twice")
    return found


def _no_number(_text: str) -> Any:
    raise UnfitError(RULE, "holds what is no number")


def is_model(value: object) -> bool:
    """Whether an object of a JSON file is a header in the DICOM JSON model."""
    return isinstance(value, dict) and bool(value) and all(_KEY.fullmatch(key) for key in value)


def judge_alone(gate: Gate, model: dict[str, Any]) -> Judged:
    """Judge a sidecar that has no image: its values, and that there is none. Raises `UnfitError`."""
    found = _read(gate, model)
    found.reasons = tuple(sorted((*found.reasons, GateReason(RULE, "", "no image belongs to it"))))
    return found


def _read(gate: Gate, model: dict[str, Any]) -> Judged:
    judging = Judging(gate, sidecar=True)
    for element in _elements(model, ()):
        judging.see(element, "little")
    return judging.finish()


def judge_sidecar(gate: Gate, model: dict[str, Any], image: Judged) -> Judged:
    """Judge a sidecar beside its image's header. Raises `UnfitError` for one that speaks of another."""
    judging = Judging(gate, sidecar=True)
    for key in _keys(model, ()):
        _judge(gate, judging, key, model[key])
    return _beside(judging, image)


def read_sidecar(gate: Gate, data: bytes, image: Judged) -> tuple[Judged, bytes]:
    """The same of a sidecar's bytes, and the sidecar with its dates coarsened, in one byte form."""
    texts = split(data) if len(data) <= MAX_SIDECAR_BYTES else None
    if texts is None or len(texts) > MAX_ELEMENTS:
        model = parse_model(data)
        return judge_sidecar(gate, model, image), coarse_sidecar(model)
    judging = Judging(gate, sidecar=True)
    coarse: dict[str, str] = {}
    for text in sorted(texts, key=_place):
        piece = gate.pieces.known.get(text)
        if piece is not None:
            judging.accept(piece.harmless, 0)
            coarse[piece.key] = piece.coarse
        else:
            key = text[KEY]
            coarse[key] = _read_piece(gate, judging, text)
    if len(coarse) < len(texts):
        raise UnfitError(RULE, "a key stands twice")
    together = ",".join([coarse[key] for key in sorted(coarse)])
    return _beside(judging, image), f"{{{together}}}\n".encode("utf-8", "surrogatepass")


def _place(text: str) -> str:
    return text[KEY].upper()


def _read_piece(gate: Gate, judging: Judging, text: str) -> str:
    """Read, judge and remember one element; its text with dates coarsened."""
    if (plain := PLAIN.fullmatch(text)) is not None and plain[3] not in _FIXED:
        return _read_plain(gate, judging, plain)
    key, written = text[KEY], text[BODY]
    body = None if written == "null" else parse_model(written.encode())
    one = _judge(gate, judging, key, body)
    coarse = coarse_sidecar({key: body})[1:-2].decode("utf-8", "surrogatepass")
    if one is not None and one.tag != of.SOP_INSTANCE:
        gate.pieces.keep(text, Piece(key, one, coarse))
    return coarse


def _read_plain(gate: Gate, judging: Judging, found: re.Match[str]) -> str:
    """The same of an element that has one text for a value, which no JSON reader is needed for."""
    text, key, value, vr = found[0], found[1], found[2], found[3]
    tag, coarse = int(key, 16), text
    one = gate.seen_in_sidecars.judged(tag, vr, value.encode())
    if one is None:
        judging.see(_plain(tag, vr, [value], ()), "little")
        return coarse_sidecar({key: {"Value": [value], "vr": vr}})[1:-2].decode()
    judging.accept(one, 0)
    if one.moment:
        coarse = coarse_sidecar({key: {"Value": [value], "vr": vr}})[1:-2].decode()
    if tag != of.SOP_INSTANCE:
        gate.pieces.keep(text, Piece(key, one, coarse))
    return coarse


def _beside(judging: Judging, image: Judged) -> Judged:
    """What the sidecar says beside its image's header."""
    found = judging.settle()
    for tag in _SAME:
        if (tag in _MUST or tag in found.raw) and (not found.text_at(tag) or found.text_at(tag) != image.text_at(tag)):
            raise UnfitError(RULE, "names another person or another image than the file")
    judging.finish()
    filled = (found.tags - found.empty) & image.empty
    beyond = sorted((found.tags - image.tags) | filled)
    names = [".".join(map(of.name_of, tags)) for tags in beyond[:_MOST]]
    extra = [GateReason(RULE, name, "the image's header does not hold this") for name in names]
    found.reasons = tuple(sorted((*found.reasons, *extra)))
    return found


def _judge(gate: Gate, judging: Judging, key: str, body: object) -> Harmless | None:
    """Judge one element of the sidecar's own level, and what is below it; say whether it passes by itself."""
    elements = list(_element(int(key, 16), body, ()))
    one, first = None, elements[0]
    if len(elements) == 1 and first.value is not None and first.length == len(first.value):
        one = gate.seen_in_sidecars.judged(first.tag, first.vr, first.value)
    if one is None:
        for element in elements:
            judging.see(element, "little")
    else:
        judging.accept(one, 0)
    return one


def _elements(model: dict[str, Any], parents: tuple[int, ...]) -> Iterator[Element]:
    """The elements of one level and those below, as a header would have them."""
    for key in _keys(model, parents):
        yield from _element(int(key, 16), model[key], parents)


def _keys(model: dict[str, Any], parents: tuple[int, ...]) -> list[str]:
    """The keys of one level in the order of their tags."""
    if len(parents) > MAX_DEPTH or len(model) > MAX_ELEMENTS:
        raise UnfitError(RULE, "larger than any header")
    if not all(map(_KEY.fullmatch, model)):
        raise UnfitError(RULE, "holds what is no element")
    return sorted(model, key=str.upper)


def _element(tag: int, body: object, parents: tuple[int, ...]) -> Iterator[Element]:
    if body is None:  # written for a table that was left out: an empty sequence
        yield Element(tag, of.representation_of(tag) or "UN", b"", 0, 0, parents)
        return
    if not isinstance(body, dict) or set(body) - _MEMBERS or not isinstance(body.get("vr", ""), str):
        raise UnfitError(RULE, "holds what is no element")
    vr = body.get("vr") or (of.representation_of(tag) or "UN").split(" ")[0]
    values = body.get("Value") or []
    if _REPRESENTATION.fullmatch(vr) is None or not isinstance(values, list):
        raise UnfitError(RULE, "holds what is no element")
    if body.get("InlineBinary") is not None or body.get("BulkDataURI") is not None:
        raise UnfitError(RULE, "holds bytes, or the address of bytes")
    if vr == "SQ":
        yield Element(tag, vr, None, _UNDEFINED if values else 0, 0, parents)
        for item in values:
            if item is not None and not isinstance(item, dict):
                raise UnfitError(RULE, "holds what is no element")
            yield from _elements(item or {}, (*parents, tag))
        return
    yield _plain(tag, vr, values, parents)


_FIXED = {"US", "SS", "UL", "SL", "UV", "SV", "FL", "FD"}


def _plain(tag: int, vr: str, values: list[Any], parents: tuple[int, ...]) -> Element:
    """An element with values. Fixed-size numbers are judged as the decimal numbers that they are written as."""
    text = "\\".join(map(_text, values))
    data = text.encode("utf-8", "surrogatepass")
    if vr in _FIXED and not all(isinstance(one, int | float | None) for one in values):
        raise UnfitError(RULE, "holds a word where a number is due")
    return Element(tag, vr, data if len(data) <= MAX_VALUE else None, len(data), 0, parents)


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, dict):  # a name: its groups
        if set(value) - {"Alphabetic", "Ideographic", "Phonetic"}:
            raise UnfitError(RULE, "holds what is no element")
        return "=".join(str(value.get(group) or "") for group in ("Alphabetic", "Ideographic", "Phonetic")).rstrip("=")
    if isinstance(value, list):
        raise UnfitError(RULE, "holds what is no element")
    return str(value)
