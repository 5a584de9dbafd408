"""`python -m tests.cluster build|up|down|status|test`: what `make cluster`, `cluster-down` and `test-cluster` run."""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.cluster import productimages
from tests.cluster.harness.basics import CHECKOUT, STEPPING_BACK, CannotRunError, HarnessError, say
from tests.cluster.harness.layout import (
    OWNER_VARIABLE,
    Layout,
    Tier,
    default_state,
    worker_state,
)
from tests.cluster.harness.starter import Starter, best_tier
from tests.support.again import run_few_again

WORKERS = ("gw0", "gw1", "gw2")
"""The processes that share the tests, as pytest-xdist calls them: one for what is tried of the installed launcher. They
wait more than they work, so there may be more of them than cores."""
SIDE_BY_SIDE = ("-n", str(len(WORKERS)), "--dist", "loadscope", "--no-loadscope-reorder")
PYTEST = (sys.executable, "-m", "pytest")
CLEANING = 25.0  # seconds; less than the time that continuous integration leaves between asking and killing


def wanted_tier(given: str) -> Tier:
    """The tier that was asked for, or the best that this machine can run, with a word about the rest."""
    if given != "best":
        return Tier(given)
    tier, reason = best_tier(install=True)
    if reason:
        say(f"Only the API server runs here, no node: {reason}")
    return tier


def up(starter: Starter, given: str) -> int:
    """Start."""
    starter.up(wanted_tier(given), everything=True)
    return 0


def down(starter: Starter) -> int:
    """Remove, and look for what is left."""
    left = starter.down()
    for line in left:
        say(f"LEFT BEHIND: {line}")
    say("Something is left behind." if left else "Nothing is left of the cluster.")
    return 1 if left else 0


def status(starter: Starter) -> int:
    """Say what runs."""
    found = starter.status()
    say(f"{starter.where.state}: {found['phase']}, tier {starter.tier() or 'none'} {found['failure']}".rstrip())
    return 0 if starter.tier() else 1


def up_if_possible(starter: Starter, given: str) -> None:
    """Start, or say in a line why not."""
    try:
        up(starter, given)
    except CannotRunError as error:
        say(f"No cluster can run here: {error}")


def run_to_the_end(command: list[str]) -> int:
    """Run the tests; told to stop, let them clean up what they have started themselves."""
    with subprocess.Popen(command, cwd=CHECKOUT) as process:
        try:
            return process.wait()
        except (KeyboardInterrupt, SystemExit) as asked:
            if isinstance(asked, SystemExit):  # what is typed at a terminal has reached both already
                process.send_signal(signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(CLEANING)
            process.kill()
            raise


def what_runs(arguments: list[str]) -> list[str]:
    """The arguments for pytest: without `-m` every short test; `-m soak` and the like choose among those here."""
    named = [argument for argument in arguments if argument.startswith("tests/")]
    chosen = "cluster and not soak"
    rest = list(arguments)
    if "-m" in rest[:-1]:
        at = rest.index("-m")
        chosen = f"cluster and ({rest[at + 1]})"
        del rest[at : at + 2]
    return [*([] if named else ["tests/cluster"]), "-m", chosen, *rest]


def run_tests(starter: Starter, given: str, arguments: list[str]) -> int:
    """Run the tests in the cluster that is there, or in what is started for them and removed afterwards; tests that
    cannot run are skipped."""
    is_there = starter.tier() is not None and not starter.is_orphan()
    if os.environ.get("CLUSTER", "") == "mine" or is_there:
        return run_to_the_end([*PYTEST, *what_runs(arguments)])
    if "-m" in arguments or any(argument.startswith("tests/") for argument in arguments):
        return run_in([starter.where.state], given, what_runs(arguments))
    return run_all(starter, given, arguments)


@contextlib.contextmanager
def stepping_back() -> Iterator[None]:
    """What is started meanwhile lets others go first: the first cluster has what takes longest."""
    may_return = os.geteuid() == 0
    if may_return:
        os.setpriority(os.PRIO_PROCESS, 0, STEPPING_BACK)
    yield
    if may_return:
        os.setpriority(os.PRIO_PROCESS, 0, 0)


def run_in(places: list[Path], given: str, arguments: list[str]) -> int:
    """Start clusters in these state directories, run tests, and remove what was started."""
    owned = [Starter(Layout(place), os.getpid()) for place in places]
    try:
        up_if_possible(owned[0], given)
        with stepping_back():
            for one in owned[1:]:
                up_if_possible(one, given)
        code = run_to_the_end([*PYTEST, *arguments])
    finally:
        left = [down(one) for one in owned]
    return code or max(left)


def run_all(starter: Starter, given: str, arguments: list[str]) -> int:
    """Run every short test, in several clusters side by side. A few that fail there are run again, one by one in a
    cluster of their own, and it is said: clusters on a small machine may hold each other up, and what fails alone
    fails."""
    build_everything(starter, given)
    places = [worker_state(one) for one in WORKERS]
    return run_few_again(
        lambda: run_in(places, given, [*what_runs(arguments), *SIDE_BY_SIDE]),
        lambda names: run_in([starter.where.state], given, [*names, "-m", "cluster", "-rP"]),
        say,
    )


def build_everything(starter: Starter, given: str) -> None:
    """Build programs and images beside each other, before any test: a build of images mounts and unmounts, which is
    searched for in what clusters leave behind. Tests that need what cannot be built are skipped with the reason."""
    with contextlib.suppress(CannotRunError), ThreadPoolExecutor(1) as beside:
        tier = wanted_tier(given)
        if tier is Tier.node:
            productimages.provide()  # before the programs' build installs what it needs: one installs at a time
            beside.submit(build_images)
        starter.build(tier, everything=True)


def build_images() -> None:
    """Those of the product, and of a trial's database."""
    with contextlib.suppress(CannotRunError):  # whoever asks for them finds out again
        builder = productimages.ImageBuilder()
        builder.tre()
        builder.postgres()


def perform(starter: Starter, action: str, tier: str, rest: list[str]) -> int:
    """Do one action; returns the exit code."""
    match action:
        case "build":
            starter.build(wanted_tier(tier), everything=True)
            return 0
        case "up":
            return up(starter, tier)
        case "down":
            return down(starter)
        case "status":
            return status(starter)
        case _:
            return run_tests(starter, tier, rest)


def main() -> int:
    """Do what the command line says; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.cluster", description="A real cluster for tests.")
    parser.add_argument("action", choices=["build", "up", "down", "status", "test"])
    parser.add_argument("--tier", choices=["best", *Tier], default="best")
    given, rest = parser.parse_known_args()
    # Who is told to stop removes first what was started for the tests.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    # A shell's background job ignores it, and so would the tests, which are asked by it to clean up.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        starter = Starter(Layout(default_state()), int(os.environ.get(OWNER_VARIABLE, "0")))
        return perform(starter, given.action, given.tier, rest)
    except HarnessError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("Stopped. What was started goes with: make cluster-down\n")
        return 128 + signal.SIGINT


if __name__ == "__main__":
    sys.exit(main())
