"""Signing in at a real Hub: by form, and through the OAuth client `enter` with PKCE."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlencode

import pytest
from jupyterhub import apihandlers, handlers

from tests.contract.hub_world import ENTER_CALLBACK, Browser, Reply, World, a_world, call, query_of
from tests.support.headers import SECURITY_HEADERS
from tre.domain.names import hub_user_name
from tre.hub.pages import hub_handlers, root_handlers

ALICE = hub_user_name("local", "alice")
VERIFIER = "a-verifier-of-at-least-forty-three-characters-0123456789"
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).decode().rstrip("=")
REQUEST = {
    "client_id": "service-enter", "redirect_uri": ENTER_CALLBACK, "response_type": "code", "state": "s1",
    "code_challenge": CHALLENGE, "code_challenge_method": "S256",
}  # fmt: skip


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with a_world(tmp_path_factory.mktemp("hub") / "root") as made:
        made.start()
        yield made


@pytest.fixture(autouse=True)
def fresh_portal(world: World) -> Iterator[None]:
    world.portal.asked.clear()
    yield
    world.portal.answer = None
    world.portal.up()


def authorize(browser: Browser, **changes: str | None) -> Reply:
    request = {name: value for name, value in (REQUEST | changes).items() if value is not None}
    return browser.get(f"/hub/api/oauth2/authorize?{urlencode(request)}")


def redeem(world: World, code: str, **changes: str) -> Reply:
    fields = {
        "client_id": "service-enter", "client_secret": world.oauth_secret, "grant_type": "authorization_code",
        "code": code, "redirect_uri": ENTER_CALLBACK, "code_verifier": VERIFIER,
    }  # fmt: skip
    body = urlencode(fields | changes).encode()
    headers = {"Host": "localhost", "Content-Type": "application/x-www-form-urlencoded"}
    return call(world.socket, "POST", "/hub/api/oauth2/token", headers=headers, body=body)


def code_for(world: World, name: str = "alice") -> str:
    return query_of(authorize(world.signed_in(name)).location)["code"]


class TestThroughEnter:
    def test_the_whole_way(self, world: World) -> None:
        browser = world.browser()
        asked = authorize(browser)
        assert asked.status == 302
        assert asked.location.startswith("/hub/login?next=")
        entered = browser.sign_in("alice", "correct horse", next_page=query_of(asked.location)["next"])
        assert entered.status == 302
        assert entered.location.startswith("/hub/api/oauth2/authorize?")
        back = browser.get(entered.location)
        assert back.status == 302
        assert back.location.startswith(f"{ENTER_CALLBACK}?")
        assert query_of(back.location)["state"] == "s1"
        token = redeem(world, query_of(back.location)["code"]).json
        assert token["expires_in"] == 300
        who = world.api("GET", "user", token=token["access_token"])
        assert who.json["name"] == ALICE
        # The token says who somebody is; it lets nobody do anything.
        assert world.api("GET", f"users/{ALICE}/servers/w-x", token=token["access_token"]).status in {403, 404}
        assert world.api("POST", f"users/{ALICE}/tokens", {}, token=token["access_token"]).status == 403

    def test_a_code_works_once(self, world: World) -> None:
        code = code_for(world)
        assert redeem(world, code).status == 200
        assert redeem(world, code).status == 400

    @pytest.mark.parametrize(
        "changes",
        [
            {"code_verifier": VERIFIER[:-1] + "x"},
            {"code_verifier": ""},
            {"client_secret": "0" * 64},
            {"client_secret": ""},
            {"redirect_uri": "http://enter.tre.localhost:8000/other"},
        ],
    )
    def test_a_stolen_code_is_worth_nothing(self, world: World, changes: dict[str, str]) -> None:
        code = code_for(world)
        assert redeem(world, code, **changes).status in {400, 401, 403}

    @pytest.mark.parametrize(
        "changes",
        [
            {"code_challenge": None, "code_challenge_method": None},
            {"code_challenge_method": "plain"},
            {"redirect_uri": "http://evil.example/oauth_callback"},
            {"redirect_uri": "http://enter.tre.localhost:8000/oauth_callback/../x"},
            {"client_id": "service-other"},
            {"response_type": "token"},
        ],
    )
    def test_other_requests_give_no_code(self, world: World, changes: dict[str, Any]) -> None:
        reply = authorize(world.signed_in("alice"), **changes)
        assert reply.status >= 400 or "code=" not in reply.location
        assert "evil" not in (reply.location or "")

    def test_pkce_is_what_refuses(self, tmp_path_factory: pytest.TempPathFactory) -> None:
        with a_world(tmp_path_factory.mktemp("hub") / "root") as world:
            world.start(JupyterHub__oauth_require_pkce=False, any_challenge=True)
            reply = authorize(world.signed_in("alice"), code_challenge=None, code_challenge_method=None)
            assert "code=" in reply.location
            reply = authorize(world.signed_in("alice"), code_challenge_method="plain")
            assert "code=" in reply.location


class TestByForm:
    def test_right_password(self, world: World) -> None:
        browser = world.browser()
        reply = browser.sign_in("alice", "correct horse")
        assert reply.location == "http://desk.tre.localhost:8000/"
        assert world.portal.asked == [{"name": "alice", "password": "correct horse", "address": "192.0.2.7"}]
        me = browser.api("GET", "user").json
        assert (me["name"], me["admin"], me["groups"]) == (ALICE, False, ["tre-researchers"])

    def test_cookies_are_narrow_and_short(self, world: World) -> None:
        reply = world.browser().sign_in("alice", "correct horse")
        lines = {line.split("=")[0]: line for line in reply.headers.get_all("Set-Cookie")}
        login = lines["__Host-jupyterhub-hub-login"]
        for attribute in ("HttpOnly", "Secure", "SameSite=Lax", "Path=/;"):
            assert attribute in login + ";"
        assert "Domain" not in "".join(lines.values())
        age = cookie_seconds(login)
        assert age is None or age <= 15 * 60 + 60

    @pytest.mark.parametrize(("name", "password"), [("alice", "guess-7"), ("nobody", "correct horse"), ("alice", "")])
    def test_wrong_says_the_same_for_all(self, world: World, name: str, password: str) -> None:
        browser = world.browser()
        reply = browser.sign_in(name, password)
        assert reply.status == 403
        assert "The name or the password is not right." in reply.text
        assert 'role="alert"' in reply.text
        assert "<title>Error: Sign in" in reply.text
        assert "__Host-jupyterhub-hub-login" not in browser.cookies
        assert password == "" or password not in reply.text

    def test_the_limit_is_shown(self, world: World) -> None:
        world.portal.answer = (429, {"reason": "RateLimited", "retryAfter": 300})
        reply = world.browser().sign_in("alice", "correct horse")
        assert reply.status == 429
        assert reply.headers["Retry-After"] == "300"
        assert "Too many attempts to sign in. Wait 5 minutes, then try again." in reply.text
        assert 'name="password"' in reply.text

    @pytest.mark.parametrize("size", [1025, 60_000])
    def test_long_passwords_ask_nobody(self, world: World, size: int) -> None:
        assert world.browser().sign_in("alice", "x" * size).status == 403
        assert world.browser().sign_in("x" * size, "y").status == 403
        assert world.portal.asked == []
        assert "x" * 300 not in world.log_text()

    def test_huge_bodies_are_cut_off(self, world: World) -> None:
        def status(size: int) -> int | None:
            try:
                return world.browser().form("/hub/login", {"username": "x" * size}).status
            except ConnectionError:
                return None  # closed before all of it was sent

        assert status(60_000) == 403
        assert status(70_000) in {None, 400, 413}
        assert status(5_000_000) in {None, 400, 413}
        assert world.portal.asked == []

    def test_no_portal_no_sign_in(self, world: World) -> None:
        world.portal.down()
        reply = world.browser().sign_in("alice", "correct horse")
        assert reply.status == 503
        assert "Nobody answers" not in reply.text
        assert "There is a problem" in reply.text

    @pytest.mark.parametrize(
        "answer",
        [
            {"hubName": hub_user_name("local", "bob")},
            {"subject": {"issuer": "https://elsewhere", "id": "alice"}},
            {"hubName": hub_user_name("https://idp", "x"), "subject": {"issuer": "https://idp", "id": "x"}},
            {"hubName": None},
            {"displayName": "two\nlines"},
        ],
    )
    def test_a_mixed_up_answer_signs_nobody_in(self, world: World, answer: dict[str, Any]) -> None:
        right = {
            "hubName": ALICE, "displayName": "Alice", "subject": {"issuer": "local", "id": "alice"}, "roles": [],
        }  # fmt: skip
        world.portal.answer = (200, right | answer)
        browser = world.browser()
        assert browser.sign_in("alice", "correct horse").status == 503
        assert "__Host-jupyterhub-hub-login" not in browser.cookies
        world.portal.answer = (200, right)
        assert browser.sign_in("alice", "correct horse").status == 302

    @pytest.mark.parametrize(
        ("headers", "address"),
        [
            ({"X-Forwarded-For": "203.0.113.5, 192.0.2.7"}, "192.0.2.7"),
            ({"X-Forwarded-For": "192.0.2.7", "X-Real-Ip": "203.0.113.5"}, "192.0.2.7"),
            ({"X-Forwarded-For": "192.0.2.7", "Forwarded": "for=203.0.113.5"}, "192.0.2.7"),
            ({"X-Forwarded-For": "2001:db8::7"}, "2001:db8::7"),
            ({"X-Forwarded-For": "192.0.2.7, nonsense"}, "unknown"),
            ({"X-Forwarded-For": ""}, "unknown"),
        ],
    )
    def test_the_gateways_word_is_the_address(self, world: World, headers: dict[str, str], address: str) -> None:
        world.browser().sign_in("alice", "wrong", **headers)
        assert [asked["address"] for asked in world.portal.asked] == [address]

    def test_forged_forms_are_refused(self, world: World) -> None:
        reply = world.browser().form("/hub/login", {"username": "alice", "password": "correct horse"})
        assert reply.status == 403
        assert world.portal.asked == []

    @pytest.mark.parametrize(
        "page", ["https://evil.example/", "//evil.example", "/\\evil.example", "https:evil.example", "///evil.example"]
    )
    def test_nobody_is_sent_elsewhere(self, world: World, page: str) -> None:
        reply = world.browser().sign_in("alice", "correct horse", next_page=page)
        assert reply.status == 302
        assert not re.match(r"(https?:)?[/\\]{2}(?!desk\.tre\.localhost:8000/)", reply.location), reply.location

    def test_signing_out_ends_the_cookie(self, world: World) -> None:
        browser = world.signed_in("alice")
        assert browser.get("/hub/logout").location == "/hub/login"
        assert "__Host-jupyterhub-hub-login" not in browser.cookies


class TestPages:
    def test_the_form_is_plain_and_labelled(self, world: World) -> None:
        page = world.browser().get("/hub/login")
        for needed in (
            '<label for="username_input">', '<label for="password_input">', 'autocomplete="username"',
            'autocomplete="current-password"', '<html lang="en-GB">', 'href="#main"',
        ):  # fmt: skip
            assert needed in page.text
        assert "<script" not in page.text
        fetched = re.findall(r'<(?:link|img|script)[^>]+(?:href|src)="([^"]+)"', page.text)
        assert fetched
        assert all(address.startswith("/hub/tre/static/") for address in fetched)
        for address in fetched:
            assert world.browser().get(address).status == 200

    def test_nothing_outside_static_is_served(self, world: World) -> None:
        for path in ("../config.py", "..%2f..%2fconfig.py", "%2e%2e/config.py", "/etc/passwd"):
            assert world.browser().get(f"/hub/tre/static/{path}").status in {400, 403, 404}

    def test_headers(self, world: World) -> None:
        for path in ("/hub/login", "/hub/home", "/hub/nowhere"):
            headers = world.browser().get(path).headers
            policy = headers["Content-Security-Policy"]
            assert "default-src 'none'" in policy
            assert "frame-ancestors 'none'" in policy
            assert "script-src" not in policy
            assert headers["X-Content-Type-Options"] == "nosniff"
            assert headers["Referrer-Policy"] == "same-origin"

    def test_headers_of_every_address_of_the_router(self, world: World) -> None:
        patterns = [str(handler[0]) for handler in (*root_handlers(), *hub_handlers("", None))]
        patterns += [str(handler[0]) for handler in (*handlers.default_handlers, *apihandlers.default_handlers)]
        addresses = sorted({"/hub" + _example(pattern) for pattern in patterns} | {"/", "/healthz", "/user/x"})
        assert len(addresses) > 50
        addresses = [address for address in addresses if "static" not in address]  # the gateway sees to files
        for browser in (world.browser(), world.signed_in("alice")):
            for address in addresses:
                answer = browser.get(address)
                missing = {name for name in EVERYWHERE if name not in answer.headers}
                assert missing == set(), (address, answer.status)
                assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"], address
                assert answer.status < 500, address

    def test_the_log_holds_no_secret(self, world: World) -> None:
        browser = world.signed_in("alice")
        code = query_of(authorize(browser).location)["code"]
        redeem(world, code)
        text = world.log_text()
        secrets = ["correct horse", code, world.controller_token, world.oauth_secret, browser.cookies["_xsrf"]]
        assert not [secret for secret in secrets if secret in text]
        assert browser.cookies["jupyterhub-session-id"] not in text


EVERYWHERE = SECURITY_HEADERS | {"X-Frame-Options"}


def _example(pattern: str) -> str:
    """An address that a route's pattern fits, near enough: every group becomes a letter."""
    while "(" in pattern:
        pattern = re.sub(r"\((?:\?:|\?P<\w+>)?[^()]*\)[?*]?", "x", pattern)
    return pattern.replace("$", "").replace("/?", "").replace("?", "").replace("\\", "")


def cookie_seconds(line: str) -> float | None:
    """How long a cookie lasts, by its own words."""
    found = re.search(r"expires=([^;]+)", line, re.IGNORECASE)
    if found is None:
        return None
    return (parsedate_to_datetime(found[1]) - datetime.now(UTC)).total_seconds()
