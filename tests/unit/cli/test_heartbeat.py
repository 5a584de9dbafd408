"""The checker has no socket: `tre status` and `tre doctor` read when it last touched its file."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tre.cli import status
from tre.cli.doctor import doors
from tre.cli.doctor.finding import Place, Seen
from tre.system.clock import SystemClock
from tre.system.heartbeat import HEARTBEAT_SECONDS, heartbeat_age
from tre.system.layout import Layout
from tre.system.settings import Settings
from tre.system.sockets import listen


@pytest.fixture
def layout(tmp_path: Path) -> Iterator[Layout]:
    found = Layout(tmp_path / "root")
    (found.checker_spool / "out").mkdir(parents=True)
    found.run.mkdir(parents=True, exist_ok=True)
    yield found
    for path in sorted(found.run.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    found.run.rmdir()


def beat(layout: Layout, seconds_ago: float) -> None:
    path = layout.checker_spool / "out" / "heartbeat"
    path.touch()
    os.utime(path, (time.time() - seconds_ago,) * 2)


def said(layout: Layout) -> Seen:
    return doors._checker(Place(layout, Settings(), SystemClock().now()))


def test_one_that_never_ran(layout: Layout) -> None:
    assert heartbeat_age(layout.checker_spool) is None
    assert status._heartbeat(layout) == "does not answer"
    assert said(layout)[:2] == ("good", "has not run here yet")


def test_one_that_lives(layout: Layout) -> None:
    beat(layout, 1)
    assert status._heartbeat(layout) == "ok"
    assert said(layout).state == "good"


def test_one_that_fell_silent(layout: Layout) -> None:
    beat(layout, HEARTBEAT_SECONDS + 30)
    assert status._heartbeat(layout).startswith("last seen 45")
    assert said(layout).state == "good", "nothing runs: there is nothing to repair"
    path = layout.socket("controller")
    path.parent.mkdir(parents=True, exist_ok=True)
    with listen(path):
        found = said(layout)
    assert found.state == "bad"
    assert "while the controller runs" in found.detail
    assert "checker.log" in found.remedy


def test_a_clock_that_was_set_back_does_not_make_it_ill(layout: Layout) -> None:
    beat(layout, -3600)
    assert heartbeat_age(layout.checker_spool) == 0.0
    assert status._heartbeat(layout) == "ok"
