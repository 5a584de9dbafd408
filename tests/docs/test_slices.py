"""docs/slices.md: each example is planned against the make-believe dataset and says what the page shows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.docs.documents import DOCS, blocks
from tre.demodata import NccidSpec, generate_nccid
from tre.domain.model import parse_record
from tre.domain.slices.shown import SmallNumbers, as_shown
from tre.domain.slices.spec import SliceSpec
from tre.slices.cohorts import Cohort, kept_list, sampling_key, settled
from tre.slices.files import NOBODY_ELSE
from tre.slices.ingest import IngestOrder, ingest
from tre.slices.places import DatasetPlaces
from tre.slices.plan import PlanOrder, plan

PAGE = DOCS / "slices.md"


@dataclass(frozen=True)
class Example:
    """A fragment, what is said of it, and where it stands."""

    fragment: dict[str, Any]
    said: tuple[str, ...]
    line: int


def examples() -> Iterator[Example]:
    found = list(blocks(PAGE.read_text(encoding="utf-8")))
    for block, after in zip(found, [*found[1:], None], strict=True):
        if block.language == "yaml":
            said = after.lines if after is not None and after.language == "text" else ()
            yield Example(yaml.safe_load("\n".join(block.lines)), tuple(said), block.line)


EXAMPLES = list(examples())


@dataclass(frozen=True)
class Demo:
    """The make-believe dataset, and a list of some of its people."""

    places: DatasetPlaces
    index: str
    root: Path

    def said(self, fragment: dict[str, Any]) -> list[str]:
        spec = parse_record(SliceSpec, EXAMPLES[0].fragment | fragment)
        spec = settled(spec, self.root, self.places, NOBODY_ELSE)
        wanted = spec.patients.list if spec.patients else None
        cohort = Cohort(sampling_key(b"d" * 32, "nccid"), None if wanted is None else kept_list(wanted, self.places))
        found = plan(PlanOrder(spec, self.places.release("2026-10-01"), self.index, cohort=cohort))
        return list(lines(as_shown(found, SmallNumbers())))


def lines(shown: dict[str, Any]) -> Iterator[str]:
    yield f"{shown['patients']} patients, {shown['series']} series, {shown['instances']} images, {shown['files']} files"
    if shown["extended"]:
        yield f"only for the unit: {shown['extended']} images"
    for reason, count in shown["rejected"].items():
        yield f"left out: {reason} {count}"
    if "sample" in shown:
        yield f"drawn: {shown['sample']['drawn']} of {shown['sample']['eligible']}"
    if "patientList" in shown:
        yield f"listed: {shown['patientList']['pseudonyms']}, unknown {shown['patientList']['unknown']}"
    for name, table in shown["tables"].items():
        yield f"table {name}: {table['rows']} rows, {len(table['columns'])} columns"
    if shown["kReport"]:
        cells = shown["kReport"]["asked"]
        yield f"k = {shown['kReport']['k']} by {', '.join(cells['over'])}: {cells['patientsBelowK']} patients below"


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    root = tmp_path_factory.mktemp("slices")
    small = NccidSpec(patients=60, xray_pixels=(16,), ct_pixels=(16,), ct_slices=(4, 6))
    generate_nccid(root / "delivery", small)
    places = DatasetPlaces(root / "nccid")
    ingested = ingest(IngestOrder(places, "2026-10-01", root / "delivery"), None)
    names = sorted({path.name for path in (root / "delivery" / "training" / "data").iterdir()})[:12]
    (root / "cohort.csv").write_text("pseudonym\n" + "".join(f"{name}\n" for name in [*names, "Covid-elsewhere"]))
    return Demo(places, ingested.index_digest, root)


@pytest.mark.parametrize("example", [one for one in EXAMPLES if one.said], ids=lambda one: f"line {one.line}")
def test_an_example_gives_what_the_page_shows(demo: Demo, example: Example) -> None:
    assert list(example.said) == demo.said(example.fragment)


def test_examples_without_a_result_are_valid() -> None:
    asked = [parse_record(SliceSpec, EXAMPLES[0].fragment | one.fragment).as_plain() for one in EXAMPLES]
    assert all(found["dataset"] == asked[0]["dataset"] for found in asked)


def test_every_key_of_the_language_has_an_example_or_a_word() -> None:
    text = PAGE.read_text(encoding="utf-8")
    schema = SliceSpec.model_json_schema(by_alias=True)
    keys = {key for kind in (schema, *schema["$defs"].values()) for key in kind.get("properties", {})}
    assert [key for key in sorted(keys) if key not in text] == []
