"""safetensors and ONNX: strict to the last byte; and M02: training data in what they hold."""

from __future__ import annotations

import json
import struct
import time
from collections.abc import Callable

import pytest

from tests.assets.airlock import leaks
from tests.assets.airlock.leaks import floats, message, onnx, onnx_tensor, safetensors, training_rows, varint, weights
from tre.airlock.checks import model_content
from tre.airlock.identify import parse
from tre.airlock.parsed import Bounds, FileRefusedError, Observation, ParsedFile, Surroundings
from tre.airlock.sliceindex import linkage


def read(kind: str, data: bytes) -> ParsedFile:
    return parse(kind, data, Bounds())


def refusal(kind: str, data: bytes) -> Observation:
    with pytest.raises(FileRefusedError) as caught:
        read(kind, data)
    return caught.value.observation


def headed(header: object, data: bytes = b"", pad: bytes = b"") -> bytes:
    raw = (header if isinstance(header, str) else json.dumps(header)).encode() + pad
    return struct.pack("<Q", len(raw)) + raw + data


def one(first: int = 0, last: int = 8, kind: str = "F32", shape: list[object] | None = None) -> dict[str, object]:
    return {"dtype": kind, "shape": [2] if shape is None else shape, "data_offsets": [first, last]}


EIGHT = floats(1.0, 2.0)
HONEST: dict[str, tuple[str, Callable[[], bytes]]] = {
    "two layers": ("safetensors", lambda: safetensors({"w": weights(4, 3), "b": weights(1, 3)})),
    "metadata": ("safetensors", lambda: safetensors({"w": weights(2, 2)}, metadata={"format": "pt"})),
    "no tensors": ("safetensors", lambda: safetensors({})),
    "an empty tensor": ("safetensors", lambda: headed({"a": one(0, 0, shape=[0]), "b": one()}, EIGHT)),
    "tensors in another order": ("safetensors", lambda: headed({"b": one(8, 16), "a": one(0, 8)}, EIGHT * 2)),
    "one layer": ("onnx", onnx),
    "with types": ("onnx", lambda: onnx(graph=typed_graph())),
    "numbers one by one": (
        "onnx",
        lambda: onnx(graph=message((5, message((1, 3), (2, 7), (8, b"n"), (7, varint(5) + varint(6) + varint(7)))))),
    ),
    "a sub-graph": (
        "onnx",
        lambda: onnx(
            graph=message((1, message((4, b"If"), (5, message((1, b"then"), (6, message((2, b"t"))), (20, 5))))))
        ),
    ),
    "metadata of a maker": ("onnx", lambda: onnx((14, message((1, b"author"), (2, b"me"))))),
}


def typed_graph() -> bytes:
    dims = message((1, message((2, b"batch"))), (1, message((1, 3))))
    kind = message((1, message((1, 1), (2, dims))))
    return message((2, b"g"), (11, message((1, b"x"), (2, kind))), (12, message((1, b"y"), (2, kind))))


@pytest.mark.parametrize("name", HONEST)
def test_an_honest_model_is_read(name: str) -> None:
    kind, make = HONEST[name]
    file = read(kind, make())
    assert file.model is not None
    assert model_content.observe(file, Surroundings(people=918, slice=leaks.index())) == []


