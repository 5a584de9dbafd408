"""Whatever is asked, with the whole language, over slices that are really built and people who really opt out.

Three things agree file by file: the plan, the folder, the manifests. Who opted out, before the building or while the
slice stood, is in none of its bytes; whoever is kept for validation never was, and has no second name anywhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, currently_in_test_context, event, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from tests.support.databases import Sqlite
from tests.unit.slices.conftest import Maker, make_spec
from tests.unit.slices.test_plan import IMAGE_ENTRY, PATIENT_ENTRY
from tests.unit.slices.test_promises import TABLES
from tests.unit.storekeeper.conftest import START, House
from tests.unit.storekeeper.test_last_copy import named
from tests.unit.storekeeper.test_withdrawals import S, accepted
from tre.domain.clock import ManualClock
from tre.domain.errors import Reason, TREError
from tre.domain.events import program
from tre.domain.slices.spec import SliceSpec, Unit
from tre.slices import documents
from tre.slices.contents import FILES, ROWS
from tre.slices.farm import links
from tre.slices.places import patient_directory
from tre.store import datasets as data
from tre.storekeeper import withdrawals
from tre.storekeeper.office import SALT, Office
from tre.storekeeper.slices import BuildRequest, build_slice, make_plan, remove_slice, settle, verify_slice
from tre.system.layout import Layout
from tre.system.settings import Settings

TRAINED = tuple(f"Covid{500_001 + number}" for number in range(120))
FEW = 24
VALIDATED = ("Covid600001", "Covid600002")
SLICE = "s-aaaaaaaaaaaa"


def root_of(name: str) -> str:
    """What all identifiers of a person begin with, and nobody else's."""
    return f"1.2.826.0.1.{name[5:]}."


@dataclass
class Ward:
    """A house with many people, of whom more and more opt out."""

    house: House
    gone: set[str] = field(default_factory=set)

    @property
    def barred(self) -> list[str]:
        people = [*self.gone, *VALIDATED]
        return [*people, *(root_of(name) for name in people)]

    def settled(self, spec: dict[str, Any], listed: frozenset[str] | None) -> SliceSpec:
        """The specification, with a list of patients that lies beside it."""
        base = self.house.maker.root.parent
        if listed is not None:
            (base / "cohort.csv").write_text("\n".join(["pseudonym", *sorted(listed)]) + "\n")
            spec["patients"] = (spec.get("patients") or {}) | {"list": {"file": "cohort.csv"}}
        return settle(self.house.office, make_spec(**spec), base)


def furnish(house: House, people: Sequence[str]) -> None:
    """Images of two kinds, with sidecars, records, dates and parts that conditions tell apart."""
    for number, name in enumerate((*people, *VALIDATED)):
        partition = "validation" if name in VALIDATED else "training"
        house.maker.record(name, Age=18 + number % 80, Sex=number % 2, partition=partition)
        for count in range(2):
            kind = ("DX", "CT", "CR")[(number + count) % 3]
            study = f"{root_of(name)}{count}"
            house.maker.image(
                name,
                study,
                f"{study}.1",
                sop=f"{study}.1.1",
                Modality=kind,
                BodyPartExamined=("CHEST", "HEAD")[number % 2],
                StudyDate=("20200301", "20200615", "20210101")[number % 3],
                Manufacturer="SIEMENS",
                sidecar=True,
                partition=partition,
            )
    house.add()


@pytest.fixture(scope="module")
def ward(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ward]:
    """As many people as the draws of an ordinary run use up."""
    yield from made(tmp_path_factory.mktemp("ward"), TRAINED[:FEW])


@pytest.fixture(scope="module")
def hospital(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ward]:
    """As many as the long run uses up."""
    yield from made(tmp_path_factory.mktemp("hospital"), TRAINED)


def made(root: Path, people: Sequence[str]) -> Iterator[Ward]:
    layout = Layout(root / "root")
    for path in (layout.database.parent, layout.datasets, layout.slices, layout.homes, layout.keys):
        path.mkdir(parents=True, exist_ok=True)
    (layout.keys / SALT).write_bytes(b"s" * 32)
    backend = Sqlite()
    record = backend.make(layout.database)
    clock = ManualClock(START)
    office = Office(layout, Settings(), backend.as_role(record, "storekeeper"), clock, program("storekeeper"))
    house = House(office, clock, Maker(root / "delivery"), record)
    furnish(house, people)
    yield Ward(house)
    backend.close()


@st.composite
def specs(draw: st.DrawFn) -> dict[str, Any]:
    """Every clause of the language."""
    tier = draw(st.sampled_from(["dates-full", "dates-coarse"]))
    images, exclude = draw(st.lists(IMAGE_ENTRY, min_size=1, max_size=3)), draw(st.lists(IMAGE_ENTRY, max_size=1))
    for entry in (*images, *exclude):
        if "manufacturer" in entry:
            entry["manufacturer"] = ["siemens", *entry["manufacturer"]]
    wide = {"modality": ["DX", "CT", "CR"]}
    found: dict[str, Any] = {
        "images": [wide, *images] if draw(st.integers(0, 4)) else images,
        "exclude": exclude,
        "keep_whole": draw(st.sampled_from(list(Unit))),
        "headers": draw(st.sampled_from(["none", "sidecar", "full"])),
        "layout": draw(st.sampled_from(["nccid", "patient", "flat"])),
        "tables": draw(TABLES),
        "tier": tier,
        "partition": "training",
    }
    if not draw(st.integers(0, 3)):
        found["patients"] = draw(PATIENT_ENTRY)
    if draw(st.booleans()):
        found["privacy"] = {"k": 2, "over": ["sex"], "on_fail": "report"}
    if tier == "dates-coarse":  # asked by the month
        for entry in (*images, *exclude):
            if "study_date" in entry:
                entry["study_date"] = {"from": "2020-03-01", "to": "2020-06-30"}
    return found


