"""What the set-up steps share: running programs, saying what happens, permissions, Debian
packages.

Guarantees: a program gets no input, and one that fails ends the set-up with the last lines it
said.

Does not guarantee: anything about which programs are run; that is the caller's part.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
LINES_SHOWN = 15


class SetupError(Exception):
    """A step failed; the text says what, why and what to do."""


def say(text: str) -> None:
    """Prints one line at once."""
    print(text, flush=True)


def run(command: Iterable[str | Path], purpose: str) -> str:
    """Runs a program to its end and returns what it printed; raises SetupError where it fails."""
    words = [str(word) for word in command]
    done = subprocess.run(
        words,
        cwd=CHECKOUT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode != 0:
        last = "\n".join(done.stdout.splitlines()[-LINES_SHOWN:])
        raise SetupError(f"{purpose} failed ({words[0]} ended with {done.returncode}):\n{last}")
    return done.stdout


def succeeds(command: Iterable[str | Path]) -> bool:
    """Whether a program can be run and ends with 0; what it prints is not shown."""
    try:
        run(command, "trying")
    except (SetupError, OSError):
        return False
    return True


def apt_install(*packages: str) -> bool:
    """Installs Debian packages where this user may; returns whether that worked."""
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        return False
    say(f"  installing with apt-get: {' '.join(packages)}")
    apt = ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-q"]
    try:
        run([*apt, "update"], "apt-get update")
        run([*apt, "install", "-y", "--no-install-recommends", *packages], "apt-get install")
    except SetupError as error:
        say(f"  {error}")
        return False
    return True


def open_for_reading(folder: Path) -> None:
    """Every user id may read: services and sandboxes run under their own."""
    run(["chmod", "-R", "a+rX", folder], f"opening {folder.name} for reading")


def close_for_writing(folder: Path) -> None:
    """No user id may write, the owner included."""
    run(["chmod", "-R", "a-w", folder], f"closing {folder.name} for writing")


def make_writable(folder: Path) -> None:
    """Undoes close_for_writing for the owner."""
    run(["chmod", "-R", "u+w", folder], f"opening {folder.name} for writing")


def remove(folder: Path) -> None:
    """Deletes a folder, write-protected or not."""
    if folder.exists():
        make_writable(folder)
        shutil.rmtree(folder)


def warn_if_out_of_reach(path: Path) -> None:
    """Says which folders keep other user ids out: sandboxes started by root run under such ids."""
    if os.geteuid() != 0:
        return
    real = path.resolve()
    closed = [str(p) for p in (real, *real.parents) if not p.stat().st_mode & 0o001]
    if closed:
        say(f"Beware: workspaces started by root run under other user ids and cannot reach {path},")
        say(f"  since nobody else may enter {', '.join(closed)}. Use a place like /srv or /opt.")
