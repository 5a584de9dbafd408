"""The thin spawner in a real Hub: it waits for the record, says why it gives up, and shows the steps."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from tests.contract.hub_world import Reply, World, a_world, call, until
from tre.domain.names import hub_user_name

ALICE = hub_user_name("local", "alice")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with a_world(tmp_path_factory.mktemp("hub") / "root") as made:
        made.start(TreSpawner__own_deadline=2.0, TreSpawner__look_again=0.05)
        made.api("PUT", f"tre/users/{ALICE}")
        yield made


@pytest.fixture(autouse=True)
def reachable(world: World) -> Iterator[None]:
    yield
    world.record.up()


def start(world: World, server: str, body: Any = None) -> Reply:
    return world.api("POST", f"users/{ALICE}/servers/{server}", body if body is not None else {"user_options": {}})


def failures(world: World, reason: str) -> bool:
    text = call(world.socket, "GET", "/metrics", headers={"Host": "localhost"}).text
    return f'reason="{reason}",status="failure"' in text


def in_background(work: Any) -> threading.Thread:
    thread = threading.Thread(target=work)
    thread.start()
    return thread


def test_a_start_waits_for_the_record(world: World) -> None:
    world.record.set(ALICE, "w-waits", "Starting")
    order = in_background(lambda: start(world, "w-waits"))
    until(lambda: (world.server(ALICE, "w-waits") or {}).get("pending") == "spawn", "the start is pending")
    world.record.set(ALICE, "w-waits", "Running")
    order.join(10)
    found = world.server(ALICE, "w-waits")
    assert found is not None
    assert found["ready"]


@pytest.mark.parametrize(
    ("server", "record", "status", "reason"),
    [
        ("w-refused", {"phase": "Refused", "reason": "GrantExpired", "message": "It ended."}, 403, "GrantExpired"),
        ("w-unwanted", {"phase": "Stopped", "wanted": "Stopped"}, 409, "StateForbids"),
        ("w-slow", {"phase": "Starting"}, 503, "StartTimeout"),
    ],
)
def test_a_start_gives_up_with_a_reason(
    world: World, server: str, record: dict[str, Any], status: int, reason: str
) -> None:
    world.record.set(ALICE, server, **record)
    reply = start(world, server)
    assert reply.status == status
    if "message" in record:
        assert reply.json["message"] == record["message"]
    assert failures(world, reason)
    assert "Traceback" not in world.log_text()


def test_an_unknown_workspace_is_refused(world: World) -> None:
    assert start(world, "w-nobody").status == 404


def test_a_record_out_of_reach_ends_a_start_in_time(world: World) -> None:
    world.record.set(ALICE, "w-dark", "Running")
    world.record.down()
    reply = start(world, "w-dark")
    assert reply.status == 503
    assert failures(world, "ServiceUnavailable")


def test_a_senseless_record_is_not_believed(world: World) -> None:
    world.record.workspaces[ALICE, "w-odd"] = {"wanted": "Running", "phase": "Running", "surprise": True}
    assert start(world, "w-odd").status == 503


def test_what_people_send_as_options_is_refused(world: World) -> None:
    world.record.set(ALICE, "w-options", "Running")
    reply = start(world, "w-options", {"user_options": {"image": "mine", "mounts": ["/"]}})
    assert reply.status == 400
    assert failures(world, "BadInput")
    assert start(world, "w-options").status == 201


def test_failures_never_end_the_hub(world: World) -> None:
    for _ in range(4):
        assert start(world, "w-nobody").status == 404
    assert call(world.socket, "GET", "/healthz", headers={"Host": "localhost"}).json == {"status": "ok"}


def test_the_steps_reach_the_person(world: World) -> None:
    at = "2026-11-01T10:00:00Z"
    steps = [{"step": "GrantChecked", "at": at}, {"step": "SlicesMounted", "at": at, "message": "2 slices <b>"}]
    world.record.set(ALICE, "w-steps", "Starting", progress=steps)
    order = in_background(lambda: start(world, "w-steps"))
    until(lambda: (world.server(ALICE, "w-steps") or {}).get("pending") == "spawn", "the start is pending")
    alice = world.signed_in("alice")
    seen: list[Reply] = []
    watch = in_background(lambda: seen.append(alice.get(f"/hub/api/users/{ALICE}/servers/w-steps/progress")))
    reads = world.record.reads
    until(lambda: world.record.reads > reads + 4, "both of them look at the record")
    world.record.set(ALICE, "w-steps", "Running", progress=steps)
    order.join(10)
    watch.join(10)
    lines = [line for line in seen[0].text.splitlines() if line.startswith("data: ")]
    events = [json.loads(line.removeprefix("data: ")) for line in lines]
    assert [event["progress"] for event in events] == [0, 20, 50, 100]
    assert events[2] == {"progress": 50, "message": "2 slices <b>"}  # as text, never as HTML
    assert events[3]["ready"]
    assert events[3]["url"] == "http://w-steps.open.tre.localhost:8000/"
    assert "<b>" not in events[3]["html_message"]
