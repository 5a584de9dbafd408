"""safetensors: a bounded JSON header, and tensors that fill the rest of the file without a gap.

Guarantees: the header is strict JSON of known keys; every tensor's bytes are exactly those of its kind and shape;
tensors follow one another from the first byte behind the header to the last byte of the file, so that nothing stands
between or behind them. Names and metadata are texts like any others to the checks.

Does not guarantee: what the numbers are; `model_content` looks at that. Standard library only.

Threats: a second document behind the tensors or in gaps, tensors that overlap, a header of gigabytes. Source: the
format's own description (huggingface/safetensors, "Format"), which allows no holes and no doubled keys.
"""

from __future__ import annotations

import json
import struct
from typing import Any

from tre.airlock.formats.models import LONGEST_NAME, MOST_DIMENSIONS, MOST_TENSORS, card_of, product
from tre.airlock.parsed import (
    INVISIBLE,
    Bounds,
    FileRefusedError,
    Model,
    Observation,
    ParsedFile,
    Passage,
    Place,
    Tensor,
)

SIZES = {
    "BOOL": 1, "U8": 1, "I8": 1, "F8_E5M2": 1, "F8_E4M3": 1, "I16": 2, "U16": 2, "F16": 2, "BF16": 2,
    "I32": 4, "U32": 4, "F32": 4, "F64": 8, "I64": 8, "U64": 8,
}  # fmt: skip
"""Every kind of number and its bytes."""

_LONGEST_HEADER = 4 << 20
_METADATA = "__metadata__"
_ADVICE = "Save it again with the safetensors library."


def _refused(message: str, offset: int = 0, check: str = "F02") -> FileRefusedError:
    return FileRefusedError(Observation(check, message, _ADVICE, place=Place(offset=offset)))


def parse(kind: str, data: bytes, bounds: Bounds) -> ParsedFile:  # noqa: ARG001 - one shape for all parsers
    """A safetensors file. Raises `FileRefusedError`."""
    if len(data) < 10:
        raise _refused("The file is not safetensors.")
    (length,) = struct.unpack_from("<Q", data)
    start = 8 + length
    if length > _LONGEST_HEADER or start > len(data) or data[8:9] != b"{":
        raise _refused("The file is not safetensors: its header is cut off or too long.")
    header = _header(data[8:start])
    metadata = _metadata(header.pop(_METADATA, {}))
    if len(header) > MOST_TENSORS:
        raise FileRefusedError(Observation("F05", f"More than {MOST_TENSORS} tensors."))
    view = memoryview(data)[start:]
    tensors = sorted((_tensor(name, said, view, start) for name, said in header.items()), key=lambda item: item[0])
    _tile([(first, first + len(tensor.data)) for first, tensor in tensors], len(view), start)
    model = Model([tensor for _, tensor in tensors], texts=len(metadata))
    texts = [f"{key}: {value}" for key, value in metadata.items()]
    passages = [Passage(text, Place(offset=8), "metadata") for text in texts]
    names = "\n".join(tensor.name for tensor in model.tensors)
    passages.append(Passage(names, Place(offset=8), "label"))
    return ParsedFile(kind, len(data), passages=passages, model=model, cards=[card_of(model, texts)])


def _header(raw: bytes) -> dict[str, Any]:
    try:
        text = raw.decode("utf-8")
        header = json.loads(text, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise _refused("The header of the file is not strict JSON.", 8) from error
    assert isinstance(header, dict), "it begins with a brace"
    if text.rstrip(" ") != text.rstrip():
        raise _refused("Something other than blanks fills the header up.", 8, "F03")
    return header


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    built = dict(pairs)
    if len(built) != len(pairs):
        raise _refused("A name stands twice in the header.", 8)
    return built


def _metadata(said: Any) -> dict[str, str]:
    if not isinstance(said, dict) or not all(isinstance(value, str) for value in said.values()):
        raise _refused("The metadata of the file is no list of texts.", 8)
    if any(INVISIBLE.search(text) for pair in said.items() for text in pair):
        raise _refused("The metadata holds characters that nobody can see.", 8, "F03")
    return said


def _tensor(name: str, said: Any, view: memoryview, start: int) -> tuple[int, Tensor]:
    """A tensor and where its bytes begin behind the header."""
    if len(name) > LONGEST_NAME or INVISIBLE.search(name):
        raise _refused("The name of a tensor is too long, or holds what nobody can see.", 8)
    if not isinstance(said, dict) or set(said) != {"dtype", "shape", "data_offsets"}:
        raise _refused("The header says something of a tensor that is not known.", 8)
    kind, shape, offsets = said["dtype"], said["shape"], said["data_offsets"]
    if not isinstance(kind, str) or kind not in SIZES or not _is_sizes(shape) or not _is_sizes(offsets):
        raise _refused("The header describes a tensor wrongly.", 8)
    if len(offsets) != 2 or offsets[1] - offsets[0] != product(shape) * SIZES[kind] or offsets[1] > len(view):
        raise _refused("A tensor has other bytes than its shape needs.", 8)
    place = Place(offset=start + offsets[0])
    return offsets[0], Tensor(name, kind, tuple(shape), view[offsets[0] : offsets[1]], place)


def _is_sizes(value: Any) -> bool:
    if not isinstance(value, list) or len(value) > MOST_DIMENSIONS:
        return False
    return all(type(size) is int and 0 <= size < 1 << 48 for size in value)


def _tile(spans: list[tuple[int, int]], size: int, start: int) -> None:
    """Raise unless the spans, in order of their beginnings, cover everything once."""
    reached = 0
    for first, last in sorted(spans):
        if first != reached:
            raise _refused("Tensors overlap, or bytes stand between them.", start + min(first, reached), "F03")
        reached = last
    if reached != size:
        raise _refused(f"{size - reached} bytes follow the last tensor.", start + reached, "F03")
