"""What the demonstration stands on: its directory, its services, the commands it types, and the list of its steps."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tre.cli import common
from tre.domain.errors import Reason, TREError
from tre.system.paths import CHECKOUT, ENVIRONMENT
from tre.system.settings import Settings, load_settings

PASSWORD = "correct horse battery"  # noqa: S105 - a demo's, printed at its end
ACCOUNTS = {
    "alice": "researcher checker",
    "ben": "researcher",
    "carol": "checker",
    "chris": "checker",
    "olga": "operator",
    "dan": "data-manager",
}
PATIENTS = "300"
"""Alice is a checker too, as people in small places are; she must never review what is her own."""
DATASETS = {"nccid": ("2026-10-01", "--patients", PATIENTS), "scanner": ("v1",)}
"""Each dataset's release, and what the maker of its data is told."""


def demand(held: bool, otherwise: str) -> None:
    """Raise `TREError` unless what should hold does."""
    if not held:
        raise TREError(Reason.RuntimeFailed, f"The demonstration noticed: {otherwise}.")


class Stage:
    """One run of the demonstration. `program` is where the services run from: the checkout, or a broken copy."""

    def __init__(self, home: Path, program: Path) -> None:
        self.home, self.program = home, program
        self.root = home / ("root" if program == CHECKOUT else f"root-{program.name}")
        self.steps: list[tuple[str, str, float]] = []
        self._services: subprocess.Popen[bytes] | None = None

    @contextmanager
    def step(self, name: str) -> Iterator[Callable[[str], None]]:
        """Time a step, and print what it saw."""
        common.out.print(f"[bold]…[/] {name}", highlight=False)
        said: list[str] = []
        begun = time.monotonic()
        yield said.append
        seconds = time.monotonic() - begun
        self.steps.append((name, "; ".join(said), seconds))
        common.out.print(f"  [green]✓[/] {'; '.join(said)} ({seconds:.1f} s)", highlight=False)

    def tre(self, *arguments: str, typed: str = "", fails: bool = False) -> str:
        """Type a command; return what it printed. Raises `TREError` unless it ends as it should."""
        done = subprocess.run(
            [sys.executable, "-m", "tre", *arguments],
            input=typed,
            capture_output=True,
            text=True,
            check=False,
            cwd=CHECKOUT,
            env=os.environ | {"TRE_ROOT": str(self.root), "COLUMNS": "120"},
        )
        if (done.returncode != 0) is not fails:
            raise TREError(Reason.RuntimeFailed, f"`tre {' '.join(arguments)}` went wrong.", why=done.stderr.strip())
        return done.stdout

    def json(self, *arguments: str) -> Any:
        """The same for a command that prints JSON."""
        return json.loads(self.tre(*arguments, "--json"))

    @property
    def settings(self) -> Settings:
        """The installation's settings."""
        return load_settings(self.root)

    @property
    def desk(self) -> str:
        """The desk's origin."""
        return self.settings.origin("desk")

    def shell_of(self, workspace: str) -> str:
        """A workspace's shell."""
        return self.settings.origin(f"{workspace}.open")

    def wait_for(self, condition: Callable[[], bool], seconds: float, otherwise: str) -> float:
        """Wait until something is so; return how long it took. Raises `TREError(StartTimeout)`."""
        begun = time.monotonic()
        while not condition():
            if time.monotonic() - begun > seconds:
                raise TREError(Reason.StartTimeout, f"{otherwise} within {seconds:.0f} s.")
            time.sleep(0.1)
        return time.monotonic() - begun

    def start_services(self) -> None:
        """Start everything, from the program's directory, and wait until it answers."""
        settings = self.root / "tre.yaml"
        if self.program != CHECKOUT and "workspaceEnvironment" not in settings.read_text(encoding="utf-8"):
            with settings.open("a", encoding="utf-8") as file:
                file.write(f"workspaceEnvironment: {CHECKOUT / ENVIRONMENT}\n")
        with (self.home / "up.log").open("wb") as log:
            self._services = subprocess.Popen(
                [sys.executable, "-m", "tre", "up", "--root", str(self.root)],
                stdout=log,
                stderr=log,
                cwd=self.program,
            )
        self.wait_for(lambda: b"Up:" in (self.home / "up.log").read_bytes(), 90, "the services did not come up")

    def wait_forever(self) -> None:
        """Until the services end or somebody presses Ctrl-C."""
        if self._services is not None:
            self._services.wait()

    def stop(self) -> None:
        """End every workspace and every service."""
        if self._services is None or self._services.poll() is not None:
            return
        try:
            self.tre("halt", "--all", "--reason", "the demonstration is over")
        except TREError as error:
            common.complain(error)
        self._services.send_signal(signal.SIGTERM)
        try:
            self._services.wait(30)
        except subprocess.TimeoutExpired:
            self._services.kill()

    def table(self) -> None:
        """What was done, how long it took, and what was seen."""
        rows = [
            (str(number), name, f"{seconds:.1f}", said) for number, (name, said, seconds) in enumerate(self.steps, 1)
        ]
        common.print_table("", ("", "step", "seconds", "what was seen"), rows)
