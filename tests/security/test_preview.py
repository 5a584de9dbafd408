"""The preview host and the viewer as an attacker sees them: borrowed or altered addresses, files that bring script.

The first half asks the application; the second half lets a real Chromium open what a hostile file holds, with the
reader signed in, through the real gateway.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser as Chromium
from playwright.sync_api import Page, Route

from tests.browser.portal_world import an_installation
from tests.browser.test_portal_pages import context_of
from tests.browser.test_preview import Desk
from tests.support.chromium import engine
from tests.unit.portal.exports_world import CLEAN, OTHER, PROJECT, TABLE, Airlock, member
from tests.unit.portal.extracts_world import HOSTILE, HOSTILE_SVG, every_card, keep, png, table_extract
from tests.unit.portal.world import World
from tre.airlock.extract import Extract
from tre.airlock.parsed import Card, Table
from tre.domain.exports.models import FileKind
from tre.portal.applications import desk_app
from tre.portal.export_views import file_key
from tre.portal.preview.capabilities import LIFE, Capability, PartKind, mint, opened
from tre.portal.preview.origin import PreviewOrigin, preview_headers
from tre.store import people

EXACTLY = {
    "content-security-policy": "sandbox; default-src 'none'; img-src data: 'self'; style-src 'unsafe-inline'; "
    "frame-ancestors https://desk.tre.localhost:8443",
    "x-content-type-options": "nosniff",
    "cross-origin-resource-policy": "same-site",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
}
WANTED = {PartKind.picture: "image", PartKind.drawing: "image", PartKind.document: "iframe"}


@pytest.fixture
def airlock(tmp_path: Path) -> Iterator[Airlock]:
    world = World(tmp_path / "root")
    world.add_people()
    yield Airlock(world).furnish()
    world.close()


async def ask(airlock: Airlock, path: str, method: str = "GET", dest: str = "image", **headers: str) -> httpx.Response:
    """The preview host, asked as a browser asks it from a page of the desk."""
    fetched = {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": dest}
    answer = await airlock.world.browser().send(method, path, "preview", headers=fetched | headers)
    assert {name: answer.headers[name] for name in EXACTLY} == EXACTLY, path
    assert "set-cookie" not in answer.headers
    assert "server" not in answer.headers
    return answer


async def addresses(airlock: Airlock, export: str, who: str = "chris", path: str = "ages.csv") -> list[str]:
    """The paths on the preview host that somebody's page of a file names."""
    page = await airlock.world.browser(who).get(f"/files/{export}/{file_key(path)}")
    assert page.status_code == 200
    return re.findall(rf'src="{airlock.world.settings.origin("preview")}(/[^"]+)"', page.text)


def token(airlock: Airlock, named: str, /, **changes: Any) -> str:
    """An address made with the portal's own key, for what a test changes of it."""
    _, session = airlock.world.session("chris")
    values: dict[str, Any] = {
        "session": session.id, "export": named, "path": "ages.csv", "sha256": _sha(airlock, "ages.csv"),
        "type": "csv", "part": PartKind.picture, "card": 4,
    }  # fmt: skip
    return "/" + mint(airlock.world.desk.sealer, Capability(**values | changes), airlock.world.clock.now())


def _sha(airlock: Airlock, path: str) -> str:
    from tests.unit.portal.exports_world import sha

    return sha(airlock.outbox[path])


@pytest.fixture
async def export(airlock: Airlock) -> str:
    keep(airlock.world, CLEAN, every_card())
    keep(airlock.world, TABLE, Extract("png", 1, cards=(Card("picture", data=png(40, 30)),)))
    return await airlock.submitted()


