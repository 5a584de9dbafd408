"""What projects take on disk: theirs, once, and nothing that a link points at."""

from __future__ import annotations

import os
from pathlib import Path

from sqlalchemy import update

from tests.support.factories import ALICE, access_grant
from tests.unit.storekeeper.conftest import SLICE, House
from tre.domain.workspaces.models import Workspace
from tre.slices.watch import Silent
from tre.store import grants, workspaces
from tre.store.tables.grants import grant_slices
from tre.storekeeper import measuring
from tre.storekeeper.measuring import DEEPEST, measure, taken

BLOCK = 4096
GRANT = "nccid-00123"


def put(path: Path, blocks: int = 1) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(os.urandom(blocks * BLOCK))
    return path


def of(path: Path, *, shared_names: bool = True) -> int:
    """KiB that the files of a directory take, without those of the directories themselves."""
    folders = [path, *(one for one in path.rglob("*") if one.is_dir() and not one.is_symlink())]
    return taken(path, shared_names=shared_names) - sum(one.stat().st_blocks for one in folders) // 2


def test_each_file_counts_once_and_no_link_is_followed(tmp_path: Path) -> None:
    outside = put(tmp_path / "outside" / "large", 64)
    home = tmp_path / "home"
    put(home / "a" / "one", 2)
    os.link(home / "a" / "one", home / "again")
    (home / "link").symlink_to(outside)
    (home / "folder").symlink_to(outside.parent, target_is_directory=True)
    links = sum((home / name).lstat().st_blocks // 2 for name in ("link", "folder"))
    assert of(home) == 8 + links
    assert of(home, shared_names=False) == links


def test_a_directory_that_is_a_link_is_nothing(tmp_path: Path) -> None:
    put(tmp_path / "outside" / "large")
    (tmp_path / "home").symlink_to(tmp_path / "outside")
    assert taken(tmp_path / "home") == 0
    assert taken(tmp_path / "missing") == 0


def test_folders_without_end_take_no_descriptors_without_end(tmp_path: Path) -> None:
    deep = tmp_path
    for _ in range(3 * DEEPEST):
        deep = deep / "d"
    put(deep / "file", 64)
    before = len(list(Path("/proc/self/fd").iterdir()))
    assert 0 < taken(tmp_path) < 64 * 4 + DEEPEST * 4
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_what_a_project_keeps_where(house: House) -> None:
    layout, name = house.layout, Workspace.name_for(GRANT, ALICE)
    spec = access_grant().spec
    with house.record.change(house.office.event("grant.applied", f"grant/{GRANT}")) as change:
        grants.apply(change, GRANT, spec, "test", house.clock.now())
        workspaces.ensure(change, GRANT, ALICE, house.clock.now())
        change.connection.execute(update(grant_slices).values(slice_id=SLICE, manifest_version=1))
    put(layout.homes / name / "work.ipynb", 3)
    put(layout.outboxes / name / "table.csv", 2)
    put(layout.shared / GRANT / "notes", 1)
    store = put(layout.root / "store" / "image.dcm", 50)
    put(layout.slices / SLICE / "clinical.parquet", 4)
    os.link(store, layout.slices / SLICE / "image.dcm")
    found = measure(house.office, Silent())
    kept = found["kib"][GRANT]
    folder = (layout.homes / name).stat().st_blocks // 2
    assert kept == {
        "homes": 12 + folder,
        "outboxes": 8 + folder,
        "shared": 4 + folder,
        "slices": 16 + (layout.slices / SLICE).stat().st_blocks // 2,
    }
    assert found["at"] == house.clock.now().isoformat()
    put(layout.slices / SLICE / "unseen.parquet", 9)
    assert measure(house.office, Silent())["kib"][GRANT]["slices"] == kept["slices"]  # a version is measured once
    measuring._measured.clear()
    assert measure(house.office, Silent())["kib"][GRANT]["slices"] == kept["slices"] + 36
