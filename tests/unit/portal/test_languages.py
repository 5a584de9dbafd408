"""The public pages in more than one language: chosen by address or browser, every text marked, nothing of it breaks."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from babel.messages.catalog import Catalog
from fastapi.routing import APIRoute

from tests.support.pseudo import CODE, OWN_NAME, compiled, speak_pseudo, unmarked
from tests.unit.portal.account_world import AFTER, BEFORE, QUESTION, Stranger, begin, do, taking_in
from tests.unit.portal.committee_world import furnish_committee
from tests.unit.portal.register_world import TITLE, furnish, project
from tests.unit.portal.world import BASE_SETTINGS, GRANT, World
from tre.domain.errors import Reason, TREError
from tre.domain.languages import CODE as LANGUAGE
from tre.domain.publicaccount.states import ItemKind
from tre.portal.public_applications import PUBLIC_GROUPS, public_switch
from tre.portal.register_site import build
from tre.portal.speaking import TAKEN
from tre.store import publicaccount as store

MACHINES = re.compile(r".*\.(json|rss|csv|xlsx|txt)")
FIRM = {"name": "Imaging Company Ltd", "id": "org-9", "sector": "Industry", "commercial": True}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A site that speaks two languages."""
    speak_pseudo(tmp_path / "root")
    made = World(tmp_path / "root", BASE_SETTINGS | {"languages": ["en", CODE]})
    made.add_people()
    made.add_grant()
    yield made
    made.close()
    shutil.rmtree(made.layout.run, ignore_errors=True)


async def get(world: World, path: str, **headers: str) -> httpx.Response:
    return await world.browser().get(path, "", **headers)


def language_of(answer: httpx.Response) -> str:
    return re.findall(r'<html lang="([^"]+)"', answer.text)[0]


# Which language


@pytest.mark.parametrize(
    ("path", "accepted", "expected"),
    [
        ("/", "", "en-GB"),
        ("/", "tlh", "tlh"),
        ("/", "tlh-GB;q=0.9, en;q=0.4", "tlh"),
        ("/", "fr, de", "en-GB"),
        ("/en/", "tlh", "en-GB"),
        ("/tlh", "en", "tlh"),
        ("/tlh/", "en", "tlh"),
        ("/tlh/projects", "en", "tlh"),
        ("/nothing", "tlh", "tlh"),
        ("/tlh/nothing", "", "tlh"),
    ],
)
async def test_the_address_says_it_else_the_browser(world: World, path: str, accepted: str, expected: str) -> None:
    answer = await get(world, path, **{"Accept-Language": accepted})
    assert language_of(answer) == answer.headers["content-language"] == expected
    guessed = not path.startswith(("/en", "/tlh"))
    assert ("Accept-Language" in answer.headers.get("vary", "")) == guessed
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize(
    "path", ["/cy/", "/cy/projects", "/tlh/tlh/", "/tlh/en/projects", "/TLH/", "/%2ftlh/", "/tlh%00/"]
)
async def test_a_language_that_is_not_spoken_is_no_page(world: World, path: str) -> None:
    assert (await get(world, path)).status_code == 404


async def test_files_for_machines_have_one_address_and_one_language(world: World) -> None:
    furnish(world)
    for path in ("/register.csv", "/projects/told.json", "/glossary.json", "/log/checkpoint.txt"):
        plain, liked = await get(world, path), await get(world, path, **{"Accept-Language": CODE})
        assert (plain.status_code, plain.content) == (200, liked.content)
        assert "⟦" not in liked.text
        assert "vary" not in liked.headers
        assert (await get(world, f"/{CODE}{path}")).status_code == 404


async def test_every_page_leads_to_itself_in_the_other_language(world: World) -> None:
    page = (await get(world, "/tlh/projects?q=hearts&state=ended")).text
    assert f'<span lang="tlh" aria-current="true">{OWN_NAME}</span>' in page
    assert '<a href="/en/projects?q=hearts&amp;state=ended" hreflang="en-GB" lang="en-GB" dir="ltr">English</a>' in page
    base = "https://tre.localhost:8443"
    assert f'<link rel="alternate" hreflang="tlh" href="{base}/tlh/projects?q=hearts&amp;state=ended">' in page
    assert f'<link rel="alternate" hreflang="x-default" href="{base}/projects">' in page
    for address in re.findall(r'(?:href|action)="(/[^"]*)"', page):
        assert address.startswith(("/tlh", "/en/", "/static/")) or MACHINES.fullmatch(address), address


