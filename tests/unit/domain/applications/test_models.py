"""Content of an application: what is whole, and everything that is refused."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from tests.support.applications import ID, content, content_plain, draft, in_review, slice_of, submitted
from tests.support.factories import ALICE, EVE
from tre.domain.applications.models import ANY_IMAGE, RECORDS, kinds_of
from tre.domain.slices.spec import SliceSpec

LED = {"name": "E", "jobTitle": "E", "organisation": "U", "subject": {"issuer": "local", "id": "alice"}, "role": "lead"}


def spec(**changes: Any) -> dict[str, Any]:
    plain: dict[str, Any] = slice_of()["spec"]
    return plain | changes


def test_whole_content_is_read_and_has_a_digest_of_its_own() -> None:
    found = content()
    assert found.digest() == content().digest() != content(title="Another").digest()
    assert found.names(ALICE)
    assert not found.names(EVE)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"ends": "2026-10-01T00:00:00Z"}, "after starts"),
        ({"legalBasis": content_plain()["legalBasis"] | {"ends": "2026-10-01T00:00:00Z"}}, "legalBasis.ends"),
        ({"people": [content_plain()["people"][0]]}, "leads"),
        ({"people": [LED, LED]}, "twice"),
        ({"slices": [slice_of(), slice_of()]}, "twice"),
        ({"slices": [slice_of(justifications={"CR": "Yes."})]}, "due for DX"),
        ({"slices": [slice_of(justifications=slice_of()["justifications"] | {"CT": "Yes."})]}, "takes no CT"),
        ({"slices": [slice_of(spec=spec(patients={"list": {"file": "a.csv"}}))]}, "by its digest"),
        ({"ethics": {}}, "ethics approval is due"),
        ({"ethics": {"reference": "a", "notNeededBecause": "b"}}, "ethics approval is due"),
        ({"purpose": "<script>alert(1)</script>"}, "markup"),
        ({"purpose": "a\u202eb"}, "control characters"),
        ({"purpose": " \n"}, "words are due"),
        ({"laySummary": "word " * 251}, "at most 250 words"),
        ({"laySummary": "See https://example.org."}, "no links"),
        ({"laySummary": "**Bold** words."}, "no markup"),
        ({"strange": 1}, "not permitted"),
        ({"funders": []}, "at least 1"),
    ],
)
def test_what_is_not_whole_is_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        content(**changes)


def test_each_kind_of_image_needs_its_reason() -> None:
    assert kinds_of(SliceSpec.model_validate(spec())) == ("CR", "DX")
    assert kinds_of(SliceSpec.model_validate(spec(images=[]))) == (RECORDS,)
    assert kinds_of(SliceSpec.model_validate(spec(images=[{"body_part": ["CHEST"]}]))) == (ANY_IMAGE,)
    whole = content(slices=[slice_of(spec=spec(images=[]), justifications={RECORDS: "Needed."})])
    assert list(whole.slices[0].justifications) == [RECORDS]


def test_the_title_in_lists_is_what_was_handed_in_or_typed() -> None:
    assert draft().title.startswith("Severity")
    assert draft(title="  Mine ").title == "Mine"
    assert draft(title=7).title == "Untitled application"
    assert draft(title=" ").title == "Untitled application"
    found = submitted()
    assert found.changed(draft={"title": "Later"}).title.startswith("Severity")


def test_what_votes_are_about_follows_from_everything_that_is_asked() -> None:
    assert draft().matter is None
    assert submitted().matter is None
    first = in_review()
    assert first.id == ID
    found = {
        first.matter,
        first.changed(round=2).matter,
        first.changed(content=content(purpose="Other.")).matter,
        first.changed(plans=[{"name": "cxr", "planDigest": "sha256:" + "0" * 64}]).matter,
        first.changed(varies="nccid-1").matter,
        first.changed(varies="nccid-1", lane="fast").matter,
    }
    assert None not in found
    assert len(found) == 6
