"""The probe inside a sealed workspace, with its control, and with single guards left out."""

from __future__ import annotations

import json
import os
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from tests.unit.runtimes.init.sandbox import (
    INSIDE,
    UID,
    instruction,
    needs_sandbox,
    python_inside,
    sandbox,
    sandbox_command,
)
from tre.runtimes.init import control
from tre.runtimes.init.targets import Surroundings, for_control, targets
from tre.runtimes.init.verdict import Verdict, verdict

pytestmark = pytest.mark.sandbox

SLEEP = [python_inside(), "-I", "-c", "import signal; signal.pause()"]


@pytest.fixture
def slice_directory() -> Iterator[Path]:
    """A directory of data that the workspace's user can reach, and could write to if the mount let it."""
    with TemporaryDirectory() as made:
        directory = Path(made) / "slice"
        directory.mkdir()
        (directory / "image.dcm").write_bytes(b"data")
        if os.getuid() == 0:
            for path in (directory, directory / "image.dcm"):
                os.chown(path, UID, UID)
        Path(made).chmod(0o755)
        yield directory


def surroundings(**changes: Any) -> Surroundings:
    usual: dict[str, Any] = {
        "loopback": (8081,),
        "read_only": ("/usr", "/opt/tre/init"),
        "absent": (str(Path(__file__).parents[2]), "/srv/tre"),
        "unix": ("/run/other/ws.sock", "@tre-test-host"),
        "x86": os.uname().machine == "x86_64",
    }
    return Surroundings(**(usual | changes))


def judged(around: Surroundings, sealed: list[dict[str, Any]]) -> Verdict:
    return verdict(sealed, control.run(for_control(targets(around))))


def sealed_answers(around: Surroundings, *options: str) -> list[dict[str, Any]]:
    order = instruction(SLEEP, probe={"targets": targets(around), "seconds": 1.2})
    with sandbox(order, options=options) as box:
        told = box.event("probe", 5)
        assert "error" not in told, told
        assert told["seconds"] < 1.5
        results: list[dict[str, Any]] = told["results"]
        return results


def unsealed_answers(around: Surroundings, *options: str) -> list[dict[str, Any]]:
    """The same sandbox and the same probe without the first process, that is, without the seal."""
    needs_sandbox()
    command = sandbox_command((python_inside(), "-I", "-S", "-B", INSIDE, "probe"), options)
    given = json.dumps(targets(around))
    done = subprocess.run(command, input=given, capture_output=True, text=True, timeout=10, check=False)
    answers: list[dict[str, Any]] = json.loads(done.stdout)
    return answers


def test_a_sealed_workspace_is_proven(slice_directory: Path) -> None:
    around = surroundings(read_only=("/usr", "/opt/tre/init", "/data"))
    with socket.socket(socket.AF_UNIX) as bait:
        bait.bind("\0tre-test-host")
        bait.listen()
        sealed = sealed_answers(around, "--ro-bind", str(slice_directory), "/data")
    found = judged(around, sealed)
    assert found.holds, (found.failed, found.unproven)
    assert {"tcp internet", "dns", "resolve a name", "socket inet stream", "create /data"} <= set(found.proven)
    assert {"io_uring", "unshare", "ptrace", "memory", "mount", "remount /data"} <= {*found.proven, *found.uncontrolled}


def test_without_the_seal_the_probe_says_so() -> None:
    found = judged(surroundings(), unsealed_answers(surroundings()))
    assert not found.holds
    assert {"socket inet stream", "socket inet datagram", "socketpair inet", "memory"} <= set(found.failed)
    # The other lock alone: with an empty network namespace nothing answers, whatever sockets there are.
    assert {"tcp internet", "tcp metadata", "udp internet", "dns", "tcp host port 8081"} <= set(found.proven)


def test_without_the_network_namespace_the_seal_still_holds() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket(socket.AF_UNIX) as bait:
        bait.bind("\0tre-test-host")
        bait.listen()
        around = surroundings(loopback=(server.getsockname()[1],), unix=("@tre-test-host",))
        port = f"tcp host port {server.getsockname()[1]}"
        unsealed = verdict(unsealed_answers(around, "--share-net"), [])
        sealed = verdict(sealed_answers(around, "--share-net"), [])
    assert {port, "unix @tre-test-host"} <= set(unsealed.failed)
    # Unix sockets are what the seal allows: an abstract one needs the network namespace, and the probe finds it.
    assert set(sealed.failed) == {"unix @tre-test-host"}


def test_a_writable_mount_is_found(slice_directory: Path) -> None:
    around = surroundings(read_only=("/data",))
    found = judged(around, sealed_answers(around, "--bind", str(slice_directory), "/data"))
    assert {"create /data", "unlink /data", "chmod /data", "append /data"} == set(found.failed)
    assert [path.name for path in slice_directory.iterdir()] == ["image.dcm"]


def test_a_path_or_a_socket_too_many_is_found(slice_directory: Path) -> None:
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(slice_directory / "ws.sock"))
        (slice_directory / "ws.sock").chmod(0o777)
        other.listen()
        options = ("--ro-bind", str(slice_directory), "/run/other", "--dir", "/srv/tre")
        found = judged(surroundings(), sealed_answers(surroundings(), *options))
    assert set(found.failed) == {"unix /run/other/ws.sock", "absent /srv/tre"}


def test_a_probe_that_is_killed_proves_nothing() -> None:
    """All that a child of the same user can do to the probe is to end it."""
    killer = [python_inside(), "-I", "-c", "import os\nwhile True: os.kill(-1, 9)"]
    slow = [{"item": "x", "kind": "resolve", "name": "example.org"}] * 40
    with sandbox(instruction(killer, probe={"targets": slow, "seconds": 1.2})) as box:
        told = box.event("probe", 5)
    assert told["error"]
    assert not verdict(told["results"], [{"item": "x", "outcome": "open"}]).holds


def test_a_probe_that_is_stopped_is_ended() -> None:
    stopper = [
        python_inside(), "-I", "-c",
        "import os, signal\n"
        "while True:\n"
        " for name in os.listdir('/proc'):\n"
        "  if name.isdecimal() and int(name) not in (1, os.getpid()):\n"
        "   try: os.kill(int(name), signal.SIGSTOP)\n"
        "   except OSError: pass",
    ]  # fmt: skip
    endless = targets(surroundings()) * 50
    with sandbox(instruction(stopper, probe={"targets": endless, "seconds": 0.3})) as box:
        told = box.event("probe", 20)
    assert told["error"]