class TestWhatIsServed:
    async def test_pictures_drawings_and_documents_of_texts(self, airlock: Airlock, export: str) -> None:
        picture, drawing = await addresses(airlock, export)
        got = await ask(airlock, picture)
        assert (got.status_code, got.headers["content-type"], got.content) == (200, "image/png", png())
        got = await ask(airlock, drawing)
        assert (got.status_code, got.headers["content-type"]) == (200, "image/svg+xml")
        got = await ask(airlock, token(airlock, export, part=PartKind.document, card=0), dest="iframe")
        assert (got.status_code, got.headers["content-type"]) == (200, "text/html; charset=utf-8")
        assert "<script" not in got.text
        assert "&lt;script&gt;" in got.text

    async def test_head_has_no_body_and_nothing_else_is_taken(self, airlock: Airlock, export: str) -> None:
        path = token(airlock, export)
        head = await ask(airlock, path, "HEAD")
        assert (head.status_code, head.content, int(head.headers["content-length"])) == (200, b"", len(png()))
        for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS"):
            answer = await ask(airlock, path, method)
            assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD")

    async def test_no_page_and_no_api_of_the_desk(self, airlock: Airlock, export: str) -> None:
        app, asked = desk_app(airlock.world.desk, airlock.world.live), set()
        for route in app.routes:
            asked.add(getattr(route, "path", "").replace("{export}", export))
        paths = {
            f"/files/{export}/{file_key('ages.csv')}",
            "/",
            "/reviews",
            "/api/v1/exports",
            "/static/app.css",
            "/healthz",
        }
        for path in sorted(paths | {path for path in asked if path}):
            for dest in ("document", "image", "iframe", "empty"):
                assert (await ask(airlock, path, dest=dest)).status_code == 404, path

    async def test_a_drawing_is_never_a_page(self, airlock: Airlock, export: str) -> None:
        for part, card in ((PartKind.drawing, 5), (PartKind.picture, 4), (PartKind.document, 0)):
            path = token(airlock, export, part=part, card=card)
            for dest in ("document", "iframe", "image", "embed", "object", "frame", "empty", "script", ""):
                expected = 200 if dest == WANTED[part] else 404
                assert (await ask(airlock, path, dest=dest)).status_code == expected, (part, dest)

    async def test_a_part_is_served_as_what_it_is_alone(self, airlock: Airlock, export: str) -> None:
        for part in PartKind:
            got = {
                card for card in range(-1, 9)
                if (await ask(airlock, token(airlock, export, part=part, card=card), dest=WANTED[part])).status_code
                == 200
            }  # fmt: skip
            assert got == {PartKind.picture: {4}, PartKind.drawing: {5}, PartKind.document: {0, 1, 3, 6}}[part]

    async def test_cookies_are_not_looked_at(self, airlock: Airlock, export: str) -> None:
        desk = airlock.world.browser("chris").cookies("desk")
        cookie = "; ".join(f"{name}={value}" for name, value in desk.items())
        assert (await ask(airlock, "/", Cookie=cookie)).status_code == 404
        assert (await ask(airlock, token(airlock, export, session="0" * 64), Cookie=cookie)).status_code == 404


