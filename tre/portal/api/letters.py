"""`/api/v1/account/letters`: how the launcher writes to the person who asks, and nobody else.

Guarantees: the same functions as behind the page. `allowedActions` holds `choose` where there is anything to choose.
"""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Depends

from tre.domain.letters.address import Address
from tre.domain.letters.models import Pace
from tre.domain.model import Record
from tre.portal import letter_actions as do
from tre.portal.context import Desk
from tre.portal.errors import responses
from tre.portal.sessions import CurrentDesk, CurrentVisitor, Visitor, checked_header

router = APIRouter(prefix="/api/v1/account/letters", responses=responses(401, 403, 422))
CHANGES: dict[str, Any] = {"dependencies": [Depends(checked_header)], "responses": responses(400, 409)}


class LettersRequest(Record):
    """How letters are wanted."""

    pace: Pace


class LettersAnswer(Record):
    """The person's own address, how they want letters, and how many did not arrive so far."""

    address: Address | None
    pace: Pace
    not_arrived: int
    sent_here: bool
    allowed_actions: list[str]


def _answer(desk: Desk, who: Visitor) -> LettersAnswer:
    found = do.own_letters(desk, who.person)
    return LettersAnswer(
        address=found.correspondent.address,
        pace=found.correspondent.pace,
        not_arrived=found.in_vain,
        sent_here=found.sends,
        allowed_actions=["choose"] if found.can_choose else [],
    )


@router.get("")
def get_letters(desk: CurrentDesk, who: CurrentVisitor) -> LettersAnswer:
    """How the launcher writes to you."""
    return _answer(desk, who)


@router.put("", **CHANGES)
def choose(desk: CurrentDesk, who: CurrentVisitor, body: LettersRequest) -> LettersAnswer:
    """Say how you want letters."""
    do.choose(desk, who.person, body.pace.value)
    return _answer(desk, who)
