"""The page of benchmarks: it names every benchmark, and the targets that programs judge."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tre.cli.bench import ingest, plan, slices
from tre.cli.bench.command import BENCHES, SITES

PAGE = (Path(__file__).parents[3] / "docs" / "benchmarks.md").read_text(encoding="utf-8")
SECTIONS = {
    found[1]: found[2] for found in re.finditer(r"^## (\w+): [^\n]*\n(.*?)(?=^## |\Z)", PAGE, re.DOTALL | re.MULTILINE)
}
NAMES = sorted(BENCHES | SITES)


@pytest.mark.parametrize("name", NAMES)
def test_each_has_a_section_and_a_line_that_says_what_it_takes(name: str) -> None:
    assert re.search(rf"^\| `{name}` \| \d+ minutes? \|", PAGE, re.MULTILINE)
    assert "**To reach" in SECTIONS[name]


def test_the_page_has_no_section_of_a_benchmark_that_is_not_there() -> None:
    assert sorted(SECTIONS) == NAMES


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("plan", f"at most {plan.TARGET_MILLISECONDS:g} ms at 5·10⁶ images"),
        ("plan", f"at most {plan.TARGET_MIB} MiB in memory"),
        ("slices", f"at least {slices.TIMES_CP:g} times the files a second of `cp -al`, {slices.TIMES_RSYNC:g} times"),
        ("ingest", f"at least {ingest.TARGET:g} times the peer"),
    ],
)
def test_the_page_says_the_targets_that_are_judged(name: str, said: str) -> None:
    assert said in " ".join(SECTIONS[name].split())


def test_every_table_of_figures_says_on_which_machine() -> None:
    for name, text in SECTIONS.items():
        if re.search(r"^\| what \|", text, re.MULTILINE):
            assert re.search(r"^Measured (as|on) ", text, re.MULTILINE), name
