"""Signing in through a certified OpenID provider, end to end."""

from __future__ import annotations

import base64
import hashlib
import http.client
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urljoin, urlsplit

import jwt
import pytest

from tests.contract.hub_world import ENTER_CALLBACK, HUB_HOST, Browser, Reply, World, a_world, query_of
from tests.contract.oidc_world import CLIENT, Walker, a_provider, provider_settings, write_client_secret
from tre.domain.names import hub_user_name

PEOPLE: dict[str, dict[str, Any]] = {
    "auth0|7f3": {"name": "Ada Two", "email": "ada@example.org", "groups": ["dac", "staff"], "amr": ["pwd", "otp"]},
    "AUTH0|7F3": {"name": "Ada Two", "email": "ada@example.org", "groups": ["staff"], "amr": ["mfa"]},
    "plain": {"name": "Password Only", "groups": ["staff"], "amr": ["pwd"]},
    "refeds": {"name": "By Profile", "groups": [], "acr": "https://refeds.org/profile/mfa"},
    "nobody-told": {"name": "No Methods"},
}
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(b"v" * 64).digest()).decode().rstrip("=")
AUTHORIZE = f"http://{HUB_HOST}/hub/api/oauth2/authorize?" + urlencode(
    {
        "client_id": "service-enter", "redirect_uri": ENTER_CALLBACK, "response_type": "code", "state": "s",
        "code_challenge": CHALLENGE, "code_challenge_method": "S256",
    }
)  # fmt: skip


@pytest.fixture(scope="module")
def issuer() -> Iterator[str]:
    with a_provider(PEOPLE) as running:
        yield running


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, issuer: str) -> Iterator[World]:
    """A Hub that demands a second factor."""
    with a_world(tmp_path_factory.mktemp("hub") / "root", provider_settings(issuer, require_mfa=True)) as made:
        write_client_secret(made.layout.root)
        made.start()
        yield made


