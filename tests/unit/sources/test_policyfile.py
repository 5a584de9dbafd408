"""The policy as a file: read again when it changes; the example is one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tre.domain.errors import Reason, TREError
from tre.domain.sources.policy import NO_SOURCES
from tre.sources.policyfile import POLICY_FILE, PolicyFile
from tre.system.paths import CHECKOUT

EXAMPLE = (CHECKOUT / "examples" / "sources.yaml").read_text(encoding="utf-8")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    found = tmp_path / POLICY_FILE
    found.parent.mkdir()
    return found


def test_the_example_is_a_policy(tmp_path: Path, path: Path) -> None:
    path.write_text(EXAMPLE)
    found = PolicyFile(tmp_path).read()
    assert [one.id for one in found.spec.rems] == ["rems:nccid"]
    assert [one.id for one in found.spec.directories] == ["directory:approvals"]


def test_it_is_followed_as_it_changes(tmp_path: Path, path: Path) -> None:
    file = PolicyFile(tmp_path)
    assert file.read() is NO_SOURCES
    path.write_text(EXAMPLE)
    first = file.read()
    assert file.read() is first
    path.write_text(EXAMPLE.replace("nccid\n", "other\n"))
    assert [one.name for one in file.read().spec.rems] == ["other"]
    path.unlink()
    assert file.read() is NO_SOURCES


def test_a_policy_that_cannot_be_looked_for_is_told(tmp_path: Path) -> None:
    (tmp_path / "policies").write_text("a file, where a directory is due")
    with pytest.raises(TREError) as caught:
        PolicyFile(tmp_path).read()
    assert caught.value.reason is Reason.PolicyMissing
