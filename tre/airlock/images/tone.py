"""Whether a picture has the continuous tone of a radiograph, rather than the flat areas and hard lines of a figure.

Guarantees: judged by four shares of a picture's pixels, each measured on figures that matplotlib draws (lines, bars,
heat maps, scatter, survival curves, tables) and on radiographs, sections and photographs: how many grey levels are
in use, how many neighbours differ a little, how many differ much, and, in coloured pictures, how grainy it is.
Figures with flat cells have next to no small differences; photographs and radiographs consist of them.

Does not guarantee: telling a radiograph from another photograph, nor from a smooth map in shades of grey; finding one
that was reduced to a few grey levels, or a colour map over one without any grain. `hashes` find those that are copies
of a mounted image.

Threat: an image of a patient, which is individual-level data whatever it is called.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tre.airlock.parsed import Picture

_SMALLEST = 32  # pixels a side: smaller shows nothing of anybody
_IN_USE = 0.0005  # share of the pixels from which a grey level counts as used
_SMALL, _LARGE = 16, 48  # grey levels between neighbours
_LEAST_SOFT = 0.3  # of all neighbours; figures stay below 0.25, sections begin at 0.35
_LEAST_SOFT_STANDING_OUT = 0.45  # of what is not the most frequent colour
_MOST_HARD = 0.25  # large differences among all differences; lines and text have more
_COLOURED = 100  # thousandths of the pixels
_LEAST_GRAIN = 0.05  # ups and downs within three pixels; smooth coloured maps stay below 0.03


@dataclass(frozen=True)
class Tone:
    """Shares of a picture's pixels, from 0 to 1; `levels` counts the grey levels in use."""

    levels: int
    ground: float
    soft: float
    hard: float
    grain: float


def tone_of(picture: Picture) -> Tone:
    """Measure a picture of at least three pixels a side."""
    grey = np.frombuffer(picture.grey, np.uint8).reshape(picture.height, picture.width).astype(np.int16)
    used = np.bincount(grey.ravel(), minlength=256) / grey.size
    across, down = np.diff(grey, axis=1), np.diff(grey, axis=0)
    steps = np.maximum(np.abs(across[:-1]), np.abs(down[:, :-1]))
    ups_and_downs = np.mean((across[:, 1:] * across[:, :-1]) < 0) + np.mean((down[1:] * down[:-1]) < 0)
    return Tone(
        levels=int(np.count_nonzero(used >= _IN_USE)),
        ground=float(used.max()),
        soft=float(np.mean((steps > 0) & (steps <= _SMALL))),
        hard=float(np.mean(steps > _LARGE)),
        grain=float(ups_and_downs) / 2,
    )


def looks_like_radiograph(picture: Picture, grey_levels: int) -> bool:
    """Whether a picture may be a radiograph: more than `grey_levels` levels in continuous tone."""
    if min(picture.width, picture.height) < _SMALLEST:
        return False
    tone = tone_of(picture)
    soft = tone.soft >= max(_LEAST_SOFT, _LEAST_SOFT_STANDING_OUT * (1 - tone.ground))
    lined = tone.hard > _MOST_HARD * (tone.soft + tone.hard)
    smooth_map = picture.coloured >= _COLOURED and tone.grain < _LEAST_GRAIN
    return tone.levels > grey_levels and soft and not lined and not smooth_map