class TestWhoseAddress:
    async def test_it_ends_after_ten_minutes_and_with_the_session(self, airlock: Airlock, export: str) -> None:
        [path, _] = await addresses(airlock, export)
        airlock.world.clock.advance(LIFE.total_seconds() - 1)
        assert (await ask(airlock, path)).status_code == 200
        airlock.world.clock.advance(1)
        assert (await ask(airlock, path)).status_code == 404
        [path, _] = await addresses(airlock, export)
        capability = opened(airlock.world.desk.sealer, path[1:], airlock.world.clock.now())
        assert capability is not None
        with airlock.world.database.change(airlock.world.event()) as change:
            people.revoke_session(change, capability.session, airlock.world.clock.now())
        assert (await ask(airlock, path)).status_code == 404

    async def test_forged_and_altered_ones(self, airlock: Airlock, export: str) -> None:
        good = token(airlock, export)
        body, _, code = good[1:].partition(".")
        forged = airlock.world.desk.sealer.seal("desk", {"session": "x", "until": 9e12})
        for path in (
            f"/{body}.", f"/{body}", f"/.{code}", f"/{body}.{code[:-1]}", f"/{body[:-1]}.{code}", f"/{body}.{code}x",
            f"/{body}.{'A' * 43}", f"/{forged}", f"//{body}.{code}", f"/{body}.{code}/", f"/{body}.{code}?x=1",
            f"/x/../{body}.{code}", "/" + "A" * 9000 + "." + code,
        ):  # fmt: skip
            assert (await ask(airlock, path)).status_code in {404, 200 if "/../" in path else 404}, path
        assert (await ask(airlock, good)).status_code == 200

    async def test_it_opens_no_other_file_part_or_request(self, airlock: Airlock, export: str) -> None:
        """Even with the portal's key: what an address names must hang together, and the person must be let in now."""
        table, ages = _sha(airlock, "table.csv"), _sha(airlock, "ages.csv")
        other = await airlock.submitted("alice", "table.csv")
        wrong = [
            {"path": "table.csv"}, {"sha256": table}, {"path": "nothing.csv", "sha256": ages}, {"type": "png"},
            {"export": other}, {"export": "e-aaaaaaaaaaaa"}, {"session": "f" * 64}, {"card": 0},
            {"part": PartKind.drawing},
        ]  # fmt: skip
        for changes in wrong:
            assert (await ask(airlock, token(airlock, export, **changes))).status_code == 404, changes
        assert (await ask(airlock, token(airlock, other, path="table.csv", sha256=table, card=0))).status_code == 200

    async def test_a_stranger_gets_none_and_a_former_member_keeps_none(self, airlock: Airlock, export: str) -> None:
        _, stranger = airlock.world.session("eve")
        assert (await ask(airlock, token(airlock, export, session=stranger.id))).status_code == 404
        [path, _] = await addresses(airlock, export, "bob")
        assert (await ask(airlock, path)).status_code == 200
        airlock.world.add_grant(PROJECT, active=False, members=[member("alice")], **airlock.dates())
        assert (await ask(airlock, path)).status_code == 404

    async def test_what_was_taken_back_or_changed_is_gone(self, airlock: Airlock) -> None:
        keep(airlock.world, CLEAN, every_card())
        draft = await airlock.draft()
        [path, _] = await addresses(airlock, draft, "alice")
        assert (await ask(airlock, path)).status_code == 200
        fields = {"path": "ages.csv", "kind": FileKind.withdrawn.value}
        await airlock.world.browser("alice").post(f"/exports/{draft}/kind", fields)
        assert (await ask(airlock, path)).status_code == 404

    async def test_every_refusal_is_the_same(self, airlock: Airlock, export: str) -> None:
        paths = ("/", "/nothing", token(airlock, export, path="x"), token(airlock, export, session="0" * 64))
        bodies = {(await ask(airlock, path)).content for path in paths}
        assert len(bodies) == 1


async def test_no_other_host_of_ours_serves_a_preview(airlock: Airlock, export: str) -> None:
    path = token(airlock, export)
    for prefix in ("desk", "enter", ""):
        answer = await airlock.world.browser("chris").send("GET", path, prefix)
        assert answer.status_code == 404, prefix
    assert OTHER != PROJECT


async def test_the_desk_embeds_from_the_preview_host_and_nowhere_else(airlock: Airlock) -> None:
    answer = await airlock.world.browser("chris").get("/reviews")
    policy = answer.headers["content-security-policy"]
    preview = airlock.world.settings.origin("preview")
    assert f"img-src 'self' {preview};" in policy
    assert f"frame-src {preview};" in policy
    assert "script-src 'self';" in policy
    entry = (await airlock.world.browser().get("/", "enter")).headers["content-security-policy"]
    assert "preview" not in entry
    assert PreviewOrigin(airlock.world.desk)._headers == preview_headers(airlock.world.settings.origin("desk"))


# In a real browser.


def _answer(body: str, headers: dict[str, str], route: Route) -> None:
    route.fulfill(body=body, headers=headers)


