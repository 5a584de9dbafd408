"""Pictures inside a figure: the rectangles of a figure that hold something else than lines on a plain ground.

Guarantees: a rectangle that stands out from a plain ground, with or without a frame and axes around it, is cut out
to the pixel, its frame taken off, since a perceptual hash does not survive a border of a few per cent. At most
`MOST_PANELS` are given, the largest first.

Does not guarantee: finding a picture that fills the whole figure without any ground (then the figure is that
picture), pictures that touch one another, or one whose border has the colour of the ground.

Threat: a mounted image pasted into a figure between axes and captions.
"""

from __future__ import annotations

from collections import deque

import numpy as np
import numpy.typing as npt

Levels = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]
Box = tuple[int, int, int, int]
"""Left, top, right, bottom, in pixels; the last two are outside."""

MOST_PANELS = 64
_SMALLEST = 48  # pixels: less shows no anatomy
_SMALLEST_SHARE = 40  # of the longer side: letters of a large figure are no pictures
_NEAR_GROUND = 3  # grey levels: what lossy compression does to a plain ground
_BLOCKS = 160  # along the longer side
_FULL = 0.7  # share of a rectangle that its parts fill
_SOMETHING = 0.2  # share of an outermost line that stands out; ticks make less
_PLAIN = 0.9  # share of the border of a figure that has one colour
_FRAME = 24  # grey levels along a line that is a frame's


def panels_in(levels: Levels) -> list[Box]:
    """The pictures in a figure, given by its grey levels."""
    height, width = levels.shape
    ground = _ground(levels)
    if ground is None or min(height, width) < 2 * _SMALLEST:
        return []
    standing_out = np.abs(levels.astype(np.int16) - ground) > _NEAR_GROUND
    side = max(2, -(-max(height, width) // _BLOCKS))
    kept: list[Box] = []
    for parts in (standing_out, _enclosed(standing_out, side)):
        for rough in _rectangles(parts, side):
            box = _refined(levels, parts, standing_out, rough)
            if box is not None and not _is_nearly_all(box, width, height) and not _is_known(box, kept):
                kept.append(box)
    return sorted(kept, key=lambda box: (box[0] - box[2]) * (box[3] - box[1]))[:MOST_PANELS]


def _ground(levels: Levels) -> int | None:
    """The colour of the figure's border, where it has one."""
    border = np.concatenate([levels[0], levels[-1], levels[:, 0], levels[:, -1]])
    counts = np.bincount(border, minlength=256)
    ground = int(counts.argmax())
    near = counts[max(0, ground - _NEAR_GROUND) : ground + _NEAR_GROUND + 1].sum()
    return ground if near >= _PLAIN * border.size else None


def _rectangles(standing_out: Mask, side: int) -> list[Box]:
    """The bounds of connected blocks that fill their bounds."""
    rows, columns = (length // side for length in standing_out.shape)
    blocks = standing_out[: rows * side, : columns * side].reshape(rows, side, columns, side)
    full = blocks.mean(axis=(1, 3)) >= _FULL
    waiting = set(zip(*(place.tolist() for place in np.nonzero(full)), strict=True))
    boxes = []
    while waiting:
        part = _connected(waiting, next(iter(waiting)))
        top, left = min(row for row, _ in part), min(column for _, column in part)
        bottom, right = max(row for row, _ in part) + 1, max(column for _, column in part) + 1
        if len(part) >= _FULL * (bottom - top) * (right - left):
            boxes.append((left * side, top * side, right * side, bottom * side))
    return boxes


def _enclosed(standing_out: Mask, side: int) -> Mask:
    """What the ground does not reach from the border: all that stands within a frame, whatever its colour."""
    rows, columns = (length // side for length in standing_out.shape)
    blocks = standing_out[: rows * side, : columns * side].reshape(rows, side, columns, side)
    free = set(zip(*(place.tolist() for place in np.nonzero(~blocks.any(axis=(1, 3)))), strict=True))
    reached = np.zeros((rows, columns), dtype=np.bool_)
    edge = {place for place in free if place[0] in {0, rows - 1} or place[1] in {0, columns - 1}}
    while edge:
        for row, column in _connected(free, edge.pop()):
            reached[row, column] = True
        edge &= free
    inside = standing_out.copy()
    inside[: rows * side, : columns * side] |= ~np.repeat(np.repeat(reached, side, axis=0), side, axis=1)
    return inside


def _connected(waiting: set[tuple[int, int]], start: tuple[int, int]) -> list[tuple[int, int]]:
    """Take a block and all that touch it out of the waiting ones."""
    waiting.discard(start)
    part, edge = [start], deque([start])
    while edge:
        row, column = edge.popleft()
        for near in ((row - 1, column), (row + 1, column), (row, column - 1), (row, column + 1)):
            if near in waiting:
                waiting.remove(near)
                part.append(near)
                edge.append(near)
    return part


def _refined(levels: Levels, parts: Mask, standing_out: Mask, box: Box) -> Box | None:
    """The same rectangle to the pixel, without its frame; none where too little is left."""
    left, top, right, bottom = box
    reach = max(4, -(-2 * max(levels.shape) // _BLOCKS))
    rows = parts[max(0, top - reach) : bottom + reach, left:right].mean(axis=1) >= _FULL
    rows &= standing_out[max(0, top - reach) : bottom + reach, left:right].mean(axis=1) >= _SOMETHING
    top, bottom = _bounds(rows, max(0, top - reach))
    columns = parts[top:bottom, max(0, left - reach) : right + reach].mean(axis=0) >= _FULL
    columns &= standing_out[top:bottom, max(0, left - reach) : right + reach].mean(axis=0) >= _SOMETHING
    left, right = _bounds(columns, max(0, left - reach))
    inner = levels[top:bottom, left:right]
    above, below = _frame(inner)
    before, behind = _frame(inner.T)
    box = (left + before, top + above, right - behind, bottom - below)
    least = max(_SMALLEST, max(levels.shape) // _SMALLEST_SHARE)
    return box if min(box[2] - box[0], box[3] - box[1]) >= least else None


def _bounds(filled: Mask, offset: int) -> tuple[int, int]:
    places = np.flatnonzero(filled)
    return (int(places[0]) + offset, int(places[-1]) + 1 + offset) if places.size else (0, 0)


def _frame(inner: Levels) -> tuple[int, int]:
    """How many lines at the top and at the bottom are a frame's: a thin run of plain lines, then something else.

    A broad plain border is part of the picture (a radiograph's collimation) and stays.
    """
    if min(inner.shape) < _SMALLEST:
        return 0, 0
    cut = max(1, inner.shape[1] // 20)
    spread = np.ptp(inner[:, cut:-cut], axis=1) < _FRAME
    most = max(4, inner.shape[0] // 60)
    return _run(spread, most), _run(spread[::-1], most)


def _run(plain: Mask, most: int) -> int:
    return 0 if plain[: most + 1].all() else int(np.argmin(plain[: most + 1]))


def _is_known(box: Box, kept: list[Box]) -> bool:
    """Whether nearly the same rectangle was found already."""
    near = max(4, (box[2] - box[0]) // 40)
    return any(max(abs(one - other) for one, other in zip(box, known, strict=True)) <= near for known in kept)


def _is_nearly_all(box: Box, width: int, height: int) -> bool:
    return (box[2] - box[0]) * (box[3] - box[1]) >= 0.98 * width * height
