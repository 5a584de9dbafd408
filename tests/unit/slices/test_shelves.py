"""Files on their way into the store: whole before they have a name, and never in another's place."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from tre.slices.files import NOBODY_ELSE, Beneath
from tre.slices.places import patient_directory
from tre.slices.shelves import Shelf, Shelves
from tre.slices.store import Store
from tre.slices.unfit import UnfitError


class Room:
    """A tier and what is on its way into it."""

    def __init__(self, root: Path) -> None:
        self.tier, self.incoming = root / "tier", root / "incoming"
        self.tier.mkdir()
        self.incoming.mkdir()
        self.there = self.tier / patient_directory("Covid1")

    def shelf(self) -> Shelf:
        return Shelf(self.tier, self.incoming, NOBODY_ELSE, "Covid1")

    def put(self, *contents: bytes) -> None:
        shelf = self.shelf()
        for data in contents:
            shelf.put(name(data), digest(data), data)
        shelf.publish()

    @property
    def files(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in self.there.iterdir()}


def digest(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def name(data: bytes) -> str:
    return f"{digest(data).hex()}.dcm"


def descriptors() -> int:
    """How many files this process has open."""
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.fixture
def room(tmp_path: Path) -> Room:
    return Room(tmp_path)


def test_files_have_their_names_when_they_are_published_and_not_before(room: Room) -> None:
    shelf = room.shelf()
    shelf.put(name(b"one"), digest(b"one"), b"one")
    shelf.put(name(b"one"), digest(b"one"), b"one")
    assert not room.there.exists()
    shelf.publish()
    assert room.files == {name(b"one"): b"one"}
    assert not list(room.incoming.iterdir())
    assert (room.there / name(b"one")).stat().st_mode & 0o777 == 0o440
    assert room.there.stat().st_mode & 0o777 == 0o700


def test_a_mask_of_the_process_takes_nothing_from_a_file(room: Room) -> None:
    before = os.umask(0o777)
    try:
        shelf = room.shelf()
        os.umask(0o077)
        shelf.put(name(b"one"), digest(b"one"), b"one")
    finally:
        os.umask(before)
    shelf.publish()
    assert (room.there / name(b"one")).stat().st_mode & 0o777 == 0o440


def test_a_file_that_is_there_is_not_written_again(room: Room) -> None:
    room.put(b"one")
    inode = (room.there / name(b"one")).stat().st_ino
    room.put(b"one", b"two")
    assert set(room.files) == {name(b"one"), name(b"two")}
    assert (room.there / name(b"one")).stat().st_ino == inode
    assert not list(room.incoming.iterdir())


def test_a_broken_file_is_mended_unless_a_slice_holds_it(room: Room) -> None:
    room.put(b"one")
    path = room.there / name(b"one")
    path.chmod(0o600)
    path.write_bytes(b"")
    os.link(path, room.incoming / "slice")
    with pytest.raises(UnfitError, match="a slice holds it"):
        room.put(b"one")
    (room.incoming / "slice").unlink()
    room.put(b"one")
    assert room.files == {name(b"one"): b"one"}


def test_two_that_fill_one_directory_leave_both_files_and_one_of_the_same(room: Room) -> None:
    first, second = room.shelf(), room.shelf()
    for shelf, own in ((first, b"first"), (second, b"second")):
        shelf.put(name(own), digest(own), own)
        shelf.put(name(b"both"), digest(b"both"), b"both")
    first.publish()
    second.publish()
    assert room.files == {name(data): data for data in (b"first", b"second", b"both")}
    assert not list(room.incoming.iterdir())


def test_a_file_that_breaks_meanwhile_is_not_taken_for_whole(room: Room) -> None:
    first, second = room.shelf(), room.shelf()
    first.put(name(b"one"), digest(b"one"), b"one")
    second.put(name(b"one"), digest(b"one"), b"one")
    first.publish()
    (room.there / name(b"one")).chmod(0o600)
    (room.there / name(b"one")).write_bytes(b"")
    with pytest.raises(OSError, match="damaged"):
        second.publish()


def test_many_people_s_directories_are_not_open_at_once(room: Room) -> None:
    shelves, store = Shelves(), Store(room.tier, room.incoming, NOBODY_ELSE, room.incoming)
    before = descriptors()
    most = 0
    for number in range(100):
        shelves.of(store, f"Covid{number}").put(name(b"one"), digest(b"one"), b"one")
        most = max(most, descriptors() - before)
    assert most <= 33
    shelves.publish()
    assert len(list(room.tier.glob("*/*/*.dcm"))) == 100
    shelves.of(store, "Covid200").put(name(b"one"), digest(b"one"), b"one")
    shelves.abandon()
    assert descriptors() == before
    assert len(list(room.tier.glob("*/*/*.dcm"))) == 100


def test_paths_below_a_directory_are_opened_part_by_part(tmp_path: Path) -> None:
    (tmp_path / "a" / "b" / "c").mkdir(parents=True)
    (tmp_path / "a" / "b" / "one").write_text("one")
    (tmp_path / "a" / "b" / "c" / "two").write_text("two")
    (tmp_path / "a" / "three").write_text("three")
    (tmp_path / "out").symlink_to("/etc")
    (tmp_path / "a" / "link").symlink_to("three")
    root = os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY)
    before = descriptors()
    beneath = Beneath(root)

    def read(*parts: str) -> str:
        with os.fdopen(beneath.open(parts)) as file:
            return file.read()

    paths = (("a", "b", "one"), ("a", "b", "c", "two"), ("a", "three"), ("a", "b", "one"))
    assert [read(*parts) for parts in paths] == ["one", "two", "three", "one"]
    for parts in (("out", "passwd"), ("a", "link"), ("a", "missing", "one")):
        with pytest.raises(OSError, match=r"symbolic|Not a directory|No such"):
            read(*parts)
        assert read("a", "b", "one") == "one", "what failed leaves nothing behind"
    beneath.close()
    assert descriptors() == before
    os.close(root)
