"""`python -m tests [OPTION…]`: what `make test` runs. Every test that needs no cluster and is no soak, in as many
processes as the first argument says; a few that fail are run again, alone, and named."""

from __future__ import annotations

import subprocess
import sys

from tests.support.again import run_few_again

PYTEST = (sys.executable, "-m", "pytest", "-m", "not soak")


def run(*arguments: str) -> int:
    """Run pytest; asked to stop, it has heard so itself."""
    with subprocess.Popen([*PYTEST, *arguments]) as process:
        while True:
            try:
                return process.wait()
            except KeyboardInterrupt:
                continue


def say(words: str) -> None:
    """Say something between two runs."""
    sys.stdout.write(f"{words}\n")
    sys.stdout.flush()


def main(workers: str, *given: str) -> int:
    """Run them all, and a few that failed again."""
    beside = ("-n", workers, "--dist", "loadscope", "--no-loadscope-reorder")
    return run_few_again(
        lambda: run(*beside, *given),
        lambda names: run("-rP", *names),
        say,
    )


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
