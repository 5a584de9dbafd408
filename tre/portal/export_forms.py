"""What the forms of the airlock's pages have in common: what was typed, and what was wrong with it.

Guarantees: a refused form comes back with everything that had been typed but a confirmation, and with the error above
it and at its field. Line ends are those of this system, so that the same words have the same bytes.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

from tre.domain.errors import Reason, TREError


@dataclass(frozen=True)
class Fault:
    """A form that was refused: which act, why, at which input, and what had been typed."""

    act: str
    error: TREError
    field: str
    typed: dict[str, str]

    def typed_in(self, act: str, name: str, kept: str = "") -> str:
        """What stood in a field of the form of this act, else what is on record."""
        return self.typed.get(name, kept) if self.act == act else kept


NOT_A_PAGE = frozenset({Reason.NotPermitted, Reason.ExportNotFound, Reason.GrantNotFound, Reason.NotAMember})
"""Refusals that say nothing about the form: they get a page of their own."""


def typed_text(form: dict[str, str], name: str) -> str:
    """A text of several lines, without control characters, which nothing shows."""
    text = form.get(name, "").replace("\r\n", "\n").replace("\r", "\n")
    return "".join(c for c in text if c in "\n\t" or unicodedata.category(c) != "Cc").strip()
