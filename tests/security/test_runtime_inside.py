"""From inside real workspaces, root's installation and an ordinary user's: what shows, what is reached, what bites.

The workspaces run an agent that does what a test says; nothing of ours stands between it and the kernel.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.contract.test_runtimes import _cannot
from tests.support.machine import CHECKOUT, SMALL, Machine, processes_of, running_machine, wait_for
from tre.domain.errors import Reason
from tre.domain.workspaces.models import WorkspacePlan
from tre.runtimes.bubblewrap.state import DOOR
from tre.runtimes.protocol import RunPhase

pytestmark = pytest.mark.sandbox
if _cannot():
    pytest.skip(f"no sandbox on this machine: {_cannot()}", allow_module_level=True)

AS_ROOT = os.geteuid() == 0
NOBODY = 65534
HOME_BYTES = SMALL.home_bytes


@pytest.fixture(scope="module")
def machine() -> Iterator[Machine]:
    with tempfile.TemporaryDirectory(prefix="tre-inside-", dir="/var/tmp") as made:
        Path(made).chmod(0o711)
        with running_machine(Path(made) / "root", server="agent") as found:
            yield found


@pytest.fixture(scope="module")
def alice(machine: Machine) -> WorkspacePlan:
    """A workspace of a grant."""
    plan = machine.plan("alice", shared="together")
    machine.start(plan)
    return plan


@pytest.fixture(scope="module")
def bob(machine: Machine) -> WorkspacePlan:
    """Another member's workspace of the same grant."""
    plan = machine.plan("bob", shared="together")
    machine.start(plan)
    return plan


@pytest.fixture
def victim(machine: Machine, request: pytest.FixtureRequest) -> Iterator[WorkspacePlan]:
    """A workspace that does not survive its test."""
    plan = machine.plan(f"v{abs(hash(request.node.name)) % 10**6}".translate(str.maketrans("0189", "abcd")))
    machine.start(plan)
    yield plan
    machine.runtime.end(plan.identity, Reason.Requested)


def result(machine: Machine, plan: WorkspacePlan, code: str) -> Any:
    """What code inside finds out."""
    answer = machine.inside(plan, code)
    assert "result" in answer, answer
    return answer["result"]


def errno_of(machine: Machine, plan: WorkspacePlan, code: str) -> int:
    """With what the kernel refuses code inside."""
    answer = machine.inside(plan, code)
    assert "refused" in answer, answer
    return int(answer["errno"])


STATUS = """
lines = [line.split(":", 1) for line in open("/proc/self/status") if ":" in line]
result = {name: words.split() for name, words in lines}
"""


def test_a_workspace_has_a_user_of_its_own_and_no_privilege(
    machine: Machine, alice: WorkspacePlan, bob: WorkspacePlan
) -> None:
    for plan in (alice, bob):
        status = result(machine, plan, STATUS)
        assert status["Uid"] == status["Gid"] == [str(plan.uid)] * 4
        assert status["Groups"] == []
        for kind in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
            assert int(status[kind][0], 16) == 0, kind
        assert (status["NoNewPrivs"], status["Seccomp"]) == (["1"], ["2"])
    assert (alice.uid != bob.uid) is AS_ROOT


def test_what_has_a_set_id_bit_gives_nothing(machine: Machine, alice: WorkspacePlan) -> None:
    found = "import glob, os\nresult = [p for p in glob.glob('/usr/bin/*') if os.stat(p).st_mode & 0o6000]"
    if not result(machine, alice, found):
        pytest.skip("this machine has no program with a set-id bit")
    code = f"{found}\nimport subprocess\nresult = subprocess.run([result[0], '--version'], capture_output=True) and 1"
    machine.inside(alice, code)
    assert errno_of(machine, alice, "import os; os.setuid(0)") == 22
    assert errno_of(machine, alice, "import os; os.setgroups([0])") == 1


MOUNTS = """
result = {}
for line in open("/proc/self/mountinfo"):
    words = line.split()
    result[words[4]] = [words[5], words[words.index("-") + 1], words[3]]
"""
SEPARATE = {"/data/cxr": "ro", "/inbox": "ro", "/home/researcher": "rw", "/outbox": "rw", "/shared": "rw"}


def test_every_mount_has_the_flags_it_should(machine: Machine, alice: WorkspacePlan) -> None:
    found = {point: (flags.split(","), kind) for point, (flags, kind, _) in result(machine, alice, MOUNTS).items()}
    assert found.keys() >= SEPARATE.keys() | {"/", "/usr", "/proc", "/dev", "/tmp", "/dev/shm", "/run/door"}
    for point, (flags, _) in found.items():
        assert "nosuid" in flags, point
        assert "nodev" in flags or point.startswith("/dev/"), point
    for point, access in SEPARATE.items():
        assert found[point][0][0] == access, point
    for point in ("/", "/usr", "/dev", "/opt/tre/init", "/opt/tre/workspace"):
        assert found[point][0][0] == "ro", point
    for point in ("/data/cxr", "/inbox", "/outbox"):
        assert ("noexec" in found[point][0]) is AS_ROOT, point


