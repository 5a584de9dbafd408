"""The child that compares files, behind its real walls: the solver asks the system for nothing, in time."""

from __future__ import annotations

import hashlib
import time
from functools import partial
from pathlib import Path

import pytest

from tests.assets.airlock.comparisons import DISCLOSING, EARLIER, SIBLING
from tests.unit.airlock.extracted import members
from tests.unit.airlock.test_suppression import published
from tre.airlock.confine import Instruction, MemberWords, compare
from tre.airlock.examination import Candidate, Earlier, Knowledge, Verdict, check_files
from tre.airlock.extract import Extract, encode
from tre.airlock.policy import load_policy, shipped_directory
from tre.airlock.vault import Vault
from tre.domain.errors import Reason, TREError


def words(count: int, origin: str = "request") -> list[MemberWords]:
    return [MemberWords(f"{number}.csv", f"{number:064}", origin, "a release") for number in range(count)]


def tables(count: int) -> list[bytes]:
    made = (published(30, 12, seed) for seed in range(count))
    return [encode(Extract("csv", 1, (table,), (("",) * len(table.header),))) for table in made]


def test_twenty_tables_are_audited_behind_the_walls() -> None:
    begun = time.monotonic()
    answer = compare(tables(20), words(20), Instruction(""))
    assert time.monotonic() - begun < 10
    assert "system-calls" in answer.walls
    assert len([item for item in answer.observations if item.check == "S03"]) > 20
    assert {item.member for item in answer.observations} == set(range(20))


def test_a_whole_run_finds_what_only_two_files_together_tell(tmp_path: Path) -> None:
    """Disclosing sets through files, vault, children and policy: severities, and whose eyes they are for."""
    policy = load_policy("default", [shipped_directory()])
    vault = Vault(tmp_path / "vault")
    for name in ("one more person", "one more person than another project", "a star"):
        due = DISCLOSING[name]
        parsed = {f"{o}/{m.path}": encode(m.extract) for m in members(due.files) if (o := m.origin) != "request"}
        earlier = tuple(Earlier(k.split("/", 1)[1], "0" * 64, e, k.split("/")[0], "e-1") for k, e in parsed.items())
        asked = []
        for path, text in due.files.items():
            if path.startswith((EARLIER, SIBLING)):
                continue
            source = tmp_path / "source"
            source.write_bytes(text.encode())
            with source.open("rb") as file:
                stored = vault.take_in(file.fileno(), 2**20)
            assert stored.sha256 == hashlib.sha256(text.encode()).hexdigest()
            asked.append(Candidate(path, stored.sha256, partial(vault.opened, stored.sha256)))
        reports = check_files(asked, policy, Knowledge(earlier=earlier))
        (report,) = [report for report in reports if report.path == due.file]
        (finding,) = [finding for finding in report.findings if finding.check == due.check]
        assert report.verdict is Verdict.exception
        assert finding.case == ("sibling" if name.endswith("project") else "")
        assert due.says in finding.message


def test_an_extract_that_a_taken_over_child_made_up_fails_every_file() -> None:
    with pytest.raises(TREError) as error:
        compare([*tables(1), b'{"format": 1, "tables": [[]]}'], words(2), Instruction(""))
    assert error.value.reason is Reason.CheckerFailed


def test_a_comparison_without_room_is_a_failed_check() -> None:
    with pytest.raises(TREError) as error:
        compare(tables(20), words(20), Instruction("", memory=32 << 20))
    assert error.value.reason is Reason.CheckerFailed
