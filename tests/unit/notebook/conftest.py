"""A slice as researchers find it, and a Python of theirs to read it with."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tre.demodata import NccidSpec, generate_nccid
from tre.domain.slices.spec import SliceSpec
from tre.slices.build import BuildOrder, build
from tre.slices.contents import plan_and_keep
from tre.slices.documents import Description
from tre.slices.files import NOBODY_ELSE
from tre.slices.ingest import IngestOrder, ingest
from tre.slices.places import DatasetPlaces, SlicePlaces
from tre.slices.plan import PlanOrder

CHECKOUT = Path(__file__).resolve().parents[3]
PYTHON = CHECKOUT / ".venv-workspace" / "bin" / "python"
SLICE = "s-aaaaaaaaaaaa"
LOOP = """
import contextlib, io, json, sys, traceback, warnings
warnings.simplefilter("always")
space = {}
for line in sys.stdin:
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        try:
            exec(compile(json.loads(line), "cell", "exec"), space)
        except BaseException as error:
            print(f"{type(error).__name__}: {error}")
    print(json.dumps(out.getvalue()), flush=True)
"""
SPEC: dict[str, Any] = {
    "slice": 1,
    "dataset": "demo",
    "release": "r1",
    "images": [{"modality": ["CR", "DX", "CT"]}],
    "tables": {"clinical": {"columns": ["pseudonym", "age", "sex", "covid_status"]}},
}


class Notebook:
    """Runs cells one after the other in one interpreter, as a kernel does."""

    def __init__(self) -> None:
        environment = {"PYTHONPATH": str(CHECKOUT / "tre" / "notebook"), "PATH": os.environ["PATH"]}
        self._process = subprocess.Popen(
            [str(PYTHON), "-B", "-c", LOOP], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )

    def run(self, code: str) -> str:
        """What a cell prints, its warnings and its error included."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(code) + "\n")
        self._process.stdin.flush()
        return str(json.loads(self._process.stdout.readline()))

    def close(self) -> None:
        self._process.communicate()


@pytest.fixture(scope="module")
def notebook() -> Iterator[Notebook]:
    if not PYTHON.exists():
        pytest.skip(f"needs .venv-workspace: type make setup ({sys.executable} has no pandas)")
    opened = Notebook()
    yield opened
    opened.close()


def make_slice(root: Path, name: str = "chest-xray", **changes: Any) -> Path:
    """A data directory with one slice of twelve make-believe patients in it; returns the directory."""
    generate_nccid(root / "delivery", NccidSpec(seed=7, patients=12, ct_permille=500))
    places, slices = DatasetPlaces(root / "datasets" / "demo"), SlicePlaces(root / "slices")
    slices.root.mkdir()
    taken = ingest(IngestOrder(places=places, release="r1", delivery=root / "delivery"), None)
    order = PlanOrder(SliceSpec.model_validate(SPEC | changes), places.release("r1"), taken.index_digest)
    planned = plan_and_keep(order, places, NOBODY_ELSE)
    about = Description(SLICE, planned, 1, datetime(2026, 11, 1, tzinfo=UTC))
    build(BuildOrder(slices, places, NOBODY_ELSE, about))
    data = root / "data"
    data.mkdir()
    (data / name).symlink_to(slices.slice(SLICE))
    return data
