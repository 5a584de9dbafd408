"""From inside the child that looks at a file, once that file has taken it over.

Every attempt is made without walls (it works, or the test proves nothing), behind each wall that stops it, alone
(so that removing exactly that wall admits it), and behind all walls.
"""

from __future__ import annotations

import os
import re
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.assets.airlock import hostile_child
from tre.airlock import confine
from tre.airlock.child import walls
from tre.airlock.confine import ENTRY, Instruction, examine, namespace_prefix
from tre.airlock.extract import decode
from tre.domain.errors import Reason, TREError

SMALL = 512 << 20
HOSTILE = Path(hostile_child.__file__)
ALL = ",".join(walls.WALLS)
KILLED = "killed"

STOPPED_BY = {
    "open_file": ("landlock", "limits", "system-calls"),
    "write_file": ("landlock", "limits", "system-calls"),
    "open_socket": ("limits", "system-calls"),
    "connect_unix": ("limits", "system-calls"),
    "fork": ("system-calls",),
    "start_thread": ("system-calls",),
    "execute": ("landlock", "system-calls"),
    "executable_memory": ("system-calls",),
    "much_memory": ("limits",),
    "burn": ("limits",),
    "gain_privileges": ("no-new-privileges",),
    "signal_parent": ("system-calls",),
    "read_elsewhere": ("system-calls",),
}
"""What is tried, and the walls that stop it, each by itself."""


