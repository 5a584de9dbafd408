"""The desk as an attacker sees it: forged requests, borrowed cookies, used tickets, prepared sign-ins, redirects."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from starlette.routing import Route

from tests.support.headers import SECURITY_HEADERS
from tests.unit.portal.world import GRANT, Browser, HubStandIn, World, populated, sign_in
from tre.domain.errors import TREError
from tre.portal import guard, sessions
from tre.portal.applications import portal_switch
from tre.portal.hosts import find_landing, is_own_path
from tre.portal.sessions import DESK_COOKIE, ENTER_COOKIE, ENTRY_COOKIE, FLOW_COOKIE
from tre.portal.signing_in import TICKET_LIFE, issue_ticket, redeem_ticket

HEADERS = SECURITY_HEADERS | {"X-Frame-Options", "Cache-Control"}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with populated(tmp_path / "root") as made:
        yield made


def changing_routes(app: FastAPI) -> list[tuple[str, str]]:
    """Every address of the desk that takes more than a look, with values in its places."""
    found = []

    def collect(routes: list[object]) -> None:
        for route in routes:
            inner = getattr(route, "routes", None) or getattr(getattr(route, "original_router", None), "routes", None)
            if inner and not isinstance(route, Route):
                collect(list(inner))
            methods = getattr(route, "methods", None) or set()
            for method in sorted(methods - {"GET", "HEAD"}):
                path = route.path  # type: ignore[attr-defined]
                for place, value in {"{name}": GRANT, "{identifier}": "a" * 32}.items():
                    path = path.replace(place, value)
                found.append((method, path))

    collect(list(app.routes))
    return found


class TestForgedRequests:
    async def test_a_token_of_another_session_is_none(self, world: World) -> None:
        browser, other = world.browser("olga"), world.browser("carl")
        answer = await browser.post(
            f"/grants/{GRANT}/revoke", {"csrf": await other.token(), "confirm": GRANT, "reason": "x"}
        )
        assert answer.status_code == 403

    async def test_the_token_is_what_refuses(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sessions, "check_token", lambda *_: None)
        fields = {"csrf": "x", "confirm": GRANT, "reason": "x"}
        assert (await world.browser("olga").post(f"/grants/{GRANT}/revoke", fields)).status_code == 303

    @pytest.mark.parametrize(
        ("site", "origin"),
        [
            ("same-site", "https://w-aaaaaaaaaaaa.lab.tre.localhost:8443"),  # a notebook's page, a sibling host
            ("same-site", "https://desk.tre.localhost:8443"),
            ("same-origin", "https://w-aaaaaaaaaaaa.lab.tre.localhost:8443"),
            ("cross-site", "https://evil.example"),
            ("same-origin", "null"),
            ("same-origin", "http://desk.tre.localhost:8443"),
            ("same-origin", "https://desk.tre.localhost:8443.evil.example"),
            ("same-origin", None),
            ("none", "https://desk.tre.localhost:8443"),
            (None, "https://desk.tre.localhost:8443"),
            (None, None),
        ],
    )
    async def test_changes_come_from_our_own_page_only(
        self, world: World, site: str | None, origin: str | None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        browser = world.browser("olga")
        fields = {"csrf": await browser.token(), "confirm": GRANT, "reason": "x"}
        given = {"Sec-Fetch-Site": site, "Origin": origin}
        headers = {name: value for name, value in given.items() if value is not None}
        refused = await browser.send("POST", f"/grants/{GRANT}/revoke", "desk", headers=headers, data=fields)
        assert refused.status_code == 403
        assert world.events("grant.revoked") == []
        monkeypatch.setattr(guard.Guard, "_refusal", lambda *_: None)  # exactly that guard removed
        done = await browser.send("POST", f"/grants/{GRANT}/revoke", "desk", headers=headers, data=fields)
        assert done.status_code == 303

    @pytest.mark.parametrize("site", ["same-site", "cross-site"])
    async def test_other_pages_may_only_open_ours_at_the_top(self, world: World, site: str) -> None:
        browser = world.browser("alice")
        for mode, dest in (("no-cors", "image"), ("cors", "empty"), ("navigate", "iframe"), ("no-cors", "script")):
            answer = await browser.get("/", **{"Sec-Fetch-Site": site, "Sec-Fetch-Mode": mode, "Sec-Fetch-Dest": dest})
            assert answer.status_code == 403
        assert (await browser.get("/", **{"Sec-Fetch-Site": site})).status_code == 200  # a link that was clicked

    async def test_origin_twice(self, world: World) -> None:
        browser = world.browser("olga")
        headers = [("Origin", world.settings.origin("desk")), ("Origin", "https://evil.example")]
        jar = "; ".join(f"{name}={value}" for name, value in browser.cookies("desk").items())
        transport = httpx.ASGITransport(app=world.portal)
        async with httpx.AsyncClient(transport=transport, base_url=world.settings.origin("desk")) as client:
            answer = await client.post(
                f"/grants/{GRANT}/revoke",
                headers=[("Cookie", jar), ("Sec-Fetch-Site", "same-origin"), *headers],
                data={"csrf": await browser.token(), "confirm": GRANT, "reason": "x"},
            )
        assert answer.status_code == 403


class TestCookies:
    async def test_attributes(self, world: World) -> None:
        lines: list[str] = []

        class Watching(Browser):
            def _keep(self, jar: dict[str, str], response: httpx.Response) -> None:
                lines.extend(response.headers.get_list("set-cookie"))
                super()._keep(jar, response)

        async with HubStandIn(world) as hub:
            await sign_in(Watching(world), hub, "alice")
        assert {line.partition("=")[0] for line in lines} == {DESK_COOKIE, ENTER_COOKIE, ENTRY_COOKIE, FLOW_COOKIE}
        for line in lines:
            assert line.startswith("__Host-")
            for attribute in ("; Secure", "; HttpOnly", "; Path=/", "; SameSite=lax"):
                assert attribute in line
            assert "Domain" not in line

    async def test_a_cookie_is_worth_nothing_on_another_host(self, world: World) -> None:
        owner = world.browser()
        async with HubStandIn(world) as hub:
            await sign_in(owner, hub, "alice")
        enter, desk = owner.cookies("enter")[ENTER_COOKIE], owner.cookies("desk")[DESK_COOKIE]
        for name, value in ((DESK_COOKIE, enter), (ENTER_COOKIE, enter), (ENTER_COOKIE, desk)):
            thief = world.browser()
            thief.cookies("desk")[name] = value
            assert (await thief.get("/")).status_code == 302
        for name in (ENTER_COOKIE, DESK_COOKIE):
            thief = world.browser()
            thief.cookies("enter")[name] = desk
            answer = await thief.get("/", "enter")
            assert answer.headers["location"].startswith(world.settings.origin("hub"))

    async def test_what_the_record_holds_opens_nothing(self, world: World) -> None:
        _, session = world.session("alice")
        thief = world.browser()
        thief.cookies("enter")[ENTER_COOKIE] = session.id
        thief.cookies("desk")[DESK_COOKIE] = session.id
        assert (await thief.get("/", "enter")).headers["location"].startswith(world.settings.origin("hub"))
        assert (await thief.get("/")).status_code == 302

    async def test_a_changed_cookie_is_none(self, world: World) -> None:
        browser = world.browser("alice")
        value = browser.cookies("desk")[DESK_COOKIE]
        body, _, code = value.partition(".")
        for changed in (body, f"{body}.", f"{body}.{code[:-2]}xx", f"x{value}", "", ".", "é.é"):
            browser.cookies("desk")[DESK_COOKIE] = changed
            answer = await browser.send("GET", "/", "desk", headers={"Cookie": f"{DESK_COOKIE}={changed}".encode()})
            assert answer.status_code == 302

    async def test_a_session_is_never_one_that_was_there_before(self, world: World) -> None:
        browser = world.browser()
        browser.cookies("enter")[ENTER_COOKIE] = "chosen-by-the-attacker"
        async with HubStandIn(world) as hub:
            await sign_in(browser, hub, "alice")
            first = browser.cookies("enter")[ENTER_COOKIE]
            assert first != "chosen-by-the-attacker"
            await browser.post("/sign-out")
            await sign_in(browser, hub, "bob")
        assert browser.cookies("enter")[ENTER_COOKIE] != first


class TestTickets:
    def test_once(self, world: World) -> None:
        _, session = world.session("alice")
        ticket = issue_ticket(world.desk, session, "desk.tre.localhost")
        assert redeem_ticket(world.desk, ticket, "desk.tre.localhost").id == session.id
        with pytest.raises(TREError):
            redeem_ticket(world.desk, ticket, "desk.tre.localhost")

    def test_for_one_host(self, world: World) -> None:
        _, session = world.session("alice")
        ticket = issue_ticket(world.desk, session, "desk.tre.localhost")
        for other in ("enter.tre.localhost", "DESK.tre.localhost", "w-aaaaaaaaaaaa.open.tre.localhost", ""):
            with pytest.raises(TREError):
                redeem_ticket(world.desk, ticket, other)
        assert redeem_ticket(world.desk, ticket, "desk.tre.localhost")

    def test_for_a_minute(self, world: World) -> None:
        _, session = world.session("alice")
        early, late = (issue_ticket(world.desk, session, "h") for _ in range(2))
        world.clock.advance(TICKET_LIFE.total_seconds() - 0.001)
        assert redeem_ticket(world.desk, early, "h")
        world.clock.advance(0.001)
        with pytest.raises(TREError):
            redeem_ticket(world.desk, late, "h")

    def test_not_after_signing_out(self, world: World) -> None:
        from tre.portal.signing_in import end_session

        _, session = world.session("alice")
        ticket = issue_ticket(world.desk, session, "h")
        end_session(world.desk, session.id, session.subject)
        with pytest.raises(TREError):
            redeem_ticket(world.desk, ticket, "h")

    async def test_a_link_with_somebody_elses_ticket_signs_nobody_in(self, world: World) -> None:
        _, attackers = world.session("eve")
        ticket = issue_ticket(world.desk, attackers, "desk.tre.localhost")
        fresh = world.browser()
        refused = await fresh.get(f"/.tre/ticket?t={ticket}&next=/?s=x")
        assert refused.status_code == 401
        await fresh.get("/")  # even where the victim's browser was sent to the desk first
        sent_on = await fresh.get(f"/.tre/ticket?t={ticket}&next=/?s=x")
        assert sent_on.status_code == 303
        assert DESK_COOKIE not in fresh.cookies("desk")
        assert redeem_ticket(world.desk, ticket, "desk.tre.localhost")  # it was left unspent

    def test_reading_the_record_gives_no_ticket(self, world: World) -> None:
        _, session = world.session("alice")
        ticket = issue_ticket(world.desk, session, "h")
        assert ticket.encode() not in world.layout.database.read_bytes()


class TestPreparedSignIns:
    async def test_a_callback_begun_in_another_browser(self, world: World) -> None:
        attacker, victim = world.browser(), world.browser()
        async with HubStandIn(world) as hub:
            stopped = await attacker.follow(await attacker.get("/"))
            back = httpx.QueryParams(hub.authorize(stopped.headers["location"], "eve"))
            await victim.follow(await victim.get("/"))  # the victim has a flow of their own under way
            answer = await victim.get(f"/oauth_callback?{back}", "enter")
            assert answer.status_code == 403
            assert ENTER_COOKIE not in victim.cookies("enter")
            assert (await world.browser().get(f"/oauth_callback?{back}", "enter")).status_code == 403
            assert (await attacker.get(f"/oauth_callback?{back}", "enter")).status_code == 303  # its own is let in

    async def test_a_callback_that_comes_too_late_or_twice(self, world: World) -> None:
        browser = world.browser()
        async with HubStandIn(world) as hub:
            stopped = await browser.follow(await browser.get("/"))
            back = httpx.QueryParams(hub.authorize(stopped.headers["location"], "alice"))
            world.clock.advance(15 * 60)
            assert (await browser.get(f"/oauth_callback?{back}", "enter")).status_code == 403
            stopped = await browser.follow(await browser.get("/"))
            back = httpx.QueryParams(hub.authorize(stopped.headers["location"], "alice"))
            assert (await browser.get(f"/oauth_callback?{back}", "enter")).status_code == 303
            assert (await browser.get(f"/oauth_callback?{back}", "enter")).status_code == 403

    async def test_a_hub_that_is_away_lets_nobody_in_and_says_so(self, world: World) -> None:
        browser = world.browser()
        stopped = await browser.follow(await browser.get("/"))
        state = httpx.URL(stopped.headers["location"]).params["state"]
        answer = await browser.get(f"/oauth_callback?code=x&state={state}", "enter")
        assert answer.status_code == 503
        assert "hub" not in answer.text.lower().replace("the hub:", "")
        assert str(world.layout.root) not in answer.text


class TestRedirects:
    @pytest.mark.parametrize(
        "to",
        [
            "https://evil.example/",
            "//evil.example/",
            "https:evil.example",
            "https://desk.tre.localhost:8443@evil.example/",
            "https://desk.tre.localhost:8443.evil.example/",
            "https://desk.tre.localhost.evil.example:8443/",
            "https://evil.example/desk.tre.localhost:8443",
            "https://evil.example#desk.tre.localhost:8443/",
            "https://desk.tre.localhost:8443\\@evil.example/",
            "https://desk.tre.localhost:8443/\\evil.example",
            "https://desk.tre.localhost:8443/ ",
            " https://desk.tre.localhost:8443/",
            "https://desk.tre.localhost:8443/\r\nSet-Cookie: a=b",
            "https://desk.tre.localhost:8443/\n",
            "http://desk.tre.localhost:8443/",
            "https://desk.tre.localhost/",
            "https://desk.tre.localhost:84430/",
            "https://hub.tre.localhost:8443/",
            "https://enter.tre.localhost:8443/",
            "https://w-aaaaaaaaaaaa.lab.tre.localhost:8443/",
            "https://w-aaaaaaaaaaaaa.open.tre.localhost:8443/",
            "https://x.w-aaaaaaaaaaaa.open.tre.localhost:8443/",
            "https://deskxtre.localhost:8443/",
            "https://DESK.tre.localhost:8443/",
            "https://desk.tre.localhost:8443/#fragment",
            "javascript:alert(1)//desk.tre.localhost:8443/",
            "https://desk.tre.localhost:8443/" + "a" * 3000,
            "https://dеsk.tre.localhost:8443/",
        ],
    )
    async def test_nobody_is_sent_elsewhere(self, world: World, to: str) -> None:
        answer = await world.browser().get(f"/?{httpx.QueryParams({'to': to})}", "enter")
        assert answer.status_code == 400
        assert "location" not in answer.headers
        browser = world.browser()
        async with HubStandIn(world) as hub:
            await sign_in(browser, hub, "alice")
        answer = await browser.get(f"/?{httpx.QueryParams({'to': to})}", "enter")
        assert answer.status_code == 400

    def test_our_own_hosts_pass(self, world: World) -> None:
        for to in ("https://desk.tre.localhost:8443", "https://w-abcdefghij23.open.tre.localhost:8443/?s=a_b-c"):
            assert find_landing(to, world.settings).origin == to.partition("/?")[0]

    @pytest.mark.parametrize(
        "path",
        ["/projects/%0d%0aSet-Cookie:a=b", "/grants?q=//evil.example", "/projects/%5cevil.example", "/grants?q=%00"],
    )
    async def test_where_one_wanted_to_go_stays_here(self, world: World, path: str) -> None:
        browser = world.browser()
        async with HubStandIn(world) as hub:
            await sign_in(browser, hub, "alice", path)
        own = ("/", "https://desk.", "https://enter.", "https://hub.")
        assert all(sent.startswith(own) and not sent.startswith(("//", "/\\")) for sent in browser.sent)

    @pytest.mark.parametrize(
        ("path", "own"),
        [
            ("/", True),
            ("/grants?q=a%20b&phase=Active", True),
            ("", True),
            ("//evil.example/", False),
            ("/\\evil.example", False),
            ("https://evil.example/", False),
            ("evil.example", False),
            ("/a\r\nb", False),
            ("/" + "a" * 3000, False),
        ],
    )
    def test_paths_of_our_own(self, path: str, own: bool) -> None:
        assert is_own_path(path) is own


class TestAnswers:
    async def test_headers_of_every_answer(self, world: World) -> None:
        browser = world.browser("olga")
        answers = [await browser.get(path) for path in ("/", "/nothing", "/grants", "/api/v1/grants", "/api")]
        answers += [
            await browser.get("/", "enter"),
            await browser.get("/", ""),
            await browser.get("/projects.json", ""),
        ]
        answers.append(await browser.send("POST", "/sign-out", "desk"))
        for answer in answers:
            assert {name for name in HEADERS if name not in answer.headers} == set(), answer.url
            policy = answer.headers["content-security-policy"]
            assert "unsafe" not in policy
            assert "default-src 'none'" in policy
            assert answer.headers["cache-control"] == "no-store"
            assert "server" not in answer.headers

    async def test_pages_hold_nothing_inline(self, world: World) -> None:
        browser = world.browser("olga")
        paths = ["/", "/account", "/grants", f"/grants/{GRANT}", "/operate/audit", "/operate/health", "/api"]
        for path in paths:
            page = (await browser.get(path)).text
            for forbidden in ("<style", " style=", " onclick", " onload", "javascript:", "http://"):
                assert forbidden not in page.replace("http://www.w3.org/2000/svg", ""), (path, forbidden)
            assert "<script>" not in page

    async def test_other_hosts_are_nobodys(self, world: World) -> None:
        transport = httpx.ASGITransport(app=world.portal)
        for host in ("evil.example", "tre.localhost:8443", "desk.tre.localhost", "desk.tre.localhost:8443.", ""):
            async with httpx.AsyncClient(transport=transport, base_url="https://x") as client:
                answer = await client.get("/", headers={"Host": host})
            assert answer.status_code == 421

    async def test_too_much_is_refused(self, world: World) -> None:
        browser = world.browser("olga")
        large = {"csrf": await browser.token(), "reason": "x" * 70_000}
        headers = browser.same_origin()
        answer = await browser.send("POST", f"/grants/{GRANT}/suspend", "desk", headers=headers, data=large)
        assert answer.status_code == 413

        async def drops() -> object:
            for _ in range(100):
                yield b"x" * 1000

        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        answer = await browser.send("POST", f"/grants/{GRANT}/suspend", "desk", headers=headers | kind, content=drops())
        assert answer.status_code == 413

    async def test_no_traces(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        def broken(*_: object) -> None:
            raise RuntimeError("secret detail of the inside")

        monkeypatch.setattr("tre.portal.routes.projects.own_projects", broken)
        page = await world.browser("alice").get("/")
        assert page.status_code == 500
        assert "secret detail" not in page.text
        assert "Traceback" not in page.text
        assert "tell an operator the number" in page.text

    async def test_programs_are_told_that_a_sign_in_is_needed(self, world: World) -> None:
        browser = world.browser()
        for path in ("/api/v1/grants", "/api/openapi.json"):
            answer = await browser.get(path)
            assert answer.status_code == 401
            assert answer.json()["reason"] == "LoginRequired"
        assert (await browser.get("/api")).status_code == 302
        assert (await browser.post(f"/projects/{GRANT}/open")).status_code == 401

    async def test_public_pages_name_nobody(self, world: World) -> None:
        for path in ("/", "/projects", f"/projects/{GRANT}", "/projects.json", f"/projects/{GRANT}.json"):
            answer = await world.browser().get(path, "")
            assert answer.status_code == 200
            for hidden in ("alice", "bob", "Alice", "31,192", "31192", "NCCID-00123-v1.0"):
                assert hidden not in answer.text, (path, hidden)

    async def test_what_was_never_in_force_is_not_public(self, world: World) -> None:
        world.add_grant("secret-plan", active=False)
        assert "secret-plan" not in (await world.browser().get("/projects.json", "")).text
        for path in ("/projects/secret-plan", "/projects/secret-plan.json"):
            assert (await world.browser().get(path, "")).status_code == 404


async def test_the_switch_is_rebuilt_from_settings_alone(world: World) -> None:
    transport = httpx.ASGITransport(app=portal_switch(world.desk, world.live))
    async with httpx.AsyncClient(transport=transport, base_url=world.settings.origin("desk")) as client:
        assert (await client.get("/static/app.css")).status_code == 200
        assert (await client.get("/static/../pages.py")).status_code == 404
