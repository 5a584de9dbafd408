"""The planner against a plain reference, written from the language's rules and not from the query."""

from __future__ import annotations

import hmac
from collections import Counter
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.slices.conftest import Bench, make_spec
from tre.domain.errors import Reason, TREError
from tre.domain.slices.spec import ImageConditions, PatientConditions, Sample, SliceSpec, Unit
from tre.domain.slices.values import NoneOf
from tre.slices.clinical import Patient
from tre.slices.cohorts import Cohort
from tre.slices.contents import FILES, check_contents, plan_and_keep
from tre.slices.files import NOBODY_ELSE
from tre.slices.headers import ImageHeader
from tre.slices.index import Instance, build, write
from tre.slices.places import DatasetPlaces
from tre.slices.plan import PlanOrder, plan
from tre.slices.release import opened

MODALITIES = st.sampled_from(["DX", "CR", "CT", None])
PARTS = st.sampled_from(["CHEST", "HEAD", None])
DAYS = st.sampled_from([date(2020, 3, 1), date(2020, 6, 1), date(2021, 1, 1), None])
MICROMETRES = st.sampled_from([1250, 2500, 5000, None])


@st.composite
def images(draw: st.DrawFn) -> list[Instance]:
    made = []
    for number in range(draw(st.integers(1, 12))):
        person, study, series = (draw(st.integers(1, 3)) for _ in range(3))
        header = ImageHeader(
            pseudonym=f"P{person}",
            study_uid=f"1.{person}.{study}",
            series_uid=f"1.{person}.{study}.{series}",
            sop_uid=f"2.{number}",
            modality=draw(MODALITIES),
            body_part=draw(PARTS),
            study_date=draw(DAYS),
            slice_thickness_um=draw(MICROMETRES),
            manufacturer=draw(st.sampled_from(["ACME", None])),
            model=None,
            view_position=None,
            burned_in_annotation=draw(st.sampled_from(["YES", "NO", None])),
        )
        sidecar = (bytes([255 - number]) * 32, 7) if draw(st.booleans()) else (None, None)
        made.append(Instance(header, "training", f"i{number}", bytes([number]) * 32, 100 + number, *sidecar))
    return made


@st.composite
def people(draw: st.DrawFn) -> list[Patient]:
    return [
        Patient(
            pseudonym=f"P{number}",
            partition="training",
            covid_status=draw(st.sampled_from(["positive", "negative", None])),
            age=draw(st.sampled_from([17, 18, 50, 89, 90, None])),
            sex=draw(st.sampled_from(["female", "male", None])),
            ethnicity_group=None,
            site=draw(st.sampled_from(["TRUST-01", "TRUST-07", None])),
        )
        for number in (1, 2, 3)
    ]


def some_images(count: int) -> tuple[list[Instance], list[Patient]]:
    """So many people with a few images each, always the same."""
    made = []
    for number in range(count * 4):
        person = number % count
        kind = "DX" if number % 3 else "CT"
        header = ImageHeader(
            pseudonym=f"P{person}",
            study_uid=f"1.{person}.{number % 2}",
            series_uid=f"1.{person}.{number % 2}.{kind == 'CT':d}",
            sop_uid=f"2.{number}",
            modality=kind,
            body_part="CHEST" if number % 5 else None,
            study_date=date(2020, 1 + number % 12, 1),
            slice_thickness_um=None,
            manufacturer="ACME",
            model=None,
            view_position=None,
            burned_in_annotation=None,
        )
        made.append(Instance(header, "training", f"i{number}", number.to_bytes(32, "big"), 100 + number))
    sexes = ("female", "male")
    known = [
        Patient(f"P{one}", "training", "positive", 20 + one, sexes[one % 2], None, f"T{one % 4}")
        for one in range(count)
    ]
    return made, known


def maybe(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(st.none(), values)


def codes(*known: str) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from([*known, "unknown"]), min_size=1, max_size=3)


