"""The demonstration's way out: one file through two people, and one that was changed after they had decided."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tre.cli.demonstration.stage import PASSWORD, Stage, demand
from tre.cli.trial.browser import Browser, sign_in
from tre.cli.trial.desk import Desk, RefusedError
from tre.system.layout import Layout

FILE = "patients-by-sex.csv"
CONTEXT = "Patients in the slice by sex, all with a positive test. N = 85 before rounding."
RELATION = "Nothing of this project left before."
CONTROLS = "Counts are rounded to the nearest five."


class Airlock:
    """Takes files of one grant out, as its researcher and as checkers."""

    def __init__(self, stage: Stage, grant: str) -> None:
        self.stage, self.grant = stage, grant

    def run(self) -> None:
        """A release, and a refusal."""
        with self.stage.step("A result is asked for: copied, hashed, checked") as say:
            export, words = asyncio.run(self.ask())
            say(words)
        with self.stage.step("Two checkers vote blind; one alone cannot let it out") as say:
            say(asyncio.run(self.review(export)))
        with self.stage.step("The released bundle is verified with nothing but the public key") as say:
            say(asyncio.run(self.receive(export)))
        with self.stage.step("A file is changed in the vault after both have voted") as say:
            say(asyncio.run(self.tamper()))

    @asynccontextmanager
    async def desk_of(self, name: str) -> AsyncIterator[Desk]:
        """Somebody's desk."""
        async with Browser() as browser:
            await sign_in(browser, self.stage.desk + "/", name, PASSWORD)
            yield Desk(browser, self.stage.desk)

    async def ask(self) -> tuple[str, str]:
        """Begin a request, choose the file, give context, submit."""
        async with self.desk_of("alice") as desk:
            export = (await desk.call("POST", "/exports", {"grant": self.grant}))["id"]
            outbox = await desk.until(f"/exports/{export}/outbox", lambda found: not found["waiting"])
            demand(any(item["path"] == FILE for item in outbox["files"]), f"{FILE} is not in the outbox")
            await desk.call("POST", f"/exports/{export}/files", {"group": "counts", "paths": [FILE]})
            await desk.until(f"/exports/{export}", lambda found: not found["busy"] and found.get("run"))
            demand(await self._refused(desk, f"/exports/{export}/submit", None), "a file without context was taken")
            words = {"name": "counts", "context": CONTEXT, "controls": CONTROLS, "relation": RELATION, "people": 85}
            await desk.call("PUT", f"/exports/{export}/groups", words)
            found = await desk.call("POST", f"/exports/{export}/submit")
        file = found["groups"][0]["files"][0]
        return export, f"{file['path']}, {file['size']} bytes, {len(file['findings'])} findings; not without context"

    async def _refused(self, desk: Desk, path: str, body: Any) -> bool:
        try:
            await desk.call("POST", path, body)
        except RefusedError:
            return True
        return False

    async def review(self, export: str) -> str:
        """Alice tries her own; Carol votes and tries to decide alone; Chris votes; Carol confirms; it is released."""
        async with self.desk_of("alice") as alice, self.desk_of("carol") as carol, self.desk_of("chris") as chris:
            demand(await self._may_not_vote(alice, export), "an author voted on her own file")
            await self._vote(carol, export)
            found = await carol.call("GET", f"/exports/{export}")
            demand(found["state"] == "PartiallyReviewed", "one review counts as enough")
            alone = await self._refused(carol, f"/exports/{export}/approve", _confirmation(found))
            demand(alone, "a release was confirmed after one review")
            demand(not (await chris.call("GET", f"/exports/{export}"))["reviews"], "a checker sees another's vote")
            await self._vote(chris, export)
            found = await carol.call("GET", f"/exports/{export}")
            await carol.call("POST", f"/exports/{export}/approve", _confirmation(found))
            found = await carol.until(f"/exports/{export}", _decided)
        demand(found["state"] == "Released", f"the request is {found['state']}: {found['message']}")
        return "the author refused, refused after one vote, released after two and a delay"

    async def _may_not_vote(self, desk: Desk, export: str) -> bool:
        try:
            await self._vote(desk, export)
        except RefusedError:
            return True
        return False

    async def _vote(self, desk: Desk, export: str) -> None:
        """Approve every file of a request, as it was seen, and hand the review in."""
        found = await desk.call("GET", f"/exports/{export}")
        for file in (file for group in found["groups"] for file in group["files"]):
            answers = {item["id"]: "seen and understood" for item in file["findings"] if item["severity"] in "EA"}
            vote = {"path": file["path"], "sha256": file["sha256"], "run": found["run"], "choice": "Approved"}
            said = {"answers": answers, "looked": "covered"}  # the demonstration looks at nothing
            found = await desk.call("PUT", f"/exports/{export}/vote", vote | said)
        await desk.call("POST", f"/exports/{export}/review", {"seen": found["seen"]})

    async def receive(self, export: str) -> str:
        """Download as the researcher, verify as somebody who knows only the key, and try a changed byte."""
        async with self.desk_of("alice") as desk:
            found = await desk.call("GET", f"/exports/{export}")
            data = await desk.download(found["release"]["url"])
        with tempfile.TemporaryDirectory() as elsewhere:
            bundle, key = Path(elsewhere) / "release.zip", Path(elsewhere) / "log.pub"
            key.write_bytes((Layout(self.stage.root).keys / "audit-signing.pub").read_bytes())
            bundle.write_bytes(data)
            self.stage.tre("bundle", "verify", str(bundle), "--key", str(key))
            middle = data.index(b"patients")
            bundle.write_bytes(data[:middle] + b"PATIENTS" + data[middle + 8 :])
            self.stage.tre("bundle", "verify", str(bundle), "--key", str(key), fails=True)
        return f"{len(data)} bytes, good; with one word changed, refused"

    async def tamper(self) -> str:
        """A second request whose stored bytes somebody changes after the confirmation."""
        export, _ = await self.ask()
        async with self.desk_of("carol") as carol, self.desk_of("chris") as chris:
            await self._vote(carol, export)
            await self._vote(chris, export)
            found = await carol.call("GET", f"/exports/{export}")
            await carol.call("POST", f"/exports/{export}/approve", _confirmation(found))
            path = self._stored(found["groups"][0]["files"][0]["sha256"])
            before = path.read_bytes()
            try:
                self._overwrite(path, before.replace(b"patients", b"PATIENTS"))
                found = await carol.until(f"/exports/{export}", _decided)
            finally:
                self._overwrite(path, before)
        demand(found["state"] == "Blocked", f"a file that was changed after the votes is {found['state']}")
        return f"the release is blocked: {found['reason']}"

    def _stored(self, sha256: str) -> Path:
        return Layout(self.stage.root).vault / sha256[:2] / sha256[2:]

    def _overwrite(self, path: Path, data: bytes) -> None:
        """Change a stored object in place, which only its owner or root can."""
        path.chmod(0o600)
        path.write_bytes(data)
        path.chmod(0o400)


def _confirmation(found: Any) -> dict[str, str]:
    """What a checker types to confirm a release of exactly what was seen."""
    return {"seen": found["seen"], "confirm": str(found["outputs"])}


def _decided(found: Any) -> bool:
    """Whether a confirmed request came to its end."""
    return found["state"] not in {"Approved", "Releasing"}
