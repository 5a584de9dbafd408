"""Changes of a running project: what may go the short way, and what needs a new decision of the whole committee.

Guarantees: whatever is not known to be small is a matter for the whole committee. The short way takes: less (people,
slices, time), more time up to the policy's bound, a few more people of organisations that are in the project already,
corrected words that are not what is asked, and a later release under the same specification whose people grew by no
more than the policy's bound. Other columns, other images, other purposes, other law are new decisions.

Threat: a project that grows by small steps. Each step is measured against what is in force, and the register shows all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from tre.domain.applications.models import ApplicationContent, AskedSlice, Lane
from tre.domain.committee.policy import FastLane

WORDING = frozenset({"outputs", "funders", "attachments", "other_committees"})
"""Fields whose change is told and needs no new decision by itself."""

_COMPARED = frozenset({"people", "slices", "starts", "ends"})


@dataclass(frozen=True)
class Verdict:
    """Which way a change takes: what it changes, and what of it needs the whole committee."""

    lane: Lane
    changes: tuple[str, ...]
    beyond: tuple[str, ...]

    @property
    def why(self) -> tuple[str, ...]:
        """What decided the lane."""
        return self.beyond or self.changes


@dataclass(frozen=True)
class Growth:
    """How many people's data a slice held under the plan in force, and holds under the new one."""

    before: int
    after: int

    def exceeds(self, permille: int) -> bool:
        """Whether it grew by more than so many of a thousand."""
        return (self.after - self.before) * 1000 > permille * self.before


def classify(
    before: ApplicationContent, after: ApplicationContent, growth: Mapping[str, Growth], bounds: FastLane | None
) -> Verdict:
    """Which way a change takes. `growth` holds what is known of each slice that is asked under a later release."""
    if bounds is None:
        return Verdict(Lane.full, (), ("this site has no short way",))
    changes: list[str] = []
    beyond: list[str] = []
    _look_at_words(before, after, changes, beyond)
    _look_at_term(before, after, bounds, changes, beyond)
    _look_at_people(before, after, bounds, changes, beyond)
    _look_at_slices(before, after, growth, bounds, changes, beyond)
    return Verdict(Lane.full if beyond or not changes else Lane.fast, tuple(changes), tuple(beyond))


def _look_at_words(
    before: ApplicationContent, after: ApplicationContent, changes: list[str], beyond: list[str]
) -> None:
    for name in sorted(set(ApplicationContent.model_fields) - _COMPARED):
        if getattr(before, name) != getattr(after, name):
            words = name.replace("_", " ")
            (changes if name in WORDING else beyond).append(f"{words} changed")


def _look_at_term(
    before: ApplicationContent,
    after: ApplicationContent,
    bounds: FastLane,
    changes: list[str],
    beyond: list[str],
) -> None:
    if after.starts < before.starts:
        beyond.append("it begins earlier")
    elif after.starts > before.starts:
        changes.append("it begins later")
    more = after.ends - before.ends
    if more > timedelta(days=bounds.extension_days):
        beyond.append(f"it ends more than {bounds.extension_days} days later")
    elif more:
        changes.append("it ends later" if more > timedelta() else "it ends earlier")


def _look_at_people(
    before: ApplicationContent,
    after: ApplicationContent,
    bounds: FastLane,
    changes: list[str],
    beyond: list[str],
) -> None:
    known = {one.subject.key: one for one in before.people}
    now = {one.subject.key: one for one in after.people}
    added = [one for key, one in now.items() if key not in known]
    organisations = {one.organisation for one in before.people} | {before.organisation.name}
    if strange := sorted({one.organisation for one in added} - organisations):
        beyond.append(f"people of {', '.join(strange)} join")
    if len(added) > bounds.added_people:
        beyond.append(f"{len(added)} people join, more than {bounds.added_people}")
    elif added:
        changes.append(f"{len(added)} people join")
    if left := len(known.keys() - now.keys()):
        changes.append(f"{left} people leave")
    if moved := sum(known[key] != one for key, one in now.items() if key in known):
        changed_place = any(known[key].organisation != one.organisation for key, one in now.items() if key in known)
        (beyond if changed_place else changes).append(f"what is said of {moved} people changed")


def _look_at_slices(
    before: ApplicationContent,
    after: ApplicationContent,
    growth: Mapping[str, Growth],
    bounds: FastLane,
    changes: list[str],
    beyond: list[str],
) -> None:
    known = {item.name: item for item in before.slices}
    for item in after.slices:
        old = known.pop(item.name, None)
        if old is None:
            beyond.append(f"the slice {item.name} is new")
        elif old.spec != item.spec:
            found = _slice_change(old, item, growth.get(item.name), bounds)
            (beyond if found.startswith(_BEYOND) else changes).append(found.removeprefix(_BEYOND))
        elif old != item:
            changes.append(f"the reasons for slice {item.name} changed")
    changes += [f"the slice {name} goes" for name in known]


_BEYOND = "!"


def _slice_change(old: AskedSlice, new: AskedSlice, growth: Growth | None, bounds: FastLane) -> str:
    """What changed in one slice; marked where it needs the whole committee."""
    same = old.spec.model_copy(update={"release": new.spec.release}) == new.spec
    if not same:
        return f"{_BEYOND}the slice {new.name} asks for something else"
    if growth is None:
        return f"{_BEYOND}how much the slice {new.name} grows is not known"
    if growth.exceeds(bounds.growth_permille):
        return f"{_BEYOND}the slice {new.name} grows by more than {bounds.growth_permille} in a thousand"
    return f"the slice {new.name} is of a later release"
