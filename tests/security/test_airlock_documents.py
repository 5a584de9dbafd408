"""Workbooks, pages, notebooks and programs through the real, confined check: libraries work behind the walls."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from tests.assets.airlock import notebooks, pages, workbooks
from tre.airlock.examination import Candidate, FileReport, Verdict, check_files
from tre.airlock.extract import decode
from tre.airlock.policy import load_policy, shipped_directory
from tre.airlock.vault import hash_descriptor
from tre.domain.exports.rules import AirlockPolicy

SECONDS = 15


def policy() -> AirlockPolicy:
    """The shipped policy, with the types of this module."""
    shipped = load_policy("default", [shipped_directory()])
    types = tuple(dict.fromkeys([*shipped.spec.types, "xlsx", "html", "notebook", "code"]))
    return shipped.model_copy(update={"spec": shipped.spec.model_copy(update={"types": types})})


@contextmanager
def opened(path: Path) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def look(directory: Path, made: dict[str, bytes]) -> dict[str, FileReport]:
    """What the checks say of these files, each in its own child."""
    candidates = []
    for name, data in made.items():
        path = directory / name
        path.write_bytes(data)
        with opened(path) as descriptor:
            candidates.append(Candidate(name, hash_descriptor(descriptor).sha256, partial(opened, path)))
    begun = time.monotonic()
    reports = check_files(candidates, policy())
    assert time.monotonic() - begun < SECONDS
    return {report.path: report for report in reports}


def test_honest_documents_are_clear_and_can_be_shown(tmp_path: Path) -> None:
    made = {
        "plain.xlsx": workbooks.HONEST["plain.xlsx"](),
        "pandas.html": pages.HONEST["pandas.html"](),
        "code.ipynb": notebooks.HONEST["code.ipynb"](),
        "fit.R": b"fit <- lm(y ~ x)\n",
    }
    reports = look(tmp_path, made)
    assert {name: report.findings for name, report in reports.items()} == dict.fromkeys(made, ())
    cards = {name: [card.kind for card in decode(report.extract).cards] for name, report in reports.items()}
    assert cards == {
        "plain.xlsx": ["table"],
        "pandas.html": ["table"],
        "code.ipynb": ["markdown", "code"],
        "fit.R": ["code"],
    }


def test_hostile_documents_are_blocked_by_their_reason(tmp_path: Path) -> None:
    cases = [
        (workbooks.HOSTILE, "bomb.xlsx"),
        (workbooks.HOSTILE, "billion-laughs.xlsx"),
        (workbooks.HOSTILE, "far-away.xlsx"),
        (pages.HOSTILE, "script.html"),
        (pages.HOSTILE, "deep.html"),
        (notebooks.HOSTILE, "script-in-table.ipynb"),
        (notebooks.HOSTILE, "deep.ipynb"),
    ]
    reports = look(tmp_path, {name: hostile[name].make() for hostile, name in cases})
    for hostile, name in cases:
        assert reports[name].verdict is Verdict.blocked
        assert hostile[name].check in {finding.check for finding in reports[name].findings}, name


def test_a_notebook_with_a_figure_needs_an_exception(tmp_path: Path) -> None:
    reports = look(tmp_path, {"figure.ipynb": notebooks.HIDING["figure.ipynb"].make()})
    assert reports["figure.ipynb"].verdict is Verdict.exception
    assert [finding.check for finding in reports["figure.ipynb"].findings] == ["F09"]
