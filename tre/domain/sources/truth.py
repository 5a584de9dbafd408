"""What a source said last, folded from its answers and from what it told in between.

Guarantees: only a whole answer to a question of ours gives access; what is told in between takes away and never gives,
so no message, however often and in whatever order it comes, gives more than the newest answer. Folding is idempotent
and does not depend on order: an older answer changes nothing, a message that was here before the answer was asked for
changes nothing.

Does not guarantee: that the answer was true. It is as good as the connection that it came by.

Threat: messages that are repeated, held back, forged in their order, or lost on the way.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated

from pydantic import Field

from tre.domain.model import Record, UtcTime
from tre.domain.sources.policy import Foreign

Key = tuple[int, str]
"""What becomes one grant: an application and one of its resources."""


class Entitlement(Record):
    """One person's right to one resource, by one application, as the source states it."""

    application: Annotated[int, Field(ge=1, le=2**53)]
    resource: Foreign
    user: Foreign
    start: UtcTime
    end: UtcTime | None = None

    @property
    def key(self) -> Key:
        """The grant that it belongs to."""
        return self.application, self.resource

    def holds(self, now: datetime) -> bool:
        """Whether it has begun and has not ended; the end is exclusive."""
        return self.start <= now and (self.end is None or now < self.end)


class Withheld(Record):
    """What the source told to be over: of an application all, or one resource, or one person. `number` is the
    message's place among all that came in."""

    number: Annotated[int, Field(ge=1)]
    application: Annotated[int, Field(ge=1, le=2**53)]
    resource: Foreign | None = None
    user: Foreign | None = None

    def covers(self, one: Entitlement) -> bool:
        """Whether an entitlement is among what is over."""
        return (
            self.application == one.application
            and self.resource in {None, one.resource}
            and self.user in {None, one.user}
        )


class Answer(Record):
    """A whole answer: asked for at `asked_at`, when messages up to the number `after` had come in."""

    asked_at: UtcTime
    after: Annotated[int, Field(ge=0)]
    entitlements: tuple[Entitlement, ...] = ()


class Truth(Record):
    """The last answer, and what was told since it was asked for."""

    answer: Answer | None = None
    withheld: tuple[Withheld, ...] = ()


NOTHING = Truth()
"""Of a source that was never heard."""


def learned(truth: Truth, answer: Answer) -> Truth:
    """The truth after an answer; one that is not newer than the last changes nothing."""
    if truth.answer is not None and _order(answer) <= _order(truth.answer):
        return truth
    return Truth(answer=answer, withheld=tuple(one for one in truth.withheld if one.number > answer.after))


def told(truth: Truth, withheld: Withheld) -> Truth:
    """The truth after a message that something is over; one that the last answer took into account changes nothing."""
    if truth.answer is not None and withheld.number <= truth.answer.after:
        return truth
    known = {one.model_dump_json(): one for one in (*truth.withheld, withheld)}
    return Truth(answer=truth.answer, withheld=tuple(one for _, one in sorted(known.items(), key=_place)))


def allowed(truth: Truth, now: datetime) -> tuple[Entitlement, ...]:
    """What the source lets people do now."""
    stated = () if truth.answer is None else truth.answer.entitlements
    return tuple(one for one in stated if one.holds(now) and not is_withheld(truth, one))


def is_withheld(truth: Truth, one: Entitlement) -> bool:
    """Whether the source told that this is over, since it was asked."""
    return any(withheld.covers(one) for withheld in truth.withheld)


def states(truth: Truth) -> frozenset[Key]:
    """What the last answer states at all, begun, ended or withheld."""
    return frozenset(() if truth.answer is None else (one.key for one in truth.answer.entitlements))


def by_grant(entitlements: Iterable[Entitlement]) -> dict[Key, tuple[Entitlement, ...]]:
    """Entitlements by the grant that they belong to; of one person's two the one that ends first."""
    found: dict[Key, dict[str, Entitlement]] = {}
    for one in entitlements:
        people = found.setdefault(one.key, {})
        people[one.user] = min(people.get(one.user, one), one, key=_until)
    return {key: tuple(people[user] for user in sorted(people)) for key, people in sorted(found.items())}


def _order(answer: Answer) -> tuple[datetime, int, str]:
    """Two answers to questions of one moment are told apart by their content: the order they come in is none."""
    return answer.asked_at, answer.after, answer.model_dump_json()


def _place(item: tuple[str, Withheld]) -> tuple[int, str]:
    return item[1].number, item[0]


def _until(one: Entitlement) -> tuple[bool, datetime, datetime]:
    return (one.end is None, one.end or one.start, one.start)
