"""The public account of data uses: found, read, taken away, and by nobody's cookie."""

from __future__ import annotations

import io
import re
import threading
from dataclasses import replace
from typing import Any

import httpx
import pytest
from python_calamine import CalamineWorkbook

from tests.support.pagetext import text_of
from tests.unit.portal.register_world import FIRM, NOTE, PLAIN, TITLE, furnish, project
from tests.unit.portal.world import GRANT, World
from tre.domain.errors import TREError
from tre.domain.readability import PUBLIC_AGE, reading_age
from tre.portal.public_applications import public_switch
from tre.portal.register_files import KINDS, RegisterFiles
from tre.portal.register_views import counted
from tre.store import register
from tre.store.database import Database

PAGES = ["/", "/projects", "/projects/told", "/data", "/data/nccid", "/hospitals?q=RXX", "/totals", "/log"]


async def get(world: World, path: str) -> httpx.Response:
    return await world.browser().get(path, "")


def titles(page: httpx.Response) -> list[str]:
    return re.findall(r'<a href="/projects/([^"?.]+)">', page.text)


# The list


async def test_the_list_is_searched_and_filtered(world: World) -> None:
    furnish(world)
    world.add_grant("firm", project=project("Hearts at 100%", organisation=FIRM))
    assert len(titles(await get(world, "/projects"))) == 3
    assert titles(await get(world, "/projects?q=hearts")) == ["firm"]
    assert titles(await get(world, "/projects?q=100%25")) == ["firm"]
    for path in ("q=%25", "q=h_arts", "q=hearts+nothing", "company=yes&sector=Academic", "state=ended"):
        page = await get(world, f"/projects?{path}")
        expected = ["firm"] if path == "q=%25" else []
        assert titles(page) == expected, path
        assert expected or "No project fits" in page.text
    assert titles(await get(world, "/projects?company=yes")) == ["firm"]
    assert titles(await get(world, "/projects?sector=Industry")) == ["firm"]
    assert len(titles(await get(world, "/projects?dataset=nccid&state=running"))) == 3


@pytest.mark.parametrize(
    "typed",
    [
        "page=0", "page=-1", "page=x", "page=99999999999999999999", "page=1e3", "page=%00", "state=no", "sector=%00",
        "company=maybe", "dataset=' OR 1=1 --", "page=1&page=2", "q=%20%20", "unknown=1",
    ],
)  # fmt: skip
async def test_what_nobody_could_choose_is_no_choice(world: World, typed: str) -> None:
    page = await get(world, f"/projects?{typed}")
    assert page.status_code == 200
    assert titles(page) == [GRANT]


@pytest.mark.parametrize("typed", ["%00", "%ff%fe", "a" * 5000, "%F0%9F%98%80", "</form><script>", "' OR 1=1 --"])
async def test_any_words_can_be_looked_for(world: World, typed: str) -> None:
    page = await get(world, f"/projects?q={typed}")
    assert page.status_code == 200
    assert "<script>" not in page.text


async def test_pages_are_walked_with_what_was_chosen(world: World) -> None:
    for number in range(register.PAGE + 1):
        world.add_grant(f"p-{number:03}", project=project(f"Hearts & lungs {number}"))
    first = await get(world, "/projects?q=hearts+%26&company=no")
    assert "page 1 of 2" in first.text
    [address] = re.findall(r'<a rel="next" href="([^"]+)"', first.text)
    second = await get(world, address.replace("&amp;", "&"))
    assert len(titles(second)) == 1
    assert not set(titles(first)) & set(titles(second))
    assert 'rel="prev"' in second.text
    assert 'rel="next"' not in second.text


async def test_an_empty_register_says_so(world: World) -> None:
    with world.database.change(world.event()) as change:
        change.connection.exec_driver_sql("DELETE FROM register_projects")
    page = await get(world, "/projects")
    assert "No project has started yet" in page.text
    assert "Words to look for" not in page.text


# One project


async def test_the_seven_points_stand_in_their_order(world: World) -> None:
    furnish(world)
    page = (await get(world, "/projects/told")).text
    headings = re.findall(r"<h2[^>]*>(\d)\. ([^<]+)</h2>", page)
    assert [number for number, _ in headings] == ["1", "2", "3", "4", "5", "6", "7"]
    for said in (
        "A Council; A Charity", "Dr Alice Able", "The aim serves patients.", "We like it.", "about 1,235",
        "about 3,190", "X-ray, digital (DX)", "2020-Q2 to 2021-Q1", "hospital trust", "No copy of it left",
        "The project asked 0 times",
        "Nothing yet", "A paper, by ", "1 June 2027", "sex: female", "Fewer than expected", "too few to show",
        "Census 2021",
        "They are taken out at once.", "It would help an attacker.", "6(1)(e) public task", "How to cite it",
    ):  # fmt: skip
        assert said in page, said
    assert "Joined with other data" not in page  # it is withheld, and so are the words that were given for it
    assert "Names of the linkage team" not in page
    assert "12,35" not in page


