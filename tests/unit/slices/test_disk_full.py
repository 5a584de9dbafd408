"""A disk that is really full: refused cleanly, nothing half-way left, and done once there is room."""

from __future__ import annotations

from pathlib import Path

from tests.support.filesystems import lines_on_own_filesystem

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
    bench.maker.image(f"Covid{number}", f"1.{number}", f"1.{number}.1", StudyDescription="chest " * 1500)

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
    found = lines_on_own_filesystem(tmp_path / "small", "-o size=400k", SCRIPT, str(tmp_path / "d"))
    assert found == [
        "StorageFull True False",
        "[]",
        "2",
        "StorageFull True False",
        "True",
    ]
