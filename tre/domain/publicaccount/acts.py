"""What people do with an item of the public account: pure functions from one item to the next.

Guarantees: an act is done in the states that `ACTS` lists and in no other; a question is published only with an
answer; what is refused or taken down loses its words in the same step; a decision about a change comes after the last
day for comments; a correction says why.

Does not guarantee: who acts. `permissions` decides that.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from tre.domain.canonical import digest
from tre.domain.errors import Reason, TREError, passes
from tre.domain.model import parse_record
from tre.domain.publicaccount.models import (
    Body,
    Comment,
    Consultation,
    Enquiry,
    Incident,
    Item,
    Outcome,
    OutcomeType,
)
from tre.domain.publicaccount.policies import AccountPolicy
from tre.domain.publicaccount.states import (
    ITEM_TRANSITIONS,
    SHOWN_AT_ONCE,
    ItemKind,
    ItemState,
    RefusalClass,
)

_S = ItemState
_JUDGED = {"refuse": frozenset({_S.Waiting, _S.Published})}

ACTS: dict[ItemKind, dict[str, frozenset[ItemState]]] = {
    ItemKind.enquiry: {
        "answer": frozenset({_S.Waiting, _S.Answered, _S.Published}),
        "publish": frozenset({_S.Answered}),
        "refuse": frozenset({_S.Waiting, _S.Answered, _S.Published}),
    },
    ItemKind.comment: {"publish": frozenset({_S.Waiting}), "answer": frozenset({_S.Waiting, _S.Published}), **_JUDGED},
    ItemKind.outcome: {"publish": frozenset({_S.Waiting}), **_JUDGED},
    ItemKind.incident: {
        "correct": frozenset({_S.Open, _S.Resolved}),
        "resolve": frozenset({_S.Open}),
        "reopen": frozenset({_S.Resolved}),
    },
    ItemKind.complaint: {
        "acknowledge": frozenset({_S.Received}),
        "close": frozenset({_S.Received, _S.Acknowledged}),
    },
    ItemKind.consultation: {"decide": frozenset({_S.Open})},
}
"""In which states each act is done, by kind."""

_PUBLIC = frozenset({_S.Published, _S.Closed})


def check_act(item: Item, act: str, now: datetime) -> None:
    """An act fits the item as it is now. Raises `TREError(StateForbids)`."""
    if item.state not in ACTS[item.kind].get(act, frozenset()):
        raise TREError(
            Reason.StateForbids,
            f"This is not possible: {act}.",
            why=f"The {ITEM_TRANSITIONS[item.kind].kind} is in the state {item.state}.",
            remedy="Load the page again: somebody may have acted meanwhile.",
        )
    if act == "decide" and isinstance(item.body, Consultation) and now < item.body.closes_at:
        raise TREError(
            Reason.StateForbids,
            "It cannot be decided yet.",
            why="People may comment until the day that was announced.",
            remedy="Wait until then.",
        )


can_act = passes(check_act)


def is_public(item: Item) -> bool:
    """Whether anybody may read what an item says."""
    return item.kind in SHOWN_AT_ONCE or item.state in _PUBLIC


def begin(identifier: str, body: Body, about: str, policy: AccountPolicy, now: datetime) -> Item:
    """A new item. Raises `TREError(BadInput)` for a change whose time for comments is too short."""
    kind = ITEM_TRANSITIONS[body.kind]
    due = policy.first_due(body.kind, now)
    if isinstance(body, Consultation):
        _check_long_enough(body, policy, now)
        due = policy.first_due(body.kind, body.closes_at)
    values: dict[str, Any] = {"id": identifier, "state": kind.initial, "about": about, "body": body}
    return Item(**values, received_at=now, due_at=due, digest=digest([about, body.as_plain()]))


def _check_long_enough(body: Consultation, policy: AccountPolicy, now: datetime) -> None:
    least = policy.spec.clocks.consultation_at_least
    if body.closes_at < policy.after(now, least):
        raise TREError(
            Reason.BadInput,
            "The time for comments is too short.",
            why=f"People have at least {least} working days.",
            remedy="Choose a later day.",
        )


def answer(item: Item, reply: str, now: datetime) -> Item:
    """Write an answer, or write it anew; a published one is replaced in public."""
    check_act(item, "answer", now)
    body = _with(item, reply=_needed(reply, "Write an answer."))
    if item.kind is ItemKind.enquiry and item.state is _S.Waiting:
        return item.moved(_S.Answered, body=body)
    return item.changed(body=body)


def publish(item: Item, now: datetime) -> Item:
    """Let everybody read it."""
    check_act(item, "publish", now)
    return item.moved(_S.Published, closed_at=now, due_at=None)


def refuse(item: Item, why: RefusalClass, now: datetime) -> Item:
    """Do not publish it, or take it down; what it said is not kept."""
    check_act(item, "refuse", now)
    ended = {"closed_at": item.closed_at or now, "due_at": None}
    return item.moved(_S.Refused, refusal=why, body=_emptied(item), digest="", **ended)


def correct(item: Item, body: Incident, now: datetime) -> Item:
    """Replace an incident's text; the earlier one stays readable. Raises `TREError(BadInput)` without a reason."""
    check_act(item, "correct", now)
    _needed(body.correction, "Say what is corrected, and why.")
    return item.changed(body=body)


