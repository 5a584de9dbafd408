"""The site: built strictly from the very pages, found by its navigation, read without a network and by everybody."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from tests.docs.documents import CHECKOUT
from tests.docs.test_alerts import RULES
from tests.support.chromium import accessibility_faults, engine
from tools import navigation, state_drawing

BUILDER = CHECKOUT / ".venv-docs" / "bin" / "python"
needs_builder = pytest.mark.skipif(not BUILDER.exists(), reason="the site's builder is missing: make setup")
TARGET = re.compile(r'(?:href|src)="([^"]+)"')


def build(source: Path, site: Path) -> subprocess.CompletedProcess[str]:
    command = [str(BUILDER), str(CHECKOUT / "tools" / "build_site.py"), str(site), "--source", str(source)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=240)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("site") / "site"
    done = build(CHECKOUT, made)
    assert done.returncode == 0, done.stdout + done.stderr
    return made


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A checkout of three pages without a fault."""
    source = tmp_path / "checkout"
    (source / "docs").mkdir(parents=True)
    (source / "README.md").write_text("# What it is\n")
    (source / "docs" / "README.md").write_text(
        "# Pages\n\n## Guides\n\n* [What](../README.md): all\n* [One](one.md): it\n"
    )
    (source / "docs" / "one.md").write_text("# One\n\n## Part\n\nSee [part](#part) and [the map](README.md#guides).\n")
    return source


FAULTS = {
    "docs/links.md": (
        "# Links\n\n[gone](gone.md), [far](README.md#far), ![lost](lost.png)\n",
        "gone.md",
        "far",
        "lost.png",
    ),
    "docs/one.md": ("# One\n\n```mermaid\npie\n```\n", "a diagram cannot be drawn"),
    "docs/two.md": ("# Two\n", "docs/two.md stands in no list of docs/README.md"),
}
"""Pages with a fault each, and what must be said of it."""


@needs_builder
@pytest.mark.timeout(300)
def test_every_fault_is_told_and_the_last_site_stays(small: Path) -> None:
    made = small.parent / "site"
    made.mkdir()
    (made / "index.html").write_text("the last one")
    for page, (text, *_) in FAULTS.items():
        (small / page).write_text(text)
    done = build(small, made)
    assert done.returncode == 1
    assert [said for _, *all_of_it in FAULTS.values() for said in all_of_it if said not in done.stderr] == []
    assert (made / "index.html").read_text() == "the last one"
    assert [path.name for path in small.parent.iterdir() if path.name.startswith(".site-")] == []


@needs_builder
@pytest.mark.timeout(300)
def test_pages_without_a_fault_become_a_site(small: Path) -> None:
    done = build(small, small.parent / "site")
    assert done.returncode == 0, done.stderr
    assert (small.parent / "site" / "docs" / "one.html").is_file()


@needs_builder
@pytest.mark.timeout(300)
def test_every_link_in_the_site_leads_to_a_file_of_it(site: Path) -> None:
    broken, outside = set(), set()
    for path in site.rglob("*.html"):
        for target in TARGET.findall(path.read_text(encoding="utf-8")):
            parts = urlsplit(target)
            if parts.scheme:
                outside |= {target} if "tre.localhost" not in target else set()
            elif parts.path and not (path.parent / unquote(parts.path)).resolve().is_file():
                broken.add((path.name, target))
    assert (broken, outside) == (set(), set())


@needs_builder
@pytest.mark.timeout(300)
def test_every_page_is_in_the_site_and_in_its_navigation(site: Path) -> None:
    first = (site / "docs" / "README.html").read_text(encoding="utf-8")
    assert 'content="0; url=docs/README.html"' in (site / "index.html").read_text(encoding="utf-8")
    known = navigation.read(CHECKOUT)
    written = {str(path.relative_to(CHECKOUT).with_suffix("")) for path in (CHECKOUT / "docs").rglob("*.md")}
    assert written | {"README", "CONTRIBUTING", "CHANGELOG"} == set(known.order())
    for part in known.parts:
        assert f"<h2>{part.title}</h2>" in first
    assert all((site / f"{page}.html").is_file() for page in known.order())


