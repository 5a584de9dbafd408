"""Programs that run on a small file system of their own, in a mount namespace that nobody else sees."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]


def lines_on_own_filesystem(place: Path, options: str, script: str, *arguments: str) -> list[str]:
    """What a Python program prints whose first argument is a new tmpfs, mounted with these options.

    Skips the test where nothing can be mounted; what the program says on its standard error is shown if it fails.
    """
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        pytest.skip("a file system of its own needs root and unshare")
    place.mkdir()
    mounted = f'mount -t tmpfs {options} tmpfs "$1" && exec "$2" -c "$3" "$1" "$4"'
    command = ["unshare", "--mount", "sh", "-c", mounted, "sh", str(place), sys.executable, script, *arguments]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False, timeout=50)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()
