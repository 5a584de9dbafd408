"""Plans and slices, with the record kept in step and signatures respected."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.storekeeper.conftest import SLICE, House
from tre.domain.canonical import canonical_bytes
from tre.domain.datasets import BuiltSlice
from tre.domain.errors import Reason, TREError
from tre.store import datasets as store
from tre.store import register
from tre.storekeeper.slices import BuildRequest, build_slice, make_plan, remove_slice, verify_slice


def build(house: House, *, signed: str | None = None, **spec: Any) -> BuiltSlice:
    request = BuildRequest(slice_id=SLICE, spec=house.spec(**spec), signed_plan_digest=signed)
    return build_slice(house.office, request)


def test_a_plan_is_kept_once(house: House) -> None:
    house.add()
    plan = make_plan(house.office, house.spec())
    assert make_plan(house.office, house.spec()) == plan
    with house.office.database.read() as connection:
        assert store.get_plan(connection, plan.plan_digest) == plan
    assert house.kinds().count("slice.planned") == 1
    canonical_bytes(plan.as_plain())


@pytest.mark.parametrize(
    ("changes", "reason"),
    [({"dataset": "other"}, Reason.DatasetNotFound), ({"release": "r9"}, Reason.ReleaseNotFound)],
)
def test_planning_of_what_is_not_there(house: House, changes: dict[str, str], reason: Reason) -> None:
    house.add()
    with pytest.raises(TREError) as caught:
        make_plan(house.office, house.spec(**changes))
    assert caught.value.reason is reason


def test_a_slice_is_built_recorded_and_verified(house: House) -> None:
    house.add()
    plan = make_plan(house.office, house.spec())
    built = build(house, signed=plan.plan_digest)
    assert built.plan_digest == plan.plan_digest
    assert (built.files, built.manifest_version) == (3, 1)
    assert verify_slice(house.office, SLICE).differences == ()
    assert house.kinds()[-1] == "slice.built"
    canonical_bytes(built.as_plain())


def test_a_slice_whose_index_cannot_be_kept_is_not_left_where_no_opt_out_finds_it(house: House) -> None:
    house.add()
    in_the_way = house.layout.slice_indexes
    in_the_way.parent.mkdir(parents=True, exist_ok=True)
    in_the_way.touch()  # nothing can be kept below it
    with pytest.raises(OSError, match=r"Not a directory|File exists"):
        build(house)
    assert [path for path in house.layout.slices.iterdir() if path.name == SLICE] == []
    in_the_way.unlink()
    assert build(house).files == 3


def test_the_register_tells_of_a_slice_as_it_is_now(house: House) -> None:
    house.add()
    build(house)
    with house.office.database.read() as connection:
        before = register.told_of(connection, [SLICE])[SLICE]
    assert before.people == "*"  # three people: too few to tell
    assert "sex" in before.columns
    assert before.dimension("site") is None
    policy = house.layout.root / "policies" / "datasets" / "demo.yaml"
    policy.parent.mkdir(parents=True)
    head = "apiVersion: tre.research/v1alpha1\nkind: DisclosurePolicy\nmetadata: {name: demo}\n"
    policy.write_text(f"{head}spec: {{smallNumbers: {{suppressBelow: 1, roundTo: 1}}, publishSites: true}}\n")
    house.withdraw("Covid2")
    build(house)
    with house.office.database.read() as connection:
        after = register.told_of(connection, [SLICE])[SLICE]
    assert isinstance(after.people, int)
    assert (after.opted_out, after.small) == (1, 1)
    assert after.dimension("site") is not None


def test_building_what_stands_changes_nothing(house: House) -> None:
    house.add()
    first = build(house)
    inode = house.office.slices.slice(SLICE).stat().st_ino
    house.clock.advance(60)
    assert build(house) == first
    assert house.office.slices.slice(SLICE).stat().st_ino == inode
    assert house.kinds().count("slice.built") == 1


def test_a_slice_that_was_tampered_with_is_built_again(house: House) -> None:
    house.add()
    build(house)
    (house.office.slices.slice(SLICE) / "README.md").unlink()
    assert build(house).manifest_version == 2
    assert verify_slice(house.office, SLICE).differences == ()


def test_an_opt_out_needs_no_new_signature(house: House) -> None:
    house.add()
    signed = make_plan(house.office, house.spec()).plan_digest
    build(house, signed=signed)
    house.withdraw("Covid2")
    built = build(house, signed=signed)
    assert (built.files, built.manifest_version) == (2, 2)
    assert built.plan_digest != signed


def test_anything_else_needs_one(house: House) -> None:
    house.add()
    signed = make_plan(house.office, house.spec()).plan_digest
    with pytest.raises(TREError) as caught:
        build(house, signed=signed, tables={"clinical": {"columns": ["pseudonym", "sex", "age"]}})
    assert caught.value.reason is Reason.PlanNotCovered
    assert not house.office.slices.slice(SLICE).exists()
    build(house, tables={"clinical": {"columns": ["pseudonym", "sex", "age"]}})


def test_a_signature_for_a_plan_that_nobody_knows_here(house: House) -> None:
    house.add()
    with pytest.raises(TREError) as caught:
        build(house, signed="sha256:" + "0" * 64)
    assert caught.value.reason is Reason.PlanNotCovered


def test_a_plan_that_was_signed_and_never_planned_here_is_found_by_its_digest(house: House) -> None:
    house.add()
    plan = make_plan(house.office, house.spec())
    assert build(house, signed=plan.plan_digest).plan_digest == plan.plan_digest


def test_removing_is_a_receipt_and_can_be_repeated(house: House) -> None:
    house.add()
    build(house)
    receipt = remove_slice(house.office, SLICE)
    assert receipt["removed"]["files"] > 3
    canonical_bytes(receipt)
    assert remove_slice(house.office, SLICE)["removed"]["files"] == 0
    with pytest.raises(TREError) as caught:
        verify_slice(house.office, SLICE)
    assert caught.value.reason is Reason.SliceNotFound
    assert build(house).manifest_version == 1
