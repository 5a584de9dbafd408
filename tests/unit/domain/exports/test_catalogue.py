"""The catalogue of checks: one entry each, and words that people can read."""

from __future__ import annotations

import pytest

from tre.domain.exports.catalogue import CATALOGUE, ENTRIES, KNOWN_CHECKS, Audience, Entry, key_of


def test_each_check_has_one_entry() -> None:
    assert len(CATALOGUE) == len(ENTRIES)
    assert [entry.id for entry in ENTRIES if not entry.statement.endswith(".") or not entry.risks] == []


def test_a_policy_weighs_checks_and_their_cases() -> None:
    assert {"S06", "S06.equal", "C01.do-not-release"} < KNOWN_CHECKS
    assert key_of("S06") == "S06"
    assert key_of("S06", "equal") in KNOWN_CHECKS


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.id)
def test_a_case_that_is_private_exists(entry: Entry) -> None:
    assert entry.private_cases <= set(entry.cases)


def test_another_grant_s_release_is_named_to_checkers_only() -> None:
    assert CATALOGUE["S04"].audience_of("") is Audience.everyone
    assert CATALOGUE["S04"].audience_of("sibling") is Audience.checkers
    assert CATALOGUE["P01"].audience_of("") is Audience.outline
