"""A record on a PostgreSQL server: backed up as one file, and back on an empty database of a server, closed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, null, select, text
from typer.testing import CliRunner

from tests.support.databases import Postgres, name_of
from tests.support.postgres import PostgresServer
from tre.audit.keys import PRIVATE_KEY_FILE, PUBLIC_KEY_FILE, load_private, load_public
from tre.audit.sequencer import Sequencer, Terms
from tre.audit.verify import verify_log
from tre.backup import restore as restoring
from tre.backup import seal, server
from tre.backup.make import Made, Source, make_backup
from tre.backup.reopening import reopen
from tre.backup.restore import Terms as RestoreTerms
from tre.backup.restore import restore, verify_backup
from tre.backup.sets import Place
from tre.cli.doctor.record import differences
from tre.cli.main import app
from tre.domain.errors import Reason, TREError
from tre.domain.events import Event
from tre.domain.people import Subject
from tre.store.database import Database, new_id
from tre.store.roles import Role
from tre.store.schema import require_current
from tre.store.tables import metadata
from tre.store.tables.audit import audit_events
from tre.store.tables.data import datasets
from tre.store.tables.jobs import jobs, settings
from tre.system.clock import SystemClock
from tre.system.layout import Layout
from tre.system.settings import load_settings

PASSPHRASE = b"correct horse battery staple"
NOON = datetime(2026, 11, 29, 12, 0, 0, 123456, tzinfo=UTC)
BY = Subject(issuer="machine", id="olga")
TOLD = {"name": "Zoë \N{EM DASH} \u2028", "numbers": [2**53 - 1, -1], "none": None, "nested": {"a": []}}
ODD = TOLD | {"numbers": [0.1, 1e22, 2**60]}


class Site:
    """An installation whose record is on the tests' server, filled and backed up once for every test of this file."""

    def __init__(self, home: Path, postgres: Postgres) -> None:
        self.home, self.postgres = home, postgres
        self.layout, self.place = Layout(home / "root"), Place(home / "backups")
        self.layout.root.mkdir()
        self.name = self.empty()
        (self.layout.root / "tre.yaml").write_text(f"base: tre.localhost\ndatabaseUrl: {self.address(self.name)}\n")
        assert CliRunner().invoke(app, ["init", "--root", str(self.layout.root)]).exit_code == 0

    def empty(self) -> str:
        return name_of(self.postgres.empty(self.home))

    def address(self, name: str) -> str:
        return self.postgres.server.setting(name)

    def database(self, role: Role = Role.owner, root: Path | None = None) -> Database:
        layout = Layout(root or self.layout.root)
        return self.postgres._keep(Database.open(layout, load_settings(layout.root), role))

    def happen(self, database: Database, count: int = 1, **detail: Any) -> None:
        for _ in range(count):
            with database.change(event(**detail)):
                pass

    def sign(self, database: Database) -> None:
        key = self.home / PRIVATE_KEY_FILE
        if not key.exists():
            shutil.copyfile(self.layout.keys / PRIVATE_KEY_FILE, key)
            key.chmod(0o600)
        Sequencer(database, load_private(key), SystemClock(), Terms()).catch_up()

    def backup(self, place: Place) -> Made:
        return make_backup(Source(self.layout, load_settings(self.layout.root), NOON), place, PASSPHRASE)

    def restored(self, name: str, root: Path) -> Layout:
        terms = RestoreTerms((), 0, BY, NOON, self.address(name))
        restore(self.place, verify_backup(self.place, self.place.read(), PASSPHRASE, terms), root, terms)
        return Layout(root)


def event(**detail: Any) -> Event:
    return Event(id=new_id(), at=NOON, actor=BY, kind="thing.happened", object="thing/1", detail=detail)


