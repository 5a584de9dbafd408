"""ONNX: a model as a graph of named operators and the numbers it uses, all in the file itself.

Guarantees: every message of the file is read to its last byte by the tables below and holds no field that they do not
name; data outside the file, functions, training graphs and operators of foreign makers are refused; every tensor has
exactly the bytes that its kind and shape need; depth and number of parts are bounded. Names, notes, metadata and
texts among the numbers are texts like any others to the checks.

Does not guarantee: what the numbers are; `model_content` looks at that. Standard library only.

Threats: a second document in a field that readers skip, a path that a reader follows out of the file, an operator
that loads code. Source: onnx.proto of ONNX 1.17 (fields of ModelProto, GraphProto, NodeProto, AttributeProto,
TensorProto, SparseTensorProto).
"""

from __future__ import annotations

import struct
from array import array
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from tre.airlock.formats.models import LONGEST_NAME, MOST_DIMENSIONS, MOST_TENSORS, card_of, product
from tre.airlock.formats.wire import EIGHT, FOUR, LENGTH, VARINT, Field, WireError, fields, signed, varints
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

_B, _N = (LENGTH,), (VARINT,)
_NUMBERS = (VARINT, LENGTH)
_MODEL = {1: _N, 2: _B, 3: _B, 4: _B, 5: _N, 6: _B, 7: _B, 8: _B, 14: _B}
_OPSET = {1: _B, 2: _N}
_GRAPH = {1: _B, 2: _B, 5: _B, 10: _B, 11: _B, 12: _B, 13: _B, 15: _B, 16: _B}
_NODE = {1: _B, 2: _B, 3: _B, 4: _B, 5: _B, 6: _B, 7: _B, 8: _B, 9: _B}
_ATTRIBUTE = {
    1: _B, 2: (FOUR,), 3: _N, 4: _B, 5: _B, 6: _B, 7: (FOUR, LENGTH), 8: _NUMBERS, 9: _B, 10: _B, 11: _B, 13: _B,
    20: _N, 21: _B, 22: _B, 23: _B,
}  # fmt: skip
_TENSOR = {
    1: _NUMBERS, 2: _N, 4: (FOUR, LENGTH), 5: _NUMBERS, 6: _B, 7: _NUMBERS, 8: _B, 9: _B, 10: (EIGHT, LENGTH),
    11: _NUMBERS, 12: _B, 14: _N, 16: _B,
}  # fmt: skip
_SPARSE = {1: _B, 2: _B, 3: _NUMBERS}
_PAIR = {1: _B, 2: _B}
_NUMBER, _NAME = "number", "name"
_DIMENSION = {1: _NUMBER, 2: _NAME, 3: _NAME}
_ARRAY = {1: _NUMBER, 2: {1: _DIMENSION}}
_TYPE: dict[int, Any] = {1: _ARRAY, 6: _NAME, 8: _ARRAY}
_TYPE |= {4: {1: _TYPE}, 5: {1: _NUMBER, 2: _TYPE}, 9: {1: _TYPE}}
_VALUE_INFO: dict[int, Any] = {1: _NAME, 2: _TYPE, 3: _NAME, 4: {1: _NAME, 2: _NAME}}
"""ValueInfoProto and TypeProto: what each field is, all the way down."""

_EXTERNAL = 13
_MAKERS = frozenset({"", "ai.onnx", "ai.onnx.ml", "com.microsoft"})
_KINDS = {
    1: ("F32", 4), 2: ("U8", 1), 3: ("I8", 1), 4: ("U16", 2), 5: ("I16", 2), 6: ("I32", 4), 7: ("I64", 8),
    8: ("TEXT", 0), 9: ("BOOL", 1), 10: ("F16", 2), 11: ("F64", 8), 12: ("U32", 4), 13: ("U64", 8), 16: ("BF16", 2),
}  # fmt: skip
_DEEPEST = 8
_MOST_NODES = 100_000
_ADVICE = "Export it again with the library's own exporter, with all data in one file."


@dataclass
class _Walk:
    """What has been seen so far."""

    operators: Counter[str] = field(default_factory=Counter)
    tensors: list[Tensor] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    notes: list[tuple[str, int]] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)

    def name(self, part: Field) -> str:
        """A name or a note: text that people can read."""
        text = _text(part)
        if len(text) <= LONGEST_NAME:
            self.names.append(text)
        else:
            self.notes.append((text, part.offset))
        return text


def _refused(message: str, offset: int = 0, check: str = "F02") -> FileRefusedError:
    return FileRefusedError(Observation(check, message, _ADVICE, place=Place(offset=offset)))


