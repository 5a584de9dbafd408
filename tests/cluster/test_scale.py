"""Many grants and many runs, on nodes that cost nothing (kwok): what a restart takes, and what a quiet controller asks.

The small variant shows that it works; `make test-cluster PYTEST_ARGS='tests/cluster/test_scale.py -m soak'` measures.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.cluster.conftest import Reach
from tests.cluster.harness.basics import BUSY, say, wait_until
from tests.cluster.harness.running import Running
from tests.support.databases import Postgres, name_of
from tre.cli.bench import controller
from tre.cli.bench.controller import Measured, Pace
from tre.cli.bench.figures import rows
from tre.cli.trial.simulated import SimulatedSite, simulated
from tre.cluster.client import KubernetesClient
from tre.cluster.protocol import Selector
from tre.domain.errors import Reason, TREError
from tre.runtimes.kubernetes.kinds import NAMESPACE, POD, VOLUME
from tre.runtimes.kubernetes.render.vocabulary import GRANT_LABEL

PROCESSOR = {1_000: 5.0, 10_000: 15.0}
"""Seconds of a processor that a restart may take: half as much again as on a machine that has much else to do."""

QUICK = Pace(applied=10, rest=15.0)
_SECONDS = 6000


@pytest.fixture
def site(client: KubernetesClient, api: Reach, ours: Running, postgres: Postgres, tmp_path: Path) -> Iterator[Path]:
    """What the benchmark has to know; `client` brings the definitions."""
    assert client is not None
    ours.command("start", "kwok")
    file = tmp_path / "site.yaml"
    url = postgres.server.setting(name_of(postgres.empty(tmp_path)))
    said = {"kubeconfig": str(api.kubeconfig), "databaseUrl": url, "grants": 24, "live": 6}
    file.write_text(yaml.safe_dump(said))
    yield file
    ours.command("stop", "kwok")


def sized(file: Path, grants: int, live: int) -> SimulatedSite:
    """The same with another size."""
    content = yaml.safe_load(file.read_text()) | {"grants": grants, "live": live}
    return SimulatedSite.model_validate(content)


def left(client: KubernetesClient) -> int:
    """How many objects of a grant's are on the cluster, less those that are going."""
    found = [client.list(kind, "", Selector(labels=GRANT_LABEL)).items for kind in (NAMESPACE, POD, VOLUME)]
    return sum("deletionTimestamp" not in one["metadata"] for items in found for one in items)


def test_the_benchmark_measures_and_leaves_nothing(site: Path, client: KubernetesClient) -> None:
    before, load = left(client), os.getloadavg()[0]
    found = {one.what: one for one in controller.bench(site, QUICK)}
    say(
        f"load {load:.1f} to {os.getloadavg()[0]:.1f}: "
        + ", ".join(f"{o.what} {o.ours} {o.unit}" for o in found.values())
    )
    assert (found["grants"].ours, found["live workspaces"].ours) == (24, 6)
    assert (
        0 < found["restart until in step"].ours <= 30.0 * BUSY
    )  # most of it is the start of a program, beside other tests
    assert found["requests at rest, of a replica"].met
    assert found["resident memory, most"].met
    assert 0 < found["fail-over, leader killed"].ours <= controller.KILLED * BUSY
    assert 0 < found["fail-over, leader ended"].ours <= controller.ENDED * BUSY
    wait_until(lambda: left(client) == before, "what was made should go", 60)  # namespaces take a while to
    with pytest.raises(TREError, match="not empty") as caught:
        controller.bench(site, QUICK)
    assert caught.value.reason is Reason.Conflict


@pytest.mark.soak
@pytest.mark.timeout(_SECONDS)
@pytest.mark.parametrize("size", [(1_000, 100), (10_000, 1_000)], ids=["thousand", "ten-thousand"])
def test_many_grants_and_runs(site: Path, size: tuple[int, int]) -> None:
    """What holds on a busy machine, too; how many seconds passed is printed."""
    load = os.getloadavg()[0]
    with simulated(sized(site, *size)) as (made, client):
        found = controller.measure(made, client, size, Pace())
    say(f"load {load:.1f} to {os.getloadavg()[0]:.1f}\n" + _table(found))
    assert found.processor <= PROCESSOR[size[0]], found
    assert max(found.requests) <= controller.REQUESTS, found
    assert found.most_resident <= controller.MEMORY * 10**6, found
    assert found.after_end <= controller.ENDED, found
    assert found.after_kill <= controller.KILLED, found


def _table(found: Measured) -> str:
    return "\n".join(" | ".join(str(cell) for cell in row) for row in rows(controller.figures(found))[1])
