"""The kill switch where the record cannot be told, or knows no such grant."""

from __future__ import annotations

import sqlite3
import subprocess
import sys

import pytest

from tests.support.factories import ALICE, NOON, access_grant
from tests.unit.cli.conftest import Here
from tre.cli.common import Installation
from tre.domain.events import Event, program
from tre.domain.workspaces.states import Wanted
from tre.store import database, grants, workspaces
from tre.store.database import new_id
from tre.system.settings import SETTINGS_FILE

GRANT = "nccid-00123"


@pytest.fixture
def wanted(here: Here) -> str:
    """A workspace that somebody wants, and nobody has begun to start."""
    opened = Installation.open(here.root)
    event = Event(id=new_id(), at=NOON, actor=program("test"), kind="test.prepared", object=f"grant/{GRANT}")
    with opened.database.change(event) as change:
        grants.apply(change, GRANT, access_grant().spec, "signed-file", NOON)
        name = workspaces.ensure(change, GRANT, ALICE, NOON)
        workspaces.want(change, name, Wanted.Running)
    return name


def wish(here: Here, name: str) -> Wanted:
    with Installation.open(here.root).database.read() as connection:
        return workspaces.require(connection, name).wanted


def test_the_record_is_told_that_nothing_is_wanted(here: Here, wanted: str) -> None:
    said = here.done("halt", "--all", "--reason", "an exercise").shown
    assert "1 workspace: nothing lives any more" in said
    assert "no door of it was asked" in said
    assert wish(here, wanted) is Wanted.Stopped


def test_a_record_that_was_not_told_is_said_after_the_deaths(
    here: Here, wanted: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "BUSY_TIMEOUT_MS", 700)
    holder = sqlite3.connect(Installation.open(here.root).layout.database, isolation_level=None)
    try:
        holder.execute("BEGIN IMMEDIATE")
        done = here.tre("halt", GRANT)
    finally:
        holder.close()
    assert done.code == 1
    assert "nothing lives any more" in done.out
    assert "Nothing lives any more on this machine, but the record was not told" in done.err
    assert "database is locked" in done.err
    assert wish(here, wanted) is Wanted.Running


def test_a_record_that_takes_nothing_delays_no_end(here: Here, wanted: str) -> None:
    words = [sys.executable, "-m", "tre", "halt", "--all", "--root", str(here.root)]
    done = subprocess.run(["prlimit", "--fsize=0", *words], capture_output=True, text=True, check=False, timeout=50)
    assert done.returncode == 1, done.stderr
    assert "nothing lives any more" in done.stdout
    assert "but the record was not told" in done.stderr
    assert wish(here, wanted) is Wanted.Running


def test_a_record_that_cannot_be_understood_delays_no_end(here: Here, wanted: str) -> None:
    with sqlite3.connect(Installation.open(here.root).layout.database) as connection:
        connection.execute("UPDATE workspaces SET phase = 'Flying' WHERE name = ?", (wanted,))
    done = here.tre("halt", "--all")
    assert done.code == 1
    assert "nothing lives any more" in done.out


def test_a_record_that_nobody_reaches_delays_no_end(here: Here) -> None:
    with (here.root / SETTINGS_FILE).open("a", encoding="utf-8") as file:
        file.write("databaseUrl: postgresql://127.0.0.1:1/tre\n")
    done = here.tre("halt", "--all")
    assert done.code == 1
    assert "nothing lives any more" in done.out
    assert "ServiceUnavailable" in done.err
    assert "but the record was not told" in done.err


def test_a_mistyped_grant_is_no_grant_without_workspaces(here: Here, wanted: str) -> None:
    done = here.tre("halt", "nccid-00132")
    assert done.code == 1
    assert "GrantNotFound" in done.err
    assert wish(here, wanted) is Wanted.Running