def parse(kind: str, data: bytes, bounds: Bounds) -> ParsedFile:  # noqa: ARG001 - one shape for all parsers
    """An ONNX file. Raises `FileRefusedError`."""
    walk = _Walk()
    try:
        seen = _model(walk, memoryview(data))
    except WireError as error:
        check = "F03" if error.unknown else "F02"
        raise _refused(f"The file is not ONNX as its description has it: {error}.", error.offset, check) from error
    except UnicodeDecodeError as error:
        raise _refused("A text in the file is not UTF-8.") from error
    if not {1, 7, 8} <= seen:
        raise _refused("The file is not ONNX: it has no version, no graph or no operators.")
    model = Model(walk.tensors, dict(walk.operators), texts=len(walk.texts))
    passages = [Passage(text, Place(offset=offset), "metadata") for text, offset in walk.notes]
    passages += [Passage("\n".join(texts), Place(), "label") for texts in (walk.names, walk.texts) if texts]
    notes = [text for text, _ in walk.notes]
    return ParsedFile(kind, len(data), passages=passages, model=model, cards=[card_of(model, notes)])


def _text(part: Field) -> str:
    text = bytes(part.view).decode("utf-8")
    if found := INVISIBLE.search(text):
        raise _refused(
            f"A text holds a character that nobody can see (U+{ord(found.group()):04X}).", part.offset, "F03"
        )
    return text


def _model(walk: _Walk, view: memoryview) -> set[int]:
    seen = set()
    for part in fields(view, _MODEL):
        if part.number in seen and part.number not in {8, 14}:
            raise _refused("A part that stands once stands twice.", part.offset, "F03")
        seen.add(part.number)
        if part.number in {2, 3, 4, 6}:
            walk.notes.append((_text(part), part.offset))
        elif part.number == 14:
            _pair(walk, part)
        elif part.number == 8:
            _opset(part)
        elif part.number == 7:
            _graph(walk, part, 0)
    return seen


def _pair(walk: _Walk, part: Field) -> None:
    texts = [_text(inner) for inner in fields(part.view, _PAIR, part.offset)]
    walk.notes.append((": ".join(texts), part.offset))


def _opset(part: Field) -> None:
    for inner in fields(part.view, _OPSET, part.offset):
        if inner.number == 1:
            _check_maker(_text(inner), inner.offset)


def _check_maker(maker: str, offset: int) -> None:
    if maker not in _MAKERS:
        raise _refused("The model needs operators of another maker, which are code of their own.", offset, "F06")


def _graph(walk: _Walk, graph: Field, depth: int) -> None:
    _check_depth(depth)
    for part in fields(graph.view, _GRAPH, graph.offset):
        if part.number == 1:
            _node(walk, part, depth)
        elif part.number in {2, 10}:
            walk.name(part)
        elif part.number in _OF_GRAPH:
            _OF_GRAPH[part.number](walk, part)
        else:
            _described(walk, part, _VALUE_INFO, 0)


def _check_depth(depth: int) -> None:
    if depth > _DEEPEST:
        raise FileRefusedError(Observation("F05", "The graph is nested deeper than allowed."))


def _described(walk: _Walk, part: Field, table: dict[int, Any], depth: int) -> None:
    """A message whose table says what each field is."""
    _check_depth(depth)
    known = {number: _N if what is _NUMBER else _B for number, what in table.items()}
    for inner in fields(part.view, known, part.offset):
        what = table[inner.number]
        if what is _NAME:
            walk.name(inner)
        elif what is not _NUMBER:
            _described(walk, inner, what, depth + 1)


def _node(walk: _Walk, node: Field, depth: int) -> None:
    kind, attributes = "", []
    for part in fields(node.view, _NODE, node.offset):
        if part.number == 5:
            attributes.append(part)
        elif part.number == 9:
            _pair(walk, part)
        else:
            text = walk.name(part)
            kind = text if part.number == 4 else kind
            if part.number == 7:
                _check_maker(text, part.offset)
    walk.operators[kind[:100]] += 1
    if walk.operators.total() > _MOST_NODES:
        raise FileRefusedError(Observation("F05", f"The graph has more than {_MOST_NODES} nodes."))
    held = _Attributes(kind)
    for attribute in attributes:
        _attribute(walk, attribute, held, depth)
    walk.tensors += held.tensors()


