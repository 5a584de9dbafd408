"""A delivery with everything bad in it at once, additions and builds that are killed, disks that are full or others.

All of it through `tre dataset add` and `tre slice build`. Cuts happen in a process of its own that kills itself; each
records that it was hit.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import zlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.unit.cli.conftest import Here
from tests.unit.slices.conftest import Maker, dicom
from tests.unit.slices.gate.files import file as raw_file
from tre.slices import farm, ingest, shelves, store
from tre.slices.gate import wire
from tre.store import datasets

GOOD = 3
FOLDER = "training/xray/Covid1/1.1/1.1.1"
SECRET = "Okonkwo"


def deflated(body: bytes) -> bytes:
    """A deflated file that unfolds to these bytes."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    return raw_file((), syntax=wire.DEFLATED) + packer.compress(body) + packer.flush()


def long_value(vr: str) -> bytes:
    """A header in which one value says that it has two gigabytes."""
    return raw_file(tail=b"\x32\x00\x00\x40" + vr.encode() + b"\0\0\xfe\xff\xff\x7f" + b"x" * 40)


def sidecar(maker: Maker, patient: str, **more: Any) -> Path:
    """An image of a patient, and the path of its sidecar."""
    number = patient.removeprefix("Covid")
    image = maker.image(patient, f"1.{number}", f"1.{number}.1", sidecar=True, **more)
    return Path(str(image).replace("/xray/", "/xray-metadata/")).with_suffix(".json")


def hostile(maker: Maker) -> dict[str, str]:
    """Everything bad, beside three patients of whom nothing is; the rule that is due of each path."""
    due: dict[str, str] = {}

    def put(path: str, data: bytes, rule: str) -> None:
        maker.file(path, data)
        due[path] = rule

    def damage(path: Path, text: str, rule: str) -> None:
        path.write_text(text)
        due[str(path.relative_to(maker.root))] = rule

    for number in range(1, GOOD + 1):
        days = ("04/13/2020", "13/04/2020", "2020-04-13")[number - 1]
        maker.record(f"Covid{number}", Age=40 + number, SwabDate=days, **{"Date of admission": "03/04/2020"})
        maker.image(f"Covid{number}", f"1.{number}", f"1.{number}.1")
    put(f"{FOLDER}/cut.dcm", dicom(PatientID="Covid1")[:-4], "truncated")
    put(f"{FOLDER}/letter.dcm", b"Dear Mrs Okonkwo", "not-dicom")
    put(f"{FOLDER}/long-text.dcm", long_value("UT"), "truncated")
    put(f"{FOLDER}/long-bytes.dcm", long_value("OB"), "truncated")
    put(f"{FOLDER}/bomb.dcm", deflated(bytes(4 << 20)), "too-large")
    put(f"{FOLDER}/CASE.dcm", b"x", "path")
    put(f"{FOLDER}/case.dcm", b"x", "path")
    slash = {"StudyInstanceUID": "1.2/3", "SeriesInstanceUID": "1.2.3", "SOPInstanceUID": "1.2.4"}
    put("loose/slash.dcm", dicom(PatientID="Covid1", Modality="DX", **slash), "identifier")
    (maker.root / FOLDER / "loop").symlink_to("..")
    (maker.root / FOLDER / "away.dcm").symlink_to("/etc/passwd")
    (maker.root / "self").symlink_to("self")
    os.mkfifo(maker.root / FOLDER / "pipe.dcm")
    due |= dict.fromkeys((f"{FOLDER}/loop", f"{FOLDER}/away.dcm", "self", f"{FOLDER}/pipe.dcm"), "path")
    maker.record("Covid4")
    damage(sidecar(maker, "Covid4"), '{"00100020": {"vr": "LO"}, "00100020": {"vr": "LO"}}', "sidecar")
    damage(sidecar(maker, "Covid4"), '{"00281050": {"vr": "DS", "Value": [NaN]}}', "sidecar")
    for patient, text in (
        ("Covid5", '{"Pseudonym": "Covid5", "Age": 1, "Age": 2}'),
        ("Covid6", '{"Pseudonym": "Covid6", "CRP on admission": NaN}'),
        ("Covid7", '{"Pseudonym": "Covid7", "CRP on admission": -Infinity}'),
    ):
        damage(maker.record(patient), text, "clinical-record")
    damage(maker.record("Covid8"), '{"Pseudonym": "Covid8", "Ferritin": 9990000018}', "")
    for half, age in (("training", 1), ("again/training", 2)):
        path = f"{half}/data/Covid9/data_2020-05-01.json"
        put(path, json.dumps({"Pseudonym": "Covid9", "Age": age}).encode(), "duplicate-record")
    maker.record("Covid10", "status")
    damage(maker.record("Covid10", day="2020-06-01"), json.dumps({"Pseudonym": "Covid10", "Note": SECRET}), "")
    for number in range(5, 11):
        path = maker.image(f"Covid{number}", f"1.{number}", f"1.{number}.1")
        due[str(path.relative_to(maker.root))] = "undecided-record"
    return due


