"""`tre_data` as researchers use it: every example of its page, and what the page does not show."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.docs.documents import DOCS, Cell, deeds
from tests.unit.notebook.conftest import Notebook, make_slice


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_slice(tmp_path_factory.mktemp("slice"))


@pytest.fixture
def here(notebook: Notebook, data: Path) -> Iterator[Notebook]:
    """The notebook with `/data` at the slice; what an example takes away is put back."""
    notebook.run(f"import tre_data, os, pathlib; tre_data.ROOT = pathlib.Path({str(data)!r})")
    notebook.run("moved = []")
    notebook.run("def gone(path):\n    os.rename(path, path + '.gone'); moved.append(path)")
    yield notebook
    notebook.run("for path in moved: os.rename(path + '.gone', path)")


def fits(expected: tuple[str, ...], printed: str) -> bool:
    """Whether what is printed is what the page shows; … stands for anything."""
    pattern = "\n".join(re.escape(line).replace("…", ".*") for line in expected)
    return re.fullmatch(pattern, printed.strip()) is not None


def test_the_page_shows_what_happens(here: Notebook) -> None:
    cells = [deed for deed in deeds((DOCS / "notebook.md").read_text(encoding="utf-8")) if isinstance(deed, Cell)]
    assert len(cells) >= 9
    for cell in cells:
        printed = here.run(cell.source)
        assert fits(cell.expected, printed), f"line {cell.line}: {printed}"


def test_a_page_that_shows_something_else_is_found() -> None:
    assert fits(("a … c", "d"), "a b c\nd\n")
    assert not fits(("a",), "b")


def test_the_only_folder_need_not_be_named(here: Notebook) -> None:
    assert here.run("print(len(tre_data.images()) == len(tre_data.images('chest-xray')))") == "True\n"
    assert "There is no data folder 'chest'. Did you mean 'chest-xray'?" in here.run("tre_data.images('chest')")
    assert "There is no data in" in here.run("tre_data.images(root='/nonexistent')")


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ("modality='ct'", "row.modality == 'CT'"),
        ("slice_thickness_mm=(None, 2.5)", "row.slice_thickness_mm <= 2.5"),
        ("study_date=('2020-05-01', '2020-12-31')", "'2020-05-01' <= str(row.study_date)[:10] <= '2020-12-31'"),
        ("sex='female', modality=['CR', 'DX']", "row.sex == 'female' and row.modality in ('CR', 'DX')"),
        ("age=(60, None)", "row.age >= 60"),
        ("age=range(40, 70)", "40 <= row.age < 70"),
        ("study_date=everything.study_date[0]", "row.study_date == everything.study_date[0]"),
        ("study_date=str(everything.study_date[0])[:10]", "row.study_date == everything.study_date[0]"),
        ("study_date=everything.study_date[0].date()", "row.study_date == everything.study_date[0]"),
        ("pseudonym=everything.pseudonym[0].lower()", "row.pseudonym == everything.pseudonym[0]"),
        ("sha256=everything.sha256[3]", "row.sha256 == everything.sha256[3]"),
    ],
)
def test_conditions_take_exactly_what_meets_them(here: Notebook, condition: str, holds: str) -> None:
    here.run("everything = tre_data.images()")
    here.run(f"found = tre_data.images({condition})")
    here.run(f"meant = [row.path for row in everything.itertuples() if {holds}]")
    assert here.run("print(list(found.path) == meant, 0 < len(meant) < len(everything))") == "True True\n"


@pytest.mark.parametrize("condition", ["age=(1, 2, 3)", "age=('x', None)", "study_date=('soon', None)"])
def test_a_range_that_is_none_is_named(here: Notebook, condition: str) -> None:
    printed = here.run(f"tre_data.images({condition})")
    assert printed.startswith("DataError: " + condition.partition("=")[0])


def test_bright_is_high_however_it_is_stored(here: Notebook, tmp_path: Path) -> None:
    here.run(f"""
