"""Every command block of every page is run by a test, or says in words why none does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from tests.cluster import installed
from tests.docs import test_auditing, test_readme, test_tutorials
from tests.docs.documents import CHECKOUT, TUTORIALS
from tools.fences import ON_A_CLUSTER, RUN_BY, Block, blocks, faults, pages, run_by
from tools.fences import TUTORIALS as FOLDER
from tre.system.settings import Settings

PAGES = {str(path.relative_to(CHECKOUT)): path.read_text(encoding="utf-8") for path in pages()}


@pytest.mark.parametrize("name", PAGES)
def test_no_block_is_left_to_nobody(name: str) -> None:
    assert list(faults(name, PAGES[name])) == []


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("docs/new.md", "```sh\ntre status\n```", "docs/new.md:1: no test runs this"),
        ("docs/new.md", "```console\n$ tre status\n```", "docs/new.md:1: no test runs this"),
        ("docs/new.md", "```\ntre status\n```", "this is typed by people"),
        ("docs/new.md", "```text\n$ make demo\n```", "this is typed by people"),
        ("docs/new.md", "<!-- not run: no -->\n```sh\ntre status\n```", "say in words why"),
        ("docs/new.md", "<!-- not run: it needs a cluster -->\n\n```sh\ntre status\n```", "no test runs this"),
        ("docs/kubernetes.md", "```sh\ntre status\n```", "docs/kubernetes.md:1: no test runs this"),
        ("docs/new.md", "```sh\nhelm list\n```", "docs/new.md:1: no test runs this"),
        ("docs/tutorials/new.md", "<!-- not run: it needs a cluster -->\n", "stands right before no block"),
    ],
)
def test_one_that_is_left_is_noticed(name: str, text: str, said: str) -> None:
    found = list(faults(name, text))
    assert found
    assert said in found[0]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("docs/tutorials/new.md", "```console\n$ tre status\n```"),
        ("docs/auditing.md", "```sh\ntre status\n```"),
        ("docs/kubernetes.md", "```sh\nhelm list\n```"),
        ("docs/new.md", "<!-- not run: it needs a cluster -->\n```sh\ntre status\n```"),
        ("docs/new.md", "```text\nmake-believe patients\n```"),
    ],
)
def test_one_that_is_run_or_marked_is_well(name: str, text: str) -> None:
    assert list(faults(name, text)) == []


def test_each_named_test_runs_its_pages() -> None:
    """What `RUN_BY` promises is what the tests take up themselves."""
    done = {f"docs/{test_auditing.PAGE.name}": "tests/docs/test_auditing.py"}
    done |= {str(test_readme.PAGE.relative_to(CHECKOUT)): "tests/docs/test_readme.py"}
    done |= dict.fromkeys(test_tutorials.GUIDES, "tests/docs/test_tutorials.py")
    assert done == RUN_BY
    assert {path.parent for path in TUTORIALS.glob("*.md")} == {CHECKOUT / FOLDER}
    assert run_by("docs/tutorials/anything.md", Block("sh", ("tre status",), 1)) == "tests/docs/test_tutorials.py"


def test_each_block_of_a_shared_page_is_one_that_its_test_types() -> None:
    typed = {
        "README.md": {
            "tests/docs/test_readme.py": [test_readme.MAKE, test_readme.APT],
            "tests/cluster/test_chart.py": [(installed.INSTALL, installed.TRY)],
        },
        "docs/kubernetes.md": {"tests/cluster/test_chart.py": [installed.TYPED]},
    }
    for name in ON_A_CLUSTER:
        found: dict[str | None, list[tuple[str, ...]]] = {}
        for block in blocks(PAGES[name]):
            if block.language == "sh" and block.not_run is None:
                found.setdefault(run_by(name, block), []).append(block.lines)
        assert found == typed[name]


def test_the_settings_of_an_installation_are_settings() -> None:
    (block,) = (one for one in blocks(PAGES["docs/one-machine.md"]) if one.language == "yaml")
    found = Settings.model_validate(yaml.safe_load("\n".join(block.lines)))
    assert (found.base, found.listen_port, found.auth) == ("tre.example.org", 443, "oidc")


def test_a_reason_names_only_tests_that_there_are() -> None:
    reasons = [block.not_run or "" for text in PAGES.values() for block in blocks(text)]
    named = {Path(found) for reason in reasons for found in re.findall(r"tests/[\w/]+\.py", reason)}
    assert len(named) > 5
    assert {path for path in named if not (CHECKOUT / path).is_file()} == set()
