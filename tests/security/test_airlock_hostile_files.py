"""Every hostile file by name through the real, confined check: a verdict in time, in bounded memory, by its reason."""

from __future__ import annotations

import hashlib
import resource
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from tests.assets.airlock.files import HONEST, HOSTILE, table
from tre.airlock import confine, examination
from tre.airlock.confine import namespace_prefix
from tre.airlock.examination import Candidate, FileReport, Verdict, check_files, tool_versions, worst
from tre.airlock.policy import load_policy, shipped_directory
from tre.airlock.vault import Vault
from tre.domain.errors import Reason, TREError
from tre.domain.exports.catalogue import CATALOGUE
from tre.domain.exports.rules import AirlockPolicy
from tre.domain.exports.severity import Severity


@pytest.fixture(scope="module")
def policy() -> AirlockPolicy:
    return load_policy("default", [shipped_directory()])


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    return Vault(tmp_path / "vault")


def candidate(vault: Vault, name: str, data: bytes, tmp_path: Path) -> Candidate:
    source = tmp_path / "source"
    source.write_bytes(data)
    with source.open("rb") as file:
        stored = vault.take_in(file.fileno(), 2**26)
    return Candidate(name, stored.sha256, partial(vault.opened, stored.sha256))


def look(vault: Vault, policy: AirlockPolicy, tmp_path: Path, made: dict[str, Callable[[], bytes]]) -> list[FileReport]:
    return check_files([candidate(vault, name, make(), tmp_path) for name, make in made.items()], policy)


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_file_is_blocked_in_time_and_in_bounded_memory(
    name: str, vault: Vault, policy: AirlockPolicy, tmp_path: Path
) -> None:
    asked = candidate(vault, name, HOSTILE[name].make(), tmp_path)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    begun = time.monotonic()
    (report,) = check_files([asked], policy)
    assert time.monotonic() - begun < 15
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 32 * 1024, "the parent unfolded something"
    assert report.verdict is Verdict.blocked
    assert HOSTILE[name].check in {finding.check for finding in report.findings}
    assert all(finding.sha256 == asked.sha256 for finding in report.findings)


def test_honest_files_are_clear_and_twenty_take_less_than_ten_seconds(
    vault: Vault, policy: AirlockPolicy, tmp_path: Path
) -> None:
    made = {**HONEST, **{f"wide-{number}.csv": lambda: table(5000, 30) for number in range(20 - len(HONEST))}}
    assert len(made) == 20
    asked = [candidate(vault, name, make(), tmp_path) for name, make in made.items()]
    begun = time.monotonic()
    reports = check_files(asked, policy)
    assert time.monotonic() - begun < 10
    assert {report.path: report.findings for report in reports if report.findings} == {}
    assert {report.verdict for report in reports} == {Verdict.clear}


def test_severity_comes_from_the_policy(vault: Vault, policy: AirlockPolicy, tmp_path: Path) -> None:
    made = {"a.csv": lambda: b"n,x\n3,=b\n400,c\n"}
    (report,) = look(vault, policy, tmp_path, made)
    assert [(f.check, f.severity) for f in report.findings] == [("F10", Severity.A), ("S01", Severity.E)]
    assert report.verdict is Verdict.exception
    softer = {**policy.spec.severities, "S01": Severity.A}
    spec = policy.spec.model_copy(update={"severities": softer})
    (report,) = look(vault, policy.model_copy(update={"spec": spec}), tmp_path, made)
    assert report.verdict is Verdict.acknowledge


def test_a_type_that_the_policy_leaves_out_is_blocked(vault: Vault, policy: AirlockPolicy, tmp_path: Path) -> None:
    made = {"a.csv": HONEST["means.csv"], "a.exe": lambda: b"MZ"}
    without = policy.model_copy(update={"spec": policy.spec.model_copy(update={"types": ("png",)})})
    assert [report.verdict for report in look(vault, without, tmp_path, made)] == [Verdict.blocked] * 2
    assert [r.verdict for r in look(vault, policy, tmp_path, made)] == [Verdict.clear, Verdict.blocked]


