"""Practice data by name: what is one, what is not, and what follows from a specification."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from tests.support.factories import access_grant
from tre.domain import names, practice
from tre.domain.errors import Reason, TREError
from tre.domain.grants.models import AccessGrantSpec
from tre.domain.slices.plan import Counts, SlicePlan
from tre.domain.slices.spec import OnFail, SliceSpec

SPEC: dict[str, Any] = {"slice": 1, "dataset": "nccid", "release": "r1", "images": [{"modality": ["CT"]}]}


def spec(**changes: Any) -> SliceSpec:
    return SliceSpec.model_validate(SPEC | changes)


NAMES = some.from_regex(names.RESOURCE_NAME, fullmatch=True)


@given(NAMES)
def test_a_name_of_practice_data_is_a_name_and_told_by_its_beginning(dataset: str) -> None:
    named = practice.practice_dataset(dataset)
    assert names.is_resource_name(named)
    assert practice.is_practice(named)
    with pytest.raises(TREError) as caught:
        practice.check_not_practice(named)
    assert (caught.value.reason, bool(caught.value.remedy)) == (Reason.NotPermitted, True)


@given(NAMES, NAMES)
def test_two_datasets_have_two_names_of_practice_data(one: str, other: str) -> None:
    same = one.removeprefix(practice.PREFIX) == other.removeprefix(practice.PREFIX)
    assert (practice.practice_dataset(one) == practice.practice_dataset(other)) == same


@pytest.mark.parametrize("dataset", ["nccid", "practice", "my-practice-x", "practicex"])
def test_another_name_is_no_name_of_practice_data(dataset: str) -> None:
    assert not practice.is_practice(dataset)
    practice.check_not_practice(dataset)


def test_the_release_is_named_by_all_that_it_is_made_from(monkeypatch: pytest.MonkeyPatch) -> None:
    first = practice.practice_release(spec(), 10, 1)
    names.check_release_name(first)
    assert practice.practice_release(spec(), 10, 1) == first
    others = {
        practice.practice_release(spec(), 11, 1),
        practice.practice_release(spec(), 10, 2),
        practice.practice_release(spec(layout="flat"), 10, 1),
    }
    monkeypatch.setattr(practice, "EDITION", practice.EDITION + 1)
    others.add(practice.practice_release(spec(), 10, 1))
    assert len(others | {first}) == 5


def test_a_twins_specification_asks_the_same_of_its_own_release() -> None:
    asked = spec(privacy={"k": 5, "over": ["age"]})
    twin = practice.twin_spec(asked, 10, 1)
    assert (twin.dataset, twin.images) == ("practice-nccid", asked.images)
    assert twin.privacy is not None
    assert (twin.privacy.k, twin.privacy.on_fail) == (5, OnFail.report)
    assert practice.twin_spec(spec(), 10, 1).privacy is None


def test_a_twin_keeps_what_is_asked_of_people_and_drops_who_they_are() -> None:
    asked = spec(patients={"age": {"from": 40}, "sample": {"permille": 100, "seed": "a"}})
    assert practice.twin_spec(asked, 10, 1).as_plain()["patients"] == {"age": {"from": 40}}
    nobody = spec(patients={"sample": {"permille": 100, "seed": "a"}})
    assert practice.twin_spec(nobody, 10, 1).patients is None


def opening(*datasets: str) -> AccessGrantSpec:
    """A grant of slices of these datasets, unchecked."""
    (wanted, *_) = access_grant().spec.slices
    slices = tuple(
        wanted.model_copy(update={"dataset": one, "spec": wanted.spec.model_copy(update={"dataset": one})})
        for one in datasets
    )
    return access_grant().spec.model_copy(update={"slices": slices})


def test_a_grant_is_one_of_practice_when_every_slice_is() -> None:
    practice.check_practice_only(opening("practice-a", "practice-b"))
    for datasets in (("nccid",), ("practice-a", "nccid")):
        with pytest.raises(TREError, match="nccid") as caught:
            practice.check_practice_only(opening(*datasets))
        assert caught.value.reason is Reason.EvidenceUnverified


def test_a_slice_that_says_one_dataset_and_asks_another_is_found() -> None:
    grant = opening("nccid")
    (item,) = grant.slices
    said = item.model_copy(update={"dataset": "practice-a"})
    with pytest.raises(TREError, match="nccid"):
        practice.check_practice_only(grant.model_copy(update={"slices": (said,)}))


def test_an_empty_twin_is_said() -> None:
    empty = SlicePlan.model_construct(counts=Counts())
    with pytest.raises(TREError) as caught:
        practice.check_twin(empty)
    assert caught.value.reason is Reason.EmptySlice
    practice.check_twin(SlicePlan.model_construct(counts=Counts(instances=1)))
