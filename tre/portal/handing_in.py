"""How the public pages hand a stranger's text to the portal: they write nothing themselves.

Guarantees: the portal's refusal comes back in its own words; anything else that goes wrong is told as one sentence, and
nothing was kept then that the person does not learn of.

Threat: a public process that can write, or that shows a stranger what the portal says of itself.
"""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from tre.domain.errors import Reason, TREError
from tre.domain.publicaccount.states import ItemKind
from tre.portal.context import Portal
from tre.portal.intake import PATH, Taken, checked_text
from tre.system.local_http import Answer, ask

SOCKET = "portal-intake"
_TOLD = frozenset({Reason.BadInput, Reason.ObjectNotFound, Reason.StateForbids, Reason.RateLimited})


async def hand_in(portal: Portal, kind: ItemKind, text: str, address: str, about: str = "") -> str:
    """Hand a text in; return the name under which it is kept.

    Raises `TREError(BadInput | ObjectNotFound | StateForbids | RateLimited | ServiceUnavailable)`.
    """
    body = {"kind": kind.value, "about": about, "text": checked_text(text), "address": address}
    try:
        answer = await ask(portal.layout.socket(SOCKET), "POST", PATH, body=body)
    except TREError as error:
        raise _unavailable() from error
    if answer.status != 200:
        raise _refusal(answer)
    try:
        return Taken.model_validate(answer.value).id
    except ValidationError as error:
        raise _unavailable() from error


def _refusal(answer: Answer) -> TREError:
    said: dict[str, Any] = answer.value if isinstance(answer.value, dict) else {}
    reason = next((one for one in _TOLD if one.value == said.get("reason")), None)
    if reason is None:
        return _unavailable()
    return TREError(reason, str(said.get("what")), why=str(said.get("why")), remedy=str(said.get("remedy")))


def _unavailable() -> TREError:
    return TREError(
        Reason.ServiceUnavailable,
        "Your text could not be kept.",
        why="A part of this service does not answer.",
        remedy="Keep your text, and send it again later.",
    )