IMAGE_ENTRY = st.fixed_dictionaries(
    {},
    optional={
        "modality": codes("DX", "CR", "CT"),
        "body_part": codes("CHEST", "HEAD"),
        "study_date": st.sampled_from([{"from": "2020-06-01"}, {"from": "2020-03-01", "to": "2020-06-01"}]),
        "slice_thickness_mm": st.sampled_from([{"max": 2.5}, {"min": "1.25", "max": 2.5}]),
        "manufacturer": codes("acme"),
        "burned_in_annotation": codes("YES", "NO"),
    },
).filter(bool)  # fmt: skip
SAMPLES = st.one_of(
    st.fixed_dictionaries({"seed": st.sampled_from("ab"), "n": st.integers(1, 3)}),
    st.fixed_dictionaries({"seed": st.sampled_from("ab"), "permille": st.sampled_from([1, 400, 999])}),
)
LISTS = st.sets(st.sampled_from(["P1", "P2", "P3", "P9"]), min_size=1).map(frozenset)
PATIENT_ENTRY = st.fixed_dictionaries(
    {},
    optional={
        "sample": SAMPLES,
        "covid_status": codes("positive", "negative"),
        "age": st.sampled_from([{"from": 18, "to": 89}, {"to": 17}]),
        "sex": codes("female", "male"),
        "site": st.one_of(codes("TRUST-01"), st.just({"not": ["TRUST-07"]})),
    },
).filter(bool)
SPECS = st.builds(
    lambda images, exclude, patients, unit, headers: make_spec(
        images=images,
        exclude=exclude,
        keep_whole=unit,
        headers=headers,
        **({"patients": patients} if patients else {}),
    ),
    st.lists(IMAGE_ENTRY, max_size=3),
    st.lists(IMAGE_ENTRY, max_size=2),
    maybe(PATIENT_ENTRY),
    st.sampled_from(list(Unit)),
    st.sampled_from(["none", "sidecar"]),
)


def holds(conditions: ImageConditions | PatientConditions, values: dict[str, Any]) -> bool:
    """All conditions of an entry; a missing value only where `unknown` is listed."""
    for key in type(conditions).model_fields.keys() - {"list", "sample"}:
        condition, value = getattr(conditions, key), values[key]
        if condition is None:
            continue
        if isinstance(condition, NoneOf):
            good = value is not None and value not in condition.codes
        elif isinstance(condition, tuple):
            good = ("unknown" if value is None else value) in condition
        else:
            first, last = condition.first, condition.last
            good = value is not None and (first is None or first <= value) and (last is None or value <= last)
        if not good:
            return False
    return True


def image_values(one: Instance) -> dict[str, Any]:
    head = one.header
    thickness = None if head.slice_thickness_um is None else head.slice_thickness_um / 1000
    return {name: getattr(head, name, None) for name in ImageConditions.model_fields} | {
        "slice_thickness_mm": thickness
    }


def reference(
    spec: SliceSpec, everything: list[Instance], known: list[Patient], denied: set[str], listed: frozenset[str]
) -> set[str]:
    """SOP identifiers that a specification takes, image by image."""
    units = {
        Unit.patient: lambda one: one.header.pseudonym,
        Unit.study: lambda one: (one.header.pseudonym, one.header.study_uid),
        Unit.series: lambda one: one.directory,
        Unit.instance: lambda one: one.header.sop_uid,
    }
    unit_of = units[spec.keep_whole]
    conditions = spec.patients
    matching = {unit_of(one) for one in everything if any(holds(entry, image_values(one)) for entry in spec.images)}
    barred = {unit_of(one) for one in everything if any(holds(entry, image_values(one)) for entry in spec.exclude)}
    fitting = {one.pseudonym for one in known if conditions is None or holds(conditions, vars_of(one))}
    if conditions is not None and conditions.list is not None:
        fitting &= listed
    left = {one.header.pseudonym for one in everything if unit_of(one) in matching - barred} & fitting
    if conditions is not None and conditions.sample is not None:
        left = drawn(left, conditions.sample)
    return {
        one.header.sop_uid
        for one in everything
        if unit_of(one) in matching - barred and one.header.pseudonym in left - denied
    }


