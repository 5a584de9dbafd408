"""Two real controllers on one record: one acts; when it dies in mid-work the other goes on; nothing is done twice."""

from __future__ import annotations

from collections import Counter

from tests.cluster.controllers import events
from tests.cluster.harness.basics import BUSY, say
from tre.cli.bench.controller import end, kill, standing_by
from tre.cli.trial.controller_site import ControllerSite
from tre.cli.trial.controllers import ControllerProcess
from tre.cluster.client import KubernetesClient
from tre.cluster.resources import ACCESS_GRANT
from tre.controller.program import LOST

MANY = 100
NAMES = [f"project-{number:03}" for number in range(MANY)]


def started(site: ControllerSite) -> tuple[ControllerProcess, ControllerProcess]:
    """Two controllers, the first of which leads."""
    first = site.start()
    site.await_that(first.leads, "the first should lead")
    return first, standing_by(site)


def test_the_other_goes_on_when_the_leader_is_killed_in_mid_work(
    site: ControllerSite,
    client: KubernetesClient,
) -> None:
    first, second = started(site)
    for name in NAMES:
        client.create(ACCESS_GRANT, site.resource(name))
    site.await_that(lambda: site.phases().get("Active", 0) >= MANY // 5, "some should be active", 60)
    first.kill()
    assert site.phases()["Active"] < MANY, "it was killed too late to be in the middle"
    took = kill(site, first, second)
    site.await_that(lambda: site.phases() == {"Active": MANY}, "every grant should be active", 60)
    say(f"fail-over after kill -9: {took:.1f} s")
    assert took <= 20.0 * BUSY
    for kind in ("grant.applied", "grant.activated"):
        assert Counter(events(site, kind)) == Counter(f"grant/{name}" for name in NAMES), kind
    site.await_that(lambda: _nothing_waits(site), "every event should have its place")
    assert second.end() == 0
    site.tre("audit", "verify")


def test_a_clean_exit_hands_over_at_once_and_each_way_round(site: ControllerSite) -> None:
    leader, other = started(site)
    assert other.answer("/healthz")[0] == 200
    assert other.answer("/v1/stream")[0] == 503
    took: list[float] = []
    for _ in range(3):
        leader, seconds = end(site, leader, other)
        took.append(seconds)
        other = standing_by(site)
    say(f"fail-over after a clean exit: {max(took):.2f} s")
    assert max(took) <= 3.0 * BUSY


def test_who_was_stopped_and_wakes_up_changes_nothing_and_ends(site: ControllerSite, client: KubernetesClient) -> None:
    first, second = started(site)
    first.freeze()
    site.await_that(second.leads, "the second should lead", 25)
    client.create(ACCESS_GRANT, site.resource("meanwhile"))
    site.await_that(lambda: site.phases() == {"Active": 1}, "the second should act")
    first.thaw()
    assert first.process.wait(20) == LOST
    assert events(site, "grant.activated") == ["grant/meanwhile"]
    assert second.leads()
    assert second.end() == 0
    site.tre("audit", "verify")


def _nothing_waits(site: ControllerSite) -> bool:
    return "tre_audit_events_waiting 0" in site.controllers[-1].metrics()
