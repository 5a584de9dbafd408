"""An installation without services, as `tre` finds it: everything is typed, and the record is compared."""

from __future__ import annotations

import atexit
import os
import shutil
import sqlite3
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import structlog
from typer.testing import CliRunner

from tests.support.quick_installing import quick_installing
from tests.unit.slices.conftest import Maker
from tre.cli import common
from tre.cli.main import app
from tre.store.tables.base import metadata
from tre.system.layout import Layout

PASSWORD = "correct horse battery"
PARTS = ("why: ", "what to do: ")


@pytest.fixture(autouse=True)
def wide_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """The console takes the width that it was made with, by whichever test came first: tables are not to be cut."""
    monkeypatch.setattr(common.out, "_width", 200)


class Typed:
    """What came of a command."""

    def __init__(self, words: tuple[str, ...], result: Any) -> None:
        self.words, self.code, self.out, self.err = words, result.exit_code, result.stdout, result.stderr
        self.crash = None if isinstance(result.exception, SystemExit | None) else result.exception

    def __repr__(self) -> str:
        return f"tre {' '.join(self.words)} → {self.code}\n{self.out}{self.err}{self.crash or ''}"

    @property
    def shown(self) -> str:
        """All of it on one line, as a narrow terminal does not show it."""
        return " ".join((self.out + self.err).split())


class Here:
    """One installation and a keyboard."""

    def __init__(self, home: Path) -> None:
        self.home, self.root = home, home / "root"
        self.layout = Layout(self.root)

    def tre(self, *words: str, typed: str = "") -> Typed:
        """Type a command; the root is given by the environment."""
        result = CliRunner().invoke(app, list(words), input=typed, env={"TRE_ROOT": str(self.root), "COLUMNS": "200"})
        return Typed(words, result)

    def done(self, *words: str, typed: str = "") -> Typed:
        """Type a command that must succeed."""
        found = self.tre(*words, typed=typed)
        assert found.code == 0, found
        return found

    def refused(self, *words: str, typed: str = "") -> Typed:
        """Type a command that must be refused in three parts and change nothing at all."""
        before = self.dump()
        found = self.tre(*words, typed=typed)
        assert found.crash is None, found
        assert found.code == 1, found
        assert [part for part in PARTS if part not in found.err] == [], found
        assert self.dump() == before, found
        return found

    def dump(self) -> dict[str, list[tuple[Any, ...]]]:
        """Every row of every table, as it lies on the disk: asked twice for each command that is refused."""
        with closing(sqlite3.connect(f"{self.layout.database.as_uri()}?mode=ro", uri=True)) as connection:
            return {
                table.name: sorted(connection.execute(f'select * from "{table.name}"'), key=repr)
                for table in metadata.sorted_tables
            }

    def set_apart(self) -> None:
        """Users and groups that nothing else on this machine has: an installation of somebody's may be up."""
        ranges = {"workspaceUids": 20_000_000 + 100 * os.getpid(), "dataGroups": 700_000_000 + 100 * os.getpid()}
        with (self.root / "tre.yaml").open("a") as file:
            file.writelines(f"{key}: {{first: {first}, last: {first + 99}}}\n" for key, first in ranges.items())

    def close(self) -> None:
        """Leave nothing outside of the home."""
        shutil.rmtree(self.layout.run, ignore_errors=True)


def make_here(home: Path) -> Here:
    """An installation with a small dataset, a researcher and a checker: a copy of one that was typed."""
    typed, here = _typed(), Here(home)
    for source, target in ((typed.home, home), (typed.layout.run, here.layout.run)):
        subprocess.run(["cp", "-a", f"{source}/.", str(target)], check=True)  # each file its owner's, as there
    return here


@cache
def _typed() -> Here:
    here = Here(Path(tempfile.mkdtemp(prefix="tre-typed-", dir="/var/tmp")))
    atexit.register(shutil.rmtree, here.home, ignore_errors=True)
    atexit.register(here.close)
    with quick_installing():
        _type(here)
    return here


def _type(here: Here) -> None:
    here.done("init")
    here.set_apart()
    maker = Maker(here.home / "delivery")
    for number in (1, 2, 3):
        maker.record(f"Covid{number}", Sex=number % 2, Age=40 + number)
        maker.image(f"Covid{number}", f"1.{number}", f"1.{number}.1", sidecar=True)
    here.done("dataset", "add", "demo", str(maker.root), "--release", "r1")
    for name, role in (("alice", "researcher"), ("carol", "checker")):
        here.done("user", "add", name, "--role", role, "--password-stdin", typed=PASSWORD + "\n")


@pytest.fixture(scope="package")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Here]:
    """One installation for all tests that must not change it."""
    found = make_here(tmp_path_factory.mktemp("installation"))
    yield found
    found.close()


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Here]:
    """An installation of a test's own."""
    found = make_here(tmp_path)
    yield found
    found.close()


@pytest.fixture(autouse=True)
def _own_log() -> Iterator[None]:
    """`tre up` sets the whole process's log; it must not go on writing into a keyboard that is gone."""
    yield
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()
