"""Many grants and many runs, on nodes that cost nothing (kwok): what a restart takes, and what a quiet controller asks.

The small variant shows that it works; `make test-cluster PYTEST_ARGS='tests/cluster/test_scale.py -m soak'` measures.
"""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from tests.cluster.conftest import Reach
from tests.cluster.controllers import ControllerProcess, ControllerSite, measured
from tests.cluster.crowd import MEMBER, fill, names_of, put_to_work
from tests.cluster.harness.basics import BUSY, say
from tests.cluster.harness.running import Running
from tests.cluster.place import Place
from tests.support.databases import Postgres
from tests.support.factories import ALICE
from tre.cli.bench.figures import percentile
from tre.cluster.client import KubernetesClient
from tre.cluster.protocol import Key, Selector, key_of
from tre.cluster.resources import ACCESS_GRANT, WORKSPACE
from tre.domain.workspaces.models import Workspace
from tre.runtimes.kubernetes.kinds import NAMESPACE, POD, VOLUME
from tre.runtimes.kubernetes.render.vocabulary import GRANT_LABEL

FAKE = {"kwok.x-k8s.io/node": "fake"}
VAST = {"cpu": "100k", "memory": "1Pi", "ephemeral-storage": "1Pi", "pods": "1M"}
QUIET_SECONDS = 30.0
APPLIED = 50
MIB = 2**20


@dataclass(frozen=True)
class Size:
    """How much, how long it may take to bring it there, and what a restart may take of a processor."""

    grants: int
    live: int
    seconds: float
    processor: float = 10.0


SMALL = Size(60, 10, 60.0)
MEDIUM = Size(1_000, 100, 600.0)
LARGE = Size(10_000, 1_000, 3000.0, 30.0)


@pytest.fixture
def site(
    client: KubernetesClient, api: Reach, ours: Running, place: Place, postgres: Postgres, tmp_path: Path
) -> Iterator[ControllerSite]:
    ours.command("start", "kwok")
    node = {"metadata": {"name": place.name, "annotations": FAKE, "labels": FAKE}}
    api.client.create("/api/v1/nodes", node | {"status": {"capacity": VAST, "allocatable": VAST}})
    found = ControllerSite(postgres, api.kubeconfig, place.name, tmp_path, "startTimeoutSeconds: 600")
    yield found
    found.close()
    _clear(client)
    api.client.delete(f"/api/v1/nodes/{place.name}")
    ours.command("stop", "kwok")


def _clear(client: KubernetesClient) -> None:
    """The controller is gone: take away what only it would take away."""
    for pod in client.list(POD, "", Selector(labels=GRANT_LABEL)).items:
        client.patch(POD, key_of(pod), {"metadata": {"finalizers": None}})
    for grant in client.list(ACCESS_GRANT).items:
        client.patch(ACCESS_GRANT, key_of(grant), {"metadata": {"finalizers": None}})
    for namespace in client.list(NAMESPACE, "", Selector(labels=GRANT_LABEL)).items:
        client.delete(NAMESPACE, key_of(namespace))
    for volume in client.list(VOLUME, "", Selector(labels=GRANT_LABEL)).items:
        client.delete(VOLUME, key_of(volume))


def _running(site: ControllerSite) -> int:
    return int(site.counted("tre_workspaces", 'phase="Running"'))


def is_synced(controller: ControllerProcess) -> bool:
    """Whether it leads, has looked over everything on both sides, and nothing waits."""
    if not controller.leads() or controller.answer("/healthz")[0] != 200:
        return False
    said = controller.metrics()
    looked = all(_value(said, name) >= 1 for name in ("tre_surveys_total", "tre_source_comparisons_total"))
    return looked and all(_value(said, name) == 0 for name in ("tre_source_queue", "tre_reconcile_queue"))


def _value(said: str, name: str) -> float:
    found = re.search(rf"^{name} (\S+)$", said, re.M)
    return float(found[1]) if found else 0.0


def requests(controller: ControllerProcess) -> float:
    return sum(float(value) for value in re.findall(r"tre_cluster_requests_total\{.*\} (\S+)", controller.metrics()))


def memory(controller: ControllerProcess) -> tuple[int, int]:
    """Resident bytes now, and the most there were."""
    said = Path(f"/proc/{controller.process.pid}/status").read_text()
    found = dict(re.findall(r"^(VmRSS|VmHWM):\s+(\d+) kB", said, re.M))
    return int(found["VmRSS"]) * 1024, int(found["VmHWM"]) * 1024


