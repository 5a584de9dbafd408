"""Controller processes as they are run, and what they say of themselves.

Guarantees: what is measured of a process is what the kernel says of it (memory, time of a processor) or what it counts
and tells everybody (`/metrics`); nothing of it is changed.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tre.domain.errors import TREError
from tre.system.layout import Layout
from tre.system.local_http import ask
from tre.system.paths import CHECKOUT

_ASK = b"GET /metrics HTTP/1.0\r\nHost: localhost\r\n\r\n"


class ControllerProcess:
    """One `python -m tre.controller`."""

    def __init__(self, root: Path, log: Path) -> None:
        self.layout = Layout(root)
        self.layout.socket("controller").parent.mkdir(parents=True, exist_ok=True)
        self.log = log
        with log.open("ab") as written:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tre.controller", "--root", str(root)], cwd=CHECKOUT, stderr=written
            )

    # --- what it answers

    def answer(self, path: str) -> tuple[int, Any]:
        """Status and value of an answer; 0 where nobody answers."""
        with contextlib.suppress(TREError):
            found = asyncio.run(ask(self.layout.socket("controller"), "GET", path))
            return found.status, found.value
        return 0, None

    def metrics(self) -> str:
        """What it counts."""
        with socket.socket(socket.AF_UNIX) as caller:
            caller.connect(str(self.layout.socket("controller")))
            caller.sendall(_ASK)
            with caller.makefile("rb") as answer:
                return answer.read().partition(b"\r\n\r\n")[2].decode()

    def counted(self, name: str) -> float:
        """The sum of a figure over all its labels; 0 where it does not know it."""
        return _sum(self.metrics(), name)

    def leads(self) -> bool:
        """Whether it acts."""
        return self.answer("/leading")[0] == 200

    def stands_by(self) -> bool:
        """Whether it is well and another one acts."""
        return self.answer("/readyz") == (200, {"status": "stand-by"})

    def is_synced(self) -> bool:
        """Whether it leads, has looked over everything on both sides, and nothing waits."""
        if not self.leads() or self.answer("/healthz")[0] != 200:
            return False
        said = self.metrics()
        looked = all(_sum(said, name) >= 1 for name in ("tre_surveys_total", "tre_source_comparisons_total"))
        return looked and all(_sum(said, name) == 0 for name in ("tre_source_queue", "tre_reconcile_queue"))

    # --- what the kernel says of it

    def memory(self) -> tuple[int, int]:
        """Resident bytes now, and the most there were."""
        said = Path(f"/proc/{self.process.pid}/status").read_text("ascii")
        found = dict(re.findall(r"^(VmRSS|VmHWM):\s+(\d+) kB", said, re.M))
        return int(found["VmRSS"]) * 1024, int(found["VmHWM"]) * 1024

    def processor(self) -> float:
        """Seconds of a processor that it has used: what something takes on a machine that does nothing else."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    # --- what is done to it

    def kill(self) -> None:
        """End it where it stands."""
        self.process.kill()
        self.process.wait()

    def freeze(self) -> None:
        """Let it sleep in the middle of whatever it does."""
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self.process.send_signal(signal.SIGCONT)

    def end(self, seconds: float = 20.0) -> int:
        """Ask it to end, as a cluster does; its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(seconds)

    def remove(self) -> None:
        """End it and remove where it listened."""
        self.kill()
        shutil.rmtree(self.layout.run, ignore_errors=True)


def _sum(said: str, name: str) -> float:
    return sum(float(value) for value in re.findall(rf"^{name}(?:\{{.*\}})? (\S+)$", said, re.M))


@contextlib.contextmanager
def measured() -> Iterator[list[float]]:
    """How long something took, in seconds."""
    took: list[float] = []
    began = time.monotonic()
    yield took
    took.append(time.monotonic() - began)
