"""What the doctor looks at, and what it says of it.

Guarantees: nothing is changed; what has to be tried (a hard link, a namespace, a control group) is tried under a name
of its own and taken away again. The record is read through a connection that cannot write. No finding holds a secret.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple, TypeVar

from sqlalchemy import Connection

from tre.store import postgres
from tre.store.database import Database
from tre.store.roles import Role
from tre.system.layout import Layout
from tre.system.settings import SETTINGS_FILE, Settings

T = TypeVar("T")


class State(StrEnum):
    """`good`, `weak` (works and promises less, or could not be looked at), `bad` (will not work, or is not so)."""

    good = "good"
    weak = "weak"
    bad = "bad"


class Seen(NamedTuple):
    """What one look gave: the state, what was seen, and what to type where it is not good."""

    state: State
    detail: str
    remedy: str = ""


def good(detail: str) -> Seen:
    """As it should be."""
    return Seen(State.good, detail)


def weak(detail: str, remedy: str) -> Seen:
    """It works, and promises less than it could."""
    return Seen(State.weak, detail, remedy)


def bad(detail: str, remedy: str) -> Seen:
    """It will not work, or is not as everything else takes it to be."""
    return Seen(State.bad, detail, remedy)


def judged(wrong: list[str], otherwise: str, remedy: str, state: State = State.bad) -> Seen:
    """Good in these words, or what is wrong and what to do about it."""
    if not wrong:
        return good(otherwise)
    more = f" and {len(wrong) - 5} more" if len(wrong) > 5 else ""
    return Seen(state, "; ".join(wrong[:5]) + more, remedy)


def entries(directory: Path) -> list[Path]:
    """What a directory holds, sorted; nothing where there is none. Raises `OSError` for one that may not be read.

    `Path.glob` would find nothing there, and everything would seem well.
    """
    try:
        return sorted(directory.iterdir())
    except FileNotFoundError:
        return []


def below(directory: Path) -> Iterator[Path]:
    """Everything below a directory, in order, not through links. Raises `OSError` as above."""
    for path in entries(directory):
        yield path
        if path.is_dir() and not path.is_symlink():
            yield from below(path)


class Need(StrEnum):
    """What a look needs to be there."""

    nothing = "nothing"
    root = "root"
    record = "record"


@dataclass(frozen=True)
class Place:
    """One installation on one machine. `system` and `processes` are the kernel's file systems."""

    layout: Layout
    settings: Settings
    now: datetime
    system: Path = Path("/sys")
    processes: Path = Path("/proc")

    def with_settings(self, settings: Settings) -> Place:
        """The same machine with other settings."""
        return replace(self, settings=settings)

    def lacks(self, need: Need) -> str:
        """Why something cannot be looked at; empty where it can."""
        if need is not Need.nothing and not (self.layout.root / SETTINGS_FILE).is_file():
            return f"there is no launcher in {self.layout.root} yet"
        if need is Need.record and self.settings.database_url is None and not self.layout.database.is_file():
            return f"there is no record in {self.layout.root} yet"
        return ""

    @contextmanager
    def record(self) -> Iterator[Database]:
        """The record, as somebody at the keyboard may read it; a server that does not answer is not asked twice."""
        if self.settings.database_url is None:
            opened = Database.sqlite(self.layout.database, read_only=True)
        else:
            url = postgres.url_for(self.layout, self.settings, Role.operator)
            opened = Database(url, read_only=True, pause=lambda _seconds: None)
        with closing(opened) as database:
            yield database

    def asked(self, question: Callable[[Connection], T]) -> T:
        """What a question to the record gives, in one consistent view."""
        with self.record() as database, database.read() as connection:
            return question(connection)


class Check(NamedTuple):
    """Something to look at: its name, what rests on it, how it is looked at, and what has to be there for it."""

    what: str
    means: str
    look: Callable[[Place], Seen]
    needs: Need = Need.nothing


class Field(NamedTuple):
    """Checks that belong together, under one heading."""

    title: str
    checks: tuple[Check, ...]


class Finding(NamedTuple):
    """What came of one check."""

    what: str
    state: State
    detail: str
    remedy: str
    field: str
    means: str
