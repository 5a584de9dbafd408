"""What the formats of models have in common: how tensors are shown, and the bounds of what they hold."""

from __future__ import annotations

from collections.abc import Iterable

from tre.airlock.parsed import Card, Model, Place, Tensor

MOST_TENSORS = 20_000
MOST_DIMENSIONS = 16
LONGEST_NAME = 512
_SHOWN = 500


def product(shape: Iterable[int]) -> int:
    """How many numbers a tensor of this shape has."""
    total = 1
    for size in shape:
        total *= size
    return total


def card_of(model: Model, notes: Iterable[str]) -> Card:
    """A model in words: its operators, and its tensors with kind, shape and number of parameters."""
    lines = [*notes]
    if model.operators:
        lines.append("operators: " + ", ".join(f"{name} ({n})" for name, n in sorted(model.operators.items())))
    lines.append(f"{len(model.tensors)} tensors, {sum(product(one.shape) for one in model.tensors)} numbers")
    lines += [_line(tensor) for tensor in model.tensors[:_SHOWN]]
    if len(model.tensors) > _SHOWN:
        lines.append(f"… and {len(model.tensors) - _SHOWN} more")
    return Card("text", "Model", "\n".join(lines), place=Place())


def _line(tensor: Tensor) -> str:
    shape = " x ".join(str(size) for size in tensor.shape) or "single number"
    return f"{tensor.name}: {tensor.kind}, {shape}"
