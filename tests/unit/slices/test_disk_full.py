"""A disk that is really full: refused cleanly, nothing half-way left, and done once there is room."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import sys
from pathlib import Path
from tests.unit.slices.conftest import Bench, Maker
from tre.domain.errors import TREError
from tre.slices.places import DatasetPlaces, SlicePlaces

small, delivery = Path(sys.argv[1]), Path(sys.argv[2])
delivery.mkdir()
bench = Bench(small, DatasetPlaces(small / "demo"), SlicePlaces(small / "slices"), Maker(delivery))
bench.slices.root.mkdir()
for number in (1, 2):
    bench.maker.record(f"Covid{number}")
    bench.maker.image(f"Covid{number}", f"1.{number}", f"1.{number}.1", ImageComments="x" * 9000)

def left():
    return sorted(p.name for p in small.rglob("*") if p.is_file() and ".dcm" not in p.name and "data_" not in p.name)

ballast = small / "ballast"
def fill(leaving):
    import os
    room = os.statvfs(small)
    with ballast.open("wb") as file:
        file.truncate(0)
        os.posix_fallocate(file.fileno(), 0, max(1, (room.f_bavail * room.f_frsize) - leaving))

fill(40_000)
try:
    bench.ingest()
    print("no error")
except TREError as error:
    print(error.reason, bool(error.remedy), bench.dataset.release("r1").exists())
    print([str(p) for p in (small / "demo" / ".staging").rglob("*")] if (small / "demo" / ".staging").exists() else [])
ballast.unlink()
print(bench.ingest().counts.instances)
fill(20_000)
try:
    bench.build(tables={"clinical": {"columns": ["pseudonym"]}})
    print("no error")
except TREError as error:
    print(error.reason, bool(error.remedy), bench.slice.exists())
ballast.unlink()
bench.build()
print(bench.slice.exists())
"""


def test_a_full_disk(tmp_path: Path) -> None:
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        pytest.skip("a small file system of its own needs root and unshare")
    small = tmp_path / "small"
    small.mkdir()
    mounted = 'mount -t tmpfs -o size=400k tmpfs "$1" && exec "$2" -c "$3" "$1" "$4"'
    command = ["unshare", "--mount", "sh", "-c", mounted, "sh", str(small), sys.executable, SCRIPT, str(tmp_path / "d")]
    done = subprocess.run(
        command, cwd=Path(__file__).parents[3], capture_output=True, text=True, check=False, timeout=50
    )
    assert done.stdout.splitlines() == [
        "StorageFull True False",
        "[]",
        "2",
        "StorageFull True False",
        "True",
    ], done.stderr
