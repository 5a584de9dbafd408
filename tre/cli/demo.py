"""`tre demo`: one grant lives its life on this machine, with the public commands and nothing else.

Every step is a command that anybody can type; what is printed at the end is what they did and how long they took.
The demo's installation lies under `.demo/` in the current directory and is used again the next time.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import typer

from tre.cli import common
from tre.cli.trial.browser import Browser, sign_in
from tre.cli.trial.lab import open_workspace
from tre.domain.errors import Reason, TREError
from tre.system.paths import CHECKOUT
from tre.system.settings import load_settings

PASSWORD = "correct horse battery"  # noqa: S105 - a demo's, printed at its end
ACCOUNTS = {"alice": "researcher", "bob": "checker", "carol": "checker", "olga": "operator", "dan": "data-manager"}
PATIENTS = "300"
NOTEBOOK = CHECKOUT / "examples" / "notebooks" / "severity.ipynb"
STUBBORN = """
import signal
for number in range(1, 32):
    try:
        signal.signal(number, signal.SIG_IGN)
    except OSError:
        continue
held = open('/home/researcher/held', 'ab')
"""
"""A last cell that makes the kernel as hard to end as it can be."""
_START_SECONDS = 90.0


def _demand(held: bool, otherwise: str) -> None:
    if not held:
        raise TREError(Reason.IsolationFailed, f"The demo failed: {otherwise}.")


class Demo:
    """One run of the demo: its directory, its steps and their times."""

    def __init__(self, home: Path) -> None:
        self.home, self.root = home, home / "root"
        self.steps: list[tuple[str, str, float]] = []
        self.services: subprocess.Popen[bytes] | None = None

    def tre(self, *arguments: str, typed: str = "") -> str:
        """Run a command as a person would; return what it printed. Raises `TREError` where it fails."""
        command = [sys.executable, "-m", "tre", *arguments]
        done = subprocess.run(
            command,
            input=typed,
            capture_output=True,
            text=True,
            check=False,
            env=os.environ | {"TRE_ROOT": str(self.root), "COLUMNS": "120"},
        )
        if done.returncode != 0:
            raise TREError(Reason.RuntimeFailed, f"`tre {' '.join(arguments)}` failed.", why=done.stderr.strip())
        return done.stdout

    def json(self, *arguments: str) -> Any:
        """The same for a command that prints JSON."""
        return json.loads(self.tre(*arguments, "--json"))

    @contextmanager
    def step(self, name: str) -> Iterator[Callable[[str], None]]:
        """Time a step and say what it found."""
        common.out.print(f"[bold]…[/] {name}", highlight=False)
        said: list[str] = []
        begun = time.monotonic()
        yield said.append
        seconds = time.monotonic() - begun
        self.steps.append((name, "; ".join(said), seconds))
        common.out.print(f"  [green]✓[/] {'; '.join(said)} ({seconds:.1f} s)", highlight=False)

    def run(self) -> None:
        """Every step, in order."""
        self._data()
        self._people()
        self._start_services()
        grant = self._approve()
        self._work(grant)
        self._revoke(grant)
        self._verify()

    def _data(self) -> None:
        with self.step("Make the installation and its data") as say:
            self.tre("init")
            sources = {"nccid": ("2026-10-01", "--patients", PATIENTS), "scanner": ("v1",)}
            known = {item["name"] for item in self.json("dataset", "list")}
            for name, (release, *options) in sources.items():
                if not (self.home / name).is_dir():
                    self.tre("demo-data", name, str(self.home / name), *options)
                if name not in known:
                    self.tre("dataset", "add", name, str(self.home / name), "--release", release)
            say("a make-believe NCCID and real scanner files, as releases that never change")

    def _people(self) -> None:
        with self.step("Make accounts") as say:
            known = {item["name"] for item in self.json("user", "list")}
            for name, role in ACCOUNTS.items():
                if name not in known:
                    self.tre("user", "add", name, "--role", role, "--password-stdin", typed=PASSWORD + "\n")
            say(", ".join(f"{name} ({role})" for name, role in ACCOUNTS.items()))

    def _start_services(self) -> None:
        with self.step("Start the services") as say:
            log = (self.home / "up.log").open("wb")
            self.services = subprocess.Popen(
                [sys.executable, "-m", "tre", "up", "--root", str(self.root)], stdout=log, stderr=log
            )
            self._await(self._healthy, _START_SECONDS, "the services did not come up")
            say(", ".join(self.json("status")))

    def _healthy(self) -> bool:
        try:
            return all(state == "ok" for state in self.json("status").values())
        except TREError:
            return False

    def _await(self, condition: Callable[[], bool], seconds: float, otherwise: str) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                raise TREError(Reason.StartTimeout, f"{otherwise} within {seconds:.0f} s.")
            time.sleep(0.1)

    def _approve(self) -> str:
        with self.step("Approve: plan, sign, apply") as say:
            plan = self.json("slice", "plan", str(CHECKOUT / "examples" / "slices" / "chest-xray.yaml"))
            name = f"nccid-{len(self.json('grant', 'list')) + 1:05d}"
            text = (CHECKOUT / "examples" / "grant.yaml").read_text(encoding="utf-8")
            text = text.replace("sha256:" + "0" * 64, plan["planDigest"]).replace("nccid-00123}", f"{name}}}")
            file = self.home / f"{name}.yaml"
            file.write_text(text, encoding="utf-8")
            self.tre("grant", "sign", str(file))
            self.tre("grant", "apply", str(file))
            self._await(lambda: self._phase(name) == "Active", 60.0, f"{name} did not become active")
            say(f"{name}: {plan['patients']} patients, {plan['instances']} images, {plan['planDigest'][:19]}…")
        return name

    def _phase(self, grant: str) -> str:
        return str(self.json("grant", "show", grant)["status"]["phase"])

    def _work(self, grant: str) -> None:
        with self.step("A researcher signs in, opens the workspace and runs the notebook") as say:
            seconds, printed = asyncio.run(self._run_notebook(grant))
            for line in printed:
                common.out.print(f"    [dim]{line}[/]", highlight=False)
            _demand("no network" in " ".join(printed), "the network answered inside the workspace")
            _demand("read-only" in " ".join(printed), "the data could be changed inside the workspace")
            say(f"click to the notebook's last cell {seconds:.1f} s, through the gateway alone")
        with self.step("Isolation, as the record has it") as say:
            found = self.json("workspace", "list", "--grant", grant)[0]
            say(" → ".join(step["step"] for step in found["progress"]))

    async def _run_notebook(self, grant: str) -> tuple[float, list[str]]:
        cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
        sources = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
        settings = load_settings(self.root)
        async with Browser() as browser:
            projects = await sign_in(browser, settings.origin("desk") + "/", "alice", PASSWORD)
            begun = time.monotonic()
            lab = await open_workspace(browser, projects, grant, lambda name: settings.origin(f"{name}.open"))
            printed = await lab.run([*sources, STUBBORN])
        return time.monotonic() - begun, [line for text in printed for line in text.strip().splitlines()]

    def _revoke(self, grant: str) -> None:
        with self.step("Revoke the approval while the kernel ignores every signal and holds files open") as say:
            self.tre("grant", "revoke", grant, "--reason", "the demo ends it", "--yes")
            self._await(lambda: not self._living(grant), 10.0, "something still lives")
            say(f"dead {self._seconds_to_death():.3f} s after the revocation was accepted, by the log's own times")

    def _seconds_to_death(self) -> float:
        """Between the acceptance of the last revocation and the proof of death, as the signed log has them."""
        events = self.json("audit", "tail", "--lines", "60")
        moments = {item["event"]["kind"]: datetime.fromisoformat(item["event"]["at"]) for item in events}
        return (moments["workspace.stopped"] - moments["grant.revoked"]).total_seconds()

    def _living(self, grant: str) -> list[Any]:
        return list(self.json("workspace", "verify", "--grant", grant)["living"])

    def _verify(self) -> None:
        with self.step("Verify the signed log") as say:
            self._await(lambda: self.json("audit", "verify")["ok"], 10.0, "the log does not verify")
            say(f"{self.json('audit', 'verify')['size']} events, every one in its place")

    def stop(self) -> None:
        """End the services; running workspaces are halted first."""
        if self.services is None:
            return
        self.services.send_signal(signal.SIGTERM)
        try:
            self.services.wait(30)
        except subprocess.TimeoutExpired:
            self.services.kill()

    def table(self) -> None:
        """What was done, and how long it took."""
        rows = [(name, f"{seconds:.1f}", said) for name, said, seconds in self.steps]
        common.print_table("", ("step", "seconds", "what was seen"), rows)


def demo() -> None:
    """One grant lives its life on this machine. ONCE=1 stops everything at the end."""
    run = Demo(Path.cwd() / ".demo")
    run.home.mkdir(exist_ok=True)
    once = bool(os.environ.get("ONCE"))
    try:
        run.run()
        run.table()
    except TREError as error:
        common.complain(error)
        run.stop()
        raise typer.Exit(1) from error
    except KeyboardInterrupt:
        run.stop()
        raise typer.Exit(130) from None
    if once:
        run.stop()
        return
    common.out.print("Everything runs: http://desk.tre.localhost:8000/ — sign in as")
    for name, role in ACCOUNTS.items():
        common.out.print(f"  {name} ({role}), password: {PASSWORD}", highlight=False)
    common.out.print("Ctrl-C ends the services.")
    try:
        assert run.services is not None
        run.services.wait()
    except KeyboardInterrupt:
        run.stop()