LISTED = st.one_of(
    st.none(),
    st.sets(st.sampled_from(TRAINED), max_size=10).map(
        lambda left_out: frozenset({*TRAINED, *VALIDATED, "Stranger1"} - left_out)
    ),
)
LEVELS = st.sampled_from(["no_use", "erase"])


def three_proofs(ward: Ward) -> set[str]:
    """Plan, folder and manifests list the same files; whoever is barred is in none; the people who are in it."""
    office = ward.house.office
    with office.database.read() as connection:
        built = data.require_slice(connection, SLICE)
        plan = data.get_plan(connection, built.plan_digest)
    assert plan is not None
    contents, here = office.dataset("demo").plan(built.plan_digest), office.slices.slice(SLICE)
    planned = {f"data/{link.path}" for link in links(contents / FILES, plan.spec.layout)}
    standing = {str(path.relative_to(here)) for path in (here / "data").rglob("*") if path.is_file()}
    listed = [line[66:] for line in (here / documents.MANIFEST).read_text().splitlines()]
    assert planned == standing == set(listed)
    assert len(listed) == plan.counts.files == built.files
    pictures = pq.read_table(here / documents.IMAGES)
    assert set(pictures.column("path").to_pylist()) == {path for path in standing if path.endswith(".dcm")}
    if plan.spec.headers.value == "full":
        assert pq.read_table(here / documents.HEADERS).column("path").to_pylist() == pictures.column("path").to_pylist()
    rows = pq.read_table(contents / ROWS).column("pseudonym").to_pylist()
    assert sorted(set(pictures.column("pseudonym").to_pylist())) == rows
    assert verify_slice(office, SLICE).differences == ()
    assert named(here, *ward.barred) == []
    assert named(contents, *ward.barred) == []
    return set(rows)


def never_linked(ward: Ward) -> None:
    """The kernel's word: nothing of who is kept for validation has a second name."""
    places = ward.house.office.dataset("demo")
    found = [
        path.stat().st_nlink
        for tier in ("dates-full", "dates-coarse", "clinical", "clinical-coarse")
        for name in VALIDATED
        for path in (places.tier(tier) / patient_directory(name)).iterdir()
    ]
    assert len(found) == 2 * 2 * 4 + 2 * 2
    assert set(found) == {1}


def note(what: str) -> None:
    """Count what was drawn, where it was drawn."""
    if currently_in_test_context():
        event(what)


def walk(ward: Ward, spec: dict[str, Any], listed: frozenset[str] | None, level: str) -> bool:
    """Build, look, let one of its people opt out, look again, remove it. Whether it held anybody."""
    office, asked = ward.house.office, ward.settled(spec, listed)
    if make_plan(office, asked).counts.instances == 0:
        with pytest.raises(TREError) as caught:
            build_slice(office, BuildRequest(slice_id=SLICE, spec=asked))
        assert caught.value.reason is Reason.EmptySlice
        note("nothing to build")
        return False
    build_slice(office, BuildRequest(slice_id=SLICE, spec=asked))
    people = three_proofs(ward)
    never_linked(ward)
    leaver = min(people)
    note(f"{level} of {asked.tier}, {asked.layout}, headers {asked.headers}")
    batch = accepted(ward.house, f"{leaver}\n", level=level)
    done = withdrawals.advance(office, batch.id)
    ward.gone.add(leaver)
    assert three_proofs(ward) == people - {leaver}
    if level == "erase":
        assert done.state is S.Held
        ward.house.clock.advance(timedelta(days=29).total_seconds())
        assert withdrawals.advance(office, batch.id).state is S.Receipted
        root = office.dataset("demo").root
        left = named(root, leaver, root_of(leaver))
        assert [path for path in left if not path.startswith("releases/")] == []
        assert three_proofs(ward) == people - {leaver}
    never_linked(ward)
    assert (
        leaver
        not in pq.read_table(office.dataset("demo").plan(make_plan(office, asked).plan_digest) / ROWS)
        .column("pseudonym")
        .to_pylist()
    )
    remove_slice(office, SLICE)
    return True


QUICK = settings(
    max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


@QUICK
@given(specs(), LISTED, LEVELS)
def test_whatever_is_asked(ward: Ward, spec: dict[str, Any], listed: frozenset[str] | None, level: str) -> None:
    walk(ward, spec, listed, level)


@pytest.mark.soak
@settings(QUICK, max_examples=150)
@given(specs(), LISTED, LEVELS)
def test_whatever_is_asked_for_long(
    hospital: Ward, spec: dict[str, Any], listed: frozenset[str] | None, level: str
) -> None:
    walk(hospital, spec, listed, level)


def test_the_richest_slice_loses_somebody(ward: Ward) -> None:
    """Every document and table there is, so that the draws above are not all there is."""
    table = {"clinical": {"columns": ["pseudonym", "age", "sex"]}}
    for layout, tier, headers in (("nccid", "dates-coarse", "sidecar"), ("flat", "dates-full", "full")):
        spec = {"images": [{"modality": ["DX", "CT", "CR"]}], "layout": layout, "tier": tier, "headers": headers}
        assert walk(ward, spec | {"tables": table}, None, "erase")


def test_validation_cannot_be_asked_for() -> None:
    with pytest.raises(ValidationError):
        make_spec(partition="validation")
