"""The walk through the installation: in which order things happen, and which page is photographed when.

Guarantees: every page of the desk, the public pages, the sign-in and the shell is visited, each in the states in
which people meet it: empty, at work, refused, ended.
"""

from __future__ import annotations

import asyncio
import contextlib
import re

from playwright.async_api import FrameLocator, expect
from screenshots_airlock import AirlockVisit
from screenshots_scene import (
    COMPANY,
    MAIN,
    NOTEBOOK,
    OVER,
    PAUSED,
    SCANNER,
    SOON,
    UNCOVERED,
    WITHDRAWN,
)

SHORT_LIFE_DAYS = 75 / 86400
"""Of the grant that ends before our eyes: long enough to be activated, opened and looked at."""

MOST_GUESSES = 30


class Tour(AirlockVisit):
    """Everything that is looked at."""

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
        await self.data()
        await self.public()
        await self.endings()
        await self.door_closes()

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
        for name in ("ada", "ewan", "priya", "tom", "megan", "omar", "cleo", "dora"):
            self.pages[name] = await self.camera.sign_in(self.world.desk, name)

    async def emptiness(self) -> None:
        """Every list before there is anything in it."""
        await self.see("ada", "/", "desk-projects-empty")
        await self.see("ada", "/exports", "exports-empty")
        await self.see("priya", "/reviews", "reviews-empty")
        await self.see("ada", "/imports", "imports-empty")
        await self.see("priya", "/imports", "imports-empty-checker")
        await self.see("omar", "/grants", "grants-empty")
        await self.see("dora", "/quarantine", "quarantine-empty")
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
        async with self.start_held(page, MAIN):
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
        await self.see("ada", f"/imports/new?grant={MAIN}", "imports-new")
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
        async with self.held("hub"):
            await self.see("omar", "/operate/health", "operate-health-trouble")

    async def data(self) -> None:
        """A data manager's pages; two files are kept out."""
        await asyncio.to_thread(self.scene.scanner_files)
        await self.see("dora", "/", "desk-data-manager")
        await self.see("dora", "/datasets", "datasets")
        await self.see("dora", f"/datasets/{SCANNER}", "dataset")
        await self.see("dora", "/quarantine", "quarantine")
        page = await self.see("dora", f"/quarantine/{SCANNER}?rule=image-type", "quarantine-files")
        for number in (0, 1):
            await page.get_by_role("checkbox").nth(number).check()
        chosen = page.locator("#files")
        await chosen.get_by_role("radio", name="Keep out").check()
        await chosen.get_by_role("button", name="Decide about these files").click()
        await expect(page).to_have_title(re.compile("^Error"))
        await self.camera.take(page, "quarantine-files-error")
        await chosen.get_by_label("Why").fill("Screenshots of a console")
        await chosen.get_by_role("button", name="Decide about these files").click()
        await expect(page.get_by_text("2 files were kept out")).to_be_visible()
        await self.see("dora", f"/quarantine/{SCANNER}?state=rejected", "quarantine-kept-out")

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
        await self.camera.take(page, "preview-404")
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
