"""`tre bench portal` on a few people: everything that it writes can be read, and each page it asks is there."""

from __future__ import annotations

import pytest

from tre.cli.bench import portal as bench_portal
from tre.cli.bench.portal import Opened, bench, opening

PARTS = ["of it, building the slice, p50", "beyond building the slice, p50", "beyond building the slice, longest"]


@pytest.mark.soak  # it makes two worlds, which is all that takes long
@pytest.mark.timeout(180)
def test_every_figure_is_there_and_targets_are_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_portal, "PAGE_MS", 0.0)
    found = {one.what: one for one in bench(runs=1, members=30, asked_for=20, rounds=1)}
    assert (found["members"].ours, found["applications"].ours, found["projects decided"].ours) == (30, 20, 1)
    assert found["votes on them"].ours == 6 * 2 + 11 * 4  # 17 wait: of three, one is half voted on
    assert found["beyond building the slice, longest"].ours > 0
    for _, what, _ in bench_portal.pages("a-waiting", "a-decided"):
        assert found[what].ours > 0
        assert found[what].met is False
    assert found["slowest page"].ours == max(found[what].ours for _, what, _ in bench_portal.pages("", ""))


def test_what_building_took_is_left_out_and_the_slowest_run_is_judged() -> None:
    figures = {one.what: one for one in opening([Opened(5.0, 4.5), Opened(3.0, 0.5), Opened(1.5, 1.0)])}
    assert [figures[what].ours for what in PARTS] == [1.0, 0.5, 2.5]
    assert figures[PARTS[2]].met is False
    assert opening([Opened(2.5, 0.5)])[3].met is True
