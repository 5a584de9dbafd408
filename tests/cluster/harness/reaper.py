"""The first process of a cluster's process namespace: collects what others leave behind and ends with the keeper.

Guarantees: when it ends, for whatever reason, the kernel ends every process of the namespace.

It is run as a file, with nothing but the standard library, so that it stays small.
"""

from __future__ import annotations

import os
import subprocess
import sys


def main() -> int:
    """Start the keeper, wait for everybody, return when the keeper has ended."""
    keeper = subprocess.Popen(sys.argv[1:], close_fds=False)
    while True:
        pid, status = os.wait()
        if pid == keeper.pid:
            return os.waitstatus_to_exitcode(status) & 0xFF


if __name__ == "__main__":
    os._exit(main())
