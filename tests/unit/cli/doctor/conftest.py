"""An installation that was just made, and one of its things made wrong: what the doctor says of it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from tre.cli.doctor.fields import FIELDS
from tre.cli.doctor.finding import Place, Seen
from tre.cli.doctor.run import look
from tre.cli.main import app
from tre.domain.events import Event
from tre.domain.people import Subject
from tre.store.database import Database, new_id
from tre.system.layout import Layout
from tre.system.settings import Settings, load_settings

CHECKS = {check.what: check for one in FIELDS.values() for check in one.checks}
BY = Subject(issuer="machine", id="olga")


@dataclass
class Patient:
    """One installation. `system` and `processes` are the kernel's file systems, or a test's own."""

    root: Path
    kernel: dict[str, Path] = field(default_factory=dict)

    @property
    def layout(self) -> Layout:
        return Layout(self.root)

    def place(self, **changes: Any) -> Place:
        settings = load_settings(self.root).model_copy(update=changes)
        return replace(Place(self.layout, settings, datetime.now(UTC)), **self.kernel)

    def said(self, what: str, **settings: Any) -> Seen:
        """What the check of this name says, as a person gets it."""
        return look(CHECKS[what], self.place(**settings))

    def state(self, what: str, **settings: Any) -> str:
        return str(self.said(what, **settings).state)

    def database(self) -> Database:
        return Database.sqlite(self.layout.database)

    def happen(self, kind: str = "thing.happened", at: datetime | None = None) -> None:
        about = {"actor": BY, "kind": kind, "object": "thing/1"}
        database = self.database()
        with database.change(Event(id=new_id(), at=at or datetime.now(UTC), **about)):
            pass
        database.close()


@pytest.fixture(scope="package")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    root = tmp_path_factory.mktemp("made") / "root"
    assert CliRunner().invoke(app, ["init", "--root", str(root)]).exit_code == 0
    yield root
    shutil.rmtree(Layout(root).run, ignore_errors=True)


@pytest.fixture
def patient(made: Path, tmp_path: Path) -> Iterator[Patient]:
    """As `tre init` makes it; every test gets its own."""
    shutil.copytree(made, tmp_path / "root", symlinks=True, copy_function=shutil.copy2)
    for source in made.rglob("*"):  # copying keeps modes, and no owners
        target = tmp_path / "root" / source.relative_to(made)
        shutil.chown(target, source.lstat().st_uid, source.lstat().st_gid)
    yield Patient(tmp_path / "root")
    shutil.rmtree(Layout(tmp_path / "root").run, ignore_errors=True)


@pytest.fixture
def nobody_here(tmp_path: Path) -> Place:
    """A machine before `tre init`."""
    return Place(Layout(tmp_path / "nowhere"), Settings(), datetime.now(UTC))
