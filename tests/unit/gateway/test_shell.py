"""The shell host: signing in, what the page shows, and the way into the Lab."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.unit.gateway.portal import add_portal
from tests.unit.gateway.upstreams import echo
from tests.unit.gateway.world import (
    BASE,
    BOB,
    OTHER,
    WORKSPACE,
    World,
    as_text,
    grant_message,
    make_world,
    reason_of,
    route_message,
    until,
    utc,
)
from tre.domain.clock import ManualClock
from tre.domain.errors import Reason
from tre.gateway.budgets import Budget
from tre.gateway.explanations import EXPLANATIONS, explain
from tre.gateway.sessions import CookieKind

STEPS = [{"step": step, "at": as_text(utc())} for step in ("GrantChecked", "SlicesMounted")]


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with make_world(upstream=echo) as made:
        yield made


async def state_of(world: World) -> dict[str, Any]:
    status, _, body = await world.request("GET", "/.tre/state", world.shell_headers())
    assert status == 200
    return dict(json.loads(body))


# ------------------------------------------------------------------ signing in


async def sign_in(world: World, target: str = "/") -> tuple[str, str]:
    """Go to the sign-in host; return the entry cookie and the way back with its ticket."""
    host = {"Host": world.host(f"{WORKSPACE}.open")}
    status, headers, _ = await world.request("GET", target, host)
    assert status == 302
    assert headers["Location"].startswith(world.origin("enter") + "/?to=http%3A%2F%2F")
    cookie = headers["Set-Cookie"].partition(";")[0]
    enter = headers["Location"].removeprefix(world.origin("enter"))
    status, headers, _ = await world.request("GET", enter, {"Host": world.host("enter")})
    assert status == 302
    return cookie, headers["Location"].removeprefix(world.origin(f"{WORKSPACE}.open"))


async def test_signing_in_sets_the_cookie_of_this_host_alone(world: World) -> None:
    portal = await add_portal(world)
    entry, back = await sign_in(world)
    host = world.host(f"{WORKSPACE}.open")
    status, headers, _ = await world.request("GET", back, {"Host": host, "Cookie": entry})
    assert (status, headers["Location"]) == (303, "/")
    shell = next(value for value in headers.getall("Set-Cookie") if value.startswith("__Host-tre-shell="))
    cookie = shell.partition(";")[0]
    assert (await world.request("GET", "/", {"Host": host, "Cookie": cookie}))[0] == 200
    other = {"Host": world.host(f"{OTHER}.open"), "Cookie": cookie}
    assert (await world.request("GET", "/.tre/state", other))[0] == 403
    assert len(portal.redeemed) == 1


async def test_a_ticket_prepared_elsewhere_is_not_spent(world: World) -> None:
    portal = await add_portal(world)
    ticket = portal.ticket_for(f"{WORKSPACE}.open.{BASE}")
    host = {"Host": world.host(f"{WORKSPACE}.open")}
    prepared = f"/.tre/ticket?t={ticket}&next=/%3Fs%3Dguessed"
    assert (await world.request("GET", prepared, host))[0] == 403
    status, headers, _ = await world.request("GET", prepared, {**host, "Cookie": "__Host-tre-entry=mine"})
    assert status == 302
    assert headers["Location"].startswith(world.origin("enter"))
    assert portal.redeemed == []


@pytest.mark.parametrize("where", ["http://evil.example/", "//evil.example", "/\\evil.example", "/other"])
async def test_where_one_lands_is_not_taken_from_the_address(world: World, where: str) -> None:
    portal = await add_portal(world)
    entry, _ = await sign_in(world)
    ticket = portal.ticket_for(f"{WORKSPACE}.open.{BASE}")
    from urllib.parse import quote

    target = f"/.tre/ticket?t={ticket}&next={quote(where, safe='')}"
    headers = {"Host": world.host(f"{WORKSPACE}.open"), "Cookie": entry}
    status, answer, _ = await world.request("GET", target, headers)
    assert status == 302
    assert answer["Location"].startswith(world.origin("enter") + "/?to=")
    assert "evil" not in answer["Location"]


async def test_a_spent_ticket_is_refused(world: World) -> None:
    portal = await add_portal(world)
    entry, back = await sign_in(world)
    portal.tickets.clear()
    headers = {"Host": world.host(f"{WORKSPACE}.open"), "Cookie": entry}
    status, _, body = await world.request("GET", back, headers)
    assert (status, reason_of(body)) == (403, Reason.LoginRequired)


async def test_a_portal_that_does_not_answer_lets_nobody_in(world: World) -> None:
    await add_portal(world)
    entry, back = await sign_in(world)
    world.layout.socket("portal-internal").unlink()
    headers = {"Host": world.host(f"{WORKSPACE}.open"), "Cookie": entry}
    assert (await world.request("GET", back, headers))[0] == 503


@pytest.mark.parametrize("target", ["/.tre/ticket", "/.tre/ticket?t=a", "/.tre/ticket?t=a&t=b&next=/"])
async def test_an_incomplete_ticket_address_is_refused(world: World, target: str) -> None:
    headers = {"Host": world.host(f"{WORKSPACE}.open"), "Cookie": "__Host-tre-entry=x"}
    assert (await world.request("GET", target, headers))[0] == 400


# ------------------------------------------------------------------ the page


async def test_the_page_frames_one_lab_and_runs_our_script_only(world: World) -> None:
    status, headers, body = await world.request("GET", "/", world.shell_headers())
    policy = headers["Content-Security-Policy"]
    assert status == 200
    assert f"frame-src {world.origin(f'{WORKSPACE}.lab')}" in policy
    assert "script-src 'self';" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    text = body.decode()
    assert "Severity scoring of COVID-19" in text
    assert " style=" not in text
    assert " onclick=" not in text


async def test_a_project_title_cannot_become_markup() -> None:
    title = "<script>alert(1)</script>"
    async with make_world(upstream=echo, projectTitle=title) as world:
        _, _, body = await world.request("GET", "/", world.shell_headers())
        assert title not in body.decode()
        assert "&lt;script&gt;" in body.decode()


async def test_somebody_else_sees_nothing_of_the_project(world: World) -> None:
    cookie = world.cookie(CookieKind.shell, session=world.session(BOB))
    for target in ("/", "/.tre/state", "/.tre/events"):
        status, _, body = await world.request("GET", target, world.shell_headers(Cookie=cookie))
        assert status == 403
        assert b"Severity" not in body


async def test_a_stranger_gets_a_page_with_a_way_on(world: World) -> None:
    cookie = world.cookie(CookieKind.shell, session=world.session(BOB))
    headers = world.shell_headers(Cookie=cookie) | {"Sec-Fetch-Dest": "document"}
    status, sent, body = await world.request("GET", "/", headers)
    text = body.decode()
    assert status == 403
    assert "belongs to somebody else, or there is none of this name" in text
    assert f'href="{world.origin("desk")}/"' in text
    assert "<style" not in text
    assert "<script" not in text
    assert "'unsafe" not in sent["Content-Security-Policy"]


@pytest.mark.parametrize("prefix", ["", "desk", "hub", "enter", "preview", f"{WORKSPACE}.open", f"{WORKSPACE}.lab"])
async def test_every_host_has_the_style_of_the_gateways_own_pages(world: World, prefix: str) -> None:
    headers = {"Host": world.host(prefix), "Sec-Fetch-Dest": "style"}
    status, sent, body = await world.request("GET", "/.tre/static/shell.css", headers)
    assert (status, sent["Content-Type"]) == (200, "text/css; charset=utf-8")
    assert b".card" in body


async def test_a_revoked_session_signs_in_anew(world: World) -> None:
    await world.news({"type": "session-revoked", "session": "s1"})
    assert (await world.request("GET", "/", world.shell_headers()))[0] == 302
    assert (await world.request("GET", "/.tre/state", world.shell_headers()))[0] == 403


async def test_the_state_of_a_running_workspace(world: World) -> None:
    state = await state_of(world)
    assert (state["view"], state["person"], state["endLabel"]) == ("running", "Alice", "Approval ends")
    assert [budget["limit"] for budget in state["budgets"]] == [20 * 2**20, 100 * 2**20]
    assert state["desk"] == world.origin("desk") + f"/workspaces/{WORKSPACE}"
    assert state["requestPage"] == world.origin("desk") + "/exports/new?grant=chest-severity"
    assert not state["canRestartLater"]


async def test_a_renewal_offers_a_later_end(world: World) -> None:
    await world.news(route_message(socket=str(world.lab_socket), grantEnd=as_text(utc(days=90))))
    state = await state_of(world)
    assert (state["canRestartLater"], state["endLabel"]) == (True, "This run ends")


@pytest.mark.parametrize(("started", "offered"), [({"days": -7, "hours": 5}, False), ({"days": -6}, True)])
async def test_a_run_that_is_as_long_as_any_run_may_be_offers_none(
    world: World, started: dict[str, int], offered: bool
) -> None:
    """Stopping and opening again would give no later end than the installation's own cap: that is no news."""
    progress = [{"step": "GrantChecked", "at": as_text(utc(**started))}]
    news = route_message(socket=str(world.lab_socket), grantEnd=as_text(utc(days=90)), progress=progress)
    await world.news(news)
    state = await state_of(world)
    assert (state["canRestartLater"], state["endLabel"]) == (offered, "This run ends")


