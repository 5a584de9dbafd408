"""Perceptual hashes of 256 bits: two pictures that look alike differ in few bits.

Guarantees: `hash_of` is the hash that `imagehash.phash(picture, hash_size=16)` computes (a test compares them);
`variants` are those of the picture turned by quarters, mirrored, and inverted, from one transform. Measured on
radiographs: copies, other sizes, JPEG, overlays and other windows stay within 36 bits, other patients are 96 and
more apart; a cut of 5 % moves the hash by about 100, so a picture inside a figure must be cut out exactly
(see `panels`).

Does not guarantee: finding a picture that was cut, tilted or bent on purpose; two people look as well. 64 bits, the
usual size of such hashes, do not tell two patients' radiographs apart and are not offered.

Threat: a mounted image that leaves as part of an output, turned, mirrored or inverted.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image

from tre.airlock.parsed import Picture

BITS = 256
_SIDE = 16
_SAMPLES = 64
_BLANK = 4.0  # standard deviation of the grey levels
_ALL = (1 << BITS) - 1
_AVERAGE = 1 << (BITS - 1)
"""The first bit stands for the picture's mean brightness, which is high in an inverted picture too."""

Plane = npt.NDArray[np.float64]


def _cosines() -> Plane:
    frequency, sample = np.arange(_SIDE)[:, np.newaxis], np.arange(_SAMPLES)[np.newaxis, :]
    waves: Plane = 2 * np.cos(np.pi * frequency * (2 * sample + 1) / (2 * _SAMPLES))
    return waves


_COSINES = _cosines()


def _spectrum(picture: Picture) -> Plane | None:
    """The lowest frequencies of the picture, as of a discrete cosine transform of the second type; none if blank."""
    image = Image.frombytes("L", (picture.width, picture.height), picture.grey)
    if float(np.asarray(image).std()) < _BLANK:
        return None
    small = np.asarray(image.resize((_SAMPLES, _SAMPLES), Image.Resampling.LANCZOS), dtype=np.float64)
    lowest: Plane = _COSINES @ small @ _COSINES.T
    return lowest


def _bits(spectrum: Plane) -> int:
    return int.from_bytes(np.packbits((spectrum > np.median(spectrum)).ravel()).tobytes(), "big")


def hash_of(picture: Picture) -> int | None:
    """The hash of a picture as it stands; `None` for a blank one, whose bits would be chance."""
    spectrum = _spectrum(picture)
    return None if spectrum is None else _bits(spectrum)


def variants(picture: Picture) -> list[int]:
    """Sixteen hashes: eight ways to turn and mirror the picture, first as it stands, then the same inverted.

    A blank picture has none.

    Mirroring changes the sign of every other frequency, turning swaps the two directions: no picture is turned.
    """
    spectrum = _spectrum(picture)
    if spectrum is None:
        return []
    alternating = np.where(np.arange(_SIDE) % 2, -1.0, 1.0)
    plain = np.ones(_SIDE)
    turned = [
        _bits(plane * np.outer(down, across))
        for plane in (spectrum, spectrum.T)
        for down in (plain, alternating)
        for across in (plain, alternating)
    ]
    return turned + [one ^ _ALL ^ _AVERAGE for one in turned]


def distance(one: int, other: int) -> int:
    """In how many of 256 bits two hashes differ."""
    return (one ^ other).bit_count()