def test_everything_bad_at_once_is_one_line_each_and_the_rest_is_taken(
    here: Here, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wire, "MAX_UNPACKED", 1 << 20)
    maker = Maker(tmp_path / "hostile")
    due = hostile(maker)
    number = next(path for path, rule in due.items() if "Covid8/data" in path and not rule)
    waits = next(path for path, rule in due.items() if "Covid10/data" in path and not rule)
    del due[waits]
    due[number] = "nhs-number"
    found = here.done("dataset", "add", "bad", str(maker.root), "--release", "r1")
    assert f"{GOOD + 2} images" in found.out, found
    lines = [line.strip().split(": ") for line in found.err.splitlines() if line.startswith("  ")]
    assert {line[0]: line[1] for line in lines} == due
    assert len(lines) == len(due)
    for rule, count in Counter(due.values()).items():
        assert f"left out by {rule}: {count}" in found.err
    assert "waits in quarantine for unknown-key: 1" in found.err
    told = found.out + found.err + json.dumps(here.dump(), default=str)
    assert SECRET not in told.replace(tmp_path.name, "")
    assert "Traceback" not in told
    shown = json.loads(here.done("dataset", "show", "bad", "--release", "r1", "--json").out)
    assert {one["path"]: one["rule"] for one in shown["leftOut"]} == due
    (tmp_path / "spec.yaml").write_text("slice: 1\ndataset: bad\nrelease: r1\nimages: [{modality: [DX]}]\n")
    built = json.loads(here.done("slice", "build", str(tmp_path / "spec.yaml"), "--json").out)
    images = list(Path(built["path"]).rglob("*.dcm"))
    assert len(images) == GOOD + 2
    assert {part for path in images for part in path.parts if part.startswith("Covid")} == {
        f"Covid{number}" for number in range(1, 5)
    }


def test_a_record_that_waits_is_taken_once_somebody_let_it_in(here: Here, tmp_path: Path) -> None:
    maker = Maker(tmp_path / "waits")
    for number in (1, 2):
        maker.image(f"Covid{number}", f"1.{number}", f"1.{number}.1")
    maker.record("Covid1")
    maker.record("Covid2", "status", day="2020-04-01", SwabStatus=0)
    maker.record("Covid2", Note=SECRET)
    first = here.done("dataset", "add", "waits", str(maker.root), "--release", "r1")
    assert "1 patients" in first.out
    assert "left out by undecided-record: 1" in first.err
    listed = json.loads(here.done("dataset", "quarantine", "waits", "--json").out)["files"]
    assert [(one["kind"], one["pseudonym"]) for one in listed] == [("clinical", "Covid2")]
    here.done("dataset", "decide", "waits", listed[0]["sha256"], "--release", "--reason", "a ward's note")
    second = here.done("dataset", "add", "waits", str(maker.root), "--release", "r2")
    assert "2 patients" in second.out
    assert "left out" not in second.err


def killed(here: Here, prepare: Callable[[], None], *words: str) -> None:
    """Type a command in a process of its own that kills itself where `prepare` says; it must die of that."""
    child = os.fork()
    if child == 0:
        try:
            prepare()
            here.tre(*words)
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == -signal.SIGKILL


def after(module: Any, name: str, times: int, *, before: bool = False) -> Callable[[], None]:
    """Kill this process when a function has run so many times, or is about to."""

    def prepare() -> None:
        real, left = getattr(module, name), iter(range(times - 1))

        def last(*arguments: Any, **named: Any) -> Any:
            die = next(left, None) is None
            if die and before:
                os.kill(os.getpid(), signal.SIGKILL)
            done = real(*arguments, **named)
            if die:
                os.kill(os.getpid(), signal.SIGKILL)
            return done

        setattr(module, name, last)

    return prepare


ADDITIONS = {
    "its first file is copied": after(store, "_copy", 1),
    "a file has two names": after(store.os, "link", 3),
    "a patient's files are written and have no names": after(shelves.Shelf, "publish", 1, before=True),
    "half of the files have names": after(shelves, "rename_new", 2),
    "the index is about to be written": after(ingest, "write_index", 1, before=True),
    "the index is written": after(ingest, "write_index", 1),
    "the release has its name": after(ingest, "rename_new", 1),
    "the release is about to be recorded": after(datasets, "publish", 1, before=True),
}