@pytest.mark.parametrize(
    ("left", "words"),
    [
        ({"minutes": 9}, "Save your work now"),
        ({"minutes": 50}, "Save your work now"),
        ({"hours": 20}, "within 1 day"),
        ({"days": 6}, "within 7 days"),
        ({"days": 8}, ""),
    ],
)
async def test_warnings_before_the_end(world: World, left: dict[str, int], words: str) -> None:
    end = as_text(utc(**left))
    await world.news(route_message(socket=str(world.lab_socket), end=end, grantEnd=end))
    warning = (await state_of(world))["warning"]
    assert words in warning
    assert bool(warning) is bool(words)


@pytest.mark.parametrize(
    ("expires", "told"), [({"hours": 3}, Reason.DeadlineReached), ({"seconds": -2}, Reason.GrantExpired)]
)
async def test_an_announced_end_does_not_hide_that_the_approval_is_over(
    world: World, expires: dict[str, int], told: Reason
) -> None:
    """The run's end is announced first: "open it again if your approval still runs" is no help where it does not."""
    ending = {"type": "ending", "workspace": WORKSPACE, "reason": "DeadlineReached"}
    await world.news(ending, grant_message(spec={"expires": as_text(utc(**expires))}))
    state = await state_of(world)
    assert (state["view"], state["reason"]) == ("ended", told)
    assert bool(state["since"]) is (told is Reason.GrantExpired)


