"""How much room a machine has for workspaces: read from files as kernels write them, and from settings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tre.domain.errors import Reason, TREError
from tre.domain.workspaces.admission import Amounts, Quota, Room
from tre.system.room import gpus_of, limits_of, needs_of, quota_of, room_of
from tre.system.settings import Settings

GIB = 2**30
CLUSTER = {"runtime": "kubernetes", "databaseUrl": "postgresql://db/tre"}


def settings(**values: Any) -> Settings:
    return Settings.model_validate(values)


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """64 GiB, and room for 8,000 processes."""
    write(tmp_path, "proc/meminfo", "MemFree: 1 kB\nMemTotal:       67108864 kB\n")
    write(tmp_path, "proc/sys/kernel/pid_max", "32768\n")
    write(tmp_path, "proc/sys/kernel/threads-max", "8000\n")
    return tmp_path


def write(machine: Path, name: str, text: str) -> None:
    path = machine / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_the_machine_counts_but_for_what_the_services_need(machine: Path) -> None:
    assert room_of(settings(), machine) == Room(memory=62 * GIB, processes=7000, gpus=0)


@pytest.mark.parametrize("file", ["sys/fs/cgroup/memory.max", "sys/fs/cgroup/memory/memory.limit_in_bytes"])
def test_the_bounds_of_a_container_count(machine: Path, file: str) -> None:
    write(machine, file, f"{8 * GIB}\n")
    write(machine, "sys/fs/cgroup/pids.max", "1600\n")
    assert room_of(settings(), machine) == Room(memory=7 * GIB, processes=1400, gpus=0)
    write(machine, file, "max\n")
    assert room_of(settings(), machine).memory == 62 * GIB


def test_a_small_machine_has_room_for_one(machine: Path) -> None:
    write(machine, "proc/meminfo", "MemTotal: 2097152 kB\n")
    write(machine, "proc/sys/kernel/threads-max", "100\n")
    assert room_of(settings(), machine) == Room(memory=4 * GIB, processes=512, gpus=0)


def test_what_an_operator_set_counts(machine: Path) -> None:
    given = settings(capacity={"memory": "1Gi", "cpuMillis": 1000, "processes": 32, "gpus": 3})
    assert room_of(given, machine) == Room(memory=GIB, cpu_millis=1000, processes=32, gpus=3)


def test_on_a_cluster_only_what_was_set_counts(machine: Path) -> None:
    assert room_of(settings(**CLUSTER), machine) == Room()
    assert room_of(settings(**CLUSTER, capacity={"gpus": 2}), machine) == Room(gpus=2)


def test_this_machine_can_be_read() -> None:
    assert room_of(settings()).is_bounded


def test_gpus_are_those_that_are_named_and_there() -> None:
    named = settings(gpu={"devices": ["/dev/null", "/dev/not-there"], "common": ["/dev/zero"]})
    assert gpus_of(named) == ("/dev/null",)
    assert room_of(named).gpus == 1


@pytest.mark.parametrize("gpu", [{"devices": ["/etc/passwd"]}, {"devices": ["/dev/null"], "common": ["/dev/null"]}])
def test_devices_lie_where_devices_are_and_are_named_once(gpu: dict[str, list[str]]) -> None:
    with pytest.raises(ValueError, match=r"under /dev/|named once"):
        settings(gpu=gpu)


def test_sizes_and_quotas_are_as_they_were_written() -> None:
    given = settings(profiles={"gpu": {"memory": "8Gi", "gpus": 1}}, quota={"workspaces": 2, "memory": "16Gi"})
    assert needs_of(given) == {"gpu": Amounts(8 * GIB, 2000, 512, 1)}
    assert quota_of(given) == Quota(workspaces=2, memory=16 * GIB)
    assert quota_of(settings()) == Quota()
    with pytest.raises(TREError) as caught:
        limits_of(given, "small")
    assert caught.value.reason is Reason.PolicyMissing
