"""A long form in steps over one plain mapping: what is typed goes into it, what is in it is shown, with its problems.

Guarantees: a step changes its own keys and nothing else of the mapping; what is typed is kept as it is typed, even
where it is wrong, so that nobody loses a word; what is empty is left out; a row of which nothing is typed does not
count. Every problem of a mapping belongs to one field of one step, or to the step as a whole; none is lost. Names of
inputs follow from keys (`people[0].name` is `people-0-name`) and are looked up, never taken from the request.

Does not guarantee: that anything is right. The rules of an application say that.

Threat: a form with keys of its own; ten thousand rows; text that runs the other way.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from enum import StrEnum
from typing import Any

from tre.domain.model import Problem, as_line
from tre.portal.export_forms import typed_text

_ROW = re.compile(r"\[(\d{1,4})\]\.(.+)")

MOST_ROWS = 45
"""Rows that a form offers in one list: with eight fields each they fit into what a form may hold."""

MOST_READ = 500
"""Rows that are read: a longer list came by another way and must not be cut by somebody who looks at it."""

Plain = dict[str, Any]
Shape = Mapping[str, Any]


class Kind(StrEnum):
    """What an input is, and what becomes of what is typed in it."""

    line = "line"
    text = "text"
    lines = "lines"
    day = "day"
    first = "first"
    last = "last"
    choice = "choice"
    pick = "pick"
    ticks = "ticks"
    yes_no = "yes_no"
    whole = "whole"


@dataclass(frozen=True)
class Field:
    """One input. `key` is its place in the mapping, dotted; `most` its characters.

    `first` and `last` are days that are kept as the first and the last second of the day; `lines` is a list, an entry
    a line; of `choice` and `pick` one of the `choices` is
    taken, all of which the latter shows; `whole` a whole number; `ticks` a list of the ticked `choices`.
    """

    key: str
    label: str
    kind: Kind = Kind.line
    hint: str = ""
    most: int = 300
    choices: tuple[tuple[str, str], ...] = ()

    @property
    def name(self) -> str:
        """The input's name and id."""
        return self.key.replace(".", "-")


@dataclass(frozen=True)
class Rows:
    """A list of entries with the same fields; one empty row more than are filled stands in the form."""

    key: str
    title: str
    fields: tuple[Field, ...]
    add: str
    hint: str = ""
    one: str = "Entry"

    @property
    def name(self) -> str:
        """The list's id."""
        return self.key.replace(".", "-")


@dataclass(frozen=True)
class Step:
    """One page of the form."""

    name: str
    title: str
    parts: tuple[Field | Rows, ...]
    lead: str = ""


@dataclass(frozen=True)
class Input:
    """A field as it stands in the page: its name, what is in it, what is wrong with it."""

    field: Field
    name: str
    value: str
    ticked: frozenset[str] = frozenset()
    problems: tuple[str, ...] = ()

    @property
    def day(self) -> datetime | None:
        """The day that stands in it, if it is one."""
        if self.field.kind not in {Kind.day, Kind.first, Kind.last}:
            return None
        try:
            return datetime.combine(date.fromisoformat(self.value), time(), UTC)
        except ValueError:
            return None


@dataclass(frozen=True)
class InputRows:
    """A list as it stands in the page; the last row is empty unless the list is full."""

    rows: Rows
    entries: tuple[tuple[Input, ...], ...]
    problems: tuple[str, ...] = ()


@dataclass(frozen=True)
class Told:
    """A problem as the summary tells it: its words, the step and the input where it is put right."""

    words: str
    step: Step
    anchor: str


def merged(step: Step, content: Plain, form: dict[str, str]) -> Plain:
    """The mapping with what was typed in one step; everything else stays, also a list that has a page of its own."""
    made = deepcopy(content)
    for part in step.parts:
        if isinstance(part, Field) or part.fields:
            put(made, part.key, _typed(part, form))
    return made


def _typed(part: Field | Rows, form: dict[str, str]) -> Any:
    if isinstance(part, Field):
        return _value(part, part.name, form)
    found = []
    for number in range(MOST_READ):
        entry: Plain = {}
        for field in part.fields:
            put(entry, field.key, _value(field, f"{part.name}-{number}-{field.name}", form))
        found += [entry] if entry and _tells(entry, part) else []
    return found or None


def _tells(entry: Plain, part: Rows) -> bool:
    """A row in which only a choice stands, which always has one, is an empty row."""
    chosen = {field.key for field in part.fields if field.kind is Kind.choice}
    return any(get(entry, field.key) is not None for field in part.fields if field.key not in chosen)


def _value(field: Field, name: str, form: dict[str, str]) -> Any:
    if field.kind is Kind.ticks:
        return [value for value, _ in field.choices if form.get(f"{name}-{value}")] or None
    text = typed_text(form, name)
    if field.kind is Kind.lines:
        return [one for line in text.splitlines() if (one := as_line(line))] or None
    if field.kind is Kind.yes_no:
        return {"yes": True, "no": False}.get(text)
    if field.kind in {Kind.first, Kind.last}:
        return _moment(text, field.kind)
    if field.kind is Kind.whole and text.isascii() and text.isdecimal():
        return int(text[:18])
    return text if field.kind is Kind.text else as_line(text, 10_000) or None


def _moment(text: str, kind: Kind) -> str | None:
    try:
        typed = date.fromisoformat(text)
    except ValueError:
        return text or None
    return f"{typed}T00:00:00Z" if kind is Kind.first else f"{typed}T23:59:59Z"


def get(content: Shape, key: str) -> Any:
    """What stands at a dotted key; `None` where there is nothing, or something else than a mapping on the way."""
    found: Any = content
    for part in key.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found