KEY = b"k" * 32


def drawn(people: set[str], sample: Sample) -> set[str]:
    """The sample by its definition."""

    def ticket(name: str) -> int:
        said = f"{len(sample.seed)}:{sample.seed}:{name}".encode()
        return int.from_bytes(hmac.digest(KEY, said, "sha256")[:8], "big") // 2

    if sample.n is not None:
        return set(sorted(people, key=ticket)[: sample.n])
    assert sample.permille is not None
    return {name for name in people if ticket(name) * 1000 < sample.permille * 2**63}


def vars_of(patient: Patient) -> dict[str, Any]:
    return {name: getattr(patient, name) for name in PatientConditions.model_fields.keys() - {"list", "sample"}}


def with_list(spec: SliceSpec) -> SliceSpec:
    """The specification with a list of patients as one more condition."""
    plain = spec.as_plain()
    plain["patients"] = plain.get("patients", {}) | {"list": {"digest": "sha256:" + "0" * 64}}
    return SliceSpec.model_validate(plain)


@dataclass
class World:
    """A release made of made-up rows, without files."""

    places: DatasetPlaces
    digest: str

    def order(self, spec: SliceSpec, denied: set[str], listed: frozenset[str] | None = None) -> PlanOrder:
        cohort = Cohort(KEY, listed)
        return PlanOrder(spec, self.places.release("r1"), self.digest, denied, len(denied), cohort)


def make_world(root: Path, everything: list[Instance], known: list[Patient]) -> World:
    places = DatasetPlaces(root)
    built = build(everything, known)
    places.release("r1").mkdir(parents=True, exist_ok=True)
    write(built, places.release("r1"))
    return World(places, built.digest)


QUICK = settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
ASKED = st.tuples(images(), people(), SPECS, st.sets(st.sampled_from(["P1", "P2", "P3"]), max_size=2), maybe(LISTS))
Asked = tuple[list[Instance], list[Patient], SliceSpec, set[str], frozenset[str] | None]


@QUICK
@given(ASKED)
def test_the_query_takes_what_the_rules_take(tmp_path: Path, asked: Asked) -> None:
    compare(tmp_path, *asked)


@pytest.mark.soak
@pytest.mark.timeout(1800)
@settings(QUICK, max_examples=600)
@given(ASKED)
def test_the_query_takes_what_the_rules_take_for_long(tmp_path: Path, asked: Asked) -> None:
    compare(tmp_path, *asked)


def compare(
    tmp_path: Path,
    everything: list[Instance],
    known: list[Patient],
    spec: SliceSpec,
    denied: set[str],
    listed: frozenset[str] | None,
) -> None:
    world = make_world(tmp_path / "world", everything, known)
    if listed is not None:
        spec = with_list(spec)
    planned = plan_and_keep(world.order(spec, denied, listed), world.places, NOBODY_ELSE)
    expected = reference(spec, everything, known, denied, listed or frozenset())
    assert planned.counts.instances == len(expected)
    assert planned.counts.instances + sum(planned.rejected.values()) == len(everything)
    contents = world.places.plan(planned.plan_digest)
    check_contents(contents, planned.identity)  # the root from the index is the root over the listed files
    with opened(world.places.release("r1")) as connection:
        listed = connection.execute("SELECT sop_uid, kind, bytes FROM read_parquet($f)", {"f": str(contents / FILES)})
        rows = listed.fetchall()
    assert {uid for uid, kind, _ in rows if kind == "image"} == expected
    with_sidecar = {one.header.sop_uid for one in everything if one.sidecar_sha256}
    wanted = expected & with_sidecar if spec.headers.value == "sidecar" else set()
    assert {uid for uid, kind, _ in rows if kind == "sidecar"} == wanted
    assert planned.counts.files == len(rows)
    assert planned.counts.bytes == sum(size for _, _, size in rows)


def rejected(bench: Bench, **spec: Any) -> dict[str, int]:
    return plan(bench.order(**spec)).rejected


