"""A browser for all tests that wait for one without a loop."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.support.chromium import engine

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with those that have a loop of their own: where `chromium` is at work, there is one already."""
    places = [number for number, item in enumerate(items) if item.path.parent == HERE]
    ours = [items[place] for place in places]
    ours.sort(key=lambda item: isinstance(item, pytest.Function) and not inspect.iscoroutinefunction(item.function))
    for place, item in zip(places, ours, strict=True):
        items[place] = item


@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    """One browser for all of them, in which everybody has windows of their own."""
    with engine() as browser:
        yield browser
