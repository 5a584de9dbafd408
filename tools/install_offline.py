"""Installs the launcher from the folder that this file lies in, without any network.

    python3 install.py --expect DIGEST --to /opt/tre

Guarantees: nothing is written before every file of the folder was found to be the one that SHA256SUMS names, none is
missing and none is too many; with `--expect`, that SHA256SUMS is the one whose digest was told. A run that was cut off
is repeated: the installation counts as made when it says so. It never writes over something else.

Does not guarantee: that the digest came from whom you think; compare it with one told by another way than the folder.

Threat it answers: files that were exchanged between the machine that has a network and the one that holds the data.
Standard library only.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
SUMS = "SHA256SUMS"
MARK = "installed-from"
"""In the installation: the digest of the folder that it is being made from."""

SHORTEST_DIGEST = 16


class RefusedError(Exception):
    """Why nothing is installed; the text says what to do."""


def digest_of(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_folder(folder: Path, expected: str) -> str:
    """That each file is what it was; returns the digest that stands for all.

    Raises RefusedError.
    """
    if expected and len(expected) < SHORTEST_DIGEST:
        raise RefusedError(f"--expect needs the first {SHORTEST_DIGEST} characters of the digest at least.")
    sums = folder / SUMS
    if not sums.is_file():
        raise RefusedError(f"{SUMS} is missing. Copy the folder again, whole.")
    whole = digest_of(sums)
    if not whole.startswith(expected.lower().rstrip("….")):
        raise RefusedError(f"{SUMS} has the digest {whole}, not the one you were told. Do not use this folder.")
    lines = sums.read_text(encoding="utf-8").splitlines()
    named = {name: digest for digest, _, name in (line.partition("  ") for line in lines)}
    present = {
        str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_symlink() or not path.is_dir()
    } - {SUMS}
    wrong = [f"{name} is missing" for name in sorted(named.keys() - present)]
    wrong += [f"{name} does not belong here" for name in sorted(present - named.keys())]
    wrong += [
        f"{name} was changed"
        for name in sorted(named.keys() & present)
        if (folder / name).is_symlink() or digest_of(folder / name) != named[name]
    ]
    if wrong:
        more = f", and {len(wrong) - 5} more" if len(wrong) > 5 else ""
        raise RefusedError(f"{'; '.join(wrong[:5])}{more}. Copy the folder again, whole, and find out why.")
    return whole


def check_machine(folder: Path) -> None:
    """That the wheels were made for this interpreter and machine.

    Raises RefusedError.
    """
    about = json.loads((folder / "about.json").read_text(encoding="utf-8"))
    if about["python"] != sys.implementation.cache_tag:
        version = about["python"].removeprefix("cpython-3")
        raise RefusedError(
            f"The folder was made for {about['python']}, this is {sys.implementation.cache_tag}. "
            f"Type: python3.{version} install.py …, or make the folder with the Python of this machine."
        )
    if about["machine"] != platform.machine():
        raise RefusedError(f"The folder was made for {about['machine']}, this is {platform.machine()}.")
    there, here = about["library"], list(platform.libc_ver())
    if there[0] != here[0] or _number(here[1]) < _number(there[1]):
        raise RefusedError(
            f"The folder was made on {' '.join(there)}, here is {' '.join(here)}: make it on a system as old."
        )


def _number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdigit())


def place_program(folder: Path, to: Path, digest: str) -> None:
    """Copy the program, unless a run that was cut off did; what belongs to another installation is left alone.

    Raises RefusedError.
    """
    mark = to / MARK
    if to.exists() and any(to.iterdir()):
        found = mark.read_text(encoding="ascii").strip() if mark.is_file() else ""
        if found != digest:
            what = "another installation" if found else "something else"
            raise RefusedError(f"{to} holds {what}. Give each version a place of its own: --to {to}-new")
    to.mkdir(mode=0o755, parents=True, exist_ok=True)
    mark.write_text(digest + "\n", encoding="ascii")
    shutil.copytree(folder / "program", to, dirs_exist_ok=True)
    for name in folder.glob("bill-of-materials-*.json"):
        shutil.copyfile(name, to / name.name)


def install(folder: Path, to: Path, expected: str) -> None:
    """Everything, in order.

    Raises RefusedError.
    """
    digest = check_folder(folder, expected)
    check_machine(folder)
    print(f"Every file is the one that {SUMS} names ({digest}).", flush=True)
    place_program(folder, to, digest)
    command = [sys.executable, str(to / "tools" / "setup.py"), "--wheels", str(folder / "wheels")]
    if subprocess.run(command, cwd=to, check=False).returncode:
        raise RefusedError("The environments could not be built. See above; then type the same again.")


def main() -> int:
    """Install, say what comes next; returns the exit code."""
    parser = argparse.ArgumentParser(description="Installs the launcher from this folder, without any network.")
    parser.add_argument("--to", type=Path, required=True, help="where the program is to lie, such as /opt/tre")
    parser.add_argument("--expect", default="", help=f"the digest of {SUMS} that you were told")
    given = parser.parse_args()
    os.umask(0o022)
    to = given.to.absolute()
    try:
        install(HERE, to, given.expect)
    except (RefusedError, OSError) as error:
        print(f"install: {error}", file=sys.stderr)
        return 1
    if not given.expect:
        print("No digest was given with --expect: whoever could change a file could change SHA256SUMS too.")
    print(f"Installed. Next: {to}/.venv/bin/tre doctor, then {to}/.venv/bin/tre init --root /srv/tre")
    return 0


if __name__ == "__main__":
    sys.exit(main())