async def test_what_is_not_known_is_said(world: World) -> None:
    page = (await get(world, f"/projects/{GRANT}")).text
    assert page.count("not counted yet") == 3
    assert "not known yet" in page
    assert "takes your data out of this project" in page
    assert "Who pays" not in page


async def test_where_opt_outs_do_not_apply_it_is_said_why(world: World) -> None:
    told = {"optOuts": {"applied": "No", "explanation": "A law says so."}}
    world.add_grant("other", register=told)
    page = (await get(world, "/projects/other")).text
    assert "National opt-outs do not apply" in page
    assert "Why: A law says so." in page


@pytest.mark.parametrize("path", ["/projects/", "/data/"])
@pytest.mark.parametrize("name", ["nothing", "%00", "told%00", "a" * 5000, "..%2f..%2fetc", "%F0%9F%98%80"])
async def test_what_is_not_there_is_not_there(world: World, path: str, name: str) -> None:
    assert (await get(world, path + name)).status_code == 404


async def test_markup_is_text_on_every_page(world: World) -> None:
    furnish(world)
    nasty = "<script>alert(1)</script>"
    told = {
        "applicants": [nasty], "funders": [nasty], "technicalSummary": nasty, "linkage": nasty, "privacy": nasty,
        "confidentialData": nasty, "patientView": nasty, "criteria": [nasty], "outputs": [{"what": nasty}],
        "article6": nasty, "optOuts": {"applied": "No", "explanation": nasty},
        "withheld": [{"field": "sublicence", "reason": nasty}],
    }  # fmt: skip
    organisation = {"name": nasty, "id": "org-2", "sector": nasty, "commercial": True}
    words = {"title": nasty, "laySummary": nasty, "publicBenefit": nasty, "organisation": organisation}
    world.add_grant("nasty", project=words, register=told)
    for path in (*PAGES, "/projects/nasty", f"/projects?q={nasty}", f"/hospitals?q={nasty}", "/register.rss"):
        page = await get(world, path)
        assert page.status_code == 200
        assert "<script>alert" not in page.text, path
    assert (await get(world, "/projects/nasty")).text.count("&lt;script&gt;") >= 12


# Data, hospitals, totals, the log


async def test_a_dataset_says_what_it_holds_and_who_is_in_it(world: World) -> None:
    furnish(world)
    page = (await get(world, "/data/nccid")).text
    for said in (TITLE, "about 2,005", "about 6,000", "CT scan", "Population", "2 projects have", "not told here"):
        assert said in page, said
    assert "2,003" not in page
    assert "6,001" not in page


async def test_a_dataset_without_a_slice_says_that_nothing_is_known(world: World) -> None:
    furnish(world, name="other")
    with world.database.change(world.event()) as change:
        change.connection.exec_driver_sql("DELETE FROM register_slices")
    page = (await get(world, "/data/nccid")).text
    assert "It is worked out when a first project" in page


async def test_hospitals_are_told_where_the_dataset_tells_them(world: World) -> None:
    furnish(world)
    page = (await get(world, "/hospitals?q=RXX")).text
    assert "Yes. Data from this hospital" not in page
    assert "That does not mean no" in page
    assert "RXX" not in (await get(world, "/data/nccid")).text


async def test_a_published_hospital_is_found_and_a_small_one_is_not(world: World) -> None:
    furnish(world, sites=True)
    for code in ("RXX", "rxx"):
        assert "Yes. Data from this hospital" in (await get(world, f"/hospitals?q={code}")).text
    for code in ("RYY", "RZZ", "R", "", "%"):  # of the first, too few people are there to tell
        page = (await get(world, f"/hospitals?q={code}")).text
        assert "Yes." not in page
    assert "RYY" not in (await get(world, "/data/nccid")).text


async def test_totals(world: World) -> None:
    furnish(world)
    page = text_of((await get(world, "/totals")).text)
    assert "All projects\n2\nRunning now\n2\nEnded\n0\nOf companies\n0" in page
    assert "no list of people who opted out has come yet" in page


async def test_the_log_shows_the_checkpoint_as_it_was_signed(world: World) -> None:
    assert "There is none yet" in (await get(world, "/log")).text
    assert (await get(world, "/log/checkpoint.txt")).status_code == 404
    furnish(world)
    assert NOTE.splitlines()[-1] in (await get(world, "/log")).text
    answer = await get(world, "/log/checkpoint.txt")
    assert answer.text == NOTE
    assert answer.headers["content-type"].startswith("text/plain")


