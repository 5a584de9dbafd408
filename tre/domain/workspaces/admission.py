"""Who may start now, who waits and for how long, and what a project may hold at once.

Guarantees: whatever lives or is about to live fits the room, each kind of thing counted by itself; of those who wait
the first one is served first, and nobody small overtakes somebody large who waits; a restart keeps its place; among
projects the one with the fewest live workspaces comes first, then whoever has waited longest; who has waited for
`PATIENCE` is overtaken by nobody who came later. The order follows from the record alone, so it is the same after any
crash. What could never fit, and what a project's quota forbids, is refused at once and does not wait.

Does not guarantee: when room comes. `room_by` says by when enough of what lives now will have ended by itself;
people stop earlier, and nobody can know when.

Threat: one project that takes a whole machine; a large workspace that never starts because small ones always fit.
"""

from __future__ import annotations

import heapq
from collections import Counter, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, NamedTuple

from pydantic import Field

from tre.domain.errors import Reason, TREError, passes
from tre.domain.model import Record
from tre.domain.quantities import format_bytes
from tre.domain.workspaces.models import Limits

PATIENCE = timedelta(minutes=15)
"""After so long nobody who came later goes first, however little their project holds."""

_Most = Annotated[int, Field(ge=0)]


class Amounts(NamedTuple):
    """What a workspace reserves for as long as it lives, or several together."""

    memory: int = 0
    cpu_millis: int = 0
    processes: int = 0
    gpus: int = 0

    @classmethod
    def of(cls, limits: Limits) -> Amounts:
        """All that its limits allow: memory cannot be taken back, so all of it counts from the beginning."""
        return cls(limits.memory_bytes, limits.cpu_millis, limits.processes, limits.gpus)

    def with_(self, other: Amounts) -> Amounts:
        """Both together."""
        return Amounts(*(mine + theirs for mine, theirs in zip(self, other, strict=True)))

    def without(self, other: Amounts) -> Amounts:
        """What is left when something has ended."""
        return Amounts(*(mine - theirs for mine, theirs in zip(self, other, strict=True)))


class Room(Record):
    """How much may be reserved in all; what is absent is not counted."""

    memory: _Most | None = None
    cpu_millis: _Most | None = None
    processes: _Most | None = None
    gpus: _Most | None = None

    def lacks(self, amounts: Amounts) -> tuple[str, ...]:
        """Of what there is too little for these amounts."""
        most = (self.memory, self.cpu_millis, self.processes, self.gpus)
        return tuple(
            kind
            for kind, limit, asked in zip(Amounts._fields, most, amounts, strict=True)
            if limit is not None and asked > limit
        )

    @property
    def is_bounded(self) -> bool:
        """Whether anything is counted at all."""
        return self != Room()


class Quota(Room):
    """What the live workspaces of one grant may hold together, and how many they may be."""

    workspaces: Annotated[int, Field(ge=1)] | None = None

    def narrowed(self, workspaces: int | None) -> Quota:
        """With the number that a grant itself sets, where that is lower: a grant may not raise it."""
        numbers = [number for number in (self.workspaces, workspaces) if number is not None]
        return self.model_copy(update={"workspaces": min(numbers, default=None)})


class Live(NamedTuple):
    """A workspace of which something may be alive: what it reserves, and when its run ends by itself."""

    workspace: str
    grant: str
    holds: Amounts
    ends: datetime


class Waiting(NamedTuple):
    """A workspace that is wanted and waits for room; `restarts` where its earlier run ended for this one."""

    workspace: str
    grant: str
    needs: Amounts
    since: datetime
    restarts: bool = False


class Place(NamedTuple):
    """Where somebody stands in the queue, from 1, of how many, since when.

    `room_by`: when enough of what lives now will have ended by itself for all up to this place; `None` where that is
    not enough.
    """

    position: int
    of: int
    since: datetime
    room_by: datetime | None


@dataclass(frozen=True)
class Scene:
    """One moment: how much room there is, what lives, who waits."""

    room: Room
    live: Sequence[Live]
    waiting: Sequence[Waiting]
    now: datetime


def in_order(scene: Scene) -> list[Waiting]:
    """Those who wait, the next to start first.

    Whoever is ahead in the queue counts as live for their project, so projects take turns.
    """
    first = [one for one in scene.waiting if one.restarts or scene.now - one.since >= PATIENCE]
    rest = [one for one in scene.waiting if not (one.restarts or scene.now - one.since >= PATIENCE)]
    ordered = sorted(first, key=lambda one: (not one.restarts, one.since, one.workspace))
    held = Counter([*(one.grant for one in scene.live), *(one.grant for one in ordered)])
    return ordered + _in_turns(rest, held)


def _in_turns(waiting: Iterable[Waiting], held: Counter[str]) -> list[Waiting]:
    lines: dict[str, deque[Waiting]] = {}
    for one in sorted(waiting, key=_age):
        lines.setdefault(one.grant, deque()).append(one)
    turns = [(held[grant], _age(line[0]), grant) for grant, line in lines.items()]
    heapq.heapify(turns)
    found = []
    while turns:
        holds, _, grant = heapq.heappop(turns)
        found.append(lines[grant].popleft())
        if lines[grant]:
            heapq.heappush(turns, (holds + 1, _age(lines[grant][0]), grant))
    return found