HOSTILE: dict[str, tuple[str, str, Callable[[], bytes]]] = {
    "nothing": ("safetensors", "F02", lambda: b""),
    "text": ("safetensors", "F02", lambda: b"hello, world, hello"),
    "a zip": ("safetensors", "F02", lambda: b"PK\x03\x04" + bytes(100)),
    "a header of exabytes": ("safetensors", "F02", lambda: struct.pack("<Q", 1 << 62) + b"{}"),
    "a header beyond the end": ("safetensors", "F02", lambda: struct.pack("<Q", 100) + b"{}" + bytes(20)),
    "not json": ("safetensors", "F02", lambda: headed("{x}")),
    "deep": ("safetensors", "F02", lambda: headed('{"a":' * 50_000 + "1" + "}" * 50_000)),
    "a name twice": (
        "safetensors",
        "F02",
        lambda: headed('{"a":' + json.dumps(one()) + ',"a":' + json.dumps(one()) + "}", EIGHT),
    ),
    "bytes at the end": ("safetensors", "F03", lambda: headed({"a": one()}, EIGHT + b"PK")),
    "bytes between": ("safetensors", "F03", lambda: headed({"a": one(), "b": one(12, 20)}, EIGHT + b"HIDE" + EIGHT)),
    "bytes in front": ("safetensors", "F03", lambda: headed({"a": one(4, 12)}, b"HIDE" + EIGHT)),
    "overlapping": ("safetensors", "F03", lambda: headed({"a": one(), "b": one(4, 12)}, EIGHT + floats(1.0))),
    "cut off": ("safetensors", "F02", lambda: headed({"a": one()}, EIGHT[:-1])),
    "another shape": ("safetensors", "F02", lambda: headed({"a": one(shape=[3])}, EIGHT)),
    "negative": ("safetensors", "F02", lambda: headed({"a": one(shape=[-2])}, EIGHT)),
    "true for one": ("safetensors", "F02", lambda: headed({"a": one(shape=[True, 2])}, EIGHT)),
    "unknown kind": ("safetensors", "F02", lambda: headed({"a": one(kind="PY")}, EIGHT)),
    "more keys": ("safetensors", "F02", lambda: headed({"a": one() | {"note": "x"}}, EIGHT)),
    "metadata that are no texts": ("safetensors", "F02", lambda: headed({"__metadata__": {"a": 1}})),
    "hidden metadata": ("safetensors", "F03", lambda: headed({"__metadata__": {"a": "\u202e"}})),
    "lines in the padding": ("safetensors", "F03", lambda: headed({"a": one()}, EIGHT, b"\n\t \n")),
    "not a model": ("onnx", "F02", lambda: b""),
    "prose": ("onnx", "F03", lambda: b"hello"),
    "an unknown field": ("onnx", "F03", lambda: onnx((99, b"hidden"))),
    "an unknown field of a node": ("onnx", "F03", lambda: onnx(graph=message((1, message((4, b"Add"), (77, b"x")))))),
    "an unknown field of a type": (
        "onnx",
        "F03",
        lambda: onnx(graph=message((11, message((1, b"x"), (2, message((55, b"hidden"))))))),
    ),
    "functions": ("onnx", "F03", lambda: onnx((25, message((1, b"f"))))),
    "training": ("onnx", "F03", lambda: onnx((20, b""))),
    "two graphs": ("onnx", "F03", lambda: onnx((7, message((2, b"other"))))),
    "bytes behind": ("onnx", "F03", lambda: onnx() + b"PK\x03\x04"),
    "truncated": ("onnx", "F02", lambda: onnx()[:-3]),
    "an endless number": ("onnx", "F02", lambda: b"\x08" + b"\xff" * 30),
    "data elsewhere": (
        "onnx",
        "F06",
        lambda: onnx(
            graph=message((5, onnx_tensor("w", [1], b"", (13, message((1, b"location"), (2, b"/etc/passwd")))))),
        ),
    ),
    "data said to be elsewhere": (
        "onnx",
        "F06",
        lambda: onnx(graph=message((5, onnx_tensor("w", [1], floats(1.0), (14, 1))))),
    ),
    "operators of a stranger": ("onnx", "F06", lambda: onnx(opset="evil.ops")),
    "a node of a stranger": ("onnx", "F06", lambda: onnx(graph=message((1, message((4, b"Run"), (7, b"evil")))))),
    "more bytes than the shape": (
        "onnx",
        "F03",
        lambda: onnx(graph=message((5, onnx_tensor("w", [1], floats(1.0, 2.0))))),
    ),
    "data twice": (
        "onnx",
        "F03",
        lambda: onnx(graph=message((5, onnx_tensor("w", [1], floats(1.0), (4, floats(1.0)))))),
    ),
    "an unknown kind of tensor": ("onnx", "F02", lambda: onnx(graph=message((5, message((1, 1), (2, 99)))))),
    "a nest of graphs": ("onnx", "F05", lambda: onnx(graph=nest(30))),
    "hidden text": ("onnx", "F03", lambda: onnx((6, "a\u202eb".encode()))),
    "bytes for text": ("onnx", "F02", lambda: onnx((6, b"\xff\xfe"))),
}


def nest(depth: int) -> bytes:
    graph = message((2, b"leaf"))
    for _ in range(depth):
        graph = message((1, message((4, b"If"), (5, message((1, b"then"), (6, graph))))))
    return graph


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_model_is_refused(name: str) -> None:
    kind, check, make = HOSTILE[name]
    begun = time.process_time()
    assert refusal(kind, make()).check == check
    assert time.process_time() - begun < 2


