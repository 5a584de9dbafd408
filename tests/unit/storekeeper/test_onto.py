"""Deliveries that add to a release: the same as one delivery of everything, and what counts where both speak."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from tests.unit.slices.conftest import Maker
from tests.unit.storekeeper.conftest import SLICE, House
from tre.domain.errors import Reason, TREError
from tre.slices.clinical import Patient
from tre.slices.index import Instance
from tre.slices.onto import images_before, patients_before
from tre.slices.partition import Draw, draw_key
from tre.storekeeper.deliveries import Added
from tre.storekeeper.retirements import retire
from tre.storekeeper.slices import BuildRequest, build_slice


@pytest.fixture
def night(house: House, tmp_path: Path) -> Maker:
    """What comes in the night after the first delivery was added."""
    house.add()
    return Maker(tmp_path / "night", number=100)


def add(house: House, night: Maker, release: str = "r2", onto: str = "r1") -> Added:
    return house.add(release, path=night.root, onto=onto)


@dataclasses.dataclass(frozen=True)
class Before:
    """What a release names, of people who did not opt out of late."""

    patients: list[Patient]
    images: list[Instance]

    @property
    def partitions(self) -> dict[str, str]:
        return {one.pseudonym: one.partition for one in self.patients}


def before(release: Path, denied: set[str]) -> Before:
    return Before(patients_before(release, denied), list(images_before(release, denied)))


def files_below(root: Path) -> int:
    return sum(path.is_file() for path in root.rglob("*"))


def test_it_is_the_same_as_one_delivery_of_everything(house: House, night: Maker) -> None:
    for maker in (night, house.maker):
        maker.number = 100
        maker.record("Covid4", Sex=1, Age=70)
        maker.image("Covid4", "1.4", "1.4.1", sidecar=True)
        maker.image("Covid1", "1.1", "1.1.7", Modality="CT")
    added = add(house, night)
    assert added.taken.refused == {}
    assert added.release.onto == "r1"
    assert added.release.counts.patients == 4
    whole = house.add("all")
    assert whole.release.index_digest == added.release.index_digest
    assert house.kinds().count("release.published") == 3


def test_nothing_is_copied_that_lies_there(house: House, night: Maker) -> None:
    before_it = files_below(house.office.dataset("demo").tier("dates-full"))
    night.image("Covid1", "1.1", "1.1.7")
    add(house, night)
    assert files_below(house.office.dataset("demo").tier("dates-full")) == before_it + 1


def test_adding_it_again_changes_nothing_and_something_else_is_refused(house: House, night: Maker) -> None:
    night.image("Covid1", "1.1", "1.1.7")
    first = add(house, night)
    assert add(house, night).release == first.release
    night.image("Covid2", "1.2", "1.2.7")
    with pytest.raises(TREError) as caught:
        add(house, night)
    assert caught.value.reason is Reason.AlreadyExists


def test_a_newer_record_counts_and_moves_nothing_else(house: House, night: Maker) -> None:
    night.record("Covid2", day="2021-01-01", Sex=1, Age=99)
    added = add(house, night)
    places = house.office.dataset("demo")
    earlier, later = before(places.release("r1"), set()), before(places.release("r2"), set())
    assert {one.pseudonym: one.age for one in earlier.patients} == {"Covid1": 41, "Covid2": 42, "Covid3": 43}
    assert {one.pseudonym: one.age for one in later.patients} == {"Covid1": 41, "Covid2": 99, "Covid3": 43}
    assert later.images == earlier.images
    assert added.release.counts.instances == 3


def test_a_corrected_image_takes_the_place_of_the_one_before(house: House, night: Maker) -> None:
    night.image("Covid1", "1.1", "1.1.1", sop="1.9.1", Manufacturer="GE")
    add(house, night)
    places = house.office.dataset("demo")
    found = {one.header.sop_uid: one for one in before(places.release("r2"), set()).images}
    assert set(found) == {"1.9.1", "1.9.2", "1.9.3"}
    assert found["1.9.1"].header.manufacturer == "GE"
    assert found["1.9.1"].sidecar is None, "the sidecar of before described another image"


def test_a_sidecar_may_come_after_its_image(house: House, night: Maker) -> None:
    night.image("Covid1", "1.1", "1.1.7")
    add(house, night)
    late = Maker(night.root.parent / "late", number=100)
    late.image("Covid1", "1.1", "1.1.7", sidecar=True).unlink()
    late.record("Covid1", day="2021-01-01", Sex=1, Age=41)
    added = add(house, late, "r3", "r2")
    assert added.taken.refused == {}
    images = before(house.office.dataset("demo").release("r3"), set()).images
    assert sum(one.sidecar is not None for one in images) == 4


def test_another_image_with_the_file_name_of_one_of_before_stays_out(house: House, night: Maker) -> None:
    night.number = 0
    night.image("Covid1", "1.1", "1.1.1", sop="1.9.77")
    night.image("Covid1", "1.1", "1.1.8")
    added = add(house, night)
    assert added.taken.refused == {"same-place": 1}
    uids = {one.header.sop_uid for one in before(house.office.dataset("demo").release("r2"), set()).images}
    assert "1.9.1" in uids
    assert "1.9.77" not in uids


def test_an_image_that_came_under_the_name_of_another_costs_none_of_before(house: House, night: Maker) -> None:
    night.number = 1
    night.image("Covid2", "1.2", "1.2.1", sop="1.9.1")  # an image of Covid1 by its identifier, by its place another
    night.image("Covid3", "1.3", "1.3.9")
    assert add(house, night).taken.refused == {"same-place": 1}
    found = before(house.office.dataset("demo").release("r2"), set()).images
    assert {one.header.sop_uid for one in found} == {"1.9.1", "1.9.2", "1.9.3"}
    assert {one.header.sop_uid: one.header.pseudonym for one in found}["1.9.1"] == "Covid1"


def test_nobody_changes_sides(house: House, night: Maker) -> None:
    night.record("Covid1", day="2021-01-01", partition="validation")
    night.image("Covid1", "1.1", "1.1.7", partition="validation")
    night.record("Covid4")
    night.image("Covid4", "1.4", "1.4.7")
    added = add(house, night)
    assert added.taken.refused == {"two-partitions": 1, "undecided-record": 1}
    later = before(house.office.dataset("demo").release("r2"), set())
    assert later.partitions["Covid1"] == "training"
    assert len(later.images) == 4


def test_whoever_opted_out_is_not_carried_over(house: House, night: Maker) -> None:
    house.withdraw("Covid2")
    night.image("Covid1", "1.1", "1.1.7")
    added = add(house, night)
    assert added.release.counts.patients == 2
    assert "Covid2" not in before(house.office.dataset("demo").release("r2"), set()).partitions
    assert build_slice(house.office, BuildRequest(slice_id=SLICE, spec=house.spec(release="r2"))).files


def test_what_it_adds_to_must_be_offered(house: House, night: Maker) -> None:
    night.image("Covid1", "1.1", "1.1.7")
    with pytest.raises(TREError) as unknown:
        add(house, night, onto="r9")
    assert unknown.value.reason is Reason.ReleaseNotFound
    retire(dataclasses.replace(house.office, database=house.record), "demo", "r1", "Old.")
    with pytest.raises(TREError) as retired:
        add(house, night)
    assert retired.value.reason is Reason.DatasetRetired


def test_a_delivery_of_nothing_makes_no_release(house: House, night: Maker) -> None:
    night.file("training/xray/Covid1/1.1/1.1.7/broken.dcm", b"no image")
    with pytest.raises(TREError) as caught:
        add(house, night)
    assert caught.value.reason is Reason.BadInput
    assert house.kinds().count("release.published") == 1


# Who is kept apart


def test_a_draw_keeps_people_apart_whatever_comes_later(house: House, tmp_path: Path) -> None:
    house.layout.keys.mkdir(exist_ok=True)
    (house.layout.keys / "dataset-salt.key").write_bytes(b"k" * 32)
    draw = Draw(draw_key(b"k" * 32, "demo"), 500)
    apart = {name for name in ("Covid1", "Covid2", "Covid3") if draw.drawn(name)}
    assert 0 < len(apart) < 3, "choose another key for this test"
    house.add(validation_permille=500)
    night = Maker(tmp_path / "night", number=100)
    for name in ("Covid1", "Covid2", "Covid3"):
        night.image(name, f"1.{name[-1]}", f"1.{name[-1]}.7")
    assert add(house, night).taken.refused == {}
    for release in ("r1", "r2"):
        found = before(house.office.dataset("demo").release(release), set())
        assert {name for name, side in found.partitions.items() if side == "validation"} == apart
        assert {one.header.pseudonym for one in found.images if one.partition == "validation"} == apart
    built = build_slice(house.office, BuildRequest(slice_id=SLICE, spec=house.spec(release="r2")))
    content = b"".join(path.read_bytes() for path in house.office.slices.slice(SLICE).rglob("*") if path.is_file())
    assert built.files
    assert not any(name.encode() in content for name in apart)


def test_the_share_is_settled_when_a_dataset_is_registered(house: House) -> None:
    house.add()
    with pytest.raises(TREError) as caught:
        house.add("r2", validation_permille=100)
    assert caught.value.reason is Reason.Conflict


def test_without_the_secret_nobody_is_drawn_and_nothing_added(house: House) -> None:
    with pytest.raises(TREError) as caught:
        house.add(validation_permille=500)
    assert caught.value.reason is Reason.SetupIncomplete
    assert "release.published" not in house.kinds()
