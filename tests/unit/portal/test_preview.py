"""The viewer's pages: what is shown, to whom, what counts as seen, and what an approval needs."""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest

from tests.unit.portal.exports_world import CLEAN, TABLE, Airlock, sha
from tests.unit.portal.extracts_world import every_card, found_at, grid, keep, table_extract
from tests.unit.portal.world import Browser, World, title_of
from tre.airlock.extract import Extract
from tre.airlock.parsed import Card
from tre.domain.exports.models import FileKind, Locator, Looking
from tre.domain.exports.states import ExportState
from tre.portal.export_views import file_key
from tre.portal.preview.looked import COOKIE


@pytest.fixture
def airlock(world: World) -> Airlock:
    return Airlock(world).furnish()


def address(export: str, path: str = "table.csv", page: str = "files") -> str:
    return f"/{page}/{export}/{'files/' if page == 'reviews' else ''}{file_key(path)}"


async def page_of(browser: Browser, path: str) -> str:
    answer = await browser.get(path)
    assert answer.status_code == 200, (path, answer.status_code, answer.text[-2000:])
    return re.sub(r"\s+", " ", answer.text)


class TestShowing:
    async def test_a_table_leaf_by_leaf_with_its_findings(self, airlock: Airlock) -> None:
        keep(airlock.world, TABLE, table_extract(grid(250, 4)))
        airlock.findings = [found_at(TABLE, Locator(row=2, column=2)), found_at(TABLE, Locator(row=251, column=3))]
        export = await airlock.submitted()
        chris = airlock.world.browser("chris")
        first = await page_of(chris, address(export))
        assert "rows 1 to 100 of 250" in first
        assert 'href="?page=3#at-2"' in first
        assert '<a class="view-mark view-mark--e" href="#finding-1" id="at-1">' in first
        assert 'id="at-2"' not in first
        third = await page_of(chris, f"{address(export)}?page=3")
        assert 'id="at-2"' in third
        assert "g249" in third
        assert "g100" not in third
        assert sha(TABLE) in first

    async def test_every_kind_of_card(self, airlock: Airlock) -> None:
        keep(airlock.world, CLEAN, every_card())
        export = await airlock.submitted()
        for page in ("files", "reviews"):
            text = await page_of(airlock.world.browser("chris"), address(export, "ages.csv", page))
            assert "&lt;script&gt;document.title" in text
            assert "U+202E" in text
            assert "\u202e" not in text
            assert "This is not all of the file." in text
            assert text.count(f'<img src="{airlock.world.settings.origin("preview")}/') == 2
            assert "320 × 200 pixels" in text
            assert "A widget of 3 KiB is not shown." in text
            assert "<svg" not in text

    async def test_sorted_searched_hidden_and_the_columns_figures(self, airlock: Airlock) -> None:
        keep(airlock.world, TABLE, table_extract(grid(250, 4)))
        export = await airlock.submitted()
        text = await page_of(airlock.world.browser("chris"), f"{address(export)}?table=1&sort=-2&hide=3&find=g24")
        assert "11 of 250 rows, 1 column hidden" in text
        assert text.index("g249") < text.index("g240") < text.index("<td>g24</td>")
        assert 'aria-sort="descending"' in text
        assert ">n_3<" not in re.sub('<label.*?</label>|<th scope="row">.*?</th>', "", text)
        assert "<td>count</td><td>whole numbers</td>" in text

    async def test_a_whole_text_in_a_frame_where_it_has_many_pages(self, airlock: Airlock) -> None:
        keep(airlock.world, TABLE, Extract("text", 9, cards=(Card("text", text="\n".join(map(str, range(900)))),)))
        export = await airlock.submitted()
        text = await page_of(airlock.world.browser("chris"), address(export))
        assert f'<iframe class="view-frame" src="{airlock.world.settings.origin("preview")}/' in text
        assert 'sandbox="" loading="lazy"' in text
        assert "lines 1 to 300" in text

    async def test_nothing_kept_and_nothing_inside(self, airlock: Airlock) -> None:
        keep(airlock.world, CLEAN, Extract("png", 1))
        export = await airlock.submitted()
        chris = airlock.world.browser("chris")
        assert "Nothing of this file can be shown." in await page_of(chris, address(export))
        assert "There is nothing in this file to show." in await page_of(chris, address(export, "ages.csv"))

    async def test_a_picture_that_is_none_is_named_not_shown(self, airlock: Airlock) -> None:
        keep(airlock.world, TABLE, Extract("png", 1, cards=(Card("picture", data=b"GIF89a<script>"),)))
        export = await airlock.submitted()
        text = await page_of(airlock.world.browser("chris"), address(export))
        assert "no plain PNG" in text
        assert "<img" not in text


