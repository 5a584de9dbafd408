"""A small installation with a record, a vault and keys, and places for its backups."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tre.airlock.vault import Vault
from tre.audit.keys import PRIVATE_KEY_FILE, load_private
from tre.audit.sequencer import Sequencer, Terms
from tre.audit.witness import FileWitness, witness_path
from tre.backup import seal
from tre.backup.make import Made, Source, make_backup
from tre.backup.restore import Terms as RestoreTerms
from tre.backup.restore import restore, verify_backup
from tre.backup.sets import Place
from tre.cli.main import app
from tre.domain.events import Event
from tre.domain.people import Subject
from tre.store.database import Database, new_id
from tre.system.clock import SystemClock
from tre.system.layout import Layout
from tre.system.settings import load_settings

PASSPHRASE = b"correct horse battery staple"
NOON = datetime(2026, 11, 29, 12, tzinfo=UTC)
BY = Subject(issuer="machine", id="olga")


@dataclass
class Site:
    """One installation and the means to write into it, sign its log, back it up and restore it."""

    home: Path

    @property
    def layout(self) -> Layout:
        return Layout(self.home / "root")

    @property
    def place(self) -> Place:
        return Place(self.home / "backups")

    def database(self) -> Database:
        return Database.sqlite(self.layout.database)

    def happen(self, database: Database, count: int = 1) -> None:
        """So many changes, each with its event."""
        for _ in range(count):
            event = Event(id=new_id(), at=SystemClock().now(), actor=BY, kind="thing.happened", object="thing/1")
            with database.change(event):
                pass

    def signed(self) -> str:
        """Give every event its place and sign; the checkpoint."""
        key = self.home / PRIVATE_KEY_FILE
        shutil.copyfile(self.layout.keys / PRIVATE_KEY_FILE, key)
        key.chmod(0o600)
        database = self.database()
        witness = FileWitness(witness_path(self.layout.root))
        Sequencer(database, load_private(key), SystemClock(), Terms(witness=witness)).catch_up()
        database.close()
        kept = witness.last()
        assert kept is not None
        return kept.note()

    def stored(self, data: bytes | None = None) -> str:
        """Bytes taken into the vault; their SHA-256."""
        path = self.home / secrets.token_hex(8)
        path.write_bytes(data or secrets.token_bytes(100))
        descriptor = os.open(path, os.O_RDONLY)
        try:
            return Vault(self.layout.vault).take_in(descriptor, 1 << 20).sha256
        finally:
            os.close(descriptor)
            path.unlink()

    def source(self) -> Source:
        return Source(self.layout, load_settings(self.layout.root), NOON)

    def backup(self) -> Made:
        return make_backup(self.source(), self.place, PASSPHRASE)

    def restored(self, root: Path, *seen: str, loss: int = 0, place: Place | None = None) -> Layout:
        """The newest backup put back below `root`."""
        where = place or self.place
        terms = RestoreTerms(seen, loss, BY, NOON)
        restore(where, verify_backup(where, where.read(), PASSPHRASE, terms), root, terms)
        return Layout(root)


@pytest.fixture(autouse=True)
def _quick_seal(monkeypatch: pytest.MonkeyPatch) -> None:
    """What makes guessing dear makes many tests slow; `test_seal` looks at the real cost."""
    monkeypatch.setattr(seal, "_COST", 2**4)


@pytest.fixture(scope="package")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A root as `tre init` makes it: made once, copied for each test."""
    root = tmp_path_factory.mktemp("made") / "root"
    assert CliRunner().invoke(app, ["init", "--root", str(root)]).exit_code == 0
    yield root
    shutil.rmtree(Layout(root).run, ignore_errors=True)


@pytest.fixture
def site(made: Path, tmp_path: Path) -> Iterator[Site]:
    shutil.copytree(made, tmp_path / "root", symlinks=True)
    yield Site(tmp_path)
    for name in ("root", "new"):
        shutil.rmtree(Layout(tmp_path / name).run, ignore_errors=True)
