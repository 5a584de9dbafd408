"""Which files in quarantine somebody looks at, as an address says it: one way for pages and API.

Guarantees: an address leads back to what is looked at, at whichever page of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import Depends, Query

from tre.domain.quarantine import QuarantineState
from tre.store.quarantine import QuarantineSearch

ONE_LINE = r"^[^\x00-\x1f]*$"
"""What addresses may name: no server takes a text with a zero in it."""


@dataclass(frozen=True)
class Filter:
    """What is looked at, as an address says it."""

    state: Annotated[QuarantineState, Query()] = QuarantineState.waiting
    rule: Annotated[str, Query(max_length=40, pattern=ONE_LINE)] = ""
    attribute: Annotated[str, Query(max_length=400, pattern=ONE_LINE)] = ""
    first: Annotated[int, Query(ge=0, le=10**9)] = 0

    def search(self, dataset: str) -> QuarantineSearch:
        """The same for the record."""
        return QuarantineSearch(dataset, self.state, self.rule, self.attribute)

    def address(self, dataset: str, act: str = "", **changes: Any) -> str:
        """The page that shows this, or something else of it; where to send a form of it."""
        values = {"state": self.state.value, "rule": self.rule, "attribute": self.attribute, "first": self.first}
        kept = {key: value for key, value in (values | changes).items() if value and value != QuarantineState.waiting}
        return f"/quarantine/{dataset}{act}" + (f"?{urlencode(kept)}" if kept else "")


Asked = Annotated[Filter, Depends()]
