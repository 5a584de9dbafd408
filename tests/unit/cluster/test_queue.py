"""Keys that wait: each once, later after each failure, the earliest moment of several."""

from __future__ import annotations

from tests.support.factories import NOON
from tre.cluster.queue import FIRST_PAUSE, LONGEST_PAUSE, KeyQueue, TokenBucket
from tre.domain.clock import ManualClock


def made() -> tuple[ManualClock, KeyQueue[str]]:
    clock = ManualClock(NOON)
    return clock, KeyQueue(clock.boottime)


def drained(queue: KeyQueue[str]) -> list[str]:
    found = []
    while (key := queue.get(0.0)) is not None:
        found.append(key)
        queue.done(key)
    return found


def test_a_key_waits_once() -> None:
    _, queue = made()
    for key in ("a", "b", "a"):
        queue.add(key)
    assert len(queue) == 2
    assert drained(queue) == ["a", "b"]


def test_what_comes_first_overtakes_what_waits_and_is_still_one() -> None:
    _, queue = made()
    for key in ("a", "b", "c"):
        queue.add(key)
    queue.add_first("c")
    queue.add("c")
    assert len(queue) == 3
    assert drained(queue) == ["c", "a", "b"]


def test_what_comes_first_while_it_is_worked_on_comes_again() -> None:
    _, queue = made()
    queue.add("a")
    assert queue.get(0.0) == "a"
    queue.add_first("a")
    assert queue.get(0.0) is None
    queue.done("a")
    assert drained(queue) == ["a"]


def test_a_key_that_is_worked_on_comes_again_afterwards_and_not_before() -> None:
    _, queue = made()
    queue.add("a")
    assert queue.get(0.0) == "a"
    queue.add("a")
    assert queue.get(0.0) is None
    queue.done("a")
    assert drained(queue) == ["a"]


def test_failures_wait_twice_as_long_each_time_up_to_a_limit() -> None:
    clock, queue = made()
    pauses = []
    for _ in range(25):
        pauses.append(queue.retry("a"))
        clock.advance(pauses[-1])
        assert drained(queue) == ["a"]
    assert pauses[:3] == [FIRST_PAUSE, 2 * FIRST_PAUSE, 4 * FIRST_PAUSE]
    assert pauses[-1] == LONGEST_PAUSE
    queue.forget("a")
    assert queue.retry("a") == FIRST_PAUSE


def test_what_the_server_asks_for_is_kept() -> None:
    clock, queue = made()
    assert queue.retry("a", 7.0) == 7.0
    clock.advance(6.9)
    assert drained(queue) == []
    clock.advance(0.2)
    assert drained(queue) == ["a"]


def test_many_failures_together_are_let_through_slowly() -> None:
    _, queue = made()
    pauses = [queue.retry(f"k{number}") for number in range(150)]
    assert max(pauses[:100]) == FIRST_PAUSE
    assert 4.0 < pauses[-1] <= 5.1


def test_of_several_moments_the_earliest_counts() -> None:
    clock, queue = made()
    queue.add_after("a", 10.0)
    queue.add_after("a", 2.0)
    queue.add_after("a", 5.0)
    clock.advance(2.0)
    assert drained(queue) == ["a"]
    clock.advance(20.0)
    assert drained(queue) == []


def test_a_closed_queue_gives_nothing() -> None:
    _, queue = made()
    queue.add("a")
    queue.close()
    assert queue.get(5.0) is None


def test_a_bucket_fills_with_time() -> None:
    clock = ManualClock(NOON)
    bucket = TokenBucket(1.0, 2, clock.boottime)
    assert [bucket.take() for _ in range(3)] == [True, True, False]
    clock.advance(1.0)
    assert [bucket.take() for _ in range(2)] == [True, False]
