"""Pictures of nobody: chests from ellipses, in whole numbers.

Guarantees: the same inputs give the same pixels on every platform, because all arithmetic is on
integers (floating-point libraries differ in the last bit); lungs, heart, spine and ribs stand
where one expects them, and opacity grows with severity, so that a classifier has something to
learn.

Does not guarantee: likeness to anybody or to any disease. Nothing is burned in: that these
pictures are made up stands in the header (`Manufacturer`), so that a check for burned-in text
stays silent.

Answers no attacker. No real image went into it, so none can come out of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from tre.demodata.randomness import Stream, random_bytes

Plane = npt.NDArray[np.int32]

FULL = 1024
"""A mask's value where it holds fully: a power of two, so that scaling is a shift."""

HIGHEST = 4095
"""The greatest stored value: 12 bits."""

CT_INTERCEPT = -1024
"""Stored CT values plus this are Hounsfield units."""


@dataclass(frozen=True)
class Ellipse:
    """Centre and half axes, in thousandths of half the picture's side."""

    x: int
    y: int
    a: int
    b: int


@dataclass(frozen=True)
class Anatomy:
    """What one person's chest looks like, and how ill it is (severity 0 to 3)."""

    lungs: tuple[Ellipse, Ellipse]
    heart: Ellipse
    rib_phase: int
    rib_period: int
    opacities: tuple[Ellipse, ...]
    severity: int


def make_anatomy(stream: Stream, severity: int) -> Anatomy:
    """Draw a chest. The more severe, the more and the larger opacities, lower zones first."""
    wide, tall = stream.integer(290, 340), stream.integer(560, 640)
    opacities = tuple(
        Ellipse(
            stream.pick((-1, 1)) * stream.integer(330, 520),
            stream.integer(-150, 480),
            stream.integer(110, 130 + 40 * severity),
            stream.integer(110, 150 + 50 * severity),
        )
        for _ in range(2 * severity)
    )
    return Anatomy(
        lungs=(Ellipse(-430, -20, wide, tall), Ellipse(430, -40, wide - 20, tall)),
        heart=Ellipse(stream.integer(90, 150), 260, stream.integer(270, 340), 330),
        rib_phase=stream.integer(0, 255),
        rib_period=stream.integer(170, 210),
        opacities=opacities,
        severity=severity,
    )


@lru_cache(maxsize=32)
def _axis(size: int) -> npt.NDArray[np.int64]:
    """Positions of the pixels along one side, -1000 to 1000."""
    doubled = 2 * np.arange(size, dtype=np.int64) + 1 - size
    positions: npt.NDArray[np.int64] = doubled * 1000 // size
    positions.setflags(write=False)
    return positions


