"""Python packages: every trick by name, near-misses that pass, and what a reviewer is told and shown."""

from __future__ import annotations

import ensurepip
from importlib.metadata import distribution
from pathlib import Path

import pytest

from tests.assets.airlock.wheels import (
    FILES,
    HONEST_WHEELS,
    HOSTILE_WHEELS,
    INFO,
    METADATA,
    NAME,
    TOLD_WHEELS,
    WHEEL,
    package,
    parts_of,
    zipped,
)
from tre.airlock.checks import checks_for, run_all
from tre.airlock.formats import wheel
from tre.airlock.formats.wheelwords import normal_project, normal_version, read_name
from tre.airlock.identify import parse, type_of
from tre.airlock.parsed import Bounds, FileRefusedError, Observation, Package, ParsedFile, Surroundings

CHECKS = [check.load() for check in checks_for("wheel", inward=True)]


def look(data: bytes, name: str = NAME) -> tuple[ParsedFile, list[Observation]]:
    assert type_of(name) == "wheel"
    file = parse("wheel", data, Bounds())
    return file, run_all(file, Surroundings(name=name), CHECKS)


@pytest.mark.parametrize("trick", HOSTILE_WHEELS)
def test_a_trick_is_refused_by_its_reason(trick: str) -> None:
    with pytest.raises(FileRefusedError) as refusal:
        look(HOSTILE_WHEELS[trick].make())
    found = refusal.value.observation
    assert (found.check, HOSTILE_WHEELS[trick].says in found.message) == (HOSTILE_WHEELS[trick].check, True), found
    assert len(found.message) <= 500
    assert "document" not in found.message


@pytest.mark.parametrize("kind", HONEST_WHEELS)
def test_an_honest_package_passes_without_a_word(kind: str) -> None:
    file, found = look(HONEST_WHEELS[kind]())
    assert found == []
    assert file.package == Package("demo-tool", "1.0", ("py3-none-any",), pure=True)


@pytest.mark.parametrize("kind", TOLD_WHEELS)
def test_what_runs_unasked_or_cannot_be_read_is_told_and_forbids_nothing(kind: str) -> None:
    words, make = TOLD_WHEELS[kind]
    (found,) = look(make())[1]
    assert (found.check, found.case) == ("F06", "package")
    assert words in found.message


@pytest.mark.parametrize("near", ["demo_tool/demo.pth", "demo_tool/sitecustomize.py", "demo_tool/sockets.py"])
def test_the_same_name_in_a_folder_runs_nothing(near: str) -> None:
    assert look(package({near: b"x = 1\n"}))[1] == []


def test_people_see_every_file_and_the_sources() -> None:
    file, _ = look(package({"demo_tool/picture.bin": b"\0\1\2"}))
    (table,) = file.tables
    assert [row[0] for row in table.rows] == sorted([*FILES, f"{INFO}/RECORD", "demo_tool/picture.bin"])
    assert [(card.kind, card.title) for card in file.cards] == [
        ("table", "Files of the package"),
        ("text", f"{INFO}/METADATA"),
        ("text", f"{INFO}/WHEEL"),
        ("code", "demo_tool/__init__.py"),
    ]
    assert "1 files" in file.lossy
    assert {passage.place.pointer for passage in file.passages} == {f"/{name}" for name in FILES}


def test_a_secret_in_a_source_is_found_at_its_place() -> None:
    key = "AKIA" + "ZQ3DRSTUVWXY2345"
    _, found = look(package({"demo_tool/settings.py": f'x = 1\n\nKEY = "{key}"\n'.encode()}))
    assert [item.check for item in found] == ["P05"]
    assert (found[0].place.pointer, found[0].place.row) == ("/demo_tool/settings.py", 3)
    assert key not in found[0].message


def test_what_there_is_no_room_for_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wheel, "SHOWN_CHARACTERS", 200)
    file, _ = look(package({"demo_tool/long.py": b"x = 1\n" * 100}))
    assert "1 texts beyond the room" in file.lossy
    assert all(card.title != "demo_tool/long.py" for card in file.cards)


