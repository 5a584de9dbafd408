"""Which clinical records of a delivery count, once it is known which of them stay out or wait.

Guarantees: nobody is described by a record that a later one would have overruled, had it been taken: whoever has such
a record is undecided, and their images stay out by that rule until it is mended or let in. Otherwise a positive
patient whose record waits would come in as the negative one that an older file speaks of. Two different records of
one kind and one day for one person stay out both, since which is right is not known; the same twice counts once. Whose
records lie in both partitions is in neither: who is kept apart for validation must not come in by another folder.

Does not guarantee: whose a broken record outside the layout is; nobody is held back for it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from tre.slices.clinical import ClinicalRecord, rank_of
from tre.slices.taking import Waiting
from tre.slices.walk import Found, Refusal, clinical_name

Taken = ClinicalRecord | Refusal | Waiting
_Rank = tuple[bool, str]


@dataclass
class Settled:
    """The records that count, what stays out, what waits, and who cannot be described."""

    records: list[ClinicalRecord] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)
    waiting: list[Waiting] = field(default_factory=list)
    undecided: frozenset[str] = frozenset()


def settle(taken: Iterable[tuple[Found, Taken]]) -> Settled:
    """Sort what became of each clinical record of a delivery."""
    settled = Settled()
    missing: dict[str, _Rank] = {}
    same: dict[tuple[str, str, str, str], list[tuple[Found, ClinicalRecord]]] = {}
    for found, one in taken:
        if isinstance(one, ClinicalRecord):
            same.setdefault((one.pseudonym, one.partition, one.kind, one.day), []).append((found, one))
            continue
        if isinstance(one, Refusal):
            settled.refusals.append(one)
        else:
            settled.waiting.append(one)
        _miss(missing, _person(found, one), clinical_name(found.parts[-1]))
    sides: dict[str, set[str]] = {}
    for pseudonym, partition, _, _ in same:
        sides.setdefault(pseudonym, set()).add(partition)
    for (pseudonym, _, kind, day), files in same.items():
        first = files[0][1]
        if len(sides[pseudonym]) > 1:
            why = "the person has records in training and in validation"
            settled.refusals += [Refusal(found.path, "two-partitions", why) for found, _ in files]
            _miss(missing, pseudonym, (kind, day))
            continue
        if all(one.values == first.values for _, one in files):
            settled.records.append(first)
            continue
        why = "another record of this kind and day says something else"
        settled.refusals += [Refusal(found.path, "duplicate-record", why) for found, _ in files]
        _miss(missing, pseudonym, (kind, day))
    settled.undecided = _undecided(settled.records, missing)
    settled.records = [one for one in settled.records if one.pseudonym not in settled.undecided]
    return settled


def _person(found: Found, one: Refusal | Waiting) -> str:
    """Whose record it was: as it says itself where it could be read, else by its folder."""
    if isinstance(one, Waiting):
        return one.pseudonym
    return found.parts[-2] if len(found.parts) >= 3 and found.parts[-3] == "data" else ""


def _miss(missing: dict[str, _Rank], pseudonym: str, named: tuple[str, str]) -> None:
    rank = rank_of(*named)
    missing[pseudonym] = max(rank, missing.get(pseudonym, rank))


def _undecided(records: Iterable[ClinicalRecord], missing: dict[str, _Rank]) -> frozenset[str]:
    best: dict[str, _Rank] = {}
    for one in records:
        rank = rank_of(one.kind, one.day)
        best[one.pseudonym] = max(rank, best.get(one.pseudonym, rank))
    return frozenset(
        pseudonym for pseudonym, rank in missing.items() if pseudonym not in best or rank >= best[pseudonym]
    )
