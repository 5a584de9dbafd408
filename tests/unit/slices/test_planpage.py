"""The page of a plan: what a lay reader finds on it, and that nothing on it runs or loads."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

import pytest

from tests.unit.domain.slices.test_shown import full_plan
from tests.unit.slices.conftest import Bench, make_spec
from tre.domain.slices.plan import OptOuts
from tre.domain.slices.shown import SmallNumbers, as_shown
from tre.slices.plan import plan
from tre.slices.planpage import plan_page
from tre.slices.planwords import asked, category, column, distance, heading, reason, size

RULE = SmallNumbers()


class Reader(HTMLParser):
    """Collects elements, their attributes and the text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.open: list[str] = []
        self.attributes: set[str] = set()
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes |= {name for name, _ in attrs}
        if tag not in {"meta", "rect"}:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def read(**changes: Any) -> Reader:
    return Reader(plan_page(as_shown(full_plan(**changes), RULE)))


def test_the_page_says_what_it_is_in_words() -> None:
    page = read(opt_outs=OptOuts(patients=20, instances=90))
    for words in (
        "What this request would give",
        "115",
        "fewer than 8 images",
        "the person opted out",
        "Not every person shares these attributes with at least 4 others.",
        "of them are drawn",
        "are not in this release",
        "20 people who meet these conditions have opted out",
        "Counts from 1 to 7 are shown as *",
    ):
        assert words in re.sub(r"\s+", " ", page.text), words
    assert page.open == []


def test_nothing_on_the_page_runs_or_loads() -> None:
    page = read()
    assert not {"script", "img", "link", "iframe", "a", "form", "object"} & set(page.tags)
    assert not {name for name in page.attributes if name.startswith("on")} | (
        {"href", "src", "style"} & page.attributes
    )
    assert "default-src 'none'" in plan_page(as_shown(full_plan(), RULE)).replace("&#x27;", "'")


def test_what_people_wrote_is_text(filled: Bench) -> None:
    evil = '"><script>alert(1)</script>'
    table = {"columns": ["g"], "derive": {"g": {"from": "site", "groups": {evil: ["A"]}}}}
    spec = {"images": [{"manufacturer": [evil], "modality": ["DX"]}], "tables": {"clinical": table}}
    page = plan_page(as_shown(plan(filled.order(**spec)), RULE))
    assert "<script" not in page.lower()
    assert "&lt;script" in page.lower()


def test_a_plan_of_nothing_has_a_page(filled: Bench) -> None:
    page = Reader(plan_page(as_shown(plan(filled.order(images=[])), RULE)))
    assert "No images" in page.text
    assert "Nobody who meets these conditions has opted out" in page.text
    assert "No table" in page.text


def test_everything_is_asked_for(filled: Bench) -> None:
    wanted = {"images": [{"modality": ["DX", "CT"]}], "privacy": {"k": 2, "over": ["sex"]}}
    page = Reader(plan_page(as_shown(plan(filled.order(**wanted)), SmallNumbers(suppress_below=1, round_to=1))))
    assert "Nothing: every image of the release is asked for." in page.text
    assert "one other" in page.text
    assert "so this cannot be built" in page.text


def test_sentences() -> None:
    spec = make_spec(
        images=[
            {"modality": ["DX"], "study_date": {"from": "2020-03-01"}},
            {"slice_thickness_mm": {"min": 1, "max": 2}},
        ],
        exclude=[{"burned_in_annotation": ["YES", "unknown"]}],
        patients={
            "age": {"to": 89},
            "site": {"not": ["T1", "T2"]},
            "list": {"digest": "sha256:" + "0" * 64},
            "sample": {"seed": "s", "n": 2000},
        },
        tables={"clinical": {"columns": ["sex", "death"]}},
        headers="sidecar",
        keep_whole="instance",
    )
    assert list(asked(spec.as_plain())) == [
        "Images with kind of image X-ray, digital (DX) and day of the examination from 2020-03-01 on.",
        "Also images with thickness of a slice in mm from 1 to 2.",
        "But none with text burned into the picture YES or not known.",
        "Only of people with age up to 89 and hospital trust other than T1 or T2.",
        "Only of people on a list that a cohort tool made.",
        "Of these a sample of 2,000 people, drawn by chance (seed s).",
        "Each image is judged for itself.",
        "A table with a line for each person: sex, death.",
        "Dates in the images are those of the dataset, to the day.",
        "Beside each image lies a file with its header.",
    ]
    share = make_spec(patients={"sample": {"seed": "s", "permille": 5}})
    assert "Of these a sample of about 5 of every 1,000 people, drawn by chance (seed s)." in asked(share.as_plain())


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("withdrawn", "the person opted out"),
        ("images", "no images are asked for"),
        ("tier", "there is no copy with coarse dates"),
        ("images.modality", "kind of image is another"),
        ("images.body_part.unknown", "part of the body is not known"),
        ("patients.age", "the person's age is another"),
        ("patients.sample", "the person was not drawn into the sample"),
        ("patients.list", "the person is not on the list"),
        ("exclude.modality+model", "excluded by kind of image and model of the scanner"),
    ],
)
def test_reasons(name: str, words: str) -> None:
    assert reason(name) == words


def test_words() -> None:
    assert (column("new_column"), heading("site"), category("CHEST")) == ("new column", "Hospital trust", "CHEST")
    assert [distance(number).split(" (")[0] for number in (0, 100, 250)] == [
        "about the same",
        "somewhat different",
        "clearly different",
    ]
    assert [size(number) for number in (7, 5_370_000, 2_780_000_000_000)] == ["7 bytes", "5.37 MB", "2.78 TB"]
