"""The order of the documentation's pages, read from the lists of docs/README.md.

Guarantees: a page is in the site's navigation exactly if a list of docs/README.md begins with a link to it, or if the
`README.md` of its own folder links it; a page that neither names, a line that names no page and a page named twice
are each told in one sentence that says what to write where.

Does not guarantee: that a page stands in the part where people look for it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

MAP = "docs/README"
"""The page whose lists are the navigation; it is the site's first."""

_PART = re.compile(r"^## (.+)$")
_LINE = re.compile(r"^\* \[([^\]]+)\]\(([^)#\s]+)\.md\)")
_LINK = re.compile(r"\]\(([^)#\s:]+)\.md[)#]")


@dataclass(frozen=True)
class Entry:
    """One page: its place in the checkout without `.md`, what it is called, and the pages of its folder."""

    page: str
    title: str
    below: tuple[str, ...] = ()


@dataclass(frozen=True)
class Part:
    """One heading of the map and its pages."""

    title: str
    entries: tuple[Entry, ...]


@dataclass(frozen=True)
class Navigation:
    """All parts, in the order of the map."""

    parts: tuple[Part, ...]

    def order(self) -> list[str]:
        """Every page, in the order in which one would read them."""
        return [MAP, *(page for part in self.parts for one in part.entries for page in (one.page, *one.below))]

    def part_of(self, page: str) -> str:
        """The heading under which a page stands, or nothing."""
        return next((part.title for part in self.parts for one in part.entries if page in (one.page, *one.below)), "")


def read(checkout: Path) -> Navigation:
    """What the map says."""
    parts: list[tuple[str, list[Entry]]] = []
    lines = (checkout / f"{MAP}.md").read_text(encoding="utf-8").splitlines()
    listed = {_beside(MAP, found[2]) for line in lines if (found := _LINE.match(line))}
    for line in lines:
        if heading := _PART.match(line):
            parts.append((heading[1], []))
        elif parts and (found := _LINE.match(line)):
            page = _beside(MAP, found[2])
            below = tuple(one for one in _below(checkout, page) if one not in listed)
            parts[-1][1].append(Entry(page, found[1], below))
    return Navigation(tuple(Part(title, tuple(entries)) for title, entries in parts if entries))


def problems(navigation: Navigation, pages: Iterable[str]) -> Iterator[str]:
    """What is wrong with the map, given every page that there is."""
    known, seen = set(pages), set()
    for page in navigation.order():
        if page not in known:
            yield f"docs/README.md lists {page}.md, and there is no such page: take the line out or write the page."
        elif page in seen:
            yield f"docs/README.md lists {page}.md twice: leave it where people would look for it."
        seen.add(page)
    for page in sorted(known - seen):
        written = _from_map(page)
        yield (
            f"{page}.md stands in no list of docs/README.md, so nobody would find it: add a line "
            f"'* [Title]({written}): what it is for' under the heading where people would look."
        )


def _below(checkout: Path, page: str) -> Iterator[str]:
    """The pages of a folder, in the order in which its own README links them."""
    path = checkout / f"{page}.md"
    if path.stem != "README" or path.parent == checkout or not path.is_file():
        return
    named = (_beside(page, link) for link in _LINK.findall(path.read_text(encoding="utf-8")))
    folder = PurePosixPath(page).parent
    yield from dict.fromkeys(one for one in named if PurePosixPath(one).parent == folder and one != page)


def _beside(page: str, link: str) -> str:
    """The page that a relative link on a page leads to."""
    parts: list[str] = list(PurePosixPath(page).parent.parts)
    for piece in PurePosixPath(link).parts:
        if piece == ".." and parts:
            parts.pop()
        else:
            parts.append(piece)
    return "/".join(parts)


def _from_map(page: str) -> str:
    """A page as the map would link it."""
    return f"{page.removeprefix('docs/')}.md" if page.startswith("docs/") else f"../{page}.md"