class TestWho:
    async def test_the_project_and_checkers_see_it_and_nobody_else(self, airlock: Airlock) -> None:
        keep(airlock.world, TABLE, table_extract(grid(3, 3)))
        export = await airlock.submitted()
        answers = {
            who: (await airlock.world.browser(who).get(address(export))).status_code
            for who in ("alice", "bob", "molly", "chris", "eve", "olga", "carl", "dana")
        }
        seen = {"alice", "bob", "molly", "chris"}
        assert answers == {who: 200 if who in seen else 404 for who in answers}
        assert (await airlock.world.browser().get(address(export))).status_code == 302
        assert (await airlock.world.browser("chris").get(f"/files/{export}/aaaaaaaaaaaa")).status_code == 404

    async def test_the_way_back_is_the_readers_own(self, airlock: Airlock) -> None:
        export = await airlock.submitted()
        assert f'href="/exports/{export}"' in await page_of(airlock.world.browser("alice"), address(export))
        back = address(export, page="reviews")
        assert f'href="{back}"' in await page_of(airlock.world.browser("chris"), address(export))

    async def test_what_was_taken_back_is_not_shown(self, airlock: Airlock) -> None:
        keep(airlock.world, TABLE, table_extract(grid(3, 3)))
        export = await airlock.draft()
        alice = airlock.world.browser("alice")
        fields = {"path": "table.csv", "kind": FileKind.withdrawn.value}
        assert (await alice.get(address(export))).status_code == 200
        assert (await alice.post(f"/exports/{export}/kind", fields)).status_code == 303
        assert (await alice.get(address(export))).status_code == 404


