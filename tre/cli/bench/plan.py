"""`tre bench plan`: what a plan costs as a release grows, beside DuckDB's own scan of the same images.

Guarantees: the plan that is measured is the one that people get: counts, rejections, digest, k-report, who is
represented; on releases that `tre demo-data index` makes. What is timed is what a person waits for in a storekeeper
that runs and has planned on this release before; the first plan, which loads the index, stands beside it. The peer
answers one question only, how many images meet the same conditions, from the index of images. Memory is that of a
process that does nothing but open the largest release and plan on it.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path

import pyarrow.parquet as pq

from tre.cli.bench.figures import Figure, Peer, figure
from tre.demodata.releases import Made, ReleaseSpec, write_release
from tre.domain.errors import Reason, TREError
from tre.domain.slices.spec import SliceSpec
from tre.slices.index import SCHEMAS
from tre.slices.plan import PlanOrder, plan
from tre.slices.populations import disclosure_of, population_of
from tre.slices.release import opened

SIZES = (100_000, 1_000_000, 5_000_000, 10_000_000)
TARGET_INSTANCES, TARGET_MILLISECONDS = 5_000_000, 100.0
TARGET_MIB = 8 * 1024
ROUNDS = 15
_DENIED, _LEAST_STEP = 400, 4
"""So many people opted out, as in a first sweep of an archive of this kind; of few people one in four."""

SPEC = {
    "slice": 1,
    "dataset": "bench",
    "release": "r1",
    "keep_whole": "series",
    "images": [
        {"modality": ["DX", "CR"], "body_part": ["CHEST"], "study_date": {"from": "2020-03-01", "to": "2021-12-31"}},
        {"modality": ["CT"], "slice_thickness_mm": {"max": 2.5}},
    ],
    "exclude": [{"burned_in_annotation": ["YES"]}],
    "patients": {"covid_status": ["positive"], "age": {"from": 18, "to": 89}},
    "tables": {
        "clinical": {
            "columns": ["pseudonym", "age_band", "sex", "ethnicity_group"],
            "derive": {"age_band": {"from": "age", "band": 10, "top": 90}},
        }
    },
}
_SCAN = """
SELECT count(*) FROM instances
WHERE (burned_in_annotation IS NULL OR burned_in_annotation <> 'YES')
  AND ((modality IN ('DX', 'CR') AND body_part = 'CHEST' AND study_date BETWEEN $first AND $last)
       OR (modality = 'CT' AND slice_thickness_um <= 2500))
"""


def bench(sizes: Sequence[int] = SIZES, rounds: int = ROUNDS) -> list[Figure]:
    """The figures of each size, and the memory that a plan on the last one takes."""
    figures = []
    with tempfile.TemporaryDirectory(prefix="tre-bench-plan-") as scratch:
        for size in sizes:
            directory = Path(scratch) / str(size)
            made = write_release(directory, ReleaseSpec(size), SCHEMAS)
            figures += measured(directory, made, rounds)
        figures.append(_memory(directory, size))
    return figures


def measured(release: Path, made: Made, rounds: int) -> list[Figure]:
    """The figures of one release."""
    order = order_on(release)
    begun = time.perf_counter()
    plan(order)
    first = 1000 * (time.perf_counter() - begun)
    ours, peer = _alternating(lambda: plan(order), lambda: _scan(release), rounds)
    target = (
        (f"≤ {TARGET_MILLISECONDS:g} ms", ours <= TARGET_MILLISECONDS) if made.instances == TARGET_INSTANCES else None
    )
    what = f"plan on {made.instances:,} images ({made.series:,} series, {made.patients:,} patients)"
    return [
        figure(what, "ms", ours, peer=Peer(name="DuckDB, one count over the images", value=peer), target=target),
        figure("of that on a processor", "ms", _on_a_processor(lambda: plan(order), rounds)),
        figure(f"the first plan on {made.instances:,} images, index loaded", "ms", first),
    ]


def order_on(release: Path) -> PlanOrder:
    """What is planned on any of these releases, with people who opted out."""
    people = pq.read_table(release / "patients.parquet", columns=["pseudonym"]).column(0).to_pylist()
    return PlanOrder(
        spec=SliceSpec.model_validate(SPEC),
        release=release,
        index_digest="sha256:" + "0" * 64,
        denied=frozenset(people[:: max(_LEAST_STEP, len(people) // _DENIED)]),
        deny_version=1,
        population=population_of(disclosure_of("bench", None), None),
    )


_PROGRAM = """
import resource, sys
from pathlib import Path
from tre.cli.bench.plan import order_on
from tre.slices.plan import plan
for _ in range(2):
    plan(order_on(Path(sys.argv[1])))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


def _memory(release: Path, size: int) -> Figure:
    """What a process that plans on it twice holds at most. Raises `TREError(RuntimeFailed)`."""
    here = str(Path(__file__).resolve().parents[3])
    command = [sys.executable, "-c", _PROGRAM, str(release)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | {"PYTHONPATH": here})
    if done.returncode != 0:
        raise TREError(Reason.RuntimeFailed, "The plan that is measured failed.", why=done.stderr[-300:])
    peak = float(done.stdout)
    return figure(
        f"memory at most, two plans on {size:,} images", "MiB", peak, target=(f"≤ {TARGET_MIB} MiB", peak <= TARGET_MIB)
    )


def _scan(release: Path) -> int:
    with opened(release) as connection:
        bound = {"first": date(2020, 3, 1), "last": date(2021, 12, 31)}
        ((count,),) = connection.execute(_SCAN, bound).fetchall()
    return int(count)


def _on_a_processor(work: Callable[[], object], rounds: int) -> float:
    """The median in milliseconds of what it computes: what a wait comes to where nothing else runs."""
    times = []
    for _ in range(rounds):
        begun = time.process_time()
        work()
        times.append(1000 * (time.process_time() - begun))
    return statistics.median(times)


def _alternating(one: Callable[[], object], other: Callable[[], object], rounds: int) -> tuple[float, float]:
    """Medians in milliseconds, taken in turns after one round that nobody counts."""
    taken: tuple[list[float], list[float]] = ([], [])
    for number in range(rounds + 1):
        for work, times in zip((one, other), taken, strict=True):
            begun = time.perf_counter()
            work()
            if number:
                times.append(1000 * (time.perf_counter() - begun))
    return statistics.median(taken[0]), statistics.median(taken[1])