async def test_a_start_shows_its_progress(world: World) -> None:
    await world.news(route_message(phase="Starting", reason="Requested", progress=STEPS))
    state = await state_of(world)
    assert state["view"] == "starting"
    assert [step["done"] for step in state["steps"]] == [True, True, False, False]
    assert (await world.request("GET", "/", world.shell_headers()))[0] == 200


PAST = {"expires": "2026-11-03T10:00:00Z", "notBefore": "2026-01-01T00:00:00Z"}
ENDINGS = [
    (grant_message(phase="Revoked", revokedAt="2026-11-03T10:00:00Z"), Reason.GrantRevoked, "2026-11-03T10:00:00Z"),
    (grant_message(spec=PAST), Reason.GrantExpired, "2026-11-03T10:00:00Z"),
    (route_message(phase="Stopped", reason="RuntimeFailed", message="memory ran out"), Reason.RuntimeFailed, None),
]  # fmt: skip


@pytest.mark.parametrize(("message", "reason", "since"), ENDINGS, ids=lambda value: str(value)[:20])
async def test_an_end_is_named_with_its_date_and_what_to_do(
    world: World, message: dict[str, Any], reason: Reason, since: str | None
) -> None:
    await world.news(message)
    state = await state_of(world)
    assert (state["view"], state["reason"], state["since"]) == ("ended", reason.value, since)
    assert (state["heading"], state["remedy"]) == (explain(reason).heading, explain(reason).remedy)
    assert state["message"] == message["record"].get("message", "")
    status, _, body = await world.request("GET", "/", world.shell_headers())
    assert status == 403
    assert explain(reason).heading in body.decode().replace("&#39;", "'")


