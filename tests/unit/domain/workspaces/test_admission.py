"""Who starts, who waits in which order, and what is refused: on every side of each bound."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.factories import NOON
from tre.domain.errors import Reason, TREError
from tre.domain.workspaces.admission import (
    PATIENCE,
    Amounts,
    Live,
    Quota,
    Room,
    Scene,
    Waiting,
    can_ever_fit,
    can_have_gpus,
    check_age,
    check_could_fit,
    check_gpus,
    check_quota,
    in_order,
    keeps_quota,
    may_start,
    next_to_start,
    places,
)
from tre.domain.workspaces.models import Limits

GIB = 2**30
ONE = Amounts(memory=GIB)


def live(name: str, grant: str = "a", holds: Amounts = ONE, hours: int = 1) -> Live:
    return Live(name, grant, holds, NOON + timedelta(hours=hours))


def waits(name: str, grant: str = "a", minutes: float = 1, needs: Amounts = ONE, *, restarts: bool = False) -> Waiting:
    return Waiting(name, grant, needs, NOON - timedelta(minutes=minutes), restarts)


def scene(*found: Live | Waiting, gib: int = 2, now: datetime = NOON) -> Scene:
    room = Room(memory=gib * GIB)
    return Scene(room, [x for x in found if isinstance(x, Live)], [x for x in found if isinstance(x, Waiting)], now)


def names(found: Scene) -> list[str]:
    return [one.workspace for one in in_order(found)]


def test_a_workspace_reserves_all_that_its_limits_allow() -> None:
    limits = Limits(memory_bytes=GIB, cpu_millis=500, processes=64, gpus=1)
    assert Amounts.of(limits) == Amounts(GIB, 500, 64, 1)
    assert Amounts.of(limits).with_(ONE).without(ONE) == Amounts.of(limits)


def test_what_is_not_counted_is_never_short() -> None:
    vast = Amounts(*[2**60] * 4)
    assert Room().lacks(vast) == ()
    assert not Room().is_bounded
    assert Room(processes=5).lacks(vast) == ("processes",)
    assert Room(processes=0).is_bounded
    assert Room(memory=GIB).lacks(ONE) == ()
    assert Room(memory=GIB - 1).lacks(ONE) == ("memory",)


def test_the_first_that_fits_starts_and_one_more_does_not() -> None:
    assert may_start(scene(live("x"), waits("y")), "y")
    assert not may_start(scene(live("x"), live("z"), waits("y")), "y")
    assert next_to_start(scene(live("x"), waits("y"))) == "y"
    assert next_to_start(scene(live("x"), live("z"), waits("y"))) is None
    assert next_to_start(scene(live("x"))) is None
    assert not may_start(scene(), "y")


def test_nobody_small_overtakes_somebody_large_who_waits() -> None:
    found = scene(live("x"), waits("large", "b", 5, Amounts(2 * GIB)), waits("small", "c", 1))
    assert names(found) == ["large", "small"]
    assert not may_start(found, "small")
    assert may_start(scene(live("x"), waits("small", "c", 1)), "small")


def test_projects_take_turns_and_within_one_the_oldest_is_first() -> None:
    found = [waits(f"a{n}", "a", 9 - n) for n in range(3)] + [waits(f"b{n}", "b", 5 - n) for n in range(2)]
    assert names(scene(*found)) == ["a0", "b0", "a1", "b1", "a2"]
    assert names(scene(live("x", "a"), *found)) == ["b0", "a0", "b1", "a1", "a2"]


def test_a_restart_keeps_its_place_before_everybody() -> None:
    assert names(scene(waits("old", "b", 60), waits("again", "a", 0, restarts=True))) == ["again", "old"]


def test_after_so_long_nobody_who_came_later_goes_first() -> None:
    """The project that holds most waits longest, and not for ever."""
    late = PATIENCE.total_seconds() / 60
    holds = [live("x", "a"), live("y", "a")]
    assert names(scene(*holds, waits("patient", "a", late - 0.1), waits("new", "b", 0))) == ["new", "patient"]
    assert names(scene(*holds, waits("patient", "a", late), waits("new", "b", 0))) == ["patient", "new"]
    overdue = [waits("p1", "a", late + 2), waits("p2", "a", late + 1), waits("n1", "a", 2), waits("n2", "b", 1)]
    assert names(scene(*overdue)) == ["p1", "p2", "n2", "n1"]  # who is ahead counts for their project


def test_a_place_says_by_when_enough_will_have_ended_by_itself() -> None:
    found = places(scene(live("x", hours=3), live("y", hours=1), *(waits(f"w{n}", minutes=9 - n) for n in range(3))))
    assert [(found[f"w{n}"].position, found[f"w{n}"].of) for n in range(3)] == [(1, 3), (2, 3), (3, 3)]
    assert found["w0"].room_by == NOON + timedelta(hours=1)
    assert found["w1"].room_by == NOON + timedelta(hours=3)
    assert found["w2"].room_by is None  # what starts before it ends nobody knows when
    assert found["w0"].since == NOON - timedelta(minutes=9)


def test_where_there_is_room_already_the_place_says_now() -> None:
    assert places(scene(waits("y")))["y"].room_by == NOON
    ended = scene(live("x", hours=-1), live("z"), waits("y"))  # its end passed, and its death is not proven yet
    assert places(ended)["y"].room_by == NOON


def test_what_could_never_fit_is_refused_with_the_amounts() -> None:
    room = Room(memory=2 * GIB, cpu_millis=1500, processes=100)
    check_could_fit(room, Amounts(2 * GIB, 1500, 100))
    with pytest.raises(TREError, match="memory, processor, processes") as caught:
        check_could_fit(room, Amounts(4 * GIB, 2000, 101))
    assert caught.value.reason is Reason.LargerThanMachine
    assert caught.value.why == (
        "It reserves 4Gi of memory, 2 cores, 101 processes; there is 2Gi of memory, 1.5 cores, 100 processes."
    )
    assert can_ever_fit(room, ONE)
    assert not can_ever_fit(room, Amounts(memory=3 * GIB))


def test_a_size_with_a_gpu_is_refused_where_there_is_none() -> None:
    with pytest.raises(TREError, match="has none for workspaces") as caught:
        check_gpus(Room(gpus=0), Amounts(gpus=1))
    assert caught.value.reason is Reason.GpuMissing
    assert can_have_gpus(Room(gpus=1), Amounts(gpus=1))
    assert can_have_gpus(Room(), Amounts(gpus=1))  # on a cluster the scheduler counts
    assert can_have_gpus(Room(gpus=0), Amounts())
    assert not can_have_gpus(Room(gpus=0), Amounts(gpus=1))
    assert not can_ever_fit(Room(gpus=1), Amounts(gpus=2))


@pytest.mark.parametrize(
    ("most", "held", "words"),
    [
        (1, 1, "may have 1 workspace open at once. 1 of it is open"),
        (2, 2, "may have 2 workspaces open at once. 2 of it are open"),
    ],
)
def test_a_project_has_so_many_workspaces_and_no_more(most: int, held: int, words: str) -> None:
    check_quota(Quota(workspaces=most), [ONE] * (held - 1), ONE)
    with pytest.raises(TREError, match=words) as caught:
        check_quota(Quota(workspaces=most), [ONE] * held, ONE)
    assert caught.value.reason is Reason.QuotaReached
    assert "stopped theirs" in caught.value.remedy


def test_a_project_holds_so_much_and_no_more() -> None:
    assert keeps_quota(Quota(memory=2 * GIB), [ONE], ONE)
    assert not keeps_quota(Quota(memory=2 * GIB), [ONE, ONE], ONE)
    assert keeps_quota(Quota(), [ONE] * 99, ONE)
    with pytest.raises(TREError, match=r"would reserve 2 GPUs; the most is 1 GPUs"):
        check_quota(Quota(gpus=1), [Amounts(gpus=1)], Amounts(gpus=1))


def test_a_grant_lowers_the_number_and_never_raises_it() -> None:
    assert Quota(workspaces=3).narrowed(2).workspaces == 2
    assert Quota(workspaces=3).narrowed(9).workspaces == 3
    assert Quota(workspaces=3).narrowed(None).workspaces == 3
    assert Quota(memory=GIB).narrowed(2) == Quota(memory=GIB, workspaces=2)
    assert Quota().narrowed(None) == Quota()


@given(
    st.lists(st.tuples(st.sampled_from("abcd"), st.integers(0, 40), st.integers(1, 3)), min_size=1, max_size=30),
    st.integers(3, 6),
)
def test_whoever_waits_is_served_once_and_the_room_is_never_exceeded(
    asked: list[tuple[str, int, int]], gib: int
) -> None:
    """The queue driven to its end, each run ending in the order in which they began."""
    waiting = [
        waits(f"w{n}", grant, minutes, Amounts(memory=size * GIB)) for n, (grant, minutes, size) in enumerate(asked)
    ]
    running: list[Live] = []
    served: list[str] = []
    while waiting:
        now = scene(*running, *waiting, gib=gib)
        assert sorted(place.position for place in places(now).values()) == list(range(1, len(waiting) + 1))
        if (name := next_to_start(now)) is None:
            running.pop(0)
            continue
        begun = next(one for one in waiting if one.workspace == name)
        assert name == in_order(now)[0].workspace
        waiting.remove(begun)
        running.append(Live(name, begun.grant, begun.needs, NOON))
        served.append(name)
        assert sum(one.holds.memory for one in running) <= gib * GIB
    assert sorted(served) == sorted(f"w{n}" for n in range(len(asked)))


@pytest.mark.parametrize(
    ("age", "refused"), [(timedelta(days=30), False), (timedelta(days=30, seconds=1), True), (None, True)]
)
def test_programs_of_a_certain_age_start_nothing(age: timedelta | None, refused: bool) -> None:
    built = None if age is None else NOON - age
    if not refused:
        check_age(built, NOON, 30)
        return
    with pytest.raises(TREError) as raised:
        check_age(built, NOON, 30)
    assert raised.value.reason is Reason.SetupIncomplete
    assert ("it is not known when" if built is None else f"{built:%Y-%m-%d}") in raised.value.why
