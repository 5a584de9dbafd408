"""The machine, its isolation, its storage and its programs: each looked at as it is, and made wrong."""

from __future__ import annotations

import os
import resource
import shutil
import socket
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.support.filesystems import lines_on_own_filesystem
from tests.unit.cli.doctor.conftest import Patient
from tre.cli.doctor import isolation, machine, mounts, programs, storage
from tre.cli.doctor.finding import Place
from tre.cli.doctor.isolation import judge_inside, judge_seal
from tre.system.settings import ProfileSettings

DAY = timedelta(days=1)


# the machine


@pytest.mark.parametrize(("in_step", "off", "state"), [(True, 0.01, "good"), (True, 2.5, "weak"), (False, 0.0, "weak")])
def test_a_clock_that_nobody_keeps_in_step_is_weak(in_step: bool, off: float, state: str) -> None:
    found = machine.judge_clock(in_step, timedelta(seconds=off))
    assert (found.state, "timedatectl" in found.remedy) == (state, state == "weak")


def test_the_kernel_is_asked_about_its_clock() -> None:
    in_step, off = machine.read_clock_state()
    assert isinstance(in_step, bool)
    assert timedelta(0) <= off < DAY


def test_a_clock_behind_the_log_is_bad(patient: Patient) -> None:
    assert patient.state("clock set back") == "good"
    patient.happen()
    assert patient.state("clock set back") == "good"
    patient.happen(at=datetime.now(UTC) + DAY)
    found = patient.said("clock set back")
    assert (found.state, "TreClockBehind" in found.remedy) == ("bad", True)


def test_limits_that_are_too_small_are_named() -> None:
    assert machine.judge_limits(65536, 65536).state == "good"
    assert machine.judge_limits(resource.RLIM_INFINITY, resource.RLIM_INFINITY).state == "good"
    found = machine.judge_limits(1024, 100)
    assert (found.state, found.detail) == ("weak", "1024 open files, 4096 are due; 100 processes, 4096 are due")


def test_a_profile_larger_than_the_machine_is_bad(patient: Patient) -> None:
    assert patient.state("memory", profiles={"small": ProfileSettings(memory="64Mi")}) == "good"
    found = patient.said("memory", profiles={"huge": ProfileSettings(memory="4000Gi")})
    assert (found.state, "huge" in found.detail) == ("bad", True)


def test_a_port_that_somebody_else_has_is_bad(patient: Patient) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert patient.state("gateway port", listen_port=port) == "bad"
    assert patient.state("gateway port", listen_port=port) == "good"


def test_numbers_that_somebody_has_are_named(patient: Patient) -> None:
    if os.geteuid() != 0:
        pytest.skip("numbers are given out by root alone")
    assert patient.state("numeric users") == "good"
    services = patient.place().settings.services.model_copy(update={"hub": 65534})
    found = patient.said("numeric users", services=services)
    assert (found.state, "nobody holds 65534" in found.detail) == ("bad", True)


