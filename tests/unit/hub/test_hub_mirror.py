"""The mirror against answers that a real Hub seldom gives: many pages, nonsense, silence."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from tre.controller.hub_mirror import HubMirror

Answer = Callable[[web.Request], web.StreamResponse]


class ScriptedHub:
    """A Hub whose model of servers is a dictionary, and whose answers can be anything."""

    def __init__(self) -> None:
        self.users: dict[str, dict[str, dict[str, Any]]] = {}
        self.calls: list[str] = []
        self.instead: Answer | None = None
        self.on_read: Callable[[dict[str, Any]], None] = lambda _model: None

    async def answer(self, request: web.Request) -> web.StreamResponse:
        path = request.path.removeprefix("/hub/api/")
        if request.method != "GET":
            self.calls.append(f"{request.method} {path}")
        if self.instead is not None:
            return self.instead(request)
        if path == "users":
            return self._page(request)
        [_, user, _, server] = path.split("/")
        model = self.users[user].get(server)
        if request.method == "GET":
            if model is None:
                raise web.HTTPNotFound
            self.on_read(model)
            return web.json_response(model)
        if model is not None:
            model["ready"] = request.method == "POST"
        return web.Response(status=201 if request.method == "POST" else 204)

    def _page(self, request: web.Request) -> web.Response:
        offset, limit = int(request.query["offset"]), int(request.query["limit"])
        names = sorted(self.users)[offset : offset + limit]
        more = offset + limit < len(self.users)
        return web.json_response(
            {
                "items": [{"name": name, "servers": self.users[name]} for name in names],
                "_pagination": {"next": {"offset": offset + limit} if more else None},
            }
        )


def server(ready: bool, pending: str | None = None) -> dict[str, Any]:
    return {"ready": ready, "pending": pending}


@pytest.fixture
def hub() -> ScriptedHub:
    return ScriptedHub()


@pytest.fixture
async def mirror(hub: ScriptedHub, tmp_path: Path) -> AsyncIterator[HubMirror]:
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", hub.answer)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.UnixSite(runner, str(tmp_path / "sock")).start()

    async def pause(_seconds: float) -> None:
        return None

    yield HubMirror(tmp_path / "sock", "token", pause=pause, pass_seconds=5)
    await runner.cleanup()


async def test_every_page_is_read(hub: ScriptedHub, mirror: HubMirror) -> None:
    hub.users = {f"u{number:04}": {"w-x": server(True)} for number in range(450)}
    report = await mirror.agree({user: {"w-x": True} for user in hub.users})
    assert report.agreed
    assert hub.calls == []
    hub.users["u0449"]["w-x"] = server(False)
    assert (await mirror.agree({user: {"w-x": True} for user in hub.users})).agreed
    assert hub.calls == ["POST users/u0449/servers/w-x"]


@pytest.mark.parametrize("pending", ["check", "stop", "rename"])
async def test_what_is_in_the_middle_is_waited_for(hub: ScriptedHub, mirror: HubMirror, pending: str) -> None:
    hub.users = {"u": {"w-x": server(False, pending)}}
    reads = 0

    def settle(model: dict[str, Any]) -> None:
        nonlocal reads
        reads += 1
        if reads == 3:
            assert hub.calls == [], "nothing is told while it is pending"
            model["pending"] = None

    hub.on_read = settle
    assert (await mirror.agree({"u": {"w-x": True}})).agreed
    assert hub.calls == ["POST users/u/servers/w-x"]


async def test_what_stays_in_the_middle_is_reported(hub: ScriptedHub, mirror: HubMirror) -> None:
    hub.users = {"u": {"w-x": server(False, "stop")}}
    report = await mirror.agree({"u": {"w-x": True}})
    assert (report.pending, report.agreed, hub.calls) == (["u/w-x"], False, [])


async def test_an_answer_is_not_believed(hub: ScriptedHub, mirror: HubMirror) -> None:
    """JupyterHub answers 201 to a start that is still pending: the model decides."""
    hub.users = {"u": {"w-x": server(False)}}
    hub.on_read = lambda model: model.update(server(False, "spawn"))
    report = await mirror.agree({"u": {"w-x": True}})
    assert hub.calls == ["POST users/u/servers/w-x"]
    assert report.pending == ["u/w-x"]


async def test_the_default_server_is_left_alone(hub: ScriptedHub, mirror: HubMirror) -> None:
    hub.users = {"u": {"": server(False), "w-x": server(True)}}
    assert (await mirror.agree({"u": {"w-x": True}})).agreed
    assert hub.calls == []


@pytest.mark.parametrize(
    "instead",
    [
        lambda _: web.Response(text="not json", content_type="application/json"),
        lambda _: web.Response(text="<html>", content_type="text/html"),
        lambda _: web.json_response([]),
        lambda _: web.json_response({"items": [{}]}),
        lambda _: web.json_response({"items": [{"name": "u", "servers": {"x": 7}}], "_pagination": {"next": None}}),
        lambda _: web.json_response(None),
        lambda _: web.Response(status=500),
        lambda _: web.Response(status=404),
    ],
)
async def test_nonsense_never_reaches_the_controllers_loop(
    hub: ScriptedHub, mirror: HubMirror, instead: Answer
) -> None:
    hub.instead = instead
    report = await mirror.agree({"u": {"w-x": True}})
    assert not report.agreed
    assert report.problems
    hub.instead = None
    hub.users = {"u": {"w-x": server(True)}}
    assert (await mirror.agree({"u": {"w-x": True}})).agreed
