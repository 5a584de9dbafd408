"""What a sealed probe and its unsealed control prove together: a pure function.

Guarantees: a target counts as proven only if it was closed to the sealed probe and open to the control. Anything
open to the sealed probe, not tried by it, or tried without an answer, has failed, whatever the control says. An
answer that comes twice counts at its worst. Nothing tried proves nothing.

Does not guarantee: that the two ran at the same time or with the same targets' arguments; the runtime sees to it
(it gives both one list).

Threat it answers: a proof of isolation that would also have been given by a wrong address or a dead network.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from .attempts import CLOSED, ERROR, OPEN

_WORST_FIRST = (OPEN, ERROR, CLOSED)


@dataclass(frozen=True)
class Verdict:
    """Names of targets by what was shown.

    `failed`: open, broken or missing inside. `unproven`: closed inside, but the control did not find it open.
    `uncontrolled`: closed inside and optional, where the control found nothing (this machine offers it to nobody)
    or did not try (see `targets.for_control`). `proven`: all others.
    """

    proven: tuple[str, ...]
    failed: tuple[str, ...]
    unproven: tuple[str, ...]
    uncontrolled: tuple[str, ...]

    @property
    def holds(self) -> bool:
        """Whether isolation is proven: something was, and nothing failed or stayed without its control."""
        return bool(self.proven) and not self.failed and not self.unproven


def verdict(sealed: Iterable[Mapping[str, object]], control: Iterable[Mapping[str, object]]) -> Verdict:
    """Compare the answers of the sealed probe with those of its control (lists as `probe.run` gives them)."""
    inside, outside = _outcomes(sealed), _outcomes(control)
    found: dict[str, list[str]] = {"proven": [], "failed": [], "unproven": [], "uncontrolled": []}
    for item in [*outside, *(item for item in inside if item not in outside)]:
        found[_judged(inside.get(item), outside.get(item))].append(item)
    return Verdict(**{name: tuple(items) for name, items in found.items()})


def _judged(inside: tuple[str, bool] | None, outside: tuple[str, bool] | None) -> str:
    """Where an item belongs, from (outcome, optional) inside and outside."""
    if inside is None or inside[0] != CLOSED:
        return "failed"
    if outside is None:
        return "uncontrolled" if inside[1] else "unproven"
    outcome, optional = outside
    if outcome == OPEN:
        return "proven"
    return "uncontrolled" if outcome == CLOSED and optional else "unproven"


def _outcomes(answers: Iterable[Mapping[str, object]]) -> dict[str, tuple[str, bool]]:
    """Outcome and optional by item; the worst of several, optional only if all say so."""
    found: dict[str, tuple[str, bool]] = {}
    for answer in answers:
        outcome = answer.get("outcome")
        outcome = str(outcome) if outcome in _WORST_FIRST else ERROR
        item, optional = str(answer.get("item")), answer.get("optional") is True
        earlier, also = found.get(item, (CLOSED, True))
        worst = min(earlier, outcome, key=_WORST_FIRST.index)
        found[item] = (worst, optional and also)
    return found
