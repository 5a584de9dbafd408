"""A shell that goes on from command to command, as a person's terminal does."""

from __future__ import annotations

import os
import selectors
import subprocess
import time
import uuid
from pathlib import Path

PATIENCE = 120.0
"""Seconds for one command: the machine may be busy."""


class Terminal:
    """One bash; use as a context manager."""

    def __init__(self, directory: Path, environment: dict[str, str]) -> None:
        self._bash = subprocess.Popen(
            ["bash", "--norc", "--noprofile"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=directory,
            env={**environment, "LC_ALL": "C.UTF-8"},
            start_new_session=True,
        )

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *_: object) -> None:
        self._bash.kill()
        self._bash.wait()
        for pipe in (self._bash.stdin, self._bash.stdout):
            if pipe is not None:
                pipe.close()

    def run(self, command: str) -> tuple[str, int]:
        """Type a command; return what it printed, on either output, and its exit code."""
        assert self._bash.stdin is not None
        mark = uuid.uuid4().hex
        self._bash.stdin.write(f"{command}\nprintf '\\n{mark} %d\\n' $?\n".encode())
        self._bash.stdin.flush()
        printed, _, code = self._until(f"\n{mark} ", command).partition(f"\n{mark} ")
        return printed, int(code)

    def _until(self, mark: str, command: str) -> str:
        assert self._bash.stdout is not None
        deadline, data = time.monotonic() + PATIENCE, b""
        with selectors.DefaultSelector() as selector:
            selector.register(self._bash.stdout, selectors.EVENT_READ)
            while not (mark.encode() in data and data.endswith(b"\n")):
                assert selector.select(max(0.0, deadline - time.monotonic())), f"no end of: {command}\n{data.decode()}"
                piece = os.read(self._bash.stdout.fileno(), 65536)
                assert piece, f"the shell ended at: {command}\n{data.decode()}"
                data += piece
        return data.decode()
