"""Files that wait for a person: what is known of them, and the decision.

Guarantees: a file waits until somebody decides, with a reason; a decision speaks of exactly the reasons that the file
waited for, so that a rule which is broken later makes it wait again; who decided and when stays on record. A refused
file never gets here. There is one event for a decision, whoever makes it and wherever: it names the digest over all
files that it speaks of.

Does not guarantee: that anything happens when a file has waited for too long. It is shown as late.

Threat: a backlog that is waved through as a whole: a decision names the files that it saw, and, where it was made on a
page, what they waited for when the page was made.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from tre.domain.canonical import digest
from tre.domain.errors import Reason, TREError
from tre.domain.events import Event
from tre.domain.gate import GateReason
from tre.domain.model import Line, Record, UtcTime, parse_record
from tre.domain.people import Subject
from tre.domain.slices.spec import ResourceName
from tre.domain.withdrawals import Pseudonym

LONGEST_REASON = 1000
LONGEST_PATH = 4000
LOOKED_AT_WITHIN = timedelta(days=14)
"""How long a file may wait before it is late: deliveries come every few weeks, and the next one takes it in."""


_MARK = 16
"""Signs of a mark: 64 bits, compared for one file that is named beside it."""


class QuarantineState(StrEnum):
    """Where a file stands. A released one is taken by the next addition that brings it; a rejected one is refused."""

    waiting = "waiting"
    released = "released"
    rejected = "rejected"


class _Why(Record):
    reason: Annotated[Line, Field(min_length=1, max_length=LONGEST_REASON)]


class Kept(Record):
    """A reason as it is kept."""

    rule: Line
    attribute: Line = ""
    message: Line

    @property
    def key(self) -> tuple[str, str]:
        """The rule at the attribute."""
        return self.rule, self.attribute


def kept(reasons: tuple[GateReason, ...]) -> tuple[Kept, ...]:
    """Reasons of the gate as a record holds them."""
    return tuple(Kept(**reason.as_plain()) for reason in reasons)


class QuarantinedFile(Record):
    """One file of a dataset, named by its content."""

    dataset: ResourceName
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    pseudonym: Pseudonym
    path: Annotated[Line, Field(max_length=LONGEST_PATH)]
    """Where it stood in the delivery that brought it last."""

    kind: Annotated[Line, Field(pattern=r"^(image|sidecar|clinical)$")]
    bytes: Annotated[int, Field(ge=0)]
    reasons: Annotated[tuple[Kept, ...], Field(min_length=1)]
    found_at: UtcTime
    state: QuarantineState = QuarantineState.waiting
    decided_by: Subject | None = None
    decided_at: UtcTime | None = None
    reason: Annotated[Line, Field(max_length=LONGEST_REASON)] = ""

    @property
    def keys(self) -> frozenset[tuple[str, str]]:
        """What it waits for."""
        return frozenset(one.key for one in self.reasons)

    @property
    def mark(self) -> str:
        """What a page saw of it: another one where it waits for something else."""
        return digest([self.sha256, sorted(list(key) for key in self.keys)]).removeprefix("sha256:")[:_MARK]

    @property
    def due_at(self) -> datetime:
        """Until when somebody should have decided."""
        return self.found_at + LOOKED_AT_WITHIN

    def is_late(self, now: datetime) -> bool:
        """Whether it has waited for too long."""
        return self.state is QuarantineState.waiting and now >= self.due_at

    def lets_in(self, reasons: tuple[GateReason, ...]) -> bool:
        """Whether the decision covers all that is found now."""
        return self.state is QuarantineState.released and {one.key for one in reasons} <= self.keys


@dataclass(frozen=True)
class Decision:
    """What somebody decided, and why."""

    state: QuarantineState
    by: Subject
    at: datetime
    reason: str


def decide(file: QuarantinedFile, decision: Decision) -> QuarantinedFile:
    """The file with a decision. Raises `TREError(BadInput)` without a reason, `TREError(StateForbids)` if decided."""
    reason = check_reason(decision)
    if file.state is not QuarantineState.waiting:
        raise TREError(
            Reason.StateForbids,
            f"The file {file.sha256[:12]} was decided already: {file.state.value}.",
            why="A decision stays on record as it was made.",
            remedy="A file that is found with other reasons waits again by itself.",
        )
    update = {"state": decision.state, "decided_by": decision.by, "decided_at": decision.at, "reason": reason}
    return QuarantinedFile.model_validate(file.model_dump() | update)


def check_reason(decision: Decision) -> str:
    """The reason as it is kept. Raises `TREError(BadInput)` without one, and where nothing is decided."""
    reason = decision.reason.strip()
    if decision.state is QuarantineState.waiting or not 1 <= len(reason) <= LONGEST_REASON:
        raise TREError(
            Reason.BadInput,
            "A decision needs a reason.",
            why=f"It is kept with the decision, in 1 to {LONGEST_REASON} signs.",
            remedy="Say why the file may come in, or why it may not.",
        )
    return parse_record(_Why, {"reason": reason}, source="the reason").reason


def check_seen(file: QuarantinedFile, mark: str) -> None:
    """What somebody saw of a file is what it waits for now. Raises `TREError(Conflict)`."""
    if file.mark != mark:
        raise TREError(
            Reason.Conflict,
            f"The file {file.sha256[:12]} was found again in the meantime, with other reasons.",
            why="You decide about the reasons that you saw.",
            remedy="Load the page again and look at what it waits for now.",
        )


def decision_event(dataset: str, digests: Iterable[str], decision: Decision, identifier: str) -> Event:
    """The one event of a decision about these files of a dataset.

    Raises `TREError(ObjectNotFound)` where none is named, and as `check_reason`.
    """
    named = sorted(set(digests))
    if not named:
        raise TREError(
            Reason.ObjectNotFound,
            f"No such file of {dataset!r} waits in quarantine.",
            why="None was named, or all that were are decided.",
            remedy="See `tre dataset quarantine`.",
        )
    detail = {"files": len(named), "digest": digest(named), "reason": check_reason(decision)}
    return Event(
        id=identifier,
        at=decision.at,
        actor=decision.by,
        kind=f"quarantine.{decision.state.value}",
        object=f"dataset/{dataset}",
        detail=detail,
    )
