"""`python -m tests [OPTION…]`: what `make test` runs. Every test that needs no cluster and is no soak, in as many
processes as the first argument says; a few that fail are run again, alone, and named."""

from __future__ import annotations

import compileall
import os
import subprocess
import sys
from pathlib import Path

from tests.support.again import run_few_again

CHECKOUT = Path(__file__).resolve().parents[1]
PYTEST = (sys.executable, "-m", "pytest", "-m", "not soak")


def run(*arguments: str) -> int:
    """Run pytest; asked to stop, it has heard so itself."""
    with subprocess.Popen([*PYTEST, *arguments]) as process:
        while True:
            try:
                return process.wait()
            except KeyboardInterrupt:
                continue


def keep_what_is_compiled() -> None:
    """Tests start some hundred programs of ours; none of them compiles the launcher again, whatever the machine says.

    Services run as users who may not write here, so it is done before them.
    """
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    for tree in ("tre", "tools"):
        compileall.compile_dir(CHECKOUT / tree, quiet=2, workers=0)


def say(words: str) -> None:
    """Say something between two runs."""
    sys.stdout.write(f"{words}\n")
    sys.stdout.flush()


def main(workers: str, *given: str) -> int:
    """Run them all, and a few that failed again."""
    keep_what_is_compiled()
    os.environ["OPENBLAS_NUM_THREADS"] = "1"  # each program that reads numpy would begin threads, which spin a while
    beside = ("-n", workers, "--dist", "loadscope", "--no-loadscope-reorder")
    return run_few_again(
        lambda: run(*beside, *given),
        lambda names: run("-rP", *names),
        say,
    )


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
