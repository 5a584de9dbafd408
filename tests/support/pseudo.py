"""A language that nobody speaks: every text in ⟦ ⟧ and a third longer, so that a text that was not marked is seen."""

from __future__ import annotations

import io
import re
from html.parser import HTMLParser
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

from tre.domain.languages import split_at_tags
from tre.portal.speaking import SHIPPED
from tre.system.languages import NAME, THOUSANDS

CODE = "tlh"
OWN_NAME = "Tlh"
_TOKENS = re.compile(r"%\(\w+\)s")
_VOID = frozenset({"meta", "link", "br", "input", "rect", "img", "hr"})
_NOT_READ = frozenset({"time", "code", "pre", "script", "style", "textarea", "svg"})
"""Moments, programs' words and what somebody typed."""

_SPOKEN_ATTRIBUTES = ("aria-label", "title", "alt", "placeholder")


def pseudo(text: str) -> str:
    """A text in the language, its tags and values as they were."""
    visible = len(_TOKENS.sub("", "".join(split_at_tags(text)[::2])))
    return f"⟦{text}{' länger'[: max(1, visible * 3 // 10)] * (1 + visible // 24)}⟧"


def compiled(catalog: Catalog) -> bytes:
    buffer = io.BytesIO()
    write_mo(buffer, catalog)
    return buffer.getvalue()


def pseudo_catalogue() -> bytes:
    """The compiled catalogue of every text that is known to be on a public page."""
    with (SHIPPED / "public.pot").open("rb") as file:
        template = read_po(file)
    made = Catalog(charset="utf-8", fuzzy=False)
    for message in template:
        if not message.id:
            continue
        forms = message.id if isinstance(message.id, tuple) else (message.id,)
        said = tuple(pseudo(form) for form in forms)
        if message.context in (NAME[0], THOUSANDS[0]):
            said = (OWN_NAME if message.context == NAME[0] else "\u202f",)
        made.add(message.id, said if len(said) > 1 else said[0], context=message.context)
    return compiled(made)


def speak_pseudo(root: Path) -> None:
    """Give a site the language."""
    (root / "languages").mkdir(parents=True, exist_ok=True)
    (root / "languages" / f"{CODE}.mo").write_bytes(pseudo_catalogue())


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.depth = 0
        self.stack: list[tuple[str, bool]] = []
        self.unmarked: list[str] = []

    @property
    def skipping(self) -> bool:
        return any(skipped for _, skipped in self.stack)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if not self.skipping and "lang" not in given:
            for name in _SPOKEN_ATTRIBUTES:
                self._look(re.sub("⟦[^⟦⟧]*⟧", "", given.get(name) or ""), f"{tag} {name}")
        if tag not in _VOID:
            self.stack.append((tag, tag in _NOT_READ or (tag != "html" and "lang" in given)))

    def handle_endtag(self, tag: str) -> None:
        while self.stack and self.stack.pop()[0] != tag:
            pass

    def handle_data(self, data: str) -> None:
        if self.skipping or (any(tag == "title" for tag, _ in self.stack) and "⟦" in data):
            return  # the title of a page may be one that somebody wrote, beside the service's name
        outside = ""
        for character in data:
            self.depth += (character == "⟦") - (character == "⟧")
            outside += character if self.depth == 0 and character != "⟧" else ""
        self._look(outside, " ".join(tag for tag, _ in self.stack[-3:]))

    def _look(self, text: str, where: str) -> None:
        named = re.sub(r"\b[qcoi]-[a-z2-7]{12}\b", "", text)  # names of questions and the like
        if re.search(r"[^\W\d_]", named):
            self.unmarked.append(f"{' '.join(text.split())} ({where})")


def unmarked(page: str) -> list[str]:
    """Texts of a page that are neither in the language, nor say that they are in another, nor a program's words."""
    reader = _Reader()
    reader.feed(page)
    reader.close()
    assert reader.depth == 0, "a text was cut"
    return reader.unmarked