def test_more_files_than_rows_are_too_many() -> None:
    with pytest.raises(FileRefusedError, match="5 files are more than the 3") as refusal:
        parse("wheel", package({"demo_tool/a.py": b""}), Bounds(rows=3))
    assert refusal.value.observation.check == "F05"


@pytest.mark.parametrize(
    ("name", "check", "says"),
    [
        ("demo.whl", "F02", "none that a package has"),
        ("other-1.0-py3-none-any.whl", "F02", "another package"),
        ("demo_tool-1.1-py3-none-any.whl", "F02", "another package"),
        ("demo_tool-1.0-cp311-cp311-linux_x86_64.whl", "F06", "something else"),
    ],
)
def test_a_name_that_tells_another_story(name: str, check: str, says: str) -> None:
    (found,) = look(package(), name)[1]
    assert found.check == check
    assert says in found.message
    assert found.case == ("package" if check == "F06" else "")


@pytest.mark.parametrize(
    "name", [NAME, "folder/Demo.Tool-1.0-1build-py3-none-any.whl", "demo_tool-v1.0-py3-none-any.WHL"]
)
def test_a_name_in_another_spelling_is_the_same(name: str) -> None:
    assert look(package(), name)[1] == []


def test_compressed_tags_are_the_tags_inside() -> None:
    inside = WHEEL.replace(b"Tag: py3-none-any\n", b"Tag: py2-none-any\nTag: py3-none-any\n")
    assert look(package(WHEEL=inside), "demo_tool-1.0-py2.py3-none-any.whl")[1] == []


@pytest.mark.parametrize(
    ("one", "other"),
    [("1.0.0-rc1", "1.0.0rc1"), ("1.0+local_2", "1.0+local.2"), ("V2.1", "2.1"), ("1.0.post1", "1.0post1")],
)
def test_versions_in_two_spellings(one: str, other: str) -> None:
    assert normal_version(one) == normal_version(other)
    assert normal_version(one) != normal_version(one + "1")
    assert normal_project("A__b.-c") == "a-b-c"


@pytest.mark.parametrize(
    "name",
    ["", "x.whl", "a-1-py3-none.whl", "a-1-x-py3-none-any.whl", "a-1-1-py3-none-any-z.whl", "a b-1-py3-none-any.whl"],
)
def test_names_that_no_package_has(name: str) -> None:
    assert read_name(name) is None


def test_a_package_that_comes_with_python_passes() -> None:
    bundled = Path(ensurepip.__file__).parent / "_bundled"
    places = [bundled, Path("/usr/share/python-wheels")]
    found = [path for place in places if place.is_dir() for path in place.glob("pip-*.whl")]
    if not found:
        pytest.skip("Python comes without its bundled packages here")
    _, remarks = look(found[0].read_bytes(), found[0].name)
    assert {(item.check, item.case) for item in remarks} <= {("F06", "package"), ("P05", "")}


@pytest.mark.parametrize("project", ["idna", "h11", "attrs"])
def test_a_real_package_built_again_from_what_is_installed_passes(project: str) -> None:
    installed = distribution(project)
    files = {
        path.as_posix(): Path(path.locate()).read_bytes()
        for path in installed.files or []
        if "__pycache__" not in path.parts
        and ".." not in path.parts
        and path.name not in {"RECORD", "INSTALLER", "REQUESTED", "direct_url.json"}
    }
    info = next(name.split("/")[0] for name in files if name.endswith("/METADATA"))
    name = f"{info.removesuffix('.dist-info')}-py3-none-any.whl"
    _, found = look(zipped(parts_of(files, info=info)), name)
    assert {(item.check, item.case) for item in found} <= {("F06", "package")}


def test_text_that_nobody_sees_is_shown_as_such() -> None:
    file, _ = look(package({"demo_tool/a.txt": "a\u200bb\n".encode()}))
    assert next(card.text for card in file.cards if card.title == "demo_tool/a.txt") == "a\ufffdb\n"


def test_metadata_is_read_up_to_its_body() -> None:
    assert look(package(METADATA=METADATA + b"Name: in the body\n"))[1] == []
    with pytest.raises(FileRefusedError, match="is no field"):
        look(package(METADATA=METADATA.replace(b"Summary: Nothing", b"Summary Nothing")))