@needs_builder
@pytest.mark.timeout(300)
@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_the_link_of_every_alert_leads_to_its_runbook(site: Path, rule: dict[str, dict[str, str]]) -> None:
    page, _, fragment = rule["annotations"]["runbook"].partition("#")
    text = (site / page).with_suffix(".html").read_text(encoding="utf-8")
    assert f'id="{fragment}"' in text


SEEN = [
    ("docs/README", 1280),
    ("docs/README", 390),
    ("docs/states", 390),
    ("docs/tutorials/researcher", 1280),
    ("search", 390),
]
"""Pages that are looked at, and how wide the screen is."""


@needs_builder
@pytest.mark.browser
@pytest.mark.timeout(300)
def test_it_is_read_without_a_network_by_everybody(site: Path) -> None:
    """From a folder: nothing is fetched from elsewhere, the search finds, axe finds nothing, nothing is too wide."""
    with engine() as browser:
        for name, width in SEEN:
            page = browser.new_page(viewport={"width": width, "height": 900})
            asked: list[str] = []
            page.on("request", lambda request, asked=asked: asked.append(request.url))
            page.goto(f"{(site / name).as_uri()}.html" + ("?q=runbook" if name == "search" else ""))
            if name == "search":
                page.wait_for_selector("#search-results a")
                assert "Runbooks" in page.inner_text("#search-results")
            assert page.evaluate("document.documentElement.scrollWidth") <= width, name
            assert accessibility_faults(page) == [], f"{name} at {width}"
            assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
            page.close()


MAP = """# Map

## Guides

* [One](one.md): it
* [Folder](part/README.md): more

## Reference

* [What](../README.md)
"""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "docs" / "part").mkdir(parents=True)
    (tmp_path / "docs" / "README.md").write_text(MAP)
    (tmp_path / "docs" / "part" / "README.md").write_text("# Part\n\n[a](a.md), [b](b.md#x), [one](../one.md)\n")
    return tmp_path


def test_the_map_is_the_navigation(tree: Path) -> None:
    found = navigation.read(tree)
    assert [part.title for part in found.parts] == ["Guides", "Reference"]
    assert found.order() == ["docs/README", "docs/one", "docs/part/README", "docs/part/a", "docs/part/b", "README"]
    assert (found.part_of("docs/part/b"), found.part_of("docs/none")) == ("Guides", "")
    assert list(navigation.problems(found, found.order())) == []


@pytest.mark.parametrize(
    ("more", "pages", "said"),
    [
        ("", ["docs/load"], "docs/load.md stands in no list of docs/README.md, so nobody would find it: add a line"),
        ("* [One](one.md): again\n", [], "docs/README.md lists docs/one.md twice"),
        ("* [Gone](gone.md): away\n", [], "docs/README.md lists docs/gone.md, and there is no such page"),
    ],
)
def test_what_the_map_lacks_is_said(tree: Path, more: str, pages: list[str], said: str) -> None:
    known = [*navigation.read(tree).order(), *pages]
    (tree / "docs" / "README.md").write_text(MAP + more)
    (found,) = navigation.problems(navigation.read(tree), known)
    assert found.startswith(said)


def test_a_drawing_shows_every_state_and_every_change() -> None:
    text = "stateDiagram-v2\n[*] --> A\nA --> B\nB --> A\nA --> C\nB --> C: why\nC --> [*]\n"
    drawn = state_drawing.draw(text, 'of <"A">')
    assert re.findall(r">(\w)</text>", drawn) == ["A", "B", "C"]
    assert drawn.count('class="change"') == 4
    assert 'aria-label="of &lt;&quot;A&quot;&gt;"' in drawn
    assert drawn == state_drawing.draw(text, 'of <"A">')


@pytest.mark.parametrize("text", ["", "pie\n", "stateDiagram-v2\nA -> B\n"])
def test_what_is_no_diagram_of_states_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"drawn|no change"):
        state_drawing.draw(text, "x")


def test_lines_beside_one_another_have_lanes_of_their_own() -> None:
    spans = [(0, 5), (1, 3), (2, 4), (4, 5), (5, 0)]
    given = state_drawing.lanes(spans)
    for one, lane in enumerate(given):
        for other in range(one):
            if given[other] == lane:
                (low, high), (begin, end) = sorted(spans[one]), sorted(spans[other])
                assert high < begin or end < low