def put(content: Plain, key: str, value: Any) -> None:
    """Put a value at a dotted key; nothing (`None`, an empty text) takes the key away."""
    *way, last = key.split(".")
    inside = content
    for part in way:
        below = inside.get(part)
        if not isinstance(below, dict):
            below = inside[part] = {}
        inside = below
    if value is None or value == "":
        inside.pop(last, None)
    else:
        inside[last] = value
    if way and not inside:
        put(content, ".".join(way), None)


def inputs(step: Step, content: Shape, problems: Sequence[Problem] = (), spare: bool = True) -> list[Input | InputRows]:
    """What stands in the page of a step; `problems` are those that are to be told there."""
    return [_shown(part, content, problems, spare) for part in step.parts]


def _shown(part: Field | Rows, content: Shape, problems: Sequence[Problem], spare: bool) -> Input | InputRows:
    if isinstance(part, Field):
        return _input(part, part.name, get(content, part.key), _about(problems, part.key))
    found = get(content, part.key)
    kept = [entry for entry in found if isinstance(entry, Mapping)] if isinstance(found, list) else []
    blank: list[Shape] = [{}] if (spare or not kept) and len(kept) < MOST_ROWS else []
    entries = tuple(
        tuple(
            _input(
                field,
                f"{part.name}-{number}-{field.name}",
                get(entry, field.key),
                _about(problems, f"{part.key}[{number}].{field.key}"),
            )
            for field in part.fields
        )
        for number, entry in enumerate([*kept, *blank])
    )
    told = {words for row in entries for one in row for words in one.problems}
    own = tuple(p.expected for p in problems if _under(p.where, part.key) and p.expected not in told)
    return InputRows(part, entries, own)


def _input(field: Field, name: str, value: Any, problems: tuple[str, ...]) -> Input:
    if isinstance(value, list):
        said = [str(item) for item in value]
        ticked = frozenset(said) if field.kind is Kind.ticks else frozenset[str]()
        return Input(field, name, "\n".join(said), ticked, problems)
    if isinstance(value, bool):
        return Input(field, name, "yes" if value else "no", problems=problems)
    text = "" if value is None or isinstance(value, Mapping) else str(value)
    if field.kind in {Kind.first, Kind.last}:
        text = _day_of(text)
    return Input(field, name, text, problems=problems)


def _day_of(text: str) -> str:
    """The day of a moment; what is none stays as it was typed."""
    day = text.partition("T")[0]
    try:
        date.fromisoformat(day)
    except ValueError:
        return text
    return day


def _about(problems: Sequence[Problem], key: str) -> tuple[str, ...]:
    return tuple(problem.expected for problem in problems if _under(problem.where, key))


def _under(where: str, key: str) -> bool:
    return where == key or where.startswith((f"{key}.", f"{key}["))


def step_of(steps: Sequence[Step], problem: Problem) -> Step:
    """The step in which a problem is put right; the first, where it belongs to none."""
    return next((step for step in steps for part in step.parts if _under(problem.where, part.key)), steps[0])


def of_step(steps: Sequence[Step], step: Step, problems: Sequence[Problem]) -> list[Problem]:
    """The problems of one step."""
    return [problem for problem in problems if step_of(steps, problem) is step]


DUE = "fill this in"
_MISSING = frozenset({"this key is required", "at least 1 characters are due here", "words are due here"})


def placed(steps: Sequence[Step], problems: Sequence[Problem]) -> list[Problem]:
    """The problems as a form tells them: what lacks all its parts is told at the first of them.

    A rule about the whole begins with the key that it is about: `ends must lie after starts`.
    """
    found = []
    keys = {part.key for step in steps for part in step.parts}
    for problem in problems:
        where = next((key for step in steps for part in step.parts if (key := _first(part, problem.where))), "")
        if not problem.where and (named := problem.expected.split(" ", 1)[0].rstrip(":")) in keys:
            where = named
        said = DUE if problem.expected in _MISSING else problem.expected
        found.append(Problem(where=where or problem.where, expected=said))
    return found


def _first(part: Field | Rows, where: str) -> str:
    """The key of the field that a problem above it is told at; nothing where it is not above."""
    if isinstance(part, Field):
        return part.key if where and where != part.key and _under(part.key, where) else ""
    row = _ROW.match(where.removeprefix(part.key)) if _under(where, part.key) else None
    below = next((field.key for field in part.fields if row and field.key.startswith(f"{row[2]}.")), "")
    return f"{part.key}[{row[1]}].{below}" if row and below else ""


def told(steps: Sequence[Step], problems: Sequence[Problem]) -> list[Told]:
    """Every problem with its place, in the order of the form."""
    found = []
    for step in steps:
        placed = [(_place(step, problem), problem) for problem in of_step(steps, step, problems)]
        found += [Told(f"{label}: {p.expected}", step, anchor) for (_, label, anchor), p in sorted(placed, key=_order)]
    return found


def _order(placed: tuple[tuple[int, str, str], Problem]) -> int:
    return placed[0][0]


def _place(step: Step, problem: Problem) -> tuple[int, str, str]:
    """Where in the step, what the field is called, the input's id."""
    for number, part in enumerate(step.parts):
        if not _under(problem.where, part.key):
            continue
        if isinstance(part, Field):
            return number, part.label, part.name
        return (number, *_in_row(part, problem.where.removeprefix(part.key)))
    return len(step.parts), problem.where or step.title, "step"


def _in_row(part: Rows, rest: str) -> tuple[str, str]:
    if (found := _ROW.match(rest)) is not None:
        for field in part.fields:
            if _under(found[2], field.key):
                return f"{part.one} {int(found[1]) + 1}, {field.label}", f"{part.name}-{found[1]}-{field.name}"
    return part.title, part.name
