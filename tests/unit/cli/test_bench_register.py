"""`tre bench register` on a few projects: each figure is there, and a page that fails gives none."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tre.cli.bench import register as bench_register
from tre.cli.bench.asking import ask
from tre.cli.bench.register import bench
from tre.domain.errors import Reason, TREError
from tre.portal.public_applications import public_switch
from tre.store import register


def test_every_figure_is_there_and_targets_are_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_register, "PAGE_MS", 0.0)
    monkeypatch.setattr(bench_register, "BUILD_SECONDS", 1e9)
    found = {one.what: one for one in bench(25, rounds=1)}
    assert found["projects"].ours == 25
    assert all(one.ours > 0 for one in found.values())
    assert found["list, first page"].met is False
    assert found["list, first page"].peer is not None
    assert found["static build"].met is True
    assert len(found) == 10


def test_the_projects_are_told_of(tmp_path: Path) -> None:
    with bench_register._portal(tmp_path, 7) as portal, portal.database.read() as connection:
        assert register.totals(connection) == register.Totals(projects=7, running=4, commercial=2)


def test_a_page_that_fails_gives_no_figure(tmp_path: Path) -> None:
    with bench_register._portal(tmp_path, 1) as portal:
        with pytest.raises(TREError) as caught:
            asyncio.run(ask(public_switch(portal), "tre.localhost:8000", "/projects/nothing"))
        assert caught.value.reason is Reason.RuntimeFailed