def test_what_can_be_written_to_is_what_belongs_to_the_workspace(machine: Machine, alice: WorkspacePlan) -> None:
    code = """
import os
result = sorted(top for top, _, _ in os.walk("/") if not top.startswith("/proc") and os.access(top, os.W_OK))
"""
    found = {place for place in result(machine, alice, code) if not place.startswith(("/tmp/", "/home/researcher/"))}
    own = {"/home/researcher", "/outbox", "/shared", "/tmp", "/dev/shm", "/dev/pts", "/run", "/run/door"}
    assert found == own
    assert errno_of(machine, alice, "open('/dev/file', 'w')") == 30


SHOWN = """
import glob, os
result = {"cmdline": {}, "environ": {}, "env": dict(os.environ), "mounts": open("/proc/self/mountinfo").read()}
for kind in ("cmdline", "environ"):
    for path in glob.glob(f"/proc/[0-9]*/{kind}"):
        try:
            result[kind][path.split("/")[2]] = open(path).read()
        except OSError as error:
            result[kind][path.split("/")[2]] = error.errno
import subprocess
result["ps"] = subprocess.run(["ps", "-eo", "pid,args"], capture_output=True, text=True).stdout
"""


def test_nothing_shows_that_should_not(machine: Machine, alice: WorkspacePlan) -> None:
    shown = result(machine, alice, SHOWN)
    first = shown["cmdline"]["1"].split("\0")[:-1]
    assert first[1:] == ["-I", "-S", "-B", "/opt/tre/init/__main__.py"]
    assert shown["environ"]["1"] == 13
    known = {"HOME", "USER", "LOGNAME", "SHELL", "LANG", "PATH", "MPLCONFIGDIR", "TRE_GRANT", "TRE_ENDS", "LC_CTYPE"}
    known |= {"GIT_CONFIG_SYSTEM", "GIT_TERMINAL_PROMPT"}
    known |= {"PYTHONPATH"}  # leads to what finds the home's packages
    assert {name for name in shown["env"] if not name.startswith("JUPYTER_")} <= known
    everything = repr([shown["cmdline"], shown["environ"], shown["env"], shown["ps"]])
    for secret in (str(machine.layout.root), str(machine.layout.run), alice.workspace, "local:", "subject"):
        assert secret not in everything, secret
    for secret in (str(machine.layout.keys), str(machine.layout.database.parent), "home.ext4"):
        assert secret not in shown["mounts"], secret


def test_from_outside_command_lines_tell_nothing_of_a_run(machine: Machine, alice: WorkspacePlan) -> None:
    """What anybody with an account on the machine reads from `ps`."""
    noted = machine.state(alice)
    pids = {item.pid for item in (noted.init, noted.supervisor) if item} | set(processes_of(alice.uid))
    shown = b""
    for pid in pids - {os.getpid()}:
        with contextlib.suppress(OSError):  # it ended meanwhile
            shown += Path(f"/proc/{pid}/cmdline").read_bytes()
    assert b"/opt/tre/init" in shown
    for secret in (alice.workspace, "alice", "/data/cxr", alice.end.isoformat()[:10]):
        assert secret.encode() not in shown, secret


