"""A restored record is closed until the opt-outs since the backup were told."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Table, insert, select
from typer.testing import CliRunner

from tests.unit.backup.conftest import BY, NOON, PASSPHRASE, Site
from tre.cli.main import app
from tre.domain.errors import Reason, TREError
from tre.domain.events import Event
from tre.store.database import Database, new_id
from tre.store.schema import require_current
from tre.store.tables.audit import audit_events
from tre.store.tables.data import datasets, slices
from tre.store.tables.grants import grant_slices, grants
from tre.store.tables.jobs import jobs
from tre.store.tables.people import sessions, tickets
from tre.store.tables.workspaces import workspaces

PHASES = ("Starting", "Running", "Stopping", "Stopped")
LATER = NOON + timedelta(hours=8)


def put(database: Database, *rows: tuple[Table, dict[str, Any]]) -> None:
    event = Event(id=new_id(), at=NOON, actor=BY, kind="thing.happened", object="thing/1")
    with database.change(event) as change:
        for table, values in rows:
            change.connection.execute(insert(table).values(**values))


def slice_row(name: str, state: str) -> dict[str, Any]:
    release = {"dataset": "nccid", "release": "r1", "reason": "Entitled"}
    return {"grant": "lungs", "name": name, "slice_id": f"s-{name}", "state": state, **release}


@pytest.fixture
def busy(site: Site) -> Site:
    """People signed in, a workspace runs, slices stand, a patient has opted out."""
    database = site.database()
    who = {"issuer": "local", "subject": "alice"}
    granted = {"name": "lungs", "generation": 1, "source": "file", "spec": {}, "phase": "Active", "conditions": []}
    dataset = {"name": "nccid", "title": "NCCID", "data_group": 60100, "deny_version": 3, "created_at": NOON}
    run: dict[str, Any] = {"issuer": "local", "grant": "lungs", "wanted": "Running", "reason": "Requested"}
    run |= {"instance": 1, "progress": [], "changed_at": NOON}
    built = {"slice_id": "s-cxr", "dataset": "nccid", "release": "r1", "plan_digest": "p", "content_digest": "c"}
    session = {"id": "a", "display_name": "Alice", "roles": [], "created_at": NOON, "expires_at": LATER}
    job = {"program": "storekeeper", "subject": "slice/s-cxr", "payload": {}, "state": "done", "deadline": LATER}
    put(
        database,
        (datasets, dataset),
        (grants, {**granted, "evidence_verified": True, "applied_at": NOON}),
        *((workspaces, {**run, "name": f"ws-{phase}", "subject": phase, "phase": phase}) for phase in PHASES),
        (grant_slices, slice_row("cxr", "Ready")),
        (grant_slices, slice_row("old", "Gone")),
        (slices, {**built, "manifest_version": 1, "files": 1, "bytes": 1, "data_group": 60100, "built_at": NOON}),
        (sessions, {**session, **who}),
        (tickets, {"id": "t", "session": "a", "host": "h", "expires_at": LATER}),
        (jobs, {**job, "id": "b", "kind": "slice.build", "created_at": NOON}),
        (jobs, {**job, "id": "p", "kind": "workspace.provision", "created_at": NOON}),
        (jobs, {**job, "id": "r", "kind": "slice.remove", "created_at": NOON}),
    )
    database.close()
    return site


def test_nothing_of_before_goes_on(busy: Site, tmp_path: Path) -> None:
    busy.backup()
    database = Database.sqlite(busy.restored(tmp_path / "new").database)
    with database.read() as connection:
        assert connection.execute(select(sessions.c.revoked_at)).scalar_one() == NOON
        assert connection.execute(select(tickets)).all() == []
        after = connection.execute(select(workspaces.c.name, workspaces.c.wanted, workspaces.c.phase)).all()
        assert {tuple(row) for row in after} == {(f"ws-{phase}", "Stopped", "Stopped") for phase in PHASES}
        ended = select(audit_events.c.object).where(audit_events.c.kind == "workspace.stopped-by-statement")
        assert set(connection.execute(ended).scalars()) == {f"workspace/ws-{phase}" for phase in PHASES[:3]}
        assert connection.execute(select(slices)).all() == []
        found = connection.execute(select(grant_slices.c.name, grant_slices.c.state).order_by(grant_slices.c.name))
        assert [tuple(row) for row in found] == [("cxr", "Pending"), ("old", "Gone")]
        assert connection.execute(select(jobs.c.kind)).scalars().all() == ["slice.remove"]
    database.close()


def test_no_service_starts_until_the_opt_outs_were_told(busy: Site, tmp_path: Path) -> None:
    database = busy.database()
    require_current(database)  # the record that was backed up is open
    database.close()
    busy.backup()
    layout = busy.restored(tmp_path / "new")
    restored = Database.sqlite(layout.database)

    def tre(*words: str) -> tuple[int, str]:
        done = CliRunner().invoke(app, [*words, "--root", str(layout.root)], env={"COLUMNS": "200"})
        return done.exit_code, done.stdout + done.stderr

    for told in ((), ("nccid=2",), ("nccid=4",), ("nccid=3", "other=0"), ("nccid",), ("nccid=-3",), ("nccid=x",)):
        code, said = tre("reopen", *told)
        assert (code, "what to do: " in said) == (1, True), said
        with pytest.raises(TREError) as caught:
            require_current(restored)
        assert caught.value.reason is Reason.StateForbids
    code, said = tre("up")
    assert (code, "StateForbids" in said) == (1, True), said
    assert tre("reopen", "nccid=3")[0] == 0
    require_current(restored)
    code, said = tre("reopen", "nccid=3")
    assert (code, "Nothing waits" in said) == (1, True)
    restored.close()


def test_the_commands(busy: Site, tmp_path: Path) -> None:
    """Typed as a person types them: the passphrase through a file, each refusal in three parts."""
    secret = tmp_path / "passphrase"
    secret.write_bytes(PASSPHRASE)
    secret.chmod(0o600)

    def tre(*words: str, typed: str = "") -> tuple[int, str]:
        done = CliRunner().invoke(app, list(words), input=typed, env={"COLUMNS": "200"})
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
        return done.exit_code, done.stdout + done.stderr

    place, root, new = str(tmp_path / "bk"), str(busy.layout.root), str(tmp_path / "new")
    assert tre("backup", place, "--root", root)[0] == 1
    code, said = tre("backup", place, "--root", root, "--passphrase-file", "-", typed="short\n")
    assert (code, "one line of 16" in said) == (1, True)
    assert tre("backup", place, "--list")[0] == 0
    code, said = tre("backup", place, "--root", root, "--passphrase-file", str(secret))
    assert (code, "Not in it:" in said) == (0, True), said
    code, said = tre("backup", place, "--root", root, "--passphrase-file", str(secret), "--keep", "1", "--json")
    assert (code, '"gone": [' in said) == (0, True), said
    assert tre("restore", place, "--root", new, "--passphrase-file", str(secret))[0] == 2
    seen = ("--no-witness",)
    code, said = tre("restore", place, "--root", root, "--passphrase-file", str(secret), *seen)
    assert (code, "is not empty" in said) == (1, True), said
    code, said = tre("restore", place, "--root", new, "--passphrase-file", str(secret), *seen, "--backup", "none")
    assert (code, "There is no backup none" in said) == (1, True), said
    code, said = tre("restore", place, "--root", new, "--passphrase-file", str(secret), "--seen", str(secret))
    assert (code, "what to do: " in said, Path(new).exists()) == (1, True, False), said
    code, said = tre("restore", place, "--root", new, "--passphrase-file", str(secret), *seen)
    assert (code, "tre reopen nccid=VERSION" in said) == (0, True), said
