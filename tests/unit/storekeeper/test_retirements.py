"""Retiring: nothing new from then on, what was approved goes on, and the store lets go of what nobody can ask for."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.factories import access_grant
from tests.unit.storekeeper.conftest import SLICE, START, House
from tre.controller.grant_checks import CheckTerms, problems_of
from tre.domain.errors import Reason, TREError
from tre.domain.grants.models import AccessGrant
from tre.domain.grants.states import GrantPhase
from tre.store import grants
from tre.store import retirements as store
from tre.storekeeper import deliveries, previews
from tre.storekeeper.retirements import retire
from tre.storekeeper.slices import BuildRequest, build_slice, make_plan, remove_slice

WHY = "A corrected release is there."


def refused(call: Any, *given: Any) -> TREError:
    with pytest.raises(TREError) as caught:
        call(*given)
    assert caught.value.reason is Reason.DatasetRetired
    return caught.value


def grant(house: House, name: str, release: str) -> AccessGrant:
    """A grant of one slice of the dataset's release."""
    found = access_grant(name)
    (wanted, *_) = found.spec.slices
    spec = house.spec(release=release)
    changed = wanted.model_copy(update={"dataset": "demo", "release": release, "spec": spec})
    return found.model_copy(update={"spec": found.spec.model_copy(update={"slices": (changed,)})})


def record(house: House, found: AccessGrant, *phases: GrantPhase) -> None:
    name = found.metadata.name
    with house.record.change(house.office.event("grant.tested", f"grant/{name}")) as change:
        grants.apply(change, name, found.spec, "test", START)
        for phase in phases:
            grants.set_phase(change, name, phase, START)


def problems(house: House, found: AccessGrant) -> list[Reason]:
    terms = CheckTerms(house.layout, house.office.settings, house.clock)
    with house.record.read() as connection:
        return [one.reason for one in problems_of(terms, connection, found) if one.location[:2] == ("spec", "slices")]


def act(house: House, release: str | None = None) -> None:
    """As the operator, who may: the storekeeper itself has no right to retire anything."""
    office = house.office
    retire(type(office)(office.layout, office.settings, house.record, office.clock, office.actor), "demo", release, WHY)


def test_nothing_new_is_planned_from_a_retired_release(house: House) -> None:
    house.add()
    house.add("r2")
    act(house, "r1")
    assert refused(make_plan, house.office, house.spec()).why == WHY
    asked = previews.PreviewRequest(asker="local:alice", spec=house.spec())
    refused(previews.preview, house.office, asked)
    assert make_plan(house.office, house.spec(release="r2")).counts.patients
    assert house.kinds().count("dataset.retired") == 1


def test_nothing_is_added_to_a_retired_dataset(house: House) -> None:
    house.add()
    act(house)
    with pytest.raises(TREError) as caught:
        house.add("r2")
    assert caught.value.reason is Reason.DatasetRetired
    refused(make_plan, house.office, house.spec())


def test_a_release_can_be_added_beside_a_retired_one(house: House) -> None:
    house.add()
    act(house, "r1")
    assert house.add("r2").release.name == "r2"


@pytest.mark.parametrize("release", ["r1", None])
def test_what_is_retired_is_not_retired_again(house: House, release: str | None) -> None:
    house.add()
    act(house)
    assert refused(act, house, release).why == WHY


def test_what_was_approved_before_is_built_and_kept(house: House) -> None:
    house.add()
    old, new = grant(house, "old", "r1"), grant(house, "new", "r1")
    record(house, old)
    act(house, "r1")
    assert problems(house, old) == []
    assert problems(house, new) == [Reason.DatasetRetired]
    assert build_slice(house.office, BuildRequest(slice_id=SLICE, spec=house.spec())).files


def test_the_store_lets_go_only_of_what_nobody_can_ask_for(house: House) -> None:
    house.add()
    named = house.office.dataset("demo")
    files = len(list(named.tier("dates-full").rglob("*.*"))) + len(list(named.tier("dates-coarse").rglob("*.*")))
    record(house, grant(house, "study", "r1"), GrantPhase.Active)
    build_slice(house.office, BuildRequest(slice_id=SLICE, spec=house.spec()))

    def unnamed() -> int:
        return deliveries.sweep(house.office, "demo", delete=True).unnamed

    assert unnamed() == 0
    act(house)
    assert unnamed() == 0, "an open grant names the release, and a slice stands"
    with house.record.change(house.office.event("grant.tested", "grant/study")) as change:
        grants.set_phase(change, "study", GrantPhase.Expired, START)
        grants.set_phase(change, "study", GrantPhase.Closed, START)
    assert unnamed() == 0, "a slice stands"
    remove_slice(house.office, SLICE)
    with house.record.read() as connection:
        assert store.abandoned(connection, "demo") == {"r1"}
    swept = deliveries.sweep(house.office, "demo", delete=True)
    assert (swept.unnamed, swept.deleted, swept.held) == (files, files, 0)
    assert unnamed() == 0


def test_files_that_another_release_names_stay(house: House) -> None:
    house.add()
    house.maker.image("Covid1", "1.1", "1.1.9")
    house.add("r2")
    act(house, "r2")
    swept = deliveries.sweep(house.office, "demo", delete=True)
    assert (swept.unnamed, swept.deleted) == (2, 2), "the new image and its copy of the other tier"
    assert build_slice(house.office, BuildRequest(slice_id=SLICE, spec=house.spec())).files
