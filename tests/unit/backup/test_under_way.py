"""While others write, and when the power goes: every backup is one moment, and an interrupted one is none."""

from __future__ import annotations

import json
import shutil
import sqlite3
import threading
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert

from tests.support.memory_runtime import MemoryRuntime
from tests.support.power_cuts import Cutter
from tests.unit.backup.conftest import BY, NOON, PASSPHRASE, Site
from tre.backup import restore as restoring
from tre.backup.make import make_backup
from tre.backup.restore import Terms, restore, verify_backup
from tre.backup.sets import MARK, Place
from tre.domain.clock import ManualClock
from tre.domain.errors import Reason, TREError
from tre.domain.events import Event
from tre.store.database import Database, new_id
from tre.store.tables.airlock import export_files, export_requests
from tre.store.tables.grants import grants
from tre.system.clock import SystemClock
from tre.system.layout import Layout

TERMS = Terms((), 0, BY, NOON)


def name_in_record(database: Database, sha256: str) -> None:
    """Have the record name a file of the vault, as an intake does."""
    event = Event(id=new_id(), at=SystemClock().now(), actor=BY, kind="thing.stored", object=f"file/{sha256}")
    values = {"request": "none", "path": sha256, "group": "g", "place": 0, "size": 1, "type": "t", "kind": "k"}
    with database.change(event) as change:
        change.connection.execute(insert(export_files).values(**values, sha256=sha256))


@pytest.fixture
def loose(site: Site) -> Site:
    """A record with a request whose files are many."""
    granted = {"name": "lungs", "generation": 1, "source": "file", "spec": {}, "phase": "Active", "conditions": []}
    request: dict[str, Any] = {"id": "none", "grant": "lungs", "workspace": "w", "author_issuer": "local"}
    request |= {
        "author_id": "alice",
        "policy": "default",
        "state": "Submitted",
        "reason": "Requested",
        "message": "",
        "ledger": {},
    }
    moments = {"created_at": NOON, "changed_at": NOON}
    event = Event(id=new_id(), at=NOON, actor=BY, kind="thing.happened", object="thing/1")
    database = site.database()
    with database.change(event) as change:
        change.connection.execute(insert(grants).values(**granted, evidence_verified=True, applied_at=NOON))
        change.connection.execute(insert(export_requests).values(**request, **moments, turn=0, version=1))
    database.close()
    return site


def test_every_file_that_the_record_names_is_in_each_backup(loose: Site, tmp_path: Path) -> None:
    """A writer stores and names files all the time, and takes some away again, as fast as it can."""
    stop, written = threading.Event(), [0]

    def write() -> None:
        database = loose.database()
        while not stop.is_set():
            name_in_record(database, loose.stored())
            written[0] += 1
        database.close()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        moments: list[tuple[int, int]] = []
        for _ in range(3):
            before = written[0]
            while written[0] < before + 5:
                time.sleep(0.001)
            made = make_backup(
                loose.source(), loose.place, PASSPHRASE, step=lambda _: _wait_for_more(written, threading.Event())
            )
            moments.append((made.manifest.record.events, written[0]))
            assert made.manifest.missing == ()
    finally:
        stop.set()
        writer.join()
    assert all(before < after for before, after in moments), moments  # it did write while each was made
    for name in loose.place.names():
        verified = verify_backup(loose.place, loose.place.read(name), PASSPHRASE, TERMS)
        root = tmp_path / name
        restore(loose.place, verified, root, TERMS)
        with closing(sqlite3.connect(Layout(root).database)) as connection:
            named = [row[0] for row in connection.execute("SELECT sha256 FROM export_files")]
            events = connection.execute("SELECT count(*) FROM audit_events WHERE kind = 'thing.stored'").fetchone()[0]
        assert len(named) == events > 0
        assert [one for one in named if not (Layout(root).vault / one[:2] / one[2:]).is_file()] == []


def _wait_for_more(written: list[int], never: threading.Event) -> None:
    """Let the writer write between two steps."""
    before = written[0]
    while written[0] < before + 3:
        never.wait(0.001)


def test_a_file_that_goes_while_the_backup_is_made_is_looked_for_again(loose: Site) -> None:
    """Stored and named after the first look, gone before the second: only the record's next moment is without it."""
    database = loose.database()
    steps: list[str] = []

    def happen(step: str) -> None:
        steps.append(step)
        if steps.count("record") == 1 and step == "record":
            name_in_record(database, loose.stored(b"short-lived"))
        if steps.count("files again") == 1 and step == "files again":
            with closing(sqlite3.connect(loose.layout.database)) as connection:
                sha256 = connection.execute("DELETE FROM export_files RETURNING sha256").fetchone()[0]
                connection.commit()
            (loose.layout.vault / sha256[:2] / sha256[2:]).unlink()

    made = make_backup(loose.source(), loose.place, PASSPHRASE, step=happen)
    database.close()
    assert (steps.count("record"), made.manifest.missing) == (2, ())


def test_a_file_that_nobody_finds_is_told(loose: Site) -> None:
    database = loose.database()
    sha256 = loose.stored(b"lost")
    name_in_record(database, sha256)
    database.close()
    (loose.layout.vault / sha256[:2] / sha256[2:]).unlink()
    made = loose.backup()
    assert made.manifest.missing == (f"vault/objects/{sha256[:2]}/{sha256[2:]}",)


