"""The figures that a person looks at first are those that a collector gets."""

from __future__ import annotations

from pathlib import Path

import pytest
from aiohttp import web

from tools.measures import measures
from tre.system.figures import WANTED, Figure, figures_in, figures_of

TEXT = """
# TYPE tre_workspaces gauge
tre_workspaces{phase="Running"} 3.0
tre_workspaces{phase="Stopped"} 9.0
# TYPE tre_workspaces_overdue gauge
tre_workspaces_overdue 1.0
# TYPE tre_checker_heard_seconds gauge
tre_checker_heard_seconds +Inf
# TYPE tre_proofs counter
tre_proofs_total{kind="isolation",outcome="failed"} 0.0
tre_proofs_total{kind="isolation",outcome="ok"} 70.0
"""


def test_every_wanted_figure_is_one_that_is_made() -> None:
    made = {item.name: set(item.labels) for item in measures()}
    for item in WANTED:
        assert {name for name, _ in item.labels} <= made[item.metric], item.metric


def test_figures_are_taken_by_their_labels_and_judged() -> None:
    found = {item.words: (item.shown, item.bad) for item in figures_in("controller", TEXT)}
    assert found == {
        "Workspaces running": ("3", False),
        "Workspaces that should have ended": ("1", True),
        "Checker last heard": ("never", True),
        "Proofs of isolation that failed since the start": ("0", False),
    }


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0.004, "0.00 s"), (12, "12 s"), (119, "119 s"), (120, "2 min"), (7200, "2 h"), (172800, "2 d")],
)
def test_seconds_are_shown_so_that_they_can_be_read(value: float, shown: str) -> None:
    assert Figure("x", "x", "x", value, seconds=True, bad=False).shown == shown


def test_what_is_infinite_is_null_for_programs() -> None:
    assert Figure("x", "m", "w", float("inf"), seconds=True, bad=True).as_plain()["value"] is None


async def test_who_answers_and_who_does_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def numbers(_request: web.Request) -> web.Response:
        return web.Response(text=TEXT)

    app = web.Application()
    app.router.add_get("/metrics", numbers)
    runner = web.AppRunner(app)
    await runner.setup()
    monkeypatch.chdir(tmp_path)
    try:
        await web.UnixSite(runner, "controller").start()
        found, silent = await figures_of({"gateway": Path("nobody"), "controller": Path("controller")})
    finally:
        await runner.cleanup()
    assert {item.service for item in found} == {"controller"}
    assert silent == ["gateway"]
