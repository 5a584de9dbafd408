"""Deleting, renaming, locking: against links, depths and modes that somebody chose to be hostile."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tre.domain.errors import Reason, TREError
from tre.slices.files import (
    NOBODY_ELSE,
    Ownership,
    directory,
    discard,
    empty,
    exchange,
    locked,
    make_private,
    open_beneath,
    ownership,
    rename_new,
    storage_error,
)


@pytest.fixture
def trash(tmp_path: Path) -> Path:
    return make_private(tmp_path / "trash", NOBODY_ELSE)


def test_deleting_follows_no_link(tmp_path: Path, trash: Path) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "file").write_text("x")
    home = tmp_path / "home"
    home.mkdir()
    (home / "out").symlink_to(kept)
    (home / "self").symlink_to(home)
    (home / "file").symlink_to(kept / "file")
    assert discard(home, trash).files == 3
    assert (kept / "file").read_text() == "x"
    assert not home.exists()


def test_deleting_copes_with_any_depth(tmp_path: Path, trash: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    descriptor = os.open(home, os.O_RDONLY | os.O_DIRECTORY)
    depth = 1500
    for _ in range(depth):  # far beyond the longest path and the deepest recursion
        os.mkdir("d" * 100, dir_fd=descriptor)
        below = os.open("d" * 100, os.O_RDONLY | os.O_DIRECTORY, dir_fd=descriptor)
        os.close(descriptor)
        descriptor = below
    os.close(os.open("file", os.O_CREAT | os.O_WRONLY, dir_fd=descriptor))
    os.close(descriptor)
    removed = discard(home, trash)
    assert (removed.files, removed.directories) == (1, depth + 1)
    assert list(trash.iterdir()) == []


LOCKED = """
import sys
from pathlib import Path
from tre.slices.files import NOBODY_ELSE, discard, make_private

root = Path(sys.argv[1])
trash = make_private(root / "trash", NOBODY_ELSE)
deep = root / "home" / "a" / "b"
deep.mkdir(parents=True)
(deep / "file").write_text("x")
for path in (deep / "file", deep, deep.parent, deep.parent.parent):
    path.chmod(0)
try:
    (root / "home" / "x").touch()
except PermissionError:
    print("locked")
removed = discard(root / "home", trash)
print(removed.files, removed.directories, list(trash.iterdir()))
"""


def test_deleting_copes_with_locked_directories() -> None:
    """For root every mode is open; so this part runs as an ordinary user, where the modes mean something."""
    as_other = {"user": 65534, "group": 65534, "extra_groups": []} if os.geteuid() == 0 else {}
    with tempfile.TemporaryDirectory(dir="/var/tmp") as root:
        Path(root).chmod(0o777)
        done = subprocess.run(
            [sys.executable, "-c", LOCKED, root],
            cwd=Path(__file__).parents[3],
            capture_output=True,
            text=True,
            check=False,
            **as_other,  # type: ignore[call-overload]
        )
    assert done.stdout.splitlines() == ["locked", "1 3 []"], done.stderr


def test_what_an_interrupted_deletion_left_is_deleted(trash: Path) -> None:
    (trash / "left" / "over").mkdir(parents=True)
    (trash / "file").write_text("xy")
    removed = empty(trash)
    assert (removed.files, removed.directories, removed.bytes) == (1, 2, 2)


def test_discarding_what_is_not_there(tmp_path: Path, trash: Path) -> None:
    assert discard(tmp_path / "nothing", trash).as_plain() == {"files": 0, "directories": 0, "bytes": 0}


def test_a_dangling_link_is_something(tmp_path: Path, trash: Path) -> None:
    (tmp_path / "link").symlink_to("nowhere")
    assert discard(tmp_path / "link", trash).files == 1


@pytest.mark.parametrize("parts", [("link",), ("link", "file"), ("file",), ("..", "secret")])
def test_nothing_is_opened_through_a_link(tmp_path: Path, parts: tuple[str, ...]) -> None:
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "file").write_text("x")
    root = tmp_path / "root"
    (root / "plain").mkdir(parents=True)
    (root / "plain" / "file").write_text("y")
    (root / "link").symlink_to("../secret")
    (root / "file").symlink_to("plain/file")
    with directory(root) as descriptor:
        os.close(open_beneath(descriptor, ("plain", "file"), os.O_RDONLY))
        if parts[0] == "..":
            return  # a walk never yields `..`; names come from scandir
        with pytest.raises(OSError) as caught:
            open_beneath(descriptor, parts, os.O_RDONLY)
    assert caught.value.errno in {errno.ELOOP, errno.ENOTDIR}


def test_renaming_never_replaces(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    with pytest.raises(FileExistsError):
        rename_new(tmp_path / "one", tmp_path / "two")
    (tmp_path / "one" / "mark").touch()
    exchange(tmp_path / "one", tmp_path / "two")
    assert (tmp_path / "two" / "mark").exists()
    assert not (tmp_path / "one" / "mark").exists()


def test_a_lock_keeps_others_out_and_lets_go(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "lock"
    with locked(path, NOBODY_ELSE):
        with pytest.raises(TREError) as caught, locked(path, NOBODY_ELSE, 0.1):
            pass
        assert caught.value.reason is Reason.Conflict
    with locked(path, NOBODY_ELSE):
        pass


@pytest.mark.parametrize(
    ("number", "reason"),
    [(errno.ENOSPC, Reason.StorageFull), (errno.EXDEV, Reason.StorageFailed), (errno.EIO, Reason.StorageFailed)],
)
def test_errors_of_the_file_system_say_what_to_do(number: int, reason: Reason) -> None:
    error = storage_error(OSError(number, os.strerror(number), "/some/path"), "Trying")
    assert error.reason is reason
    assert "/some/path" in error.why
    assert error.remedy


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_root_gives_files_to_owner_and_group(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.touch()
    ownership(19005, 60100).give(path)
    assert (path.stat().st_uid, path.stat().st_gid) == (19005, 60100)
    Ownership(-1, 60101).give(path)
    assert (path.stat().st_uid, path.stat().st_gid) == (19005, 60101)
    link = tmp_path / "link"
    link.symlink_to(path)
    ownership(1, 1).give(link)
    assert path.stat().st_uid == 19005, "a link's target is left alone"
