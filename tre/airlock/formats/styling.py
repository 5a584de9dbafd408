"""What a style sheet does beside looks: loads, hides, writes. Standard library only.

Guarantees: escapes and comments are taken off before anything is judged, so that `u\\72l(` is read as `url(`.

Does not guarantee: that every way of hiding is known. What hides by cascades of rules is left to people's eyes: they
are shown the text of a page, not its look.

Threats: addresses that a page calls when it is shown; text that is there and cannot be seen.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_COMMENT = re.compile(r"/\*.*?(?:\*/|\Z)", re.DOTALL)
_ESCAPE = re.compile(r"\\(?:([0-9a-fA-F]{1,6})\s?|(.))", re.DOTALL)
_SAID = re.compile(r"/\*[^*]*[^\s*][^*]*\*|(?:^|[;{\s])--[\w-]+\s*:")
_LOADS = re.compile(
    r"url\s*+\(|@import|image-set\s*+\(|expression\s*+\(|-moz-binding|behavior\s*+:|@font-face|javascript:"
)
_HIDES = re.compile(
    r"(?:^|[;{\s])(?:display\s*:\s*none|visibility\s*:\s*(?:hidden|collapse)|opacity\s*:\s*0?\.?0+(?![.\d]*[1-9])|"
    r"font-size\s*:\s*(?:0|[01](?:\.\d+)?px|0?\.\d+(?:em|rem|pt))(?![.\d])|(?:max-)?(?:width|height)\s*:\s*0(?:px)?\s*(?:;|$|\})|"
    r"text-indent\s*:\s*-\d{3,}|(?:left|top|right|bottom|margin(?:-left|-top)?)\s*:\s*-\d{3,}|clip\s*:\s*rect\(\s*0|"
    r"clip-path\s*:\s*(?:inset\(\s*(?:50|100)%|circle\(\s*0)|transform\s*:\s*scale\(\s*0|color\s*:\s*transparent)"
)
_WRITES = re.compile(r"content\s*:\s*(?:\"[^\"]{4,}|'[^']{4,}|attr\()")
_COLOUR = re.compile(r"(?:^|[;{\s])(background(?:-color)?|color)\s*:\s*([#a-z0-9(), .%]+)")
WHITE = {"white", "#fff", "#ffffff", "rgb(255,255,255)", "rgba(255,255,255,1)", "hsl(0,0%,100%)"}


def plain(style: str) -> str:
    """A style without comments and escapes, in small letters."""
    return _ESCAPE.sub(_unescaped, _COMMENT.sub(" ", style)).lower()


def _unescaped(found: re.Match[str]) -> str:
    number, letter = found.groups()
    return letter if number is None else chr(min(int(number, 16), 0x10FFFF))


def judged(style: str, *, alone: bool) -> Iterator[tuple[str, str]]:
    """Check and words for what a style does; `alone`: it stands in one element's attribute."""
    text = plain(style)
    if _SAID.search(style):
        yield "F07", "holds a comment or a value of its own"
    if _LOADS.search(text):
        yield "F06", "loads something from elsewhere"
    if _HIDES.search(text):
        yield "F07", "hides what it applies to"
    if _WRITES.search(text):
        yield "F07", "writes text that is not in the page"
    if alone and _is_unseen(text):
        yield "F07", "writes in the colour of the background"


def _is_unseen(text: str) -> bool:
    colours = {key.partition("-")[0]: value.strip().replace(" ", "") for key, value in _COLOUR.findall(text)}
    ink, paper = colours.get("color"), colours.get("background", "white")
    return ink is not None and (ink == paper or (ink in WHITE and paper in WHITE))


def has_paper(style: str) -> bool:
    """Whether a style gives its element a background that is not white."""
    if "background" not in style.lower() and "\\" not in style:
        return False
    found = [value.strip().replace(" ", "") for key, value in _COLOUR.findall(plain(style)) if key[0] == "b"]
    return bool(found) and found[-1] not in WHITE | {"transparent", "none", "inherit", "initial"}
