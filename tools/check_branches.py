"""Every branch of the rules is taken by a test of the rules; run by `make check`.

Guarantees: the tests of `tests/unit/domain` alone pass and take every line and branch of `tre/domain`; what they miss
is listed by file and line, and the exit code is 1.

Does not guarantee: that a branch which is taken is also looked at.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
RUN = ("run", "--branch", "--source", "tre/domain", "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/unit/domain")
REPORT = ("report", "--show-missing", "--skip-covered", "--fail-under", "100")


def main() -> int:
    """Run the tests under coverage, report what they missed."""
    with tempfile.TemporaryDirectory(prefix="tre-branches-") as scratch:
        environment = os.environ | {"COVERAGE_FILE": str(Path(scratch) / "coverage")}
        for arguments in (RUN, REPORT):
            command = [sys.executable, "-m", "coverage", *arguments]
            done = subprocess.run(command, cwd=CHECKOUT, env=environment, capture_output=True, text=True, check=False)
            if done.returncode != 0:
                sys.stdout.write(done.stdout + done.stderr)
                return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
