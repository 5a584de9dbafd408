"""The checks that compare files: within a request, and with what was released before. They see extracts, no bytes.

Guarantees: every comparison runs over all members at once, in one confined child, after each file was looked at by
itself; a comparison that fails makes every file of the request fail (F05).

Does not guarantee: completeness. Tables are compared where their labels agree; others are left to people's eyes.

A new comparison is a module with `observe(members, around)` and a line in `COMPARISONS`.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from tre.airlock.extract import Extract
from tre.airlock.parsed import Observation, Surroundings


@dataclass(frozen=True)
class Member:
    """One file as a comparison sees it.

    `origin` is `request`, `earlier` (released from this grant before) or `sibling` (released from another grant on
    the same slice); `label` says of which release in words. `kind` and `group` are the request's.
    """

    path: str
    sha256: str
    extract: Extract
    origin: str = "request"
    label: str = ""
    kind: str = "output"
    group: str = ""


@dataclass(frozen=True)
class Remark:
    """Something found about one member, by its place in the list; only members of the request are remarked on."""

    member: int
    observation: Observation


Compare = Callable[[Sequence[Member], Surroundings], Iterable[Remark]]


@dataclass(frozen=True)
class Comparison:
    """One module of comparisons, and the entries of the catalogue that it speaks for."""

    module: str
    speaks_for: tuple[str, ...]

    def load(self) -> Compare:
        """The module's function."""
        observe: Compare = importlib.import_module(f"tre.airlock.across.{self.module}").observe
        return observe


COMPARISONS: tuple[Comparison, ...] = (
    Comparison("suppression", ("S03",)),
    Comparison("differencing", ("S04",)),
    Comparison("figures", ("S09",)),
    Comparison("claims", ("C01",)),  # and repeats what ACRO found of S01, S05, S07 and S08
    Comparison("model_reports", ("M03",)),
)


MOST_OF_ONE_KIND = 20
"""Findings of one kind about one file that are listed; the rest are summed up in one more."""

_MOST = 600
_FEW = 2


def compare_all(
    members: Sequence[Member], around: Surroundings, loaded: Sequence[Compare] | None = None
) -> list[Remark]:
    """What every comparison says of the members; fewer of each kind where there are very many."""
    observers = [comparison.load() for comparison in COMPARISONS] if loaded is None else loaded
    remarks = [remark for observe in observers for remark in observe(members, around)]
    listed = _summed_up(remarks, MOST_OF_ONE_KIND)
    return listed if len(listed) <= _MOST else _summed_up(remarks, _FEW)


def _summed_up(remarks: Sequence[Remark], most: int) -> list[Remark]:
    """At most so many of each check and case about each member, and one that counts the others."""
    kinds: dict[tuple[int, str, str], list[Remark]] = {}
    for remark in remarks:
        kinds.setdefault((remark.member, remark.observation.check, remark.observation.case), []).append(remark)
    listed: list[Remark] = []
    for (member, check, case), found in kinds.items():
        listed += found[:most]
        if len(found) > most:
            rest = f"{len(found) - most} further findings of this kind are not listed one by one."
            listed.append(Remark(member, Observation(check, rest, case=case)))
    return listed
