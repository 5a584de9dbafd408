"""`python tools/corpus/carriers.py DIRECTORY`: add to a corpus the files that carry more than they show.

Guarantees: every hostile file that a test knows is added with the check that has to stop it, and so is every honest
one beside it, so that a rule that stops everything is seen to do so in the same run. It runs in the environment of
the services, whose libraries make some of these files.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

from sample import Sample, write_all

CHECKOUT = Path(__file__).resolve().parents[2]
MODULES = ("files", "notebooks", "pages", "pictures", "workbooks")
"""Modules of `tests/assets/airlock` with `HOSTILE` and `HONEST`: names of files, and what makes them."""


def carriers() -> Iterator[Sample]:
    """Every hostile file and every honest one."""
    sys.path.insert(0, str(CHECKOUT))
    for name in MODULES:
        assets = importlib.import_module(f"tests.assets.airlock.{name}")
        for path, hostile in assets.HOSTILE.items():
            yield Sample(hostile.says, "tests", {path: hostile.make()}, (hostile.check,), kind="hostile")
        for path, make in assets.HONEST.items():
            yield Sample(f"like a hostile one: {path}", "tests", {path: make()}, kind="near-miss")


if __name__ == "__main__":
    added = list(carriers())
    write_all(added, Path(sys.argv[1]))
    print(f"{len(added)} files that carry more than they show, or look like it")
