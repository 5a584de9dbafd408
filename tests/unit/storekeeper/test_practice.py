"""Practice data: the twin has the slice's form and nothing of its records, and nothing else can be called practice."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from tests.unit.slices.conftest import make_spec
from tests.unit.storekeeper.conftest import SLICE, House
from tre.demodata import NccidSpec, generate_nccid
from tre.domain.errors import Reason, TREError
from tre.domain.events import program
from tre.domain.practice import PREFIX, practice_dataset, practice_release, twin_spec
from tre.domain.slices.spec import SliceSpec
from tre.store import datasets as store
from tre.store import quarantine as waiting_room
from tre.store.quarantine import QuarantineSearch
from tre.storekeeper import deliveries, service
from tre.storekeeper.deliveries import Delivery
from tre.storekeeper.practice import make_practice
from tre.storekeeper.slices import BuildRequest, build_slice, verify_slice
from tre.storekeeper.twins import Origin

TWIN = "s-bbbbbbbbbbbb"
ASKED: dict[str, Any] = {
    "images": [
        {"modality": ["DX", "CR"], "body_part": ["CHEST"], "study_date": {"from": "2020-03-01", "to": "2020-12-31"}},
        {"modality": ["CT"], "slice_thickness_mm": {"max": 2.5}},
    ],
    "patients": {"covid_status": ["positive"], "age": {"from": 18, "to": 89}},
    "tables": {
        "clinical": {
            "columns": ["pseudonym", "age_band", "sex", "site"],
            "derive": {"age_band": {"from": "age", "band": 10, "top": 80}},
        }
    },
    "headers": "sidecar",
    "privacy": {"k": 5, "over": ["age_band", "sex"]},
}


def asked(**changes: Any) -> SliceSpec:
    return make_spec(**(ASKED | changes))


@pytest.fixture
def real(house: House) -> Path:
    """A slice of a dataset of make-believe people, who stand for real ones here."""
    root = house.maker.root.parent / "nccid"
    generate_nccid(root, NccidSpec(seed=5, patients=30, ct_permille=400))
    house.add(path=root)
    privacy = {"k": 2, "over": ["age_band", "sex"], "on_fail": "report"}
    build_slice(house.office, BuildRequest(slice_id=SLICE, spec=asked(privacy=privacy)))
    return house.office.slices.slice(SLICE)


def built_twin(house: House, spec: SliceSpec, **more: Any) -> Path:
    made = make_practice(house.office, spec, **({"patients": 20} | more))
    build_slice(house.office, BuildRequest(slice_id=TWIN, spec=made.spec, signed_plan_digest=made.plan.plan_digest))
    assert verify_slice(house.office, TWIN).differences == ()
    return house.office.slices.slice(TWIN)


def forms(root: Path) -> set[str]:
    """Every path of a slice, with what differs from file to file taken out of it."""
    paths = (path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())
    return {re.sub(r"Covid\w*\d|2\.25\.\d+|[0-9a-f]{8}-[0-9a-f-]{27}", "*", path) for path in paths}


def test_twin_and_slice_have_one_form(house: House, real: Path) -> None:
    twin = built_twin(house, asked())
    assert forms(twin) == forms(real)
    for name in ("manifest.parquet", "clinical.parquet"):
        one, other = pq.read_table(real / name), pq.read_table(twin / name)
        assert one.schema == other.schema
        for column in ("modality", "body_part", "age_band", "sex", "site"):
            if column in one.column_names:
                known = {str(value) for value in one[column].to_pylist()}
                assert known & {str(value) for value in other[column].to_pylist()}, column


def values_of(root: Path) -> set[Any]:
    """What names people and files: pseudonyms, identifiers, digests."""
    table = pq.read_table(root / "manifest.parquet")
    names = ("pseudonym", "study_uid", "series_uid", "sop_uid", "sha256")
    return {value for name in names for value in table[name].to_pylist()}


def test_nothing_that_names_a_person_or_a_file_is_in_both(house: House, real: Path) -> None:
    twin = built_twin(house, asked())
    assert not values_of(real) & values_of(twin)
    pseudonyms = pq.read_table(twin / "clinical.parquet")["pseudonym"].to_pylist()
    assert all(re.fullmatch(r"CovidPractice\d+", name) for name in pseudonyms)
    assert b"CovidPractice" not in b"".join(path.read_bytes() for path in real.iterdir() if path.is_file())


def test_the_twin_is_the_same_whether_the_dataset_is_there_or_not(house: House, real: Path) -> None:
    """What cannot be read cannot be copied: without the dataset, the very same bytes."""
    before = make_practice(house.office, asked(), 10).plan.identity.index_digest
    shutil.rmtree(house.office.dataset("demo").root)
    shutil.rmtree(real)
    assert make_practice(house.office, asked(), 10).plan.identity.index_digest == before
    with pytest.raises(TREError):
        build_slice(house.office, BuildRequest(slice_id=SLICE, spec=asked()))


def test_a_dataset_that_nobody_has_registered_can_be_practised_on(house: House) -> None:
    made = make_practice(house.office, asked(dataset="not-here-yet"), 10)
    assert made.spec.dataset == "practice-not-here-yet"
    assert 0 < made.plan.counts.patients <= 10


def test_what_cannot_be_made_up_is_said(house: House) -> None:
    with pytest.raises(TREError) as caught:
        make_practice(house.office, asked(images=[]), 3)
    assert caught.value.reason in {Reason.EmptySlice, Reason.BadInput}


@pytest.mark.parametrize("patients", [0, -1, 2_001])
def test_how_many_are_made_up_is_bounded(house: House, patients: int) -> None:
    with pytest.raises(TREError) as caught:
        make_practice(house.office, asked(), patients)
    assert caught.value.reason is Reason.BadInput


def refused(house: House, name: str, release: str = "r1") -> Reason:
    with pytest.raises(TREError) as caught:
        house.add(release, dataset=name)
    with house.office.database.read() as connection:
        assert store.release(connection, name, release) is None
    return caught.value.reason


def test_no_delivery_is_taken_under_a_name_of_practice_data(house: House) -> None:
    assert refused(house, "practice-demo") is Reason.NotPermitted
    made = make_practice(house.office, asked(), 5)
    assert refused(house, made.spec.dataset) is Reason.NotPermitted
    assert refused(house, f"{PREFIX}other") is Reason.NotPermitted


def test_the_service_takes_none_either(house: House) -> None:
    office = replace(house.office, actor=program("storekeeper"))
    payload = {"dataset": "practice-demo", "path": str(house.maker.root), "generated": True}
    with pytest.raises(TREError) as caught:
        service.LANES["data"]["dataset.add"](office, payload, service._Stopping())
    assert caught.value.reason is Reason.BadInput, "a job cannot say that it was generated"
    del payload["generated"]
    with pytest.raises(TREError) as caught:
        service.LANES["data"]["dataset.add"](office, payload, service._Stopping())
    assert caught.value.reason is Reason.NotPermitted


def test_a_release_that_holds_something_else_than_its_name_says_is_refused(house: House) -> None:
    """As if somebody had written real data under a twin's name with the storekeeper's own rights."""
    spec = asked()
    delivery = Delivery(practice_dataset("demo"), house.maker.root, practice_release(spec, 5, 1))
    deliveries.add(house.office, delivery, generated=True)
    with pytest.raises(TREError) as caught:
        make_practice(house.office, spec, 5)
    assert caught.value.reason is Reason.AlreadyExists
    with pytest.raises(TREError) as caught:
        build_slice(house.office, BuildRequest(slice_id=TWIN, spec=twin_spec(spec, 5, 1)))
    assert caught.value.reason is Reason.NotPermitted


@pytest.mark.parametrize("release", ["r1", "t-000000000000000000000000"])
def test_a_dataset_that_had_such_a_name_before_opens_nothing(house: House, release: str) -> None:
    deliveries.add(house.office, Delivery("practice-demo", house.maker.root, release), generated=True)
    request = BuildRequest(slice_id=TWIN, spec=make_spec(dataset="practice-demo", release=release))
    with pytest.raises(TREError) as caught:
        build_slice(house.office, request)
    assert (caught.value.reason, bool(caught.value.remedy)) == (Reason.NotPermitted, True)
    origin = house.office.dataset("practice-demo").root / "twins" / f"{release}.json"
    origin.parent.mkdir()
    for content in ("", "{}", Origin(spec=make_spec(), patients=5, seed=1).model_dump_json(by_alias=True)):
        origin.write_text(content)
        with pytest.raises(TREError):
            build_slice(house.office, request)


def test_the_name_of_a_twin_follows_from_all_that_it_is_made_from() -> None:
    spec = asked()
    names = {
        practice_release(spec, 10, 1),
        practice_release(spec, 11, 1),
        practice_release(spec, 10, 2),
        practice_release(asked(layout="flat"), 10, 1),
    }
    assert len(names) == 4
    assert practice_release(asked(), 10, 1) in names
    assert twin_spec(spec, 10, 1).privacy is not None
    assert practice_dataset("practice-x") == practice_dataset("x") == "practice-x"
    assert len(practice_dataset("x" * 63)) <= 63


def test_what_only_the_specification_knows_by_name_is_no_persons_name(house: House) -> None:
    """Devices and sites that no list of words holds: in a real delivery they wait for somebody who looks."""
    strange = {"images": [{"modality": ["DX"], "manufacturer": ["WUNDERKAMMER"], "model": ["ZAUBERSPIEGEL"]}]}
    spec = make_spec(**strange, patients={"site": ["ELSEWHERE-3"]})
    made = make_practice(house.office, spec, patients=4)
    assert made.plan.counts.patients >= 1
    with house.office.database.read() as connection:
        assert waiting_room.files_of(connection, QuarantineSearch("practice-demo")) == []