def test_a_file_over_the_limit_is_blocked_unseen(vault: Vault, policy: AirlockPolicy, tmp_path: Path) -> None:
    limits = policy.spec.limits.model_copy(update={"file_bytes": "1Ki"})
    tight = policy.model_copy(update={"spec": policy.spec.model_copy(update={"limits": limits})})
    (report,) = look(vault, tight, tmp_path, {"a.csv": HONEST["means.csv"]})
    assert [finding.check for finding in report.findings] == ["F05"]


@pytest.mark.parametrize("code", ["import os; os._exit(3)", "while True: pass", "import time; time.sleep(60)"])
def test_a_check_that_fails_blocks(
    code: str, vault: Vault, policy: AirlockPolicy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "broken.py"
    broken.write_text(code)
    limits = policy.spec.limits.model_copy(update={"seconds": 1})
    hasty = policy.model_copy(update={"spec": policy.spec.model_copy(update={"limits": limits})})
    monkeypatch.setattr(confine, "GRACE_SECONDS", 0.5)
    monkeypatch.setattr(confine, "namespace_prefix", tuple)
    monkeypatch.setattr(examination, "examine", partial(confine.examine, entry=broken))
    (report,) = look(vault, hasty, tmp_path, {"a.csv": HONEST["means.csv"]})
    assert report.verdict is Verdict.blocked
    assert [finding.check for finding in report.findings] == ["F05"]


def test_a_finding_of_an_unknown_check_blocks(
    vault: Vault, policy: AirlockPolicy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stranger = tmp_path / "stranger.py"
    stranger.write_text(
        'import os; os.write(1, b\'{"walls": [], "observations": [{"check": "Z99", "message": "x"}]}\')'
    )
    monkeypatch.setattr(confine, "namespace_prefix", tuple)
    monkeypatch.setattr(examination, "examine", partial(confine.examine, entry=stranger))
    (report,) = look(vault, policy, tmp_path, {"a.csv": HONEST["means.csv"]})
    assert [finding.check for finding in report.findings] == ["F05"]


def test_bytes_that_changed_in_the_vault_stop_the_run(vault: Vault, policy: AirlockPolicy, tmp_path: Path) -> None:
    asked = candidate(vault, "a.csv", HONEST["means.csv"](), tmp_path)
    path = vault.path(asked.sha256)
    path.chmod(0o600)
    path.write_bytes(b"changed")
    with pytest.raises(TREError) as refused:
        check_files([asked], policy)
    assert refused.value.reason is Reason.ContentChanged


def test_the_same_finding_has_the_same_id_in_every_run(vault: Vault, policy: AirlockPolicy, tmp_path: Path) -> None:
    made = {"a.csv": lambda: b"n\n3\n3\n400\n"}
    first, second = (look(vault, policy, tmp_path, made)[0].findings for _ in range(2))
    assert [f.id for f in first] == [f.id for f in second]
    assert len({f.id for f in first}) == 2


@pytest.mark.parametrize(
    ("severities", "verdict"),
    [("", "clear"), ("I", "clear"), ("AI", "acknowledge"), ("IAE", "exception"), ("EBA", "blocked")],
)
def test_the_worst_finding_decides(severities: str, verdict: str) -> None:
    assert worst(Severity(letter) for letter in severities) == verdict


def test_what_looked_is_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    tools = tool_versions()
    assert set(tools) == {"tre", "checks", "python", "confinement"}
    assert f"S01.{CATALOGUE['S01'].version}" in tools["checks"].split()
    assert ("namespaces" in tools["confinement"]) == bool(namespace_prefix())


def test_hashes_are_over_the_bytes(vault: Vault, tmp_path: Path) -> None:
    asked = candidate(vault, "a.csv", b"abc", tmp_path)
    assert asked.sha256 == hashlib.sha256(b"abc").hexdigest()
