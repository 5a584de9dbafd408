"""`tre bench plan` on a release of a few thousand rows: a plan as people get it, and what is said of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tre.cli.bench import plan as bench_plan
from tre.cli.bench.plan import bench, measured, order_on
from tre.demodata.releases import Made, ReleaseSpec, write_release
from tre.domain.errors import Reason, TREError
from tre.slices.index import SCHEMAS
from tre.slices.plan import plan


def test_a_size_is_measured_beside_its_peer_and_in_a_process_of_its_own() -> None:
    found, computed, first, memory = bench((2000,), rounds=1)
    assert found.what.startswith("plan on 2,000 images")
    assert found.ours > 0
    assert found.peer is not None
    assert found.met is None, "the target is for one size"
    assert first.ours > 0
    assert computed.ours > 0
    assert 50 < memory.ours < 8192
    assert memory.met


@pytest.fixture
def release(tmp_path: Path) -> tuple[Path, Made]:
    return tmp_path / "r1", write_release(tmp_path / "r1", ReleaseSpec(20_000), SCHEMAS)


@pytest.mark.parametrize(("most", "met"), [(1e9, True), (0.0, False)])
def test_the_target_is_judged_at_its_size(
    release: tuple[Path, Made], monkeypatch: pytest.MonkeyPatch, most: float, met: bool
) -> None:
    monkeypatch.setattr(bench_plan, "TARGET_INSTANCES", 20_000)
    monkeypatch.setattr(bench_plan, "TARGET_MILLISECONDS", most)
    found, *_ = measured(*release, rounds=1)
    assert found.met is met


def test_what_is_planned_takes_some_leaves_some_and_has_people_who_opted_out(release: tuple[Path, Made]) -> None:
    planned = plan(order_on(release[0]))
    assert 0 < planned.counts.instances < 20_000
    assert planned.counts.instances + sum(planned.rejected.values()) == 20_000
    assert planned.rejected["withdrawn"] > 0
    assert planned.k_report is not None


def test_a_plan_that_fails_gives_no_figure(tmp_path: Path) -> None:
    with pytest.raises(TREError) as caught:
        bench_plan._memory(tmp_path / "nothing", 1)
    assert caught.value.reason is Reason.RuntimeFailed