def test_no_images_asked_gives_nothing(filled: Bench) -> None:
    planned = plan(filled.order(images=[]))
    assert planned.counts.instances == 0
    assert planned.rejected == {"images": 5}


def test_rejections_name_the_condition_at_which_the_best_alternative_failed(filled: Bench) -> None:
    assert rejected(filled) == {"images.modality": 1}
    assert rejected(filled, images=[{"modality": ["DX"], "body_part": ["HEAD"]}]) == {
        "images.body_part": 4,
        "images.modality": 1,
    }
    assert rejected(filled, images=[{"slice_thickness_mm": {"max": 1}}]) == {
        "images.slice_thickness_mm": 1,
        "images.slice_thickness_mm.unknown": 4,
    }
    alternatives = [{"modality": ["CT"]}, {"modality": ["DX"], "study_date": {"from": "2021-01-01"}}]
    assert rejected(filled, images=alternatives) == {"images.study_date": 4}
    assert rejected(filled, patients={"age": {"to": 60}}) == {"images.modality": 1, "patients.age": 2}
    assert rejected(filled, patients={"sex": ["male"]}, exclude=[{"body_part": ["CHEST"]}])[
        "exclude.body_part"
    ] == 4  # fmt: skip


def test_missing_values_are_kept_under_exclude_unless_unknown_is_listed(filled: Bench) -> None:
    assert plan(filled.order(exclude=[{"burned_in_annotation": ["YES"]}])).counts.instances == 4
    listed = plan(filled.order(exclude=[{"burned_in_annotation": ["YES", "unknown"]}]))
    assert listed.counts.instances == 0
    assert listed.rejected["exclude.burned_in_annotation"] == 4


def test_opt_outs_are_subtracted_and_counted(filled: Bench) -> None:
    everything = plan(filled.order())
    fewer = plan(filled.order(frozenset({"Covid1"}), 1))
    assert (everything.counts.patients, fewer.counts.patients) == (3, 2)
    assert fewer.rejected == {"images.modality": 1, "withdrawn": 2}
    assert fewer.plan_digest != everything.plan_digest


def test_validation_is_invisible_to_every_plan(bench: Bench) -> None:
    bench.maker.record("Covid1")
    bench.maker.image("Covid1")
    bench.maker.record("Covid2", partition="validation")
    bench.maker.image("Covid2", "1.2", "1.2.1", partition="validation")
    bench.ingest()
    planned = plan(bench.order())
    assert planned.counts.patients == 1
    assert planned.rejected == {}
    shares = {dimension.name: len(dimension.shares) for dimension in planned.representativeness}
    assert shares["sex"] == 1


def test_the_plan_is_the_same_on_every_run(filled: Bench) -> None:
    spec = {"images": [{"modality": ["dx", "CR"]}], "keep_whole": "study"}
    again = {"images": [{"modality": ["CR", "DX", "DX"]}], "keep_whole": "study"}
    assert plan(filled.order(**spec)) == plan(filled.order(**again))


def test_a_missing_index_is_said(filled: Bench) -> None:
    (filled.dataset.release("r1") / "series.parquet").unlink()
    with pytest.raises(TREError) as caught:
        plan(filled.order())
    assert caught.value.reason is Reason.ReleaseNotFound


def test_extended_counts_what_came_in_for_the_unit_only(filled: Bench) -> None:
    planned = plan(filled.order(images=[{"slice_thickness_mm": {"max": 2}}], keep_whole="patient"))
    assert (planned.counts.instances, planned.extended) == (2, 1)


@pytest.mark.parametrize(
    "text", ["'; DROP TABLE profiles; --", '"', "$v0", "unknown'", "{image}", "%s", "\\", "x" * 64]
)
def test_values_never_become_text_of_the_query(filled: Bench, text: str) -> None:
    planned = plan(filled.order(images=[{"manufacturer": [text]}], patients={"site": [text]}))
    assert planned.counts.instances == 0
    assert Counter(planned.rejected) == {"images.manufacturer.unknown": 5}
