"""What one controller takes for many grants: a restart, a new grant, rest, and who leads when it is gone.

The controllers are real, and so are record and API server; nodes are simulated (kwok), and a stand-in for the
storekeeper calls each slice built at once. Grants and runs are put there before, as a controller would have left them.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from tre.cli.bench.figures import Figure, figure, percentile
from tre.cli.trial.cluster_site import ACCOUNT
from tre.cli.trial.controller_site import ControllerSite
from tre.cli.trial.controllers import ControllerProcess, measured
from tre.cli.trial.crowd import MEMBER, ONE, fill, names_of, put_to_work
from tre.cli.trial.simulated import SimulatedSite, simulated
from tre.cluster.client import KubernetesClient
from tre.cluster.protocol import Key
from tre.cluster.resources import ACCESS_GRANT, WORKSPACE
from tre.domain.errors import Reason, TREError
from tre.domain.names import grant_namespace
from tre.domain.workspaces.models import Workspace
from tre.runtimes.kubernetes.render.vocabulary import SERVICE_ACCOUNT
from tre.system.resources import read_record

SYNCED, MEMORY, REQUESTS, KILLED, ENDED, PLACED = 10.0, 300.0, 1.0, 20.0, 3.0, 2.0
_MEGABYTE = 10**6
_ASK_SECONDS = 0.5
_PATIENCE = 900.0


class Pace(NamedTuple):
    """How many grants are put into force one after the other, and how many seconds of rest are watched."""

    applied: int = 50
    rest: float = 60.0


class Measured(NamedTuple):
    """What was seen; times in seconds, memory in bytes, `requests` each second of the leader and of who stands by."""

    grants: int
    live: int
    first: float
    synced: float
    processor: float
    placed: Sequence[float]
    requests: tuple[float, float]
    busy: float
    resident: int
    most_resident: int
    after_end: float
    after_kill: float


def bench(file: Path, pace: Pace = Pace()) -> list[Figure]:
    """Measure on the cluster and the database that a file tells of (`SimulatedSite`)."""
    wanted = read_record(SimulatedSite, file)
    if wanted.live > wanted.grants:
        raise TREError(
            Reason.BadInput,
            f"{wanted.live} workspaces cannot live in {wanted.grants} grants.",
            why="Each of these grants has one member.",
            remedy=f"Give at least as many grants as live workspaces in {file}.",
        )
    with simulated(wanted) as (site, client):
        return figures(measure(site, client, (wanted.grants, wanted.live), pace))


def figures(found: Measured) -> list[Figure]:
    """What is said of it."""
    placed, most = percentile(found.placed, 0.99), found.most_resident / _MEGABYTE
    asked = max(found.requests)
    return [
        figure("grants", "", float(found.grants)),
        figure("live workspaces", "", float(found.live)),
        figure("restart until in step", "s", found.synced, target=_most(SYNCED, "s", found.synced)),
        figure("of that on a processor", "s", found.processor),
        figure("resident memory, most", "MB", most, target=_most(MEMORY, "MB", most)),
        figure("applied to in place, p50", "s", percentile(found.placed, 0.5)),
        figure("applied to in place, p99", "s", placed, target=_most(PLACED, "s", placed)),
        figure("requests at rest, of a replica", "1/s", asked, target=_most(REQUESTS, "1/s", asked)),
        figure("of a processor at rest", "%", 100 * found.busy),
        figure("fail-over, leader ended", "s", found.after_end, target=_most(ENDED, "s", found.after_end)),
        figure("fail-over, leader killed", "s", found.after_kill, target=_most(KILLED, "s", found.after_kill)),
    ]


def _most(bound: float, unit: str, value: float) -> tuple[str, bool]:
    return f"≤ {bound:g} {unit}", value <= bound


def measure(site: ControllerSite, client: KubernetesClient, size: tuple[int, int], pace: Pace) -> Measured:
    """Bring so many grants and live workspaces there; restart, add, rest, and let another one lead."""
    names = names_of(site, size[0])
    fill(site, client, names)
    put_to_work(site, names[: size[1]])
    with measured() as first:
        leader = synced(site)
    leader.end(60.0)
    with measured() as again:
        leader = synced(site)
    processor = leader.processor()
    placed = place_some(site, client, pace.applied)
    _await(site, partial(_rests, leader), "it did not come to rest")
    other = standing_by(site)
    requests, busy = _rest((leader, other), pace.rest)
    resident, most = leader.memory()
    leader, after_end = end(site, leader, other)
    after_kill = kill(site, leader, standing_by(site))
    return Measured(*size, first[0], again[0], processor, placed, requests, busy, resident, most, after_end, after_kill)


def synced(site: ControllerSite) -> ControllerProcess:
    """A new controller that is in step."""
    started = site.start()
    _await(site, started.is_synced, "it was not in step")
    return started


def standing_by(site: ControllerSite) -> ControllerProcess:
    """A new controller that waits for the leader to go."""
    started = site.start()
    site.await_that(started.stands_by, "the other one did not stand by")
    return started


def end(site: ControllerSite, leader: ControllerProcess, other: ControllerProcess) -> tuple[ControllerProcess, float]:
    """Ask the leader to end; who leads then, and after how many seconds. Raises `TREError(StartTimeout)`."""
    with measured() as took:
        if (code := leader.end()) != 0:
            raise TREError(Reason.RuntimeFailed, f"The controller ended with exit code {code}.", why=site.logs())
        site.await_that(other.leads, "the other one did not lead")
    return other, took[0]


def kill(site: ControllerSite, leader: ControllerProcess, other: ControllerProcess) -> float:
    """Kill the leader; after how many seconds the other one leads. Raises `TREError(StartTimeout)`."""
    leader.kill()
    with measured() as took:
        site.await_that(other.leads, "the other one did not lead", 60.0)
    return took[0]


def place_some(site: ControllerSite, client: KubernetesClient, count: int) -> list[float]:
    """Seconds from applying a grant until it is in force, what its runs live among is made, and its member's workspace
    is shown; one after the other."""
    found = []
    for name in names_of(site, count, "later"):
        workspace = Key(site.namespace, Workspace.name_for(name, ONE))
        with measured() as took:
            client.create(ACCESS_GRANT, site.resource(name, members=MEMBER))
            site.await_that(partial(_is_ready, client, Key(site.namespace, name)), f"{name} was not ready", 60)
            site.await_that(partial(client.get, WORKSPACE, workspace), f"{name} had no workspace", 60)
            last = Key(grant_namespace(name), SERVICE_ACCOUNT)
            site.await_that(partial(client.get, ACCOUNT, last), f"nothing was made for {name}", 60)
        found += took
    return found


def _is_ready(client: KubernetesClient, key: Key) -> bool:
    status = (client.get(ACCESS_GRANT, key) or {}).get("status") or {}
    return any(one["type"] == "Ready" and one["status"] == "True" for one in status.get("conditions") or ())


def _await(site: ControllerSite, condition: Callable[[], bool], what: str) -> None:
    """Ask twice a second: each question is work for who is measured."""
    site.await_that(condition, what, _PATIENCE, _ASK_SECONDS)


def _requests(controller: ControllerProcess) -> float:
    return controller.counted("tre_cluster_requests_total")


def _rests(controller: ControllerProcess) -> bool:
    before, began = _requests(controller), time.monotonic()
    threading.Event().wait(5.0)
    return _requests(controller) - before < 2.0 * (time.monotonic() - began)


def _rest(replicas: tuple[ControllerProcess, ControllerProcess], seconds: float) -> tuple[tuple[float, float], float]:
    """Requests each second of both, and the share of a processor that the first one takes."""
    before, busy = [_requests(one) for one in replicas], replicas[0].processor()
    with measured() as rested:
        threading.Event().wait(seconds)
    one, other = ((_requests(each) - asked) / rested[0] for each, asked in zip(replicas, before, strict=True))
    return (one, other), (replicas[0].processor() - busy) / rested[0]
