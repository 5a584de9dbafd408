"""Migrations: what they build is what the tables say, and nothing is guessed at."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from tests.support.databases import Backend
from tre.domain.errors import Reason, TREError
from tre.store.database import Database
from tre.store.migrate import head_revision, known_revisions, migrate
from tre.store.migrations import regenerate
from tre.store.schema import REVISIONS, require_current
from tre.store.tables import metadata

REMEDY = "run `python -m tre.store.migrations.regenerate` (before the first release), or add a revision (after it)"


def schema(database: Database) -> dict[str, str]:
    """Every table, index, function and trigger with its text, blanks made alike."""
    if database.is_postgres:
        return postgres_schema(database)
    with database.read() as connection:
        rows = connection.exec_driver_sql(
            "SELECT type || ' ' || name, sql FROM sqlite_master WHERE sql IS NOT NULL AND name <> 'alembic_version'"
        )
        return {name: " ".join(text.replace('"', "").replace(" ,", ",").split()) for name, text in rows}


def postgres_schema(database: Database) -> dict[str, str]:
    queries = {
        "table": "SELECT relname, '' FROM pg_class WHERE relkind = 'r'",
        "index": "SELECT indexname, indexdef FROM pg_indexes WHERE true",
        "function": "SELECT proname, pg_get_functiondef(oid) FROM pg_proc WHERE prokind = 'f'",
        "trigger": "SELECT tgname, pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal",
    }
    spaces = {"table": "relnamespace", "function": "pronamespace"}
    found: dict[str, str] = {}
    with database.read() as connection:
        for kind, query in queries.items():
            ours = f" AND {spaces[kind]} = 'public'::regnamespace" if kind in spaces else ""
            ours += " AND schemaname = 'public'" if kind == "index" else ""
            for name, text in connection.exec_driver_sql(query + ours):
                if "alembic_version" not in name:
                    found[f"{kind} {name}"] = " ".join(text.split())
    return found


def test_a_migrated_database_is_what_the_tables_say(database: Database) -> None:
    with database.read() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == [], REMEDY


def test_triggers_and_indexes_are_what_the_tables_say(backend: Backend, database: Database, tmp_path: Path) -> None:
    direct = backend.empty(tmp_path / "direct.sqlite")
    metadata.create_all(direct.engine)
    expected, found = schema(direct), schema(database)
    assert found.keys() == expected.keys(), REMEDY
    for name in expected:
        if not name.startswith("table "):
            assert found[name] == expected[name], REMEDY
    assert sum(name.startswith("trigger ") for name in expected) == (7 if database.is_postgres else 13)


def test_the_comparison_notices_a_difference(backend: Backend, tmp_path: Path) -> None:
    database = backend.empty(tmp_path / "other.sqlite")
    migrate(database)
    with database.extend_log() as connection:
        connection.exec_driver_sql("ALTER TABLE settings ADD COLUMN more TEXT")
    with database.read() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) != []


def test_migrating_again_changes_nothing(database: Database) -> None:
    before = schema(database)
    assert migrate(database) == head_revision()
    assert schema(database) == before
    require_current(database)


def test_a_service_knows_every_revision_that_there_is() -> None:
    assert known_revisions() == list(REVISIONS)
    assert head_revision() == REVISIONS[-1]


def test_what_a_service_asks_takes_nothing_of_what_migrates() -> None:
    for asked, takes in (
        ("tre.store.schema", 0),
        ("tre.store.migrate", 0),
        ("tre.store.migrate as m; m.head_revision()", 1),
    ):
        program = f"import sys; import {asked}; sys.exit('alembic' in sys.modules)"
        assert subprocess.run([sys.executable, "-c", program], check=False).returncode == takes, asked


def test_an_empty_database_is_not_current(backend: Backend, tmp_path: Path) -> None:
    database = backend.empty(tmp_path / "empty.sqlite")
    with pytest.raises(TREError, match="revision none") as caught:
        require_current(database)
    assert caught.value.reason is Reason.SetupIncomplete
    migrate(database)
    require_current(database)


def test_a_database_of_a_newer_program_is_refused_untouched(backend: Backend, tmp_path: Path) -> None:
    database = backend.empty(tmp_path / "newer.sqlite")
    migrate(database)
    with database.extend_log() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    before = schema(database)
    for refuse in (migrate, require_current):
        with pytest.raises(TREError, match="9999, which this program does not know") as caught:
            refuse(database)
        assert caught.value.reason is Reason.SetupIncomplete
    assert schema(database) == before


def test_a_migration_that_fails_leaves_nothing(backend: Backend, tmp_path: Path) -> None:
    database = backend.empty(tmp_path / "tre.sqlite")
    with database.migrating() as connection:
        connection.exec_driver_sql("CREATE TABLE workspaces (x int)")  # in the way of one of the last tables
    with pytest.raises(Exception, match="already exists"):
        migrate(database)
    assert set(schema(database)) == {"table workspaces"}


def test_two_programs_that_migrate_at_once_make_one_schema(backend: Backend, tmp_path: Path) -> None:
    database = backend.empty(tmp_path / "tre.sqlite")
    program = (
        "import sys; from tre.store.database import Database;"
        "from tre.store.migrate import migrate; print(migrate(Database(sys.argv[1])))"
    )
    running = [
        subprocess.Popen([sys.executable, "-c", program, database.url], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for _ in range(3)
    ]
    for process in running:
        _, errors = process.communicate(timeout=50)
        assert process.returncode == 0, errors
    require_current(database)


def test_a_percent_sign_in_the_path_is_no_obstacle(tmp_path: Path) -> None:
    database = Database.sqlite(tmp_path / "100%.sqlite")
    assert migrate(database) == head_revision()
    database.close()


def test_what_is_written_is_what_the_tables_give_now() -> None:
    """The stored revision was made from these tables (before the first release)."""
    for name, text in regenerate.initial_revision().items():
        stored = (regenerate.HERE / name).read_text(encoding="utf-8")
        assert tokens(stored) == tokens(text), f"{name}: {REMEDY}"


def tokens(source: str) -> str:
    """Source without what a formatter may change."""
    return "".join(source.replace("'", '"').split()).replace(",)", ")").replace(",]", "]").replace('""', "")


def test_regenerating_writes_every_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(regenerate, "HERE", tmp_path)
    regenerate.main()
    made = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.py")}
    assert made == set(regenerate.initial_revision())
    regenerate.main()
    for path in tmp_path.rglob("*.py"):
        compile(path.read_text(), str(path), "exec")
