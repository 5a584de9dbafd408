"""Files chosen in JupyterLab, on their way to the page of a request: an address ticks boxes and nothing more."""

from __future__ import annotations

import re
from urllib.parse import urlencode

import pytest

from tests.unit.portal.exports_world import PROJECT, Airlock
from tests.unit.portal.world import World
from tre.portal.routes.exports import LONGEST_PATH, MOST_AT_ONCE

MARKUP = '"><img src=x onerror=alert(1)>.csv'


@pytest.fixture
def airlock(world: World) -> Airlock:
    return Airlock(world).furnish()


def new(*paths: str) -> str:
    return "/exports/new?" + urlencode([("grant", PROJECT), *(("file", path) for path in paths)])


def ticked(text: str) -> list[str]:
    return re.findall(r'<input[^>]*name="path"[^>]*value="([^"]*)" checked>', text)


async def test_what_was_chosen_is_ticked_on_the_page_and_nothing_is_copied(airlock: Airlock) -> None:
    alice = airlock.world.browser("alice")
    page = (await alice.get(new("table.csv"))).text
    assert "<code>table.csv</code>" in page
    assert '<input type="hidden" name="file" value="table.csv">' in page
    made = await alice.post("/exports", {"grant": PROJECT, "file": "table.csv"})
    address = made.headers["location"]
    assert address.endswith("?file=table.csv")
    airlock.answer()
    page = (await alice.get(address)).text
    assert ticked(page) == ["table.csv"]
    assert ticked((await alice.get(address.partition("?")[0])).text) == [], "without the address nothing is"
    assert not airlock.request(address.partition("?")[0].removeprefix("/exports/")).files


async def test_names_from_an_address_are_text_and_bounded(airlock: Airlock) -> None:
    alice = airlock.world.browser("alice")
    page = (await alice.get(new(MARKUP, MARKUP, "x" * (LONGEST_PATH + 1), ""))).text
    assert "<img" not in page
    assert page.count('name="file"') == 1
    assert (await alice.get(new(*(f"{number}.csv" for number in range(200))))).text.count('name="file"') == MOST_AT_ONCE
    made = await alice.post("/exports", {"grant": PROJECT, "file": "a&b=c#d\r\nSet-Cookie: x"})
    assert made.headers["location"].endswith("?file=a%26b%3Dc%23d%0D%0ASet-Cookie%3A+x")
    assert "x" not in made.cookies


async def test_a_name_that_the_outbox_does_not_have_ticks_nothing_and_shows_nothing(airlock: Airlock) -> None:
    alice = airlock.world.browser("alice")
    made = await alice.post("/exports", {"grant": PROJECT, "file": "../../etc/passwd"})
    airlock.answer()
    page = (await alice.get(made.headers["location"])).text
    assert ticked(page) == []
    assert "passwd" not in page


async def test_an_address_begins_no_request_by_itself(airlock: Airlock) -> None:
    alice = airlock.world.browser("alice")
    await alice.get(new("table.csv"))
    assert airlock.world.events("export.created") == []
    assert (await airlock.world.browser("alice").get("/exports/new?grant=nobodys&file=a.csv")).status_code == 404