def test_without_zone_data_working_hours_are_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    assert machine._zones(None).state == "good"  # type: ignore[arg-type]
    program = (
        "import zoneinfo; zoneinfo.reset_tzpath(to=['/nonexistent']); import sys; sys.modules['tzdata'] = None\n"
        "from tre.cli.doctor import machine; print(machine._zones(None).state)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=55)
    assert done.stdout.strip() == "bad"


# isolation


def test_a_sandbox_that_shares_anything_is_bad() -> None:
    """A real sandbox against the namespaces of this process, then against its own."""
    found = isolation.inside()
    outside = {name: Path(f"/proc/self/ns/{name}").readlink().name.split(":", 1)[1] for name in isolation.NAMESPACES}
    assert judge_inside(found, outside).state == "good"
    shared = judge_inside(found | {"net": outside["net"]}, outside)
    assert (shared.state, "no net namespace of its own" in shared.detail) == ("bad", True)
    assert "no_new_privs" in judge_inside(found | {"NoNewPrivs": "0"}, outside).detail
    assert judge_inside({}, outside).state == "bad"


def test_a_kernel_that_takes_no_filter_is_bad(nobody_here: Place) -> None:
    assert isolation._seal(nobody_here).state == "good"
    assert judge_seal("0").state == "bad"
    assert judge_seal("").state == "bad"


@pytest.mark.parametrize(("most", "state"), [("96364", "good"), ("50", "weak"), ("0", "bad")])
def test_user_namespaces_that_run_out(patient: Patient, tmp_path: Path, most: str, state: str) -> None:
    (tmp_path / "proc" / "sys" / "user").mkdir(parents=True)
    (tmp_path / "proc" / "sys" / "user" / "max_user_namespaces").write_text(most)
    patient.kernel["processes"] = tmp_path / "proc"
    assert patient.state("user namespaces") == state


def test_where_no_control_group_can_be_used_the_limits_are_weak(patient: Patient, tmp_path: Path) -> None:
    patient.kernel["system"] = tmp_path
    found = patient.said("limits")
    assert (found.state, "resource limit for each process" in found.detail) == ("weak", True)


def test_a_control_group_that_takes_no_limit_is_no_means(tmp_path: Path) -> None:
    """A tree that looks like control groups, on a file system that refuses what the kernel would take."""
    for controller in ("memory", "cpu", "pids"):
        (tmp_path / controller).mkdir()
        (tmp_path / controller / "cgroup.procs").touch()
        (tmp_path / controller / "tre").touch()  # no directory can be made there
    assert "control groups refuse" in isolation.means_in_force(tmp_path)["memory"]


def test_folders_on_the_records_disk_are_weak(patient: Patient) -> None:
    found = patient.said("outbox and shared folder")
    assert (found.state, "file system of its own" in found.remedy) == ("weak", True)
    shutil.rmtree(patient.layout.outboxes)
    patient.layout.outboxes.symlink_to("/dev/shm")
    assert patient.state("outbox and shared folder") == "good"


def test_an_environment_that_others_can_change_is_bad(patient: Patient, tmp_path: Path) -> None:
    (tmp_path / "environment" / "bin").mkdir(parents=True)
    (tmp_path / "environment" / "bin" / "python").touch()
    (tmp_path / "environment" / "bin" / "jupyter-lab").touch()
    settings = {"workspace_environment": tmp_path / "environment"}
    (tmp_path / "environment").chmod(0o755)
    assert patient.state("workspace environment", **settings) == "good"
    (tmp_path / "environment").chmod(0o777)
    assert patient.state("workspace environment", **settings) == "bad"
    shutil.rmtree(tmp_path / "environment")
    assert patient.state("workspace environment", **settings) == "bad"


def test_on_a_cluster_the_machine_answers_for_no_workspace(patient: Patient) -> None:
    for what in ("sandbox", "namespaces", "limits", "home size"):
        assert "tre cluster doctor" in patient.said(what, runtime="kubernetes").detail


# storage


def test_slices_on_another_file_system_are_bad(patient: Patient, tmp_path: Path) -> None:
    assert patient.state("store and slices") == "good"
    assert list(patient.layout.slices.iterdir()) == [], "nothing is left"
    shutil.rmtree(patient.layout.slices)
    patient.layout.slices.symlink_to("/dev/shm")
    assert patient.said("store and slices").state == "bad"


_ON_TWO_MOUNTS = """
import os, subprocess, sys
from datetime import UTC, datetime
from pathlib import Path
from tre.cli.doctor import storage
from tre.cli.doctor.finding import Place
from tre.system.layout import Layout
from tre.system.settings import Settings
root = Path(sys.argv[1])
layout = Layout(root)
for path in (layout.datasets, layout.slices, layout.database.parent):
    path.mkdir(parents=True)
place = Place(layout, Settings(), datetime.now(UTC))
print(storage._links(place).state, storage._kinds(place).state, storage._flush(place).state)
subprocess.run(["mount", "--bind", str(layout.slices), str(layout.slices)], check=True)
print(storage._links(place).state)
subprocess.run(["mount", "-o", "remount,ro", str(root)], check=True)
print(storage._kinds(place).detail)
"""


def test_one_file_system_mounted_twice_takes_no_hard_link(tmp_path: Path) -> None:
    """The device is the same, so only trying shows it. A record in memory is told besides, and a read-only one."""
    first, bound, kinds = lines_on_own_filesystem(tmp_path / "small", "-o size=8m", _ON_TWO_MOUNTS)
    assert first == "good bad weak"
    assert bound == "bad"
    assert "which is read-only" in kinds
    assert "gone after a restart" in kinds


def test_the_most_linked_file_is_found_and_judged(patient: Patient) -> None:
    store = patient.layout.datasets / "nccid" / "store"
    store.mkdir(parents=True)
    (store / "one").touch()
    for number in range(6):
        os.link(store / "one", patient.layout.slices / f"s{number}")
    assert storage.most_linked(patient.layout.datasets, time.monotonic() + 30) == (7, True)
    assert storage.most_linked(patient.layout.datasets, 0.0)[1] is False
    assert "a file has 7 names" in patient.said("links of a file").detail


@pytest.mark.parametrize(("linked", "state"), [(10, "good"), (52_000, "weak"), (64_000, "bad")])
def test_links_that_run_out(linked: int, state: str) -> None:
    assert storage.judge_links(linked, 65_000, whole=True).state == state
    assert storage.judge_links(linked, None, whole=False).state == "good"


def test_the_table_of_mounts_is_read_as_the_kernel_writes_it() -> None:
    text = (
        "21 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw,errors=remount-ro\n"
        "40 21 0:44 /x /mnt/with\\040blank ro,nosuid,noexec - nfs4 server:/x rw,vers=4.2\nbroken line\n"
    )
    (_, first), (device, other) = mounts.parse(text)
    assert (first.point, first.kind, first.is_network, first.most_links) == ("/", "ext4", False, 65_000)
    assert (device, other.point, other.is_network, other.most_links) == ("0:44", "/mnt/with blank", True, None)
    assert {"ro", "noexec", "rw"} <= other.options


def test_a_directory_is_found_in_the_table(tmp_path: Path) -> None:
    found = mounts.mount_of(tmp_path)
    assert found is not None
    assert str(tmp_path).startswith(found.point)


def test_a_record_on_a_file_server_is_bad_and_data_there_are_weak(patient: Patient, tmp_path: Path) -> None:
    device = patient.root.stat().st_dev
    line = f"21 1 {os.major(device)}:{os.minor(device)} / / rw,noexec - nfs4 server:/x rw\n"
    (tmp_path / "proc" / "self").mkdir(parents=True)
    (tmp_path / "proc" / "self" / "mountinfo").write_text(line)
    assert patient.state("file systems") == "good"
    patient.kernel["processes"] = tmp_path / "proc"
    found = patient.said("file systems")
    assert (found.state, "the record lies on another machine (nfs4)" in found.detail) == ("bad", True)
    server = patient.said("file systems", database_url="postgresql:///tre")
    assert (server.state, "noexec" in server.detail) == ("weak", True)


def test_flushes_that_cannot_be_true() -> None:
    assert storage.judge_flush([0.001] * 5, [], "ext4").state == "good"
    assert storage.judge_flush([0.000001] * 5, [], "ext4").state == "weak"
    assert storage.judge_flush([0.9] * 5, [], "ext4").state == "weak"
    assert storage.judge_flush([0.001] * 5, ["nobarrier"], "ext4").state == "bad"


def test_a_program_that_drops_flushes_is_noticed(patient: Patient, tmp_path: Path) -> None:
    (tmp_path / "proc" / "self").mkdir(parents=True)
    (tmp_path / "proc" / "self" / "maps").write_text("7f r-xp /usr/lib/libeatmydata.so\n")
    patient.kernel["processes"] = tmp_path / "proc"
    assert patient.state("flushes") == "bad"


def test_a_disk_that_fills_is_told_by_days(patient: Patient, monkeypatch: pytest.MonkeyPatch) -> None:
    patient.happen(at=datetime.now(UTC) - 10 * DAY)
    size = patient.layout.database.stat().st_size
    usage = shutil._ntuple_diskusage  # type: ignore[attr-defined]
    for free, state in ((storage.LEAST_FREE_BYTES * 2, "good"), (size, "weak"), (storage.LEAST_FREE_BYTES, "weak")):
        monkeypatch.setattr(storage.shutil, "disk_usage", lambda _path, free=free: usage(free * 2, free, free))
        assert patient.state("disk") == state
    monkeypatch.setattr(storage.shutil, "disk_usage", lambda _path: usage(size * 9, 0, size))
    assert "full in 10 days" in patient.said("disk").detail


@pytest.mark.parametrize(
    ("total", "free", "state"), [(0, 0, "good"), (100, 50, "good"), (100, 2, "weak"), (9, 0, "bad")]
)
def test_inodes_that_run_out(total: int, free: int, state: str) -> None:
    assert storage.judge_inodes(total, free).state == state


@pytest.mark.parametrize("name", ["work/homes", "vault/objects", "db", "log", "spool/endings"])
def test_a_directory_that_is_open_is_named(patient: Patient, name: str) -> None:
    assert patient.state("directories") == "good"
    (patient.root / name).chmod(0o777)
    found = patient.said("directories")
    assert (found.state, f"{name}/ is open to others (777)" in found.detail) == ("bad", True)


def test_a_root_that_anybody_may_change_is_named(patient: Patient) -> None:
    patient.root.chmod(0o777)
    assert patient.state("directories") == "bad"


# programs


def test_a_package_of_another_version_is_named(tmp_path: Path) -> None:
    (tmp_path / "pins.txt").write_text(
        "jupyter_Hub==6.1.1 \\\n    --hash=sha256:aa\npsycopg[binary]==3.2 ; x\n# no==1\n"
    )
    pins = programs.pins_in(tmp_path / "pins.txt")
    assert pins == {"jupyter-hub": "6.1.1", "psycopg": "3.2"}
    assert programs.others(pins, {"jupyter-hub": "6.1.1"}) == []
    assert programs.others(pins, {"jupyter-hub": "6.0", "psycopg": "3.2"}) == ["jupyter-hub 6.0 instead of 6.1.1"]


def test_a_workspace_without_its_notebook_is_bad(patient: Patient, tmp_path: Path) -> None:
    packages = tmp_path / "lib" / "python3.11" / "site-packages"
    (tmp_path / "bin").mkdir()
    for name in ("python", "jupyter-lab"):
        (tmp_path / "bin" / name).touch()
    packages.mkdir(parents=True)
    assert patient.state("packages of workspaces", workspace_environment=tmp_path) == "bad"
    (packages / "jupyterlab-0.0.1.dist-info").mkdir()
    found = patient.said("packages of workspaces", workspace_environment=tmp_path)
    assert (found.state, "jupyterlab 0.0.1 instead of" in found.detail) == ("weak", True)
    assert patient.state("packages of services") == "good"


def test_programs_that_nobody_renewed_for_long_are_weak(patient: Patient, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").touch()
    said = [patient.said("age of workspaces' packages", workspace_environment=tmp_path)]
    for days in (1, 91):
        (tmp_path / "pyvenv.cfg").touch()
        moment = datetime.now(UTC).timestamp() - days * 86400
        os.utime(tmp_path / "pyvenv.cfg", (moment, moment))
        said.append(patient.said("age of workspaces' packages", workspace_environment=tmp_path))
    assert [(one.state, one.detail) for one in said] == [
        ("weak", "it is not known when they were installed"),
        ("good", "installed 1 days ago"),
        ("weak", "installed 91 days ago"),
    ]
