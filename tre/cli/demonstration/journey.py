"""The steps of the demonstration: a grant's whole life, and what must not happen in it."""

from __future__ import annotations

import asyncio
import json
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tre.cli import common
from tre.cli.demonstration.airlock import Airlock
from tre.cli.demonstration.committee import Committee
from tre.cli.demonstration.optout import OptOut
from tre.cli.demonstration.stage import ACCOUNTS, DATASETS, PASSWORD, Stage, demand
from tre.cli.trial.browser import Browser, sign_in
from tre.cli.trial.lab import open_workspace
from tre.system.paths import CHECKOUT

EXAMPLES = CHECKOUT / "examples"
NOTEBOOK = EXAMPLES / "notebooks" / "severity.ipynb"
PLACEHOLDER = "sha256:" + "0" * 64
EXAMPLE_NAME, EXAMPLE_END = "{name: nccid-00123}", 'expires: "2036-10-31T23:59:59Z"'
DEADLINE_SECONDS = 12
STUBBORN = """
import signal
for number in range(1, 32):
    try:
        signal.signal(number, signal.SIG_IGN)
    except OSError:
        continue
held = open('/home/researcher/held', 'ab')
"""
"""A cell that makes a kernel as hard to end as it can be."""


class Journey:
    """Every step, in order."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.plan_digest = ""

    def run(self) -> None:
        """Raises `TREError` at the step that notices something wrong."""
        self.prepare()
        grant = self.approve()
        self.work(grant)
        self.turn_away_a_stranger(grant)
        Airlock(self.stage, grant).run()
        OptOut(self.stage, grant).run()
        self.revoke()
        self.outlast_a_deadline()
        self.verify()

    def prepare(self) -> None:
        """Installation, data, people, services."""
        stage = self.stage
        with stage.step("Make the installation and its data") as say:
            stage.tre("init")
            known = {item["name"] for item in stage.json("dataset", "list")}
            for name, (release, *options) in DATASETS.items():
                data = stage.home / name
                if not data.is_dir():
                    stage.tre("demo-data", name, str(data), *options)
                if name not in known:
                    stage.tre("dataset", "add", name, str(data), "--release", release)
            say("a make-believe NCCID and real scanner files, as releases that never change")
        with stage.step("Make accounts") as say:
            known = {item["name"] for item in stage.json("user", "list")}
            for name, role in ACCOUNTS.items():
                if name not in known:
                    roles = [word for one in role.split() for word in ("--role", one)]
                    stage.tre("user", "add", name, *roles, "--password-stdin", typed=PASSWORD + "\n")
            say(", ".join(f"{name} ({role})" for name, role in ACCOUNTS.items()))
        with stage.step("Start the services") as say:
            stage.start_services()
            say(", ".join(name for name in stage.json("status") if name != "queue"))

    def approve(self) -> str:
        """Plan, ask, vote; what was decided comes into force by itself."""
        with self.stage.step(
            "Ask and decide: the application is planned, and four members vote, a patient last"
        ) as say:
            plan = self.stage.json("slice", "plan", str(EXAMPLES / "slices" / "chest-xray.yaml"))
            self.plan_digest = plan["planDigest"]
            name = Committee(self.stage, EXAMPLES / "application.yaml").decide(self.plan_digest)
            self.stage.wait_for(lambda: self.phase(name) == "Active", 60, f"{name} did not become active")
            say(f"{name}: {plan['patients']} patients, {plan['instances']} images, {self.plan_digest[:19]}…")
        return name

    def grant(self, end: datetime) -> str:
        """Put a further grant into force from a signed file; return its name once it is active."""
        name = f"nccid-{len(self.stage.json('grant', 'list')) + 1:05d}"
        self.apply(name, end)
        self.stage.wait_for(lambda: self.phase(name) == "Active", 60, f"{name} did not become active")
        return name

    def apply(self, name: str, end: datetime) -> None:
        """Sign an approval that ends then, and apply it: a new one, or one that takes the place of the old."""
        stage = self.stage
        text = (EXAMPLES / "grant.yaml").read_text(encoding="utf-8")
        demand(all(part in text for part in (PLACEHOLDER, EXAMPLE_NAME, EXAMPLE_END)), "examples/grant.yaml changed")
        text = text.replace(PLACEHOLDER, self.plan_digest).replace(EXAMPLE_NAME, f"{{name: {name}}}")
        file = stage.home / f"{name}.yaml"
        file.write_text(text.replace(EXAMPLE_END, f'expires: "{end.isoformat()}"'), encoding="utf-8")
        stage.tre("grant", "sign", str(file))
        stage.tre("grant", "apply", str(file))

    def phase(self, grant: str) -> str:
        """A grant's phase."""
        return str(self.stage.json("grant", "show", grant)["status"]["phase"])

    def work(self, grant: str) -> None:
        """A researcher's notebook, through the gateway as a browser would."""
        with self.stage.step("A researcher signs in, opens the workspace and runs the notebook") as say:
            cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
            sources = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
            seconds, printed = asyncio.run(self.execute(grant, sources))
            for line in printed:
                common.out.print(f"    [dim]{line}[/]", highlight=False)
            demand(any(line.startswith("no network") for line in printed), "the network answers inside the workspace")
            demand(any(line.startswith("read-only") for line in printed), "the data can be changed in the workspace")
            say(f"click to the last cell {seconds:.1f} s")
        with self.stage.step("Isolation, as the record has it") as say:
            found = self.stage.json("workspace", "list", "--grant", grant)[0]
            say(" → ".join(step["step"] for step in found["progress"]))

    async def execute(self, grant: str, sources: list[str]) -> tuple[float, list[str]]:
        """Open Alice's workspace and run cells; seconds since the click, and the lines that were printed."""
        async with Browser() as browser:
            projects = await sign_in(browser, self.stage.desk + "/", "alice", PASSWORD)
            begun = time.monotonic()
            lab = await open_workspace(browser, projects, grant, self.stage.shell_of)
            printed = await lab.run(sources)
        return time.monotonic() - begun, [line for text in printed for line in text.strip().splitlines()]

    def turn_away_a_stranger(self, grant: str) -> None:
        """Somebody who signed in and is not in the project."""
        with self.stage.step("A stranger knocks at the workspace") as say:
            workspace = self.stage.json("workspace", "list", "--grant", grant)[0]["name"]
            status = asyncio.run(self._knock(workspace))
            demand(status == 403, f"a stranger reached the workspace (status {status})")
            say("signed in, and turned away at the gateway (403)")

    async def _knock(self, workspace: str) -> int:
        async with Browser() as browser:
            await sign_in(browser, self.stage.desk + "/", "ben", PASSWORD)
            return (await browser.get(self.stage.shell_of(workspace) + "/")).status

    def revoke(self) -> None:
        """A second grant, ended against a kernel's will."""
        stage = self.stage
        with stage.step("A second grant is revoked while its kernel ignores every signal and holds a file open") as say:
            grant = self.grant(datetime(2036, 10, 31, tzinfo=UTC))
            asyncio.run(self.execute(grant, [STUBBORN]))
            stage.tre("grant", "revoke", grant, "--reason", "the demonstration ends it", "--yes")
            stage.wait_for(lambda: not self.living(grant), 10, "something of the revoked grant still lives")
            say(f"dead {self._seconds_to_death(grant):.3f} s after the revocation was accepted, by the log's own times")

    def _seconds_to_death(self, grant: str) -> float:
        """Between the acceptance of the revocation and the proof of death, as the signed log has them."""
        events: list[dict[str, Any]] = [item["event"] for item in self.stage.json("audit", "tail", "--lines", "200")]
        accepted = next(e for e in events if e["kind"] == "grant.revoked" and e["object"] == f"grant/{grant}")
        proven = next(e for e in events if e["kind"] == "workspace.stopped" and e["detail"]["grant"] == grant)
        return (datetime.fromisoformat(proven["at"]) - datetime.fromisoformat(accepted["at"])).total_seconds()

    def living(self, grant: str) -> list[Any]:
        """What lives of a grant, looked for in the kernel's own tables."""
        return list(self.stage.json("workspace", "verify", "--grant", grant)["living"])

    def outlast_a_deadline(self) -> None:
        """A third grant, which is cut short and ends while somebody works."""
        with self.stage.step("A third grant is cut short, and reaches its new end while somebody works") as say:
            grant = self.grant(datetime(2036, 10, 31, tzinfo=UTC))
            asyncio.run(self.execute(grant, [STUBBORN]))
            end = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=DEADLINE_SECONDS)
            self.apply(grant, end)
            time.sleep(max(0.0, (end - datetime.now(UTC)).total_seconds()))
            self.stage.wait_for(lambda: not self.living(grant), 10, "a workspace outlived its grant")
            self.stage.wait_for(lambda: self.phase(grant) == "Expired", 10, "an ended grant did not expire")
            say(
                f"nothing of it lives {(datetime.now(UTC) - end).total_seconds():.1f} s after its end, looking included"
            )

    def verify(self) -> None:
        """The log, whole."""
        with self.stage.step("Verify the signed log") as say:
            self.stage.wait_for(lambda: bool(self.stage.json("audit", "verify")["ok"]), 10, "the log does not verify")
            say(f"{self.stage.json('audit', 'verify')['size']} events, every one in its place")


def addresses(stage: Stage) -> list[str]:
    """Where to look, and as whom."""
    found = [f"Public pages: {stage.settings.origin()}/", f"Desk: {stage.desk}/"]
    return [*found, *(f"  sign in as {name} ({role}), password: {PASSWORD}" for name, role in ACCOUNTS.items())]


def home_of(directory: Path) -> Path:
    """Where the demonstration keeps what it makes."""
    return directory / ".demo"
