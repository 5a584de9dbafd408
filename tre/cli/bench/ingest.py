"""`tre bench ingest`: a delivery taken in, from walking to the published index, beside a loop over pydicom's headers.

Guarantees: ours copies, hashes, judges, makes the coarse tier, writes the index and has it all on the disk; the peer
only reads headers. Both count images; sidecars and records are ours on top, as are three more files that are written
for each image: its copy with coarse dates, its sidecar, and the sidecar's. Memory is that of the largest process,
for one delivery and for one four times as large, each in a process of its own.

Does not guarantee: the figure for large images, where the disk decides.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from tre.cli.bench.figures import Figure, Peer, figure
from tre.cli.bench.headers import PEER, archive, images, read_headers, timed
from tre.domain.errors import Reason, TREError

PATIENTS = 2400
ROUNDS = 3
TARGET = 1.8
_GROWTH = 4
_FLAT = 1.25

_PROGRAM = """
import resource, sys, time
from pathlib import Path
from tre.slices.ingest import IngestOrder, ingest
from tre.slices.places import DatasetPlaces
if __name__ == "__main__":
    begun = time.perf_counter()
    order = IngestOrder(DatasetPlaces(Path(sys.argv[2])), "r1", Path(sys.argv[1]), workers=int(sys.argv[3]))
    taken = ingest(order, None)
    seconds = time.perf_counter() - begun
    peak = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    print(taken.counts.instances, taken.counts.files, seconds, peak / 1024)
"""


def bench(patients: int = PATIENTS, rounds: int = ROUNDS) -> list[Figure]:
    """Measure ingest beside the peer, and how memory grows."""
    ours, every, peers = [], [], []
    with archive(patients) as root:
        files = images(root)
        for _ in range(rounds):
            count, all_files, seconds, peak = _ingested(root)
            ours.append(count / seconds)
            every.append(all_files / seconds)
            peers.append(len(files) / timed(lambda: read_headers(files)))
    with archive(max(1, patients // _GROWTH)) as root:
        *_, smaller = _ingested(root)
    rate, peer = statistics.median(ours), statistics.median(peers)
    growth = peak / smaller
    return [
        figure(
            "images taken in",
            "files/s",
            rate,
            peer=Peer(name=PEER, value=peer),
            target=(f"≥ {TARGET}×", rate >= TARGET * peer),
        ),
        figure("images and sidecars taken in", "files/s", statistics.median(every)),
        figure(f"memory of the largest process, {_GROWTH}× the files", "MiB", peak),
        figure("that memory, to that of one part", "×", growth, target=(f"≤ {_FLAT}", growth <= _FLAT)),
    ]


def _ingested(delivery: Path) -> tuple[int, int, float, float]:
    """Images, files, seconds and MiB of one addition in a process of its own, which starts its workers afresh."""
    with tempfile.TemporaryDirectory(prefix="tre-bench-") as home:
        program = Path(home) / "program.py"
        program.write_text(_PROGRAM, encoding="utf-8")
        command = [sys.executable, str(program), str(delivery), str(Path(home) / "dataset"), str(os.cpu_count() or 1)]
        here = str(Path(__file__).resolve().parents[3])
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, env=os.environ | {"PYTHONPATH": here}
        )
        if done.returncode != 0:
            raise TREError(Reason.RuntimeFailed, "The addition that is measured failed.", why=done.stderr[-300:])
        count, files, seconds, peak = done.stdout.split()
    return int(count), int(files), float(seconds), float(peak)
