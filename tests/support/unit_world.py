"""A launcher whose services are started by the units that `tre install --systemd` writes, as systemd would."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

from tests.support import unitfiles
from tre.cli.services import services
from tre.cli.systemd.units import GROUND, UNITS, USERS, Nightly, files
from tre.cli.trial.world import World
from tre.system.installation import Owners
from tre.system.paths import CHECKOUT
from tre.system.processes import ServiceSpec

STARTER = CHECKOUT / "tests" / "support" / "as_unit.py"


class UnitWorld(World):
    """Started by its units where root runs the tests; by `tre up` for everybody else."""

    def __init__(self, home: Path) -> None:
        super().__init__(home)
        self.units: dict[str, subprocess.Popen[bytes]] = {}

    def start(self) -> None:
        if os.geteuid() != 0:
            super().start()
            return
        layout = self.here.layout
        (self.home / "backups").mkdir()
        (self.home / "credentials").mkdir(mode=0o700)
        (self.home / "credentials" / "passphrase").write_text("correct horse battery staple\n")
        (self.home / "credentials" / "passphrase").chmod(0o400)
        nightly = Nightly(self.home / "backups", self.home / "credentials" / "passphrase")
        self.texts = files(layout, self.settings, nightly)
        (Path("/run") / "tre").mkdir(exist_ok=True, mode=0o711)  # RuntimeDirectory
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told:
            told.bind(str(self.home / "notify"))
            told.settimeout(60)
            self.start_unit(GROUND)
            assert told.recv(64) == b"READY=1", self.words(GROUND)
        self.specs = {f"tre-{spec.name}.service": spec for spec in services(layout, self.settings, self.owners)}
        for name in self.specs:
            self.start_unit(name)
        for name, spec in self.specs.items():
            self.wait_for_unit(name, spec)

    @property
    def owners(self) -> Owners:
        """Whom the units start services as."""
        return Owners(self.settings.services, as_root=True)

    def wait_for_unit(self, name: str, spec: ServiceSpec) -> None:
        """Wait until a unit's service is ready; it must not have ended."""
        self.wait_for(lambda: spec.ready() or self.units[name].poll() is not None, f"{name} did not come up")
        assert self.units[name].poll() is None, self.words(name)

    def start_unit(self, name: str) -> None:
        """Start one line, behind what of its walls this machine can raise."""
        plan = {
            "unit": unitfiles.read(self.texts[UNITS / name])["Service"],
            "numbers": unitfiles.numbers(self.texts[USERS]),
            "calls": unitfiles.calls_of_services(),
            "notify": str(self.home / "notify"),
            "credentials": str(self.home / "credentials"),
        }
        (self.home / f"{name}.json").write_text(json.dumps(plan))
        with (self.home / f"{name}.log").open("ab") as log:
            command = [sys.executable, str(STARTER), str(self.home / f"{name}.json")]
            environment = {"PYTHONPATH": str(CHECKOUT)}
            self.units[name] = subprocess.Popen(command, env=environment, stdout=log, stderr=log)

    def words(self, name: str) -> str:
        """What a unit's program said: its journal."""
        return (self.home / f"{name}.log").read_text(errors="replace")

    def stop_unit(self, name: str) -> int:
        """TERM, as systemd ends a unit whose group holds nothing else; the status it ended with."""
        process = self.units.pop(name)
        process.send_signal(signal.SIGTERM)
        try:
            return process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait()

    def stop(self) -> None:
        ended = {name: self.stop_unit(name) for name in reversed(list(self.units))}
        super().stop()
        held_up = {name: status for name, status in ended.items() if status not in {0, -signal.SIGTERM}}
        assert held_up == {}, "a unit that does not end when it is told to is killed, and a restart waits for it"