async def test_one_language_says_nothing_of_others(tmp_path: Path) -> None:
    made = World(tmp_path / "root")
    answer = await get(made, "/", **{"Accept-Language": CODE})
    assert "app-languages" not in answer.text
    assert "hreflang" not in answer.text
    assert "vary" not in answer.headers
    assert (await get(made, "/en/")).status_code == 404
    made.close()


async def test_another_language_alone_has_no_prefix(tmp_path: Path) -> None:
    speak_pseudo(tmp_path / "root")
    made = World(tmp_path / "root", BASE_SETTINGS | {"languages": [CODE]})
    answer = await get(made, "/", **{"Accept-Language": "en"})
    assert language_of(answer) == CODE
    assert "⟦" in answer.text
    assert f'href="/{CODE}' not in answer.text
    made.close()


async def test_the_desk_stays_as_it_is(world: World) -> None:
    page = (await world.browser("alice").get(f"/projects/{GRANT}", **{"Accept-Language": CODE})).text
    assert "⟦" not in page
    assert '<html lang="en-GB">' in page


@pytest.mark.parametrize("path", ["/<script>", "/%22onload=x", "/projects?q=%22%3E%3Cscript%3E", "/a?%22><b>"])
async def test_an_address_brings_no_markup(world: World, path: str) -> None:
    page = (await get(world, f"/{CODE}{path}")).text
    assert "<script" not in page
    assert '"onload' not in page
    assert "><b>" not in page


# Every text


async def _furnished(world: World) -> dict[str, str]:
    """Something of everything; the parameters of addresses."""
    furnish(world, sites=True)
    world.add_grant("firm", project=project("Hearts", organisation=FIRM), register={
        "optOuts": {"applied": "No", "explanation": "A law says so."}
    })  # fmt: skip
    world.add_grant("waits", active=False)
    furnish_committee(world, grant="told")
    change = {"title": "Smaller", "text": "We want.", "closes": "2027-01-31", "before": BEFORE, "after": AFTER}
    incident = {"title": "A wrong list", "happened": "2026-10-30", "text": "A list was sent.", "done": "Deleted."}
    incident |= {"type": "disclosure", "project": "told"}
    async with taking_in(world):
        names = {kind: await Stranger(world).ask(f"{QUESTION} {kind}") for kind in ("waits", "answered", "refused")}
        await do(world, "olga", names["answered"], "answer", reply="Four people.")
        await do(world, "olga", names["answered"], "publish")
        await do(world, "olga", names["answered"], "answer", reply="Five people.")
        await do(world, "olga", names["refused"], "refuse", refusal="personal")
        names["change"] = await begin(world, "consultation", **change)
        answer = await Stranger(world).post(f"/consultations/{names['change']}/comments", {"text": "Please not."})
        assert answer.status_code == 303
    with world.database.read() as connection:
        (comment,) = [one.id for one in store.waiting(connection) if one.kind is ItemKind.comment]
    await do(world, "olga", comment, "publish")
    done = await begin(world, "incident", **incident)
    await do(world, "olga", done, "correct", title="A", text="A list of two.", done="Deleted.", correction="Number.")
    await do(world, "olga", done, "resolve")
    complaint = await begin(world, "complaint", received="2026-11-01")
    await do(world, "olga", complaint, "close", text="It came late.", reply="We said sorry.")
    for kind, text in (("paper", "A score."), ("nothing", "")):
        told = {"type": kind, "text": text, "doi": "10.1000/x" if text else "", "link": ""}
        assert (await world.browser("alice").post(f"/projects/{GRANT}/outcomes", told)).status_code == 303
    with world.database.read() as connection:
        reported = [one.id for one in store.waiting(connection) if one.kind is ItemKind.outcome]
    for one in reported:
        await do(world, "olga", one, "publish")
    return names


