"""Who may do what at the Hub: people nearly nothing, the controller its own few calls, `enter` nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.contract.hub_world import Browser, World, a_world, call
from tre.domain.names import hub_user_name
from tre.hub.config import roles

ALICE = hub_user_name("local", "alice")
BOB = hub_user_name("local", "bob")
NEW = hub_user_name("local", "carol")
MINE = "w-aaaaaaaaaaaa"
THEIRS = "w-bbbbbbbbbbbb"


def prepare(world: World) -> World:
    """Alice and Bob signed in once, each with a running workspace."""
    for user, server in ((ALICE, MINE), (BOB, THEIRS)):
        world.record.set(user, server, "Running")
        assert world.api("PUT", f"tre/users/{user}").status == 201
        assert world.api("POST", f"users/{user}/servers/{server}", {"user_options": {}}).status == 201
    return world


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with a_world(tmp_path_factory.mktemp("hub") / "root") as made:
        made.start()
        yield prepare(made)


@pytest.fixture(scope="module")
def alice(world: World) -> Browser:
    return world.signed_in("alice")


SEEN = [("GET", "user"), ("GET", f"users/{ALICE}"), ("GET", f"users/{ALICE}/servers/{MINE}")]

REFUSED: list[tuple[str, str, Any]] = [
    ("POST", f"users/{ALICE}/servers/{MINE}", {}),
    ("POST", f"users/{ALICE}/server", {}),
    ("PUT", f"users/{ALICE}/servers/another", {}),
    ("PATCH", f"users/{ALICE}/servers/{MINE}", {"user_options": {"image": "mine"}}),
    ("PATCH", f"users/{ALICE}/servers/{MINE}", {"name": "w-other"}),
    ("DELETE", f"users/{ALICE}/servers/{MINE}", None),
    ("DELETE", f"users/{ALICE}/servers/{MINE}", {"remove": True}),
    ("POST", f"users/{ALICE}/tokens", {}),
    ("GET", f"users/{ALICE}/tokens", None),
    ("POST", f"shares/{ALICE}/{MINE}", {"user": BOB}),
    ("POST", f"share-codes/{ALICE}/{MINE}", {}),
    ("PATCH", f"users/{ALICE}", {"admin": True}),
    ("PATCH", f"users/{ALICE}", {"name": BOB}),
    ("POST", f"users/{NEW}", {}),
    ("POST", "users", {"usernames": [NEW]}),
    ("PUT", f"tre/users/{NEW}", None),
    ("DELETE", f"users/{ALICE}", None),
    ("GET", "users", None),
    ("GET", f"users/{BOB}", None),
    ("GET", f"users/{BOB}/servers/{THEIRS}", None),
    ("GET", f"users/{BOB}/servers/{THEIRS}/progress", None),
    ("POST", f"users/{BOB}/activity", {"last_activity": "2030-01-01T00:00:00Z"}),
    ("DELETE", f"users/{BOB}/servers/{THEIRS}", None),
    ("GET", "groups", None),
    ("POST", "groups/tre-researchers/users", {"users": [ALICE]}),
    ("GET", "services", None),
    ("GET", "proxy", None),
    ("GET", "info", None),
    ("POST", "shutdown", {}),
    ("GET", "metrics", None),
]


@pytest.mark.parametrize(("method", "path"), SEEN)
def test_people_see_their_own(alice: Browser, method: str, path: str) -> None:
    assert alice.api(method, path).status == 200


@pytest.mark.parametrize(("method", "path", "body"), REFUSED)
def test_people_can_do_nothing_else(world: World, alice: Browser, method: str, path: str, body: Any) -> None:
    reply = alice.api(method, path, body)
    assert reply.status in {403, 404}, reply.text
    assert "_xsrf" not in reply.text, "refused for want of a token against forgery, not for want of a right"
    for user, server in ((ALICE, MINE), (BOB, THEIRS)):
        shown = world.server(user, server)
        assert shown is not None
        assert shown["ready"]
        assert shown["user_options"] == {}
    assert world.stops() == 0


def test_stock_rights_would_let_people_act(tmp_path: Path) -> None:
    """The other side: with JupyterHub's own role for users (and its right to share), the same calls go through."""
    stock = [roles()[0], {"name": "user", "scopes": ["self", "shares!user"]}]
    with a_world(tmp_path / "root") as world:
        world.start(JupyterHub__load_roles=stock)
        prepare(world)
        alice = world.signed_in("alice")
        assert alice.api("POST", f"users/{ALICE}/tokens", {}).status == 201
        assert alice.api("POST", f"share-codes/{ALICE}/{MINE}", {}).status == 200
        assert alice.api("PUT", f"users/{ALICE}/servers/another", {}).status == 201
        assert alice.api("DELETE", f"users/{ALICE}/servers/{MINE}").status == 204
        assert world.stops() == 1
        assert world.record.workspaces[ALICE, MINE]["phase"] == "Running"  # and even then it goes on


