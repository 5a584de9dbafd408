"""What the public pages hand in, on a socket that only they reach.

Guarantees: here strangers' texts become questions and comments and nothing else: no sign-in, no person, no other
change can be asked for, so that a public process that was taken over can add to the queue and no more. A text is
bounded and plain; how much one address, and everybody together, may send is counted in the record, in the transaction
that keeps the text; the same text within a day is taken once.

Does not guarantee: that an address is a person. Addresses are forgotten after a quarter of an hour, with the next
sign-in or question.

Threat: a flood that hides real questions; a form that is sent twice; a public process that pretends to be the Hub.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Literal

from fastapi import APIRouter
from pydantic import Field
from sqlalchemy import Connection

from tre.domain.canonical import digest
from tre.domain.desk.attempts import WINDOW, address_key, retry_after
from tre.domain.errors import Reason, TREError
from tre.domain.events import program
from tre.domain.model import Line, Record
from tre.domain.publicaccount.acts import begin, check_takes_comments
from tre.domain.publicaccount.models import ITEM_ID, LONGEST_QUESTION, Comment, Enquiry, as_paragraphs
from tre.domain.publicaccount.policies import Limits, check_room
from tre.domain.publicaccount.states import ItemKind
from tre.portal.context import Desk
from tre.portal.sessions import CurrentDesk
from tre.store import people
from tre.store import publicaccount as store

router = APIRouter()
PATH = "/intake"
THE_PUBLIC = program("public")
"""Who events of questions and comments name: the process, since nobody else is known."""

SAME_WITHIN = timedelta(days=1)
_EVERYBODY = "account/everybody"


class Handed(Record):
    """What a stranger typed, and where it came from; `about` is the change that a comment is on."""

    kind: Literal[ItemKind.enquiry, ItemKind.comment]
    about: Annotated[str, Field(max_length=20, pattern=f"^({ITEM_ID})?$")] = ""
    text: Annotated[str, Field(min_length=1, max_length=4 * LONGEST_QUESTION)]
    address: Annotated[Line, Field(max_length=100)]


class Taken(Record):
    """Under which name it is kept."""

    id: Annotated[str, Field(pattern=f"^{ITEM_ID}$")]


@router.post(PATH)
def take(body: Handed, desk: CurrentDesk) -> Taken:
    """Keep a question or a comment until the team has read it: 200, 400, 404, 409 or 429."""
    return Taken(id=take_in(desk, body))


def take_in(desk: Desk, handed: Handed) -> str:
    """Keep it; return its name.

    Raises `TREError(BadInput | ObjectNotFound | StateForbids | RateLimited)`.
    """
    text, now = checked_text(handed.text), desk.clock.now()
    body = Comment(text=text) if handed.kind is ItemKind.comment else Enquiry(text=text)
    item = begin(store.new_item_id(handed.kind), body, handed.about, desk.account, now)
    with desk.database.read() as connection:
        if handed.kind is ItemKind.comment:
            check_takes_comments(store.get(connection, handed.about, [ItemKind.consultation]), now)
        known = store.same_text(connection, digest([handed.about, body.as_plain()]), now - SAME_WITHIN)
        _check_limits(connection, desk.account.spec.limits, handed.address, now)
    if known is not None:
        return known
    with desk.database.change(store.event_of("asked", item, THE_PUBLIC, now)) as change:
        _check_limits(change.connection, desk.account.spec.limits, handed.address, now)
        check_room(store.strangers_waiting(change.connection))
        people.tidy(change, now, attempts_before=now - WINDOW)
        people.count_attempt(change, (_key(handed.address), _EVERYBODY), now)
        store.create(change, item)
    return item.id


def checked_text(text: str) -> str:
    """The text as it is kept. Raises `TREError(BadInput)` where nothing is left of it, or too much."""
    plain = str(as_paragraphs(text))
    if not plain:
        raise TREError(Reason.BadInput, "Nothing was typed.", remedy="Write your question.")
    if len(plain) > LONGEST_QUESTION:
        raise TREError(
            Reason.BadInput,
            f"This is longer than {LONGEST_QUESTION:,} characters.",
            why=f"It has {len(plain):,}.",
            remedy="Make it shorter, or send two.",
        )
    return plain


def _key(address: str) -> str:
    return f"account/{address_key(address)}"


def _check_limits(connection: Connection, limits: Limits, address: str, now: datetime) -> None:
    """Raise `TREError(RateLimited)` over a limit."""
    for key, most in ((_key(address), limits.by_address), (_EVERYBODY, limits.in_total)):
        if (wait := retry_after(people.attempts_since(connection, key, now - WINDOW), most, now)) is not None:
            raise TREError(
                Reason.RateLimited,
                "Too much was sent in a short time.",
                why="We take so much within a quarter of an hour, so that people can read it all.",
                remedy=f"Wait {-(-wait // 60)} minutes, then send it again.",
            )