@pytest.mark.parametrize("moment", ADDITIONS)
def test_an_addition_that_is_killed_shows_nothing_half_done(here: Here, tmp_path: Path, moment: str) -> None:
    maker = Maker(tmp_path / "more")
    for number in (1, 2):
        maker.record(f"Covid{number}")
        maker.image(f"Covid{number}", f"1.{number}", f"1.{number}.1", sidecar=True)
    words = ("dataset", "add", "more", str(maker.root), "--release", "r1")
    killed(here, ADDITIONS[moment], *words)
    assert here.tre("dataset", "show", "more", "--release", "r1").code == 1, "no release is on record"
    assert "2 images" in here.done(*words).out
    root = here.layout.datasets / "more"
    assert [path.name for path in root.rglob(".staging/*") if path.name != "incoming"] == []
    assert list(root.rglob(".staging/incoming/*")) == []
    stored = [path for path in (root / "store").rglob("*") if path.is_file()]
    assert {path.stat().st_nlink for path in stored} == {1}
    assert "0 that no release names" in here.done("dataset", "sweep", "more").out or len(stored) == 12


BUILDS = {
    "one file is linked": after(farm.os, "link", 1),
    "three files are linked": after(farm.os, "link", 3),
}


@pytest.mark.parametrize("moment", BUILDS)
def test_a_build_that_is_killed_shows_nothing_half_done(here: Here, tmp_path: Path, moment: str) -> None:
    (tmp_path / "spec.yaml").write_text("slice: 1\ndataset: demo\nrelease: r1\nimages: [{modality: [DX]}]\n")
    words = ("slice", "build", str(tmp_path / "spec.yaml"), "--name", "look", "--json")
    killed(here, BUILDS[moment], *words)
    assert [path.name for path in here.layout.slices.iterdir() if not path.name.startswith(".")] == []
    built = json.loads(here.done(*words).out)
    assert len(list(Path(built["path"]).rglob("*.dcm"))) == 3
    left = [path for path in here.layout.slices.rglob("*") if ".staging" in path.parts or ".trash" in path.parts]
    assert [path for path in left if path.is_file()] == []


FULL = """
import os, sys
from pathlib import Path
from tests.unit.cli.conftest import Here, make_here
from tests.unit.slices.conftest import Maker

home = Path(sys.argv[1])
here = make_here(home)
data = here.layout.root / "data"

def mount(path, size):
    kept = path.with_name(f"kept-{path.name}")
    path.rename(kept)
    path.mkdir(mode=0o711)
    assert os.system(f"mount -t tmpfs -o size={size},mode=711 tmpfs {path} && cp -a {kept}/. {path}") == 0

def fill(path, leaving):
    room = os.statvfs(path)
    with (path / "ballast").open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, max(1, room.f_bavail * room.f_frsize - leaving))

def tried(*words):
    found = here.tre(*words)
    first = found.err.split(":")[0].strip() if found.code else "done"
    print(first, found.crash, "what to do" in found.err if found.code else "", flush=True)
    return found

mount(data / "datasets", "1m")
maker = Maker(home / "more")
for number in (1, 2):
    maker.record(f"Covid{number}")
    maker.image(f"Covid{number}", f"1.{number}", f"1.{number}.1", StudyDescription="chest " * 5000)
add = ("dataset", "add", "more", str(maker.root), "--release", "r1")
fill(data / "datasets", 60_000)
tried(*add)
print(here.tre("dataset", "show", "more", "--release", "r1").code)
(data / "datasets" / "ballast").unlink()
tried(*add)

mount(data / "slices", "600k")
spec = home / "spec.yaml"
spec.write_text("slice: 1\\ndataset: more\\nrelease: r1\\nimages: [{modality: [DX]}]\\n")
build = ("slice", "build", str(spec), "--name", "look")
fill(data / "slices", 40_000)
tried(*build)
print([path.name for path in (data / "slices").iterdir() if path.name not in ("ballast",) and path.name[0] != "."])
(data / "slices" / "ballast").unlink()
print("copies, not links" in tried(*build).err)
here.close()
"""


def test_full_disks_and_a_store_on_another_file_system(tmp_path: Path) -> None:
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        pytest.skip("file systems of its own need root and unshare")
    command = ["unshare", "--mount", sys.executable, "-c", FULL, str(tmp_path / "home")]
    (tmp_path / "home").mkdir()
    done = subprocess.run(
        command, cwd=Path(__file__).parents[3], capture_output=True, text=True, check=False, timeout=100
    )
    assert done.stdout.splitlines() == [
        "StorageFull None True",
        "1",
        "done None ",
        "StorageFull None True",
        "[]",
        "done None ",
        "True",
    ], done.stderr + done.stdout