SVG, TEXT = b"svg", b"text"
LOOKS = (("notes.csv", "files"), ("notes.csv", "reviews"), ("wide.csv", "files"), ("text.csv", "files"))


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    with an_installation(tmp_path_factory.mktemp("hostile") / "root") as world:
        long = "\n".join([HOSTILE, "</span></li></ol><script>document.title='taken over'</script>", *["x"] * 400])
        keep(world, TEXT, Extract("text", 1, cards=(Card("text", "Printed", text=long),)))
        hostile = Table((HOSTILE, "\"><script>document.title='taken over'</script>"), [[HOSTILE, "javascript:1"]] * 3)
        made = Desk(world, {"text.csv": TEXT, "notes.csv": b"notes", "wide.csv": b"wide"})
        keep(world, b"wide", table_extract(hostile))
        yield made


@pytest.fixture(scope="module")
def chromium() -> Iterator[Chromium]:
    with engine() as browser:
        yield browser


@pytest.fixture(scope="module")
def chris(desk: Desk, chromium: Chromium) -> Iterator[Page]:
    page = context_of(chromium).new_page()
    desk.world.come_in(page, "chris", "/reviews")
    yield page
    page.context.close()


@pytest.mark.browser
@pytest.mark.timeout(240)
class TestInChromium:
    @pytest.mark.parametrize(("path", "kind"), LOOKS)
    def test_nothing_of_a_file_runs_or_calls(self, desk: Desk, chris: Page, path: str, kind: str) -> None:
        asked: list[tuple[str, dict[str, str]]] = []
        chris.on("request", lambda request: asked.append((request.url, request.all_headers())))
        chris.goto(desk.url(path, kind))
        for details in chris.locator("details:not([hidden]) > summary").all():
            details.click()
        chris.wait_for_load_state("networkidle")
        assert "taken over" not in chris.title()
        assert chris.locator("script:not([src]), [onerror], [onload], foreignObject, svg").count() == 0
        hosts = {url.split("/")[2].partition(".")[0] for url, _ in asked}
        assert hosts <= {"desk", "preview"}
        assert not [url for url, _ in asked if "steal" in url]
        for url, headers in asked:
            if "//preview." in url:
                assert "cookie" not in headers
                assert "referer" not in headers
        assert chris.context.cookies(desk.world.settings.origin("preview")) == []
        for frame in chris.frames[1:]:
            assert frame.locator("script").count() == 0
            assert "taken over" not in frame.title()

    def test_a_picture_and_a_drawing_are_seen(self, desk: Desk, chris: Page) -> None:
        chris.goto(desk.url("notes.csv"))
        for image in chris.locator(".view-figure img").all():
            image.scroll_into_view_if_needed()
            assert image.evaluate("async image => { await image.decode(); return image.naturalWidth; }") > 0

    def test_a_drawing_opened_as_a_page_is_refused(self, desk: Desk, chris: Page) -> None:
        """The address of an image, put into the address bar by somebody who may see it."""
        chris.goto(desk.url("notes.csv"))
        drawing = chris.locator(".view-figure--drawing img").get_attribute("src")
        assert drawing is not None
        answer = chris.goto(drawing)
        assert answer is not None
        assert answer.status == 404
        assert "taken over" not in chris.title()

    def test_even_as_a_page_the_sandbox_would_hold(self, desk: Desk, chris: Page) -> None:
        """With the check of what it is wanted for removed, the headers alone still keep script from running."""
        address = desk.world.settings.origin("preview") + "/x.svg"
        headers = preview_headers(desk.world.settings.origin("desk")) | {"Content-Type": "image/svg+xml"}
        loose = {"Content-Type": "image/svg+xml"}
        ran = {}
        probe = HOSTILE_SVG.replace("document.title='taken over'; ", "document.documentElement.id='ran'; ")
        for name, sent in (("guarded", headers), ("loose", loose)):
            chris.route(address, partial(_answer, probe, sent))
            chris.goto(address)
            ran[name] = chris.evaluate("document.documentElement.id") == "ran"
            chris.unroute(address)
        assert ran == {"guarded": False, "loose": True}