@pytest.fixture(autouse=True)
def fresh_portal(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    if "world" in request.fixturenames:
        world: World = request.getfixturevalue("world")
        world.portal.people.clear()
        world.portal.up()


def come_in(world: World, person: str) -> tuple[Walker, str, Reply | None]:
    walker = Walker(world.browser())
    form, reply = walker.walk(AUTHORIZE)
    assert reply is not None
    assert 'name="person"' in reply.text, reply.text
    url, end = walker.sign_in_as(person, form)
    return walker, url, end


def test_the_whole_way(world: World, issuer: str) -> None:
    walker, url, _ = come_in(world, "auth0|7f3")
    assert url.startswith(f"{ENTER_CALLBACK}?")
    assert query_of(url)["code"]
    name = hub_user_name(issuer, "auth0|7f3")
    assert walker.hub.api("GET", "user").json["name"] == name
    assert world.portal.people == [
        {"issuer": issuer, "id": "auth0|7f3", "displayName": "Ada Two", "groups": ["dac", "staff"]}
    ]
    asked = next(query_of(url) for url in walker.passed if urlsplit(url).path == "/auth")
    assert asked["code_challenge_method"] == "S256"
    assert len(asked["code_challenge"]) == 43
    assert asked["acr_values"] == "https://refeds.org/profile/mfa"
    assert "ada@example.org" not in world.log_text()


def test_names_that_look_alike_are_two_people(world: World, issuer: str) -> None:
    first, _, _ = come_in(world, "auth0|7f3")
    second, _, _ = come_in(world, "AUTH0|7F3")
    names = {walker.hub.api("GET", "user").json["name"] for walker in (first, second)}
    assert names == {hub_user_name(issuer, "auth0|7f3"), hub_user_name(issuer, "AUTH0|7F3")}
    assert len(names) == 2


@pytest.mark.parametrize("person", ["plain", "nobody-told"])
def test_without_a_second_factor_nobody_comes_in(world: World, person: str) -> None:
    walker, url, reply = come_in(world, person)
    assert urlsplit(url).path == "/hub/oauth_callback"
    assert reply is not None
    assert reply.status == 403
    assert "needs a second factor" in reply.text
    assert "__Host-jupyterhub-hub-login" not in walker.hub.cookies
    assert world.portal.people == []


def test_a_multi_factor_context_counts(world: World) -> None:
    assert "code=" in come_in(world, "refeds")[1]


def test_the_demand_for_a_second_factor_is_what_refuses(tmp_path_factory: pytest.TempPathFactory, issuer: str) -> None:
    with a_world(tmp_path_factory.mktemp("hub") / "root", provider_settings(issuer)) as world:
        write_client_secret(world.layout.root)
        world.start()
        walker, url, _ = come_in(world, "plain")
        assert "code=" in url
        assert all("acr_values" not in query_of(url) for url in walker.passed)


def test_another_issuer_is_another_issuer(tmp_path_factory: pytest.TempPathFactory, issuer: str) -> None:
    with a_world(tmp_path_factory.mktemp("hub") / "root", provider_settings(f"{issuer}/")) as world:
        write_client_secret(world.layout.root)
        world.start()
        _, url, reply = come_in(world, "plain")
        assert urlsplit(url).path == "/hub/oauth_callback"
        assert reply is not None
        assert reply.status == 403
        assert world.portal.people == []


def test_somebody_elses_answer_is_refused(world: World) -> None:
    """A callback address made in one browser does nothing in another (forged sign-in)."""
    walker = Walker(world.browser())
    form, _ = walker.walk(AUTHORIZE)
    reply = walker._provider("POST", form, urlencode({"person": "auth0|7f3"}))
    url = reply.location
    while urlsplit(url).path != "/hub/oauth_callback":
        url = walker.get(url).location
    victim = Walker(world.browser())
    assert victim.get(url).status == 400
    victim.walk(AUTHORIZE)  # with a sign-in of its own begun
    assert victim.get(url).status == 400
    assert world.portal.people == []
    assert walker.get(url).status == 302


def test_a_refusal_of_the_provider_is_shown(world: World) -> None:
    _, url, reply = come_in(world, "somebody else")
    assert urlsplit(url).path == "/hub/oauth_callback"
    assert reply is not None
    assert reply.status == 400
    assert "The person went away." in reply.text


def test_no_portal_no_sign_in(world: World) -> None:
    world.portal.down()
    walker, _, reply = come_in(world, "auth0|7f3")
    assert reply is not None
    assert reply.status == 503
    assert "Sign-in is not available at the moment." in reply.text
    assert "__Host-jupyterhub-hub-login" not in walker.hub.cookies


@pytest.mark.parametrize("broken", ["tokenUrl", "userinfoUrl"])
def test_a_provider_that_fails_is_named_plainly(
    tmp_path_factory: pytest.TempPathFactory, issuer: str, broken: str
) -> None:
    settings = provider_settings(issuer)
    settings["oidc"][broken] = "http://127.0.0.1:9/nothing"
    with a_world(tmp_path_factory.mktemp("hub") / "root", settings) as world:
        write_client_secret(world.layout.root)
        world.start()
        _, _, reply = come_in(world, "plain")
        assert reply is not None
        assert reply.status == 503
        assert "Sign-in is not available at the moment." in reply.text
        assert "Traceback" not in world.log_text()


def exchange(issuer: str, **fields: str) -> Reply:
    """A code taken to the provider's token endpoint by somebody who knows the client's secret."""
    known = {"client_id": CLIENT["id"], "client_secret": CLIENT["secret"], "redirect_uri": CLIENT["redirect"]}
    body = urlencode({"grant_type": "authorization_code"} | known | fields)
    connection = http.client.HTTPConnection(urlsplit(issuer).netloc, timeout=20)
    connection.request("POST", "/token", body=body, headers={"Content-Type": "application/x-www-form-urlencoded"})
    response = connection.getresponse()
    reply = Reply(response.status, response.headers, response.read())
    connection.close()
    return reply


def a_code(issuer: str, challenge: str) -> str:
    """A code that the provider gave for a challenge of the test's own."""
    walker = Walker(Browser(Path("/nowhere")))
    asked = {
        "client_id": CLIENT["id"], "redirect_uri": CLIENT["redirect"], "response_type": "code", "scope": "openid",
        "state": "s", "code_challenge": challenge, "code_challenge_method": "S256",
    }  # fmt: skip
    url = f"{issuer}/auth?{urlencode(asked)}"
    reply = walker.get(url)
    form = urljoin(url, reply.location)
    url = urljoin(form, walker._provider("POST", form, urlencode({"person": "plain"})).location)
    return query_of(walker.get(url).location)["code"]


def test_a_stolen_code_is_worth_nothing_without_its_verifier(world: World, issuer: str) -> None:
    """Whoever reads the Hub's redirect, and even knows the client's secret, gets no token for it (RFC 7636)."""
    walker = Walker(world.browser())
    form, _ = walker.walk(AUTHORIZE)
    url = walker._provider("POST", form, urlencode({"person": "auth0|7f3"})).location
    while urlsplit(url).path != "/hub/oauth_callback":
        url = walker.get(urljoin(issuer, url)).location
    stolen = query_of(url)["code"]
    for guess in ({}, {"code_verifier": "w" * 64}):
        refused = exchange(issuer, code=stolen, **guess)
        assert (refused.status, refused.json["error"]) == (400, "invalid_grant")
    assert exchange(issuer, code=a_code(issuer, CHALLENGE), code_verifier="w" * 64).status == 400
    assert exchange(issuer, code=a_code(issuer, CHALLENGE), code_verifier="v" * 64).status == 200


def test_signing_out_goes_on_at_the_provider(tmp_path_factory: pytest.TempPathFactory, issuer: str) -> None:
    settings = provider_settings(issuer)
    settings["oidc"]["endSessionUrl"] = f"{issuer}/session/end"
    with a_world(tmp_path_factory.mktemp("hub") / "root", settings) as world:
        write_client_secret(world.layout.root)
        world.start()
        walker, url, _ = come_in(world, "plain")
        assert "code=" in url
        away = walker.hub.get("/hub/logout")
        assert away.status == 302
        assert urlsplit(away.location).path == "/session/end"
        sent = query_of(away.location)
        claims = jwt.decode(sent["id_token_hint"], options={"verify_signature": False})
        assert (claims["sub"], sent["client_id"]) == ("plain", CLIENT["id"])
        page = walker.get(away.location)
        secret = re.search(r'name="xsrf" value="([^"]+)"', page.text)
        assert page.status == 200
        assert secret is not None
        done = walker._provider(
            "POST", f"{issuer}/session/end/confirm", urlencode({"xsrf": secret[1], "logout": "yes"})
        )
        assert done.location == f"{CLIENT['signedOut']}?state=signed-out"
        end, last = walker.walk(done.location)
        assert last is not None
        assert (last.status, end) == (200, done.location)
        assert "You are signed out" in last.text
        form, again = walker.walk(AUTHORIZE)  # the provider asks who it is
        assert again is not None
        assert 'name="person"' in again.text
        assert form.startswith(issuer)


def test_whoever_signs_out_late_is_sent_there_without_a_hint(
    tmp_path_factory: pytest.TempPathFactory, issuer: str
) -> None:
    settings = provider_settings(issuer)
    settings["oidc"]["endSessionUrl"] = f"{issuer}/session/end"
    with a_world(tmp_path_factory.mktemp("hub") / "root", settings) as world:
        write_client_secret(world.layout.root)
        world.start()
        away = world.browser().get("/hub/logout")
        assert away.status == 302
        assert "id_token_hint" not in query_of(away.location)
        assert query_of(away.location)["post_logout_redirect_uri"] == CLIENT["signedOut"]


def test_signing_out_does_not_sign_in_again(world: World) -> None:
    walker, _, _ = come_in(world, "auth0|7f3")
    reply = walker.hub.get("/hub/logout")
    assert reply.status == 200
    assert "You are signed out" in reply.text
