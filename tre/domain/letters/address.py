"""What counts as an e-mail address here.

Guarantees: an address that passes is one word of printable ASCII without blanks, line breaks, quotes, brackets or
commas, so that it can stand in a header and in a command to a mail server and mean one recipient; its domain is a host
name with at least one dot, no number of the network. The lengths are those of RFC 5321: 64 before the sign, 254 in all.

Does not guarantee: that anybody reads what is sent there. Addresses that RFC 5321 allows and hardly anybody has (quoted
names, addresses of machines, other scripts without their ASCII form) are refused.

Threat: a second recipient or a header of somebody's own making, smuggled in through an address.
"""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, Field

from tre.domain.errors import Reason, TREError

LONGEST = 254
_LONGEST_LOCAL = 64
_LOCAL = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_LABEL = r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_DOMAIN = re.compile(rf"({_LABEL}\.)+{_LABEL}")


def check_address(text: str) -> str:
    """The address itself. Raises `TREError(BadInput)` for anything that is none, without repeating it."""
    local, _, domain = text.rpartition("@")
    fits = len(text) <= LONGEST and 0 < len(local) <= _LONGEST_LOCAL
    well_formed = fits and _LOCAL.fullmatch(local) and _DOMAIN.fullmatch(domain)
    if not well_formed or domain.rpartition(".")[2].isdigit():
        raise TREError(
            Reason.BadInput,
            "This is no e-mail address that letters can be sent to.",
            why="It has to be of the form name@host.example, in plain letters, at most 254 of them.",
            remedy="Correct it. A domain in another script has a plain form that begins with xn--.",
        )
    return text


def can_be_written_to(text: str) -> bool:
    """Whether a text is such an address."""
    try:
        check_address(text)
    except TREError:
        return False
    return True


def _address(text: str) -> str:
    if not can_be_written_to(text):
        msg = "an e-mail address is due here, for example name@example.org"
        raise ValueError(msg)
    return text


Address = Annotated[str, Field(max_length=LONGEST), AfterValidator(_address)]
"""An e-mail address as `check_address` wants it."""


def vouched_address(email: object, verified: object) -> str | None:
    """The address that an identity provider vouches for: only one that it says to have verified, with a truth value.

    Anything else gives none; nobody is kept from signing in by it.
    """
    if verified is True and isinstance(email, str) and can_be_written_to(email):
        return email
    return None
