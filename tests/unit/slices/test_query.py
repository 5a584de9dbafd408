"""Nothing that people write becomes part of the text of a query."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.slices.conftest import make_spec
from tre.domain.slices.derivations import ClinicalTable
from tre.domain.slices.spec import SliceSpec
from tre.slices.columns import Values, grouped, shown
from tre.slices.query import compile_spec, selection_query

WORDS = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=20).map(lambda text: f"zq{text}qz")


def make(word: str, number: int) -> SliceSpec:
    """A specification of one shape, with what people may choose freely in every place."""
    condition = {
        "manufacturer": [word],
        "model": [word, "unknown"],
        "slice_thickness_mm": {"max": number},
        "study_date": {"from": f"20{number:02}-01-01"},
    }
    table = {
        "columns": ["b", "g"],
        "derive": {
            "b": {"from": "age", "band": 2 + number % 2 * 3, "top": 90},
            "g": {"from": "site", "groups": {word: [word]}, "rest": f"x{word}"},
        },
    }
    sample: dict[str, Any] = {"seed": word, "n": 1 + number}
    patients = {"site": {"not": [word]}, "age": {"from": number}, "sample": sample}
    patients["list"] = {"digest": "sha256:" + f"{number % 16:x}" * 64}
    return make_spec(
        images=[condition], exclude=[condition], patients=patients, tables={"clinical": table}, release=f"r{number}"
    )


def text_of(spec: SliceSpec) -> str:
    compiled = compile_spec(spec)
    table: ClinicalTable | None = spec.tables.clinical
    assert table is not None
    values = Values()
    columns = [sql for name in table.columns for sql in (shown(name, table, values), grouped(name, table, values))]
    return selection_query(spec, compiled) + " ".join(columns)


@given(WORDS, st.integers(10, 90), WORDS, st.integers(10, 90))
def test_specifications_of_one_shape_have_one_query(one: str, first: int, other: str, second: int) -> None:
    assert text_of(make(one, first)) == text_of(make(other, second))


def test_the_words_are_bound(specs: Any) -> None:
    compiled = compile_spec(make("zqwordqz", 42))
    bound = json.dumps(compiled.parameters, default=str)
    assert bound.count("ZQWORDQZ") == 5
    assert "zq" not in text_of(make("zqwordqz", 42)).lower()


@pytest.mark.parametrize("sample", [{"n": 5}, {"permille": 5}])
def test_every_bound_value_is_used(sample: dict[str, int]) -> None:
    spec = make_spec(patients={"sample": {"seed": "s", **sample}}, images=[{"modality": ["DX"]}])
    compiled = compile_spec(spec)
    text = selection_query(spec, compiled)
    assert all(f"${name}:" in text for name in compiled.parameters)
