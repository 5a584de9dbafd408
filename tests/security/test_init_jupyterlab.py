"""A real JupyterLab under the first process: what researchers do works, and a network socket does not exist."""

from __future__ import annotations

import json
import os
import socket
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import aiohttp
import pytest

from tests.unit.runtimes.init.sandbox import ROOT, UID, Sandbox, instruction, sandbox, wait_until
from tre.runtimes.init.report import ExitCode

WORKSPACE = Path(os.environ.get("TRE_TEST_WORKSPACE", ROOT / ".venv-workspace"))
INSIDE = "/opt/workspace"

pytestmark = [
    pytest.mark.sandbox,
    pytest.mark.skipif(
        not (WORKSPACE / "bin/jupyter-lab").exists(), reason="the workspace's environment is not built: make setup"
    ),
]

LAB = [
    f"{INSIDE}/bin/python", "-m", "jupyterlab", "--no-browser", "--ServerApp.sock=/run/ws/lab.sock",
    "--ServerApp.ip=127.0.0.1", "--KernelManager.transport=ipc", "--IdentityProvider.token=",
    "--ServerApp.disable_check_xsrf=True", "--ServerApp.root_dir=/tmp", "--ServerApp.terminals_enabled=True",
]  # fmt: skip
ENVIRONMENT = {"PATH": f"{INSIDE}/bin:/usr/bin:/bin", "HOME": "/tmp", "LANG": "C.UTF-8", "SHELL": "/bin/sh"}

CELLS = {
    "arithmetic": ("print(1 + 1)", "2"),
    "no network socket": (
        "import socket\ntry: socket.create_connection(('127.0.0.1', 80))\nexcept OSError as error: print(error.errno)",
        "97",
    ),
    "none in a subprocess": (
        "import subprocess, sys\ncode = 'import socket\\ntry: socket.socket()\\nexcept OSError as e: print(e.errno)'\n"
        "print(subprocess.run([sys.executable, '-c', code], capture_output=True, text=True).stdout.strip())",
        "97",
    ),
    "multiprocessing": (
        "import multiprocessing\nwith multiprocessing.Pool(2) as pool: print(sum(pool.map(abs, range(-10, 0))))",
        "55",
    ),
    "joblib": (
        "import joblib\nprint(sum(joblib.Parallel(n_jobs=2)(joblib.delayed(abs)(-i) for i in range(11))))",
        "55",
    ),
    "numpy": ("import numpy\nprint(int(numpy.linalg.norm(numpy.ones((200, 200)) @ numpy.ones(200))))", "2828"),
    "threads": (
        "from concurrent.futures import ThreadPoolExecutor\nprint(sum(ThreadPoolExecutor(4).map(abs, [-1, -2])))",
        "3",
    ),
    "faulthandler": ("import faulthandler\nfaulthandler.enable()\nprint(faulthandler.is_enabled())", "True"),
    "a shell": ("print(get_ipython().getoutput('echo $((6*7))')[0])", "42"),
}


@contextmanager
def lab() -> Iterator[tuple[Sandbox, Path]]:
    """JupyterLab in a sandbox, and its socket as seen from outside."""
    with TemporaryDirectory() as made:
        Path(made).chmod(0o711)
        directory = Path(made) / "ws"
        directory.mkdir(mode=0o700)
        if os.getuid() == 0:
            os.chown(directory, UID, UID)
        options = ("--ro-bind", str(WORKSPACE), INSIDE, "--bind", str(directory), "/run/ws")
        with sandbox(instruction(LAB, env=ENVIRONMENT, end=time.time() + 120), options=options) as box:
            box.event("started")
            wait_until(lambda: answers(directory / "lab.sock"), 40)
            yield box, directory / "lab.sock"


def answers(path: Path) -> bool:
    """Whether somebody accepts connections: a socket is there before its server listens."""
    with socket.socket(socket.AF_UNIX) as connection:
        try:
            connection.connect(str(path))
        except OSError:
            return False
        return True


async def evaluate(channel: aiohttp.ClientWebSocketResponse, code: str) -> str:
    """Run a cell; returns what it printed."""
    identity = uuid.uuid4().hex
    header = {"msg_id": identity, "msg_type": "execute_request", "username": "", "session": "s", "version": "5.3"}
    content = {"code": code, "silent": False, "store_history": False, "user_expressions": {}, "allow_stdin": False}
    message = {"header": header, "parent_header": {}, "metadata": {}, "content": content, "channel": "shell"}
    await channel.send_json(message)
    printed = ""
    while True:
        answer: dict[str, Any] = json.loads((await channel.receive(timeout=30)).data)
        if answer["parent_header"].get("msg_id") != identity:
            continue
        if answer["msg_type"] == "stream":
            printed += answer["content"]["text"]
        elif answer["msg_type"] == "error":
            pytest.fail(f"{code!r}: {answer['content']['evalue']}")
        elif answer["msg_type"] == "status" and answer["content"]["execution_state"] == "idle":
            return printed.strip()


async def in_terminal(channel: aiohttp.ClientWebSocketResponse, line: str, expected: str) -> None:
    """Type a line and wait for what it prints."""
    await channel.send_json(["stdin", line + "\r"])
    seen = ""
    while expected not in seen:
        kind, *content = json.loads((await channel.receive(timeout=20)).data)
        if kind == "stdout":
            seen += content[0]


@pytest.mark.timeout(120)
async def test_a_researcher_can_work_in_a_sealed_workspace() -> None:
    with lab() as (box, path):
        async with aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(path))) as session:
            async with session.post("http://localhost/api/kernels", json={"name": "python3"}) as answer:
                assert answer.status == 201, await answer.text()
                kernel = (await answer.json())["id"]
            address = f"http://localhost/api/kernels/{kernel}/channels"
            async with session.ws_connect(address, timeout=aiohttp.ClientWSTimeout(ws_close=5)) as channel:
                printed = {name: await evaluate(channel, code) for name, (code, _) in CELLS.items()}
            assert printed == {name: expected for name, (_, expected) in CELLS.items()}
            async with session.post("http://localhost/api/terminals") as answer:
                terminal = (await answer.json())["name"]
            async with session.ws_connect(f"http://localhost/terminals/websocket/{terminal}") as channel:
                await in_terminal(channel, "echo $((40+2))-typed", "42-typed")
        os.kill(box.first, 15)
        assert box.finish() == ExitCode.TERMINATED
