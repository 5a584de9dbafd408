"""M02: models that contain their training data, or nearly so.

Guarantees: a tensor with as many rows as the slice has people, a learner that keeps training rows by its nature
(support vectors, nearest neighbours, Gaussian processes), a vocabulary of many texts, and rows of a tensor that agree
with records of the slice are each pointed out.

Does not guarantee: that a network has memorised nothing: only an attack on it says something of that (M03). Rows that
were scaled before training are not linked.

Threat: the data themselves, saved as weights. Source: SDC-Reboot's guide to models, category A (instance-based models
are not released).
"""

from __future__ import annotations

import re
import struct
from array import array
from collections.abc import Iterator, Sequence
from itertools import islice

from tre.airlock.parsed import Model, Observation, ParsedFile, Place, Rules, Surroundings, Tensor, bounded, quoted
from tre.airlock.sliceindex.linkage import Block, Linkage
from tre.airlock.sliceindex.reading import SliceIndex, opened

MOST_TEXTS = 50
"""More texts than this among a model's values are a vocabulary, not the names of classes."""

_FEWEST_PEOPLE = 20
_WIDEST = 4096
_KEEPING_OPERATORS = frozenset({"SVMClassifier", "SVMRegressor", "CDist"})
_KEEPING_NAMES = re.compile(
    r"support_?vec|train(?:ing)?_?(?:data|x|set|rows|features)|(?:^|[._])x_?train|_fit_x|neighbou?rs?_?(?:data|index|x)"
    r"|knn|k_?neighbou?rs|inducing|gaussian_?process|exemplar|memory_?bank|reference_?set",
    re.IGNORECASE,
)
_CODES = {"F32": "f", "F64": "d", "I64": "q", "I32": "i", "I16": "h", "U8": "B", "I8": "b"}
_MOST_COLUMNS, _MOST_ROWS = 512, 5_000
_SAMPLE, _SHORT, _HALF = 400, 5, 0.5
_SUGGESTION = "Release coefficients or a model that keeps no rows, with the report of an attack on it."


def observe(file: ParsedFile, around: Surroundings) -> list[Observation]:
    """What of a model's content looks like its training data."""
    if file.model is None:
        return []
    indexes = opened(around.slice)
    sizes = {around.people, *(index.people for index in indexes)}
    found = [*_by_nature(file.model), *_sized(file.model, sizes), *_linked(file.model, indexes, around.rules)]
    return bounded(found, "signs of training data")


def _by_nature(model: Model) -> Iterator[Observation]:
    for name in sorted(_KEEPING_OPERATORS & set(model.operators)):
        yield _said(f"The model holds {quoted(name)}, a learner that keeps rows of its training data.")
    for tensor in model.tensors:
        if _KEEPING_NAMES.search(tensor.name):
            yield _said(f"The tensor {quoted(tensor.name)} is named like training data.", tensor.place)
    if model.texts > MOST_TEXTS:
        yield _said(f"The model holds {model.texts} texts, which may be words of the data.")


def _said(message: str, place: Place | None = None) -> Observation:
    return Observation("M02", message, _SUGGESTION, place=place or Place())


def _is_usual(size: int) -> bool:
    """Widths that layers have anyway: powers of two, multiples of 64, round numbers."""
    return size <= _WIDEST and (size & (size - 1) == 0 or size % 64 == 0 or size in {10, 20, 50, 100, 200, 500, 1000})


def _sized(model: Model, people: set[int]) -> Iterator[Observation]:
    """Tensors with as many rows or columns as one of the slices has people, or all of them together."""
    telling = {size for size in people if size >= _FEWEST_PEOPLE and not _is_usual(size)}
    for tensor in model.tensors:
        if telling & set(tensor.shape):
            shown = " x ".join(str(size) for size in tensor.shape)
            message = f"The tensor {quoted(tensor.name)} ({shown}) is as long as the number of people in the slice."
            yield _said(message, tensor.place)


def _linked(model: Model, indexes: list[SliceIndex], rules: Rules) -> Iterator[Observation]:
    if not indexes:
        return
    linkage = Linkage(indexes, rules.linked_values)
    left_out = 0
    for tensor in model.tensors:
        rows = _rows(tensor)
        if rows:
            found = linkage.link(Block((), rows))
            left_out += found.of - found.compared
            if _enough(len(found.rows), found.compared, rules) or found.columns:
                many = len(found.rows) or len(found.columns)
                message = (
                    f"{many} rows of the tensor {quoted(tensor.name)} agree with single records of the mounted data."
                )
                yield _said(message, tensor.place)
    if left_out:
        yield _said(f"{left_out} rows of tensors that look like measured values were not compared with the slice.")


def _enough(rows: int, of: int, rules: Rules) -> bool:
    return bool(rows) and (rows >= rules.linked_rows or 100 * rows >= rules.linked_percent * of)


def _rows(tensor: Tensor) -> list[list[str]]:
    """The rows of a tensor that looks like a table: two dimensions, numbers as people write them."""
    if len(tensor.shape) != 2 or tensor.kind not in _CODES or 0 in tensor.shape:
        return []
    height, width = tensor.shape
    if min(height, width) > _MOST_COLUMNS or max(height, width) > _MOST_ROWS * 10:
        return []
    numbers: Sequence[float] = array(_CODES[tensor.kind])
    numbers.frombytes(bytes(tensor.data))  # type: ignore[attr-defined]
    if not _look_written(numbers):
        return []
    texts = [format(number, ".6g") for number in islice(numbers, _MOST_ROWS * _MOST_COLUMNS)]
    return [texts[start : start + width] for start in range(0, len(texts), width)]


def _look_written(numbers: Sequence[float]) -> bool:
    """Measured values are short when written out (67, 36.6); trained weights are not."""
    sample = [number for number in islice(numbers, _SAMPLE * 10) if number != 0][:_SAMPLE]
    short = 0
    for number in sample:
        text = format(number, f".{_SHORT}g")
        as_single = struct.unpack("<f", struct.pack("<f", float(text)))[0] if abs(number) < 1e38 else 0.0
        short += number in {float(text), as_single}
    return bool(sample) and short >= _HALF * len(sample)
