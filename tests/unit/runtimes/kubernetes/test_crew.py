"""Starts that go on beside whoever asks: nothing waits for them, and what is to end is stopped first."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest

from tests.support import kubernetes as given
from tests.support.kubelet import Site
from tre.cluster.protocol import Kind, Object, refusal_of
from tre.domain import names
from tre.domain.errors import Reason, TREError
from tre.runtimes.kubernetes import crew as crew_module
from tre.runtimes.kubernetes.crew import STARTERS, Crew
from tre.runtimes.kubernetes.kinds import NAMESPACE, POD, SECRET, kind_of, of_cluster
from tre.runtimes.protocol import RunPhase

PLAN = given.plan()
PATIENCE = 20.0


class Gate:
    """Holds a request up, as a slow API server does: `reached` once it is under way, answered after `open`."""

    def __init__(self, call: Callable[..., Any], kind: Kind) -> None:
        self._call, self._kind = call, kind
        self.reached, self.open = threading.Semaphore(0), threading.Event()

    def __call__(self, kind: Kind, *arguments: Any) -> Any:
        if kind == self._kind:
            self.reached.release()
            assert self.open.wait(PATIENCE)
        return self._call(kind, *arguments)


@pytest.fixture
def site() -> Site:
    """A cluster whose quotas count at once, and a control that was just tried."""
    found = Site()
    apply = found.cluster.apply

    def counted(kind: Kind, item: Object, *rest: Any) -> Object:
        made = apply(kind, item, *rest)
        return made | {"status": {"hard": made["spec"]["hard"]}} if kind.kind == "ResourceQuota" else made

    found.cluster.apply = counted  # type: ignore[method-assign]
    found.controls.try_now()
    return found


@pytest.fixture
def crew(site: Site) -> Iterator[Crew]:
    found = Crew(site.runtime)
    yield found
    found.close()


def hold(site: Site, monkeypatch: pytest.MonkeyPatch, kind: Kind) -> Gate:
    gate = Gate(site.cluster.create, kind)
    monkeypatch.setattr(site.cluster, "create", gate)
    return gate


def settle(crew: Crew, identity: str) -> None:
    """Wait until a start has come to its end."""
    work = crew._starts[identity].work
    assert work is not None
    work.exception(PATIENCE)


def has_pod(site: Site) -> bool:
    return site.cluster.get(POD, site.key(PLAN)) is not None


def test_asking_waits_for_nothing_and_asking_again_begins_nothing_more(
    site: Site, crew: Crew, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = hold(site, monkeypatch, SECRET)
    for _ in range(3):
        crew.start(PLAN)
    assert gate.reached.acquire(timeout=PATIENCE)
    assert not has_pod(site)
    gate.open.set()
    settle(crew, PLAN.identity)
    assert has_pod(site)
    assert not gate.reached.acquire(blocking=False)


def test_it_looks_again_until_the_quotas_count(site: Site, crew: Crew, monkeypatch: pytest.MonkeyPatch) -> None:
    counted, begin, looks = site.cluster.apply, site.runtime.begin, []
    uncounted = type(site.cluster).apply
    monkeypatch.setattr(site.cluster, "apply", partial(uncounted, site.cluster))

    def look(*given_: Any) -> bool:
        looks.append(begin(*given_))
        if len(looks) == 2:
            monkeypatch.setattr(site.cluster, "apply", counted)
        return looks[-1]

    monkeypatch.setattr(site.runtime, "begin", look)
    crew.start(PLAN)
    settle(crew, PLAN.identity)
    assert looks == [False, False, True]
    assert has_pod(site)


def test_it_gives_up_after_a_while_and_begins_anew_when_asked(
    site: Site, crew: Crew, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crew_module, "LOOKS", 2)
    looks: list[bool] = []
    monkeypatch.setattr(site.runtime, "begin", lambda *_: looks.append(False))
    for _ in range(2):
        crew.start(PLAN)
        settle(crew, PLAN.identity)
    assert len(looks) == 4


def test_what_went_wrong_is_told_once_to_who_asks_next(site: Site, crew: Crew, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[int] = []
    site.runtime._told = lambda: told.append(1)
    create = site.cluster.create

    def refuse(kind: Kind, item: Object) -> Object:
        if kind == POD:
            raise refusal_of(403, {"message": "no such pods here"}, "The API server answered 403.")
        return create(kind, item)

    monkeypatch.setattr(site.cluster, "create", refuse)
    crew.start(PLAN)
    settle(crew, PLAN.identity)
    assert told  # the loop is to look: nothing else would tell it
    (run,) = crew.observe()
    assert (run.phase, run.reason) == (RunPhase.Ended, Reason.NotPermitted)
    with pytest.raises(TREError) as caught:
        crew.start(PLAN)
    assert caught.value.reason is Reason.NotPermitted
    monkeypatch.setattr(site.cluster, "create", create)
    crew.start(PLAN)
    settle(crew, PLAN.identity)
    assert has_pod(site)


def test_what_is_to_end_in_mid_start_is_stopped_before_it_is_looked_for(
    site: Site, crew: Crew, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = hold(site, monkeypatch, SECRET)
    crew.start(PLAN)
    assert gate.reached.acquire(timeout=PATIENCE)
    assert crew.verify_dead(PLAN).unproven == ("its start goes on",)
    ending = threading.Thread(target=crew.end, args=(PLAN.identity, Reason.GrantRevoked))
    ending.start()
    ending.join(0.05)
    assert ending.is_alive()  # nobody says it is over while a request is under way
    gate.open.set()
    ending.join(PATIENCE)
    assert not ending.is_alive()
    assert crew.verify_dead(PLAN).dead
    assert not has_pod(site)
    crew.forget(PLAN.identity)


def test_a_pod_that_was_asked_for_when_the_end_came_is_found_and_ended(
    site: Site, crew: Crew, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = hold(site, monkeypatch, POD)
    crew.start(PLAN)
    assert gate.reached.acquire(timeout=PATIENCE)
    ending = threading.Thread(target=crew.end, args=(PLAN.identity, Reason.GrantRevoked))
    ending.start()
    gate.open.set()
    ending.join(PATIENCE)
    pod = site.cluster.get(POD, site.key(PLAN))
    assert pod is not None
    assert "deletionTimestamp" in pod["metadata"]


def test_one_that_still_waits_for_its_turn_never_begins(
    site: Site, crew: Crew, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = hold(site, monkeypatch, SECRET)
    before = [given.plan(instance=number) for number in range(100, 100 + STARTERS)]
    for one in before:
        crew.start(one)
    for _ in before:
        assert gate.reached.acquire(timeout=PATIENCE)  # so many at once
    crew.start(PLAN)
    crew.end(PLAN.identity, Reason.Requested)
    gate.open.set()
    for one in before:
        settle(crew, one.identity)
    assert not has_pod(site)


def test_a_place_is_made_ahead_and_what_fails_is_left_to_the_start(site: Site, crew: Crew) -> None:
    crew.prepare(PLAN.grant)
    crew._preparers.shutdown()
    namespace = names.grant_namespace(PLAN.grant)
    assert site.cluster.get(NAMESPACE, of_cluster(namespace)) is not None
    assert len(site.cluster.list(kind_of({"kind": "NetworkPolicy"}), namespace).items) == 2
    assert not has_pod(site)

    other = Crew(site.runtime)
    site.cluster.delete(NAMESPACE, of_cluster(namespace))
    site.cluster.apply(NAMESPACE, {"metadata": {"name": namespace}})
    other.prepare(PLAN.grant)  # it is somebody else's now
    other._preparers.shutdown()
    other.start(PLAN)
    settle(other, PLAN.identity)
    with pytest.raises(TREError) as caught:
        other.start(PLAN)
    assert caught.value.reason is Reason.SetupIncomplete
    other.close()


def test_after_its_end_nothing_is_begun_and_what_goes_on_changes_nothing_more(
    site: Site, crew: Crew, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crew_module, "CLOSING_SECONDS", 0.0)
    gate = hold(site, monkeypatch, SECRET)
    crew.start(PLAN)
    assert gate.reached.acquire(timeout=PATIENCE)
    work = crew._starts[PLAN.identity].work
    assert work is not None
    crew.close()
    gate.open.set()
    assert isinstance(work.exception(PATIENCE), crew_module.StartStoppedError)
    crew.start(given.plan(instance=9))
    crew.prepare(PLAN.grant)
    assert not site.cluster.list(POD).items