@pytest.fixture
async def names(world: World) -> dict[str, str]:
    return await _furnished(world)


def addresses(names: dict[str, str]) -> dict[str, list[str]]:
    """Addresses of every route with a parameter, one for each kind of answer."""
    return {
        "/projects": ["", "?q=nowhere", "?company=yes"],
        "/projects/{name}": [GRANT, "told", "firm", "nothing"],
        "/data/{name}": ["nccid", "nothing"],
        "/hospitals": ["", "?q=RXX", "?q=none"],
        "/questions/{name}": [names["waits"], names["answered"], names["refused"], "nothing"],
        "/consultations/{name}": [names["change"], "nothing"],
        "/consultations/{name}/thanks": [names["change"]],
    }


def test_each_page_is_walked() -> None:
    """Whoever adds a page with a parameter names it above."""
    known = addresses(dict.fromkeys(("waits", "answered", "refused", "change"), "x"))
    for path in page_paths():
        assert "{" not in path or path in known, path


def page_paths() -> list[str]:
    routes = [route for group in PUBLIC_GROUPS for route in group.router.routes if isinstance(route, APIRoute)]
    return [route.path for route in routes if "GET" in route.methods and not MACHINES.fullmatch(route.path)]


async def test_every_text_of_every_page_is_marked(world: World, names: dict[str, str]) -> None:
    known, seen, found = addresses(names), 0, {}
    for path in page_paths():
        for value in known.get(path, [""]):
            address = path.replace("{name}", value) if "{" in path else path + value
            answer = await get(world, f"/{CODE}{address}")
            assert answer.status_code == (404 if value == "nothing" else 200), address
            seen += 1
            if texts := unmarked(answer.text):
                found[address] = texts
    assert seen >= 24
    assert not found, "\n".join(f"{a}: {t}" for a, t in found.items())


async def test_pages_of_an_empty_site_too(world: World) -> None:
    with world.database.change(world.event()) as change:
        change.connection.exec_driver_sql("DELETE FROM register_projects")
    paths = [path for path in page_paths() if "{" not in path]
    found = {path: unmarked((await get(world, f"/{CODE}{path}")).text) for path in [*paths, "/nothing"]}
    assert {path: texts for path, texts in found.items() if texts} == {}


async def test_refusals_of_a_form_too(world: World) -> None:
    stranger = Stranger(world)
    answers = [await stranger.post(f"/{CODE}/questions", {"text": text}) for text in ("", "x" * 7000, "Is it?")]
    async with taking_in(world):
        for number in range(5):
            await Stranger(world).ask(f"Question {number}?")
        answers.append(await stranger.post(f"/{CODE}/questions", {"text": "One more?"}))
        answers.append(
            await stranger.browser.send("PUT", f"/{CODE}/questions", "", headers=stranger.browser.same_origin(""))
        )
    assert [answer.status_code for answer in answers] == [400, 400, 503, 429, 405]
    assert [unmarked(answer.text) for answer in answers] == [[]] * 5
    assert "⟦Wait 15 minutes" in answers[3].text


async def test_a_form_leads_on_in_its_language(world: World) -> None:
    async with taking_in(world):
        answer = await Stranger(world).post(f"/{CODE}/questions", {"text": QUESTION})
    assert answer.headers["location"].startswith(f"/{CODE}/questions/q-")
    assert language_of(await get(world, answer.headers["location"])) == CODE


async def test_what_people_wrote_stands_as_it_is_and_says_its_language(world: World) -> None:
    furnish(world)
    page = (await get(world, f"/{CODE}/data/nccid")).text
    assert f'<h1 class="nhsuk-heading-l" lang="en">{TITLE}</h1>' in page
    assert 'lang="en"' not in (await get(world, "/en/data/nccid")).text


def test_a_text_that_is_not_marked_would_be_seen() -> None:
    assert unmarked("<p>⟦All⟧ 12 – <b lang='en'>Title</b></p><code>x</code>") == []
    assert unmarked("<p>⟦Half⟧ of it</p>") == ["of it (p)"]
    assert unmarked('<nav aria-label="Menu">⟦a <i>b</i> c⟧</nav>') == ["Menu (nav aria-label)"]


