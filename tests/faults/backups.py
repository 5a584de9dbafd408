"""Backups to another disk, made by the command in a process of its own that can be stopped in the middle."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from tests.faults.site import FaultWorld
from tre.backup.restore import Terms, verify_backup
from tre.backup.sets import Place
from tre.cli.common import operator
from tre.domain.errors import Reason, TREError

PASSPHRASE = "correct horse battery staple"


class Backups:
    """One place of backups of a world."""

    def __init__(self, world: FaultWorld) -> None:
        self.world = world
        self.directory = world.steps.place / "backups"
        self.passphrase = world.steps.place / "passphrase"
        self.passphrase.write_text(PASSPHRASE + "\n")
        self.passphrase.chmod(0o600)

    def names(self) -> list[str]:
        """Every backup that is there."""
        return list(Place(self.directory).names()) if self.directory.exists() else []

    async def make(self) -> None:
        """`tre backup`. Raises `TREError` where it did not end well."""
        steps = self.world.steps.environment
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tre", "backup", str(self.directory)),
            *("--passphrase-file", str(self.passphrase), "--root", str(self.world.root)),
            env=os.environ | steps | {"PYTHONPATH": f"{steps['PYTHONPATH']}:."},
            cwd=Path(__file__).resolve().parents[2],
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said, _ = await process.communicate()
        if process.returncode != 0:
            raise TREError(Reason.StorageFailed, "No backup was made.", why=said.decode()[-800:])

    def verify(self, name: str) -> None:
        """Look at every byte of it, as a restore does first. Raises `TREError`."""
        place = Place(self.directory)
        terms = Terms((), 0, operator(), self.world.here.clock.now())
        verify_backup(place, place.read(name), PASSPHRASE.encode(), terms)
