"""`tre bench gate`: headers judged in a second, and what becomes of files whose verdict is known beforehand.

Guarantees: the gate's own program over a directory, with its two processes; beside it, in turns, a loop over pydicom's
headers. The table of verdicts is counted over the poisoned twins and over the files that pydicom distributes.

Does not guarantee: that a site's headers are as long as these.
"""

from __future__ import annotations

import statistics
import tempfile
from collections import Counter
from pathlib import Path

from tre.cli.bench.figures import Figure, Peer, figure
from tre.cli.bench.headers import PEER, PEER_WALK, archive, images, read_headers, timed
from tre.demodata import NccidSpec, generate_nccid, poisoned_twins
from tre.demodata.scanner_files import distributed_files
from tre.demodata.twins import Twin
from tre.domain.gate import GateReason, Verdict, verdict_of
from tre.slices.gate.run import WORKERS, gate_paths

PATIENTS = 1500
ROUNDS = 3
SEED = 2020
CLEAN = 120
"""Patients of the archive that false alarms are counted on."""


def bench(patients: int = PATIENTS, rounds: int = ROUNDS) -> list[Figure]:
    """Measure the gate beside the peer, and count verdicts."""
    with archive(patients) as root:
        files = images(root)
        folders = sorted(path for path in root.glob("training/*") if path.name in {"xray", "ct", "mri"})
        ours, headers, walks = [], [], []
        for _ in range(rounds):
            ours.append(timed(lambda: list(gate_paths(folders))))
            headers.append(timed(lambda: read_headers(files)))
            walks.append(timed(lambda: read_headers(files, walk=True)))
    rates = [len(files) / statistics.median(taken) for taken in (ours, headers, walks)]
    return [
        figure(f"images judged, {WORKERS} processes", "files/s", rates[0], peer=Peer(name=PEER, value=rates[1])),
        figure("the same, beside a walk", "files/s", rates[0], peer=Peer(name=PEER_WALK, value=rates[2])),
        *_twins(),
        _clean(),
        *_distributed(),
    ]


def _twins() -> list[Figure]:
    """The twins whose verdict is known: how many of the poisoned get theirs, how many of the clean pass."""
    with tempfile.TemporaryDirectory(prefix="tre-bench-") as home:
        twins = poisoned_twins(Path(home) / "twins", SEED)
        caught = sum(_has_its_due(twin) for twin in twins)
        clean = sum(not _reasons(twin.clean) for twin in twins)
    due = len(twins)
    return [
        figure(
            "poisoned twins with the verdict and the rule that are due",
            "files",
            caught,
            target=(f"{due}", caught == due),
        ),
        figure("clean twins that pass", "files", clean, target=(f"{due}", clean == due)),
    ]


def _has_its_due(twin: Twin) -> bool:
    found = _reasons(twin.path)
    named = not twin.rule or twin.rule in {one.rule for one in found}
    return named and verdict_of(found) == twin.expected_verdict


def _reasons(path: Path) -> tuple[GateReason, ...]:
    (found,) = gate_paths([path])
    return found.reasons


def _clean() -> Figure:
    """False alarms: made-up files of every modality, with the dirt of real records, of which each is due to pass."""
    with tempfile.TemporaryDirectory(prefix="tre-bench-") as home:
        made = Path(home) / "nccid"
        spec = NccidSpec(
            SEED, CLEAN, xray_pixels=(16,), ct_pixels=(16,), mg_permille=200, us_permille=200, mr_permille=100
        )
        generate_nccid(made, spec)
        waits = sum(bool(one.reasons) for one in gate_paths([made], workers=1))
    words = "files of a made-up archive, all clean, that do not pass"
    return figure(words, "files", waits, target=("0", waits == 0))


def _distributed() -> list[Figure]:
    """The files of real scanners that pydicom distributes with its tests, none of which was pseudonymised for us."""
    judged = list(gate_paths(distributed_files()))
    found = Counter(verdict_of(one.reasons) for one in judged)
    texts = sum(any(reason.rule == "free-text" for reason in one.reasons) for one in judged)
    return [
        *(figure(f"pydicom's own test files: {verdict.value}", "files", found[verdict]) for verdict in Verdict),
        figure("pydicom's own test files: a text waits for a person", "files", texts),
    ]
