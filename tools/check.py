"""Runs every static check of the house and goes on after a failure; run by `make check`.

Guarantees: each check runs, each verdict is printed with its time, the last line counts the
failures, and the exit code is 1 if there was one. A check that cannot be started counts as failed.

Does not guarantee: that the program works; that is what the tests are for.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
BIN = CHECKOUT / ".venv" / "bin"
CODE = ("tre", "tests", "tools", "verifier")

CHECKS: dict[str, list[str]] = {
    "layout of the code (ruff format)": [str(BIN / "ruff"), "format", "--check", *CODE],
    "rules of the code (ruff)": [str(BIN / "ruff"), "check", *CODE],
    "types (mypy)": [str(BIN / "mypy")],
    "who may import whom (import-linter)": [str(BIN / "lint-imports")],
    "docstrings (interrogate)": [
        str(BIN / "interrogate"),
        "-vv",
        "--omit-covered-files",
        "tre",
        "tools",
    ],
    "dangerous calls (bandit)": [str(BIN / "bandit"), "-q", "-r", "-c", "pyproject.toml", "tre"],
    "branches of tre/domain": [str(BIN / "python"), str(CHECKOUT / "tools" / "check_branches.py")],
    "sizes": [sys.executable, str(CHECKOUT / "tools" / "check_sizes.py")],
    "licences": [str(BIN / "python"), str(CHECKOUT / "tools" / "licences.py"), "--check"],
    "leaks": [sys.executable, str(CHECKOUT / "tools" / "check_leaks.py")],
    "texts of the public pages": [str(BIN / "python"), str(CHECKOUT / "tools" / "words.py"), "--check"],
    "generated pages of docs/": [sys.executable, str(CHECKOUT / "tools" / "generate_docs.py"), "--check"],
    "dashboards of monitoring/, copies for the chart": [
        sys.executable,
        str(CHECKOUT / "tools" / "dashboards.py"),
        "--check",
    ],
    "definitions of helm/tre/crds/": [sys.executable, str(CHECKOUT / "tools" / "generate_crds.py"), "--check"],
    "guards of policies/kubernetes/": [sys.executable, str(CHECKOUT / "tools" / "render_guards.py"), "--check"],
}


def passes(name: str, command: list[str]) -> bool:
    """Runs one check, prints its verdict and, where it failed, what it said."""
    begun = time.monotonic()
    try:
        done = subprocess.run(
            command,
            cwd=CHECKOUT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
        )
    except OSError as error:
        print(f"FAILED  {name}: {error}", flush=True)
        return False
    took = time.monotonic() - begun
    verdict = "ok     " if done.returncode == 0 else "FAILED "
    print(f"{verdict} {name} ({took:.1f} s)", flush=True)
    if done.returncode != 0:
        print(done.stdout.rstrip(), flush=True)
    return done.returncode == 0


def main() -> int:
    """Runs all checks; returns the exit code."""
    failed = [name for name, command in CHECKS.items() if not passes(name, command)]
    print(f"{len(CHECKS)} checks, {len(failed)} failed{': ' if failed else ''}{', '.join(failed)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
