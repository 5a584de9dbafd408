"""A decision's record with its signature, as it is kept, shown and sent.

Does not guarantee: that the signature holds; `tre.sources.decisions` checks it.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from tre.domain.committee.decision import DecisionRecord
from tre.domain.model import Line, Record


class SignedDecision(Record):
    """The record, the name of the key, and the signature over the record's digest."""

    record: DecisionRecord
    key: Annotated[Line, Field(max_length=100)]
    signature: Annotated[str, Field(pattern=r"^[A-Za-z0-9+/]{86}==$")]
