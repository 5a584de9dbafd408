"""Every route of the desk, enumerated from its routers, against sessions and forms that are not its own.

A new route is among them the moment it exists. Requests go straight into the application: thousands in seconds.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from starlette.types import ASGIApp

from tests.security.test_headers_everywhere import routes_of
from tests.unit.gateway.portal import add_portal
from tests.unit.gateway.world import WORKSPACE, make_world
from tests.unit.gateway.world import World as GatewayWorld
from tests.unit.portal.world import GRANT, World, populated
from tre.gateway.entry import ENTRY_COOKIE
from tre.portal.applications import desk_app
from tre.portal.sessions import DESK_COOKIE, ENTER_COOKIE
from tre.portal.signing_in import end_session
from tre.store import people

IDENTIFIED = {"applications": "a", "committee": "a", "imports": "i", "conditions": "k"}
"""First letters of the identifiers under these addresses: a route that refuses the form of one is not tried at all."""

OPEN = {"/static/app.css", "/.tre/ticket"}
"""What is read without a session, beside styles: the style of every page, and the way in."""

STREAMED = {
    ("POST", f"/{kind}/{letter}-aaaaaaaaaaaa/{what}")
    for kind, letter, what in (
        ("imports", "i", "files"),
        ("conditions", "k", "report"),
        ("applications", "a", "papers"),
    )
}
"""Files are read as they come, so these look for the thing before they read the token of the form, and find none."""

Headers = list[tuple[bytes, bytes]]


@dataclass
class Answer:
    """What came back."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


async def ask(app: ASGIApp, method: str, target: str, headers: Headers, body: bytes = b"") -> Answer:
    """One request, straight into an application."""
    path, _, query = target.partition("?")
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method, "scheme": "https",
        "path": path, "raw_path": path.encode(), "query_string": query.encode(), "root_path": "", "headers": headers,
        "client": ("192.0.2.1", 1), "server": ("desk", 443),
    }  # fmt: skip
    answer, sent = Answer(), iter([{"type": "http.request", "body": body, "more_body": False}])

    async def receive() -> dict[str, Any]:
        return next(sent, {"type": "http.disconnect"})

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            answer.status = int(message["status"])
            answer.headers = {name.decode(): value.decode() for name, value in message["headers"]}
        else:
            answer.body += message.get("body", b"")

    await app(scope, receive, send)
    return answer


class Desk:
    """The desk's application with people at it."""

    def __init__(self, world: World) -> None:
        self.world, self.app = world, world.portal
        self.host = world.host("desk").encode()
        routes = sorted(set(routes_of(desk_app(world.desk, world.live))))
        filled = [(method, self._identified(path)) for method, path in routes]
        unknown = {("DELETE", "/"), ("POST", "/nothing/here"), ("GET", "/nothing/here")}
        self.changing = [one for one in filled if one[0] not in {"GET", "HEAD"} and one not in unknown]
        self.changing.remove(("POST", "/release/x"))  # its address is the secret, and its host is another
        self.reading = [one for one in filled if one[0] == "GET" and one not in unknown]

    def _identified(self, path: str) -> str:
        words = path.split("/")
        place = next((number for number, word in enumerate(words) if word in IDENTIFIED), None)
        if place is not None and len(words) > place + 1 and words[place + 1] in {GRANT, "x"}:
            words[place + 1] = f"{IDENTIFIED[words[place]]}-aaaaaaaaaaaa"
        return "/".join(words)

    def signed_in(self, name: str) -> tuple[str, str]:
        """The identity of a new session, and the cookie that stands for it."""
        _, session = self.world.session(name)
        return session.id, self.world.desk.sealer.seal("desk", {"session": session.id})

    def headers(self, session: str = "", **changes: str | None) -> Headers:
        """As a script of the desk's own page sends them, but for the changes."""
        given: dict[str, str | None] = {
            "host": self.world.host("desk"),
            "origin": self.world.settings.origin("desk"),
            "sec-fetch-site": "same-origin",
            "cookie": f"{DESK_COOKIE}={session}" if session else None,
        }
        given |= {name.replace("_", "-"): value for name, value in changes.items()}
        return [(name.encode(), value.encode()) for name, value in given.items() if value is not None]

    async def change(self, method: str, path: str, token: str, headers: Headers) -> Answer:
        """A change with this token, in the form in which the address takes it."""
        if path.startswith("/api/"):
            kind, body = b"application/json", b"{}"
        elif path.endswith(("/files", "/papers", "/report")) or path == "/optouts":
            line = '--x\r\nContent-Disposition: form-data; name="csrf"\r\n\r\n'
            kind, body = b"multipart/form-data; boundary=x", f"{line}{token}\r\n--x--\r\n".encode()
        else:
            kind, body = b"application/x-www-form-urlencoded", f"csrf={token}&confirm={GRANT}&reason=x".encode()
        more = [(b"x-csrf-token", token.encode()), (b"content-type", kind), (b"content-length", b"%d" % len(body))]
        return await ask(self.app, method, path, [*headers, *more], body)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with populated(tmp_path / "root") as world:
        yield Desk(world)