def test_a_damaged_record_is_noticed(site: Site) -> None:
    with closing(sqlite3.connect(site.layout.database)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        size = connection.execute("PRAGMA page_size").fetchone()[0]
    data = bytearray(site.layout.database.read_bytes())
    data[size * 3 : size * 6] = b"\xff" * (size * 3)
    site.layout.database.write_bytes(data)
    with pytest.raises(TREError) as caught:
        site.backup()
    assert caught.value.reason is Reason.StorageFailed
    assert site.place.names() == []


def test_the_power_goes_at_every_step_of_a_backup(site: Site, tmp_path: Path) -> None:
    """The earlier backup is whole at each moment, and the next attempt makes another."""
    kept = site.stored(b"kept")
    first = site.backup().manifest.name
    site.stored(b"second")
    database = site.database()
    site.happen(database)
    database.close()
    cutter = Cutter(site.place.directory, tmp_path / "cuts", MemoryRuntime(ManualClock(NOON)))
    with cutter.watching():
        make_backup(site.source(), site.place, PASSPHRASE, most=2)
    assert len(cutter.found) > 5
    seen: set[int] = set()
    for snapshot in cutter.found:
        place = Place(snapshot.place)
        seen.add(len(place.names()))
        assert place.names()[0] == first
        assert all(place.objects.check(e.sha256, e.size) for n in place.names() for e in place.read(n).manifest.files)
        assert place.objects.check(kept, 4)
        again = make_backup(site.source(), place, PASSPHRASE)
        assert len(place.names()) == 2 + (len(place.names()) == 3)
        assert place.read().manifest.name == again.manifest.name
        assert list(place.objects.root.glob(".incoming-*")) == []
    assert seen == {1, 2}  # it was cut before and after the one step that counts


def test_the_power_goes_while_older_backups_are_let_go(site: Site, tmp_path: Path) -> None:
    gone = site.stored(b"gone")
    site.backup()
    (site.layout.vault / gone[:2] / gone[2:]).unlink()
    cutter = Cutter(site.place.directory, tmp_path / "cuts", MemoryRuntime(ManualClock(NOON)))
    with cutter.watching():
        make_backup(site.source(), site.place, PASSPHRASE, most=1)
    half = [
        one for one in cutter.found if len(Place(one.place).names()) == 1 and Place(one.place).objects.holds(gone, 4)
    ]
    assert len(half) >= 2  # before the new one; and after the old one's end, its bytes not gone yet
    for snapshot in cutter.found:
        place = Place(snapshot.place)
        verify_backup(place, place.read(), PASSPHRASE, TERMS)
        make_backup(site.source(), place, PASSPHRASE, most=1)
        assert (len(place.names()), place.objects.holds(gone, 4)) == (1, False)


def test_the_power_goes_at_every_step_of_a_restore(site: Site, tmp_path: Path) -> None:
    """There is no root, or a whole and closed one."""
    site.stored(b"an output")
    site.backup()
    verified = verify_backup(site.place, site.place.read(), PASSPHRASE, TERMS)
    target = tmp_path / "machine"
    target.mkdir()
    cutter = Cutter(target, tmp_path / "cuts", MemoryRuntime(ManualClock(NOON)), every=5)
    with cutter.watching():
        restore(site.place, verified, target / "new", TERMS)
    cutter.every, cutter._last = 1, None
    cutter.cut("the end")
    keys = {path.name for path in site.layout.keys.rglob("*") if path.is_file()}
    roots = [one.place / "new" for one in cutter.found]
    assert {root.exists() for root in roots} == {True, False}
    for root in roots:
        if root.exists():
            with closing(sqlite3.connect(Layout(root).database)) as connection:
                value = connection.execute("SELECT value FROM settings WHERE key = 'restored'").fetchone()[0]
            assert json.loads(value)["backup"] == verified.manifest.name
            assert {path.name for path in Layout(root).keys.rglob("*") if path.is_file()} == keys
        else:
            left = [path for path in root.parent.iterdir() if path.is_dir()]
            restore(site.place, verified, root, TERMS)
            assert [path for path in left if path.exists()] == []  # keys lay in it
            shutil.rmtree(root)


def test_two_restores_at_once_leave_each_other_alone(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.backup()
    verified = verify_backup(site.place, site.place.read(), PASSPHRASE, TERMS)
    real = restoring._begin_anew

    def meanwhile(*given: Any) -> None:
        real(*given)
        monkeypatch.setattr(restoring, "_begin_anew", real)
        restore(site.place, verified, tmp_path / "new", TERMS)

    monkeypatch.setattr(restoring, "_begin_anew", meanwhile)
    with pytest.raises(TREError) as caught:
        restore(site.place, verified, tmp_path / "new", TERMS)
    assert caught.value.reason is Reason.Conflict
    assert len(list((tmp_path / "new" / "keys").iterdir())) > 10
    assert list(tmp_path.glob(".new.*")) == []


def test_two_backups_at_once_take_turns(site: Site) -> None:
    errors: list[Reason] = []

    def meanwhile(_step: str) -> None:
        with pytest.raises(TREError) as caught:
            make_backup(site.source(), site.place, PASSPHRASE)
        errors.append(caught.value.reason)

    make_backup(site.source(), site.place, PASSPHRASE, step=meanwhile)
    assert set(errors) == {Reason.Conflict}
    assert len(site.place.names()) == 1
    assert (site.place.directory / MARK).is_file()