def test_every_cut_of_a_model_is_refused() -> None:
    for kind, data in (("safetensors", safetensors({"w": weights(2, 2)})), ("onnx", onnx())):
        for length in range(len(data)):
            with pytest.raises(FileRefusedError):
                read(kind, data[:length])
        assert read(kind, data).size == len(data)


def test_metadata_and_names_are_texts_to_the_other_checks() -> None:
    file = read("safetensors", safetensors({"layer.w": weights(2, 2)}, metadata={"author": "jbloggs"}))
    assert [(p.kind, p.text) for p in file.passages] == [("metadata", "author: jbloggs"), ("label", "layer.w")]
    assert "layer.w: F32, 2 x 2" in file.cards[0].text
    file = read("onnx", onnx((6, b"made at home"), (14, message((1, b"k"), (2, b"v")))))
    assert [p.text for p in file.passages if p.kind == "metadata"] == ["exporter", "made at home", "k: v"]


def judged(kind: str, data: bytes, people: int = 918) -> list[str]:
    around = Surroundings(people=people, slice=leaks.index())
    return [item.message for item in model_content.observe(read(kind, data), around)]


def attribute(name: bytes, *more: tuple[int, int | bytes]) -> tuple[int, bytes]:
    return 5, message((1, name), *more)


def test_a_tensor_as_long_as_the_slice_has_people() -> None:
    data = safetensors({"emb": weights(918, 4), "w": weights(64, 4)})
    assert judged("safetensors", data) == [
        "The tensor “emb” (918 x 4) is as long as the number of people in the slice."
    ]
    assert judged("safetensors", safetensors({"emb": weights(917, 4)})) == []


def test_usual_widths_are_no_sign() -> None:
    assert judged("safetensors", safetensors({"w": weights(256, 4)}), people=256) == []


@pytest.mark.parametrize(
    "name", ["svc.support_vectors_", "knn._fit_X", "X_train", "gp.inducing_points", "training_data"]
)
def test_names_of_training_data(name: str) -> None:
    assert len(judged("safetensors", safetensors({name: weights(3, 3)}))) == 1


@pytest.mark.parametrize("name", ["encoder.weight", "bn.running_mean", "training_step", "x_proj", "supporting"])
def test_other_names(name: str) -> None:
    assert judged("safetensors", safetensors({name: weights(3, 3)})) == []


def test_rows_of_the_slice_in_a_tensor() -> None:
    (found,) = judged("safetensors", safetensors({"w": weights(64, 6), "reference": training_rows(40)}))
    assert "rows of the tensor “reference” agree with single records" in found
    (found,) = judged("onnx", onnx(graph=message((5, onnx_tensor("c", [40, 6], training_rows(40)[2])))))
    assert "rows of the tensor “c”" in found


def test_support_vectors_are_rows_of_the_slice() -> None:
    node = message(
        (4, b"SVMClassifier"),
        attribute(b"support_vectors", (7, training_rows(20)[2])),
        attribute(b"vectors_per_class", (8, varint(12) + varint(8))),
    )
    found = judged("onnx", onnx(graph=message((1, node))))
    assert any("a learner that keeps rows" in item for item in found)
    assert any("rows of the tensor “SVMClassifier.support_vectors” agree" in item for item in found)


def test_a_vocabulary_is_pointed_out_and_a_few_classes_are_not() -> None:
    def classes(count: int) -> bytes:
        words = [(9, f"word{n}".encode()) for n in range(count)]
        return onnx(graph=message((1, message((4, b"TfIdfVectorizer"), attribute(b"pool_strings", *words)))))

    assert judged("onnx", classes(60)) == ["The model holds 60 texts, which may be words of the data."]
    assert judged("onnx", classes(4)) == []


def test_other_files_have_no_model() -> None:
    assert model_content.observe(ParsedFile("csv", 1), Surroundings()) == []


def test_what_was_not_compared_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linkage, "MOST_LOOKUPS", 3)
    found = judged("safetensors", safetensors({"junk": training_rows(3), "rest": training_rows(30)}))
    assert found[-1] == "32 rows of tensors that look like measured values were not compared with the slice."


def test_each_of_several_slices_has_its_people() -> None:
    data = safetensors({"emb": weights(918, 4)})
    assert len(judged("safetensors", data, people=918 + 55)) == 1
