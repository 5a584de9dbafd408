"""Adding deliveries, with the record kept in step."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import update

from tests.support.factories import access_grant
from tests.unit.storekeeper.conftest import SLICE, House
from tre.domain.canonical import canonical_bytes
from tre.domain.errors import Reason, TREError
from tre.slices.files import NOBODY_ELSE, locked
from tre.store import datasets as store
from tre.store import grants, plans
from tre.store.tables.grants import grants as grants_table
from tre.storekeeper import deliveries
from tre.storekeeper.slices import BuildRequest, build_slice, make_plan


def test_a_new_dataset_is_registered_and_its_release_published(house: House) -> None:
    added = house.add(title="A demonstration")
    with house.office.database.read() as connection:
        dataset = store.require(connection, "demo")
        release = store.require_release(connection, "demo", "r1")
    assert (dataset.title, dataset.data_group) == ("A demonstration", house.office.settings.data_groups.first)
    assert release == added.release
    assert release.counts.instances == 3
    assert house.kinds() == ["dataset.registered", "release.published"]
    canonical_bytes(added.as_plain())


def test_adding_again_changes_nothing(house: House) -> None:
    first = house.add()
    assert house.add().release == first.release
    assert house.kinds() == ["dataset.registered", "release.published"]


def test_a_second_release_of_other_content(house: House) -> None:
    first = house.add()
    house.maker.image("Covid1", "1.1", "1.1.2")
    with pytest.raises(TREError) as caught:
        house.add()
    assert caught.value.reason is Reason.AlreadyExists
    second = house.add("r2")
    assert second.release.index_digest != first.release.index_digest


def test_without_a_name_the_release_is_called_by_the_day(house: House) -> None:
    assert house.add("").release.name == "2026-11-01"


def test_people_who_opted_out_stay_out_of_later_deliveries(house: House) -> None:
    house.add()
    house.withdraw("Covid2")
    added = house.add("r2")
    assert added.taken.refused == {"withdrawn": 2, "sidecar": 1}
    assert added.release.counts.patients == 2


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"dataset": "../x"}, Reason.BadInput),
        ({"dataset": "NCCID"}, Reason.BadInput),
        ({"release": "../x"}, Reason.BadInput),
        ({"path": Path("/nowhere")}, Reason.BadInput),
    ],
)
def test_names_and_paths_that_cannot_be(house: House, changes: dict[str, object], reason: Reason) -> None:
    with pytest.raises(TREError) as caught:
        house.add(**changes)
    assert caught.value.reason is reason
    assert house.kinds() == []


def test_two_additions_at_once_are_one_after_the_other(house: House) -> None:
    house.add()
    with locked(house.office.dataset("demo").lock, NOBODY_ELSE), pytest.raises(TREError) as caught:
        house.add("r2")
    assert caught.value.reason is Reason.Conflict
    house.add("r2")


def test_a_release_that_the_record_missed_is_repaired(house: House) -> None:
    """A crash between publishing the index and recording it: the index is there, the row is not."""
    house.add()
    house.maker.image("Covid1", "1.1", "1.1.2")
    target = house.office.dataset("demo").release("r2")
    target.mkdir()
    (target / "instances.parquet").write_bytes(b"half")
    added = house.add("r2")
    assert added.release.counts.instances == 4
    assert (target / "instances.parquet").stat().st_size > 1000


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_files_belong_to_the_storekeeper_and_the_datasets_group(house: House) -> None:
    house.add()
    keeper, group = house.office.settings.services.storekeeper, house.office.settings.data_groups.first
    for path in house.office.dataset("demo").root.rglob("*"):
        found = path.stat()
        assert found.st_uid == keeper, path
        if path.suffix == ".dcm":
            assert found.st_gid == group


def test_a_store_is_swept_only_while_every_index_on_record_is_there(house: House) -> None:
    house.add()
    places = house.office.dataset("demo")
    left = next(places.tier("dates-full").rglob("*.dcm")).with_name("b" * 64 + ".dcm")
    left.write_bytes(b"left by a cut")
    assert deliveries.sweep(house.office, "demo").unnamed == 1
    index = places.release("r1") / "instances.parquet"
    index.rename(index.with_suffix(".away"))
    with pytest.raises(TREError) as caught:
        deliveries.sweep(house.office, "demo", delete=True)
    assert caught.value.reason is Reason.ContentChanged
    assert left.exists()
    index.with_suffix(".away").rename(index)
    assert deliveries.sweep(house.office, "demo", delete=True).deleted == 1
    assert house.kinds()[-1] == "dataset.swept"
    assert not left.exists()
    assert deliveries.sweep(house.office, "demo", delete=True).unnamed == 0
    assert house.kinds().count("dataset.swept") == 1


def test_contents_of_plans_that_nothing_refers_to_are_swept_after_a_year(house: House) -> None:
    """One stands as a slice, one is named by a grant, one is of today: only the fourth goes, and can be made again."""
    house.add()
    standing, named, forgotten = (house.spec(layout=layout) for layout in ("nccid", "flat", "patient"))
    build_slice(house.office, BuildRequest(slice_id=SLICE, spec=standing))
    digests = [make_plan(house.office, spec).plan_digest for spec in (standing, named, forgotten)]
    grant = access_grant("study")
    body = grant.spec.as_plain() | {"approval": grant.spec.approval.as_plain() | {"planDigest": digests[1]}}
    with house.record.change(house.office.event("dataset.tested", "dataset/demo")) as change:
        grants.apply(change, "study", grant.spec, "signed", house.clock.now())
        change.connection.execute(update(grants_table).values(spec=body))
    house.clock.advance(timedelta(days=366).total_seconds())
    fresh = make_plan(house.office, house.spec(headers="sidecar")).plan_digest
    places = house.office.dataset("demo")

    def found() -> set[str]:
        with house.record.read() as connection:
            return plans.forgotten(connection, "demo", house.clock.now())

    assert found() == {digests[2]}
    assert deliveries.sweep(house.office, "demo", found()).plans == 1
    assert places.plan(digests[2]).is_dir(), "only counted"
    assert deliveries.sweep(house.office, "demo", found(), delete=True).plans_deleted == 1
    assert [places.plan(one).is_dir() for one in (*digests, fresh)] == [True, True, False, True]
    assert deliveries.sweep(house.office, "demo", found(), delete=True).plans == 0
    assert make_plan(house.office, forgotten).plan_digest == digests[2]
    assert places.plan(digests[2]).is_dir()
