"""PNG: what is decoded behind the strict walk, whose own tests stand in `test_formats`."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from tests.assets.airlock.files import chunk, png
from tests.assets.airlock.pictures import as_png, in_figure, radiograph
from tests.unit.airlock.pictured import honest, hostile, is_told, look, refusal, telling
from tre.airlock.formats import raster
from tre.airlock.identify import parse
from tre.airlock.parsed import PICTURE_SIDE, Bounds


@pytest.mark.parametrize("name", hostile("png"))
def test_hostile_file_is_refused_with_its_own_reason(name: str) -> None:
    item = hostile("png")[name]
    assert item.says in refusal(name, item)


@pytest.mark.parametrize("name", telling("png"))
def test_what_a_file_shows_is_told(name: str) -> None:
    assert is_told(name, telling("png")[name])


@pytest.mark.parametrize("name", honest("png"))
def test_honest_file_gives_no_finding(name: str) -> None:
    assert look("png", honest("png")[name]()) == []


def test_people_are_shown_pixels_that_were_encoded_anew() -> None:
    data = png(before=chunk(b"tEXt", b"Author\0alice"))
    (card,) = parse("png", data, Bounds()).cards
    assert card.kind == "picture"
    assert b"alice" not in card.data
    with Image.open(io.BytesIO(card.data)) as shown, Image.open(io.BytesIO(data)) as original:
        assert shown.info == {}
        assert shown.convert("RGB").tobytes() == original.convert("RGB").tobytes()


def test_the_grey_copy_is_small_and_knows_the_full_size() -> None:
    parsed = parse("png", as_png(Image.new("RGB", (2000, 1000), "red")), Bounds())
    (picture,) = parsed.pictures
    assert (picture.width, picture.height, picture.full) == (PICTURE_SIDE, PICTURE_SIDE // 2, (2000, 1000))
    assert len(picture.grey) == picture.width * picture.height
    assert picture.coloured == 1000


def test_a_picture_larger_than_a_card_is_shown_smaller_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    data = as_png(Image.new("L", (100, 80)))
    assert parse("png", data, Bounds()).lossy == ""
    monkeypatch.setattr(raster, "CARD_PIXELS", 2000)
    parsed = parse("png", data, Bounds())
    assert "shown smaller" in parsed.lossy
    with Image.open(io.BytesIO(parsed.cards[0].data)) as shown:
        assert shown.width * shown.height <= 2000


def test_what_transparency_covers_is_shown_beside_the_picture() -> None:
    covered = radiograph().convert("RGBA")
    covered.putalpha(0)
    parsed = parse("png", as_png(covered), Bounds())
    assert [card.title for card in parsed.cards] == ["", "under the transparent pixels"]
    opaque = radiograph().convert("RGBA")
    assert len(parse("png", as_png(opaque), Bounds()).cards) == 1


def test_soft_edges_are_no_hidden_picture() -> None:
    levels = np.zeros((60, 60, 4), dtype=np.uint8)
    levels[..., :3] = 255
    levels[10:50, 10:50, :3] = (200, 30, 30)
    levels[10:50, 10:50, 3] = 255
    levels[9, 10:50] = (200, 30, 30, 90)
    assert look("png", as_png(Image.fromarray(levels))) == []


def test_a_panel_is_cut_out_of_its_figure() -> None:
    parsed = parse("png", as_png(in_figure(radiograph(1))), Bounds())
    assert max(one.full[1] for one in parsed.pictures[1:]) == 256
