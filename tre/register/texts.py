"""Text as XML can hold it."""

from __future__ import annotations

import re

_NO_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def for_xml(text: str) -> str:
    """A text without the characters that XML 1.0 has no place for."""
    return _NO_XML.sub("", text)