import numpy, pydicom
header = pydicom.dcmread(tre_data.images(modality='CR').path[0])
size = header.Rows
flipped = pydicom.dcmread(tre_data.images(modality='CR').path[0])
kinds = ['MONOCHROME1', 'MONOCHROME2']
flipped.PhotometricInterpretation = kinds[header.PhotometricInterpretation == kinds[0]]
flipped.PixelData = (4095 - numpy.frombuffer(header.PixelData, '<u2')).astype('<u2').tobytes()
flipped.save_as({str(tmp_path / "flipped.dcm")!r})
""")
    here.run(f"one = tre_data.load(header.filename)[0]; other = tre_data.load({str(tmp_path / 'flipped.dcm')!r})[0]")
    assert here.run("print((one == other).all(), one.max() > one.min())") == "True True\n"


def test_computed_tomography_is_in_hounsfield_units(here: Notebook) -> None:
    here.run("ct = tre_data.images(modality='CT'); units, _ = tre_data.load(ct.iloc[0])")
    here.run("stored, _ = tre_data.load(ct.path[0], raw=True)")
    assert here.run("print((stored.astype(float) - 1024 == units).all(), stored.dtype)") == "True uint16\n"


def test_a_volume_is_in_the_order_of_space_not_of_rows(here: Notebook) -> None:
    here.run("ct = tre_data.images(modality='CT'); one = ct[ct.series_uid == ct.series_uid[0]]")
    assert here.run("print((tre_data.volume(one)[0] == tre_data.volume(one.iloc[::-1])[0]).all())") == "True\n"
    here.run("gone(one.path.iloc[1])")
    printed = here.run("array, spacing = tre_data.volume(one); print(len(array) == len(one) - 1)")
    assert "1 of the images of this series left out" in printed
    assert printed.endswith("True\n")
    assert "these rows are of" in here.run("tre_data.volume(ct)")


def test_a_whole_epoch_is_survived_while_images_vanish(here: Notebook) -> None:
    printed = here.run("""
rows = tre_data.images(modality=['CR', 'DX'])
dataset = tre_data.ImageDataset(rows, target=lambda row: row['path'])
seen = []
for number in range(len(dataset)):
    if number % 5 == 0:
        gone(rows.path[number])
    seen.append(dataset[number][1])
print(len(seen) == len(rows), dataset.gone, any(path in moved for path in seen))
""")
    assert printed.count("UserWarning") == 1
    lines = printed.splitlines()
    count = here.run("print(len(moved))").strip()
    assert lines[-1] == f"True {count} False"


def test_when_everything_is_gone_it_says_so(here: Notebook) -> None:
    here.run("few = tre_data.images(modality='CT').head(3); dataset = tre_data.ImageDataset(few)")
    here.run("for path in few.path: gone(path)")
    assert "ImageGoneError: None of the 3 images is here any more" in here.run("dataset[0]")
    assert here.run("print(dataset.refresh(), len(dataset))") == "3 0\n"


def test_a_volume_over_the_network_says_gone_in_its_own_way(here: Notebook) -> None:
    """A file that was removed on the server of a network file system is stale, not absent."""
    here.run("import errno; real, few = tre_data.pydicom.dcmread, tre_data.images(modality='CT').head(3)")
    here.run("def stale(path, number=errno.ESTALE): raise OSError(number, 'no')")
    here.run("tre_data.pydicom.dcmread = stale")
    assert "ImageGoneError" in here.run("tre_data.load(few.iloc[0])")
    here.run("tre_data.pydicom.dcmread = lambda path: stale(path, errno.EIO)")
    assert here.run("tre_data.load(few.iloc[0])").startswith("DataError")
    here.run("tre_data.pydicom.dcmread = real")


def test_a_plain_loop_ends(here: Notebook) -> None:
    here.run("few = tre_data.ImageDataset(tre_data.images(modality='CT').head(3))")
    assert here.run("print(len([picture for picture in few]), few[-1].shape == few[2].shape)") == "3 True\n"
    assert "IndexError" in here.run("few[3]")


@pytest.mark.parametrize("data", [b"", b"not an image", b"\0" * 128 + b"DICM" + b"\xff" * 40])
def test_what_is_no_image_is_named_and_not_called_gone(here: Notebook, tmp_path: Path, data: bytes) -> None:
    (tmp_path / "x.dcm").write_bytes(data)
    printed = here.run(f"tre_data.load({str(tmp_path / 'x.dcm')!r})")
    assert "DataError: " in printed
    assert "x.dcm" in printed
    assert "DataError: An image is a row of images()" in here.run("tre_data.load(7)")


def test_a_folder_whose_table_is_broken_or_away(here: Notebook, tmp_path: Path) -> None:
    folder = tmp_path / "data" / "x"
    folder.mkdir(parents=True)
    (folder / "manifest.parquet").write_bytes(b"PAR1")
    assert "manifest.parquet cannot be read" in here.run(f"tre_data.images('x', root={str(tmp_path / 'data')!r})")
    pq.write_table(pa.table({"path": ["data/a.dcm"], "modality": ["CT"]}), folder / "manifest.parquet")
    assert here.run(f"print(len(tre_data.images('x', root={str(tmp_path / 'data')!r}, modality='CT')))") == "1\n"
    assert "has no clinical table" in here.run(f"tre_data.clinical('x', root={str(tmp_path / 'data')!r})")
