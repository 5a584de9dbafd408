"""What tests share: the same comes out as without it, and a service that is forked is one that was started."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine, inspect, literal, select

from tests.support import loaded
from tests.support.quick_installing import CHEAP, quick_installing, with_tables
from tests.support.quick_worlds import TypedWorld, quick_tre
from tests.support.shared_work import Statements
from tre.cli import installing
from tre.cli.trial.world import World
from tre.portal.passwords import hash_password
from tre.store.database import Database
from tre.store.migrate import migrate


def test_databases_share_statements_and_nothing_else() -> None:
    known = Statements()
    one, two = (create_engine("sqlite://", execution_options={"compiled_cache": known}) for _ in range(2))
    assert (answer(one, 1), answer(two, 2), answer(one, 3)) == (1, 2, 3)
    assert len(known._known) == 1
    assert answer(create_engine("sqlite://"), 4) == 4
    assert len(known._known) == 1


def answer(engine: Engine, number: int) -> int:
    with engine.connect() as connection:
        found = connection.execute(select(literal(number))).scalar_one()
    engine.dispose()
    return int(found)


def test_tables_that_are_copied_are_those_that_are_migrated(tmp_path: Path) -> None:
    copied, migrated = (Database.sqlite(tmp_path / name) for name in ("copied", "migrated"))
    assert with_tables(copied) == with_tables(copied) == migrate(migrated)
    tables = [inspect(one.engine).get_table_names() for one in (copied, migrated)]
    assert tables[0] == tables[1] != []
    for one in (copied, migrated):
        one.close()


def test_quick_passwords_are_for_as_long_as_they_are_asked_for() -> None:
    with quick_installing():
        assert vars(installing)["migrate"] is with_tables
        assert CHEAP.verify(quick := hash_password("a long enough password"), "a long enough password")
    assert vars(installing)["migrate"] is migrate
    assert hash_password("a long enough password").split("$")[3] != quick.split("$")[3]


def test_one_installation_is_made_by_the_programs_themselves() -> None:
    assert vars(World)["_tre"] is quick_tre
    assert TypedWorld._tre is not quick_tre
    assert TypedWorld.make is not World.make
    assert TypedWorld.make.__module__ == TypedWorld._tre.__module__ == World.__module__


def test_a_service_that_is_forked_tells_its_own_log_and_its_own_end(tmp_path: Path) -> None:
    environment = {"PATH": os.environ["PATH"], "TRE_ROOT": str(tmp_path / "nowhere")}
    with (tmp_path / "log").open("ab") as log:
        first, second = (loaded.start("tre.gateway", (), tmp_path, environment, log) for _ in range(2))
    assert first.pid != second.pid
    assert first.wait(40) == first.poll() == second.wait(40) != 0
    told = (tmp_path / "log").read_text()
    assert told.count("SetupIncomplete") == 2
    assert str(tmp_path / "nowhere") in told
    first.terminate()  # it has ended: nobody else gets the signal


def test_a_service_that_was_told_to_end_says_by_what(tmp_path: Path) -> None:
    with (tmp_path / "log").open("ab") as log:
        started = loaded.start("tre.hub", ("--root", str(pipe(tmp_path))), tmp_path, {}, log)
        assert started.poll() is None
        with pytest.raises(Exception, match="timed out"):
            started.wait(0.01)
        started.terminate()
        assert started.wait(40) == -15


def pipe(place: Path) -> Path:
    """A root whose settings are never read to their end."""
    os.mkfifo(place / "tre.yaml")
    return place
