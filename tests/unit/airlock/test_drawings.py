"""Drawings as pictures: what shows is there, letter by letter; what does not show, or may not leave, is not."""

from __future__ import annotations

import base64
import io
import string

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image, ImageChops, ImageDraw, ImageFont

from tests.assets.airlock.files import png
from tests.assets.airlock.picture_makers import figure
from tests.assets.airlock.transformed import drawing
from tre.airlock.formats import png as png_format
from tre.airlock.parsed import Bounds, FileRefusedError
from tre.airlock.transformations import Outcome, Source, UnfitError
from tre.airlock.transformations.drawings import drawing_as_picture
from tre.airlock.transformations.glyphs import ALIKE, TOGETHER

HEAD = '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
SIZED = f'{HEAD} width="96" height="96" viewBox="0 0 96 96">'


def made(data: bytes, bounds: Bounds | None = None) -> Outcome:
    return drawing_as_picture(Source("a/figure.svg", data, bounds or Bounds()))


def drawn(inside: str) -> Image.Image:
    """The picture of a drawing one inch wide and high: 150 pixels each."""
    return Image.open(io.BytesIO(made(f"{SIZED}{inside}</svg>".encode()).products[0].data))


def small(picture: Image.Image) -> npt.NDArray[np.int64]:
    """Grey levels of a smaller copy, in which the grid that letters are fitted to does not matter."""
    grey = picture.convert("L")
    return np.asarray(grey.resize((96, 96 * grey.height // grey.width), Image.Resampling.BOX), dtype=np.int64)


def ink(picture: Image.Image) -> tuple[float, float, float, float]:
    """Left, top, right and bottom of what is not white, in the drawing's units."""
    box = ImageChops.invert(picture.convert("L")).getbbox()
    assert box is not None, "nothing was drawn"
    left, top, right, bottom = (edge * 96 / 150 for edge in box)
    return left, top, right, bottom


def test_what_shows_is_drawn_and_what_does_not_show_makes_no_difference() -> None:
    outcome = made(drawing())
    assert [product.path for product in outcome.products] == ["a/figure_drawn.png"]
    data = outcome.products[0].data
    assert b"secret" not in data
    assert png_format.parse("png", data, Bounds()).remarks == []
    plain = f"""{HEAD} width="200" height="100"><g fill="none"><path d="M0 90H200" stroke="blue"/></g>
        <text x="100" y="50" text-anchor="middle" font-size="20" fill="#c00">N <tspan fill="green">=</tspan> 42</text>
        </svg>"""
    assert made(plain.encode()).products[0].data == data
    assert made(plain.replace("42", "43").encode()).products[0].data != data, "it does show"
    colours = {colour for _, colour in Image.open(io.BytesIO(data)).getcolors(100_000)}
    assert {(204, 0, 0), (0, 128, 0), (0, 0, 255), (255, 255, 255)} <= colours
    assert outcome.notes == ("313 by 156 pixels.",)


@pytest.mark.parametrize("name", ["bars.svg", "survival.svg", "table.svg"])
def test_figures_of_matplotlib_look_as_matplotlib_drew_them(name: str) -> None:
    picture = Image.open(io.BytesIO(made(figure(name)).products[0].data))
    reference = small(Image.open(io.BytesIO(figure(name.replace("svg", "png")))))
    near = np.abs(small(picture) - reference).mean()
    assert near < 5
    assert np.abs(small(picture.rotate(180)) - reference).mean() > 2 * near, "(another picture)"


def test_every_letter_looks_as_the_font_s_own_renderer_draws_it_and_like_no_other() -> None:
    font = ImageFont.load_default(100)
    letters = string.ascii_letters + string.digits + "!#$%()*+,-./:;=?@[]^_{|}~±°“”"
    theirs = []
    for letter in letters:
        canvas = Image.new("L", (150, 150), 255)
        ImageDraw.Draw(canvas).text((20 * 150 / 96, 70 * 150 / 96), letter, fill=0, font=font, anchor="ls")
        theirs.append(small(canvas))
    for place, letter in enumerate(letters):
        ours = small(drawn(f'<text x="20" y="70" font-size="64">{letter}</text>'))
        assert int(np.abs(np.array(theirs) - ours).sum(axis=(1, 2)).argmin()) == place, letter


def test_signs_that_the_font_lacks_are_put_together() -> None:
    for sign in (*ALIKE, *TOGETHER):
        picture = drawn(f'<text x="20" y="70" font-size="64">a{sign}b</text>')
        assert ink(picture)[2] > ink(drawn('<text x="20" y="70" font-size="64">ab</text>'))[2], sign


def test_letters_stand_where_the_drawing_puts_them() -> None:
    left, _, right, bottom = ink(drawn('<text x="48" y="50" font-size="20">HHH</text>'))
    wide = right - left
    assert left == pytest.approx(49, abs=2)
    assert bottom == pytest.approx(50, abs=1)
    middle = ink(drawn('<g text-anchor="middle"><text x="48" y="50" font-size="20"> HHH </text></g>'))
    assert (middle[0] + middle[2]) / 2 == pytest.approx(48, abs=1)
    end = ink(drawn('<text x="48" y="50" style="text-anchor:end;font:20px sans">HHH</text>'))
    assert end[2] == pytest.approx(47, abs=2)
    stretched = ink(drawn('<text y="50" font-size="20" textLength="90" lengthAdjust="spacingAndGlyphs">HHH</text>'))
    assert stretched[2] - stretched[0] == pytest.approx(wide * 90 / (wide + 3), rel=0.2)
    high = ink(drawn('<text y="50" font-size="20" dominant-baseline="hanging">HHH</text>'))
    assert high[1] == pytest.approx(50, abs=2)
    two = ink(drawn('<text><tspan x="9" y="20">H</tspan><tspan x="9" dy="2em">H</tspan></text>'))
    assert two[3] == pytest.approx(20 + 32, abs=1)
    apart = ink(drawn('<text x="0 80" y="50" font-size="10">HH</text>'))
    assert (apart[0], apart[2]) == pytest.approx((1, 87), abs=2)
    raised = ink(drawn('<text y="50" font-size="50%"><tspan baseline-shift="super">H</tspan></text>'))
    assert raised[3] < 49


def test_white_space_is_one_space_or_kept() -> None:
    once, often = ('<text y="50">a b</text>', '<text y="50"> a\n   b </text>')
    assert drawn(once).tobytes() == drawn(often).tobytes()
    assert drawn(f'<g xml:space="preserve">{often}</g>').tobytes() != drawn(once).tobytes()


@pytest.mark.parametrize(
    ("inside", "says"),
    [
        ("<text>\N{GREEK SMALL LETTER BETA}</text>", "No font is here"),
        ('<path id="p" d="M0 0H9"/><text><textPath xlink:href="#p">a</textPath></text>', "follow a line"),
        ('<text rotate="30">a</text>', "turned"),
        ('<text style="writing-mode: tb">a</text>', "downwards"),
        ('<text x="50%">a</text>', "per cent"),
        ("<style>.a { font-size: 3px }</style><text>a</text>", "style sheet"),
        ("<style>text { fill: red }</style><text>a</text>", "style sheet"),
        ('<clipPath id="c"><text>a</text></clipPath>', "cut out"),
    ],
)
def test_words_that_cannot_be_drawn_are_a_reason_to_draw_nothing(inside: str, says: str) -> None:
    with pytest.raises(UnfitError, match=says):
        drawn(inside)


@pytest.mark.parametrize(
    "inside",
    [
        '<text y="50" rotate="0">a</text>',
        '<text y="50" style="writing-mode: lr-tb">a</text>',
        '<style>path { fill: red } text { white-space: pre }</style><text y="50">a</text>',
        '<style>.a { font-size: 3px }</style><path d="M0 0H9V9"/>',
        '<text y="50">a<title>\N{GREEK SMALL LETTER BETA}</title></text>',
    ],
)
def test_words_near_to_those_are_drawn(inside: str) -> None:
    assert ink(drawn(inside))


@pytest.mark.parametrize(
    ("inside", "named"),
    [
        ("<foreignObject><p>x</p></foreignObject>", "foreignObject"),
        ('<image width="9" height="9" xlink:href="file:///etc/passwd"/>', "picture from elsewhere"),
        ('<use xlink:href="https://x.example/a.svg#b"/>', "stands elsewhere"),
        ('<path stroke="url(https://x.example/a#b)"/>', "style that loads"),
        ("<style>@import url(https://x.example/a.css)</style>", "style sheet that loads"),
    ],
)
def test_what_may_not_leave_is_left_out_and_named(inside: str, named: str) -> None:
    outcome = made(f"{SIZED}{inside}</svg>".encode())
    assert named in outcome.notes[1]
    assert outcome.products[0].data == made(f"{SIZED}</svg>".encode()).products[0].data


def test_a_picture_inside_is_drawn_if_its_strict_parser_takes_it() -> None:
    inside = '<image width="96" height="96" xlink:href="data:image/png;base64,{}"/>'
    assert ink(drawn(inside.format(base64.b64encode(png()).decode())))
    for content in ("!", base64.b64encode(b"\x89PNG nothing").decode()):
        with pytest.raises(FileRefusedError):
            drawn(inside.format(content))


@pytest.mark.parametrize(
    ("said", "size"),
    [
        ('width="1in" height="36pt"', (150, 75)),
        ('viewBox="0 0 96 48"', (150, 75)),
        ('width="96" viewBox="0 0 10 5"', (150, 75)),
        ('width="100%" height="100%" viewBox="0 0 96 48"', (150, 75)),
    ],
)
def test_a_drawing_is_as_large_as_it_says(said: str, size: tuple[int, int]) -> None:
    assert Image.open(io.BytesIO(made(f"{HEAD} {said}/>".encode()).products[0].data)).size == size


def test_a_drawing_too_large_is_drawn_smaller_and_one_without_a_size_not_at_all() -> None:
    large = made(f'{HEAD} width="3000" height="1000"/>'.encode(), Bounds(image_pixels=30_000))
    wide, high = Image.open(io.BytesIO(large.products[0].data)).size
    assert wide * high <= 30_000
    assert wide > 290
    for said in ("", 'width="0" height="5"', 'width="9"', 'width="900000" height="0.1"', 'width="1e9" height="1"'):
        with pytest.raises(UnfitError):
            made(f"{HEAD} {said}/>".encode())


@pytest.mark.parametrize(
    "data",
    [
        b"no drawing",
        b"<html/>",
        b'<!DOCTYPE svg [<!ENTITY a "b">]><svg xmlns="http://www.w3.org/2000/svg"/>',
        f"{SIZED}<text>{'a' * 50_001}</text></svg>".encode(),
    ],
)
def test_what_is_no_drawing_or_too_much_is_refused(data: bytes) -> None:
    with pytest.raises(FileRefusedError):
        made(data)
