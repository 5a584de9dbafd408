"""Watches one process namespace from outside until nothing lives in it, and says when that was.

A program of its own (`python3 -I observer.py INODE`): it shares no code and no state with what ends workspaces. It
prints `ready`, then, when the last process has gone, the time on the machine's monotonic clock in seconds.
"""

import sys
import time
from pathlib import Path


def living(inode: int) -> bool:
    """Whether any process that is no zombie is in the namespace."""
    for process in Path("/proc").iterdir():
        if not process.name.isdigit():
            continue
        try:
            if (process / "ns" / "pid").stat().st_ino != inode:
                continue
            state = (process / "stat").read_text(errors="replace").rpartition(")")[2].split()[0]
        except OSError:
            continue
        if state not in {"Z", "X"}:
            return True
    return False


def main() -> None:
    """Wait for the end of the namespace, at most a minute."""
    inode = int(sys.argv[1])
    if not living(inode):
        sys.exit("nothing lives in this namespace")
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    deadline = time.monotonic() + 60
    while living(inode):
        if time.monotonic() > deadline:
            sys.exit("it still lives")
        time.sleep(0.001)
    sys.stdout.write(f"{time.monotonic()}\n")


if __name__ == "__main__":
    main()
