"""The airlock's part of the walk: requests in every state, and what researcher and checkers see of them."""

from __future__ import annotations

import re

from playwright.async_api import expect
from screenshots_scene import GOOD, MAIN, MODEL
from screenshots_visit import Visit


class AirlockVisit(Visit):
    """Both sides of the way out."""

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
        await page.get_by_role("textbox", name="From how many people").fill("2500")
        await page.get_by_role("textbox", name="How it relates").fill("Nothing left before.")
        async with self.held("checker"):
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
        async with self.held("controller"):
            await page.get_by_role("button", name="Release", exact=True).click()
            await expect(page.get_by_role("heading", name="Stop the release")).to_be_visible()
            await self.camera.take(page, "review-request-leaving")
            await self.see("ada", f"/exports/{export}", "export-leaving")
