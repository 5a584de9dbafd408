"""From every released schema to this one, with what it holds; and a copy before anything is changed."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.unit.store.test_migrate import schema as schema_of
from tre.cli.main import app
from tre.domain.events import Event
from tre.domain.people import Subject
from tre.store import migrate as migrating
from tre.store import schema
from tre.store.database import Database, new_id
from tre.store.migrate import migrate
from tre.system.layout import Layout

RELEASED = sorted((Path(__file__).parents[2] / "assets" / "schemas").glob("*.sql"))
"""For each released version, what `sqlite3 tre.sqlite .dump` prints of a record that `tre init` of it made."""

SCRIPTS = migrating._SCRIPTS
NEXT = '''
"""A later schema."""
from alembic import op
import sqlalchemy as sa
revision, down_revision = "0002", "0001"
def upgrade():
    op.add_column("datasets", sa.Column("colour", sa.String(20), nullable=False, server_default="blue"))
    {more}
'''


def later(monkeypatch: pytest.MonkeyPatch, directory: Path, more: str = "") -> None:
    """Be a program with one more revision."""
    shutil.rmtree(directory, ignore_errors=True)
    shutil.copytree(SCRIPTS, directory)
    (directory / "versions" / "0002_next.py").write_text(NEXT.format(more=more))
    monkeypatch.setattr(migrating, "_SCRIPTS", directory)
    monkeypatch.setattr(schema, "REVISIONS", ("0001", "0002"))


@pytest.mark.parametrize("dump", RELEASED, ids=lambda path: path.stem)
def test_a_released_schema_becomes_this_one(dump: Path, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "old")) as connection:
        connection.executescript(dump.read_text())
    old, new = Database.sqlite(tmp_path / "old"), Database.sqlite(tmp_path / "new")
    assert migrate(old) == migrate(new) == schema.REVISIONS[-1]
    assert schema_of(old) == schema_of(new)
    old.close()
    new.close()


@pytest.fixture
def layout(tmp_path: Path) -> Iterator[Layout]:
    """A root of today's version, in which something happened."""
    root = tmp_path / "root"
    assert CliRunner().invoke(app, ["init", "--root", str(root)]).exit_code == 0
    layout = Layout(root)
    who, at = Subject(issuer="machine", id="olga"), datetime(2026, 11, 29, tzinfo=UTC)
    with closing(Database.sqlite(layout.database)) as database:
        event = Event(id=new_id(), at=at, actor=who, kind="thing.happened", object="thing/1")
        with database.change(event):
            pass
    yield layout
    shutil.rmtree(layout.run, ignore_errors=True)


def looked_at(record: Path) -> tuple[str, bool, int]:
    """Revision, whether the later column is there, how many events."""
    with closing(sqlite3.connect(f"{record.as_uri()}?mode=ro", uri=True)) as connection:
        columns = {row[1] for row in connection.execute("PRAGMA table_info(datasets)")}
        revision = connection.execute("SELECT version_num FROM alembic_version").fetchone()[0]
        return revision, "colour" in columns, connection.execute("SELECT count(*) FROM audit_events").fetchone()[0]


def test_an_older_root_is_brought_up_to_date_and_copied_before(
    layout: Layout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = layout.database.parent.parent / "before-0002.sqlite"
    assert CliRunner().invoke(app, ["init", "--root", str(layout.root)]).exit_code == 0
    assert not kept.exists()  # nothing changes, nothing is copied
    later(monkeypatch, tmp_path / "migrations")
    assert CliRunner().invoke(app, ["init", "--root", str(layout.root)]).exit_code == 0
    assert (looked_at(layout.database), looked_at(kept)) == (("0002", True, 1), ("0001", False, 1))
    assert kept.stat().st_mode & 0o777 == 0o600
    stamp = kept.stat().st_mtime_ns
    assert CliRunner().invoke(app, ["init", "--root", str(layout.root)]).exit_code == 0
    assert kept.stat().st_mtime_ns == stamp  # the copy is of before, and stays so


def test_an_upgrade_that_fails_changes_nothing_and_can_be_tried_again(
    layout: Layout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = layout.database.parent.parent / "before-0002.sqlite"
    later(monkeypatch, tmp_path / "migrations", 'raise RuntimeError("the power went")')
    assert CliRunner().invoke(app, ["init", "--root", str(layout.root)]).exit_code != 0
    assert (looked_at(layout.database), looked_at(kept)) == (("0001", False, 1), ("0001", False, 1))
    later(monkeypatch, tmp_path / "migrations")
    assert CliRunner().invoke(app, ["init", "--root", str(layout.root)]).exit_code == 0
    assert looked_at(layout.database) == ("0002", True, 1)


def test_a_damaged_record_is_not_brought_up_to_date(
    layout: Layout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(sqlite3.connect(layout.database)) as connection:
        page = connection.execute("PRAGMA page_size").fetchone()[0]
        place = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'ix_audit_events_kind'").fetchone()[
            0
        ]
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with layout.database.open("r+b") as file:
        file.seek((place - 1) * page)
        file.write(b"\xff" * page)
    later(monkeypatch, tmp_path / "migrations")
    done = CliRunner().invoke(app, ["init", "--root", str(layout.root)])
    assert (done.exit_code, "StorageFailed" in done.stderr) == (1, True), done.stderr
    assert looked_at(layout.database)[:2] == ("0001", False)
