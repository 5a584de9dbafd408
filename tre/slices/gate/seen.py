"""Elements that pass by themselves, remembered: the files of an archive have most of theirs in common.

Guarantees: an element passes here only where the whole judgement would find nothing in it, whatever stands around it:
it is of the header's own level, its representation is a plain one and the one that is due, its length is what its head
says, and no rule is broken by its value. Everything else is left to the whole judgement, which also says what is wrong.
Remembered are whole elements byte for byte, so that nothing passes for being like another. How many are is bounded.

Does not guarantee: that such elements are in order, or that all that are due are there; whoever reads sees to it.

Threat: a value that passes unread because an earlier file held one like it.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from tre.slices.gate import attributes as of
from tre.slices.gate.attributes import Handling, handling_of, name_of, representation_of
from tre.slices.gate.values import ValueJudge, is_empty
from tre.slices.gate.wire import SHORT

_HEAD = 8
_LONGEST = 128
_KEPT_TEXT = 1 << 10
_MOST = 8192
"""Elements that are remembered before all are forgotten; a header has fifty to two hundred."""

_ONCE = frozenset({of.SOP_INSTANCE, of.MEDIA_INSTANCE})
"""Each file has its own: not worth a place."""

_TRANSFER_SYNTAX = 0x00020010
_BY_VALUE = {
    *(Handling.text, Handling.code, Handling.person, Handling.birth, Handling.moment, Handling.age),
    *(Handling.number, Handling.binary, Handling.uid, Handling.tag, Handling.bulk),
}
"""What is judged by the value alone."""

_WITHOUT_VALUE = {*_BY_VALUE, Handling.absent, Handling.opaque}
_IN_SIDECARS = {Handling.binary: Handling.number, Handling.bulk: Handling.number, Handling.tag: Handling.code}
"""Numbers are written as decimals there."""


class Harmless(NamedTuple):
    """An element that passes by itself."""

    tag: int
    path: tuple[int, ...]
    value: bytes
    moment: str
    """The representation of a date or time that is to be coarsened, else empty."""

    person: str
    """The name of an attribute that must be the pseudonym, else empty."""

    is_special: bool
    """Whether it has one of the two."""


class Seen:
    """What passed by itself, for one dataset's rules."""

    def __init__(self, values: ValueJudge, opened: Collection[int | None], *, sidecar: bool = False) -> None:
        self._values = values
        self._opened = opened
        self._sidecar = sidecar
        self.elements: dict[bytes | str, Harmless] = {}

    def learn(self, raw: bytes) -> Harmless | None:
        """The element with these bytes (little endian, its representation written out), if it passes by itself."""
        vr = SHORT.get(raw[4:6])
        if vr is None or len(raw) - _HEAD != raw[6] + (raw[7] << 8):
            return None
        tag = raw[0] << 16 | raw[1] << 24 | raw[2] | raw[3] << 8
        if tag == _TRANSFER_SYNTAX:  # whoever reads the file must see it
            return None
        one = self.judged(tag, vr, raw[_HEAD:])
        if one is not None and tag not in _ONCE:
            self.keep(raw, one)
        return one

    def keep(self, mark: bytes | str, one: Harmless) -> None:
        """Remember an element by its bytes, or by its text."""
        if len(mark) <= _LONGEST:
            if len(self.elements) >= _MOST:
                self.elements.clear()
            self.elements[mark] = one

    def judged(self, tag: int, vr: str, value: bytes) -> Harmless | None:
        """An element of the header's own level, if it passes by itself."""
        if tag >> 16 & 1 or len(value) > _KEPT_TEXT or vr in {"SQ", "UN"}:
            return None
        handling = Handling.text if tag in self._opened else handling_of(tag)
        if is_empty(value, len(value)):
            return Harmless(tag, (tag,), value, "", "", is_special=False) if handling in _WITHOUT_VALUE else None
        due = representation_of(tag)
        if handling not in _BY_VALUE or (due is not None and vr not in due.split(" or ")):
            return None
        if handling is Handling.person:
            return Harmless(tag, (tag,), value, "", name_of(tag), is_special=True)
        moment = vr if handling is Handling.moment else ""
        if self._sidecar:
            handling = _IN_SIDECARS.get(handling, handling)
        broken = any(True for _ in self._values.judge(handling, value, vr, "little"))
        return None if broken else Harmless(tag, (tag,), value, moment, "", is_special=bool(moment))
