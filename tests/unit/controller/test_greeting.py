"""What a restarted controller says before it acts."""

from __future__ import annotations

import time

import pytest

from tests.unit.controller.conftest import World
from tre.controller import greeting as module
from tre.controller.greeting import Greeting
from tre.controller.publisher import Publisher
from tre.controller.reconciler import KEEPING_UP_SECONDS


def test_what_lives_is_told_before_anything_is_ended(world: World) -> None:
    world.apply()
    name = world.run()
    world.published.clear()
    greeting = Greeting(world.context, Publisher())
    began = time.monotonic()
    greeting.say()
    assert time.monotonic() - began >= module.GREETING_SECONDS  # nobody listened
    assert [message["type"] for message in world.published] == ["grant", "route"]
    assert world.published[1]["record"]["workspace"] == name
    assert world.runtime.ended == []
    assert greeting.is_fresh()
    world.clock.advance(KEEPING_UP_SECONDS)
    assert not greeting.is_fresh()


def test_where_nothing_lives_nobody_is_waited_for(world: World) -> None:
    began = time.monotonic()
    Greeting(world.context, Publisher()).say()
    assert time.monotonic() - began < module.GREETING_SECONDS
    assert world.published == []


def test_a_record_that_cannot_be_read_is_left_to_the_loop(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def unreadable(_connection: object) -> None:
        raise ValueError("broken")

    monkeypatch.setattr(module.workspaces, "alive", unreadable)
    greeting = Greeting(world.context, Publisher())
    greeting.say()
    assert not greeting.is_fresh()
    assert world.published == []