@dataclass
class _Attributes:
    """Lists of numbers among a node's attributes: learners keep their training data there."""

    kind: str
    floats: dict[str, array[float]] = field(default_factory=dict)
    whole: dict[str, list[int]] = field(default_factory=dict)
    place: Place = field(default_factory=Place)

    def tensors(self) -> Iterator[Tensor]:
        """Every list of floats as a tensor; support vectors with a row each."""
        for name, numbers in self.floats.items():
            rows = self._rows(name, len(numbers))
            shape = (rows, len(numbers) // rows) if rows > 1 else (len(numbers),)
            yield Tensor(f"{self.kind}.{name}", "F32", shape, numbers.tobytes(), self.place)

    def _rows(self, name: str, length: int) -> int:
        if name != "support_vectors":
            return 1
        rows = sum(self.whole.get("vectors_per_class", [])) or sum(self.whole.get("n_supports", []))
        return rows if rows > 0 and length % rows == 0 else 1


def _attribute(walk: _Walk, attribute: Field, held: _Attributes, depth: int) -> None:
    name, floats, whole = "", array("f"), list[int]()
    for part in fields(attribute.view, _ATTRIBUTE, attribute.offset):
        if part.number in {1, 13, 21}:
            text = walk.name(part)
            name = text if part.number == 1 else name
        elif part.number in {6, 11}:
            _graph(walk, part, depth + 1)
        elif part.number == 7:
            floats.frombytes(_of_whole_items(part, 4))
        elif part.number in {3, 8}:
            whole += [signed(part.value)] if isinstance(part.value, int) else varints(part.view)
        elif part.number in _OF_ATTRIBUTE:
            _OF_ATTRIBUTE[part.number](walk, part)
    held.place = Place(offset=attribute.offset)
    if floats:
        held.floats[name] = floats
    if whole:
        held.whole[name] = whole


def _value_text(walk: _Walk, part: Field) -> None:
    """Texts among the values: classes, or a vocabulary."""
    walk.texts.append(_text(part))


def _of_whole_items(part: Field, size: int) -> bytes:
    if len(part.view) % size:
        raise _refused("A list of numbers is cut off.", part.offset)
    return bytes(part.view)


def _sparse(walk: _Walk, sparse: Field) -> None:
    for part in fields(sparse.view, _SPARSE, sparse.offset):
        if part.number in {1, 2}:
            _tensor(walk, part)


@dataclass
class _Held:
    """A tensor while it is read."""

    kind: int = 0
    name: str = ""
    shape: list[int] = field(default_factory=list)
    data: bytes | memoryview = b""
    texts: int = 0


def _tensor(walk: _Walk, tensor: Field) -> None:
    if len(walk.tensors) >= MOST_TENSORS:
        raise FileRefusedError(Observation("F05", f"More than {MOST_TENSORS} tensors."))
    held = _Held()
    pieces: list[bytes] = []
    for part in fields(tensor.view, _TENSOR | {_EXTERNAL: _B}, tensor.offset):
        if part.number == _EXTERNAL or (part.number == 14 and part.whole != 0):
            raise _refused("The model keeps data outside the file.", part.offset, "F06")
        _take(walk, held, pieces, part)
    name, size = _KINDS.get(held.kind, ("", 0))
    if not name or len(held.shape) > MOST_DIMENSIONS or any(not 0 <= one < 1 << 48 for one in held.shape):
        raise _refused("A tensor is of a kind or shape that is not known.", tensor.offset)
    if pieces and held.data:
        raise _refused("A tensor has its data twice.", tensor.offset, "F03")
    data = held.data or b"".join(pieces)
    due = product(held.shape)
    if (held.texts != due) if name == "TEXT" else (len(data) != due * size or held.texts):
        raise _refused("A tensor has other bytes than its shape needs.", tensor.offset, "F03")
    walk.tensors.append(Tensor(held.name, name, tuple(held.shape), data, Place(offset=tensor.offset)))


def _take(walk: _Walk, held: _Held, pieces: list[bytes], part: Field) -> None:
    if part.number == 1:
        held.shape += [signed(part.value)] if isinstance(part.value, int) else varints(part.view)
    elif part.number == 2:
        held.kind = part.whole
    elif part.number in {8, 12}:
        text = walk.name(part)
        held.name = text[:LONGEST_NAME] if part.number == 8 else held.name
    elif part.number == 9:
        held.data = part.view
    elif part.number == 6:
        _value_text(walk, part)
        held.texts += 1
    elif part.number == 16:
        _pair(walk, part)
    elif part.number in {4, 10}:
        pieces.append(_of_whole_items(part, 4 if part.number == 4 else 8))
    elif part.number in {5, 7, 11}:
        numbers = [signed(part.value)] if isinstance(part.value, int) else varints(part.view)
        pieces.append(_packed(held.kind, numbers, part.offset))


def _packed(kind: int, numbers: list[int], offset: int) -> bytes:
    """Numbers written one by one, as the bytes that a raw tensor of the kind would have."""
    size = _KINDS.get(kind, ("", 0))[1]
    code = {1: "B", 2: "H", 4: "I", 8: "Q"}.get(size)
    if code is None:
        raise _refused("A tensor says its kind behind its numbers, or not at all.", offset)
    mask = (1 << 8 * size) - 1
    return struct.pack(f"<{len(numbers)}{code}", *(number & mask for number in numbers))


_OF_GRAPH = {5: _tensor, 15: _sparse, 16: _pair}
_OF_ATTRIBUTE = {4: _value_text, 5: _tensor, 9: _value_text, 10: _tensor, 22: _sparse, 23: _sparse}
