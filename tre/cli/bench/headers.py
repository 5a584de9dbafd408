"""What the benchmarks of the gate and of ingest share: a make-believe archive, and the peer that reads its headers."""

from __future__ import annotations

import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pydicom import dcmread

from tre.demodata import NccidSpec, generate_nccid

PEER = "a loop over pydicom's headers"
PEER_WALK = "a loop over every element of pydicom's headers"


@contextmanager
def archive(patients: int) -> Iterator[Path]:
    """A make-believe chest imaging database of so many patients, with small pixels: headers are what is measured."""
    with tempfile.TemporaryDirectory(prefix="tre-bench-") as home:
        made = Path(home) / "nccid"
        generate_nccid(made, NccidSpec(patients=patients, xray_pixels=(32,), ct_pixels=(32,)))
        yield made


def images(root: Path) -> list[Path]:
    """Its images, in one order."""
    return sorted(root.rglob("*.dcm"))


def timed(work: Callable[[], object]) -> float:
    """Seconds that it takes."""
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def read_headers(files: list[Path], *, walk: bool = False) -> None:
    """The peer: each header read by pydicom, one after the other, in this process."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for path in files:
            header = dcmread(path, stop_before_pixels=True)
            if walk:
                for element in header.iterall():
                    _ = element.value
