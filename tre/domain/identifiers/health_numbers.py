"""Numbers that health services give to people: NHS (England, Wales, Isle of Man), CHI (Scotland), H&C (N. Ireland).

Guarantees: check digit (modulus 11, weights 10 to 2) and the ranges in which numbers are issued. Standard library only.

Does not guarantee: that a number that passes is one. Of random ten-digit numbers 9.1 % have a right check digit and
7.2 % stand in a range too: a judgement needs a set of them, or words beside one. Numbers from 999 000 0000 on are set
aside for tests and belong to nobody; they are treated like the others, since nobody can tell why they are there.

Source: NHS Data Dictionary, "NHS Number"; ranges as the three services publish them.
"""

from __future__ import annotations

from dataclasses import dataclass

DIGITS = 10
_RANGES = (
    ("NHS", 400_000_000, 499_999_999),
    ("NHS", 600_000_000, 799_999_999),
    ("H&C", 320_000_001, 399_999_999),
    ("NHS", 999_000_000, 999_999_999),
)
_CHI = (10_100_000, 311_299_999)


def has_check_digit(number: str) -> bool:
    """Whether ten digits end in the right check digit."""
    total = sum(int(digit) * weight for digit, weight in zip(number, range(DIGITS, 1, -1), strict=False))
    return (11 - total % 11) % 11 == int(number[-1])


def scheme_of(number: str) -> str:
    """`NHS`, `CHI`, `H&C`, or empty for ten digits that are nobody's number."""
    if len(number) != DIGITS or not number.isascii() or not number.isdigit() or not has_check_digit(number):
        return ""
    stem = int(number[:-1])
    if len(set(number)) == 1:
        return ""
    if _CHI[0] <= stem <= _CHI[1]:
        return "CHI" if _begins_with_a_day(number) else ""
    return next((name for name, first, last in _RANGES if first <= stem <= last), "")


def _begins_with_a_day(number: str) -> bool:
    day, month = int(number[:2]), int(number[2:4])
    return 1 <= day <= 31 and 1 <= month <= 12


@dataclass(frozen=True)
class Kind:
    """What may be judged of a set of numbers: how many there are, how many pass."""

    distinct: int
    passing: int

    @property
    def is_set(self) -> bool:
        """At least half of ten or more: by chance one in a thousand sets of ten, three in a million of twenty."""
        return self.distinct >= DIGITS and 2 * self.passing >= self.distinct