def test_forged_requests_are_refused(alice: Browser) -> None:
    forged = alice.send("DELETE", f"/hub/api/users/{ALICE}/servers/{MINE}", headers={"Sec-Fetch-Mode": "cors"})
    assert forged.status == 403
    assert "_xsrf" in forged.text


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PATCH", f"users/{ALICE}", {"admin": True}),
        ("PATCH", f"users/{ALICE}", {"name": "x"}),
        ("POST", f"users/{NEW}", {}),
        ("DELETE", f"users/{ALICE}", None),
        ("POST", f"users/{ALICE}/tokens", {}),
        ("GET", "groups", None),
        ("GET", "proxy", None),
        ("POST", "shutdown", {}),
        ("POST", f"shares/{ALICE}/{MINE}", {"user": BOB}),
    ],
)
def test_the_controller_holds_no_more_than_it_uses(world: World, method: str, path: str, body: Any) -> None:
    assert world.api(method, path, body).status in {403, 404}


@pytest.mark.parametrize("path", ["users", f"users/{ALICE}", "groups", "services", "info", f"users/{ALICE}/tokens"])
def test_the_oauth_clients_secret_opens_nothing(world: World, path: str) -> None:
    assert world.api("GET", path, token=world.oauth_secret).status in {403, 404}
    assert world.api("PUT", f"tre/users/{NEW}", token=world.oauth_secret).status == 403


def test_the_narrow_door_makes_plain_users_only(world: World) -> None:
    assert world.api("PUT", f"tre/users/{NEW}").status == 201
    assert world.api("PUT", f"tre/users/{NEW}").status == 200
    listed = {user["name"]: user for user in world.api("GET", "users").json}
    assert NEW in listed
    assert not listed[NEW].get("admin", False)
    for name in ("alice", "root", NEW.upper(), f"{NEW}x", "..%2F..%2Fadmin", "x" * 5000):
        assert world.api("PUT", f"tre/users/{name}").status in {400, 404}, name
    assert world.api("PUT", f"tre/users/{NEW}", token="0" * 64).status == 403


def test_a_made_name_gives_no_sign_in(world: World) -> None:
    world.api("PUT", f"tre/users/{NEW}")
    for name in ("carol", NEW):
        assert world.browser().sign_in(name, "anything").status == 403


@pytest.mark.parametrize(
    "path",
    [
        "/hub/home", "/hub/spawn", f"/hub/spawn/{ALICE}", f"/hub/spawn/{ALICE}/{MINE}",
        f"/hub/spawn-pending/{ALICE}/{MINE}", "/hub/token", "/hub/admin", f"/hub/user/{ALICE}/{MINE}/lab",
        f"/user/{ALICE}/{MINE}/lab", f"/user/{BOB}/{THEIRS}/lab", "/hub/user-redirect/lab", "/hub/accept-share?code=x",
    ],
)  # fmt: skip
def test_pages_lead_to_the_desk(alice: Browser, path: str) -> None:
    reply = alice.get(path)
    assert reply.status == 200
    assert 'href="http://desk.tre.localhost:8000/"' in reply.text
    for word in ("<button", "<form", "<script", "Stop My Server", "Launch"):
        assert word not in reply.text


def test_the_root_leads_to_the_desk(alice: Browser) -> None:
    assert alice.get("/").location == "http://hub.tre.localhost:8000/hub/"
    assert alice.get("/hub/").location == "http://desk.tre.localhost:8000/"


def test_measurements_are_for_this_machine(world: World) -> None:
    local = call(world.socket, "GET", "/metrics", headers={"Host": "localhost"})
    assert local.status == 200
    assert "jupyterhub_total_users" in local.text
    assert world.browser().get("/metrics").status == 404
    assert world.browser().get("/hub/metrics").status == 403
