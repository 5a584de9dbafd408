"""The installation that is photographed: people, grants in every phase, requests in every state.

Guarantees: everything is brought about by what people use: commands, the desk's interface, a kernel in a workspace;
nothing is written into the record by hand, so a page cannot show what could not happen.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from tre.cli.trial.desk import Desk
from tre.cli.trial.lab import Lab, open_workspace
from tre.cli.trial.world import PASSWORD, World
from tre.domain.people import Subject
from tre.domain.workspaces.models import Workspace
from tre.system.layout import Layout
from tre.system.paths import CHECKOUT

NEW_PEOPLE = {
    "ada": ("Ada Okafor", "researcher"),
    "ewan": ("Ewan Reid", "researcher"),
    "priya": ("Priya Nair", "checker"),
    "tom": ("Tom Hughes", "checker"),
    "megan": ("Megan Price", "checker"),
    "omar": ("Omar Aziz", "operator"),
    "cleo": ("Cleo Grant", "committee"),
    "dora": ("Dora Flint", "data-manager"),
}
"""People of the pictures, beside those of every trial installation: accounts with names."""

MAIN, SOON, PAUSED, OVER, WITHDRAWN, UNCOVERED = (
    "nccid-00123",
    "nccid-00131",
    "nccid-00117",
    "nccid-00098",
    "nccid-00104",
    "nccid-00140",
)
SCANNER = "scanner"
_PATIENCE = 30.0
LAY_SUMMARY = (
    "COVID-19 can damage the lungs. Doctors see the damage on an X-ray, but two doctors may judge the same picture "
    "differently. We want to teach a computer to score how badly the lungs are affected, from X-rays of people who "
    "were treated in hospitals across the country, and to find out whether the score tells who will need more care."
)
BENEFIT = "People who will need intensive care could be found earlier, and beds planned better."
UNIVERSITY = {"name": "University of Somewhere", "id": "org-somewhere", "sector": "academic", "commercial": False}
COMPANY = {"name": "Imaging Company Ltd", "id": "org-imaging", "sector": "industry", "commercial": True}

OUTBOX = {
    "patients-by-sex.csv": "sex,patients\nfemale,45\nmale,40\n",
    "table1-admissions.csv": (
        "age_band,admitted,itu_admissions,deaths\n18-29,25,4,0\n30-39,40,10,3\n40-49,65,20,10\n50-59,90,35,20\n60+,150,60,55\n"
    ),
    "formulas.csv": "measure,value\n=auc_internal,0.81\nauc_external,0.78\n",
    "roc-curve.csv": "threshold,sensitivity,specificity\n0.2,0.94,0.51\n0.5,0.82,0.77\n0.8,0.55,0.93\n",
    "method.md": "# Method\n\nA logistic model over the severity score, five-fold cross-validation.\n",
}
MODEL = "model.pkl"
FILL = f"""
import pathlib
for name, text in {OUTBOX!r}.items():
    pathlib.Path('/outbox', name).write_text(text)
