"""What an application changes of a running project: as approved, and as asked now, part by part.

Guarantees: whatever differs in what was handed in is told, be it large or small; what is the same is not. It is
compared with what is in force now.

Does not guarantee: to judge it. Which way a change takes is the domain's word (`tre.domain.applications.variations`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import Connection

from tre.domain.applications.models import Application, ApplicationContent, AskedSlice
from tre.domain.applications.states import ApplicationState
from tre.portal.applying.fields import Field, Input, InputRows, Kind, inputs
from tre.portal.applying.steps import DATA, STEPS
from tre.portal.plan_actions import spec_text
from tre.slices import planwords
from tre.store import applications

Cells = tuple[Input, ...]


@dataclass(frozen=True)
class Difference:
    """One thing that is other than it was; empty where there was nothing, or will be nothing."""

    label: str
    before: Cells = ()
    after: Cells = ()


def differences(connection: Connection, application: Application) -> tuple[Difference, ...]:
    """What an application that waits for votes changes; nothing for one that changes no project."""
    if application.varies is None or application.state is not ApplicationState.InReview:
        return ()
    base = applications.approved_content(connection, application.varies)
    if base is None or application.content is None:
        return ()
    return (*_fields(base, application.content), *_slices(base, application.content))


def _fields(before: ApplicationContent, after: ApplicationContent) -> Iterator[Difference]:
    for step in (one for one in STEPS if one is not DATA):
        pairs = zip(*(inputs(step, one.as_plain(), spare=False) for one in (before, after)), strict=True)
        for old, new in pairs:
            if isinstance(old, InputRows) and isinstance(new, InputRows):
                yield from _rows(old, new)
            elif isinstance(old, Input) and isinstance(new, Input) and _said((old,)) != _said((new,)):
                yield Difference(new.field.label, _filled((old,)), _filled((new,)))


def _rows(before: InputRows, after: InputRows) -> Iterator[Difference]:
    """Rows that went and rows that came; one that was changed is both."""
    known, now = ([_said(row) for row in one.entries] for one in (before, after))
    for row in before.entries:
        if any(_said(row)) and _said(row) not in now:
            yield Difference(before.rows.one, before=_filled(row))
    for row in after.entries:
        if any(_said(row)) and _said(row) not in known:
            yield Difference(after.rows.one, after=_filled(row))


def _said(row: Cells) -> tuple[str, ...]:
    return tuple(cell.value for cell in row)


def _filled(row: Cells) -> Cells:
    return tuple(cell for cell in row if cell.value)


def _slices(before: ApplicationContent, after: ApplicationContent) -> Iterator[Difference]:
    known, now = ({one.name: one for one in content.slices} for content in (before, after))
    for name in dict.fromkeys([*known, *now]):
        old, new = known.get(name), now.get(name)
        if old == new:
            continue
        told = _told(old), _told(new)
        if told[0] == told[1]:  # in what no sentence says: then the specification itself
            told = _told(old, exact=True), _told(new, exact=True)
        yield Difference(f"The data “{name}”", *told)


def _told(part: AskedSlice | None, *, exact: bool = False) -> Cells:
    """A part in sentences, with its reasons."""
    if part is None:
        return ()
    lines = [f"{part.spec.dataset}, release {part.spec.release}.", *planwords.asked(part.spec.as_plain())]
    lines += [f"Why {kind}: {why}" for kind, why in sorted(part.justifications.items())]
    lines += [f"Why not less: {part.minimisation}", *([spec_text(part.spec)] if exact else [])]
    return (Input(_SPEC, "", "\n".join(lines)),)


_SPEC = Field("spec", "What is asked for", Kind.text)
