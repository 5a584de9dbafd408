"""Looking for names and copies in a researcher's files, of all sorts, some of them hostile."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.unit.slices.conftest import dicom
from tre.storekeeper.searching import opening, parent
from tre.storekeeper.searching.parent import Sought, search
from tre.storekeeper.searching.tokens import Searcher, found_in

NAME, UID = "Covid123456", "1.2.826.0.1.3680043.8.498.11111111111111111111111"
NAMES = frozenset({NAME.lower().encode(), UID.encode()})


def text(words: str) -> Callable[[Path], None]:
    return lambda path: path.write_text(words, encoding="utf-8") and None


HOLDING: dict[str, Callable[[Path], object]] = {
    "table.csv": text(f"a,b\n{NAME},1\n"),
    "quoted.csv": text(f'"{NAME.upper()}";1\n'),
    "record.json": text(json.dumps({"patient": NAME})),
    "path.txt": text(f"/data/ct/{NAME}/x.dcm"),
    "ending.txt": text(f"{UID}.dcm"),
    "wide.txt": lambda path: path.write_text(f"x {NAME} y", encoding="utf-16"),
    "image.dcm": lambda path: path.write_bytes(dicom(PatientID="x", SOPInstanceUID=UID)),
    "table.parquet": lambda path: pq.write_table(pa.table({"p": ["z", NAME]}), path, compression="zstd"),
    "table.dict.parquet": lambda path: pq.write_table(pa.table({"p": pa.array([NAME] * 9).dictionary_encode()}), path),
    "texts.npy": lambda path: np.save(path, np.array([NAME, "q", NAME])),
    "bytes.npy": lambda path: np.save(path, np.array([NAME.encode(), b"q"])),
    "many.npz": lambda path: np.savez_compressed(path, a=np.array([NAME, "q"])),
    "packed.gz": lambda path: path.write_bytes(gzip.compress(NAME.encode())),
    "saved.pkl": lambda path: path.write_bytes(pickle.dumps({"uid": UID})),
    f"{NAME}_lungs.png": text("nothing inside"),
}  # fmt: skip

NEAR: dict[str, Callable[[Path], object]] = {
    "longer.csv": text(f"{NAME}7,1{NAME}x\n"),
    "other.json": text(json.dumps({"patient": "Covid123457"})),
    "part.txt": text("Covid 123456 1.2.826.0.1.3680043.8.498"),
    "other.parquet": lambda path: pq.write_table(pa.table({"p": ["Covid123457"]}), path),
    "texts2.npy": lambda path: np.save(path, np.array(["Covid12345", "x6"])),
}


def test_what_names_somebody_is_found_and_what_does_not_is_not(tmp_path: Path) -> None:
    for name, write in (HOLDING | NEAR).items():
        write(tmp_path / name)
    found = search(tmp_path, Sought({NAME, UID}, {}))
    assert set(found.mentions) == set(HOLDING)
    assert (found.exact, found.unsearched) == ([], 0)
    assert found.searched == len(HOLDING | NEAR)


def test_copies_are_told_by_size_and_digest(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "renamed.bin").write_bytes(b"image")
    (tmp_path / "other.bin").write_bytes(b"imagf")
    found = search(tmp_path, Sought({NAME}, {5: frozenset({hashlib.sha256(b"image").hexdigest()})}))
    assert (found.exact, found.mentions) == (["deep/renamed.bin"], [])


def test_a_home_leads_nowhere_else(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "x.csv").write_text(NAME)
    home = tmp_path / "home"
    home.mkdir()
    (home / "link").symlink_to(outside)
    (home / "file").symlink_to(outside / "x.csv")
    os.mkfifo(home / "pipe")
    (home / "broken.parquet").write_bytes(b"PAR1 and nothing")
    (home / "broken.gz").write_bytes(b"\x1f\x8b\x08\x00broken")
    (home / "after.csv").write_text(NAME)
    found = search(home, Sought({NAME}, {}))
    assert found.mentions == ["after.csv"]
    assert found.unsearched == 2
    assert search(tmp_path / "not-there", Sought({NAME}, {})).searched == 0


def test_a_child_that_dies_costs_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a.csv", "b.csv", "c.csv"):
        (tmp_path / name).write_text(NAME)
    real = parent._Child.search

    def dies(self: parent._Child, descriptor: int, size: int) -> dict[str, object]:
        if not calls:
            calls.append(1)
            self.end()
            raise parent._DiedError
        return real(self, descriptor, size)

    calls: list[int] = []
    monkeypatch.setattr(parent._Child, "search", dies)
    found = search(tmp_path, Sought({NAME}, {}))
    assert (len(found.mentions), found.unsearched) == (2, 1)


def test_a_child_that_takes_nothing_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As one that was taken over and sleeps: the one who feeds it must not wait for ever."""
    monkeypatch.setattr(parent, "PATIENCE", 0.3)
    monkeypatch.setattr(parent, "MOST_CHILDREN", 1)
    sleeping = tmp_path / "sleeping.py"
    sleeping.write_text("import os, time\nos.write(1, b'{\"walls\": []}\\n')\ntime.sleep(60)\n")
    monkeypatch.setattr(parent, "ENTRY", sleeping)
    monkeypatch.setattr(parent, "namespace_prefix", tuple)
    home = tmp_path / "home"
    home.mkdir()
    (home / "large.bin").write_bytes(b"x" * (1 << 20))
    (home / "other.bin").write_bytes(b"x")
    found = search(home, Sought({NAME}, {}))
    assert (found.searched, found.unsearched) == (0, 2)


def test_a_deep_and_a_wide_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parent, "_DEEPEST", 3)
    place = tmp_path
    for name in "abcde":
        place = place / name
        place.mkdir()
        (place / "x.csv").write_text(NAME)
    found = search(tmp_path, Sought({NAME}, {}))
    assert (sorted(found.mentions), found.unsearched) == (["a/b/c/x.csv", "a/b/x.csv", "a/x.csv"], 1)
    monkeypatch.setattr(parent, "MOST_FILES", 2)
    assert search(tmp_path, Sought({NAME}, {})).searched == 2


def test_a_container_without_end_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "MOST_BYTES", 1 << 20)
    pieces = opening.opened(gzip.compress(b"\0" * (8 << 20)))
    assert len(next(pieces)) == 1 << 20
    with pytest.raises(ValueError, match="too much"):
        list(pieces)


def test_a_home_in_one_file_is_searched_where_it_holds_anything(tmp_path: Path) -> None:
    """Ten gigabytes that are not there cost nothing."""
    with (tmp_path / "home.ext4").open("wb") as file:
        for place in (4096, 6 << 30):
            file.seek(place)
            file.write(f"x {NAME} {place}".encode())
        file.truncate(10 << 30)
    found = search(tmp_path, Sought({NAME}, {}))
    assert (found.mentions, found.searched, found.unsearched) == (["home.ext4"], 1, 1)
    with (tmp_path / "home.ext4").open("wb") as file:
        file.truncate(10 << 30)
    assert search(tmp_path, Sought({NAME}, {})).mentions == []


def test_names_across_pieces() -> None:
    data = f"x {NAME} y".encode()
    for place in range(len(data)):
        searcher = Searcher(NAMES)
        searcher.take(data[:place])
        searcher.take(data[place:])
        assert searcher.found == {NAME.lower().encode()}
    assert found_in(b"", NAMES) == set()


def test_the_walls_stand(tmp_path: Path) -> None:
    child = parent._Child({NAME})
    assert {"no-new-privileges", "identity", "limits", "system-calls"} <= set(child.walls)
    child.end()