# What everybody gets


@pytest.mark.parametrize("path", PAGES)
async def test_a_child_of_twelve_can_read_it(world: World, path: str) -> None:
    """By the formula of `tre.domain.readability`; what people wrote is as plain here as the committee asks of them."""
    furnish(world)
    text = text_of((await get(world, path)).text)
    assert len(text.split()) > 30
    assert reading_age(text) <= PUBLIC_AGE, reading_age(text)


@pytest.mark.parametrize("path", [*PAGES, "/register.csv", "/register.json", "/register.xlsx", "/register.rss"])
async def test_no_cookie_is_set_and_nothing_is_written(world: World, path: str) -> None:
    furnish(world)
    reader = Database.sqlite(world.layout.database, read_only=True)
    public = public_switch(replace(world.desk, database=reader))
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=public), base_url=world.settings.origin()
    ) as browser:
        answer = await browser.get(path)
    reader.close()
    assert answer.status_code == 200
    assert "set-cookie" not in answer.headers
    assert "<script" not in answer.text
    assert "sha256:" not in answer.text


async def test_the_files_hold_every_project(world: World) -> None:
    furnish(world)
    book = CalamineWorkbook.from_filelike(io.BytesIO((await get(world, "/register.xlsx")).content))
    rows = book.get_sheet_by_name("Data Uses Template").to_python(skip_empty_area=False)
    assert [row[0] for row in rows[2:]] == [GRANT, "told"]
    listed = await get(world, "/projects.json")
    assert listed.headers["content-type"] == "application/json"
    assert {one["name"] for one in listed.json()} == {GRANT, "told"}
    assert (await get(world, "/projects/told.json")).json() in listed.json()
    document = (await get(world, "/register.json")).json()
    assert [one["projectIdText"] for one in document["projects"]] == [GRANT, "told"]
    answer = await get(world, "/register.csv")
    assert answer.headers["content-disposition"] == 'attachment; filename="register.csv"'
    assert PLAIN in answer.text
    assert "alice" not in answer.text
    assert "/projects/told</link>" in (await get(world, "/register.rss")).text


class TestFiles:
    def test_a_file_is_made_anew_only_when_something_happened_and_not_too_often(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        made = []

        def write(entries: Any) -> bytes:
            made.append(len(list(entries)))
            return b"%d" % made[-1]

        monkeypatch.setitem(KINDS, "csv", KINDS["csv"]._replace(write=write))
        files = RegisterFiles(world.desk)
        assert files.get("csv") == b"1"
        world.add_grant("second")
        assert files.get("csv") == b"1"  # a minute has not passed
        world.clock.advance(61)
        assert files.get("csv") == b"2"
        world.clock.advance(61)
        assert files.get("csv") == b"2"
        assert made == [1, 2]

    def test_while_one_is_made_others_get_the_last_one_or_are_told_to_wait(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        begun, go_on = threading.Event(), threading.Event()

        def write(_entries: Any) -> bytes:
            begun.set()
            assert go_on.wait(30)
            return b"new"

        files = RegisterFiles(world.desk)
        monkeypatch.setitem(KINDS, "csv", KINDS["csv"]._replace(write=write))
        maker = threading.Thread(target=files.get, args=("csv",))
        maker.start()
        assert begun.wait(30)
        with pytest.raises(TREError, match="is being made"):
            files.get("csv")
        with pytest.raises(TREError, match="is being made"):
            files.get("json")
        go_on.set()
        maker.join(30)
        assert files.get("csv") == b"new"
        world.add_grant("second")
        world.clock.advance(61)
        begun.clear()
        go_on.clear()
        maker = threading.Thread(target=files.get, args=("csv",))
        maker.start()
        assert begun.wait(30)
        assert files.get("csv") == b"new"
        go_on.set()
        maker.join(30)

    def test_a_maker_that_fails_leaves_the_next_one_free(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        def write(_entries: Any) -> bytes:
            raise OSError

        files = RegisterFiles(world.desk)
        good = KINDS["csv"]
        monkeypatch.setitem(KINDS, "csv", good._replace(write=write))
        with pytest.raises(OSError):
            files.get("csv")
        monkeypatch.setitem(KINDS, "csv", good)
        assert files.get("csv")


@pytest.mark.parametrize(
    ("shown", "said"), [("*", "fewer than 8"), (0, "none"), (10, "about 10"), (1235, "about 1,235")]
)
def test_counts_in_words(shown: Any, said: str) -> None:
    assert counted(shown) == said
