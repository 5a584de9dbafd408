"""Perceptual hashes against imagehash, likeness to a radiograph on figures and on images, panels of figures."""

from __future__ import annotations

import io
from collections.abc import Callable

import imagehash
import numpy as np
import pydicom
import pytest
from PIL import Image, ImageDraw, ImageOps
from pydicom.data import get_testdata_file

from tests.assets.airlock.pictures import FIGURES, as_jpeg, in_figure, radiograph, section
from tre.airlock.checks.lookalike import observe
from tre.airlock.formats.raster import Seen, picture_of
from tre.airlock.images.hashes import BITS, distance, hash_of, variants
from tre.airlock.images.panels import MOST_PANELS, panels_in
from tre.airlock.images.tone import looks_like_radiograph, tone_of
from tre.airlock.parsed import MAX_OBSERVATIONS, ParsedFile, Picture, Rules, Surroundings

LEVELS = Rules().image_grey_levels

TURNS: dict[str, Callable[[Image.Image], Image.Image]] = {
    "as it is": lambda image: image,
    "mirrored": ImageOps.mirror,
    "upside down": ImageOps.flip,
    "a quarter": lambda image: image.transpose(Image.Transpose.ROTATE_90),
    "half": lambda image: image.transpose(Image.Transpose.ROTATE_180),
    "three quarters": lambda image: image.transpose(Image.Transpose.ROTATE_270),
    "along its diagonal": lambda image: image.transpose(Image.Transpose.TRANSPOSE),
    "along the other": lambda image: image.transpose(Image.Transpose.TRANSVERSE),
}


def reference(image: Image.Image) -> int:
    return int(str(imagehash.phash(image, hash_size=16)), 16)


def of_dicom(name: str) -> Image.Image:
    levels = pydicom.dcmread(get_testdata_file(name)).pixel_array.astype(np.float64)
    low, high = np.percentile(levels, [1, 99])
    return Image.fromarray((255 * np.clip((levels - low) / (high - low), 0, 1)).astype(np.uint8))


IMAGES = {
    "chest": lambda: radiograph(0),
    "another chest": lambda: radiograph(1, 512),
    "section": section,
    "CT of pydicom": lambda: of_dicom("CT_small.dcm"),
    "MR of pydicom": lambda: of_dicom("MR_small.dcm"),
    "knee of pydicom": lambda: of_dicom("examples_overlay.dcm"),
}


def known(image: Image.Image) -> int:
    found = hash_of(picture_of(image))
    assert found is not None
    return found


@pytest.mark.parametrize("name", IMAGES)
def test_the_hash_is_that_of_imagehash(name: str) -> None:
    image = IMAGES[name]()
    assert max(image.size) <= 512, "the reference would see another picture than the copy"
    assert known(image) == reference(image)


@pytest.mark.parametrize("turn", TURNS)
@pytest.mark.parametrize("name", ["chest", "CT of pydicom", "knee of pydicom"])
def test_a_turned_or_inverted_picture_has_one_of_the_variants(name: str, turn: str) -> None:
    image = IMAGES[name]()
    hashes = variants(picture_of(image))
    assert len(hashes) == 16
    assert hashes[0] == known(image)
    for shown in (TURNS[turn](image), ImageOps.invert(TURNS[turn](image))):
        assert min(distance(reference(shown), one) for one in hashes) <= 6


def test_other_pictures_are_far_away() -> None:
    hashes = {name: variants(picture_of(make())) for name, make in IMAGES.items() if name != "another chest"}
    for name, ours in hashes.items():
        for other in hashes.keys() - {name}:
            assert min(distance(hashes[other][0], one) for one in ours) > Rules().image_distance


@pytest.mark.parametrize(
    "change",
    [
        lambda image: image.resize((150, 150)),
        lambda image: Image.open(io.BytesIO(as_jpeg(image, quality=50))),
        lambda image: image.point([int(255 * (level / 255) ** 1.6) for level in range(256)]),
    ],
)
def test_a_copy_stays_near(change: Callable[[Image.Image], Image.Image]) -> None:
    image = of_dicom("CT_small.dcm")
    assert distance(known(change(image)), known(image)) <= Rules().image_distance


def test_a_blank_picture_has_no_hash() -> None:
    blank = picture_of(Image.new("L", (100, 100), 200))
    assert hash_of(blank) is None
    assert variants(blank) == []


def test_distance_counts_bits() -> None:
    assert (distance(0, 0), distance(0b101, 0b010), distance(0, (1 << BITS) - 1)) == (0, 3, 256)