def resolve(item: Item, now: datetime) -> Item:
    """Everything that an incident needed is done."""
    check_act(item, "resolve", now)
    return item.moved(_S.Resolved, closed_at=now, due_at=None)


def reopen(item: Item, policy: AccountPolicy, now: datetime) -> Item:
    """Something more was found about an incident."""
    check_act(item, "reopen", now)
    return item.moved(_S.Open, closed_at=None, due_at=policy.first_due(item.kind, now))


def acknowledge(item: Item, policy: AccountPolicy, now: datetime) -> Item:
    """The person who complained was told that it came; the time to answer counts from its coming."""
    check_act(item, "acknowledge", now)
    due = policy.after(item.received_at, policy.spec.clocks.answer_complaint)
    return item.moved(_S.Acknowledged, acknowledged_at=now, due_at=due)


def close(item: Item, text: str, reply: str, now: datetime) -> Item:
    """A complaint is answered: what it was about and what came of it, in words that name nobody."""
    check_act(item, "close", now)
    _needed(text, "Say what the complaint was about, without naming anybody.")
    _needed(reply, "Say what came of it.")
    return item.moved(_S.Closed, body=_with(item, text=text, reply=reply), closed_at=now, due_at=None)


def decide(item: Item, reply: str, now: datetime) -> Item:
    """Say what was decided about a change, and why."""
    check_act(item, "decide", now)
    body = _with(item, reply=_needed(reply, "Say what was decided, and why."))
    return item.moved(_S.Decided, body=body, closed_at=now, due_at=None)


def check_takes_comments(item: Item, now: datetime) -> None:
    """A change is open for comment still. Raises `TREError(StateForbids)`."""
    if not isinstance(item.body, Consultation) or item.state is not _S.Open or now >= item.body.closes_at:
        raise TREError(Reason.StateForbids, "The time for comments is over.", remedy="Ask us a question instead.")


takes_comments = passes(check_takes_comments)


def _needed(text: str, what: str) -> str:
    if not text.strip():
        raise TREError(Reason.BadInput, "Words are missing.", why="The public reads them.", remedy=what)
    return text


def _with(item: Item, **changes: str) -> Body:
    """The body with other words. Raises `TREError(BadInput)` where they are too long."""
    body: Any = parse_record(type(item.body), {**dict(item.body), **changes}, source="The text")
    found: Body = body
    return found


def _emptied(item: Item) -> Body:
    if isinstance(item.body, Outcome):
        return Outcome(type=OutcomeType.nothing, text="")
    kind: type[Enquiry | Comment] = Comment if isinstance(item.body, Comment) else Enquiry
    return kind(text="")
