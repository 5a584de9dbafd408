"""What somebody wants to see of a file: which leaf, or one table in another order, with fewer columns or rows.

Guarantees: an address that makes no sense shows the beginning, never an error: what it says is only which part of the
same content is shown, and everything in it is bounded.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from urllib.parse import urlencode

from starlette.datastructures import QueryParams

MOST_HIDDEN = 500
LONGEST_SEARCH = 100
_WHOLE = re.compile(r"-?[0-9]{1,6}")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Asked:
    """`table` is the card of the table that is looked at by itself, from 1, 0 for the file as it is. `sort` is a
    column from 1, negative for the largest first; `hide` are columns from 1; `span` is which fifty of the columns."""

    page: int = 1
    table: int = 0
    sort: int = 0
    hide: frozenset[int] = frozenset()
    find: str = ""
    span: int = 1
    against: str = ""

    @classmethod
    def of(cls, query: QueryParams) -> Asked:
        """From an address."""
        against = query.get("against", "")
        return cls(
            page=max(_number(query.get("page", "")), 1),
            table=max(_number(query.get("table", "")), 0),
            sort=_number(query.get("sort", "")),
            hide=frozenset(_number(value) for value in query.getlist("hide")[:MOST_HIDDEN]) - {0},
            find=query.get("find", "").strip()[:LONGEST_SEARCH],
            span=max(_number(query.get("span", "")), 1),
            against=against if _SHA256.fullmatch(against) else "",
        )

    def link(self, fragment: str = "content", **changes: object) -> str:
        """The address of this look with some of it changed, relative to the page; never an empty question mark, which
        the gateway takes for no exact spelling."""
        other = replace(self, **changes)  # type: ignore[arg-type]
        plain = [("page", other.page), ("table", other.table), ("sort", other.sort), ("span", other.span)]
        usual = {"table": 0, "sort": 0, "span": 1}
        pairs: list[tuple[str, object]] = [(name, value) for name, value in plain if value != usual.get(name)]
        pairs += [("hide", column) for column in sorted(other.hide)]
        pairs += [(name, value) for name, value in (("find", other.find), ("against", other.against)) if value]
        return f"?{urlencode(pairs)}#{fragment}"

    @property
    def as_it_is(self) -> bool:
        """Whether the file is looked at in its own order, whole: only that counts as having seen it."""
        return self.table == 0


def _number(text: str) -> int:
    return int(text) if _WHOLE.fullmatch(text) else 0