@pytest.fixture
def changed(desk: Desk) -> Iterator[Callable[[], bool]]:
    """Whether anything was written to the record since this was asked last."""
    with closing(sqlite3.connect(desk.world.layout.database)) as connection:
        seen = [connection.execute("PRAGMA data_version").fetchone()]

        def look() -> bool:
            seen.append(connection.execute("PRAGMA data_version").fetchone())
            return bool(seen[-1] != seen[-2])

        yield look


def another_session(desk: Desk) -> tuple[str, Headers]:
    """The token of another session of the same person."""
    other, _ = desk.signed_in("olga")
    return other, desk.headers(desk.signed_in("olga")[1])


def signed_out(desk: Desk) -> tuple[str, Headers]:
    identity, cookie = desk.signed_in("olga")
    with desk.world.database.read() as connection:
        session = people.session(connection, identity, desk.world.clock.now())
        assert session is not None
    end_session(desk.world.desk, identity, session.subject)
    return identity, desk.headers(cookie)


def expired(desk: Desk) -> tuple[str, Headers]:
    identity, cookie = desk.signed_in("olga")
    desk.world.clock.advance(timedelta(hours=desk.world.settings.session_hours).total_seconds())
    return identity, desk.headers(cookie)


def own(desk: Desk, **changes: str | None) -> tuple[str, Headers]:
    identity, cookie = desk.signed_in("olga")
    return identity, desk.headers(cookie, **changes)


SITUATIONS: dict[str, tuple[Callable[[Desk], tuple[str, Headers]], int]] = {
    "another session's token": (another_session, 403),
    "after signing out": (signed_out, 401),
    "after the session's end": (expired, 401),
    "no cookie": (lambda desk: own(desk, cookie=None), 401),
    "a sibling's page": (lambda desk: own(desk, sec_fetch_site="same-site"), 403),
    "no origin": (lambda desk: own(desk, origin=None), 403),
    "a workspace's origin": (lambda desk: own(desk, origin="https://w-aaaaaaaaaaaa.lab.tre.localhost:8443"), 403),
    "a browser that does not say": (lambda desk: own(desk, sec_fetch_site=None), 403),
}
"""Whose session and token a request has, and the status that every change answers with."""


@pytest.mark.parametrize("situation", SITUATIONS)
async def test_no_change_is_taken(desk: Desk, changed: Callable[[], bool], situation: str) -> None:
    prepared, status = SITUATIONS[situation]
    identity, headers = prepared(desk)
    token = desk.world.desk.sealer.token(identity)
    changed()
    assert len(desk.changing) > 140
    found = {one: (await desk.change(*one, token, headers)).status for one in desk.changing}
    other = {one: given for one, given in found.items() if given != status}
    assert other.keys() <= STREAMED, other
    assert set(other.values()) <= {404}
    assert not changed()


async def test_the_control_with_its_own_session_and_token_each_is_looked_at(desk: Desk) -> None:
    identity, headers = own(desk)
    token = desk.world.desk.sealer.token(identity)
    answers = [await desk.change(*one, token, headers) for one in desk.changing if one != ("POST", "/sign-out")]
    out_of_date = [answer for answer in answers if b"This form is out of date" in answer.body]
    assert out_of_date == []
    assert 401 not in {answer.status for answer in answers}
    assert {303, 422} & {answer.status for answer in answers}


def navigation(desk: Desk, cookie: str = "") -> Headers:
    return desk.headers(
        cookie, origin=None, sec_fetch_site="none", sec_fetch_mode="navigate", sec_fetch_dest="document"
    )


@pytest.mark.parametrize("situation", ["no cookie", "after signing out", "after the session's end"])
async def test_nothing_is_read_without_a_session(desk: Desk, changed: Callable[[], bool], situation: str) -> None:
    identity, headers = SITUATIONS[situation][0](desk)
    cookies = [value for name, value in headers if name == b"cookie"]
    asked = [*navigation(desk), *((b"cookie", value) for value in cookies)]
    changed()
    enter = desk.world.settings.origin("enter")
    for method, path in desk.reading:
        answer = await ask(desk.app, method, path, asked)
        if path in OPEN or path.startswith(("/static/", "/release/")) or path.endswith(".css"):
            continue
        assert answer.status in {302, 401}, (path, answer.status)
        assert answer.headers.get("location", enter).startswith(enter)
    assert not changed()
    assert identity


