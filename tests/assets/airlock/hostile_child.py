"""A child as it would be once a file had taken it over: it tries one thing behind exactly the walls it is told.

Used by the tests only. The words come on descriptor 0 like a real instruction; `type` is `ATTEMPT:WALL,WALL`,
followed by calls to add to the allow-list (`:NAME/NUMBER/NUMBER`). What worked is answered as a well-formed finding
whose message is the outcome.
"""

from __future__ import annotations

import ctypes
import json
import mmap
import os
import socket
import struct
import subprocess
import sys
import threading
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[3]))

from tre.airlock.child.walls import PERMITTED, WALLS, Call, Room


def open_file() -> None:
    os.close(os.open("/usr", os.O_RDONLY))


def write_file() -> None:
    descriptor = os.open(f"/tmp/airlock-escape-{os.getpid()}", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.write(descriptor, b"x")
    finally:
        Path(f"/tmp/airlock-escape-{os.getpid()}").unlink()


def open_socket() -> None:
    socket.socket(socket.AF_INET, socket.SOCK_DGRAM).close()


def connect_unix() -> None:
    with socket.socket(socket.AF_UNIX) as one, socket.socket(socket.AF_UNIX) as other:
        name = f"\0airlock-{os.getpid()}"
        one.bind(name)
        one.listen()
        other.connect(name)


def fork() -> None:
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)


def start_thread() -> None:
    thread = threading.Thread(target=lambda: None)
    thread.start()
    thread.join()


def execute() -> None:
    subprocess.run(["/bin/true"], check=True)


def be_root() -> None:
    if os.geteuid() != 0:
        raise PermissionError("not root")
    os.setresuid(0, 0, 0)


def executable_memory() -> None:
    mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC).close()


def much_memory() -> None:
    bytearray(700 * 2**20)


def burn() -> None:
    while True:
        pass


def gain_privileges() -> None:
    if "NoNewPrivs:\t1" in Path("/proc/self/status").read_text():
        raise PermissionError("no new privileges")


def signal_parent() -> None:
    os.kill(os.getppid(), 0)


def trace() -> None:
    if ctypes.CDLL(None, use_errno=True).ptrace(16, os.getppid(), None, None) == -1:
        raise OSError(ctypes.get_errno(), "ptrace")


def read_elsewhere() -> None:
    os.read(int(os.environ.get("ELSEWHERE", "7")), 1)


def shout() -> None:
    while True:
        os.write(1, b"x" * 65536)


def lie() -> None:
    os.write(1, b'{"walls": [], "observations": [{"check": "F99; DROP", "message": ""}]}')
    os._exit(0)


def say_nothing() -> None:
    os._exit(0)


def crash() -> None:
    ctypes.string_at(0)


def main() -> None:
    (length,) = struct.unpack(">I", os.read(0, 4))
    asked = json.loads(os.read(0, length))
    attempt, walls, *admitted = asked["type"].split(":")
    action = globals()[attempt]
    extra = os.open("/dev/zero", os.O_RDONLY)
    os.dup2(extra, 7)
    room = Room(asked["seconds"], asked["memory"])
    for line in admitted:
        name, *numbers = line.split("/")
        PERMITTED[name] = Call((int(numbers[0]), int(numbers[1])))
    for name in filter(None, walls.split(",")):
        WALLS[name](room)
    try:
        action()
    except (OSError, MemoryError, RuntimeError, ValueError) as error:
        outcome = f"refused: {type(error).__name__}"
    else:
        outcome = "done"
    found = {"check": "F02", "message": outcome}
    os.write(1, json.dumps({"walls": walls.split(",")[:10], "observations": [found]}).encode())
    os._exit(0)


if __name__ == "__main__":
    main()
