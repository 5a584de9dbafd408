"""A process with a mount of its own, as a workspace has one, that says when files have vanished from it.

Guarantees: the mount is read-only, made before anything vanishes, and the process looks through it only; the moment it
names is of the clock that all processes of the machine share, and lies after the last of the files was gone.

Does not guarantee: the moment to less than half a millisecond: it looks, sleeps so long, and looks again.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tre.runtimes.bubblewrap.program import check_usable

_HERE = "/mnt"
_WATCH = """
import json, os, sys, time
for line in sys.stdin:
    waiting = [os.path.join(sys.argv[1], path) for path in json.loads(line)]
    print(sum(map(os.path.lexists, waiting)), flush=True)
    while waiting:
        if os.path.lexists(waiting[-1]):
            time.sleep(0.0005)
        else:
            waiting.pop()
    print(time.monotonic_ns(), flush=True)
"""


@dataclass(frozen=True)
class Mounted:
    """The process at the other side."""

    process: subprocess.Popen[str]

    def watch(self, paths: Sequence[str]) -> int:
        """Begin to look at these files, by their paths below the mounted directory; how many are there."""
        assert self.process.stdin is not None, "it was opened as a pipe"
        self.process.stdin.write(json.dumps(list(paths)) + "\n")
        self.process.stdin.flush()
        return self._said()

    def gone(self) -> int:
        """Wait until all of them are gone; the moment, in nanoseconds of the monotonic clock."""
        return self._said()

    def _said(self) -> int:
        assert self.process.stdout is not None, "it was opened as a pipe"
        return int(self.process.stdout.readline())


@contextmanager
def mounted(directory: Path) -> Iterator[Mounted]:
    """A process to which the directory is mounted. Raises `TREError(IsolationUnavailable)`."""
    program = check_usable()
    command = [str(program.path), "--die-with-parent", "--ro-bind", "/", "/", "--ro-bind", str(directory), _HERE]
    environment = {"LD_LIBRARY_PATH": str(program.libraries)} if program.libraries else {}
    with subprocess.Popen(
        [*command, sys.executable, "-I", "-c", _WATCH, _HERE],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    ) as process:
        try:
            yield Mounted(process)
        finally:
            process.kill()
