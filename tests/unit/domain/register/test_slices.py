"""What the public reads of a slice: from the shown form only, hospitals only where the dataset publishes them."""

from __future__ import annotations

from tests.unit.domain.slices.test_shown import SEX, full_plan
from tre.domain.register.slices import PublicSlice, public_slice
from tre.domain.slices.shown import SmallNumbers

RULE = SmallNumbers()
SITE = SEX.model_copy(update={"name": "site"})


def told(*, sites: bool) -> PublicSlice:
    return public_slice(full_plan(representativeness=(SEX, SITE)), RULE, sites=sites)


def test_hospitals_are_told_only_where_the_dataset_publishes_them() -> None:
    assert told(sites=False).dimension("site") is None
    assert told(sites=True).dimension("site") is not None


def test_small_numbers_are_hidden_and_nothing_points_at_the_plan() -> None:
    found = told(sites=False)
    assert (found.people, found.images, found.small) == (115, 1005, 8)
    sex = found.dimension("sex")
    assert sex is not None
    female = sex.shares[0]
    assert (female.category, female.here, female.dataset, female.population) == ("female", "*", 400, 510)
    assert "sha256" not in found.model_dump_json()
    assert PublicSlice.model_validate(found.as_plain()) == found
