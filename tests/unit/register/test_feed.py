"""The feed: what is new, escaped, the same for the same."""

from __future__ import annotations

from typing import Any

import defusedxml.ElementTree as Xml

from tests.support.factories import END, NOON, START
from tre.domain.grants.states import GrantPhase
from tre.register.feed import feed
from tre.store.register import ListedProject

ORIGIN = "https://tre.example"


def listed(**changes: Any) -> ListedProject:
    values: dict[str, Any] = {
        "name": "one",
        "told_at": NOON,
        "running": True,
        "starts": START,
        "ends": END,
        "phase": GrantPhase.Active,
        "title": "Lungs",
        "organisation": "University",
        "sector": "academic",
        "commercial": False,
        "summary": "We look.",
    }
    return ListedProject.model_validate(values | changes)


def test_an_item_says_what_and_where() -> None:
    root = Xml.fromstring(feed([listed()], ORIGIN))
    [item] = root.findall("channel/item")
    assert item.findtext("link") == item.findtext("guid") == f"{ORIGIN}/projects/one"
    assert item.findtext("pubDate") == "Tue, 24 Nov 2026 12:00:00 +0000"
    assert item.findtext("description") == "University: We look."


def test_markup_and_strange_characters_stay_text() -> None:
    nasty = "</title><script>alert(1)</script>&\"'"
    root = Xml.fromstring(feed([listed(title=nasty, summary="\x00\ufffeok")], ORIGIN))
    assert root.findtext("channel/item/title") == nasty
    assert root.findtext("channel/item/description") == "University: ok"


def test_nothing_new_is_a_feed_too_and_the_same_gives_the_same() -> None:
    assert Xml.fromstring(feed([], ORIGIN)).findall("channel/item") == []
    assert feed([listed()], ORIGIN) == feed([listed()], ORIGIN)
