"""The page on backups: every kind of half-done work names the tests that cut it off."""

from __future__ import annotations

import re

from tests.docs.documents import DOCS
from tests.docs.test_threat_model import exists

PAGE = (DOCS / "backup.md").read_text(encoding="utf-8")
_TEST = re.compile(r"`(tests/[\w/]+\.py)(?:::([\w:]+))?`")
WORK = [line for line in PAGE.partition("## What is half done")[2].splitlines() if line.startswith("| ")][1:]


def test_each_kind_of_work_names_a_test() -> None:
    assert len(WORK) > 20
    assert [line for line in WORK if not _TEST.search(line)] == []


def test_every_named_test_exists() -> None:
    named = _TEST.findall(PAGE)
    assert [found for found in named if found[1] and not exists(*found)] == []
    assert ("tests/system/test_recovery.py", "") in named
    assert exists("tests/system/test_recovery.py", "test_a_lost_machine_comes_back_elsewhere")
