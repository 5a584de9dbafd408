"""What is found in a delivery, and what is not followed."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from tre.slices.files import directory
from tre.slices.walk import MAX_DEPTH, Found, Kind, Refusal, one_line, walk


def look(path: Path) -> list[Found | Refusal]:
    with directory(path) as descriptor:
        return list(walk(descriptor))


def rules(path: Path) -> dict[str, str]:
    return {one.path: one.rule for one in look(path) if isinstance(one, Refusal)}


def touch(root: Path, path: str) -> Path:
    target = root / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(b"x")
    return target


def test_kinds_follow_from_place_and_name(tmp_path: Path) -> None:
    touch(tmp_path, "training/xray/P/1/2/a.dcm")
    touch(tmp_path, "training/xray-metadata/P/1/2/a.json")
    touch(tmp_path, "training/data/P/data_2020-05-01.json")
    touch(tmp_path, "training/data/P/notes.json")
    touch(tmp_path, "README.txt")
    found = {one.path: one.kind for one in look(tmp_path) if isinstance(one, Found)}
    assert found == {
        "training/xray/P/1/2/a.dcm": Kind.image,
        "training/xray-metadata/P/1/2/a.json": Kind.sidecar,
        "training/data/P/data_2020-05-01.json": Kind.clinical,
        "README.txt": Kind.image,
    }
    assert rules(tmp_path) == {"training/data/P/notes.json": "unknown-file"}


def test_links_and_special_files_are_reported_and_never_opened(tmp_path: Path) -> None:
    secret = touch(tmp_path, "outside/secret.dcm")
    inside = tmp_path / "inside"
    inside.mkdir()
    (inside / "link.dcm").symlink_to(secret)
    (inside / "folder").symlink_to(secret.parent)
    os.mkfifo(inside / "pipe.dcm")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(inside / "sock"))
    listener.close()
    assert rules(inside) == dict.fromkeys(("link.dcm", "folder", "pipe.dcm", "sock"), "path")
    assert not [one for one in look(inside) if isinstance(one, Found)]


def test_a_link_is_found_when_it_is_a_file_and_would_be_walked_as_a_directory(tmp_path: Path) -> None:
    """The positive control: the same tree without links is taken."""
    (tmp_path / "folder").mkdir()
    touch(tmp_path, "folder/a.dcm")
    assert [one.path for one in look(tmp_path)] == ["folder/a.dcm"]


@pytest.mark.parametrize("name", ["a\nb.dcm", "a\x1b[31m.dcm", "a\u2028b.dcm"])
def test_names_that_would_break_a_list_are_refused_on_one_line(tmp_path: Path, name: str) -> None:
    touch(tmp_path, name)
    (refusal,) = look(tmp_path)
    assert isinstance(refusal, Refusal)
    assert refusal.rule == "path"
    assert refusal.line().isprintable()
    assert len(refusal.line().splitlines()) == 1


def test_names_that_are_not_utf_8_are_refused(tmp_path: Path) -> None:
    touch(tmp_path, os.fsdecode(b"a\xff.dcm"))
    (refusal,) = look(tmp_path)
    assert isinstance(refusal, Refusal)
    assert refusal.line().isprintable()


def test_a_directory_with_an_unsafe_name_is_not_entered(tmp_path: Path) -> None:
    touch(tmp_path, "a\nb/c.dcm")
    (refusal,) = look(tmp_path)
    assert isinstance(refusal, Refusal)


def test_nesting_has_an_end(tmp_path: Path) -> None:
    deep = "/".join(["d"] * MAX_DEPTH)
    touch(tmp_path, f"{deep}/in.dcm")
    touch(tmp_path, f"{deep}/d/out.dcm")
    assert [one.path for one in look(tmp_path) if isinstance(one, Found)] == [f"{deep}/in.dcm"]
    assert rules(tmp_path) == {f"{deep}/d": "path"}


def test_plain_text_stays_as_it_is() -> None:
    assert one_line("training/xray/P 1/ä.dcm") == "training/xray/P 1/ä.dcm"
