"""How much a workspace keeps: tricks that would hide it, and what the watch makes of them."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tre.domain.errors import Reason
from tre.runtimes.bubblewrap import usage
from tre.runtimes.bubblewrap.usage import UnmeasurableError, removed_bytes, used_bytes

PLENTY = 2**40
MINE = os.geteuid()


def test_bytes_are_counted_whatever_the_file_is_called(tmp_path: Path) -> None:
    for name in ("home.ext4", ".hidden", "deep/er/file"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * 65536)
    assert used_bytes(tmp_path, MINE, PLENTY) >= 3 * 65536


def test_files_without_content_count(tmp_path: Path) -> None:
    for number in range(50):
        (tmp_path / str(number)).touch()
    assert used_bytes(tmp_path, MINE, PLENTY) == 50 * 4096


def test_files_of_somebody_else_do_not_count(tmp_path: Path) -> None:
    (tmp_path / "theirs").write_bytes(b"x" * 65536)
    assert used_bytes(tmp_path, MINE + 1, PLENTY) == 0


def test_counting_stops_when_it_is_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(200):
        (tmp_path / str(number)).touch()
    looked: list[str] = []
    plain = usage._stat
    monkeypatch.setattr(usage, "_stat", lambda entry: looked.append(entry.name) or plain(entry))
    assert used_bytes(tmp_path, MINE, 10 * 4096) == 11 * 4096
    assert len(looked) == 11


def nested(tmp_path: Path) -> None:
    """Folders deeper than any path can name."""
    here = os.open(tmp_path, os.O_RDONLY)
    for _ in range(30):
        os.mkdir("d" * 200, dir_fd=here)
        inner = os.open("d" * 200, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = inner
    os.close(here)


def test_folders_beyond_any_path_are_too_much(tmp_path: Path) -> None:
    nested(tmp_path)
    with pytest.raises(UnmeasurableError):
        used_bytes(tmp_path, MINE, PLENTY)


def test_folders_of_somebody_else_beyond_any_path_are_not_mine(tmp_path: Path) -> None:
    nested(tmp_path)
    assert used_bytes(tmp_path, MINE + 1, PLENTY) == 0


def test_too_many_files_are_too_much(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(usage, "MOST_ENTRIES", 20)
    for number in range(20):
        (tmp_path / str(number)).touch()
    assert used_bytes(tmp_path, MINE, PLENTY) == 20 * 4096
    (tmp_path / "one more").touch()
    with pytest.raises(UnmeasurableError):
        used_bytes(tmp_path, MINE, PLENTY)


def test_links_are_not_followed_and_what_vanishes_is_nothing(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/usr")
    assert used_bytes(tmp_path, MINE, PLENTY) == 4096
    assert used_bytes(tmp_path / "gone", MINE, PLENTY) == 0


def test_removed_files_that_are_held_open_count_once(tmp_path: Path) -> None:
    path = tmp_path / "removed"
    with path.open("wb") as first:
        first.write(b"x" * 2**20)
        first.flush()
        os.fsync(first.fileno())
        device = {os.fstat(first.fileno()).st_dev}
        others = removed_bytes([os.getpid()], device)  # whatever other tests of this process still hold
        path.unlink()
        second = os.dup(first.fileno())
        assert removed_bytes([os.getpid(), 2**22], device) == others + 2**20
        assert removed_bytes([os.getpid()], {-1}) == 0
        os.close(second)


def full(path: object) -> os.statvfs_result:
    return os.statvfs_result((4096, 4096, 10**7, 10**4, 10**4, 10**6, 10**6, 10**6, 0, 255))


def out_of_names(path: object) -> os.statvfs_result:
    return os.statvfs_result((4096, 4096, 10**7, 10**6, 10**6, 10**6, 0, 0, 0, 255))


@pytest.mark.parametrize("trouble", [full, out_of_names])
def test_a_full_disk_ends_workspaces_before_it_ends_the_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trouble: Callable[[object], os.statvfs_result]
) -> None:
    watch = usage.UsageWatch.__new__(usage.UsageWatch)
    watch._places = {usage.MountKind.outbox: tmp_path}
    monkeypatch.setattr(usage, "RESERVE_BYTES", 0)
    assert watch._disk_full() is None
    monkeypatch.undo()
    monkeypatch.setattr(os, "statvfs", trouble)
    found = watch._disk_full()
    assert found is not None
    assert found.reason is Reason.StorageFull


@pytest.mark.parametrize("kind", ["many", "folder", "large"])
def test_the_door_holds_a_socket_and_nothing_else(tmp_path: Path, kind: str) -> None:
    (tmp_path / "lab.sock").touch()
    assert usage._door_misuse(tmp_path) is None
    assert usage._door_misuse(tmp_path / "not yet") is None
    if kind == "many":
        for number in range(20):
            (tmp_path / str(number)).touch()
    elif kind == "folder":
        (tmp_path / "folder").mkdir()
    else:
        (tmp_path / "large").write_bytes(b"x" * (2**20 + 1))
    assert usage._door_misuse(tmp_path) is not None
