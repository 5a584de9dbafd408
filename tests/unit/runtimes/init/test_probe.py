"""Single attempts of the probe, against things that answer and things that do not."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from tests.unit.runtimes.init.sandbox import INIT, run_python
from tre.runtimes.init import network


def probed(*targets: Any, seconds: float | None = None) -> list[dict[str, Any]]:
    """Run the probe as a program."""
    if seconds is None:
        done = subprocess.run(
            [sys.executable, "-I", "-S", "-B", str(INIT / "__main__.py"), "probe"],
            input=json.dumps(targets), capture_output=True, text=True, timeout=10, check=False,
        )  # fmt: skip
        assert not done.stderr
        answers: list[dict[str, Any]] = json.loads(done.stdout)
        assert done.returncode == (0 if all(one["outcome"] == "closed" for one in answers) else 1)
        return answers
    given = f"json.loads({json.dumps(targets)!r})"
    code = f"from tre.runtimes.init import probe\nprint(json.dumps(probe.run({given}, {seconds})))"
    found: list[dict[str, Any]] = run_python(code)
    return found


def outcome(kind: str, **arguments: Any) -> tuple[str, str]:
    answer = probed({"item": "x", "kind": kind, **arguments})[0]
    return answer["outcome"], answer["detail"]


def test_tcp_answered_and_refused() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert outcome("tcp", address="127.0.0.1", port=port) == ("open", "connected")
    assert outcome("tcp", address="127.0.0.1", port=port) == ("closed", "ECONNREFUSED")


def test_udp_answered_silent_and_refused() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        port = server.getsockname()[1]

        def answer() -> None:
            data, sender = server.recvfrom(100)
            server.sendto(data, sender)

        answering = threading.Thread(target=answer)
        answering.start()
        assert outcome("udp", address="127.0.0.1", port=port) == ("open", "answered")
        answering.join()
        target = {"item": "x", "kind": "udp", "address": "127.0.0.1", "port": port}
        started = time.monotonic()
        answers = probed(target, target, target, seconds=0.2)
        assert {one["detail"] for one in answers} == {"no answer in time"}
        assert time.monotonic() - started < 2
    assert outcome("udp", address="127.0.0.1", port=port) == ("closed", "ECONNREFUSED")


def test_a_dns_query_is_well_formed() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        target = {"address": "127.0.0.1", "port": server.getsockname()[1], "name": "example.org."}
        query = network.Dns(target)
        sent = server.recv(512)
        query.close()
    assert sent[2:12] == b"\1\0\0\1\0\0\0\0\0\0"
    assert sent[12:] == b"\7example\3org\0\0\1\0\1"


def test_unix_sockets_by_path_and_abstract(tmp_path: Path) -> None:
    path = str(tmp_path / "s")
    abstract = f"tre-test-{os.getpid()}"
    assert outcome("unix", path=path) == ("closed", "ENOENT")
    assert outcome("unix", path="@" + abstract) == ("closed", "ECONNREFUSED")
    with socket.socket(socket.AF_UNIX) as server, socket.socket(socket.AF_UNIX) as hidden:
        server.bind(path)
        assert outcome("unix", path=path) == ("open", "ECONNREFUSED")
        server.listen()
        assert outcome("unix", path=path) == ("open", "connected")
        hidden.bind("\0" + abstract)
        hidden.listen()
        assert outcome("unix", path="@" + abstract) == ("open", "connected")


def test_a_datagram_socket_of_another_counts_as_reached(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind(str(tmp_path / "s"))
        assert outcome("unix", path=str(tmp_path / "s")) == ("open", "EPROTOTYPE")


def test_nothing_is_changed_where_everything_is_open(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"kept")
    tmp_path.chmod(0o751)
    kinds = ("create", "unlink", "chmod", "append")
    answers = probed(*({"item": kind, "kind": kind, "path": str(tmp_path)} for kind in kinds))
    assert {one["outcome"] for one in answers} == {"open"}
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert (tmp_path / "file").read_bytes() == b"kept"
    assert tmp_path.stat().st_mode & 0o777 == 0o751


def test_files_that_are_not_where_they_should_be_are_errors(tmp_path: Path) -> None:
    for kind in ("create", "unlink", "chmod", "append"):
        assert outcome(kind, path=str(tmp_path / "missing"))[0] == "error"
    (tmp_path / "file").touch()
    assert outcome("create", path=str(tmp_path / "file"))[0] == "error"


def test_an_empty_directory_has_nothing_to_append_to(tmp_path: Path) -> None:
    assert outcome("append", path=str(tmp_path)) == ("closed", "there is no file")
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "deep").touch()
    assert outcome("append", path=str(tmp_path))[0] == "open"


def test_absent(tmp_path: Path) -> None:
    assert outcome("absent", path=str(tmp_path)) == ("open", "it exists")
    assert outcome("absent", path=str(tmp_path / "x")) == ("closed", "ENOENT")
    (tmp_path / "dangling").symlink_to("nowhere")
    assert outcome("absent", path=str(tmp_path / "dangling"))[0] == "open"


def test_socket_families() -> None:
    assert outcome("socket", family=2, types=[1], protocols=[0]) == ("open", "type/protocol 1/0")
    assert outcome("socket", family=2, types=[1], protocols=[17])[0] == "closed"
    assert outcome("socket", family=63) == ("closed", "EAFNOSUPPORT")
    assert outcome("socketpair", family=1)[0] == "open"


@pytest.mark.parametrize("broken", [{}, {"item": "x"}, {"item": "x", "kind": "other"}, 7, None, "tcp"])
def test_a_broken_target_is_an_error_and_stops_nothing(broken: Any) -> None:
    answers = probed(broken, {"item": "after", "kind": "socket", "family": 63, "optional": True})
    assert [one["outcome"] for one in answers] == ["error", "closed"]
    assert [one["optional"] for one in answers] == [False, True]


def test_an_attempt_that_hangs_or_breaks_is_an_error() -> None:
    said = run_python(
        "import time\n"
        "from tre.runtimes.init import attempts\n"
        "attempts._FORK_SECONDS = 0.1\n"
        "hangs = attempts.forked(lambda: time.sleep(60))\n"
        "breaks = attempts.forked(lambda: os.no_such_thing)\n"
        "dies = attempts.forked(lambda: os.kill(os.getpid(), 31))\n"
        "print(json.dumps([[one.outcome, one.detail] for one in (hangs, breaks, dies)]))".replace(
            "import time", "import os, sys, time; sys.stderr = open(os.devnull, 'w')"
        )
    )
    assert said == [["error", "no answer in time"], ["error", "the attempt broke"], ["closed", "killed by SIGSYS"]]


def test_a_name_that_takes_long_is_given_up() -> None:
    said = run_python(
        "import socket, time\n"
        "from tre.runtimes.init import probe\n"
        "socket.getaddrinfo = lambda *a, **k: time.sleep(60)\n"
        "target = {'item': 'x', 'kind': 'resolve', 'name': 'example.org'}\n"
        "started = time.monotonic()\n"
        "answers = probe.run([target], 0.1)\n"
        "print(json.dumps([answers[0]['outcome'], answers[0]['detail'], time.monotonic() - started < 1]))"
    )
    assert said == ["closed", "no answer in time", True]


def test_the_program_takes_no_arguments() -> None:
    command = [sys.executable, "-I", "-S", "-B", str(INIT / "__main__.py"), "probe", "x"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    assert done.returncode == 2
    assert "standard input" in done.stderr