def _age(one: Waiting) -> tuple[datetime, str]:
    return one.since, one.workspace


def may_start(scene: Scene, workspace: str) -> bool:
    """Whether a workspace among those who wait is the first of them, and fits beside what lives."""
    ordered = in_order(scene)
    if not ordered or ordered[0].workspace != workspace:
        return False
    return not scene.room.lacks(_held(scene.live).with_(ordered[0].needs))


def next_to_start(scene: Scene) -> str | None:
    """Who should be looked at: the first of those who wait, where there is room for it."""
    first = next(iter(in_order(scene)), None)
    return first.workspace if first is not None and may_start(scene, first.workspace) else None


def places(scene: Scene) -> dict[str, Place]:
    """Where everybody who waits stands."""
    ordered = in_order(scene)
    ends = deque(sorted(scene.live, key=lambda one: one.ends))
    held, by, found = _held(scene.live), scene.now, {}
    for position, one in enumerate(ordered, start=1):
        held = held.with_(one.needs)
        while scene.room.lacks(held) and ends:
            ended = ends.popleft()
            held, by = held.without(ended.holds), max(by, ended.ends)
        known = None if scene.room.lacks(held) else by
        found[one.workspace] = Place(position, len(ordered), one.since, known)
    return found


def _held(live: Iterable[Live]) -> Amounts:
    total = Amounts()
    for one in live:
        total = total.with_(one.holds)
    return total


def check_gpus(room: Room, needs: Amounts) -> None:
    """Raise `TREError(GpuMissing)` for a size with GPUs where there are none for workspaces."""
    if needs.gpus and room.gpus == 0:
        raise TREError(
            Reason.GpuMissing,
            "This size of workspace has a GPU, and this machine has none for workspaces.",
            why="No device of those that its settings name is there, or they name none.",
            remedy="An operator names them under gpu.devices in tre.yaml, or the grant uses another profile.",
        )


def check_could_fit(room: Room, needs: Amounts) -> None:
    """Raise `TREError(LargerThanMachine)` for what would not fit if nothing else lived: it would wait for ever."""
    if lacking := room.lacks(needs):
        raise TREError(
            Reason.LargerThanMachine,
            f"This size of workspace is larger than everything there is for workspaces here: {_listed(lacking)}.",
            why=f"It reserves {_amounts(lacking, needs)}; there is {_room(lacking, room)}.",
            remedy="An operator makes the profile smaller, or raises capacity in tre.yaml.",
        )


def check_quota(quota: Quota, held: Sequence[Amounts], needs: Amounts) -> None:
    """Raise `TREError(QuotaReached)` where a project would hold more than it may.

    `held`: what each of its other workspaces holds that live or stand in the queue before this one.
    """
    if quota.workspaces is not None and len(held) >= quota.workspaces:
        many = "1 workspace" if quota.workspaces == 1 else f"{quota.workspaces} workspaces"
        raise TREError(
            Reason.QuotaReached,
            f"This project may have {many} open at once.",
            why=f"{len(held)} of it {'is' if len(held) == 1 else 'are'} open or in the queue.",
            remedy=_WAIT_FOR_COLLEAGUES,
        )
    total = needs
    for one in held:
        total = total.with_(one)
    if lacking := quota.lacks(total):
        raise TREError(
            Reason.QuotaReached,
            f"This project would hold more than it may: {_listed(lacking)}.",
            why=f"It would reserve {_amounts(lacking, total)}; the most is {_room(lacking, quota)}.",
            remedy=_WAIT_FOR_COLLEAGUES,
        )


def check_age(built: datetime | None, now: datetime, most_days: int) -> None:
    """Raise `TREError(SetupIncomplete)` where the programs of workspaces were made longer ago than the site allows."""
    if built is not None and now - built <= timedelta(days=most_days):
        return
    when = "it is not known when" if built is None else f"on {built:%Y-%m-%d}"
    raise TREError(
        Reason.SetupIncomplete,
        "The programs of workspaces are too old for new starts.",
        why=f"They were made ({when}); {most_days} days are the most that this site allows.",
        remedy="An operator brings the pins up to date and makes the environment anew (docs/supply.md).",
    )


can_have_gpus = passes(check_gpus)
can_ever_fit = passes(check_could_fit)
keeps_quota = passes(check_quota)

_WAIT_FOR_COLLEAGUES = "Open it when somebody of the project has stopped theirs, or ask an operator for more."
_WORDS = {"memory": "memory", "cpu_millis": "processor", "processes": "processes", "gpus": "GPUs"}


def _listed(kinds: Iterable[str]) -> str:
    return ", ".join(_WORDS[kind] for kind in kinds)


def _amounts(kinds: Iterable[str], amounts: Amounts) -> str:
    return ", ".join(_words(kind, amounts[Amounts._fields.index(kind)]) for kind in kinds)


def _room(kinds: Iterable[str], room: Room) -> str:
    return ", ".join(_words(kind, getattr(room, kind)) for kind in kinds)


def _words(kind: str, amount: int) -> str:
    if kind == "memory":
        return f"{format_bytes(amount)} of memory"
    if kind == "cpu_millis":
        return f"{amount / 1000:g} cores"
    return f"{amount} {_WORDS[kind]}"
