"""`tre bench controller`: what its figures are held against, and what it refuses before anything is made."""

from __future__ import annotations

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from typer.testing import CliRunner

from tests.unit.cluster.test_client import Server, say
from tre.cli.bench import command as bench_command
from tre.cli.bench import controller
from tre.cli.bench.controller import Measured
from tre.cli.trial import waiting
from tre.cli.trial.waiting import wait_until
from tre.domain.errors import Reason, TREError

APP = typer.Typer()
APP.command("bench")(bench_command.bench)
GOOD = Measured(
    grants=10_000,
    live=1_000,
    first=40.0,
    synced=9.9,
    processor=8.0,
    placed=[0.5] * 99 + [1.9],
    requests=(0.4, 0.9),
    busy=0.05,
    resident=240 * 10**6,
    most_resident=260 * 10**6,
    after_end=0.6,
    after_kill=15.2,
)
DATABASE = "postgresql:///nowhere?host=/nonexistent"


def missed(found: Measured) -> list[str]:
    return [one.what for one in controller.figures(found) if one.met is False]


def test_every_figure_is_held_against_what_is_to_be_reached() -> None:
    assert missed(GOOD) == []
    named = {one.what: one.ours for one in controller.figures(GOOD)}
    assert (named["grants"], named["live workspaces"]) == (10_000, 1_000)
    assert (named["applied to in place, p50"], named["applied to in place, p99"]) == (0.5, 0.5)
    bad = GOOD._replace(
        synced=10.1, placed=[2.1], requests=(0.1, 1.1), most_resident=301 * 10**6, after_end=3.1, after_kill=20.1
    )
    assert missed(bad) == [
        "restart until in step",
        "resident memory, most",
        "applied to in place, p99",
        "requests at rest, of a replica",
        "fail-over, leader ended",
        "fail-over, leader killed",
    ]


@pytest.fixture
def server() -> Iterator[Server]:
    found = Server()
    yield found
    found.server.shutdown()
    found.server.server_close()


def site(folder: Path, **changes: Any) -> Path:
    """A file for the benchmark; nobody answers at its cluster unless it says so."""
    nobody = {"clusters": [{"name": "c", "cluster": {"server": "http://127.0.0.1:9"}}]}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "users": [{"name": "u", "user": {"token": "secret"}}],
    }
    (folder / "config").write_text(yaml.safe_dump(config | nobody))
    file = folder / "site.yaml"
    said = {"kubeconfig": str(folder / "config"), "databaseUrl": DATABASE, "grants": 10, "live": 2}
    file.write_text(yaml.safe_dump(said | changes))
    return file


def run(*words: str) -> str:
    done = CliRunner().invoke(APP, ["controller", *words])
    assert done.exit_code == 1, done.output
    return " ".join(done.output.split())


def test_it_asks_which_cluster() -> None:
    assert "--site" in run()


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    assert "none.yaml" in run("--site", str(tmp_path / "none.yaml"))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"grants": 0}, "grants: a number from 1 on is due here"),
        ({"databaseUrl": "mysql://x/y"}, "databaseUrl"),
        ({"grant": 5}, "did you mean 'grants'"),
        ({"grants": 2, "live": 3}, "3 workspaces cannot live in 2 grants"),
        ({"kubeconfig": "/nonexistent/config"}, "There is no way to reach the API server"),
        ({}, "The API server did not answer"),
    ],
)
def test_what_cannot_be_measured_is_said_before_anything_is_made(
    tmp_path: Path, changes: dict[str, Any], words: str
) -> None:
    assert words in run("--site", str(site(tmp_path, **changes)))


def lists(pods: int, grants: int) -> Any:
    """A server with so many of a launcher's pods, that answers with this code where it is asked for grants."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        assert handler.command == "GET"
        whole = {"items": [{"metadata": {"name": "p"}}] * pods, "metadata": {"resourceVersion": "1"}}
        asked_for_pods = handler.path.startswith("/api/v1/pods")
        say(handler, 200 if asked_for_pods else grants, whole)

    return answer


@pytest.mark.parametrize(
    ("pods", "grants", "words"),
    [
        (3, 200, "3 pods of a launcher run on this cluster"),
        (0, 404, "does not know what an AccessGrant is"),
        (0, 403, "answered 403"),
        (0, 200, "The record cannot be reached"),
    ],
)
def test_a_cluster_that_is_not_to_spare_is_left_alone(
    tmp_path: Path, server: Server, pods: int, grants: int, words: str
) -> None:
    file = site(tmp_path)
    server.answer = lists(pods, grants)
    server.kubeconfig(tmp_path / "config")
    assert words in run("--site", str(file))
    assert {verb for verb, _path in server.requests} == {"GET"}


def test_waiting_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(waiting.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(waiting.time, "sleep", lambda seconds: now.append(now.pop() + seconds))
    wait_until(lambda: now[0] > 3, "It did not come", 5.0)
    with pytest.raises(TREError, match="It did not come within 5 s") as caught:
        wait_until(lambda: False, "It did not come", 5.0)
    assert caught.value.reason is Reason.StartTimeout
    assert 8.0 < now[0] < 8.1


def test_the_list_names_it() -> None:
    done = CliRunner().invoke(APP, [])
    assert "controller" in done.output
    assert sorted(bench_command.SITES) == ["airlock", "cluster", "controller"]
