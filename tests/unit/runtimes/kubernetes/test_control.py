"""The controller's own attempt: a real one, kept for a minute, and never waited for."""

from __future__ import annotations

import socket
import threading
from datetime import timedelta

import pytest

from tests.support import kubernetes as given
from tre.domain.clock import ManualClock
from tre.domain.errors import Reason, TREError
from tre.runtimes.kubernetes.control import (
    FRESH,
    JUST_NOW,
    KEEP_SECONDS,
    PATIENCE,
    SAME_MINUTE,
    Controls,
    in_a_process,
)
from tre.runtimes.kubernetes.render.probe import ProbeAddress
from tre.runtimes.kubernetes.render.vocabulary import Object


def test_the_attempt_is_a_real_one() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = ProbeAddress(name="here", address="127.0.0.1", port=server.getsockname()[1])
        closed = address.model_copy(update={"port": 9, "name": "nowhere"})
        found = {one["item"]: one["outcome"] for one in in_a_process([address.target(), closed.target()])}
    assert found == {address.item: "open", closed.item: "closed"}


def test_an_attempt_counts_for_a_minute_and_starts_a_run_for_half() -> None:
    clock = ManualClock(given.NOW)
    controls = Controls(
        given.ADDRESSES, clock, lambda targets: [{"item": t["item"], "outcome": "open"} for t in targets]
    )
    controls.try_now()
    at = clock.now()
    assert controls.fresh() is not None
    assert controls.near(at + SAME_MINUTE) is not None
    assert controls.near(at - SAME_MINUTE) is not None
    assert controls.near(at + SAME_MINUTE + timedelta(seconds=1)) is None
    clock.advance(FRESH.total_seconds() + 1)
    controls.begin = lambda: None  # type: ignore[method-assign]
    assert controls.fresh() is None


def test_asking_does_not_wait_and_begins_one_attempt_at_a_time() -> None:
    may_end, begun = threading.Event(), []

    def attempt(targets: list[Object]) -> list[Object]:
        begun.append(1)
        assert may_end.wait(10)
        return [{"item": one["item"], "outcome": "open"} for one in targets]

    controls = Controls(given.ADDRESSES, ManualClock(given.NOW), attempt)
    assert controls.fresh() is None
    assert controls.fresh() is None
    may_end.set()
    assert controls._running is not None
    controls._running.join(10)
    found = controls.fresh()
    assert found is not None
    controls.check(found)
    assert begun == [1]


def test_an_address_that_must_answer_and_does_not_is_named() -> None:
    silent = ProbeAddress(name="metadata", address="169.254.169.254", port=80, optional=True)
    reached = given.ADDRESSES[0]
    answers = [{"item": reached.item, "outcome": "open"}]
    controls = Controls((reached, silent), ManualClock(given.NOW), lambda _: answers)
    controls.try_now()
    found = controls.fresh()
    assert found is not None
    controls.check(found)
    answers.clear()
    controls.try_now()
    found = controls.fresh()
    assert found is not None
    with pytest.raises(TREError) as caught:
        controls.check(found)
    assert caught.value.reason is Reason.IsolationUnavailable
    assert "API server" in caught.value.why
    assert "metadata" not in caught.value.why


def test_an_attempt_that_breaks_is_none() -> None:
    def attempt(_: list[Object]) -> list[Object]:
        raise TREError(Reason.ServiceUnavailable, "It broke.")

    controls = Controls(given.ADDRESSES, ManualClock(given.NOW), attempt)
    controls.try_now()
    assert controls.near(given.NOW) is None
    assert "broke" in controls.trouble


def test_one_is_kept_at_hand_until_told_to_stop() -> None:
    stop, tried = threading.Event(), threading.Event()

    def attempt(targets: list[Object]) -> list[Object]:
        tried.set()
        return [{"item": one["item"], "outcome": "open"} for one in targets]

    controls = Controls(given.ADDRESSES, ManualClock(given.NOW), attempt)
    keeping = threading.Thread(target=controls.keep, args=(stop,))
    keeping.start()
    assert tried.wait(20)
    assert keeping.is_alive()
    stop.set()
    keeping.join(20)
    assert not keeping.is_alive()
    assert FRESH.total_seconds() > KEEP_SECONDS + PATIENCE / 2  # even where an attempt takes its time


def test_one_that_missed_an_address_refuses_right_then_and_is_not_gone_by_later() -> None:
    """The node's agent was restarted: whoever starts something a moment later is not refused for that."""
    clock, answering, begun = ManualClock(given.NOW), [False], []

    def attempt(targets: list[Object]) -> list[Object]:
        return [{"item": one["item"], "outcome": "open" if answering[0] else "closed"} for one in targets]

    controls = Controls(given.ADDRESSES, clock, attempt)
    controls.try_now()
    controls.begin = lambda: begun.append(1)  # type: ignore[method-assign]
    missed = controls.fresh()
    assert missed is not None
    with pytest.raises(TREError, match="cannot be told"):
        controls.check(missed)
    clock.advance(JUST_NOW.total_seconds() + 0.1)
    assert controls.fresh() is None
    assert begun == [1]
    answering[0] = True
    controls.try_now()
    found = controls.fresh()
    assert found is not None
    controls.check(found)
