"""What holds for every test."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import structlog

ONE_WORLD = ("tests/system", "tests/unit/demodata")
"""Trees whose tests share something that takes long to make: with several workers, one of them runs each tree."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Say what one worker runs: a file as a whole, since its tests share fixtures, or a whole tree."""
    for item in items:
        path = item.path.relative_to(config.rootpath).as_posix()
        group = next((tree for tree in ONE_WORLD if path.startswith(f"{tree}/")), path)
        item.add_marker(pytest.mark.xdist_group(group))


@pytest.fixture(autouse=True)
def log_of_its_own(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A program that a test runs sets the log up on that test's output, which is closed when the next test logs."""
    configure = structlog.configure

    def without_cache(**settings: Any) -> None:
        configure(**settings | {"cache_logger_on_first_use": False})

    monkeypatch.setattr(structlog, "configure", without_cache)
    yield
    structlog.reset_defaults()
