"""`tre bench airlock`: a small corpus made by hand, of which everything is known."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tre.cli.bench.airlock import any_small, bench, smallest_below_ten
from tre.domain.errors import Reason, TREError

FILES = {
    "clean": ("clean", (), b"sex,n\nF,120\nM,135\n"),
    "levels": ("clean", (), b"term,level,p\na,1,0.5\nb,2,0.25\n"),
    "few": ("planted", ("S01",), b"sex,n\nF,3\nM,135\n"),
    "elsewhere": ("planted", ("S04",), b"sex,n\nF,120\nM,135\n"),
    "hostile": ("hostile", ("F03",), b"%PDF-1.7\na,b\n1,2\n"),
    "like it": ("near-miss", (), b"name,pages\nPDF-1,120\n"),
}


@pytest.fixture(scope="module")
def figures(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What is measured on it, by name."""
    corpus = tmp_path_factory.mktemp("corpus")
    samples = []
    for number, (about, (sort, plants, data)) in enumerate(FILES.items()):
        folder = corpus / str(number)
        folder.mkdir()
        (folder / "a.csv").write_bytes(data)
        listed = {"folder": str(number), "about": about, "writer": "hand", "sort": sort, "target": "a.csv"}
        samples.append(listed | {"plants": plants})
    (corpus / "manifest.json").write_text(json.dumps({"seed": "s", "people": 0, "tools": {}, "samples": samples}))
    measured: dict[str, Any] = {}
    for item in bench(corpus):
        measured.setdefault(item.what, item)
    return measured


def test_false_alarms_and_what_is_found(figures: dict[str, Any]) -> None:
    assert figures["clean requests (2) that are stopped"].ours == 0
    found = figures["planted disclosures (2) that are found"]
    assert (found.ours, found.met) == (50, False)
    assert figures["planted, found: few (1)"].ours == 100


def test_peers_see_the_very_same_files(figures: dict[str, Any]) -> None:
    peers = figures["the same, beside"]
    assert (peers.peer.name, peers.peer.value) == ("any integer under 10", 50)


def test_hostile_files_and_their_near_misses(figures: dict[str, Any]) -> None:
    assert figures["hostile files (1) that are stopped"].met
    assert figures["their near-misses (1) that pass"].met


def test_time_is_taken_of_typical_files(figures: dict[str, Any]) -> None:
    assert 0 < figures["2 files fully checked"].ours < 30


@pytest.mark.parametrize(
    ("text", "small", "smallest"),
    [
        ("a\n7\n", True, True),
        ("a\n17\n", False, False),
        ("a\n1.5\n", False, True),
        ("a,b\nx,10\n", False, False),
        ("", False, False),
    ],
)
def test_the_peers_rules(text: str, small: bool, smallest: bool) -> None:
    assert (any_small(text), smallest_below_ten(text)) == (small, smallest)


def test_a_directory_that_is_no_corpus_is_told(tmp_path: Path) -> None:
    with pytest.raises(TREError) as error:
        bench(tmp_path)
    assert error.value.reason is Reason.BadInput
