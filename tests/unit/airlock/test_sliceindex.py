"""The slice index: normal forms, the form of the file, what it tells without its key, and how it is kept."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.assets.airlock import leaks
from tre.airlock.sliceindex.body import (
    KEY_BYTES,
    MAGIC,
    Hasher,
    IndexInvalidError,
    bundle,
    decode,
    unbundle,
)
from tre.airlock.sliceindex.keeping import IndexStore
from tre.airlock.sliceindex.making import Material, make
from tre.airlock.sliceindex.normal import (
    column_form,
    identifier_form,
    number_form,
    rounded_forms,
    significant,
    strength,
    value_form,
)
from tre.airlock.sliceindex.reading import SliceIndex, opened
from tre.domain.errors import Reason, TREError

ONE, OTHER = "s-aaaaaaaaaaaa", "s-bbbbbbbbbbbb"


@pytest.mark.parametrize("text", ["Covid0012", " covid-12", "COVID_12", "'Covid 0012'", "covid.012", "<covid12>"])
def test_spellings_of_an_identifier_are_one(text: str) -> None:
    assert identifier_form(text) == "covid12"


@pytest.mark.parametrize("text", ["1.2.840.10", "1_2_840_10", "1-2-840-10", "01.02.0840.10"])
def test_spellings_of_a_uid_are_one(text: str) -> None:
    assert identifier_form(text) == "1.2.840.10"


@pytest.mark.parametrize(
    ("form", "believed"),
    [
        ("covid123456", 2),
        ("covid12", 1),
        ("covid19", 0),
        ("covid2021", 0),
        ("patient", 0),
        ("123", 0),
        ("1234567", 1),
        ("1234567890", 2),
        ("1.2.840.10008.5.1", 2),
        ("1.2.3.4", 0),
        ("a1", 0),
        ("", 0),
    ],
)
def test_what_an_identifier_is_worth(form: str, believed: int) -> None:
    assert strength(form) == believed


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("45.20", "45.2"),
        ("+45.2", "45.2"),
        ("1,234", "1234"),
        ("4.52e1", "45.2"),
        ("−3", "-3"),
        ("007", "7"),
        ("2020-04-03", "2020-04-03"),
        ("03/04/2020", "2020-04-03"),
        ("20200403", "2020-04-03"),
        ("12/31/2020", "2020-12-31"),
        ("3.4.20", "2020-04-03"),
        ("2020-04-03T00:00:00", "2020-04-03"),
        (" White ", "white"),
        ('"A B"', "a b"),
        ("NaN", ""),
        ("", ""),
        ("true", ""),
        ("1e999", ""),
        ("+", ""),
        ("40/40/4040", "40/40/4040"),
        ("x" * 300, ""),
        ("-0", "0"),
    ],
)
def test_spellings_of_a_value_are_one(text: str, form: str) -> None:
    assert value_form(text) == form


def test_rounding_of_numbers() -> None:
    assert rounded_forms("45.678") == ["46", "45.7", "45.68"]
    assert rounded_forms("45") == rounded_forms("white") == rounded_forms("1e+20") == []
    assert number_form(float("nan")) == ""


@pytest.mark.parametrize("form", ["123", "1.23", "0.0123", "abc", "2020-04-03"])
def test_significant_values(form: str) -> None:
    assert significant(form)


@pytest.mark.parametrize("form", ["12", "0.012", "-1.2", "ab", "1e+200"])
def test_insignificant_values(form: str) -> None:
    assert not significant(form)


def test_titles_of_columns() -> None:
    assert column_form("Swab_Date ") == column_form("swab date") == "swabdate"


def small() -> Material:
    material = Material(identifiers=["Covid123456", leaks.STUDY], names=["Covid123456"], pictures=[5, 1 << 255])
    material.add("Covid123456", {"age": 61, "ratio": 1.2345, "site": None})
    for number in range(100):
        material.add(f"p{number}", {"age": 61 if number < 70 else 62, "ratio": 100 + number / 7})
    return material


def test_an_index_answers() -> None:
    (index,) = opened(bundle([make(small())]))
    assert index.people == index.records == 101
    assert index.prefixes == (5,)
    assert [index.identifies(form) for form in ("covid123456", leaks.STUDY, "covid123457")] == [2, 2, 0]
    assert len(index.rare("1.2345")) == len(index.rare("1.23")) == 1
    assert index.rare("61") == ()
    assert index.knows_column("age")
    assert not index.knows_column("weight")
    assert (index.holders("age", "61") & index.holders("ratio", "1.2345")).bit_count() == 1
    assert index.holders("age", "61").bit_count() == 71
    assert index.holders("age", "99") == 0
    assert list(index.pictures()) == [5, 1 << 255]


def test_a_value_that_many_share_points_to_nobody() -> None:
    material = Material()
    for number in range(400):
        material.add(f"p{number}", {"x": "often" if number < 60 else "seldom" if number < 65 else number})
    (index,) = opened(bundle([make(material)]))
    assert index.rare("often") == ()
    assert len(index.rare("seldom")) == 5


def test_the_same_material_under_one_key_gives_the_same_bytes() -> None:
    key = bytes(KEY_BYTES)
    assert make(small(), key) == make(small(), key)
    assert make(small()) != make(small())


def test_two_keys_agree_in_nothing() -> None:
    one, other = (decode(make(small(), bytes([number]) * KEY_BYTES)).arrays for number in (1, 2))
    for name in ("identifiers", "values", "pairs", "columns"):
        assert not set(one[name]) & set(other[name])


def test_purposes_are_kept_apart() -> None:
    hashed = Hasher(bytes(KEY_BYTES))
    assert len({hashed(purpose, "x") for purpose in ("identifier", "value", "column", "pair", "order")}) == 5


BROKEN: dict[str, Callable[[bytes], bytes]] = {
    "nothing": lambda raw: b"",
    "another beginning": lambda raw: b"X" + raw[1:],
    "cut off": lambda raw: raw[:-8],
    "longer": lambda raw: raw + bytes(8),
    "a long header": lambda raw: raw[:40] + struct.pack("<I", 1 << 30) + raw[44:],
    "no json": lambda raw: raw[:44] + b"?" + raw[45:],
    "another format": lambda raw: raw.replace(b'"format": 2', b'"format": 1'),
    "negative": lambda raw: raw.replace(b'"people": 101', b'"people": -11'),
    "a text for a count": lambda raw: raw.replace(b'"people": 101', b'"people": "1"'),
    "half a picture": lambda raw: raw.replace(b'"pictures": 64', b'"pictures": 63'),
    "lists that do not fit": lambda raw: raw.replace(b'"pair_starts": 104', b'"pair_starts": 103'),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_not_whole_is_no_index(name: str) -> None:
    raw = make(small(), bytes(KEY_BYTES))
    assert decode(raw).people == 101
    broken = BROKEN[name](raw)
    assert broken != raw
    with pytest.raises(IndexInvalidError):
        decode(broken)


def test_every_cut_is_found() -> None:
    material = Material(identifiers=["Covid123456"])
    material.add("a", {"x": 1})
    raw = make(material)
    for length in range(len(raw)):
        with pytest.raises(IndexInvalidError):
            decode(raw[:length])


@pytest.mark.parametrize("raw", [b"123", struct.pack("<Q", 100) + b"x", struct.pack("<Q", 1 << 63)])
def test_a_bundle_that_is_cut_off(raw: bytes) -> None:
    with pytest.raises(IndexInvalidError):
        unbundle(raw)


def test_an_empty_index_answers_nothing() -> None:
    index = SliceIndex(decode(make(Material())))
    assert (index.people, index.identifies("covid123456"), index.rare("123"), list(index.pictures())) == (0, 0, (), [])


def test_an_index_is_kept_and_found(tmp_path: Path) -> None:
    store = IndexStore(tmp_path / "indexes")
    assert store.find(ONE) is None
    store.keep(ONE, b"body")
    assert store.has(ONE)
    assert store.find(ONE) == store.require(ONE) == b"body"
    assert {oct(path.stat().st_mode & 0o7777) for path in store.root.iterdir()} == {"0o640"}
    assert oct(store.root.stat().st_mode & 0o7777) == "0o2750"


def test_renewing_changes_the_key_and_leaves_no_old_one(tmp_path: Path) -> None:
    store = IndexStore(tmp_path)
    store.keep(ONE, b"one")
    before = {path.name for path in tmp_path.iterdir()}
    store.keep(ONE, b"two")
    after = {path.name for path in tmp_path.iterdir()}
    assert store.find(ONE) == b"two"
    assert len(after) == 2
    assert before & after == {f"{ONE}.index"}


def test_forgetting_leaves_nothing(tmp_path: Path) -> None:
    store = IndexStore(tmp_path)
    store.keep(ONE, b"one")
    store.keep(OTHER, b"two")
    store.forget(ONE)
    store.forget(ONE)
    assert store.find(ONE) is None
    assert store.find(OTHER) == b"two"


def _swapped(root: Path) -> None:
    """Another slice's index in the place of this one, with its key under this one's name."""
    for path in list(root.glob(f"{OTHER}.*")):
        path.replace(root / path.name.replace(OTHER, ONE))


SPOILED: dict[str, Callable[[Path], object]] = {
    "cut off": lambda root: (root / f"{ONE}.index").write_bytes((root / f"{ONE}.index").read_bytes()[:-1]),
    "one bit": lambda root: (root / f"{ONE}.index").write_bytes(_flipped((root / f"{ONE}.index").read_bytes())),
    "empty": lambda root: (root / f"{ONE}.index").write_bytes(b""),
    "key gone": lambda root: next(root.glob(f"{ONE}.*.key")).unlink(),
    "key cut off": lambda root: next(root.glob(f"{ONE}.*.key")).write_bytes(b"short"),
    "another key": lambda root: next(root.glob(f"{ONE}.*.key")).write_bytes(bytes(32)),
    "another slice's": _swapped,
}


def _flipped(data: bytes) -> bytes:
    return data[:-20] + bytes([data[-20] ^ 1]) + data[-19:]


@pytest.mark.parametrize("name", SPOILED)
def test_an_index_that_was_touched_does_not_open(name: str, tmp_path: Path) -> None:
    store = IndexStore(tmp_path)
    store.keep(ONE, b"one" * 20)
    store.keep(OTHER, b"two" * 20)
    assert store.find(ONE) == b"one" * 20
    SPOILED[name](tmp_path)
    with pytest.raises(TREError) as caught:
        store.require(ONE)
    assert caught.value.reason is Reason.ContentChanged


def test_a_link_in_the_place_of_an_index_is_not_followed(tmp_path: Path) -> None:
    store = IndexStore(tmp_path)
    store.keep(OTHER, b"two")
    (tmp_path / f"{ONE}.index").symlink_to(tmp_path / f"{OTHER}.index")
    with pytest.raises(OSError, match="symbolic links"):
        store.find(ONE)


def test_a_missing_index_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(TREError) as caught:
        IndexStore(tmp_path).require(ONE)
    assert caught.value.reason is Reason.SliceNotFound
    assert "Build the slice again" in caught.value.remedy


@pytest.mark.parametrize("name", ["../x", "s-AAAAAAAAAAAA", "", "s-aaaaaaaaaaaa/../x"])
def test_names_lead_nowhere(name: str, tmp_path: Path) -> None:
    with pytest.raises(TREError):
        IndexStore(tmp_path).find(name)


def test_without_its_key_an_index_says_nothing_but_its_length(tmp_path: Path) -> None:
    """No pseudonym, no hash of one, no header: the same material is another file each time."""
    store = IndexStore(tmp_path)
    body = make(small(), bytes(KEY_BYTES))
    sealed = []
    for _ in range(2):
        store.keep(ONE, body)
        sealed.append((tmp_path / f"{ONE}.index").read_bytes())
    hashed = Hasher(bytes(KEY_BYTES))("identifier", "covid123456").to_bytes(8, "little")
    assert hashed in body
    for raw in sealed:
        assert not any(piece in raw for piece in (hashed, MAGIC, b"people"))
    assert sealed[0][50:] != sealed[1][50:]