pathlib.Path('/outbox/{MODEL}').write_bytes(b'\\x80\\x04K\\x01.')
pathlib.Path('/outbox/latest.csv').symlink_to('/data/chest-xray/clinical.parquet')
import matplotlib.pyplot
"""
NOTEBOOK = "severity-score.ipynb"
CELLS = (
    "# Severity scoring: first look\n\nThe slice holds exactly what the committee approved, read-only.",
    "from pathlib import Path\n\nimport matplotlib.pyplot as plt\nimport pydicom\n\n"
    "images = sorted(Path('/data/chest-xray/data').rglob('*.dcm'))\n"
    "figure, places = plt.subplots(1, 4, figsize=(11, 2.8))\n"
    "for path, place in zip(images, places):\n"
    "    place.imshow(pydicom.dcmread(path).pixel_array, cmap='gray')\n    place.axis('off')",
    "import socket\n\ntry:\n    socket.create_connection(('192.0.2.1', 443), 1)\n"
    "except OSError as error:\n    print('no network:', error)",
)
GOOD = (
    "Numbers of patients with a positive test by age band, with admissions to intensive care and deaths. N = 370.",
    "Counts under 10 are explained below; all others are rounded to the nearest five.",
)


class Scene:
    """One installation, and what is done in it."""

    def __init__(self, world: World) -> None:
        self.world = world

    def people(self) -> None:
        """Make the accounts."""
        for name, (shown, role) in NEW_PEOPLE.items():
            self.tre("user", "add", name, "--name", shown, "--role", role, "--password-stdin", typed=PASSWORD + "\n")

    def tre(self, *arguments: str, typed: str = "") -> str:
        """Type a command; return what it printed."""
        command = [sys.executable, "-m", "tre", *arguments, "--root", str(self.world.root)]
        return subprocess.run(command, input=typed, capture_output=True, text=True, check=True).stdout

    def scanner_files(self) -> None:
        """Add real scanner files, of which many wait for a person."""
        place = self.world.home / "scanner"
        command = [sys.executable, "-m", "tre", "demo-data", "scanner", str(place)]
        subprocess.run(command, capture_output=True, check=True)
        self.tre("dataset", "add", SCANNER, str(place), "--release", "2026-10-01", "--title", "Scanner files")

    def grant(self, name: str, title: str, *, days: float = 400, **changes: Any) -> str:
        """Put a grant into force: the committee's words, its members, its end."""
        now = datetime.now(UTC).replace(microsecond=0)
        organisation = changes.pop("organisation", UNIVERSITY)
        project = {"title": title, "laySummary": LAY_SUMMARY, "publicBenefit": BENEFIT, "organisation": organisation}
        members = [
            {"subject": {"issuer": "local", "id": who}, "role": role}
            for who, role in (changes.pop("members", None) or {"ada": "lead", "ewan": "researcher"}).items()
        ]
        dates = {"expires": (now + timedelta(days=days)).isoformat()}
        return self.world.grant(name, project=project, members=members, **dates, **changes)

    def uncovered_grant(self) -> None:
        """An approval of something else than the data give: it waits, and says why."""
        example = (CHECKOUT / "examples" / "grant.yaml").read_text(encoding="utf-8")
        file = self.world.home / f"{UNCOVERED}.yaml"
        text = example.replace("{name: nccid-00123}", f"{{name: {UNCOVERED}}}").replace("id: alice", "id: ada")
        file.write_text(text.replace("Severity scoring of COVID-19", "Pneumonia or not"), encoding="utf-8")
        self.tre("grant", "sign", str(file))
        self.tre("grant", "apply", str(file))

    def workspace(self, grant: str, who: str = "ada") -> str:
        """The name of a member's workspace."""
        return Workspace.name_for(grant, Subject(issuer="local", id=who))

    async def supervisor(self, workspace: str) -> int:
        """The process that holds a workspace's run, as soon as there is one."""
        async with asyncio.timeout(_PATIENCE):
            while True:
                for state in Layout(self.world.root).run.glob(f"workspaces/{workspace}*/state.json"):
                    if state.read_bytes():
                        return int(json.loads(state.read_bytes())["supervisor"]["pid"])
                await asyncio.sleep(0.01)

    @asynccontextmanager
    async def desk(self, name: str) -> AsyncIterator[Desk]:
        """Somebody's desk, used as a page's script uses it."""
        async with self.world.signed_in(name) as (browser, _):
            yield Desk(browser, self.world.desk)

    @asynccontextmanager
    async def lab(self, grant: str, who: str = "ada") -> AsyncIterator[Lab]:
        """Somebody's workspace, opened where it is not open yet."""
        async with self.world.signed_in(who) as (browser, projects):
            if f"/projects/{grant}/open" in projects.text:
                yield await open_workspace(browser, projects, grant, self.world.shell_of)
            else:
                lab = Lab(browser, self.world.shell_of(self.workspace(grant, who)))
                await lab.enter()
                yield lab

    async def fill(self, lab: Lab) -> None:
        """A notebook into the home, files into the outbox; fonts are looked for once, as on somebody's second day."""
        kinds = ["markdown", *["code"] * (len(CELLS) - 1)]
        cells: list[dict[str, Any]] = [
            {"cell_type": kind, "id": f"cell-{number}", "metadata": {}, "source": text}
            | ({"execution_count": None, "outputs": []} if kind == "code" else {})
            for number, (kind, text) in enumerate(zip(kinds, CELLS, strict=True))
        ]
        kernel = {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}
        content = {"nbformat": 4, "nbformat_minor": 5, "metadata": {"kernelspec": kernel}, "cells": cells}
        await lab.call("PUT", f"/api/contents/home/{NOTEBOOK}", {"type": "notebook", "content": content})
        await lab.run([FILL])

    async def draft(self, desk: Desk, *paths: str, words: tuple[str, str] = GOOD, group: str = "Table 1") -> str:
        """A request of Ada's with checked files."""
        export = str((await desk.call("POST", "/exports", {"grant": MAIN}))["id"])
        await desk.until(f"/exports/{export}/outbox", lambda found: not found["waiting"])
        asked = {
            "group": group,
            "paths": list(paths),
            "context": words[0],
            "controls": words[1],
            "relation": "Nothing left before.",
            "people": 2500,
        }
        await desk.call("POST", f"/exports/{export}/files", asked)
        await desk.until(f"/exports/{export}", lambda found: not found["busy"] and found.get("run"))
        return export

    async def submitted(self, desk: Desk, *paths: str, **how: Any) -> str:
        """A request that was handed to the checkers."""
        export = await self.draft(desk, *paths, **how)
        await desk.call("POST", f"/exports/{export}/submit")
        return export

    async def review(self, who: str, export: str, choice: str = "Approved", comment: str = "") -> None:
        """The same vote on every file, handed in."""
        async with self.desk(who) as desk:
            found = await desk.call("GET", f"/exports/{export}")
            for file in (file for group in found["groups"] for file in group["files"]):
                why = "The smallest count stands in the published national report."
                answers = {item["id"]: why for item in file["findings"] if item["severity"] in "EA"}
                vote = {"path": file["path"], "sha256": file["sha256"], "run": found["run"], "choice": choice}
                found = await desk.call(
                    "PUT", f"/exports/{export}/vote", vote | {"answers": answers, "comment": comment}
                )
            await desk.call("POST", f"/exports/{export}/review", {"seen": found["seen"]})

    async def confirm(self, export: str, who: str = "priya") -> Any:
        """Confirm the release, and wait until it is out or stopped."""
        async with self.desk(who) as desk:
            found = await desk.call("GET", f"/exports/{export}")
            await desk.call(
                "POST", f"/exports/{export}/approve", {"seen": found["seen"], "confirm": str(found["outputs"])}
            )
            return await desk.until(f"/exports/{export}", lambda now: now["state"] not in {"Approved", "Releasing"})

    async def say(self, who: str, export: str, act: str, message: str) -> None:
        """Return, refuse or recall a request with words."""
        async with self.desk(who) as desk:
            await desk.call("POST", f"/exports/{export}/{act}", {"message": message})

    async def block(self, export: str) -> None:
        """Change a stored file after both have voted: its release is stopped."""
        async with self.desk("ada") as desk:
            found = await desk.call("GET", f"/exports/{export}")
        sha256 = found["groups"][0]["files"][0]["sha256"]
        path = Layout(self.world.root).vault / sha256[:2] / sha256[2:]
        before = path.read_bytes()
        path.chmod(0o600)
        try:
            path.write_bytes(before.replace(b"0", b"1", 1))
            await self.confirm(export)
        finally:
            path.write_bytes(before)
            path.chmod(0o400)
