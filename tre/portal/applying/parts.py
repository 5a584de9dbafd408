"""The parts of data of a draft: each with its specification, the reason for every kind of image, and why not less.

Guarantees: a part is changed by its place in the list, every other one stays as it is; a specification is put into a
draft only when it reads; reasons for kinds that it does not take any more go with them.

Does not guarantee: that a part is complete. The rules of an application say that.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import yaml
from pydantic import ValidationError

from tre.domain.applications.models import MOST_SLICES, kinds_of
from tre.domain.errors import Reason, TREError
from tre.domain.slices.spec import SliceSpec
from tre.portal.applying.fields import Field, Kind, Plain, Shape, Step
from tre.portal.plan_actions import spec_text

REASONS = "reason-"
"""Begins the keys under which reasons stand in the form: the kinds themselves may hold blanks."""


@dataclass(frozen=True)
class Part:
    """One part of a draft; `spec` is nothing where there is none yet, or where it does not read."""

    number: int
    plain: Plain
    spec: SliceSpec | None

    @property
    def name(self) -> str:
        """What it is called."""
        typed = self.plain.get("name")
        return typed if isinstance(typed, str) else ""

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of image that need a reason."""
        return kinds_of(self.spec) if self.spec else ()

    @property
    def text(self) -> str:
        """The specification as text; what does not read any more, as it is."""
        if self.spec is not None:
            return spec_text(self.spec)
        found = self.plain.get("spec")
        return yaml.safe_dump(found, sort_keys=False, allow_unicode=True) if found else ""

    @property
    def reasons(self) -> Plain:
        """What is said about it, as the form holds it."""
        said = self.plain.get("justifications")
        given: Shape = said if isinstance(said, Mapping) else {}
        reasons = {f"{REASONS}{number}": given[kind] for number, kind in enumerate(self.kinds) if kind in given}
        return {key: self.plain[key] for key in ("name", "minimisation") if key in self.plain} | reasons


def parts_of(draft: Shape) -> list[Part]:
    """Every part of a draft."""
    found = draft.get("slices")
    kept = [item for item in found if isinstance(item, Mapping)] if isinstance(found, list) else []
    return [Part(number, dict(item), _spec(item.get("spec"))) for number, item in enumerate(kept)]


def part_at(draft: Shape, number: int) -> Part:
    """One part; the one after the last is a new one. Raises `TREError(ObjectNotFound)`."""
    found = parts_of(draft)
    if number < len(found):
        return found[number]
    if number > len(found) or number >= MOST_SLICES:
        raise TREError(
            Reason.ObjectNotFound, "There is no such part of the data.", remedy="Go back to the application."
        )
    return Part(number, {}, None)


def _spec(plain: Any) -> SliceSpec | None:
    try:
        return SliceSpec.model_validate(plain)
    except ValidationError:
        return None


def reason_step(part: Part) -> Step:
    """The fields about one part: its name, why it is needed, why not less."""
    reasons = tuple(
        Field(f"{REASONS}{number}", f"Why {kind} is needed", Kind.text, most=20_000)
        for number, kind in enumerate(part.kinds)
    )
    name = Field(
        "name", "Name of this part", hint="Small letters, digits and hyphens, for example chest-xrays.", most=63
    )
    less = Field("minimisation", "Why less would not do", Kind.text, "Fewer people, fewer years, fewer fields.", 20_000)
    return Step("reasons", "Why it is needed", (name, *reasons, less))


def with_spec(draft: Shape, number: int, spec: SliceSpec) -> Plain:
    """The draft with another specification of one part."""
    part = part_at(draft, number)
    plain = part.plain | {"spec": spec.model_dump(mode="json", by_alias=True, exclude_none=True, exclude_defaults=True)}
    plain.setdefault("name", f"part-{number + 1}")
    said = plain.get("justifications")
    if isinstance(said, Mapping):
        plain["justifications"] = {kind: said[kind] for kind in kinds_of(spec) if kind in said}
    return _put(draft, number, plain)


def with_reasons(draft: Shape, number: int, typed: Shape) -> Plain:
    """The draft with what is said about one part."""
    part = part_at(draft, number)
    plain = {key: value for key, value in part.plain.items() if key == "spec"}
    plain |= {key: typed[key] for key in ("name", "minimisation") if typed.get(key)}
    reasons = {kind: typed.get(f"{REASONS}{place}") for place, kind in enumerate(part.kinds)}
    plain["justifications"] = {kind: text for kind, text in reasons.items() if text}
    return _put(draft, number, plain)


def without(draft: Shape, number: int) -> Plain:
    """The draft without one part."""
    return _kept(draft, [part.plain for part in parts_of(draft) if part.number != number])


def _put(draft: Shape, number: int, plain: Plain) -> Plain:
    items = [part.plain for part in parts_of(draft)]
    items[number : number + 1] = [plain]
    return _kept(draft, items)


def _kept(draft: Shape, items: list[Plain]) -> Plain:
    made = deepcopy(dict(draft))
    made.pop("slices", None)
    return made | ({"slices": items} if items else {})
