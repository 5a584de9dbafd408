"""Installs pinned wheels into an environment, and nothing else.

Guarantees: only wheels whose SHA-256 stands in a requirement file are installed, nothing is built
from source, and what is not pinned any more is taken out again.

Does not guarantee: that the pins themselves are good; who changes them reads what changed.

Threat it answers: a package that was exchanged on its way here.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from shell import CHECKOUT, LINES_SHOWN, SetupError, run, say

OWN_PACKAGE = "tre-launcher"
PIP = ("-m", "pip", "--disable-pip-version-check", "--no-input")
STEP = 25


def normalised(name: str) -> str:
    """A package name as the packaging standard (PEP 503) compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def pinned_names(files: Iterable[Path]) -> set[str]:
    """The normalised names of all packages that the requirement files pin."""
    text = "\n".join(file.read_text(encoding="utf-8") for file in files)
    return {normalised(name) for name in re.findall(r"^([A-Za-z0-9._-]+)==", text, re.MULTILINE)}


def install(pip: Sequence[str], pins: Sequence[Path]) -> None:
    """Installs the pins with this pip, showing how far it is; raises SetupError if pip refuses."""
    command = [*pip, "install", "--no-deps", "--no-compile", "--require-hashes"]
    command += ["--only-binary", ":all:", "--progress-bar", "off"]
    for file in pins:
        command += ["-r", str(file)]
    total = len(pinned_names(pins))
    seen: list[str] = []
    lines: list[str] = []
    with subprocess.Popen(
        command,
        cwd=CHECKOUT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as process:
        for line in process.stdout or ():
            lines.append(line.rstrip())
            if match := re.match(r"(?:Collecting|Requirement already satisfied:) (\S+)", line):
                seen.append(match[1])
                show_progress(seen, total)
    if process.returncode != 0:
        last = "\n".join(lines[-LINES_SHOWN:])
        raise SetupError(f"pip could not install the pinned packages:\n{last}")


def show_progress(seen: Sequence[str], total: int) -> None:
    """One moving line on a terminal, a line for every 25 packages elsewhere."""
    if sys.stdout.isatty():
        last = "\n" if len(seen) >= total else ""
        print(f"\r  package {len(seen)} of {total}: {seen[-1]:<48.48}", end=last, flush=True)
    elif len(seen) % STEP == 0:
        say(f"  package {len(seen)} of {total}")


def remove_unpinned(python: Path, pins: Iterable[Path]) -> None:
    """Takes out what an earlier set of pins left in the environment."""
    keep = pinned_names(pins) | {"pip", "setuptools", OWN_PACKAGE}
    listed = run([python, *PIP, "list", "--format=freeze"], "listing packages")
    names = [line.split("==")[0] for line in listed.splitlines() if "==" in line]
    extra = [name for name in names if normalised(name) not in keep]
    if extra:
        say(f"  no longer pinned, taken out: {', '.join(extra)}")
        run([python, *PIP, "uninstall", "-y", *extra], "taking out packages")


def is_usable(python: Path) -> bool:
    """Whether the environment is whole, in its place, and of this interpreter's kind."""
    installer = python.with_name("pip")
    if not python.exists() or not installer.exists():
        return False
    if str(python) not in installer.read_text(encoding="utf-8").splitlines()[0]:
        return False  # the checkout was moved: the programs inside name the old place
    question = "import pip, sys; print(sys.implementation.cache_tag)"
    answer = subprocess.run([python, "-c", question], capture_output=True, text=True, check=False)
    return answer.returncode == 0 and answer.stdout.strip() == sys.implementation.cache_tag


def compile_all(python: Path, folder: Path, mode: str) -> None:
    """Writes byte-code for the installed packages; raises SetupError if none could be written.

    A few packages ship files for other interpreters, which do not compile here: that is no fault.
    """
    libraries = next((folder / "lib").glob("python3.*")) / "site-packages"
    options = ["-q", "-j", "0", "--invalidation-mode", mode]
    command = [str(python), "-m", "compileall", *options, str(libraries)]
    subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    if next(libraries.glob("*/__pycache__/*.pyc"), None) is None:
        raise SetupError(f"No byte-code could be written under {libraries}. Is the disk full?")
