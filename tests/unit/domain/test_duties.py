"""Who may never be whom: each row of the table by itself, and the permissions that stand on it."""

from __future__ import annotations

import pytest

from tests.support.factories import ALICE, BOB
from tre.domain.duties import DUTIES, PARTS, Duty, Part, check_apart, conflict, is_apart
from tre.domain.errors import Reason, TREError
from tre.domain.events import program
from tre.domain.people import Subject


@pytest.mark.parametrize("duty", list(Duty))
@pytest.mark.parametrize("part", list(Part))
def test_each_pair(duty: Duty, part: Part) -> None:
    """A person in a part that a duty is kept from does not do it; in another part they do."""
    parts = {part: [BOB, ALICE]}
    kept_from = part in DUTIES[duty].never
    assert conflict(duty, ALICE, parts) is (part if kept_from else None)
    assert is_apart(duty, ALICE, parts) is not kept_from
    assert is_apart(duty, ALICE, {part: [BOB]})
    assert is_apart(duty, ALICE, {part: [Subject(issuer="https://idp", id="alice")]})


def test_every_duty_is_kept_from_somebody_and_says_what_to_do() -> None:
    assert set(DUTIES) == set(Duty)
    assert set(PARTS) == set(Part)
    for row in DUTIES.values():
        assert row.never
        assert row.act
        assert row.refused.endswith(".")
        assert row.remedy.endswith(".")


def test_a_program_is_nobody() -> None:
    assert conflict(Duty.vote, program("controller"), {}) is None
    assert not is_apart(Duty.vote, program("controller"), {})
    with pytest.raises(TREError, match="A program is nobody here"):
        check_apart(Duty.vote, program("controller"), {})


def test_the_refusal_says_from_what() -> None:
    check_apart(Duty.vote, ALICE, {Part.applicant: [BOB]})
    with pytest.raises(TREError) as refused:
        check_apart(Duty.vote, ALICE, {Part.applicant: [ALICE], Part.member: [ALICE]})
    assert refused.value.reason is Reason.NotPermitted
    assert "Never by a member of the project" in refused.value.why
    with pytest.raises(TREError, match="an applicant of the project"):
        check_apart(Duty.vote, ALICE, {Part.applicant: [ALICE]})