def test_two_workspaces_neither_see_nor_reach_each_other(
    machine: Machine, alice: WorkspacePlan, bob: WorkspacePlan
) -> None:
    """Two members of one grant: they share one folder and nothing else."""
    theirs = machine.state(bob).init
    assert theirs is not None
    leave = """
import os, socket, time
open("/home/researcher/secret", "w").write("bob")
open("/dev/shm/secret", "w").write("bob")
open("/tmp/secret", "w").write("bob")
open("/shared/note", "w").write("for alice")
os.chmod("/shared/note", 0o644)
if os.fork() == 0:
    os.setsid()
    meeting = socket.socket(socket.AF_UNIX); meeting.bind("\\0meeting"); meeting.listen()
    open("/tmp/listening", "w").close()
    time.sleep(600)
while not os.path.exists("/tmp/listening"):
    time.sleep(0.01)
"""
    machine.inside(bob, leave)
    assert result(machine, alice, "result = open('/shared/note').read()") == "for alice"
    for place in ("/home/researcher/secret", "/dev/shm/secret", "/tmp/secret"):
        assert errno_of(machine, alice, f"open({place!r})") == 2, place
    meet = "import socket; socket.socket(socket.AF_UNIX).connect('\\0meeting')"
    assert errno_of(machine, alice, meet) == 111
    assert "refused" not in machine.inside(bob, meet)  # the other side: who listens there is reached by its own
    assert errno_of(machine, alice, f"import os; os.kill({theirs.pid}, 0)") == 3
    processes = "import os\nresult = [open(f'/proc/{p}/cmdline').read() for p in os.listdir('/proc') if p.isdigit()]"
    assert len(result(machine, alice, processes)) < 6
    for path in (machine.layout.homes / bob.workspace, machine.layout.workspace_run(bob.identity), machine.layout.keys):
        assert errno_of(machine, alice, f"import os; os.listdir({str(path)!r})") == 2
    keyring = "import ctypes, os\nlibc = ctypes.CDLL(None, use_errno=True)\nif libc.syscall(250, 0, -3, 0) < 0:"
    assert errno_of(machine, alice, f"{keyring}\n    raise OSError(ctypes.get_errno(), 'keyring')") == 1
    assert machine.inside(alice, "import os; os.kill(-1, 0)").get("refused", "none") in {"none", "ProcessLookupError"}


OPEN_WIDE = """
import os
open("/outbox/data", "w").write("data")
for path, mode in (("/outbox/data", 0o666), ("/outbox", 0o777), ("/run/door", 0o777), ("/run/door/lab.sock", 0o777)):
    os.chmod(path, mode)
"""
AS_STRANGER = ["setpriv", "--reuid=65533", "--regid=65533", "--clear-groups", "--inh-caps=-all", sys.executable, "-c"]
READ = "import sys; print(open(sys.argv[1]).read())"
CONNECT = "import socket, sys; socket.socket(socket.AF_UNIX).connect(sys.argv[1]); print('connected')"


@pytest.mark.skipif(not AS_ROOT, reason="only root becomes somebody else")
def test_what_a_workspace_opens_wide_is_open_to_nobody_on_the_machine(machine: Machine, victim: WorkspacePlan) -> None:
    """A researcher with an account on the machine would need no airlock."""
    machine.inside(victim, OPEN_WIDE)
    door = machine.layout.workspace_run(victim.identity) / DOOR
    for code, path, guard in (
        (READ, machine.layout.outboxes / victim.workspace / "data", machine.layout.outboxes),
        (CONNECT, door / "lab.sock", door.parent),
    ):
        attempt = [*AS_STRANGER, code, str(path)]
        refused = subprocess.run(attempt, capture_output=True, text=True, check=False)
        assert "PermissionError" in refused.stderr, refused
        mode = guard.stat().st_mode & 0o7777
        guard.chmod(0o711)
        admitted = subprocess.run(attempt, capture_output=True, text=True, check=False)
        guard.chmod(mode)
        assert admitted.returncode == 0, admitted  # with exactly that guard removed


# ------------------------------------------------------------------ limits that bite


HOG = """
import os
child = os.fork()
if child == 0:
    held = []
    try:
        while True:
            held.append(bytearray(2**24))
    finally:
        os._exit(1)
result = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
"""


def test_memory_beyond_the_limit_is_not_to_be_had(machine: Machine, alice: WorkspacePlan, bob: WorkspacePlan) -> None:
    """By a control group the process is killed; by a resource limit it is refused the memory, and fails."""
    by_group = machine.state(alice).means["memory"].startswith("control group")
    assert result(machine, alice, HOG) == (-9 if by_group else 1)
    assert result(machine, bob, "result = 'alive'") == result(machine, alice, "result = 'alive'") == "alive"


BOMB = """
import os, time
children, result = [], ""
try:
    while len(children) < 2000:
        pid = os.fork()
        if pid == 0:
            time.sleep(30)
            os._exit(0)
        children.append(pid)
except OSError as error:
    result = [error.errno, len(children)]
for pid in children:
    os.kill(pid, 9)
    os.waitpid(pid, 0)
"""


def test_a_fork_bomb_meets_its_limit_and_a_neighbour_does_not_notice(
    machine: Machine, alice: WorkspacePlan, bob: WorkspacePlan
) -> None:
    number, made = result(machine, alice, BOMB)
    assert number == 11
    assert made < SMALL.processes
    assert result(machine, bob, "result = 'alive'") == result(machine, alice, "result = 'alive'") == "alive"


