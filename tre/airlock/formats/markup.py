"""HTML as tokens: a strict, linear tokenizer that refuses what two programs would read differently. Standard library.

Guarantees: texts, comments, tags with quoted or plain attributes, in the one reading that the HTML standard gives
them; anything that would need a browser's repair (a tag that is not closed, an attribute twice, a marked section, a
comment that ends in another way than `-->`) is refused. Depth and number of tags are bounded.

Does not guarantee: that elements are nested as the standard wants them; `formats.html` asks a second reader.

Threats: markup that a checker's program takes for a comment and a browser for a script. Source: HTML Living Standard,
section 13.2.5 (tokenization).
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import NamedTuple, NoReturn

from tre.airlock.parsed import FileRefusedError, Observation, Place, quoted

# No group is repeated possessively: interpreters before 3.11.5 mismatch such groups where they hold alternatives.
# Each repetition below begins with what its inside cannot hold, so that giving back never helps and time is linear.
_TAG = re.compile(
    r"<(?P<name>[a-zA-Z][a-zA-Z0-9:-]*)(?P<attributes>(?:\s+[^\s\"'<>/=]+(?:\s*=\s*(?:\"[^\"]*\"|'[^']*'|"
    r"[^\s\"'<>=`]+))?)*)\s*(?P<closed>/?)>"
)
_ATTRIBUTE = re.compile(r"([^\s\"'<>/=]+)(?:\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|([^\s\"'<>=`]+)))?")
_END = re.compile(r"</([a-zA-Z][a-zA-Z0-9:-]*)\s*>")
_DOCTYPE = re.compile(r"<!doctype\s+html[^<>\[]{0,200}>", re.IGNORECASE)
_LONE = re.compile(r"<(?![a-zA-Z/!?])")
_FIRST_OF_MARKUP = re.compile(r"<[a-zA-Z/!?]")

VOID = frozenset(
    ("area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track", "wbr")
)
RAW = frozenset({"script", "style", "title", "textarea"})
"""Elements whose content is text up to their end tag."""

_NEVER = frozenset({"plaintext", "xmp", "noembed", "noframes", "listing"})
MOST_TAGS = 500_000
DEEPEST = 256
MOST_ATTRIBUTES = 100
MOST_REFERENCES = 100_000
"""Browsers' readers compare each attribute with all before it, and join texts at each reference: time grows squared."""


_NONE: Mapping[str, str] = MappingProxyType({})


class Token(NamedTuple):
    """A piece of a page: `text`, `comment`, `open`, `close` or `doctype`, on which line, and what it says.

    The text of a `RAW` element comes as `text` with its element's name.
    """

    kind: str
    line: int
    name: str = ""
    text: str = ""
    attributes: Mapping[str, str] = _NONE
    closed: bool = False


def _refused(message: str, line: int, check: str = "F02") -> NoReturn:
    raise FileRefusedError(Observation(check, message, "Write the page with a library.", Place(row=line)))


def tokens_of(text: str) -> Iterator[Token]:
    """The tokens of a page. Raises `FileRefusedError`."""
    at, line, depth, tags = 0, 1, 0, 0
    if text.count("&") > MOST_REFERENCES:
        _refused("The page has more character references than allowed.", 1, "F05")
    while at < len(text):
        token, end = _next(text, at, line)
        if token.kind in {"open", "close"}:
            tags += 1
            depth = max(0, depth + _step(token))
            if tags > MOST_TAGS or depth > DEEPEST:
                _refused("The page has more elements, or deeper ones, than allowed.", line, "F05")
        yield token
        line += text.count("\n", at, end)
        at = end
        if token.name in RAW and token.kind == "open":
            end = _raw_end(text, at, token.name, line)
            yield Token("text", line, token.name, text[at:end])
            line += text.count("\n", at, end)
            at = end


def _step(token: Token) -> int:
    if token.kind == "close":
        return -1
    return 0 if token.name in VOID or token.closed else 1


def _next(text: str, at: int, line: int) -> tuple[Token, int]:
    if text[at] != "<" or _LONE.match(text, at):
        markup = _FIRST_OF_MARKUP.search(text, at)
        end = markup.start() if markup else len(text)
        return Token("text", line, text=html.unescape(text[at:end])), end
    if found := _TAG.match(text, at):
        name = found.group("name").lower()
        if name in _NEVER:
            _refused(f"Programs read the element {quoted(name)} differently.", line)
        attributes = _attributes(found.group("attributes"), line) if found.group("attributes") else _NONE
        return Token("open", line, name, attributes=attributes, closed=bool(found.group("closed"))), found.end()
    if found := _END.match(text, at):
        return Token("close", line, found.group(1).lower()), found.end()
    if found := _DOCTYPE.match(text, at):
        return Token("doctype", line), found.end()
    if text.startswith("<!--", at):
        return _comment(text, at, line)
    _refused(f"Programs read this markup differently: {quoted(text[at : at + 40])}.", line)


def _comment(text: str, at: int, line: int) -> tuple[Token, int]:
    end = text.find("-->", at + 4)
    inside = text[at + 4 : end]
    if end < 0 or inside.startswith((">", "->")) or "--!>" in inside or "<!--" in inside or inside.endswith("<!-"):
        _refused("Programs find different ends of a comment.", line)
    return Token("comment", line, text=inside), end + 3


def _attributes(text: str, line: int) -> dict[str, str]:
    found: dict[str, str] = {}
    written = _ATTRIBUTE.findall(text)
    if len(written) > MOST_ATTRIBUTES:
        _refused("An element has more attributes than allowed.", line, "F05")
    for name, double, single, plain in written:
        if name.lower() in found:
            _refused(f"An attribute stands twice in one tag: {quoted(name)}.", line)
        found[name.lower()] = html.unescape(double or single or plain)
    return found


def _raw_end(text: str, at: int, name: str, line: int) -> int:
    found = re.compile(rf"</{name}\s*+>", re.IGNORECASE).search(text, at)
    if found is None or (name == "script" and "<!--" in text[at : found.start()]):
        _refused(f"Programs find different ends of the element {quoted(name)}.", line)
    return found.start()
