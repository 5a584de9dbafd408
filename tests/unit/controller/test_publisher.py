"""What the gateways are told, when, and by whom they are waited for."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Any

import pytest

from tre.controller import publisher as module
from tre.controller.publisher import HEARD_SECONDS, Publisher

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
GRANT = {"type": "grant", "record": {"name": "g"}}
ENDING = {"type": "ending", "workspace": "w-a", "reason": "GrantRevoked"}


async def told(lines: AsyncIterator[str], count: int) -> list[dict[str, Any]]:
    """The next messages."""
    async with asyncio.timeout(5):
        return [json.loads(await anext(lines)) for _ in range(count)]


async def test_whoever_connects_is_told_everything_once() -> None:
    publisher = Publisher()
    publisher.publish(GRANT)
    async with aclosing(publisher.listen(NOW)) as lines:
        assert [message["type"] for message in await told(lines, 3)] == ["reset", "grant", "synced"]
        publisher.publish(GRANT)  # no news
        publisher.publish({"type": "grant-gone", "name": "g"})
        assert (await told(lines, 1))[0]["type"] == "grant-gone"


async def test_many_messages_of_another_thread_arrive_in_their_order_by_few_calls(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    publisher, count, calls = Publisher(), 1000, []
    loop = asyncio.get_running_loop()
    call = loop.call_soon_threadsafe

    def counted(*given: Any) -> Any:
        if given[0] == publisher._take_in:
            calls.append(given)
        return call(*given)

    monkeypatch.setattr(loop, "call_soon_threadsafe", counted)

    def publish() -> None:
        for number in range(count):
            publisher.publish({"type": "grant", "record": {"name": f"g-{number}"}})

    async with aclosing(publisher.listen(NOW)) as lines:
        await told(lines, 2)
        publish()  # the loop has no turn meanwhile
        found = await told(lines, count)
        assert [message["record"]["name"] for message in found] == [f"g-{number}" for number in range(count)]
        assert len(calls) == 1
        await asyncio.to_thread(publisher.publish, {"type": "grant-gone", "name": "g-0"})
        assert (await told(lines, 1))[0]["name"] == "g-0"


async def test_an_announcement_waits_until_the_gateway_has_acted() -> None:
    publisher = Publisher()
    async with aclosing(publisher.listen(NOW)) as lines:
        reset, _ = await told(lines, 2)
        waiting = asyncio.create_task(asyncio.to_thread(publisher.announce, ENDING))
        (ending,) = await told(lines, 1)
        assert not waiting.done()
        publisher.heard(reset["listener"], ending["number"])
        await asyncio.wait_for(waiting, HEARD_SECONDS)


async def test_a_silent_gateway_delays_one_announcement_and_no_further_ones() -> None:
    publisher = Publisher()
    async with aclosing(publisher.listen(NOW)) as lines:
        reset, _ = await told(lines, 2)
        took = []
        for _ in range(3):
            began = time.monotonic()
            await asyncio.to_thread(publisher.announce, ENDING)
            took.append(time.monotonic() - began)
        assert took[0] >= HEARD_SECONDS
        assert max(took[1:]) < HEARD_SECONDS
        publisher.heard(reset["listener"], 3)  # it speaks again: it is waited for again
        began = time.monotonic()
        await asyncio.to_thread(publisher.announce, ENDING)
        assert time.monotonic() - began >= HEARD_SECONDS


async def test_a_listener_counts_when_it_was_told_everything() -> None:
    publisher = Publisher()
    assert not publisher.await_listener(0.01)
    async with aclosing(publisher.listen(NOW)) as lines:
        await told(lines, 2)
        assert not publisher.await_listener(0.01)
        following = asyncio.create_task(anext(lines))
        assert await asyncio.to_thread(publisher.await_listener, 5)
        publisher.publish(GRANT)
        await following


async def test_without_a_gateway_nothing_is_waited_for() -> None:
    publisher = Publisher()
    publisher.heard("nobody", 7)
    began = time.monotonic()
    publisher.announce(ENDING)
    assert time.monotonic() - began < HEARD_SECONDS


async def test_a_gateway_that_leaves_is_not_waited_for() -> None:
    publisher = Publisher()
    lines = publisher.listen(NOW)
    await told(lines, 2)
    began = time.monotonic()
    waiting = asyncio.create_task(asyncio.to_thread(publisher.announce, ENDING))
    await told(lines, 1)
    assert not waiting.done()
    await lines.aclose()
    await waiting
    assert time.monotonic() - began < HEARD_SECONDS


@pytest.mark.parametrize("before", [True, False])
async def test_who_does_not_keep_up_tells_nothing_and_does_not_beat(
    monkeypatch: pytest.MonkeyPatch, before: bool
) -> None:
    monkeypatch.setattr(module, "BEAT_SECONDS", 0.01)
    keeps_up = before
    publisher = Publisher(lambda: keeps_up)
    publisher.publish(GRANT)
    async with aclosing(publisher.listen(NOW)) as lines:
        if before:
            assert [message["type"] for message in await told(lines, 4)] == ["reset", "grant", "synced", "beat"]
            keeps_up = False
        async with asyncio.timeout(5):
            assert [line async for line in lines if json.loads(line)["type"] != "beat"] == []
