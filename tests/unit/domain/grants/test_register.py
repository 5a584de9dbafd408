"""What the register needs beyond access: names without commas, and nothing withheld that must be told."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.factories import spec_plain
from tre.domain.errors import TREError
from tre.domain.grants.models import AccessGrantSpec
from tre.domain.grants.register import MAY_BE_WITHHELD, OptOutAnswer, RegisterDetails
from tre.domain.model import parse_record


def test_the_block_is_optional_and_leaves_a_grant_as_it_was() -> None:
    without = AccessGrantSpec.model_validate(spec_plain())
    assert without.register_details is None
    assert "register" not in without.as_plain()
    told = {"applicants": ["Dr A Able"], "optOuts": {"applied": "Yes", "explanation": "By law."}}
    found = AccessGrantSpec.model_validate(spec_plain(register=told))
    assert found.register_details is not None
    assert found.register_details.opt_outs is not None
    assert found.register_details.opt_outs.applied is OptOutAnswer.yes
    assert AccessGrantSpec.model_validate(found.as_plain()) == found
    assert found.as_plain()["register"]["applicants"] == ["Dr A Able"]


@pytest.mark.parametrize(
    ("plain", "said"),
    [
        ({"applicants": ["Able, Alice"]}, "splits lists at commas"),
        ({"funders": ["A", "A"]}, "funders names somebody twice"),
        ({"applicantIds": ["0000-0002-1825-009"]}, "of the form"),
        ({"optOuts": {"applied": "maybe", "explanation": "x"}}, "one of these is due"),
        ({"withheld": [{"field": "article9", "reason": "x"}]}, "these may be withheld"),
        ({"withheld": [{"field": "funders", "reason": "x"}] * 2}, "names a field twice"),
        ({"sponsor": "x"}, "no such key"),
        ({"article6": "two\nlines"}, "line breaks"),
    ],
)
def test_what_is_refused(plain: dict[str, Any], said: str) -> None:
    with pytest.raises(TREError, match=said):
        parse_record(RegisterDetails, plain)


def test_what_is_withheld_is_not_told_though_it_was_given() -> None:
    plain = {"funders": ["A"], "linkage": "x", "withheld": [{"field": "linkage", "reason": "safety"}]}
    told = parse_record(RegisterDetails, plain).as_told()
    assert (told.funders, told.linkage, len(told.withheld)) == (("A",), None, 1)


@pytest.mark.parametrize("field", MAY_BE_WITHHELD)
def test_what_may_be_withheld_says_why(field: str) -> None:
    assert parse_record(RegisterDetails, {"withheld": [{"field": field, "reason": "safety"}]}).as_told().withheld
    with pytest.raises(TREError):
        parse_record(RegisterDetails, {"withheld": [{"field": field}]})