class TestBeside:
    async def test_what_left_before_comes_first_by_path_and_can_be_compared(
        self, airlock: Airlock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        keep(airlock.world, TABLE, table_extract(grid(3, 3)))
        earlier = await airlock.approved(paths=("ages.csv", "table.csv"))
        airlock.world.clock.advance(6)
        airlock.release_due()
        assert airlock.request(earlier).state is ExportState.Released
        airlock.outbox["table.csv"] = later = b"sex,n_patients\nF,20\nM,400\n"
        keep(airlock.world, later, table_extract(grid(4, 3)))
        export = await airlock.submitted("alice", "table.csv")
        chris = airlock.world.browser("chris")
        text = await page_of(chris, address(export))
        links = re.findall(rf'<li><a href="(/files/{earlier}/[a-z2-7]+)">', text)
        assert links == [address(earlier, "table.csv"), address(earlier, "ages.csv")]
        assert (await chris.get(links[0])).status_code == 200
        compare = f"?against={sha(TABLE)}"
        assert f'href="{compare}#difference"' in text
        text = await page_of(chris, address(export) + compare)
        assert '<th scope="row">added</th><td>5: g3</td><td>the whole row</td><td></td><td>g3 · 17 · 18</td>' in text
        assert "What changed since" not in await page_of(chris, f"{address(export)}?against={sha(CLEAN)}")

    async def test_the_version_of_an_earlier_round(self, airlock: Airlock) -> None:
        export = await airlock.submitted("alice", "table.csv")
        await airlock.vote("chris", export, choice="ChangesRequested", comment="round it")
        await airlock.world.browser("chris").post(f"/reviews/{export}/return", {"message": "round it"})
        airlock.outbox["table.csv"] = b"sex,n_patients\nF,5\nM,400\n"
        alice = airlock.world.browser("alice")
        await airlock.add(alice, export, "table.csv")
        airlock.answer()
        await alice.post(f"/exports/{export}/submit")
        text = await page_of(airlock.world.browser("chris"), address(export))
        assert f'href="?against={sha(TABLE)}#difference">the version of round 1' in text

    async def test_the_code_of_the_group(self, airlock: Airlock) -> None:
        keep(airlock.world, CLEAN, Extract("code", 9, cards=(Card("code", text="print('<made>')\n" * 500),)))
        export = await airlock.draft()
        alice = airlock.world.browser("alice")
        await alice.post(f"/exports/{export}/kind", {"path": "ages.csv", "kind": FileKind.code.value})
        text = await page_of(alice, address(export))
        assert "The code that made it" in text
        assert "print(&#39;&lt;made&gt;&#39;)" in text
        assert "100 further lines: see" in text
        assert "The code that made it" not in await page_of(alice, address(export, "ages.csv"))


class TestSeen:
    async def vote(self, airlock: Airlock, who: Browser, export: str, query: str = "", **fields: str) -> httpx.Response:
        """Look at a page of the file, then approve with the form that stands on it."""
        path = address(export, page="reviews")
        text = await page_of(who, path + query)
        found = dict(re.findall(r'<input type="hidden" name="([a-z0-9]+)" value="([^"]*)"', text))
        run = airlock.request(export).check_run
        assert run is not None
        hidden = {name: found.get(name, "") for name in ("looked", "sha256", "run")}
        return await who.post(path, {**hidden, "choice": "Approved", "comment": "", **fields})

    async def prepared(self, airlock: Airlock, **more: Any) -> str:
        keep(airlock.world, TABLE, table_extract(grid(250, 4), **more))
        return await airlock.submitted("alice", "table.csv")

    async def test_an_approval_needs_every_page(self, airlock: Airlock) -> None:
        export, chris = await self.prepared(airlock), airlock.world.browser("chris")
        refused = await self.vote(airlock, chris, export)
        assert refused.status_code == 400
        assert title_of(refused).startswith("Error: ")
        assert "Pages that were not on your screen: 2 of 3." in refused.text
        assert airlock.request(export).reviews == ()
        assert (await self.vote(airlock, chris, export, "?page=3")).status_code == 400
        assert (await self.vote(airlock, chris, export, "?page=2")).status_code == 303

    async def test_or_a_word_that_the_rest_is_left_to_the_checks(self, airlock: Airlock) -> None:
        export, chris = await self.prepared(airlock), airlock.world.browser("chris")
        assert (await self.vote(airlock, chris, export, unseen="yes")).status_code == 303
        assert airlock.request(export).reviews[0].votes[0].looked is Looking.covered

    async def test_other_votes_need_neither(self, airlock: Airlock) -> None:
        export, chris = await self.prepared(airlock), airlock.world.browser("chris")
        asked = {"choice": "ChangesRequested", "comment": "round it"}
        assert (await self.vote(airlock, chris, export, **asked)).status_code == 303

    async def test_the_form_carries_what_was_seen_where_the_cookie_is_gone(self, airlock: Airlock) -> None:
        export, chris = await self.prepared(airlock), airlock.world.browser("chris")
        for page in (1, 2):
            await page_of(chris, f"{address(export)}?page={page}")
        path = address(export, page="reviews")
        text = await page_of(chris, f"{path}?page=3")
        assert "All of it was on your screen." in text
        del chris.cookies("desk")[COOKIE]
        fields = dict(re.findall(r'<input type="hidden" name="(looked|sha256|run)" value="([^"]*)"', text))
        assert (await chris.post(path, {**fields, "looked": "", "choice": "Approved"})).status_code == 400
        del chris.cookies("desk")[COOKIE]
        assert (await chris.post(path, {**fields, "choice": "Approved"})).status_code == 303
        assert airlock.request(export).reviews[0].votes[0].looked is Looking.shown

    @pytest.mark.parametrize("query", ["?table=1&page=2", "?table=1&sort=2&page=2", "?table=1&find=g", "?page=99"])
    async def test_another_order_does_not_count(self, airlock: Airlock, query: str) -> None:
        export, chris = await self.prepared(airlock), airlock.world.browser("chris")
        await page_of(chris, address(export))
        await page_of(chris, f"{address(export)}?page=3")
        text = await page_of(chris, address(export, page="reviews") + query)
        assert "1 of 3 pages not seen yet:</strong> 2." in text

    async def test_what_the_browser_fetches_ahead_does_not_count(self, airlock: Airlock) -> None:
        export, chris = await self.prepared(airlock), airlock.world.browser("chris")
        answer = await chris.get(f"{address(export)}?page=2", **{"Sec-Purpose": "prefetch;prerender"})
        assert answer.status_code == 200
        assert "2 of 3 pages not seen yet" in await page_of(chris, address(export))

    async def test_what_was_seen_belongs_to_one_session_and_these_bytes(self, airlock: Airlock) -> None:
        export, chris, chloe = await self.prepared(airlock), *map(airlock.world.browser, ("chris", "chloe"))
        for page in (1, 2, 3):
            await page_of(chris, f"{address(export)}?page={page}")
        chloe.cookies("desk")[COOKIE] = chris.cookies("desk")[COOKIE]
        assert "2 of 3 pages not seen yet" in await page_of(chloe, address(export))
        airlock.outbox["table.csv"] = later = b"sex,n_patients\nF,20\nM,400\n"
        keep(airlock.world, later, table_extract(grid(250, 4)))
        await chris.post(f"/reviews/{export}/return", {"message": "round it"})
        alice = airlock.world.browser("alice")
        await airlock.add(alice, export, "table.csv")
        airlock.answer()
        await alice.post(f"/exports/{export}/submit")
        assert "2 of 3 pages not seen yet" in await page_of(chris, address(export))

    async def test_a_file_that_shows_only_a_part_of_itself_is_never_wholly_seen(self, airlock: Airlock) -> None:
        keep(airlock.world, TABLE, table_extract(grid(3, 3), lossy="Charts are not shown."))
        export, chris = await airlock.submitted("alice", "table.csv"), airlock.world.browser("chris")
        assert "Charts are not shown." in await page_of(chris, address(export))
        refused = await self.vote(airlock, chris, export)
        assert "The pages do not show everything of the file." in refused.text
        kept = {"unseen": "yes", "choice": "nonsense"}
        assert (
            'name="unseen" value="yes" form="vote-form" checked'
            in (await self.vote(airlock, chris, export, **kept)).text
        )
        assert (await self.vote(airlock, chris, export, unseen="yes")).status_code == 303

    async def test_looking_changes_nothing_in_the_record(self, airlock: Airlock) -> None:
        export, chris = await self.prepared(airlock), airlock.world.browser("chris")
        before = airlock.request(export)
        await page_of(chris, f"{address(export)}?page=2")
        assert airlock.request(export) == before

    async def test_the_first_look_at_a_file_stands_in_the_log(self, airlock: Airlock) -> None:
        export, chris = await self.prepared(airlock), airlock.world.browser("chris")
        await chris.get(f"{address(export)}?page=2", **{"Sec-Purpose": "prefetch;prerender"})
        assert airlock.world.events("export.file-seen") == []
        for page in (1, 2, 1):
            await page_of(chris, f"{address(export)}?page={page}")
        await page_of(chris, address(export, page="reviews"))
        (event,) = airlock.world.events("export.file-seen")
        assert (event.actor.id, event.object, event.detail["sha256"]) == ("chris", f"export/{export}", sha(TABLE))
        assert "table.csv" not in str(event.detail), "names of files are people's words"
        await page_of(airlock.world.browser("chloe"), address(export))
        assert [event.actor.id for event in airlock.world.events("export.file-seen")] == ["chloe", "chris"]

    async def test_the_authors_own_look_and_a_refused_one_do_not(self, airlock: Airlock) -> None:
        export = await self.prepared(airlock)
        await page_of(airlock.world.browser("alice"), address(export))
        assert (await airlock.world.browser("eve").get(address(export))).status_code == 404
        assert airlock.world.events("export.file-seen") == []

    async def test_nobody_of_the_project_reads_who_looked(self, airlock: Airlock) -> None:
        export = await self.prepared(airlock)
        await page_of(airlock.world.browser("chris"), address(export))
        for path in (f"/exports/{export}", "/grants/nccid-00123", "/exports"):
            answer = await airlock.world.browser("alice").get(path)
            assert "file-seen" not in answer.text
            assert "chris" not in answer.text.lower()
