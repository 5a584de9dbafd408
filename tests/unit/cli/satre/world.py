"""A record and a root directory without any service, into which tests put what checks are to find."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy import Table, delete, insert, update

from tests.support.databases import Sqlite, sqlite_with_tables
from tests.support.factories import NOON, access_grant
from tests.unit.store.conftest import an_event
from tre.cli.satre.place import Found, Outcome, Place, run
from tre.cli.satre.table import CHECKS
from tre.domain.grants.states import GrantPhase
from tre.domain.people import Subject
from tre.store import grants
from tre.system.layout import Layout
from tre.system.settings import Settings

HELD, BROKEN, NOTHING = Outcome.held, Outcome.broken, Outcome.nothing
SUBMITTER = Subject(issuer="local", id="alice")
PROVEN = {"proven": True, "provenItems": ["internet"], "failed": [], "unproven": []}
DEAD = {"processes": [], "mounts": [], "answers": False, "unproven": []}


class World:
    """One installation, for one test."""

    def __init__(self, home: Path) -> None:
        self.layout = Layout(home / "root")
        self.layout.database.parent.mkdir(parents=True)
        self.layout.keys.mkdir()
        self.database = sqlite_with_tables(self.layout.database)
        self.system, self.pages = home / "sys", home / "pages"
        self.settings: dict[str, Any] = {}

    @property
    def place(self) -> Place:
        """As a check looks at it now."""
        settings = Settings.model_validate(self.settings)
        return Place(self.layout, settings, self.database, NOON, self.pages, self.system)

    def look(self, name: str) -> Found:
        """What a check finds."""
        return run(CHECKS[name], self.place)

    def write(self, name: str, text: str, mode: int = 0o644) -> Path:
        """A file below the root."""
        path = self.layout.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        path.chmod(mode)
        return path

    def say(self, kind: str, about: str = "x/1", actor: Subject = SUBMITTER, **detail: Any) -> None:
        """An event in the log."""
        with self.database.change(an_event(kind=kind, object=about, actor=actor, detail=detail)):
            pass

    def put(self, table: Table, **values: Any) -> None:
        """A row, with an event that means nothing."""
        with self.database.change(an_event()) as change:
            change.connection.execute(insert(table).values(**values))

    def change(self, table: Table, **values: Any) -> None:
        """Every row of a table."""
        with self.database.change(an_event()) as change:
            change.connection.execute(update(table).values(**values))

    def empty(self, table: Table) -> None:
        """Take every row away."""
        with self.database.change(an_event()) as change:
            change.connection.execute(delete(table))

    def grant(self, *phases: GrantPhase, verified: bool = True, **changes: Any) -> None:
        """A project that went through these phases."""
        with self.database.change(an_event()) as change:
            grants.apply(change, "g", access_grant("g", **changes).spec, "test", NOON)
            grants.set_evidence(change, "g", verified=verified)
            for phase in phases:
                grants.set_phase(change, "g", phase, NOON)

    def tamper(self, statement: str) -> None:
        """Change a row past the triggers."""
        Sqlite().tamper(self.database, statement)


class Means:
    """By which limits are kept."""

    def __init__(self, how: str) -> None:
        self.how = how

    def means(self) -> dict[str, str]:
        return {"memory": self.how}