def test_processors_beyond_the_limit_are_held_back(machine: Machine, bob: WorkspacePlan) -> None:
    if machine.state(bob).means["cpu"] == "none":
        pytest.skip("nothing limits processors here, and `tre doctor` says so")
    plan = machine.plan("slow", limits=SMALL.model_copy(update={"cpu_millis": 100}))
    machine.start(plan)
    busy = """
import time
began, used = time.monotonic(), time.process_time()
while time.monotonic() - began < 1.0:
    pass
result = time.process_time() - used
"""
    assert result(machine, plan, busy) < 0.2
    stats = {p: list(Path("/sys/fs/cgroup").glob(f"**/tre/*/{p.identity}/cpu.stat")) for p in (plan, bob)}
    held = {p: sum(int(path.read_text().split("nr_throttled ")[1].split()[0]) for path in stats[p]) for p in stats}
    assert held[plan] > 0
    machine.runtime.end(plan.identity, Reason.Requested)


def test_a_home_and_a_single_file_meet_their_limit(machine: Machine, victim: WorkspacePlan) -> None:
    fill = "with open('{}', 'wb') as file:\n    for _ in range({}):\n        file.write(bytes(2**20)); file.flush()"
    too_large = errno_of(machine, victim, fill.format("/outbox/large", HOME_BYTES // 2**20 + 1))
    assert too_large == 27
    if machine.state(victim).means["home"] == "loop file":
        two = fill.format("/home/researcher/{}", HOME_BYTES // 2**20 * 2 // 3)
        assert 28 in {machine.inside(victim, two.format(name)).get("errno") for name in ("one", "two", "three")}


HOARDS = {
    "many files": "for n in range(80):\n    open(f'/outbox/{n}', 'wb').write(bytes(2**20))",
    "a name that was ours": "for n in range(80):\n    os.mkdir(f'/outbox/{n}')\n"
    "    open(f'/outbox/{n}/home.ext4', 'wb').write(bytes(2**20))",
    "removed and held": (
        "held = []\nfor n in range(80):\n    file = open('/outbox/x', 'w+b')\n    os.unlink('/outbox/x')\n"
        "    file.write(bytes(2**20)); file.flush(); held.append(file)\nif os.fork() == 0:\n    time.sleep(60)"
    ),
}


@pytest.mark.parametrize("hoard", HOARDS.values(), ids=HOARDS)
def test_an_outbox_that_outgrows_its_limit_ends_the_workspace(
    machine: Machine, victim: WorkspacePlan, bob: WorkspacePlan, hoard: str
) -> None:
    with contextlib.suppress(OSError, ValueError):  # it may be killed before it has answered
        machine.inside(victim, f"import os, time\n{hoard}")
    run = machine.await_phase(victim, RunPhase.Ended)
    assert run.reason is Reason.HomeFull, run
    assert result(machine, bob, "result = 'alive'") == "alive"


# ------------------------------------------------------------------ without root, and without namespaces


@pytest.mark.skipif(not AS_ROOT, reason="this is the ordinary user's own run")
@pytest.mark.timeout(180)
def test_an_ordinary_user_gets_the_same_walls() -> None:
    """The tests above, and the life of a run, as a user without any right."""
    with tempfile.TemporaryDirectory(prefix="tre-ordinary-", dir="/var/tmp") as made:
        os.chown(made, NOBODY, NOBODY)
        chosen = ["tests/security/test_runtime_inside.py", "tests/contract/test_runtimes.py"]
        some = "inside or becomes_ready or observed or dies_with or brought or reaches_too_far"
        done = subprocess.run(
            [
                "setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--inh-caps=-all",
                sys.executable, "-B", "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--basetemp={made}/t",
                "-k", some, *chosen,
            ],
            cwd=CHECKOUT, env={"PATH": "/usr/bin:/bin", "HOME": made}, capture_output=True, text=True, check=False,
        )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
    assert " passed" in done.stdout


WITHOUT = """
echo 0 > /proc/sys/user/max_user_namespaces || exit 9
exec "$@"
"""


def test_without_user_namespaces_it_refuses_with_the_remedy_and_starts_nothing(tmp_path: Path) -> None:
    made = Machine(tmp_path / "root")
    command = [sys.executable, "-m", "tre.runtimes.bubblewrap", "--root", str(made.layout.root)]
    if not AS_ROOT or subprocess.run(["unshare", "-Ur", "true"], check=False).returncode:
        pytest.skip("user namespaces cannot be taken away here")
    done = subprocess.run(
        ["unshare", "-Ur", "sh", "-c", WITHOUT, "sh", *command],
        cwd=CHECKOUT, capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    assert "does not let bubblewrap build a sandbox" in done.stderr
    assert "user.max_user_namespaces" in done.stderr
    assert not made.layout.socket("launcher").exists()
    wait_for(lambda: not list((made.layout.run / "workspaces").iterdir()), 1.0)
    made.close()
