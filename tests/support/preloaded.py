"""The `tre` command, loaded once: each call is a fork of a process that has read the program already.

    python -m tests.support.preloaded SOCKET       serves calls
    python -I -S preloaded.py SOCKET ARGUMENTS  is a call: the same arguments, directory, environment and descriptors

The tutorials type some fifty commands, and most of a command's time is reading the program.
"""

from __future__ import annotations

import json
import os
import socket
import sys


def call(path: str, arguments: list[str]) -> int:
    """Have a command run with this process' directory, environment and descriptors; return its exit code."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.connect(path)
        here = os.getcwd()  # noqa: PTH109 - pathlib takes longer to read than the rest of the call
        told = json.dumps({"arguments": arguments, "directory": here, "environment": dict(os.environ)}).encode()
        socket.send_fds(connection, [len(told).to_bytes(4, "big")], [0, 1, 2])
        connection.sendall(told)
        return int(connection.recv(16) or b"1")


def serve(path: str) -> None:
    """Answer calls one after the other until killed."""
    from importlib import import_module

    from tre.cli.main import COMMANDS, main

    for place in COMMANDS.values():
        import_module(place.partition(":")[0])
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
        server.bind(path)
        server.listen()
        while True:
            connection, _ = server.accept()
            if os.fork() == 0:
                server.close()
                _answer(connection, main)
            connection.close()
            _reap()


def _reap() -> None:
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            continue
    except ChildProcessError:
        return


def _answer(connection: socket.socket, main: object) -> None:
    """In a fork: run the command in a fork of its own, and tell how it ended."""
    length, descriptors, _, _ = socket.recv_fds(connection, 4, 3)
    told = json.loads(_exactly(connection, int.from_bytes(length, "big")))
    child = os.fork()
    if child == 0:
        connection.close()
        _become(told, descriptors, main)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    connection.sendall(str(status if status >= 0 else 128 - status).encode())
    os._exit(0)


def _exactly(connection: socket.socket, length: int) -> bytes:
    data = b""
    while len(data) < length:
        data += connection.recv(length - len(data))
    return data


def _become(told: dict[str, object], descriptors: list[int], main: object) -> None:
    for number, descriptor in enumerate(descriptors):
        os.dup2(descriptor, number)
    os.chdir(str(told["directory"]))
    os.environ.clear()
    os.environ.update(told["environment"])  # type: ignore[call-overload]
    sys.argv = ["tre", *told["arguments"]]  # type: ignore[misc]
    code = 1
    try:
        main()  # type: ignore[operator]
        code = 0
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    if __spec__ is None:
        sys.exit(call(sys.argv[1], sys.argv[2:]))
    serve(sys.argv[1])