async def test_a_lost_stream_is_told_before_and_after_its_time() -> None:
    clock = ManualClock(utc())
    async with make_world(upstream=echo, clock=clock) as world:
        await world.runners[0].cleanup()
        await until(lambda: not world.gateway.stream.connected)
        assert not (await state_of(world))["silent"]
        clock.advance(20)
        state = await state_of(world)
        assert (state["view"], state["silent"]) == ("running", True)
        clock.advance(40)
        state = await state_of(world)
        assert (state["view"], state["reason"]) == ("ended", "StreamStale")


async def test_a_used_up_budget_is_told_with_its_return(world: World) -> None:
    route = world.gateway.table.route(WORKSPACE)
    assert route is not None
    world.gateway.budgets.charge(route, Budget.kernel_output, 85 * 2**20)
    assert [budget["level"] for budget in (await state_of(world))["budgets"]] == ["fine", "low"]
    world.gateway.budgets.charge(route, Budget.kernel_output, 15 * 2**20)
    output = (await state_of(world))["budgets"][1]
    assert output["level"] == "spent"
    assert output["returnsIn"] > 3000


# ------------------------------------------------------------------ live


async def test_the_page_is_told_at_once_and_told_last_of_a_lost_session(world: World) -> None:
    async with world.client.get(world.url("/.tre/events"), headers=world.shell_headers()) as answer:
        assert answer.headers["Content-Type"] == "text/event-stream"

        async def told() -> dict[str, Any]:
            line = await answer.content.readuntil(b"\n\n")
            return dict(json.loads(line.removeprefix(b"data: ")))

        assert (await told())["view"] == "running"
        await world.controller.send(grant_message(phase="Expired"))
        assert (await told())["reason"] == "GrantExpired"
        await world.controller.send({"type": "session-revoked", "session": "s1"})
        final = await told()
        assert (final["view"], final["reason"]) == ("refused", "LoginRequired")
        assert await answer.content.read() == b""


# ------------------------------------------------------------------ the way into the Lab


@pytest.mark.parametrize(
    ("site", "origin", "status"),
    [("same-origin", "open", 200), ("same-site", "lab", 403), ("same-origin", "lab", 403), ("same-origin", "", 403)],
)
async def test_only_the_shell_page_gets_a_ticket(world: World, site: str, origin: str, status: int) -> None:
    headers = world.shell_headers(Sec_Fetch_Site=site)
    if origin:
        headers["Origin"] = world.origin(f"{WORKSPACE}.{origin}")
    got, _, body = await world.request("POST", "/.tre/lab", headers)
    assert got == status
    if status == 200:
        assert json.loads(body)["address"].startswith(world.origin(f"{WORKSPACE}.lab") + "/.tre/ticket?t=")


async def test_no_ticket_is_given_when_access_ended(world: World) -> None:
    await world.news(grant_message(phase="Expired"))
    headers = world.shell_headers(Sec_Fetch_Site="same-origin", Origin=world.origin(f"{WORKSPACE}.open"))
    status, _, body = await world.request("POST", "/.tre/lab", headers)
    assert (status, reason_of(body)) == (403, Reason.GrantExpired)


@pytest.mark.parametrize("target", ["/.tre/static/../shell.py", "/.tre/static/none.js", "/.tre/static/a/shell.js"])
async def test_only_the_pages_own_files_are_served(world: World, target: str) -> None:
    assert (await world.request("GET", target, world.shell_headers()))[0] == 404
    assert (await world.request("GET", "/.tre/static/shell.js", world.shell_headers()))[0] == 200


def test_every_reason_has_words_for_a_person() -> None:
    for reason in Reason:
        explanation = explain(reason)
        assert explanation.heading
        assert explanation.text.endswith(".")
    headings = [explanation.heading for explanation in EXPLANATIONS.values()]
    assert len(set(headings)) == len(headings)
