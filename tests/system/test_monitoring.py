"""Prometheus collects from a running launcher as `monitoring/` says, and tells when a service stops."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.system.waiting import until
from tre.cli.trial.lab import Lab
from tre.cli.trial.world import World
from tre.system.paths import CHECKOUT

MONITORING = CHECKOUT / "monitoring"
PROMETHEUS = shutil.which("prometheus")
needs_prometheus = pytest.mark.skipif(
    PROMETHEUS is None, reason="prometheus is not installed: apt-get install prometheus"
)
SERVICES = {"launcher", "storekeeper", "controller", "portal", "public", "hub", "gateway"}
EVERY = "3s"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def running(command: list[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


@pytest.fixture
def collector(world: World, tmp_path: Path) -> Iterator[str]:
    """`tre metrics serve` with what `monitoring/tre-metrics.service` leaves it of root's powers: its address."""
    address = f"127.0.0.1:{free_port()}"
    assert "CapabilityBoundingSet=CAP_DAC_OVERRIDE\n" in (MONITORING / "tre-metrics.service").read_text(
        encoding="utf-8"
    )
    bounded = ["setpriv", "--bounding-set=-all,+dac_override", "--inh-caps=-all", "--no-new-privs"]
    command = [
        *bounded,
        sys.executable,
        "-m",
        "tre",
        "metrics",
        "serve",
        "--root",
        str(world.root),
        "--listen",
        address,
    ]
    with running(command, tmp_path / "serve.log") as process:
        world.wait_for(lambda: b"/SERVICE/metrics" in (tmp_path / "serve.log").read_bytes(), "it does not listen")
        yield address
    assert process.returncode == 0


class Prometheus:
    """What a running Prometheus says."""

    def __init__(self, address: str) -> None:
        self._address = address

    def ask(self, path: str, **given: str) -> Any:
        url = f"http://{self._address}/api/v1/{path}?{urllib.parse.urlencode(given)}"
        with urllib.request.urlopen(url, timeout=10) as answer:
            return json.load(answer)["data"]

    def values(self, expression: str, label: str = "service") -> dict[str, float]:
        found = self.ask("query", query=expression)["result"]
        return {item["metric"].get(label, ""): float(item["value"][1]) for item in found}

    def firing(self) -> set[tuple[str, str]]:
        found = self.ask("alerts")["alerts"]
        return {
            (item["labels"]["alertname"], item["labels"].get("service", ""))
            for item in found
            if item["state"] == "firing"
        }

    def answers(self) -> bool:
        with contextlib.suppress(OSError):
            return bool(self.ask("query", query="vector(1)"))
        return False


@pytest.fixture
def prometheus(world: World, collector: str, tmp_path: Path) -> Iterator[Prometheus]:
    """Prometheus with the configuration that comes with the launcher: another port, and no patience."""
    assert PROMETHEUS is not None
    read = yaml.safe_load((MONITORING / "prometheus-machine.yaml").read_text(encoding="utf-8"))
    read["global"] = {"scrape_interval": EVERY, "scrape_timeout": EVERY, "evaluation_interval": EVERY}
    for group in read["scrape_configs"][0]["static_configs"]:
        group["targets"] = [collector]
    (tmp_path / "prometheus.yaml").write_text(yaml.safe_dump(read), encoding="utf-8")
    rules = (MONITORING / "alerts.yaml").read_text(encoding="utf-8")
    (tmp_path / "alerts.yaml").write_text(re.sub(r"for: \w+", "for: 1s", rules), encoding="utf-8")
    address = f"127.0.0.1:{free_port()}"
    command = [
        PROMETHEUS,
        f"--config.file={tmp_path / 'prometheus.yaml'}",
        f"--storage.tsdb.path={tmp_path / 'data'}",
        f"--web.listen-address={address}",
        "--log.level=warn",
    ]
    found = Prometheus(address)
    with running(command, tmp_path / "prometheus.log"):
        world.wait_for(found.answers, "Prometheus did not start")
        yield found


@needs_prometheus
async def test_all_services_are_collected_and_one_that_stops_is_told(
    world: World, lab: Lab, prometheus: Prometheus
) -> None:
    async def comes(condition: Any) -> None:
        await until(lambda: bool(condition()), 90)

    await comes(lambda: prometheus.values('up{job="tre"}') == dict.fromkeys(SERVICES, 1.0))
    await comes(lambda: prometheus.values("sum by (phase) (tre_workspaces)", "phase").get("Running", 0) >= 1)
    assert set(prometheus.values("process_open_fds")) == SERVICES
    assert prometheus.values("max(tre_checker_heard_seconds)")[""] < 60
    assert prometheus.values('tre_proofs_total{kind="isolation",outcome="ok"}')["controller"] >= 1
    wrong = {"TreServiceDown", "TreServiceMissing", "TreCheckerSilent", "TreWorkspaceOverdue", "TreClockBehind"}
    await comes(lambda: not {alert for alert, _ in prometheus.firing()} & wrong)
    stopped = world.service("public")
    os.kill(stopped, signal.SIGSTOP)
    try:
        await comes(lambda: ("TreServiceDown", "public") in prometheus.firing())
        assert {service for alert, service in prometheus.firing() if alert == "TreServiceDown"} == {"public"}
    finally:
        os.kill(stopped, signal.SIGCONT)
    await comes(lambda: ("TreServiceDown", "public") not in prometheus.firing())
    assert await lab.run(["print('alive')"]) == ["alive\n"]


async def test_the_collector_passes_on_nothing_but_figures_and_health(collector: str) -> None:
    def status(path: str) -> int:
        try:
            with urllib.request.urlopen(f"http://{collector}{path}", timeout=10) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code

    for service in sorted(SERVICES):
        for address in ("metrics", "healthz", "readyz"):
            assert await asyncio.to_thread(status, f"/{service}/{address}") == 200, (service, address)
    for path in ("/controller/v1/stream", "/portal/", "/hub/hub/api/users", "/checker/metrics", "/metrics"):
        assert await asyncio.to_thread(status, path) == 404, path


def test_what_the_command_shows_is_what_is_collected(world: World) -> None:
    command = [sys.executable, "-m", "tre", "metrics", "show", "--json", "--root", str(world.root)]
    deadline = time.monotonic() + 60
    while True:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        if done.returncode == 0 or time.monotonic() > deadline:
            break
    assert done.returncode == 0, done.stdout + done.stderr
    said = json.loads(done.stdout)
    assert said["silent"] == []
    figures = {item["metric"] for item in said["figures"]}
    assert {"tre_workspaces_overdue", "tre_checker_heard_seconds", "tre_gateway_heard_seconds"} <= figures
