"""Repeatable draws: every value follows from the seed and the name of the stream alone.

Guarantees: the same seed and name give the same draws on every platform, in every process, in any
order of work and with any version of Python or numpy, since the only source is SHAKE-256 and the
only arithmetic is on integers. A stream never disturbs another one, so that patient 7 is the same
whether 10 or 10,000 patients are made, and whether patient 6 was made before.

Does not guarantee: secrecy. Whoever knows the seed knows every draw; nothing here may become a
key, a salt or a pseudonym of a real person.

Answers no attacker: it answers the reader who wants to check a published number and finds that
the data behind it cannot be made again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import date, timedelta
from typing import TypeVar

Item = TypeVar("Item")

_BLOCK = 512
_DRAW = 8


def _key(seed: int, name: tuple[str | int, ...]) -> bytes:
    """One digest for a seed and a name; lengths are included, so that parts cannot run together."""
    hasher = hashlib.sha256()
    for part in (seed, *name):
        data = f"{type(part).__name__}:{part}".encode()
        hasher.update(len(data).to_bytes(8, "big") + data)
    return hasher.digest()


def random_bytes(seed: int, count: int, *name: str | int) -> bytes:
    """`count` bytes that follow from the seed and the name."""
    return hashlib.shake_256(_key(seed, name)).digest(count)


def made_uid(seed: int, *name: str | int) -> str:
    """A DICOM unique identifier under the root 2.25, hash-derived.

    The root holds the decimal form of a UUID (DICOM PS3.5 B.2); the UUID is of version 8, "made in
    a way of one's own" (RFC 9562), with its version and variant bits set.
    """
    value = int.from_bytes(_key(seed, ("uid", *name))[:16], "big")
    value = value & ~(0xF << 76) | 8 << 76
    value = value & ~(0x3 << 62) | 2 << 62
    return f"2.25.{value}"


def made_file_stem(seed: int, *name: str | int) -> str:
    """A file name without its ending, in the shape of a UUID, hash-derived."""
    text = _key(seed, ("file", *name)).hex()
    return f"{text[:8]}-{text[8:12]}-8{text[13:16]}-a{text[17:20]}-{text[20:32]}"


class Stream:
    """Draws in sequence, named. Two streams with different names are independent."""

    def __init__(self, seed: int, *name: str | int) -> None:
        self._key = _key(seed, name)
        self._block = 0
        self._left = b""

    def _draw(self) -> int:
        """The next 64 bits."""
        if not self._left:
            counter = self._block.to_bytes(8, "big")
            self._left = hashlib.shake_256(self._key + counter).digest(_BLOCK)
            self._block += 1
        taken, self._left = self._left[:_DRAW], self._left[_DRAW:]
        return int.from_bytes(taken, "big")

    def integer(self, low: int, high: int) -> int:
        """A whole number from `low` to `high`, both included, all (nearly) as likely."""
        return low + (self._draw() * (high - low + 1) >> 64)

    def bell(self, low: int, high: int) -> int:
        """A whole number from `low` to `high`, the middle likelier than the ends."""
        return (self.integer(low, high) + self.integer(low, high) + self.integer(low, high)) // 3

    def tenths(self, low: int, high: int) -> float:
        """A number with one decimal from `low`/10 to `high`/10, the middle likelier."""
        return self.bell(low, high) / 10

    def chance(self, permille: int) -> bool:
        """Yes, `permille` times in a thousand."""
        return self.integer(0, 999) < permille

    def pick(self, items: Sequence[Item]) -> Item:
        """One of the items, all as likely."""
        return items[self.integer(0, len(items) - 1)]

    def weighted(self, items: Sequence[tuple[Item, int]]) -> Item:
        """One of the items, each as likely as its weight says."""
        ticket = self.integer(1, sum(weight for _, weight in items))
        for item, weight in items:
            ticket -= weight
            if ticket <= 0:
                return item
        raise AssertionError("weights are positive")

    def day(self, first: date, last: date) -> date:
        """A day from `first` to `last`, both included."""
        return first + timedelta(days=self.integer(0, (last - first).days))

    def clock_time(self) -> str:
        """A time of day in DICOM's form HHMMSS."""
        return f"{self.integer(0, 23):02}{self.integer(0, 59):02}{self.integer(0, 59):02}"
