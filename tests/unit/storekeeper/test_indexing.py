"""The index of a slice follows the slice: made with it, renewed with it, gone with it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pydicom
import pytest
from pydicom.data import get_testdata_file

from tests.unit.storekeeper.conftest import SLICE, House
from tests.unit.storekeeper.test_slices import build
from tre.airlock.images import hashes
from tre.airlock.sliceindex.body import bundle
from tre.airlock.sliceindex.keeping import IndexStore
from tre.airlock.sliceindex.normal import identifier_form
from tre.airlock.sliceindex.reading import SliceIndex, opened
from tre.domain.errors import Reason, TREError
from tre.storekeeper import indexing
from tre.storekeeper.slices import remove_slice, renew_index

PEOPLE = ("Covid100001", "Covid100002", "Covid100003")


@pytest.fixture
def filled(house: House) -> House:
    """Three people whose pseudonyms speak for themselves."""
    for number, name in enumerate(PEOPLE, start=1):
        house.maker.record(name, Sex=number % 2, Age=40 + number)
        house.maker.image(name, f"1.2.826.0.1.36800431.{number}", f"1.2.826.0.1.36800432.{number}")
    house.add()
    return house


def index_of(house: House) -> SliceIndex:
    (index,) = opened(bundle([IndexStore(house.layout.slice_indexes).require(SLICE)]))
    return index


def known(house: House) -> list[bool]:
    index = index_of(house)
    return [index.identifies(identifier_form(name)) == 2 for name in PEOPLE]


def test_an_index_is_made_with_the_slice(filled: House) -> None:
    build(filled)
    index = index_of(filled)
    assert index.people == 6
    assert known(filled) == [True, True, True]
    assert index.identifies(identifier_form("1.2.826.0.1.36800431.2")) == 2
    assert index.identifies(identifier_form("1.2.826.0.1.36800432.3")) == 2
    assert index.knows_column("sex")
    assert not index.knows_column("age")
    assert index.holders("sex", "female").bit_count() + index.holders("sex", "male").bit_count() == 6


def test_what_stands_without_an_index_gets_one(filled: House) -> None:
    first = build(filled)
    IndexStore(filled.layout.slice_indexes).forget(SLICE)
    assert build(filled) == first
    assert known(filled) == [True, True, True]


def test_building_what_stands_leaves_its_index(filled: House) -> None:
    build(filled)
    before = (filled.layout.slice_indexes / f"{SLICE}.index").read_bytes()
    build(filled)
    assert (filled.layout.slice_indexes / f"{SLICE}.index").read_bytes() == before


@pytest.mark.parametrize("anew", [lambda house: renew_index(house.office, SLICE), build])
def test_who_opts_out_leaves_the_index(filled: House, anew) -> None:  # type: ignore[no-untyped-def]
    build(filled)
    filled.withdraw(PEOPLE[0])
    anew(filled)
    assert known(filled) == [False, True, True]
    assert index_of(filled).people == 5


def test_an_index_goes_with_its_slice(filled: House) -> None:
    build(filled)
    remove_slice(filled.office, SLICE)
    assert list(filled.layout.slice_indexes.iterdir()) == []


def test_a_slice_that_is_not_there_has_no_index_to_renew(filled: House) -> None:
    with pytest.raises(TREError) as caught:
        renew_index(filled.office, "s-zzzzzzzzzzzz")
    assert caught.value.reason is Reason.SliceNotFound


def test_a_slice_whose_index_cannot_be_made_is_not_recorded(filled: House, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> bytes:
        raise TREError(Reason.StorageFull, "No room.")

    monkeypatch.setattr(indexing, "make", fails)
    with pytest.raises(TREError):
        build(filled)
    assert "slice.built" not in filled.kinds()


def test_an_image_is_hashed_once(filled: House, monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[Path] = []

    def hashed(path: Path) -> int:
        looked.append(path)
        return 1 << len(looked)

    monkeypatch.setattr(indexing, "hash_image", hashed)
    build(filled)
    assert len(looked) == 6
    assert len(list(index_of(filled).pictures())) == 6
    renew_index(filled.office, SLICE)
    assert len(looked) == 6
    assert len(list(index_of(filled).pictures())) == 6


def test_the_hash_of_who_opts_out_is_forgotten(filled: House, monkeypatch: pytest.MonkeyPatch) -> None:
    numbers = iter(range(1, 100))
    monkeypatch.setattr(indexing, "hash_image", lambda _path: next(numbers))
    build(filled)
    kept = filled.office.dataset("demo").root / indexing.HASHES
    assert pq.read_table(kept).num_rows == 6
    filled.withdraw(PEOPLE[0])
    renew_index(filled.office, SLICE)
    assert pq.read_table(kept).num_rows == 5
    assert len(list(index_of(filled).pictures())) == 5


def test_images_without_pixels_are_counted(filled: House) -> None:
    build(filled)
    indexed = renew_index(filled.office, SLICE)
    assert (indexed.people, indexed.frames, indexed.left_out) == (6, 0, 6)


def test_of_many_images_the_first_the_middle_and_the_last_are_hashed() -> None:
    import pyarrow as pa

    rows = [("many", "p", bytes([n])) for n in range(20)] + [("few", "p", bytes([100 + n])) for n in range(3)]
    columns = {name: [row[n] for row in rows] for n, name in enumerate(("series_uid", "pseudonym", "sha256"))}
    chosen = [content[0] for _, content in indexing._chosen(pa.table(columns))]
    assert chosen == [0, 10, 19, 100, 101, 102]


def test_a_real_scanner_image_has_a_hash_and_its_png_is_known_by_it(tmp_path: Path) -> None:
    path = Path(str(get_testdata_file("CT_small.dcm")))
    found = indexing.hash_image(path)
    assert found is not None
    pixels = pydicom.dcmread(path).pixel_array.astype(float)
    shown = indexing.picture_of(np.clip(pixels, 200, 2000)[::-1])
    assert min(hashes.distance(found, one) for one in hashes.variants(shown)) <= 60
    broken = tmp_path / "broken.dcm"
    broken.write_bytes(b"no image")
    assert indexing.hash_image(broken) is None
