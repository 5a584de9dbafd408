"""The committee's policy from its file: the shipped one is the default of the code, a site's own comes first."""

from __future__ import annotations

from pathlib import Path

import pytest

import tre
from tests.support.applications import TERMS
from tre.domain.errors import Reason, TREError
from tre.sources import committee_policy
from tre.sources.committee_policy import POLICY_FILE, load_committee


def test_the_shipped_policy_says_what_the_code_says(tmp_path: Path) -> None:
    assert load_committee(tmp_path).spec == TERMS


def test_a_sites_own_comes_first_and_a_wrong_one_gives_none(tmp_path: Path) -> None:
    path = tmp_path / POLICY_FILE
    path.parent.mkdir()
    shipped = (Path(tre.__file__).parent.parent / POLICY_FILE).read_text()
    path.write_text(shipped.replace("body: Data Access Committee", "body: Our committee"))
    assert load_committee(tmp_path).spec.body == "Our committee"
    path.write_text(shipped.replace("{title: Patients and the public, quorum: 1}", "{title: Patients, quorum: 0}"))
    with pytest.raises(TREError, match="patient member") as caught:
        load_committee(tmp_path)
    assert caught.value.reason is Reason.BadInput


def test_without_a_file_nothing_is_decided(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(committee_policy, "POLICY_FILE", Path("policies/nowhere.yaml"))
    with pytest.raises(TREError) as caught:
        load_committee(tmp_path)
    assert caught.value.reason is Reason.PolicyMissing
