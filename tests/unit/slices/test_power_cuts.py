"""Cutting the power between any two steps of an addition and of a build: the next run repairs it.

The work runs in a process of its own that ends at once (no clean-up runs) when it reaches a step. Each case records
that the cut hit; a case whose step never comes would fail.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.slices.conftest import SLICE, Bench
from tre.slices import contents, shelves, store
from tre.slices.verify import verify

INGEST_STEPS = ["prepare", "walk", "clinical", "images", "sidecars", "index", "sync", "publish", "published"]
BUILD_STEPS = ["prepare", "links", "documents", "sync", "publish", "published"]
CUT = 99


class Cut:
    """Ends the process at a step, or in the midst of the one before it."""

    def __init__(self, at: str, *, midway: bool = False) -> None:
        self.at = at
        self.midway = midway
        self.now = ""

    def step(self, name: str) -> None:
        self.now = name
        if name == self.at and not self.midway:
            os._exit(CUT)

    def progress(self, done: int, total: int) -> None:
        if self.midway and self.now == self.at:
            os._exit(CUT)


def cut(work: Callable[[], object]) -> None:
    """Run in a child; it must die by the cut and not by ending."""
    child = os.fork()
    if child == 0:
        try:
            work()
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == CUT


def tree(path: Path) -> set[str]:
    return {str(one.relative_to(path)) for one in path.rglob("*")}


@pytest.fixture
def delivered(bench: Bench) -> Bench:
    for number in (1, 2):
        bench.maker.record(f"Covid{number}")
        bench.maker.image(f"Covid{number}", f"1.{number}", f"1.{number}.1", sidecar=True)
    return bench


@pytest.mark.parametrize("step", INGEST_STEPS)
def test_an_addition_that_was_cut_is_repaired_by_the_next(delivered: Bench, step: str, tmp_path: Path) -> None:
    cut(lambda: delivered.ingest(Cut(step)))
    visible = delivered.dataset.release("r1").exists()
    assert visible == (step == "published")
    taken = delivered.ingest()
    assert (taken.counts.instances, taken.refused) == (2, {})
    assert not tree(delivered.dataset.staging) - {"incoming"}
    assert not tree(delivered.dataset.trash)
    files = [path for path in delivered.dataset.tier("dates-full").rglob("*") if path.is_file()]
    assert len(files) == 4
    assert all(path.stat().st_nlink == 1 for path in files)
    delivered.build()


def test_an_addition_cut_while_files_come_in_is_repaired(delivered: Bench) -> None:
    cut(lambda: delivered.ingest(Cut("images", midway=True)))
    assert delivered.ingest().counts.instances == 2


def test_a_cut_between_two_names_of_one_file_leaves_one_name(delivered: Bench) -> None:
    """The moment in which a file has its store name and still its temporary one."""
    real = os.link

    def link_and_die(*args: object, **kwargs: object) -> None:
        real(*args, **kwargs)  # type: ignore[arg-type]
        os._exit(CUT)

    def work() -> None:
        store.os.link = link_and_die  # type: ignore[assignment]
        delivered.ingest()

    cut(work)
    doubled = [p for p in delivered.dataset.root.rglob("*") if p.is_file() and p.stat().st_nlink == 2]
    assert len(doubled) == 2, "the cut hit"
    delivered.ingest()
    assert not [p for p in delivered.dataset.root.rglob("*") if p.is_file() and p.stat().st_nlink == 2]


@pytest.mark.parametrize("after", [1, 2, 3], ids=lambda count: f"{count} directories")
def test_a_cut_between_two_directories_that_get_their_names(delivered: Bench, after: int) -> None:
    """A directory of a tier is there with all its files or not at all; which of them are is not the same each time."""
    real, moved = shelves.rename_new, [0]

    def rename_and_die(source: Path, target: Path) -> None:
        real(source, target)
        moved[0] += 1
        if moved[0] == after:
            os._exit(CUT)

    def work() -> None:
        shelves.rename_new = rename_and_die
        delivered.ingest()

    cut(work)
    tiers = [path for path in delivered.dataset.tier("").glob("dates-*/*/*") if path.is_dir()]
    assert [len(list(path.iterdir())) for path in tiers] == [2] * after
    assert not delivered.dataset.release("r1").exists()
    before = {path: path.stat().st_ino for one in tiers for path in one.iterdir()}
    assert delivered.ingest().counts.files == 4
    assert {path: path.stat().st_ino for path in before} == before, "what was there is not copied again"
    assert not tree(delivered.dataset.staging) - {"incoming"}


@pytest.mark.parametrize("step", BUILD_STEPS)
def test_a_build_that_was_cut_is_repaired_by_the_next(filled: Bench, step: str) -> None:
    cut(lambda: filled.build(Cut(step)))
    assert filled.slice.exists() == (step == "published")
    recorded = filled.build()
    assert not verify(recorded, filled.slices, filled.dataset).differences
    assert tree(filled.slices.root) >= {SLICE}
    assert not tree(filled.slices.staging)
    assert not tree(filled.slices.trash)


@pytest.mark.parametrize("step", BUILD_STEPS)
def test_a_rebuild_that_was_cut_leaves_the_old_or_the_new(filled: Bench, step: str) -> None:
    old = filled.build()
    cut(lambda: filled.build(Cut(step), version=2, layout="flat"))
    if step == "published":
        assert verify(old, filled.slices, filled.dataset).differences
    else:
        assert not verify(old, filled.slices, filled.dataset).differences
    new = filled.build(version=2, layout="flat")
    assert not verify(new, filled.slices, filled.dataset).differences
    assert not tree(filled.slices.trash)


def test_a_build_cut_in_the_midst_of_linking_leaves_nothing_visible(filled: Bench) -> None:
    cut(lambda: filled.build(Cut("links", midway=True)))
    assert not filled.slice.exists()
    assert not verify(filled.build(), filled.slices, filled.dataset).differences


def test_a_plan_that_was_cut_while_it_was_kept_is_kept_by_the_next(filled: Bench) -> None:
    def work() -> None:
        contents.sync_filesystem = lambda _path: os._exit(CUT)  # type: ignore[assignment]
        filled.keep()

    cut(work)
    planned = filled.keep()
    contents.check_contents(filled.dataset.plan(planned.plan_digest), planned.identity)
