"""How much a finding weighs: the four letters of the catalogue.

Guarantees: nothing but the vocabulary; what each letter does to a request is decided in `policies`.
"""

from __future__ import annotations

from enum import StrEnum


class Severity(StrEnum):
    """What a finding does: B blocks whatever people say, E needs an exception with a reason from each checker,
    A must be acknowledged by each checker, I informs."""

    B = "B"
    E = "E"
    A = "A"
    I = "I"  # noqa: E741 - the catalogue's own letter
