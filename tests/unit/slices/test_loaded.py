"""Indexes that are loaded once: what they say is what the files say, whoever asks and whatever happens to the files."""

from __future__ import annotations

import gc
import os
import shutil
from contextlib import ExitStack
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest

from tests.unit.slices.conftest import Bench, make_spec
from tests.unit.slices.test_plan import World, make_world, some_images
from tre.domain.errors import Reason, TREError
from tre.domain.slices.merkle import files_root, names_root, root_of, shown
from tre.slices import loaded as module
from tre.slices.loaded import Shelf, loaded
from tre.slices.places import group_directory
from tre.slices.plan import plan

SPEC = make_spec(images=[{"modality": ["DX", "CT"]}], keep_whole="instance")


@pytest.fixture
def world(tmp_path: Path) -> World:
    return make_world(tmp_path / "world", *some_images(10))


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """A shelf of its own, and what is loaded onto it."""
    found: list[Path] = []
    load = Shelf._load

    def watched(shelf: Shelf, directory: Path, tier: str) -> module._Loaded:
        found.append(directory)
        return load(shelf, directory, tier)

    monkeypatch.setattr(Shelf, "_load", watched)
    monkeypatch.setattr(module, "SHELF", Shelf())
    return found


def test_a_release_is_loaded_once_for_all_plans(world: World, loads: list[Path]) -> None:
    found = [plan(world.order(SPEC, denied)) for denied in (set(), {"P1"}, set())]
    assert len(loads) == 1
    assert found[0] == found[2]
    assert [one.counts.patients for one in found] == [10, 9, 10]


def test_another_index_in_its_place_is_loaded_anew(world: World, tmp_path: Path, loads: list[Path]) -> None:
    before = plan(world.order(SPEC, set()))
    other = make_world(tmp_path / "other", *some_images(4))
    release = world.places.release("r1")
    for path in sorted(other.places.release("r1").iterdir()):
        path.replace(release / path.name)
    after = plan(world.order(SPEC, set()))
    assert (before.counts.patients, after.counts.patients) == (10, 4)
    assert len(loads) == 2


def test_bytes_that_change_in_place_are_seen(world: World, loads: list[Path]) -> None:
    plan(world.order(SPEC, set()))
    path = world.places.release("r1") / "patients.parquet"
    table, stamp = pq.read_table(path), path.stat()
    pq.write_table(table, path)  # the same file, written again
    os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    plan(world.order(SPEC, set()))
    assert len(loads) == 2, "a time of change that was set back hides nothing"


def test_a_release_that_is_gone_is_not_planned_on_from_memory(world: World, loads: list[Path]) -> None:
    plan(world.order(SPEC, set()))
    shutil.rmtree(world.places.release("r1"))
    with pytest.raises(TREError) as caught:
        plan(world.order(SPEC, set()))
    assert caught.value.reason is Reason.ReleaseNotFound
    assert not module.SHELF._kept


def test_plans_at_the_same_time_do_not_see_one_another(world: World) -> None:
    release = world.places.release("r1")
    with ExitStack() as stack:
        one, other = (stack.enter_context(loaded(release, denied)) for denied in (frozenset({"P1"}), frozenset()))
        one.execute("CREATE TEMP TABLE selection AS SELECT 1 AS mine")
        assert one.execute("SELECT pseudonym FROM denied").fetchall() == [("P1",)]
        assert other.execute("SELECT pseudonym FROM denied").fetchall() == []
        with pytest.raises(duckdb.CatalogException):
            other.execute("SELECT mine FROM selection")


def test_the_least_used_one_is_forgotten_and_a_plan_in_progress_keeps_it(
    tmp_path: Path, loads: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    worlds = [make_world(tmp_path / name, *some_images(4)) for name in "abc"]
    series = loaded_series(worlds[0])
    monkeypatch.setattr(module, "SHELF", Shelf(most_series=2 * series))
    with loaded(worlds[0].places.release("r1")) as connection:
        for world in (*worlds[1:], worlds[2], worlds[1], worlds[0]):
            plan(world.order(SPEC, set()))
        assert connection.execute("SELECT count(*) FROM series").fetchone() == (series,)
    assert len(loads) - 1 == 4, "a, b, c; then a again, which b and c had driven out"


def test_so_many_are_kept_however_small_and_their_threads_end_with_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SHELF", Shelf(most_releases=2))
    threads = []
    for name in "abcd":
        plan(make_world(tmp_path / name, *some_images(4)).order(SPEC, set()))
        gc.collect()
        threads.append(sum(1 for _ in Path("/proc/self/task").iterdir()))
    assert threads[1] == threads[-1]


def loaded_series(world: World) -> int:
    with loaded(world.places.release("r1")) as connection:
        return int(connection.execute("SELECT count(*) FROM series").fetchall()[0][0])


def test_one_that_is_too_large_for_the_shelf_is_kept_alone(
    world: World, loads: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SHELF", Shelf(most_series=0))
    for _ in range(2):
        plan(world.order(SPEC, set()))
    assert len(loads) == 1


def test_one_thread_or_two_make_no_difference(world: World, loads: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    for small in (250_000, 0):
        monkeypatch.setattr(module, "SMALL", small)
        monkeypatch.setattr(module, "SHELF", Shelf())
        found.append(plan(world.order(SPEC, {"P3"})))
    assert found[0] == found[1]
    assert len(loads) == 2


def test_leaves_are_those_of_the_tree_of_files_in_its_order(filled: Bench) -> None:
    """The database's hashes against the rules' own, over images and sidecars."""
    release = filled.dataset.release("r1")
    directories = []
    people = {row["patient"]: row["pseudonym"] for row in pq.read_table(release / "patients.parquet").to_pylist()}
    for row in pq.read_table(release / "series.parquet").to_pylist():
        below = (people[row["patient"]], row["study_uid"], row["series_uid"])
        directories.append((group_directory(row["group"], *below), row["root"]))
        if row["sidecars"]:
            directories.append((group_directory(f"{row['group']}-metadata", *below), row["sidecar_root"]))
    assert len(directories) == 7
    with loaded(release) as connection:
        leaves = [leaf for (leaf,) in connection.execute("SELECT leaf FROM leaves ORDER BY place").fetchall()]
        rows = [leaf for (leaf,) in connection.execute("SELECT leaf FROM patients ORDER BY place").fetchall()]
    assert shown(root_of(leaves)) == files_root(directories)
    assert shown(root_of(rows)) == names_root(people.values())


def test_a_forked_process_loads_for_itself(world: World, loads: list[Path]) -> None:
    """A database does not survive a fork: used there, it waits for threads that are not there."""
    before = plan(world.order(SPEC, set()))
    with module.SHELF._lock:  # somebody is asking in the moment of the fork
        child = os.fork()
        if child == 0:
            try:
                os._exit(0 if plan(world.order(SPEC, set())) == before and len(loads) == 2 else 1)
            finally:
                os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert plan(world.order(SPEC, set())) == before
    assert len(loads) == 1
