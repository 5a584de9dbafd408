"""Which tests failed, so that a few can be run again by themselves: a small machine that does three things at once may
hold one of them up, and what fails alone fails.

Guarantees: a test that is run again is named. Does not guarantee: that a test that passed then is a good one.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

FAILED_VARIABLE = "TESTS_FAILED"  # a file that takes the names of the tests that failed
TESTS_FAILED = 1  # pytest's exit code for that, and for nothing else
MOST_AGAIN = 5


def write_failed(reporter: pytest.TerminalReporter) -> None:
    """Tell whoever asked by the variable which tests failed."""
    if file := os.environ.get(FAILED_VARIABLE):
        reports = [one for kind in ("failed", "error") for one in reporter.stats.get(kind, ())]
        Path(file).write_text("".join(f"{name}\n" for name in sorted({one.nodeid for one in reports})))


def run_few_again(run: Callable[[], int], again: Callable[[list[str]], int], say: Callable[[str], None]) -> int:
    """Run tests; if no more than a few failed, those alone once more. Returns pytest's exit code of the last run."""
    with tempfile.TemporaryDirectory() as folder:
        failed = Path(folder) / "failed"
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv(FAILED_VARIABLE, str(failed))
            code = run()
        names = failed.read_text().splitlines() if failed.exists() else []
    if code != TESTS_FAILED or not 0 < len(names) <= MOST_AGAIN:
        return code
    say(f"{len(names)} failed beside others, and run again alone: {', '.join(names)}")
    return again(names)
