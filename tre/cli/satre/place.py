"""What checks look at, and what they say of it.

Guarantees: a check reads the record through a connection that cannot write, and files; it reaches no network but the
record's own server. A check that breaks is one that did not hold, with the error's words.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import Connection

import tre
from tre.airlock.policy import directories, load_policy
from tre.domain.exports.rules import AirlockPolicy
from tre.domain.grants.models import GrantRecord
from tre.domain.grants.states import ENDED_PHASES
from tre.domain.model import as_line
from tre.domain.practice import is_practice
from tre.store import grants
from tre.store.database import Database
from tre.system.layout import Layout
from tre.system.settings import Settings

_FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


class Outcome(StrEnum):
    """What came of a check; `nothing` is neither for nor against: there is nothing yet to look at."""

    held = "held"
    broken = "broken"
    nothing = "nothing"


class Found(NamedTuple):
    """What a check found, in a sentence."""

    outcome: Outcome
    words: str


def held(words: str) -> Found:
    """It looked, and found what it should."""
    return Found(Outcome.held, words)


def broken(words: str) -> Found:
    """It looked, and did not find it."""
    return Found(Outcome.broken, words)


def nothing(words: str) -> Found:
    """There is nothing yet to look at."""
    return Found(Outcome.nothing, words)


def named(things: list[str], most: int = 5) -> str:
    """The first few of many, for a sentence."""
    more = len(things) - most
    return ", ".join(things[:most]) + (f" and {more} more" if more > 0 else "")


def judged(wrong: list[str], words: str) -> Found:
    """Held with these words, or broken by the things that are wrong."""
    return broken(f"{named(wrong)}.") if wrong else held(words)


def project_directory() -> Path:
    """Where `docs/` lies in a checkout; an installed package brings no pages."""
    return Path(tre.__file__).parent.parent


@dataclass(frozen=True)
class Place:
    """One installation, as checks look at it. `pages` is the directory that holds `docs/`, `system` the kernel's."""

    layout: Layout
    settings: Settings
    database: Database
    now: datetime
    pages: Path = field(default_factory=project_directory)
    system: Path = Path("/sys")

    @cached_property
    def told(self) -> list[GrantRecord]:
        """Every project on real data that was ever in force."""
        with self.database.read() as connection:
            found = grants.ever_active(connection)
        return [one for one in found if not all(is_practice(item.dataset) for item in one.spec.slices)]

    @property
    def running(self) -> list[GrantRecord]:
        """Those of them that have not ended."""
        return [one for one in self.told if one.phase not in ENDED_PHASES]

    def asked(self, question: Callable[[Connection], Found]) -> Found:
        """What a question to the record gives, in one consistent view."""
        with self.database.read() as connection:
            return question(connection)

    def has(self, document: str) -> bool:
        """Whether a page is here, and on it the heading that is named."""
        name, _, fragment = document.partition("#")
        path = self.pages / "docs" / name
        if not path.is_file():
            return False
        return not fragment or fragment in _anchors(path.read_text(encoding="utf-8", errors="replace"))


def _anchors(text: str) -> set[str]:
    """The fragments that headings make."""
    heads = (line.lstrip("#").strip() for line in _FENCE.sub("", text).splitlines() if line.startswith("#"))
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


def policies(place: Place) -> dict[str, AirlockPolicy]:
    """The airlock policies in force: the default one, and those that running projects name. Raises `TREError`."""
    names = sorted({"default", *(one.spec.export.policy for one in place.running)})
    return {name: load_policy(name, directories(place.layout.root)) for name in names}


class Check(NamedTuple):
    """Something that can be looked at: what, in a line, and how."""

    what: str
    look: Callable[[Place], Found]


def run(check: Check, place: Place) -> Found:
    """What a check finds; one that breaks finds that it is broken."""
    try:
        found = check.look(place)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is no proof, and the other checks go on
        return broken(as_line(f"could not be looked at: {type(error).__name__}: {error}", 300))
    return Found(found.outcome, as_line(found.words, 300))
