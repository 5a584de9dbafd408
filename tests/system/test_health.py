"""Every service of a running launcher says how it is and what it counted: by reason, and by nobody's name."""

from __future__ import annotations

import json
import re
from pathlib import Path

import aiohttp

from tests.support.commands import Commands
from tests.system.waiting import until
from tre.cli.trial.browser import Browser
from tre.cli.trial.lab import Lab
from tre.cli.trial.world import World
from tre.domain.errors import Reason
from tre.system.paths import CHECKOUT

SOCKETS = (
    "launcher",
    "storekeeper",
    "controller",
    "portal",
    "portal-internal",
    "portal-intake",
    "public",
    "hub",
    "gateway",
)
SAMPLE = re.compile(r"^([a-zA-Z_]\w*)(?:\{(.*)\})? ")
ENDING = re.compile(r"_(total|bucket|count|sum|created)$")
PAGE = (CHECKOUT / "docs" / "reference" / "metrics.md").read_text(encoding="utf-8")


async def fetch(socket: Path, path: str) -> tuple[int, str]:
    timeout = aiohttp.ClientTimeout(total=10)
    connector = aiohttp.UnixConnector(str(socket))
    async with (
        aiohttp.ClientSession(connector=connector, timeout=timeout) as session,
        session.get(f"http://localhost{path}", allow_redirects=False) as answer,
    ):
        return answer.status, await answer.text()


async def scraped(world: World, name: str) -> list[tuple[str, dict[str, str]]]:
    """Every sample of a service: its metric's name and its labels."""
    status, text = await fetch(world.here.layout.socket(name), "/metrics")
    assert status == 200
    found = [match for line in text.splitlines() if (match := SAMPLE.match(line)) is not None]
    return [(match[1], dict(re.findall(r'(\w+)="([^"]*)"', match[2] or ""))) for match in found]


async def test_every_service_is_well_and_counts_what_is_documented(world: World, grant: str, lab: Lab) -> None:
    async with Browser() as stranger:
        await stranger.get(f"{world.desk}/nowhere-at-all")
    documented = {name.removesuffix("_total") for name in re.findall(r"`(tre_\w*)`", PAGE)}
    workspace = lab.origin.partition("://")[2].partition(".")[0]
    reasons = set()
    for name in SOCKETS:
        status, text = await fetch(world.here.layout.socket(name), "/healthz")
        assert status == 200, (name, text)
        found = await scraped(world, name)
        own = {metric for metric, _ in found if metric.startswith("tre_")}
        assert {ENDING.sub("", metric) for metric in own} <= documented, name
        values = {value for _, labels in found for value in labels.values()}
        assert not [value for value in values if any(named in value for named in ("alice", grant, workspace))], name
        reasons |= {labels["reason"] for metric, labels in found if metric in own and "reason" in labels}
    assert reasons
    assert reasons <= {reason.value for reason in Reason}


async def test_every_service_is_ready_and_says_so(world: World) -> None:
    for name in SOCKETS:
        status, text = await fetch(world.here.layout.socket(name), "/readyz")
        assert status == 200, (name, text)
        assert json.loads(text)["status"] in {"ready", "leading"}, name


async def test_an_operator_reads_the_figures_that_a_collector_gets(world: World) -> None:
    async with world.signed_in("olga") as (browser, _):
        page = await browser.get(f"{world.desk}/operate/health")
    assert "Workspaces that should have ended" in page.text
    assert "Checker last heard" in page.text


async def test_status_and_doctor_see_a_checker_that_lives(world: World, commands: Commands) -> None:
    def typed(*words: str) -> tuple[int, str]:
        done = commands.typed(*words, "--root", str(world.root))
        return done.returncode, done.stdout + done.stderr

    await until(lambda: typed("status")[0] == 0)
    code, said = typed("doctor", "--json")
    assert '"checker"' in said, (code, said)
    assert "while the controller runs" not in said
