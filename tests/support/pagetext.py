"""What a page says to a reader: the text of its main part, a line for each heading, paragraph, item and cell."""

from __future__ import annotations

from html.parser import HTMLParser

BLOCKS = frozenset(
    {"p", "li", "h1", "h2", "h3", "dt", "dd", "th", "td", "caption", "summary", "label", "div", "section"}
)
LEFT_OUT = frozenset({"pre", "option", "script", "style", "svg"})
"""Addresses, programs' words and choices are not read as sentences."""


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.parts: list[str] = []
        self.inside, self.out = 0, 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.inside += tag == "main"
        self.out += tag in LEFT_OUT
        if tag in BLOCKS:
            self.parts.append("\n")

    def handle_endtag(self, tag: str) -> None:
        self.inside -= tag == "main"
        self.out -= tag in LEFT_OUT
        if tag in BLOCKS:
            self.parts.append("\n")

    def handle_data(self, data: str) -> None:
        if self.inside and not self.out:
            self.parts.append(" ".join(data.split()) + " ")


def text_of(page: str) -> str:
    """The text of the main part of a page."""
    reader = _Reader()
    reader.feed(page)
    lines = "".join(reader.parts).split("\n")
    return "\n".join(line.strip() for line in lines if line.strip())
