"""What a decoded raster image becomes: a small grey copy for the checks, and a PNG of ours for people to look at.

Guarantees: people are shown pixels that were encoded anew, never a file's own bytes; a picture that is larger than a
card may be is shown smaller, and the parser's `lossy` says so; transparency hides nothing: the colours under it and
the transparency itself are looked at as pictures of their own.

Does not guarantee: finding what is woven into the last bits of honest-looking pixels (steganography).

Threats: a radiograph under full transparency, or as the transparency of a white picture; a decoder that is handed
more pixels than the policy allows (parsers compare the announced size first).
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import numpy.ma
from PIL import Image, PngImagePlugin

from tre.airlock.images.panels import panels_in
from tre.airlock.parsed import PICTURE_SIDE, Card, FileRefusedError, Observation, ParsedFile, Picture, Place

Image.MAX_IMAGE_PIXELS = None  # each parser holds the policy's bound against the announced size, before it decodes
Image.preinit()
PngImagePlugin.PngImageFile  # noqa: B018 - saving looks it up behind the walls

NOWHERE = Place()

CARD_PIXELS = 8_000_000
"""Larger pictures are shown smaller: about a screen four thousand pixels wide."""

_FEW_COLOURS = 8
"""Programs leave one or two colours under transparent pixels; a hidden picture leaves hundreds."""

_SHOWS = 16  # grey levels between the lightest and the darkest place of something that shows a thing
_CLEARLY_APART = 24  # levels between channels: more than lossy compression of grey leaves


@dataclass
class Seen:
    """What decoding gives: pictures, cards, remarks, and what the cards do not show."""

    pictures: list[Picture] = field(default_factory=list)
    cards: list[Card] = field(default_factory=list)
    remarks: list[Observation] = field(default_factory=list)
    lossy: str = ""

    def take(self, image: Image.Image, title: str = "", place: Place = NOWHERE) -> None:
        """Everything that the checks and the people look at of one decoded image."""
        if image.mode.startswith(("I", "F")):
            self.remarks.append(_deep(place))
            image = _eight_bits(image)
        for name, layer in self._layers(image, place):
            self.look_at(layer, place)
            shown, smaller = _card_sized(layer)
            words = " – ".join(filter(None, (title, name)))
            self.cards.append(Card("picture", words, data=png_of(shown), place=place))
            if smaller:
                self.lossy = f"A picture of {layer.width} x {layer.height} pixels is shown smaller than it is."

    def look_at(self, image: Image.Image, place: Place = NOWHERE) -> None:
        """The picture, and those inside it, for the checks alone."""
        self.pictures.append(picture_of(image, place))
        boxes = panels_in(np.asarray(image.convert("L")))
        self.pictures += [picture_of(image.crop(box), place) for box in boxes]

    def into(self, file: ParsedFile) -> ParsedFile:
        """Add all of it to a parsed file."""
        file.pictures += self.pictures
        file.cards += self.cards
        file.remarks += self.remarks
        file.lossy = file.lossy or self.lossy
        return file

    def _layers(self, image: Image.Image, place: Place) -> list[tuple[str, Image.Image]]:
        """The picture as people see it on white, and where transparency could hide something, that as well."""
        if not image.has_transparency_data:
            return [("", image if image.mode in {"L", "RGB"} else image.convert("RGB"))]
        layered = image.convert("RGBA")
        opaque, cover = layered.convert("RGB"), layered.getchannel("A")
        ground = Image.new("RGB", layered.size, "white")
        ground.paste(opaque, mask=cover)
        layers = [("", ground)]
        if _colours_under(opaque, cover) > _FEW_COLOURS:
            self.remarks.append(_covered(place))
            layers.append(("under the transparent pixels", opaque))
        if int(np.ptp(np.asarray(cover))) >= _SHOWS and _is_uniform(opaque, cover):
            layers.append(("the transparency itself", cover))
        return layers


def decoded(image: Callable[[], Image.Image]) -> Image.Image:
    """The decoded image of an already judged file. Raises `FileRefusedError` where Pillow does not agree."""
    try:
        opened = image()
        opened.load()
    except (MemoryError, FileRefusedError):
        raise
    except Exception as error:
        raise FileRefusedError(
            Observation("F02", "The image cannot be decoded.", "Save the figure again with its program.")
        ) from error
    return opened


def _covered(place: Place) -> Observation:
    return Observation(
        "F07", "Colours are hidden under transparent pixels.", "Save it without transparency.", place=place
    )


def _deep(place: Place) -> Observation:
    return Observation(
        "F07",
        "The image has 16 bits a pixel, of which a screen shows eight.",
        "Save it with eight bits a channel.",
        place=place,
    )


def _eight_bits(image: Image.Image) -> Image.Image:
    """Deep grey levels, stretched over what a screen shows."""
    levels = np.asarray(image, dtype=np.float64)
    low, high = float(levels.min()), float(levels.max())
    scale = 255.0 / (high - low) if high > low else 0.0
    return Image.fromarray(((levels - low) * scale).astype(np.uint8))


def _colours_under(opaque: Image.Image, cover: Image.Image) -> int:
    """How many colours stand where next to nothing of them is seen."""
    unseen = np.asarray(cover) < 8
    colours = np.asarray(opaque)[unseen].astype(np.int32)
    packed = (colours[:, 0] << 16) | (colours[:, 1] << 8) | colours[:, 2]
    return int(np.unique(packed).size)


def _is_uniform(opaque: Image.Image, cover: Image.Image) -> bool:
    """Whether the colours alone show nothing: then the transparency is the picture."""
    colours = np.asarray(opaque.convert("L"))[np.asarray(cover) >= 8]
    return colours.size == 0 or int(np.ptp(colours)) < _SHOWS


def picture_of(image: Image.Image, place: Place = NOWHERE) -> Picture:
    """The small grey copy of an image without transparency."""
    grey = image.convert("L")
    scale = min(1.0, PICTURE_SIDE / max(image.size))
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    small = grey if size == grey.size else grey.resize(size, Image.Resampling.BOX)
    return Picture(*size, small.tobytes(), (image.width, image.height), _coloured(image), place)


def _coloured(image: Image.Image) -> int:
    """Thousandths of the pixels whose channels lie clearly apart."""
    if image.mode != "RGB":
        return 0
    channels = np.asarray(image.reduce(max(1, max(image.size) // PICTURE_SIDE)), dtype=np.int16)
    return int(1000 * np.mean(np.ptp(channels, axis=2) > _CLEARLY_APART))


def _card_sized(image: Image.Image) -> tuple[Image.Image, bool]:
    pixels = image.width * image.height
    if pixels <= CARD_PIXELS:
        return image, False
    scale = (CARD_PIXELS / pixels) ** 0.5
    size = (max(1, int(image.width * scale)), max(1, int(image.height * scale)))
    return image.resize(size, Image.Resampling.BOX), True


def png_of(image: Image.Image) -> bytes:
    """The pixels as a PNG without any further part."""
    memory = io.BytesIO()
    bare = Image.frombytes(image.mode, image.size, image.tobytes())
    bare.save(memory, "PNG", compress_level=3)
    return memory.getvalue()
