"""JPEG: every hostile file by name, honest ones beside them, and bytes changed at random."""

from __future__ import annotations

import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tests.assets.airlock.pictures import as_jpeg, exif, jpeg_with, jpeg_with_surplus, radiograph
from tests.unit.airlock.pictured import changed, honest, hostile, is_told, judged, look, refusal, telling
from tre.airlock.formats.exif import ExifError, read
from tre.airlock.identify import parse
from tre.airlock.parsed import Bounds, FileRefusedError


@pytest.mark.parametrize("name", hostile("jpeg"))
def test_hostile_file_is_refused_with_its_own_reason(name: str) -> None:
    item = hostile("jpeg")[name]
    assert item.says in refusal(name, item)


@pytest.mark.parametrize("name", telling("jpeg"))
def test_what_a_file_carries_is_told(name: str) -> None:
    assert is_told(name, telling("jpeg")[name])


@pytest.mark.parametrize("name", honest("jpeg"))
def test_honest_file_gives_no_finding(name: str) -> None:
    assert look("jpeg", honest("jpeg")[name]()) == []


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"quality": 30}, {"quality": 95, "subsampling": 0}])
@pytest.mark.parametrize("amount", [24, 40])
def test_bytes_that_no_decoder_uses_are_found_in_every_kind_of_scan(options: dict[str, object], amount: int) -> None:
    for image in (radiograph().convert("RGB"), Image.new("RGB", (300, 200), "white")):
        good = as_jpeg(image, **options)
        parse("jpeg", good, Bounds())
        with pytest.raises(FileRefusedError, match="follow the compressed"):
            parse("jpeg", good[:-2] + b"S" * amount + good[-2:], Bounds())


def test_surplus_that_looks_like_stuffing_is_found() -> None:
    with pytest.raises(FileRefusedError, match="follow the compressed"):
        parse("jpeg", jpeg_with_surplus(b"\xff\x00" * 20), Bounds())


def test_people_are_shown_pixels_that_were_encoded_anew() -> None:
    data = jpeg_with(0xFE, b"patient 44")
    (card,) = parse("jpeg", data, Bounds()).cards
    assert card.kind == "picture"
    assert b"patient" not in card.data
    with Image.open(io.BytesIO(card.data)) as shown:
        assert (shown.format, shown.size, shown.info) == ("PNG", (64, 64), {})


def test_words_beside_the_picture_are_given_to_the_checks() -> None:
    parsed = parse("jpeg", jpeg_with(0xFE, b"patient 44"), Bounds())
    assert [(one.text, one.kind) for one in parsed.passages] == [("patient 44", "metadata")]


@pytest.mark.parametrize(
    "block",
    [
        b"",
        b"II*\0",
        exif()[6:40],
        b"II*\0\x08\0\0\0\xff\xff" + b"\0" * 400,
        b"II*\0\x08\0\0\0\1\0" + b"\1\0\2\0\xff\xff\xff\x7f\0\0\0\0" + b"\0" * 20,
    ],
)
def test_broken_exif_is_no_exif(block: bytes) -> None:
    with pytest.raises(ExifError):
        read(block)


def test_exif_is_put_into_words() -> None:
    found = read(exif(position=True, thumbnail=True)[6:])
    assert (found.texts, found.position, found.hidden) == (["alice"], True, "a second, small picture")
    assert read(exif()[6:]).hidden == ""


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 5000), st.binary(min_size=1, max_size=3))
def test_no_change_makes_the_parser_fail_in_another_way(at: int, junk: bytes) -> None:
    data = changed(jpeg_with(0xE1, exif(position=True)), at, junk)
    assert judged("jpeg", data) in {"clean", "F02", "F03", "F05"}
