"""The walk through the installation: in which order things happen, and which page is photographed when.

Guarantees: every page of the desk, the public pages, the sign-in and the shell is visited, each in the states in
which people meet it: empty, at work, refused, ended.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Protocol

from playwright.async_api import FrameLocator, Page, expect
from screenshots_scene import (
    COMPANY,
    GOOD,
    MAIN,
    MODEL,
    NOTEBOOK,
    OVER,
    PAUSED,
    SOON,
    UNCOVERED,
    WITHDRAWN,
    Scene,
)

SHORT_LIFE_DAYS = 75 / 86400
"""Of the grant that ends before our eyes: long enough to be activated, opened and looked at."""

MOST_GUESSES = 30


class Photographer(Protocol):
    """What takes the pictures."""

    async def page(self) -> Page:
        """A browser of its own."""
        ...

    async def take(self, page: Page, name: str) -> None:
        """A page at every width."""
        ...

    async def sign_in(self, desk: str, name: str) -> Page:
        """Somebody's browser, signed in."""
        ...


@asynccontextmanager
async def _still(pid: int) -> AsyncIterator[None]:
    """A process that does nothing for a while."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


class Tour:
    """Everything that is looked at."""

    def __init__(self, scene: Scene, camera: Photographer) -> None:
        self.scene, self.camera = scene, camera
        self.world = scene.world
        self.pages: dict[str, Page] = {}
        self.exports: dict[str, str] = {}

    async def run(self) -> None:
        """From the empty installation to the last end."""
        await self.door()
        await self.emptiness()
        await asyncio.to_thread(self._approve)
        await self.starting()
        await self.working()
        await self.airlock()
        await self.desk()
        await self.operating()
        await self.public()
        await self.endings()
        await self.door_closes()

    # Helpers.

    def address(self, path: str, host: str = "desk") -> str:
        """An address of one of the hosts."""
        return self.world.settings.origin(host) + path

    async def see(self, who: str, path: str, name: str) -> Page:
        """Open a page of the desk as somebody, and take it."""
        page = self.pages[who]
        await page.goto(self.address(path))
        await self.camera.take(page, name)
        return page

    async def file_key(self, who: str, export: str, path: str) -> str:
        """The address of a file's page."""
        page = self.pages[who]
        await page.goto(self.address(f"/reviews/{export}"))
        found = await page.get_by_role("link", name=path).first.get_attribute("href")
        assert found is not None
        return found

    @asynccontextmanager
    async def _held(self, service: str) -> AsyncIterator[None]:
        """A service that does nothing for a while, so that what waits for it can be looked at."""
        async with _still(self.world.service(service)):
            yield

    @asynccontextmanager
    async def _start_held(self, page: Page, grant: str) -> AsyncIterator[None]:
        """Click on "Open workspace", and hold the run at its beginning."""
        name = self.scene.workspace(grant)
        await page.goto(self.address(f"/projects/{grant}"))
        await page.get_by_role("button", name="Open workspace").click()
        async with _still(await self.scene.supervisor(name)):
            yield

    # What is looked at.

    async def door(self) -> None:
        """The sign-in, and its refusal."""
        self.scene.people()
        page = await self.camera.page()
        await page.goto(self.address("/"))
        await self.camera.take(page, "sign-in")
        await page.get_by_label("User name").fill("ada")
        await page.get_by_label("Password").fill("a guess")
        await page.get_by_role("button", name="Sign in").click()
        await expect(page).to_have_title(re.compile("^Error"))
        await self.camera.take(page, "sign-in-refused")
        for path, name in (("/hub/home", "hub-home"), ("/hub/nowhere", "hub-404"), ("/hub/logout", "hub-signed-out")):
            await page.goto(self.address(path, "hub"))
            await self.camera.take(page, name)
        await page.context.close()
        for name in ("ada", "ewan", "priya", "tom", "megan", "omar", "cleo"):
            self.pages[name] = await self.camera.sign_in(self.world.desk, name)

    async def emptiness(self) -> None:
        """Every list before there is anything in it."""
        await self.see("ada", "/", "desk-projects-empty")
        await self.see("ada", "/exports", "exports-empty")
        await self.see("priya", "/reviews", "reviews-empty")
        await self.see("omar", "/grants", "grants-empty")
        await self.see("omar", "/operate/workspaces", "operate-workspaces-empty")
        await self.see("omar", "/operate/proofs", "operate-proofs-empty")
        page = await self.camera.page()
        for path, name in (("/", "public-front-empty"), ("/projects", "public-projects-empty")):
            await page.goto(self.address(path, ""))
            await self.camera.take(page, name)
        await page.context.close()

    def _approve(self) -> None:
        """Grants in every phase; the one that ends before our eyes comes later."""
        scene = self.scene
        scene.grant(MAIN, "Severity scoring of COVID-19 on chest X-rays", conditions=["DUO:0000042", "DUO:0000046"])
        scene.grant(SOON, "Early signs of lung fibrosis after COVID-19", days=3)
        scene.grant(PAUSED, "Triage of X-rays at night", organisation=COMPANY)
        scene.grant(WITHDRAWN, "Oxygen need from the first X-ray")
        scene.uncovered_grant()
        scene.tre("grant", "suspend", PAUSED, "--reason", "The yearly audit of the approval is under way.")

    async def starting(self) -> None:
        """From the click on "Open workspace" to the notebook."""
        page = self.pages["ada"]
        await self.see("ada", f"/projects/{MAIN}", "project-not-opened")
        async with self._start_held(page, MAIN):
            await expect(page.locator('[data-step="GrantChecked"]')).to_have_attribute("data-reached", "true")
            await self.camera.take(page, "workspace-starting")
            shell = await page.context.new_page()
            await shell.goto(self.world.shell_of(self.scene.workspace(MAIN)) + "/")
            await expect(shell.locator("#steps li[data-done=yes]")).not_to_have_count(0)
            await self.camera.take(shell, "shell-starting")
            await shell.close()
        await page.wait_for_url(self.world.shell_of(self.scene.workspace(MAIN)) + "/")
        async with self.scene.lab(MAIN) as lab:
            await self.scene.fill(lab)

    async def working(self) -> None:
        """The notebook in the shell."""
        page = self.pages["ada"]
        await page.goto(self.world.shell_of(self.scene.workspace(MAIN)) + "/")
        lab = page.frame_locator("iframe")
        await self._run_notebook(lab)
        await self.camera.take(page, "shell-notebook")

    async def _run_notebook(self, lab: FrameLocator) -> None:
        await lab.locator(".jp-DirListing-item", has_text=NOTEBOOK).dblclick()
        await expect(lab.locator(".jp-Notebook-ExecutionIndicator")).to_have_attribute("data-status", "idle")
        last = lab.locator(".jp-OutputArea-output", has_text="no network")
        for _ in range(10):  # JupyterLab drops what is run in the first moments of a kernel
            await lab.get_by_role("menuitem", name="Run", exact=True).click()
            await lab.get_by_role("menuitem", name="Run All Cells", exact=True).click()
            with contextlib.suppress(AssertionError):
                await expect(last).to_be_visible(timeout=8_000)
                break
        await expect(last).to_be_visible()
        await lab.locator(".jp-Notebook").evaluate("place => { place.scrollTop = 0; }")

    async def airlock(self) -> None:
        """Requests in every state, and what each side sees."""
        scene, made = self.scene, self.exports
        async with scene.desk("ada") as desk:
            made["released"] = await scene.submitted(desk, "patients-by-sex.csv", "roc-curve.csv")
            made["recalled"] = await scene.submitted(desk, "patients-by-sex.csv", group="First counts")
            made["blocked"] = await scene.submitted(desk, "roc-curve.csv", group="Figure 2")
            made["returned"] = await scene.submitted(desk, "table1-admissions.csv")
            made["rejected"] = await scene.submitted(desk, "method.md", group="Method")
            made["compared"] = await scene.submitted(desk, "table1-admissions.csv", "roc-curve.csv")
            made["waiting"] = await scene.submitted(desk, "table1-admissions.csv", "formulas.csv", "roc-curve.csv")
            made["withdrawn"] = await scene.draft(desk, "roc-curve.csv")
            await desk.call("POST", f"/exports/{made['withdrawn']}/withdraw")
        for export in ("released", "recalled", "blocked"):
            await scene.review("priya", made[export])
            await scene.review("tom", made[export])
        await scene.confirm(made["recalled"])
        await scene.say("priya", made["recalled"], "recall", "One count was wrong. Destroy every copy you have made.")
        await scene.confirm(made["released"])
        await scene.block(made["blocked"])
        words = "Please suppress the counts under 10, or say where they are already published."
        await scene.review("tom", made["returned"], "ChangesRequested", words)
        await scene.say("tom", made["returned"], "return", words)
        alone = "This text describes single patients. It cannot leave."
        await scene.review("priya", made["rejected"], "ChangesRequested", alone)
        await scene.review("tom", made["rejected"], "ChangesRequested", alone)
        await scene.say("tom", made["rejected"], "reject", alone)
        await scene.review("priya", made["compared"])
        await scene.review("tom", made["compared"], "ChangesRequested", words)
        await scene.review("priya", made["waiting"])
        await self._taking_out()
        await self._reviewing()

    async def _taking_out(self) -> None:
        """The researcher's side."""
        page = self.pages["ada"]
        await self.see("ada", f"/exports/new?grant={MAIN}", "export-new")
        await page.get_by_role("button", name="Begin").click()
        await expect(page.get_by_role("group", name="Files in your outbox")).to_be_visible()
        await self.camera.take(page, "export-choose")
        for path in ("table1-admissions.csv", "formulas.csv", MODEL):
            await page.get_by_label(re.compile(f"^{path}")).check()
        await page.get_by_role("textbox", name="Group").fill("Table 1")
        await page.get_by_role("textbox", name="What the files show").fill("Table 1")
        async with self._held("checker"):
            await page.get_by_role("button", name="Copy and check these files").click()
            await expect(page.get_by_text("Copying files")).to_be_visible()
            await self.camera.take(page, "export-copying")
        await expect(page.get_by_text("Not ready yet.")).to_be_visible()
        await self.camera.take(page, "export-draft-findings")
        await page.get_by_role("button", name="Submit to the checkers").click()
        await expect(page).to_have_title(re.compile("^Error"))
        await self.camera.take(page, "export-draft-refused")
        await page.get_by_label(f"What {MODEL} is", exact=True).select_option("withdrawn")
        await page.get_by_role("button", name=f"Set what {MODEL} is").click()
        words = page.get_by_role("region", name="Table 1")
        await words.get_by_label("What the files show").fill(GOOD[0])
        await words.get_by_label("What was done").fill(GOOD[1])
        await words.get_by_role("button", name="Keep these words").click()
        await expect(page.get_by_text("Everything that the rules ask for is there.")).to_be_visible()
        await self.camera.take(page, "export-draft-ready")
        await self.see("ada", "/exports", "exports-list")
        await self.see("ada", "/exports?q=nowhere", "exports-none-fits")
        for state in ("waiting", "compared", "returned", "rejected", "blocked", "released", "recalled", "withdrawn"):
            await self.see("ada", f"/exports/{self.exports[state]}", f"export-{state}")

    async def _reviewing(self) -> None:
        """The checkers' side."""
        made = self.exports
        await self.see("tom", "/reviews", "reviews-queue")
        await self.see("tom", "/reviews?show=released", "reviews-released")
        await self.see("tom", f"/reviews/{made['waiting']}", "review-request-first-look")
        await self.see("priya", f"/reviews/{made['waiting']}", "review-request-voted")
        for path, name in (("table1", "findings"), ("formulas", "acknowledge"), ("roc-curve", "left-before")):
            address = await self.file_key("tom", made["waiting"], path)
            page = await self.see("tom", address, f"review-file-{name}")
        await page.get_by_role("button", name="Keep this vote").click()
        await expect(page).to_have_title(re.compile("^Error"))
        await self.camera.take(page, "review-file-refused")
        await self.see("priya", f"/reviews/{made['compared']}", "review-request-compared")
        await self.see("priya", f"/reviews/{made['released']}", "review-request-released")
        await self.see("priya", f"/reviews/{made['blocked']}", "review-request-blocked")
        await self._confirming()

    async def _confirming(self) -> None:
        """Both votes are in: the confirmation, its refusal, the delay."""
        async with self.scene.desk("ada") as desk:
            export = await self.scene.submitted(desk, "roc-curve.csv", group="Figure 3")
        await self.scene.review("priya", export)
        await self.scene.review("tom", export)
        page = await self.see("priya", f"/reviews/{export}", "review-request-agreed")
        await page.get_by_label("Type 1, the number").fill("7")
        await page.get_by_role("button", name="Release", exact=True).click()
        await expect(page).to_have_title(re.compile("^Error"))
        await self.camera.take(page, "review-confirm-refused")
        await page.get_by_label("Type 1, the number").fill("1")
        async with self._held("controller"):
            await page.get_by_role("button", name="Release", exact=True).click()
            await expect(page.get_by_role("heading", name="Stop the release")).to_be_visible()
            await self.camera.take(page, "review-request-leaving")
            await self.see("ada", f"/exports/{export}", "export-leaving")

    async def desk(self) -> None:
        """A researcher's other pages."""
        await self.see("ada", "/", "desk-projects")
        for grant, name in (
            (MAIN, "running"),
            (SOON, "ends-soon"),
            (PAUSED, "suspended"),
            (UNCOVERED, "not-covered"),
        ):
            await self.see("ada", f"/projects/{grant}", f"project-{name}")
        await self.see("ada", f"/workspaces/{self.scene.workspace(MAIN)}", "workspace-running")
        await self.see("ada", f"/workspaces/{self.scene.workspace(SOON)}", "workspace-never-opened")
        await self.see("ada", "/account", "account")
        await self.see("ada", "/api", "api")
        await self.see("ada", "/projects/nothing", "error-404-project")
        await self.see("ada", "/nothing", "error-404")
        await self.see("ada", "/operate/audit", "error-403")

    async def operating(self) -> None:
        """Pages of operators, committee and data managers."""
        await self.see("omar", "/", "desk-operator")
        await self.see("omar", "/grants", "grants")
        await self.see("omar", "/grants?q=nowhere", "grants-none-fits")
        for grant, name in ((MAIN, "active"), (PAUSED, "suspended"), (UNCOVERED, "not-covered")):
            await self.see("omar", f"/grants/{grant}", f"grant-{name}")
        page = self.pages["omar"]
        await page.goto(self.address(f"/grants/{MAIN}"))
        await page.get_by_role("region", name="Revoke for good").get_by_role("button").click()
        await expect(page).to_have_title(re.compile("^Error"))
        await self.camera.take(page, "grant-revoke-refused")
        await self.see("cleo", f"/grants/{MAIN}", "grant-committee")
        await self.see("omar", "/operate/workspaces", "operate-workspaces")
        await self.see("omar", f"/workspaces/{self.scene.workspace(MAIN)}", "workspace-operator")
        await self.see("omar", "/operate/proofs", "operate-proofs")
        await self.see("omar", "/operate/audit", "operate-audit")
        await self.see("omar", "/operate/audit?object=nothing", "operate-audit-none")
        await self.see("omar", "/operate/health", "operate-health")
        async with self._held("hub"):
            await self.see("omar", "/operate/health", "operate-health-trouble")

    async def public(self) -> None:
        """What anybody can read."""
        page = await self.camera.page()
        for path, name in (
            ("/", "public-front"),
            ("/projects", "public-projects"),
            (f"/projects/{MAIN}", "public-project"),
            ("/nothing", "public-404"),
        ):
            await page.goto(self.address(path, ""))
            await self.camera.take(page, name)
        await page.context.close()

    async def endings(self) -> None:
        """A withdrawal and an end, each with the notebook open."""
        page = self.pages["ada"]
        shell = self.world.shell_of(self.scene.workspace(WITHDRAWN)) + "/"
        async with self.scene.lab(WITHDRAWN):
            await page.goto(shell)
            await page.frame_locator("iframe").locator(".jp-LauncherCard").first.wait_for()
            reason = "The committee withdrew its approval after a complaint."
            await asyncio.to_thread(self.scene.tre, "grant", "revoke", WITHDRAWN, "--reason", reason, "--yes")
            await expect(page.locator("#ended")).to_be_visible()
            await self.camera.take(page, "shell-revoked")
        await asyncio.to_thread(self._short_grant)
        shell = self.world.shell_of(self.scene.workspace(OVER)) + "/"
        async with self.scene.lab(OVER):
            await page.goto(shell)
            await page.frame_locator("iframe").locator(".jp-LauncherCard").first.wait_for()
            await expect(page.locator("#warning")).to_be_visible()
            await self.camera.take(page, "shell-last-minute")
            await expect(page.locator("#ended")).to_be_visible(timeout=120_000)
            await expect(page.locator("#ended-reason")).to_have_text("GrantExpired")
            await self.camera.take(page, "shell-expired")
        await self.see("ada", f"/projects/{OVER}", "project-ended")
        await self.see("ada", f"/projects/{WITHDRAWN}", "project-withdrawn")
        await self.see("ada", "/", "desk-projects-after")
        await self.see("omar", f"/grants/{WITHDRAWN}", "grant-revoked")
        await self.see("omar", f"/grants/{OVER}", "grant-expired")
        await self.see("omar", "/operate/workspaces", "operate-workspaces-after")
        await self.see("omar", "/operate/proofs", "operate-proofs-after")
        public = await self.camera.page()
        await public.goto(self.address(f"/projects/{WITHDRAWN}", ""))
        await self.camera.take(public, "public-project-withdrawn")
        await public.context.close()

    def _short_grant(self) -> None:
        self.scene.grant(OVER, "Heart size as a by-product of chest X-rays", days=SHORT_LIFE_DAYS)

    async def door_closes(self) -> None:
        """A stranger at a workspace, a stopped workspace, a lost sign-in."""
        page = self.pages["ewan"]
        await page.goto(self.world.shell_of(self.scene.workspace(SOON)) + "/")
        await self.camera.take(page, "shell-stranger")
        await page.goto(self.address("/nothing", "preview"))
        await self.camera.take(page, "gateway-404")
        page = self.pages["ada"]
        await page.goto(self.address(f"/workspaces/{self.scene.workspace(MAIN)}"))
        await page.get_by_role("button", name="Stop").click()
        await expect(page.get_by_role("button", name="Open it")).to_be_visible()
        await self.camera.take(page, "workspace-stopped")
        await page.goto(self.world.shell_of(self.scene.workspace(MAIN)) + "/")
        await self.camera.take(page, "shell-stopped")
        await page.goto(self.address("/account"))
        await page.get_by_role("button", name="Sign out", exact=True).click()
        await page.wait_for_url("**/hub/**")
        await self.camera.take(page, "signed-out")
        await self._too_many()

    async def _too_many(self) -> None:
        """Somebody who guesses."""
        page = await self.camera.page()
        await page.goto(self.address("/"))
        for _ in range(MOST_GUESSES):
            await page.get_by_label("User name").fill("cleo")
            await page.get_by_label("Password").fill("a guess")
            await page.get_by_role("button", name="Sign in").click()
            await expect(page).to_have_title(re.compile("^Error"))
            if await page.get_by_text("Too many attempts").count():
                break
        await expect(page.get_by_text("Too many attempts")).to_be_visible()
        await self.camera.take(page, "sign-in-429")