@pytest.mark.parametrize("who", ["olga", "alice"])
async def test_a_look_changes_nothing(desk: Desk, changed: Callable[[], bool], who: str) -> None:
    _, cookie = desk.signed_in(who)
    changed()
    wrote = [path for method, path in desk.reading if await _wrote(desk, method, path, cookie, changed)]
    assert wrote == []


async def _wrote(desk: Desk, method: str, path: str, cookie: str, changed: Callable[[], bool]) -> bool:
    await ask(desk.app, method, path, navigation(desk, cookie))
    return changed()


async def test_no_change_happens_by_a_look(desk: Desk, changed: Callable[[], bool]) -> None:
    identity, cookie = desk.signed_in("olga")
    token = desk.world.desk.sealer.token(identity)
    changed()
    for _, path in desk.changing:
        answer = await ask(desk.app, "GET", f"{path}?csrf={token}&confirm={GRANT}&reason=x", navigation(desk, cookie))
        assert answer.status < 500, path
    assert not changed()


TOSSED = [
    "\u2003{name}", "\u00a0{name}", "\u2028{name}", "\ufeff{name}", "{name}\u2003", "$Version=1; \u00a0{name}",
    '"{name}"', "{name}%20", "%5f%5fHost-{rest}", "__host-{rest}",
]  # fmt: skip
"""Names that a browser takes for unprefixed, so that a sibling host may set them for the whole domain, and that a
careless parser reads as the prefixed name (PortSwigger, "Cookie Chaos", 2025)."""


def tossed(spelling: str, name: str) -> str:
    return spelling.format(name=name, rest=name.removeprefix("__Host-"))


@pytest.mark.parametrize("spelling", TOSSED)
async def test_a_cookie_that_a_sibling_planted_is_not_read(desk: Desk, spelling: str) -> None:
    _, cookie = desk.signed_in("eve")
    line = f"{tossed(spelling, DESK_COOKIE)}={cookie}".encode()
    answer = await ask(desk.app, "GET", "/", [*navigation(desk), (b"cookie", line)])
    assert answer.status == 302
    own_cookie = f"{DESK_COOKIE}={cookie}".encode()
    assert (await ask(desk.app, "GET", "/", [*navigation(desk), (b"cookie", own_cookie)])).status == 200
    secret, _ = desk.world.session("eve")
    headers = [pair for pair in navigation(desk) if pair[0] != b"host"]
    headers.append((b"host", desk.world.host("enter").encode()))
    line = f"{tossed(spelling, ENTER_COOKIE)}={secret}".encode()
    sent = await ask(desk.app, "GET", "/", [*headers, (b"cookie", line)])
    assert sent.headers["location"].startswith(desk.world.settings.origin("hub"))


async def test_a_planted_cookie_opens_no_workspace() -> None:
    async with make_world() as world:
        for given, path in ((world.shell_headers, "/.tre/state"), (world.lab_headers, "/api/me")):
            assert await _status(world, path, given(), given()["Cookie"]) in {200, 502}
            name, _, value = given()["Cookie"].partition("=")
            for spelling in TOSSED:
                planted = f"{tossed(spelling, name)}={value}"
                assert await _status(world, path, given(), planted) == 403, spelling


async def test_a_planted_word_lets_no_prepared_link_sign_anybody_in() -> None:
    async with make_world() as world:
        portal = await add_portal(world)
        host = f"{WORKSPACE}.open.tre.localhost"
        for spelling in (*TOSSED, "{name}=theirs; {name}"):
            address = f"/.tre/ticket?t={portal.ticket_for(host)}&next=/?s=mine"
            planted = f"{tossed(spelling, ENTRY_COOKIE)}=mine"
            assert await _status(world, address, {"Host": world.host(f"{WORKSPACE}.open")}, planted) == 403, spelling
        assert portal.redeemed == []
        address = f"/.tre/ticket?t={portal.ticket_for(host)}&next=/?s=mine"
        own_word = {"Host": world.host(f"{WORKSPACE}.open")}
        assert await _status(world, address, own_word, f"{ENTRY_COOKIE}=mine") == 303


async def _status(world: GatewayWorld, path: str, headers: dict[str, str], cookie: str) -> int:
    lines = [f"{name}: {value}" for name, value in headers.items() if name != "Cookie"]
    head = "\r\n".join([f"GET {path} HTTP/1.1", *lines, f"Cookie: {cookie}", "Connection: close", "", ""])
    answer = await world.raw(head.encode())
    return int(answer.split(b" ", 2)[1])
