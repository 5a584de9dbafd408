"""What holds for every test."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import structlog

TOGETHER = {
    "tests/browser/": "installations",
    "tests/docs/": "installations",
    "tests/security/": "installations",
    "tests/system/": "installations",
    "tests/unit/demodata/": "demonstration data",
}
"""What one worker runs, one test after another: those that start whole launchers, which would claim the same users and
ports; and those that share something which takes long to make."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Say which tests stay together with several workers: those above, else those of a file, for their fixtures."""
    for item in items:
        path = item.path.relative_to(config.rootpath).as_posix()
        group = next((name for tree, name in TOGETHER.items() if path.startswith(tree)), path)
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
