"""How the first process is started: its options, its ways in and out, and what its start costs."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.unit.runtimes.init.sandbox import INIT, INSIDE, instruction, needs_sandbox, python_inside, sandbox_command
from tre.runtimes.init.report import ExitCode


def started(*options: str, mounts: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    """Start the first process in a sandbox without passing it a descriptor, as a cluster does."""
    needs_sandbox()
    command = sandbox_command((python_inside(), "-I", "-S", "-B", INSIDE, *options), mounts)
    return subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)


@pytest.mark.sandbox
def test_a_file_and_a_socket_serve_where_no_descriptor_can_be_passed() -> None:
    with TemporaryDirectory() as made, socket.socket(socket.AF_UNIX) as listening:
        directory = Path(made)
        directory.chmod(0o755)
        argv = [python_inside(), "-I", "-c", "print('ran')"]
        (directory / "instruction.json").write_text(json.dumps(instruction(argv)))
        (directory / "instruction.json").chmod(0o644)
        listening.bind(str(directory / "report.sock"))
        (directory / "report.sock").chmod(0o777)
        listening.listen()
        options = ("--instruction", "/etc/tre/instruction.json", "--report", "/etc/tre/report.sock")
        done = started(*options, mounts=("--ro-bind", str(directory), "/etc/tre"))
        assert (done.returncode, done.stdout) == (0, "ran\n"), done.stderr
        connection, _ = listening.accept()
        with connection, connection.makefile() as lines:
            events = [json.loads(line)["event"] for line in lines]
    assert events == ["sealed", "started", "child_exited", "ended"]


@pytest.mark.sandbox
@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--unsealed",), "usage"),
        (("--report",), "usage"),
        (("--report", "987"), "Bad file descriptor"),
        (("--report", "/no/such/socket"), "No such file"),
    ],
)
def test_without_a_report_nothing_is_started(options: tuple[str, ...], said: str) -> None:
    done = started(*options)
    assert done.returncode == ExitCode.INSTRUCTION_REFUSED
    assert said in done.stderr
    assert "nothing was started" in done.stderr


@pytest.mark.sandbox
@pytest.mark.parametrize("where", ["987", "/no/such/file", "/tmp"])
def test_an_instruction_that_cannot_be_read_is_refused(where: str) -> None:
    done = started("--instruction", where, "--report", "1")
    assert done.returncode == ExitCode.INSTRUCTION_REFUSED
    assert json.loads(done.stdout)["event"] == "refused"


def test_its_start_imports_little() -> None:
    """Each of these would cost milliseconds at every start of a workspace."""
    code = (
        f"import sys; sys.path.insert(0, {str(INIT.parents[2])!r})\n"
        "import tre.runtimes.init.main\n"
        "print([name for name in sys.modules if name.partition('.')[0] in "
        "('asyncio', 'dataclasses', 'inspect', 'logging', 'pathlib', 'socket', 'subprocess', 'pydantic')])"
    )
    done = subprocess.run([sys.executable, "-I", "-S", "-B", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_a_file_beside_it_cannot_stand_in_for_the_standard_library(tmp_path: Path) -> None:
    copy = tmp_path / "init"
    shutil.copytree(INIT, copy)
    for name in ("json", "signal", "ctypes", "enum"):
        (copy / f"{name}.py").write_text("raise SystemExit('shadowed')")
    for program in (copy, copy / "__main__.py"):
        command = [sys.executable, "-I", "-S", "-B", str(program)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
        assert done.returncode == ExitCode.NOT_FIRST_PROCESS, done.stderr
