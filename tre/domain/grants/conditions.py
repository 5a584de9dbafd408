"""Conditions of use as codes of the Data Use Ontology, held against what a grant says of its project.

Guarantees: every code that a launcher can judge is judged before a grant counts: commercial and profit-making use,
ethics approval, place. A fact that a code needs and the project does not state fails the code; a code that is not
known fails too, since nobody would hold it. What holds by the make of every grant (an end, named persons, one
project) needs no fact.

Does not guarantee: codes that only a person can judge (which disease, which methods, publication): they are shown to
committee and output checkers, in words.

Source: Data Use Ontology (EBISPOT/DUO, duo.csv).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from tre.domain.grants.models import AccessGrantSpec, Project

BY_MAKE = frozenset({"DUO:0000025", "DUO:0000026", "DUO:0000027"})
"""Limited in time, to named users, to one project: every grant is."""

BY_PERSON = frozenset(
    {
        "DUO:0000004",  # no restriction
        "DUO:0000005",  # general research, under its former number
        "DUO:0000006",  # health, medical, biomedical research
        "DUO:0000007",  # one disease
        "DUO:0000011",  # populations, origins, ancestry only
        "DUO:0000012",  # a kind of research
        "DUO:0000015",  # no development of methods
        "DUO:0000016",  # genetic studies
        "DUO:0000019",  # publication
        "DUO:0000020",  # collaboration
        "DUO:0000024",  # moratorium
        "DUO:0000028",  # institution
        "DUO:0000029",  # return of derived data
        "DUO:0000042",  # general research
        "DUO:0000043",  # clinical care
        "DUO:0000044",  # no research on populations
    }
)
"""What people judge: committee, data manager, output checkers."""


class Unmet(NamedTuple):
    """A condition that does not hold: its place among the conditions, and what is due."""

    number: int
    expected: str


def unmet(spec: AccessGrantSpec) -> Iterator[Unmet]:
    """Every condition of a grant that its own facts contradict, or for which they are silent."""
    return unmet_codes(spec.conditions, spec.project)


def unmet_codes(codes: Sequence[str], project: Project) -> Iterator[Unmet]:
    """Every one of these codes that a project's facts contradict, or for which they are silent."""
    for number, code in enumerate(codes):
        if code in BY_MAKE or code in BY_PERSON:
            continue
        check = _CHECKS.get(code)
        if check is None:
            yield Unmet(number, f"{code} is no condition that is known here, so nobody would hold it")
        elif expected := check(project):
            yield Unmet(number, f"{code}: {expected}")


def _non_commercial(project: Project) -> str:
    return "for non-commercial use only, and the organisation is commercial" if project.organisation.commercial else ""


def _non_profit(project: Project) -> str:
    if project.organisation.not_for_profit:
        return ""
    stated = project.organisation.not_for_profit is not None
    more = "is not" if stated else "does not say so: state organisation.notForProfit"
    return f"for not-for-profit organisations only, and the organisation {more}"


def _non_profit_non_commercial(project: Project) -> str:
    return _non_commercial(project) or _non_profit(project)


def _ethics(project: Project) -> str:
    return "" if project.ethics_reference else "ethics approval is due: state project.ethicsReference"


def _place(project: Project) -> str:
    return "" if project.organisation.country else "limited to places: state organisation.country (ISO 3166, as GB)"


_CHECKS: dict[str, Callable[[Project], str]] = {
    "DUO:0000018": _non_profit_non_commercial,
    "DUO:0000021": _ethics,
    "DUO:0000022": _place,
    "DUO:0000045": _non_profit,
    "DUO:0000046": _non_commercial,
}
KNOWN = BY_MAKE | BY_PERSON | frozenset(_CHECKS)
"""Every code that has a meaning here."""