def processor(controller: ControllerProcess) -> float:
    """Seconds of a processor that it has used: what a restart takes on a machine that does nothing else."""
    fields = Path(f"/proc/{controller.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def wait_for(site: ControllerSite, condition: Callable[[], object], what: str, seconds: float) -> None:
    """As `await_that`, asking twice a second: each question is work for who is measured."""
    asked = [0.0]

    def rarely() -> object:
        if time.monotonic() - asked[0] < 0.5:
            return False
        asked[0] = time.monotonic()
        return condition()

    site.await_that(rarely, what, seconds)


def place_some(site: ControllerSite, client: KubernetesClient, count: int) -> list[float]:
    """Seconds from applying a grant until it is in force and its member's workspace is there, one after the other."""
    found = []
    for name in names_of(site, count, "later"):
        workspace = Key(site.namespace, Workspace.name_for(name, ALICE))
        with measured() as took:
            client.create(ACCESS_GRANT, site.resource(name, members=MEMBER))
            site.await_that(partial(_is_ready, client, Key(site.namespace, name)), f"{name} should be ready", 60)
            site.await_that(partial(client.get, WORKSPACE, workspace), "its workspace should be there", 60)
        found += took
    return found


def _is_ready(client: KubernetesClient, key: Key) -> bool:
    status = (client.get(ACCESS_GRANT, key) or {}).get("status") or {}
    return any(one["type"] == "Ready" and one["status"] == "True" for one in status.get("conditions") or ())


def try_size(site: ControllerSite, client: KubernetesClient, size: Size) -> dict[str, float]:
    """Bring it there, restart the controller, let it rest; what was measured."""
    load = os.getloadavg()[0]
    names = names_of(site, size.grants)
    with measured() as filled:
        fill(site, client, names)
    with measured() as started:
        put_to_work(site, names[: size.live])
    with measured() as taken:
        first = site.start()
        wait_for(site, lambda: is_synced(first), "nothing should wait", size.seconds)
    assert first.end(60.0) == 0
    with measured() as synced:
        again = site.start()
        wait_for(site, lambda: is_synced(again), "nothing should wait after a restart", 300)
    used = processor(again)
    placed = place_some(site, client, min(APPLIED, size.grants))
    wait_for(site, lambda: _is_at_rest(again), "it should come to rest", 120)
    before, busy = requests(again), processor(again)
    with measured() as rested:
        threading.Event().wait(QUIET_SECONDS)
    resident, most = memory(again)
    found = {
        "filled in s": filled[0],
        "started in s": started[0],
        "first seen in s": taken[0],
        "restart to synced in s": synced[0],
        "of these on a processor": used,
        "applied to in place, p50 in s": percentile(placed, 0.5),
        "applied to in place, p99 in s": percentile(placed, 0.99),
        "requests each second": (requests(again) - before) / rested[0],
        "processor at rest": (processor(again) - busy) / rested[0],
        "resident MiB": resident / MIB,
        "most resident MiB": most / MIB,
        "running": _running(site),
        "load before": load,
        "load after": os.getloadavg()[0],
    }
    say(f"{size.grants} grants, {size.live} runs: " + ", ".join(f"{what} {value:.2f}" for what, value in found.items()))
    return found


def _is_at_rest(controller: ControllerProcess) -> bool:
    before = requests(controller)
    began = time.monotonic()
    threading.Event().wait(5.0)
    return requests(controller) - before < 2.0 * (time.monotonic() - began)


def test_a_restart_finds_everything_and_a_quiet_controller_is_quiet(
    site: ControllerSite, client: KubernetesClient
) -> None:
    found = try_size(site, client, SMALL)
    assert found["running"] == SMALL.live
    assert found["restart to synced in s"] <= 30.0 * BUSY  # most of it is the start of a program, beside other tests
    assert found["requests each second"] <= 1.0
    assert found["resident MiB"] <= 300.0


@pytest.mark.soak
@pytest.mark.timeout(2 * LARGE.seconds)
@pytest.mark.parametrize("size", [MEDIUM, LARGE], ids=["thousand", "ten-thousand"])
def test_many_grants_and_runs(site: ControllerSite, client: KubernetesClient, size: Size) -> None:
    """What holds on a busy machine, too; how many seconds passed is printed."""
    found = try_size(site, client, size)
    assert found["running"] == size.live
    assert found["of these on a processor"] <= size.processor, found
    assert found["requests each second"] <= 1.0, found
    assert found["most resident MiB"] <= 300.0, found