@pytest.fixture
def without_namespaces(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The walls alone: namespaces would stop some attempts by themselves."""
    monkeypatch.setattr(confine, "namespace_prefix", tuple)
    return


def attempt(name: str, standing: str) -> str:
    """`done`, `refused: …`, or `killed` when the process did not live to answer."""
    with Path(os.devnull).open("rb") as nothing:
        try:
            answer, _ = examine(
                nothing.fileno(), Instruction(f"{name}:{standing}", seconds=1, memory=SMALL), entry=HOSTILE
            )
        except TREError as error:
            return KILLED if error.reason is Reason.CheckerFailed else error.reason
    return answer.observations[0].message


def prepared(wall: str) -> str:
    """A wall with what it needs: an unprivileged process filters and restricts itself only without new privileges."""
    return wall if wall in {"limits", "no-new-privileges"} else f"no-new-privileges,{wall}"


@pytest.mark.usefixtures("without_namespaces")
@pytest.mark.parametrize("name", [name for name in STOPPED_BY if name != "burn"])
def test_attempt_works_without_walls(name: str) -> None:
    assert attempt(name, "") == "done"


@pytest.mark.usefixtures("without_namespaces")
@pytest.mark.parametrize(("name", "wall"), [(name, wall) for name, by in STOPPED_BY.items() for wall in by])
def test_each_wall_alone_stops_the_attempt(name: str, wall: str) -> None:
    assert attempt(name, prepared(wall)) != "done"


@pytest.mark.usefixtures("without_namespaces")
@pytest.mark.parametrize("name", STOPPED_BY)
def test_all_walls_stop_the_attempt(name: str) -> None:
    assert attempt(name, ALL) != "done"


@pytest.mark.usefixtures("without_namespaces")
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can stop being root")
def test_root_is_given_up() -> None:
    assert attempt("be_root", "") == "done"
    assert attempt("be_root", "identity") == "refused: PermissionError"


@pytest.mark.usefixtures("without_namespaces")
def test_a_busy_child_dies_at_its_processor_time() -> None:
    begun = time.monotonic()
    assert attempt("burn", "limits") == KILLED
    assert time.monotonic() - begun < 1 + confine.GRACE_SECONDS


def test_a_child_without_limits_dies_at_the_parent_s_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(confine, "GRACE_SECONDS", 0.5)
    begun = time.monotonic()
    assert attempt("burn", "") == KILLED
    assert time.monotonic() - begun < 5


@pytest.mark.skipif(not namespace_prefix(), reason="this host allows no namespaces")
@pytest.mark.parametrize("name", ["signal_parent", "write_file"])
def test_namespaces_alone_leave_nothing_outside_to_touch(name: str) -> None:
    """The process before the child is not ours in its own process namespace; what it writes is seen by nobody."""
    before = set(Path("/tmp").glob("airlock-escape-*"))
    attempt(name, "")
    assert set(Path("/tmp").glob("airlock-escape-*")) == before


@pytest.mark.parametrize("name", ["shout", "lie", "say_nothing", "crash"])
def test_whatever_is_no_answer_is_a_failed_check(name: str) -> None:
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert attempt(name, "limits") == KILLED
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - used < 64 * 1024, "the parent's memory grew"


@pytest.mark.usefixtures("without_namespaces")
@pytest.mark.parametrize(
    ("name", "added"), [("open_socket", ":socket/41/198:close/3/57"), ("read_elsewhere", ":read/0/63")]
)
def test_the_allow_list_alone_decides(name: str, added: str) -> None:
    """Exactly the missing line of the list, added, admits what was refused."""
    only_filter = "no-new-privileges,system-calls"
    assert attempt(name, only_filter) == KILLED
    assert attempt(name, only_filter + added) == "done"


def test_the_real_child_stands_behind_every_wall(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text("a,mean\nx,1.5\n")
    with file.open("rb") as opened:
        answer, extract = examine(opened.fileno(), Instruction("csv"))
    version = walls._libc.syscall(walls.LANDLOCK_CREATE, None, 0, walls.LANDLOCK_VERSION)
    due = set(walls.WALLS) - (set() if version >= 1 else {"landlock"})
    assert set(answer.walls) == due
    assert answer.observations == ()
    assert decode(extract).tables[0].rows == (("x", "1.5"),)


def test_the_real_child_sees_one_descriptor_and_no_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SECRET", "x")
    spy = tmp_path / "spy.py"
    spy.write_text(
        "import json, os\n"
        "seen = sorted(os.listdir('/proc/self/fd'))\n"
        'text = f\'{len(seen) - 1} {os.environ.get("SECRET", "none")}\'\n'
        "os.write(1, json.dumps({'walls': [], 'observations': [{'check': 'F02', 'message': text}]}).encode())\n"
    )
    monkeypatch.setattr(confine, "namespace_prefix", tuple)
    with Path(os.devnull).open("rb") as nothing:
        answer, _ = examine(nothing.fileno(), Instruction("csv"), entry=spy)
    assert answer.observations[0].message == "3 none"  # in, out, and errors into nothing


def test_nobody_can_change_the_bytes_that_the_child_reads(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text("a,b\n1,2\n")
    with file.open("rb") as opened, confine._sealed_input([opened.fileno()], {}) as sealed:
        with pytest.raises(PermissionError):
            os.pwrite(sealed.fileno(), b"x", 0)
        with pytest.raises(PermissionError):
            os.truncate(sealed.fileno(), 0)


@pytest.mark.parametrize("machine", walls.ARCHITECTURES)
def test_the_filter_is_short_and_every_path_ends(machine: str) -> None:
    steps = walls.program(machine, walls.PERMITTED)
    assert len(steps) < 4096
    assert steps[-1] == (walls.RETURN, 0, 0, walls.KILL)
    for place, (code, yes, no, _) in enumerate(steps):
        if code & 0x07 == 0x05:
            assert place + 1 + max(yes, no) < len(steps)


@pytest.mark.parametrize(
    ("header", "column"),
    [("/usr/include/x86_64-linux-gnu/asm/unistd_64.h", 0), ("/usr/include/asm-generic/unistd.h", 1)],
)
def test_call_numbers_are_those_of_the_kernel_s_headers(header: str, column: int) -> None:
    if not Path(header).exists():
        pytest.skip(f"{header} is not installed")
    text = Path(header).read_text()
    known = dict(re.findall(r"#define __NR(?:3264)?_(\w+)\s+(\d+)", text))
    for name, call in walls.PERMITTED.items():
        assert int(known[name]) == call.numbers[column], name


def test_the_child_is_standard_library_only() -> None:
    code = (
        f"import sys; sys.path.insert(0, {str(Path(confine.__file__).parents[2])!r});"
        "import tre.airlock.checks, tre.airlock.identify, tre.airlock.child.walls;"
        "foreign = {'pydantic', 'sqlalchemy', 'yaml', 'numpy', 'cryptography'};"
        "print([name for name in sys.modules if name.split('.')[0] in foreign])"
    )
    done = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    assert ENTRY.is_file()
