"""The positive control: everything answers in a namespace of its own, and nothing is left behind."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.unit.runtimes.init.sandbox import INIT, ROOT, UID, needs_sandbox, python_inside, wait_until
from tre.runtimes.init import control
from tre.runtimes.init.targets import Surroundings, for_control, targets

pytestmark = pytest.mark.sandbox

SURROUNDINGS = Surroundings(
    loopback=(8081,),
    read_only=("/data/slice", "/opt/tre/init", "/usr"),
    absent=("/srv/tre", "/usr/lib/x"),
    unix=("/run/other/ws.sock", "@tre-control-test"),
    x86=os.uname().machine == "x86_64",
)


def required_closed(answers: list[dict[str, Any]]) -> list[str]:
    return [one["item"] for one in answers if one["outcome"] != "open" and not one["optional"]]


@pytest.fixture(autouse=True)
def _sandbox_possible() -> None:
    needs_sandbox()


def test_everything_required_is_open_to_the_control() -> None:
    wanted = for_control(targets(SURROUNDINGS))
    answers = control.run(wanted)
    assert [one["item"] for one in answers] == [target["item"] for target in wanted]
    assert required_closed(answers) == []
    assert all(one["outcome"] in {"open", "closed"} for one in answers), answers


def test_an_ordinary_user_gets_the_same() -> None:
    if os.getuid() != 0 or shutil.which("setpriv") is None:
        pytest.skip("the other tests of this file run as an ordinary user already")
    code = (
        f"import sys, json; sys.path.insert(0, {str(ROOT)!r})\n"
        "from tre.runtimes.init import control\n"
        "print(json.dumps(control.run(json.load(sys.stdin))))"
    )
    command = ["setpriv", f"--reuid={UID}", f"--regid={UID}", "--clear-groups", python_inside(), "-I", "-B", "-c", code]
    given = json.dumps(for_control(targets(SURROUNDINGS)))
    done = subprocess.run(command, input=given, capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 0, done.stderr
    assert required_closed(json.loads(done.stdout)) == []


def test_what_is_not_prepared_is_closed_there() -> None:
    unprepared = {"item": "x", "kind": "tcp", "address": "127.0.0.1", "port": 9}
    silent = unprepared | {"kind": "unix", "path": "/no/such/socket"}
    answers = control.run([unprepared | {"kind": "absent", "path": "/srv"}])
    assert answers[0]["outcome"] == "open"
    command = [sys.executable, "-I", "-S", "-B", str(INIT / "__main__.py"), "probe"]
    done = subprocess.run(command, input=json.dumps([silent]), capture_output=True, text=True, timeout=9, check=False)
    assert json.loads(done.stdout)[0]["outcome"] == "closed"


def test_the_host_keeps_its_loopback_and_its_files(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        port = server.getsockname()[1]
        surroundings = Surroundings(loopback=(port,), read_only=(str(tmp_path),), absent=("/tre-control-made-this",))
        answers = control.run(for_control(targets(surroundings)))
        assert next(one for one in answers if one["item"] == f"tcp host port {port}")["outcome"] == "open"
        with pytest.raises(TimeoutError):
            server.accept()
    assert list(tmp_path.iterdir()) == []
    assert not Path("/tre-control-made-this").exists()


def test_one_attempt_does_not_hide_what_the_next_one_needs() -> None:
    """Mounting on a directory that succeeds is undone before what lies below it is tried."""
    below = {"item": "below", "kind": "absent", "path": "/tmp/below"}
    mount = {"item": "mount", "kind": "mount", "path": "/tmp"}
    create = {"item": "create", "kind": "create", "path": "/data"}
    remount = {"item": "remount", "kind": "remount", "path": "/data"}
    answers = control.run([below, mount, below, create, remount, create])
    assert [one["outcome"] for one in answers] == ["open"] * 6


def test_a_control_that_takes_too_long_is_an_error() -> None:
    with pytest.raises(control.ControlError, match="within"):
        control.run(for_control(targets(SURROUNDINGS)), seconds=0.001)


def test_refused_namespaces_are_an_error_that_says_so() -> None:
    code = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r})\n"
        "from tre.runtimes.init import control, seal\n"
        "seal.seal()\n"
        "try: control.run([])\n"
        "except control.ControlError as error: print(error)"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-B", "-c", code], capture_output=True, text=True, timeout=9, check=False
    )
    assert "no new namespaces" in done.stdout, done.stderr


def test_nothing_outlives_the_caller() -> None:
    """The caller is killed while the control still waits for its targets, which never come."""
    code = (
        "import os, subprocess, sys, time\n"
        f"command = [sys.executable, '-I', '-S', '-B', {str(INIT)!r}, 'control', str(os.getpid())]\n"
        "child = subprocess.Popen(command, stdin=subprocess.PIPE)\n"
        "print(child.pid, flush=True)\n"
        "signal = __import__('signal'); signal.pause()"
    )
    caller = subprocess.Popen([sys.executable, "-I", "-c", code], stdout=subprocess.PIPE, text=True)
    assert caller.stdout is not None
    child = int(caller.stdout.readline())
    # Past its first import it has asked to die with its parent: its command shows the program by then.
    wait_until(lambda: "ctypes" in Path(f"/proc/{child}/maps").read_text(), 5)
    keep_open = os.open(f"/proc/{caller.pid}/fd/{_pipe_of(child)}", os.O_WRONLY)
    caller.send_signal(signal.SIGKILL)
    caller.wait()
    caller.stdout.close()
    wait_until(lambda: not Path(f"/proc/{child}/maps").exists() or not Path(f"/proc/{child}/exe").exists(), 2)
    os.close(keep_open)


def _pipe_of(child: int) -> int:
    """The caller's descriptor of the pipe that is the child's standard input."""
    wanted = Path(f"/proc/{child}/fd/0").readlink()
    parent = Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()[1]
    entries = Path(f"/proc/{parent}/fd").iterdir()
    return next(int(entry.name) for entry in entries if entry.readlink() == wanted)