@pytest.fixture(scope="module")
def site(postgres_server: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    made = Site(tmp_path_factory.mktemp("server"), Postgres(postgres_server))
    fill(made)
    yield made
    made.postgres.close()
    shutil.rmtree(made.layout.run, ignore_errors=True)


@pytest.fixture
def new(tmp_path: Path) -> Iterator[Path]:
    """Where a root is restored to."""
    yield tmp_path / "new"
    shutil.rmtree(Layout(tmp_path / "new").run, ignore_errors=True)


def rows(database: Database, *without: str) -> dict[str, list[Any]]:
    with database.read() as connection:
        return {
            table.name: list(connection.execute(select(table).order_by(*table.primary_key)))
            for table in metadata.sorted_tables
            if table.name not in without
        }


def fill(site: Site) -> None:
    """Values that differ between the two databases: times, none against null, large numbers, letters."""
    database = site.database()
    site.happen(database, 3, **TOLD)
    with database.change(event()) as change:
        change.connection.execute(insert(settings).values(key="odd", value=ODD))
        job = {"id": new_id(), "program": "storekeeper", "kind": "x", "subject": "y", "payload": ODD, "state": "done"}
        when = {"created_at": NOON, "deadline": NOON + timedelta(microseconds=1)}
        change.connection.execute(insert(jobs).values(**job, **when, attempts=1, result=None, error=null()))
        change.connection.execute(insert(datasets).values(**_dataset()))
    site.sign(database)
    site.happen(database, 2)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(seal, "_COST", 2**4)  # as for every test here
        assert site.backup(site.place).manifest.record.waiting == 2


def _dataset() -> dict[str, Any]:
    known = {"name": "nccid", "deny_version": 3}
    for column in datasets.columns:
        if column.name not in known and not column.nullable:
            known[column.name] = {"created_at": NOON}.get(column.name, _some(column))
    return known


def _some(column: Any) -> Any:
    python = column.type.python_type if not hasattr(column.type, "impl") else datetime
    return {int: 60100, str: "x", bool: False, dict: {}, datetime: NOON}[python]


_JSON = text(
    "SELECT detail::text FROM audit_events UNION ALL SELECT payload::text FROM jobs UNION ALL "
    "SELECT coalesce(result::text, 'none') FROM jobs UNION ALL SELECT coalesce(error::text, 'none') FROM jobs"
)


def texts(database: Database) -> set[str]:
    """JSON as the server keeps it: what was signed is recomputed from it, and none and null are two values."""
    with database.read() as connection:
        return set(connection.execute(_JSON).scalars())


def test_every_row_comes_back_closed_and_the_log_goes_on(site: Site, new: Path) -> None:
    before, spelled = rows(site.database()), texts(site.database())
    assert {"null", "none"} <= spelled
    name = site.empty()
    layout = site.restored(name, new)
    assert not layout.database.exists(), "the record is on the server, and nowhere else"
    assert load_settings(layout.root).database_url == site.address(name)
    after = rows(site.database(root=new))
    for table, found in before.items():
        assert after[table][: len(found)] == found or table == "settings", table
    more = {table for table, found in after.items() if len(found) > len(before[table])}
    assert more == {"audit_events", "audit_waiting", "settings"}, "that it was restored"
    assert spelled <= texts(site.database(root=new))
    assert verify_log(site.database(root=new), load_public(layout.keys / PUBLIC_KEY_FILE)).ok
    programs = [site.database(role, new) for role in (Role.controller, Role.portal, Role.storekeeper, Role.public)]
    for program in programs:
        with pytest.raises(TREError, match="is closed") as caught:
            require_current(program)
        assert caught.value.reason is Reason.StateForbids
    operator = site.database(Role.operator, new)
    reopen(operator, event(), {"nccid": 3})
    for program in programs:
        require_current(program)
    with operator.read() as connection:
        numbers = list(connection.execute(select(audit_events.c.number).order_by(audit_events.c.number)).scalars())
        assert list(differences(connection, "tre_")) == [], "every role may what it should"
    assert numbers[-1] == numbers[-2] + 1, "the server counts on"


def test_nothing_is_written_over_a_record_that_lives(site: Site, new: Path) -> None:
    before = rows(site.database())
    with pytest.raises(TREError, match="holds a record") as caught:
        site.restored(site.name, new)
    assert caught.value.reason is Reason.Conflict
    assert rows(site.database()) == before
    assert list(new.parent.iterdir()) == [], "a root that was begun holds keys"


def test_a_restore_that_was_cut_off(site: Site, new: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before the server has it, it can be made again; afterwards it is named, and nothing is written over."""
    name = site.empty()
    for module, step in ((server, "_count_on"), (restoring, "_flush")):
        with monkeypatch.context() as patched:
            patched.setattr(module, step, _cut)
            with pytest.raises(KeyboardInterrupt):
                site.restored(name, new)
        assert list(new.parent.iterdir()) == []
    with pytest.raises(TREError, match="put there before and not opened since"):
        site.restored(name, new)


def _cut(*_arguments: object) -> None:
    raise KeyboardInterrupt


def test_a_record_of_another_version_is_not_taken_for_one_of_this(site: Site, tmp_path: Path) -> None:
    with site.database().migrating() as connection:
        known = connection.exec_driver_sql("DELETE FROM alembic_version RETURNING version_num").scalar_one()
    place = Place(tmp_path / "backups")
    try:
        with pytest.raises(TREError, match="is at revision none") as caught:
            site.backup(place)
    finally:
        with site.database().migrating() as connection:
            connection.exec_driver_sql(f"INSERT INTO alembic_version VALUES ('{known}')")
    assert caught.value.reason is Reason.SetupIncomplete
    assert place.names() == []


def test_the_copy_is_one_moment_though_others_write(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between two tables somebody adds events and signs: none of it is in the copy, not a leaf without its event."""
    database, place, seen = site.database(), Place(tmp_path / "backups"), []
    original = server._rows

    def interrupted(connection: Any, table: Any) -> Any:
        seen.append(table.name)
        if len(seen) == 5:
            site.happen(database, 3)
            site.sign(database)
        return original(connection, table)

    monkeypatch.setattr(server, "_rows", interrupted)
    before = rows(database)
    found = site.backup(place).manifest.record
    assert (found.events, found.waiting) == (len(before["audit_events"]), len(before["audit_waiting"]))
    verify_backup(place, place.read(), PASSPHRASE, RestoreTerms((), 0, BY, NOON))


def test_the_commands_do_it_all(site: Site, new: Path) -> None:
    """Back up, try it, restore onto another database, open, go on."""
    secret, place = new.parent / "passphrase", new.parent / "backups"
    secret.write_bytes(PASSPHRASE)
    secret.chmod(0o600)

    def tre(*words: str, code: int = 0, root: Path = site.layout.root) -> str:
        done = CliRunner().invoke(app, [*words, "--root", str(root)])
        assert done.exit_code == code, (done.output, done.exception)
        return done.output

    sealed = ("--passphrase-file", str(secret))
    made = json.loads(tre("backup", str(place), *sealed, "--json"))
    tried = json.loads(tre("backup", str(place), "--drill", *sealed, "--json"))
    assert tried == {"name": made["name"], "files": made["files"], "events": made["events"]}
    assert sorted(path.name for path in place.iterdir()) == ["objects", "sets", "tre-backups"], "it holds keys"
    address = ("--database-url", site.address(site.empty()))
    tre("restore", str(place), *sealed, "--no-witness", *address, root=new)
    with pytest.raises(TREError, match="is closed"):
        require_current(site.database(Role.operator, new))
    tre("reopen", "nccid=3", root=new)
    require_current(site.database(Role.operator, new))
    tre("audit", "verify", root=new)
    kinds = {row.kind for row in rows(site.database(root=new))["audit_events"]}
    assert {"record.restored", "record.reopened"} <= kinds
    wrong = ("--database-url", "postgresql://bob@db.example.org/tre")
    tre("restore", str(place), *sealed, "--no-witness", *wrong, code=1, root=new.parent / "other")
    assert not (new.parent / "other").exists()