async def test_what_stands_in_a_translation_is_text(tmp_path: Path) -> None:
    """Beside the check at the start: quotes in attributes, brackets that are no tag."""
    made = Catalog(locale="cy", fuzzy=False)
    made.add("Menu", '" onload="alert(1)')
    made.add("In numbers", "1 < 2 & 3 > 2 &lt;b&gt;")
    (tmp_path / "root/languages").mkdir(parents=True)
    (tmp_path / "root/languages/cy.mo").write_bytes(compiled(made))
    world = World(tmp_path / "root", BASE_SETTINGS | {"languages": ["en", "cy"]})
    page = (await get(world, "/cy/totals")).text
    assert 'aria-label="&#34; onload=&#34;alert(1)"' in page
    assert ">1 &lt; 2 &amp; 3 &gt; 2 &amp;lt;b&amp;gt;</h1>" in page
    world.close()


# What is refused at the start


def test_a_language_without_a_catalogue_is_refused(world: World) -> None:
    (world.layout.root / "languages" / f"{CODE}.mo").unlink()
    with pytest.raises(TREError) as caught:
        public_switch(world.desk)
    assert caught.value.reason is Reason.PolicyMissing
    assert f"{CODE}.mo" in caught.value.remedy


def test_a_language_at_the_address_of_a_page_is_refused(tmp_path: Path) -> None:
    speak_pseudo(tmp_path / "root")
    (tmp_path / "root/languages/tlh.mo").rename(tmp_path / "root/languages/log.mo")
    with pytest.raises(TREError, match="No language can be called 'log'"):
        _ = World(tmp_path / "root", BASE_SETTINGS | {"languages": ["en", "log"]}).public


def test_addresses_that_could_be_languages_are_known() -> None:
    routes = [route.path for group in PUBLIC_GROUPS for route in group.router.routes]
    first = {path.split("/")[1] for path in [*routes, "/static"]}
    assert {one for one in first if re.fullmatch(LANGUAGE, one)} == TAKEN


@pytest.mark.parametrize(
    "languages", [[], ["en", "en"], ["english"], ["EN"], ["../x"], ["en/"], ["e"], ["cy", "cy"], "en", ["en", "cy\n"]]
)
def test_settings_that_name_no_languages_are_refused(tmp_path: Path, languages: object) -> None:
    with pytest.raises(TREError):
        World(tmp_path / "root", BASE_SETTINGS | {"languages": languages})


# As files


def test_every_language_as_files(world: World, tmp_path: Path) -> None:
    furnish(world, sites=True)
    built = build(world.desk, "https://register.example", tmp_path / "site")
    english = world.settings.model_copy(update={"languages": ("en",)})
    build(replace(world.desk, settings=english), "https://register.example", tmp_path / "plain")
    found = {str(path.relative_to(tmp_path / "site")): path for path in (tmp_path / "site").rglob("*.*")}
    pages = {name: path.read_text() for name, path in found.items() if name.endswith(".html")}
    assert built.files == len([path for path in (tmp_path / "site").rglob("*") if path.is_file()])
    translated = {name.removeprefix("tlh/") for name in pages if name.startswith("tlh/")}
    assert translated == {name for name in pages if not name.startswith("tlh/")}
    for name, text in pages.items():
        assert ("⟦" in text) == name.startswith("tlh/"), name
        assert (unmarked(text) if name.startswith("tlh/") else []) == [], name
        for address in re.findall(r'(?:href|src)="(/[^"#?]*)', text):
            assert (tmp_path / "site" / address.lstrip("/")).exists(), (name, address)
    for machines in ("register.csv", "projects/told.json", "register.rss"):
        assert found[machines].read_bytes() == (tmp_path / "plain" / machines).read_bytes()
    assert '<a href="/tlh/projects/told" hreflang="tlh"' in pages["projects/told/index.html"]
    assert '<a href="/projects/told" hreflang="en-GB"' in pages["tlh/projects/told/index.html"]
