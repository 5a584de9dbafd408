"""What bytes really are: the table of signatures, names that say it, and files that are two things at once."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import pickle
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.assets.airlock.files import HONEST, archive, chunk, png
from tests.assets.airlock.workbooks import packed, two_sheets
from tests.unit.airlock.looking import said_of, stops
from tre.airlock.examination import Candidate, check_file
from tre.airlock.formats.endings import named
from tre.airlock.formats.magics import MAGICS
from tre.airlock.formats.signatures import content_of, contradiction, second_documents
from tre.airlock.identify import type_of
from tre.airlock.policy import load_policy, shipped_directory
from tre.airlock.vault import hash_descriptor


def _zip(**names: bytes) -> bytes:
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w") as target:
        for name, data in names.items():
            target.writestr(name.replace("__", "/").replace("_", "."), data)
    return memory.getvalue()


def _tar() -> bytes:
    memory = io.BytesIO()
    with tarfile.open(fileobj=memory, mode="w") as target:
        target.addfile(tarfile.TarInfo("patients.csv"), io.BytesIO())
    return memory.getvalue()


def _nifti() -> bytes:
    return struct.pack("<I", 348) + bytes(340) + b"n+1\0"


def _program() -> bytes:
    return b"MZ" + bytes(58) + struct.pack("<I", 64) + b"PE\0\0"


CONTENTS: dict[str, tuple[str, str, Callable[[], bytes]]] = {
    "a DICOM image": ("F02", "DICOM", lambda: bytes(128) + b"DICM"),
    "DICOM with a TIFF preamble": ("F02", "DICOM", lambda: b"II*\0" + bytes(124) + b"DICM"),
    "NIfTI": ("F02", "NIfTI", _nifti),
    "NIfTI in gzip": ("F02", "NIfTI", lambda: gzip.compress(_nifti())),
    "Parquet": ("F02", "Parquet", lambda: b"PAR1" + bytes(20) + b"PAR1"),
    "Arrow": ("F02", "Arrow", lambda: b"ARROW1\0\0"),
    "SPSS": ("F02", "SPSS", lambda: b"$FL2@(#) SPSS DATA FILE"),
    "Stata": ("F02", "Stata", lambda: b"<stata_dta><header>"),
    "old Stata": ("F02", "Stata", lambda: b"\x72\x02\x01\0" + bytes(20)),
    "SAS": (
        "F02",
        "SAS",
        lambda: bytes(12) + b"\xc2\xea\x81\x60\xb3\x14\x11\xcf\xbd\x92\x08\0\x09\xc7\x31\x8c\x18\x1f\x10\x11",
    ),
    "SQLite": ("F02", "SQLite", lambda: b"SQLite format 3\0"),
    "NumPy": ("F02", "NumPy", lambda: b"\x93NUMPY\x01\0"),
    "npz": ("F02", "NumPy", lambda: _zip(a_npy=b"")),
    "HDF5": ("M01", "HDF5", lambda: b"\x89HDF\r\n\x1a\n"),
    "R workspace": ("M01", "R workspace", lambda: gzip.compress(b"RDX3\nX\n")),
    "R object in bzip2": ("M01", "R object", lambda: bz2.compress(b"X\n\0\0\0\3")),
    "R object in xz": ("M01", "R object", lambda: lzma.compress(b"X\n\0\0\0\3")),
    **{
        f"pickle, protocol {number}": ("M01", "pickle", lambda number=number: pickle.dumps({"a": [1]}, number))  # type: ignore[misc]
        for number in range(6)
    },
    "compressed pickle": ("M01", "pickle", lambda: zlib.compress(pickle.dumps([1]))),
    "PyTorch": ("M01", "PyTorch", lambda: _zip(model__data_pkl=b"")),
    "Keras": ("M01", "Keras", lambda: _zip(model_weights_h5=b"")),
    "safetensors": ("M01", "safetensors", lambda: struct.pack("<Q", 2) + b"{}"),
    "zip": ("F04", "zip", archive),
    "gzip": ("F04", "gzip", lambda: gzip.compress(b"id,age\n")),
    "tar": ("F04", "tar", _tar),
    "tar in gzip": ("F04", "tar", lambda: gzip.compress(_tar())),
    "7z": ("F04", "7z", lambda: b"7z\xbc\xaf\x27\x1c\0"),
    "RAR": ("F04", "RAR", lambda: b"Rar!\x1a\x07\0"),
    "Zstandard": ("F04", "Zstandard", lambda: b"\x28\xb5\x2f\xfd\0"),
    "PGP": ("F04", "encrypted", lambda: b"-----BEGIN PGP MESSAGE-----\n"),
    "Windows": ("F06", "program", _program),
    "Linux": ("F06", "program", lambda: b"\x7fELF\x02"),
    "Java": ("F06", "Java", lambda: b"\xca\xfe\xba\xbe\0\0"),
    "old Office": ("F02", "old Office", lambda: b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"),
    "workbook": ("F02", "Excel", packed),
    "PDF": ("F02", "PDF", lambda: b"%PDF-1.7\n"),
    "JPEG": ("F02", "JPEG", lambda: b"\xff\xd8\xff\xe0"),
    "PNG": ("F02", "PNG", png),
    "page": ("F02", "HTML", lambda: b"<!DOCTYPE html><p>"),
    "text": ("F02", "plain text", lambda: b"a,b\n"),
    "nothing": ("F02", "empty", lambda: b""),
    "noise": ("F02", "not known", lambda: b"\xfa\xfb\xfc\xfd"),
}


@pytest.mark.parametrize("name", CONTENTS)
def test_what_the_bytes_are_is_said(name: str) -> None:
    check, says, make = CONTENTS[name]
    assert stops("file.unknown-ending", make(), check, says)
    assert all(item.suggestion for item in said_of("file.unknown-ending", make()))


@pytest.mark.parametrize("name", [name for name in CONTENTS if name not in {"text", "page", "nothing"}])
def test_a_harmless_name_changes_nothing(name: str) -> None:
    _, says, make = CONTENTS[name]
    (refusal,) = said_of("a.csv", make())
    assert refusal.check in {"F02", "F03"}
    assert says in refusal.message or says == "not known" or refusal.check == "F03"


@pytest.mark.parametrize("name", HONEST)
def test_an_honest_file_is_not_taken_for_another(name: str) -> None:
    assert contradiction(type_of(name), HONEST[name]()) is None


@pytest.mark.parametrize(
    "text",
    [
        "cases\nof\nmany kinds.\n",
        "PK is short for something",
        "GIF files\n",
        "MZ,n\n1,200\n",
        "(lp is a macro).",
        "BZh and LZIP\n",
        "%PD",
    ],
)
def test_words_are_no_signatures(text: str) -> None:
    assert said_of("a.txt", text.encode()) == []


@pytest.mark.parametrize("text", ["GIF89a,b\n1,2\n", "RDX3\nA\n", "(dp0\nS'a'\np1\nI1\ns.", "!<arch>\nx"])
def test_a_text_that_is_also_something_else_is_refused(text: str) -> None:
    assert stops("a.txt", text.encode(), "F02", "also begin as")


def test_a_second_document_in_a_picture_s_text_is_found() -> None:
    data = png(before=chunk(b"tEXt", b"Comment\0" + archive()))
    assert stops("a.png", data, "F03", "begins a zip archive")


def test_chance_hits_in_compressed_pixels_are_none() -> None:
    stored = zlib.compressobj(0)
    raw = b"\0PK\3\4" + b"\0" * 5
    pixels = stored.compress(raw) + stored.flush()
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 4, 2, 8, 0, 0, 0, 0))
    data = png()[:8] + header + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    assert b"PK\3\4" in data
    assert said_of("a.png", data) == []


def test_second_documents_are_found_between_offsets_only() -> None:
    data = b"....PK\x03\x04....\x93NUMPY"
    assert [at for at, _ in second_documents(data, 0, len(data))] == [4, 12]
    assert list(second_documents(data, 5, 12)) == []


@pytest.mark.parametrize("magic", MAGICS, ids=lambda magic: f"{magic.what} {magic.magic[:6]!r}")
def test_each_signature_is_reached(magic: object) -> None:
    entry = next(one for one in MAGICS if one is magic)
    found = content_of(bytes(entry.offset) + entry.magic + b"\xff" * 64)
    assert found is not None
    assert found.group.remedy


@pytest.mark.parametrize(
    ("path", "check", "says"),
    [
        ("model.PKL", "M01", "saved model"),
        ("a/fit.rds", "M01", "saved model"),
        ("net.keras", "M01", "saved model"),
        ("data.sav", "F02", "data set"),
        ("scan.nii.gz", "F02", "medical image"),
        ("all.tar.gz", "F04", "archive"),
        ("book.xlsm", "F06", "macros"),
        ("paper.docx", "F02", "office"),
        ("run.exe", "F06", "program"),
        ("secret.gpg", "F04", "encrypted"),
        ("graph.gph", "F02", "figure"),
        ("book.xlsx", "F02", "office"),
        ("analysis.ipynb", "F02", "notebook"),
        ("report.HTML", "F02", "document"),
    ],
)
def test_a_name_says_what_to_do(path: str, check: str, says: str) -> None:
    said = named(path)
    assert said is not None
    assert (said.check, says in said.message, bool(said.suggestion)) == (check, True, True)


@pytest.mark.parametrize("path", ["a", ".pkl", "pkl", "a.unknown", "folder.zip/a"])
def test_other_names_say_nothing(path: str) -> None:
    assert named(path) is None


def _checked(path: Path, name: str) -> list[tuple[str, str]]:
    @contextmanager
    def opened() -> Iterator[int]:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    with opened() as descriptor:
        sha256 = hash_descriptor(descriptor).sha256
    report = check_file(Candidate(name, sha256, opened), load_policy("default", [shipped_directory()]))
    assert report.verdict == "blocked"
    return [(finding.check, finding.message) for finding in report.findings]


def test_a_refused_type_is_explained_by_a_confined_child(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(pickle.dumps([1]))
    first, second = _checked(tmp_path / "f", "fit.bin")
    assert first == ("F02", "Files of this type do not leave.")
    assert second[0] == "M01"
    assert "pickle" in second[1]
    said = _checked(tmp_path / "f", "fit.zip")
    assert [check for check, _ in said] == ["F02", "F04", "M01"]
    assert [check for check, _ in _checked(tmp_path / "f", "fit.pkl")] == ["F02", "M01"]


def test_a_workbook_that_the_policy_leaves_out_says_what_to_do_and_what_it_hides(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(two_sheets("hidden"))
    said = _checked(tmp_path / "f", "results.xlsx")
    assert [check for check, _ in said] == ["F02", "F02", "F07"]
    assert "office document" in said[1][1]
    assert "hidden sheets" in said[2][1]


def test_a_refused_document_says_what_it_carries() -> None:
    data = packed(
        {"[Content_Types].xml": "", "word/document.xml": "<w:del/>", "word/vbaProject.bin": "", "word/comments.xml": ""}
    )
    said = [(item.check, item.message) for item in said_of("a.docx", data)]
    assert [check for check, _ in said] == ["F02", "F06", "F07", "F07"]
    assert "tracked changes" in said[-1][1]
