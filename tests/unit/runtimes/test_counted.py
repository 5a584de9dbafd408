"""What control groups count, read from files as the kernel writes them; what is not there is unknown."""

from __future__ import annotations

from pathlib import Path

import pytest

from tre.domain.costs.meters import Used
from tre.runtimes.bubblewrap.limits import CgroupV1, CgroupV2, ResourceLimits

RUN = "w-aaaaaaaaaaaa-1"


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="ascii")


def test_the_unified_hierarchy(tmp_path: Path) -> None:
    group, means = tmp_path / "tre" / "here" / RUN, CgroupV2("here", tmp_path)
    assert means.used(RUN) == Used()
    write(group / "cpu.stat", "usage_usec 1234\nuser_usec 1000\nsystem_usec 234\n")
    assert means.used(RUN) == Used(cpu_us=1234)  # a kernel that keeps no peak
    write(group / "memory.peak", "4096\n")
    assert means.used(RUN) == Used(cpu_us=1234, peak_bytes=4096)


@pytest.mark.parametrize("counts", [True, False])
def test_the_older_hierarchies_count_where_accounting_is_there(tmp_path: Path, *, counts: bool) -> None:
    for name in ("memory", "cpu", "pids", *(["cpuacct"] if counts else [])):
        write(tmp_path / name / "cgroup.procs", "")
    means = CgroupV1("here", tmp_path)
    (tmp_path / "cpuacct" / "tre" / "here").mkdir(parents=True)
    if counts:
        write(tmp_path / "cpuacct" / "tre" / "here" / RUN / "cpuacct.usage", "5000999\n")
    write(tmp_path / "memory" / "tre" / "here" / RUN / "memory.max_usage_in_bytes", "8192\n")
    assert means.used(RUN) == Used(cpu_us=5000 if counts else None, peak_bytes=8192)


def test_a_damaged_count_is_no_count(tmp_path: Path) -> None:
    write(tmp_path / "tre" / "here" / RUN / "cpu.stat", "usage_usec -1\n")
    assert CgroupV2("here", tmp_path).used(RUN) == Used()


def test_limits_of_single_processes_count_nothing() -> None:
    assert ResourceLimits().used(RUN) == Used()
