"""Every link leads somewhere, every picture is there, every page can be found from the index."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.documents import CHECKOUT, DOCS, all_documents, anchors, links

DOCUMENTS = all_documents()


def target(document: Path, link: str) -> tuple[Path, str]:
    """The file and the fragment that a relative link names."""
    path, _, fragment = link.partition("#")
    return (document.parent / path).resolve() if path else document, fragment


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(CHECKOUT)))
def test_links_resolve(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    broken = []
    for link in links(text):
        if "://" in link:
            continue
        path, fragment = target(document, link)
        known = path.exists() and (not fragment or fragment in anchors(path.read_text(encoding="utf-8")))
        broken += [] if known else [link]
    assert broken == []


def test_every_page_is_linked_from_another() -> None:
    reached = {target(page, link)[0] for page in DOCUMENTS for link in links(page.read_text(encoding="utf-8"))}
    alone = [str(page.relative_to(CHECKOUT)) for page in DOCS.rglob("*.md") if page.resolve() not in reached]
    assert alone == []


def test_no_link_leaves_the_project_but_to_standards() -> None:
    """A page that must be fetched from elsewhere to be understood is one that can vanish."""
    outside = {
        link
        for page in DOCUMENTS
        for link in links(page.read_text(encoding="utf-8"))
        if "://" in link and "tre.localhost" not in link
    }
    assert outside == set()
