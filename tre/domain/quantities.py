"""Amounts as people write them: `20Mi`, `2Gi`, `20Mi/h`.

Guarantees: one meaning for each spelling (Kubernetes' binary suffixes), whole bytes, no negative amounts, and the
same spelling back for what came in as a round amount.
"""

from __future__ import annotations

import re

from tre.domain.errors import Reason, TREError

_SUFFIXES = {"": 1, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}
_AMOUNT = re.compile(r"([0-9]{1,15})(Ki|Mi|Gi|Ti)?")


def parse_bytes(text: str) -> int:
    """Bytes from `4096`, `20Mi`, `2Gi`.

    Raises `TREError(BadInput)` for anything else, decimal suffixes included: `2G` and `2Gi` differ by 7 %, and a
    limit that is guessed is no limit.
    """
    found = _AMOUNT.fullmatch(text)
    if found is None:
        raise TREError(
            Reason.BadInput,
            f"{text!r} is not an amount of bytes.",
            remedy="Write for example 512Mi or 2Gi.",
        )
    return int(found[1]) * _SUFFIXES[found[2] or ""]


def is_amount(text: str) -> str:
    """The text itself, for pydantic's `AfterValidator`. Raises `ValueError` unless it is an amount of bytes."""
    try:
        parse_bytes(text)
    except TREError as error:
        raise ValueError(str(error)) from error
    return text


def format_bytes(amount: int) -> str:
    """The shortest exact spelling of an amount: `20Mi`, or plain bytes where no suffix divides it."""
    for suffix in ("Ti", "Gi", "Mi", "Ki"):
        if amount and amount % _SUFFIXES[suffix] == 0:
            return f"{amount // _SUFFIXES[suffix]}{suffix}"
    return str(amount)


def parse_hourly_bytes(text: str) -> int:
    """Bytes an hour from `20Mi/h`."""
    amount, slash, unit = text.partition("/")
    if (slash, unit) != ("/", "h"):
        raise TREError(Reason.BadInput, f"{text!r} is not a budget.", remedy="Write for example 20Mi/h.")
    return parse_bytes(amount)
