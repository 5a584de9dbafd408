"""Forms of e-mail addresses and of names behind a title.

Guarantees: linear time on any text. Standard library only.

Does not guarantee: names without a title; who reads a closed vocabulary (`tre.slices.gate.words`) need not know them.
"""

from __future__ import annotations

import re

MAIL = re.compile(
    r"(?<![\w.%+\-])[A-Za-z0-9][A-Za-z0-9._%+\-]{0,63}@(?=[A-Za-z0-9])(?:[A-Za-z0-9\-]{1,63}\.){1,4}+[A-Za-z]{2,10}(?![\w\-])"
)
"""An e-mail address."""

TITLED_NAME = re.compile(
    r"\b(?:Mr|Mrs|Ms|Miss|Dr|Prof|Professor|Sir|Dame|Rev)\.?[ \u00a0]"
    r"(?:[A-Z]\.?[ \u00a0]?){0,3}"
    r"([A-Z][a-z\u00c0-\u024f]{1,30}(?:[-'\u2019 \u00a0][A-Z][a-z\u00c0-\u024f]{1,30})?)(?!\w)"
)
"""A title and a name; the group is the name."""