@pytest.mark.parametrize("name", IMAGES)
def test_images_of_bodies_look_like_it(name: str) -> None:
    image = IMAGES[name]()
    assert looks_like_radiograph(picture_of(image), LEVELS)
    assert looks_like_radiograph(picture_of(ImageOps.invert(image)), LEVELS)
    assert looks_like_radiograph(picture_of(Image.open(io.BytesIO(as_jpeg(image, quality=70)))), LEVELS)


@pytest.mark.parametrize("name", [path.name for path in FIGURES.iterdir() if path.suffix in {".png", ".jpg"}])
def test_figures_do_not(name: str) -> None:
    seen = Seen()
    seen.look_at(Image.open(FIGURES / name).convert("RGB"))
    assert not any(looks_like_radiograph(picture, LEVELS) for picture in seen.pictures)


def test_each_share_of_a_picture_decides() -> None:
    """A picture on the right side of each threshold, and one on the wrong side of exactly that."""
    random = np.random.default_rng(1)
    smooth = np.add.outer(np.arange(256), np.arange(256)) // 2
    grain = random.integers(-3, 4, (256, 256))

    def like(levels: np.ndarray, **more: int) -> bool:
        grey = levels.clip(0, 255).astype(np.uint8)
        return looks_like_radiograph(Picture(256, 256, grey.tobytes(), (256, 256), **more), LEVELS)

    assert like(smooth + grain)
    assert not like(smooth // 6 * 6), "flat steps"
    assert not like((smooth + grain) // 5), "too few levels"
    assert not like(np.where(random.random((256, 256)) < 0.3, 255, smooth + grain)), "hard edges everywhere"
    assert not like(smooth, coloured=900), "a smooth map in colours"
    assert like(smooth + grain, coloured=900), "colours over grain"
    tiny = Picture(20, 20, bytes(400), (20, 20))
    assert not looks_like_radiograph(tiny, LEVELS)


def test_the_policy_says_how_many_grey_levels() -> None:
    picture = picture_of(radiograph())
    used = tone_of(picture).levels
    assert looks_like_radiograph(picture, used - 1)
    assert not looks_like_radiograph(picture, used)


def test_findings_are_bounded_and_say_where() -> None:
    file = ParsedFile("png", 1, pictures=[picture_of(radiograph())] * (MAX_OBSERVATIONS + 5))
    found = observe(file, Surroundings())
    assert len(found) == MAX_OBSERVATIONS + 1
    assert {(one.check, one.case) for one in found} == {("P03", "lookalike")}


@pytest.mark.parametrize("frame", [0, 1, 2])
def test_a_panel_is_cut_out_to_the_pixel(frame: int) -> None:
    image = of_dicom("CT_small.dcm").resize((256, 256))
    boxes = panels_in(np.asarray(in_figure(image, frame)))
    assert any(max(abs(a - b) for a, b in zip(box, (100, 60, 356, 316), strict=True)) <= frame for box in boxes)
    whole, *panels = seen_in(in_figure(image, frame))
    near = [min(distance(known(image), one) for one in variants(panel)) for panel in panels]
    assert min(near) <= 20
    assert min(distance(known(image), one) for one in variants(whole)) > Rules().image_distance


def seen_in(image: Image.Image) -> list[Picture]:
    seen = Seen()
    seen.look_at(image)
    return seen.pictures


def test_a_picture_that_is_white_at_its_rim_is_found_by_its_frame() -> None:
    levels = np.asarray(of_dicom("CT_small.dcm").resize((256, 256))).copy()
    levels[:90] = 255
    levels[:, 200:] = 255
    (box, *_) = panels_in(np.asarray(in_figure(Image.fromarray(levels))))
    assert max(abs(a - b) for a, b in zip(box, (100, 60, 356, 316), strict=True)) <= 4


def test_pictures_without_ground_and_empty_figures_have_no_panels() -> None:
    assert panels_in(np.asarray(radiograph())) == []
    assert panels_in(np.full((400, 400), 255, dtype=np.uint8)) == []
    assert panels_in(np.zeros((10, 10), dtype=np.uint8)) == []


def test_at_most_so_many_panels_the_largest_first() -> None:
    figure = Image.new("L", (1400, 1400), 255)
    draw = ImageDraw.Draw(figure)
    for row in range(10):
        for column in range(10):
            draw.rectangle((20 + 138 * column, 20 + 138 * row, 120 + 138 * column + row, 120 + 138 * row), fill=90)
    boxes = panels_in(np.asarray(figure))
    sizes = [(right - left) * (bottom - top) for left, top, right, bottom in boxes]
    assert len(boxes) == MOST_PANELS
    assert sizes == sorted(sizes, reverse=True)