def mask(size: int, shape: Ellipse, steep: int = 8) -> Plane:
    """0 outside the ellipse, rising to `FULL` inside; the greater `steep`, the harder the edge."""
    axis = _axis(size)
    reach = 8 * FULL
    across = np.minimum(FULL * (axis - shape.x) ** 2 // shape.a**2, reach).astype(np.int32)
    down = np.minimum(FULL * (axis - shape.y) ** 2 // shape.b**2, reach).astype(np.int32)
    depth = (FULL - across)[np.newaxis, :] - down[:, np.newaxis]
    depth *= np.int32(steep)
    result: Plane = np.clip(depth, 0, FULL, out=depth)
    return result


def noise(size: int, strength: int, seed: int, *name: str | int) -> Plane:
    """Grain from `-strength` to `strength`, slightly smeared sideways as in a real detector."""
    raw = np.frombuffer(random_bytes(seed, size * size, *name), dtype=np.uint8).astype(np.int32)
    grain = (raw + np.roll(raw, 1) - 255).reshape(size, size)
    scaled: Plane = grain * np.int32(strength) >> 8
    return scaled


def _ribs(size: int, anatomy: Anatomy) -> npt.NDArray[np.bool_]:
    """Where ribs run: bands that sink towards the sides."""
    axis = _axis(size).astype(np.int32)
    course = axis[:, np.newaxis] - (axis * axis // 2600)[np.newaxis, :]
    period = anatomy.rib_period
    bands: npt.NDArray[np.bool_] = (course + anatomy.rib_phase + 4000) % period < period // 4
    return bands


def _stored(picture: Plane) -> npt.NDArray[np.uint16]:
    """The picture as stored: 12 bits in 16, little end first."""
    stored: npt.NDArray[np.uint16] = np.clip(picture, 0, HIGHEST).astype("<u2")
    return stored


def xray(size: int, anatomy: Anatomy, seed: int, *name: str | int) -> npt.NDArray[np.uint16]:
    """A frontal chest X-ray, bright where dense. `name` names the grain."""
    picture = 260 + (mask(size, Ellipse(0, 120, 960, 1150)) * 2300 >> 10)
    left, right = anatomy.lungs
    lungs = np.maximum(mask(size, left, 5), mask(size, right, 5))
    picture -= lungs * 1500 >> 10
    picture += np.where(_ribs(size, anatomy), lungs >> 2, 0)
    for opacity in anatomy.opacities:
        shade = mask(size, opacity, 2) * (180 + 190 * anatomy.severity) >> 10
        picture += shade * lungs >> 10
    picture += mask(size, anatomy.heart, 4) * 800 >> 10
    picture += mask(size, Ellipse(0, 100, 80, 1400), 3) * 350 >> 10
    return _stored(picture + noise(size, 90, seed, *name))


def ct_slice(size: int, anatomy: Anatomy, height: int, seed: int, *name: str | int) -> npt.NDArray[np.uint16]:
    """An axial CT slice at a height from -1000 (base of the lungs) to 1000 (top)."""
    share = 1000 - abs(height) // 3
    body = mask(size, Ellipse(0, 0, 900, 680), 30)
    picture = 24 + (body * 1040 >> 10)
    picture += (body - mask(size, Ellipse(0, 0, 840, 620), 30)) * 300 >> 10
    lungs = np.maximum(
        mask(size, Ellipse(-410, -20, 330 * share // 1000, 480 * share // 1000), 20),
        mask(size, Ellipse(410, -20, 320 * share // 1000, 480 * share // 1000), 20),
    )
    picture -= lungs * 880 >> 10
    for opacity in anatomy.opacities:
        flat = Ellipse(opacity.x, opacity.y, opacity.a, opacity.b * 2 // 3)
        shade = mask(size, flat, 3) * (160 + 150 * anatomy.severity) >> 10
        picture += shade * lungs >> 10
    picture += mask(size, Ellipse(80, -120, 240 * share // 1000, 220), 10) * 60 >> 10
    picture += mask(size, Ellipse(0, 440, 110, 110), 10) * 420 >> 10
    return _stored(picture + noise(size, 60, seed, *name))


def mr_slice(size: int, anatomy: Anatomy, height: int, seed: int, *name: str | int) -> npt.NDArray[np.uint16]:
    """An axial MR slice: fat bright, air and bone dark. `height` as for CT."""
    return _stored((ct_slice(size, anatomy, height, seed, *name).astype(np.int32) >> 1) + 40)


def mammogram(size: int, anatomy: Anatomy, seed: int, *name: str | int) -> npt.NDArray[np.uint16]:
    """One breast, seen from the side at which the film lies: half an ellipse with denser tissue within."""
    picture = mask(size, Ellipse(-1000, 0, 1300, 850), 6) * 1300 >> 10
    for tissue in (anatomy.heart, *anatomy.opacities):
        inside = Ellipse(-700 + tissue.x // 2, tissue.y // 2, tissue.a, tissue.b)
        picture += mask(size, inside, 2) * 700 >> 10
    return _stored(picture + 60 + noise(size, 70, seed, *name))


def sonogram(size: int, anatomy: Anatomy, seed: int, *name: str | int) -> npt.NDArray[np.uint16]:
    """A fan of speckle below a probe at the top, darker where fluid is."""
    axis = _axis(size).astype(np.int32)
    across, down = axis[np.newaxis, :], axis[:, np.newaxis] + 1000
    fan = (np.abs(across) * 2 < down) & (across * across + down * down < 1900 * 1900)
    picture = 1500 + noise(size, 1400, seed, *name)
    for fluid in anatomy.opacities:
        picture -= mask(size, fluid, 8) * 1100 >> 10
    return _stored(np.where(fan, picture, 0))


_GLYPHS = {
    "0": (7, 5, 5, 5, 7),
    "1": (2, 6, 2, 2, 7),
    "2": (7, 1, 7, 4, 7),
    "3": (7, 1, 7, 1, 7),
    "4": (5, 5, 7, 1, 1),
    "5": (7, 4, 7, 1, 7),
    "6": (7, 4, 7, 5, 7),
    "7": (7, 1, 1, 2, 2),
    "8": (7, 5, 7, 5, 7),
    "9": (7, 5, 7, 1, 7),
}


def burn_in(picture: npt.NDArray[np.uint16], digits: str) -> npt.NDArray[np.uint16]:
    """The picture with a row of digits burned into its top left corner, white on black.

    For the poisoned twins only. Each digit is 3 × 5 cells of 2 × 2 pixels, with a cell between.
    """
    marked = picture.copy()
    for place, digit in enumerate(digits):
        for row, bits in enumerate(_GLYPHS[digit]):
            for column in range(3):
                top, left = 4 + 2 * row, 4 + 8 * place + 2 * column
                lit = bits >> (2 - column) & 1
                marked[top : top + 2, left : left + 2] = HIGHEST if lit else 0
    return marked
