"""What is promised of plans and slices whatever is asked: opt-outs, partitions, signatures, files."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.slices.conftest import SLICE, Bench, Maker, make_spec
from tests.unit.slices.test_plan import KEY, SPECS, World, images, make_world, people, some_images
from tre.domain.errors import Reason, TREError
from tre.domain.slices.spec import SliceSpec
from tre.slices import documents
from tre.slices.build import BuildOrder, build
from tre.slices.clinical import Patient
from tre.slices.cohorts import Cohort
from tre.slices.contents import FILES, ROWS, check_plan_covers, plan_and_keep
from tre.slices.documents import Description
from tre.slices.files import NOBODY_ELSE
from tre.slices.index import Instance
from tre.slices.places import DatasetPlaces, SlicePlaces
from tre.slices.plan import PlanOrder, plan
from tre.slices.verify import Recorded, verify

DENIED = st.sets(st.sampled_from(["P1", "P2", "P3"]), max_size=2)
TABLES = st.sampled_from(
    [
        {},
        {"clinical": {"columns": ["pseudonym", "age", "sex"]}},
        {
            "clinical": {
                "columns": ["m", "g", "b"],
                "derive": {
                    "m": {"from": "first_study_date", "by": "quarter"},
                    "g": {"from": "site", "groups": {"it's": ["TRUST-01"]}, "rest": "other"},
                    "b": {"from": "age", "band": 10, "top": 80},
                },
            }
        },
    ]
)
QUICK = settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def asked(spec: SliceSpec, tables: dict[str, Any], **more: Any) -> SliceSpec:
    return SliceSpec.model_validate(spec.as_plain() | {"tables": tables} | more)


ASKED = st.builds(
    lambda spec, tables, headers: asked(spec, tables, headers=headers),
    SPECS,
    TABLES,
    st.sampled_from(["none", "sidecar", "full"]),
)


@QUICK
@given(st.tuples(images(), people()), ASKED, DENIED, DENIED)
def test_opt_outs_alone_never_need_a_new_signature(
    tmp_path: Path, release: tuple[list[Instance], list[Patient]], wanted: SliceSpec, before: set[str], more: set[str]
) -> None:
    world = make_world(tmp_path / "world", *release)
    signed = kept(world, world.order(wanted, before))
    later = kept(world, replace(world.order(wanted, before | more), deny_version=9))
    check_plan_covers(signed, later, world.places, before | more)
    if later.identity.files_root != signed.identity.files_root:
        with pytest.raises(TREError) as caught:  # the other way round people come back
            check_plan_covers(later, signed, world.places, before | more)
        assert caught.value.reason is Reason.PlanNotCovered


def kept(world: World, order: PlanOrder) -> Any:
    return plan_and_keep(order, world.places, NOBODY_ELSE)


@QUICK
@given(images(), people(), SPECS, SPECS)
def test_another_specification_is_never_covered(
    tmp_path: Path, everything: list[Instance], known: list[Patient], one: SliceSpec, other: SliceSpec
) -> None:
    world = make_world(tmp_path / "world", everything, known)
    plans = [kept(world, world.order(spec, set())) for spec in (one, other)]
    assert (plans[0].plan_digest == plans[1].plan_digest) == (one == other)
    if one != other:
        with pytest.raises(TREError):
            check_plan_covers(plans[0], plans[1], world.places, {"P1", "P2", "P3"})


def test_a_sample_that_loses_somebody_is_still_covered(tmp_path: Path) -> None:
    world = make_world(tmp_path / "world", *some_images(30))
    spec = make_spec(patients={"sample": {"seed": "s", "n": 10}})
    signed = kept(world, world.order(spec, set()))
    gone = set(pq.read_table(world.places.plan(signed.plan_digest) / ROWS).column("pseudonym").to_pylist()[:3])
    later = kept(world, world.order(spec, gone))
    assert later.counts.patients == 7
    check_plan_covers(signed, later, world.places, gone)


_PRINT = """
import sys
from tests.unit.slices.test_promises import digest_of
print(digest_of(sys.argv[1], sys.argv[2]))
"""


def digest_of(root: str, index: str) -> str:
    """The digest of one rich plan over a world that stands at `root`."""
    spec = make_spec(
        images=[{"modality": ["DX", "CT", "CR"]}, {"body_part": ["CHEST", "unknown"]}],
        keep_whole="instance",
        headers="sidecar",
        patients={"sample": {"seed": "s", "permille": 900}},
        tables={"clinical": {"columns": ["pseudonym", "sex", "site"]}},
    )
    places = DatasetPlaces(Path(root))
    order = PlanOrder(spec, places.release("r1"), index, frozenset({"P7", "P8"}), 2, Cohort(KEY))
    return plan(order).model_dump_json()


def test_the_plan_is_the_same_in_another_process_with_another_hash_seed(tmp_path: Path) -> None:
    world = make_world(tmp_path / "world", *some_images(25))
    here = digest_of(str(world.places.root), world.digest)
    for seed in ("1", "4242"):
        done = subprocess.run(
            [sys.executable, "-c", _PRINT, str(world.places.root), world.digest],
            env=os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": str(Path(__file__).parents[3])},
            capture_output=True,
            text=True,
            check=True,
            timeout=120,
        )
        assert done.stdout.strip() == here


# With real files


@pytest.fixture(scope="module")
def delivered(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """Four people in training, two in validation; images of two kinds, sidecars and records."""
    root = tmp_path_factory.mktemp("promises")
    slices = SlicePlaces(root / "slices")
    slices.root.mkdir()
    maker = Maker(root / "delivery")
    for number in range(1, 7):
        partition = "validation" if number > 4 else "training"
        name = f"P{number}"
        maker.record(name, Age=20 * number, Sex=number % 2, partition=partition)
        for kind in ("DX", "CT"):
            study = f"1.{number}.{len(kind)}"
            series = f"{study}.{ord(kind[0])}"
            for _ in range(2):
                maker.image(
                    name, study, series, Modality=kind, sidecar=True, partition=partition, Rows=number, KVP="80.5"
                )
    bench = Bench(root, DatasetPlaces(root / "datasets" / "demo"), slices, maker)
    bench.ingest()
    return bench


BUILT_SPECS = st.builds(
    lambda spec, tables, headers, layout: asked(spec, tables, headers=headers, layout=layout),
    SPECS,
    TABLES,
    st.sampled_from(["none", "sidecar", "full"]),
    st.sampled_from(["nccid", "patient", "flat"]),
)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(BUILT_SPECS, st.sets(st.sampled_from(["P1", "P2", "P3", "P4", "P6"]), max_size=3))
def test_who_opted_out_or_is_kept_for_validation_is_nowhere(
    delivered: Bench, spec: SliceSpec, denied: set[str]
) -> None:
    """Not in the plan, its files, rows, tables, manifests or documents; and these agree file by file."""
    assert delivered.ingested is not None
    order = PlanOrder(spec, delivered.dataset.release("r1"), delivered.ingested.index_digest, denied, 1, Cohort(KEY))
    planned = plan_and_keep(order, delivered.dataset, NOBODY_ELSE)
    contents = delivered.dataset.plan(planned.plan_digest)
    files = pq.read_table(contents / FILES)
    barred = {*denied, "P5", "P6"}
    assert not barred & set(files.column("pseudonym").to_pylist())
    assert not barred & set(pq.read_table(contents / ROWS).column("pseudonym").to_pylist())
    about = Description(SLICE, planned, 1, datetime(2026, 11, 1, tzinfo=UTC))
    if planned.counts.instances == 0:
        with pytest.raises(TREError):
            build(BuildOrder(delivered.slices, delivered.dataset, NOBODY_ELSE, about))
        return
    content = build(BuildOrder(delivered.slices, delivered.dataset, NOBODY_ELSE, about))
    here = delivered.slice
    assert verify(Recorded(SLICE, planned, content, 1), delivered.slices, delivered.dataset).differences == ()
    farm = {str(path.relative_to(here)) for path in (here / "data").rglob("*") if path.is_file()}
    manifest = {line[66:] for line in (here / documents.MANIFEST).read_text().splitlines()}
    assert farm == manifest
    assert len(farm) == planned.counts.files == files.num_rows
    pictures = set(pq.read_table(here / documents.IMAGES).column("path").to_pylist())
    assert pictures == {path for path in farm if path.endswith(".dcm")}
    if spec.headers.value == "full":
        table = pq.read_table(here / documents.HEADERS)
        assert set(table.column("path").to_pylist()) == pictures
        assert set(table.column("rows").to_pylist()) <= {1, 2, 3, 4}
        assert set(table.column("kvp").to_pylist()) == {80.5}
        assert planned.identity.tables["headers"].columns == tuple(table.column_names)
    for path in here.iterdir():
        if path.suffix == ".parquet":
            text = str(pq.read_table(path).to_pydict())
            assert not [name for name in barred if f"'{name}'" in text]
        elif path.is_file():
            assert not [name for name in barred if f"/{name}/" in path.read_text()]
