"""Puts everything that an installation needs into one folder, for a machine without a network: `make offline TO=…`.

Guarantees: the folder holds the program as it was committed, every wheel that the pins accept for this interpreter and
kind of machine, the bills of materials of both environments, and an installer that needs nothing but Python; SHA256SUMS
names each file, and its own digest, which is printed, stands for all of them. It appears under its name when it is
whole, and never over another. The same commit on the same kind of machine gives the same bytes.

Does not guarantee: that it can be used with another minor version of Python or another processor, or on an older C
library: the installer says so before it begins. Packages of the operating system are not in it.

Threat it answers: files that were exchanged between the machine that has a network and the one that holds the data.
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
import tempfile
import tomllib
from pathlib import Path

from bill_of_materials import bill
from pinned import PIP
from shell import CHECKOUT, SetupError, run, say

PARTS = (
    "CHANGELOG.md", "LICENSE", "README.md", "docs", "examples", "images/workspace", "monitoring", "policies",
    "pyproject.toml", "requirements", "tools/bill_of_materials.py", "tools/pinned.py", "tools/setup.py",
    "tools/shell.py", "tre", "verifier",
)  # fmt: skip
"""What of the checkout an installation uses."""

ENVIRONMENTS = {"services": ".venv", "workspace": ".venv-workspace"}
INSTALLER = "tools/install_offline.py"
SUMS = "SHA256SUMS"


def digest_of(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def copy_program(to: Path) -> str:
    """The committed files; returns the commit.

    Raises SetupError where there is no commit, or where it is not what lies in the checkout.
    """
    commit = run(["git", "rev-parse", "HEAD"], "asking git for the commit").strip()
    if run(["git", "status", "--porcelain", "--", *PARTS, INSTALLER], "asking git for changes").strip():
        raise SetupError("There are changes that are not committed. Commit them: the folder is to be of one commit.")
    to.mkdir(parents=True)
    packed = to / "program.tar"
    run(
        ["git", "archive", "--format=tar", f"--output={packed}", commit, "--", *PARTS, INSTALLER], "packing the program"
    )
    run(["tar", "--extract", "--no-same-owner", f"--file={packed}", f"--directory={to}"], "unpacking the program")
    packed.unlink()
    return commit


def fetch_wheels(to: Path) -> None:
    """Every wheel that the pins accept here; one set of pins after the other, since they may differ in a version."""
    for name in ENVIRONMENTS:
        say(f"wheels of {name}")
        command = [
            sys.executable,
            *PIP,
            "download",
            "--quiet",
            "--no-deps",
            "--require-hashes",
            "--only-binary",
            ":all:",
        ]
        run([*command, "--dest", to, "-r", CHECKOUT / "requirements" / f"{name}.txt"], f"fetching the wheels of {name}")


def describe(to: Path, commit: str) -> None:
    """What the folder is, and for which machine."""
    version = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    about = {
        "version": version,
        "commit": commit,
        "python": sys.implementation.cache_tag,
        "machine": platform.machine(),
        "library": list(platform.libc_ver()),
    }
    (to / "about.json").write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")
    for name, environment in ENVIRONMENTS.items():
        pins = CHECKOUT / "requirements" / f"{name}.txt"
        package = CHECKOUT / "tre" if name == "services" else None
        found = bill(f"tre-launcher-{name}", CHECKOUT / environment, pins, package)
        (to / f"bill-of-materials-{name}.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def sum_up(folder: Path) -> str:
    """Write SHA256SUMS over everything; returns the digest of that file."""
    names = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    lines = [f"{digest_of(folder / name)}  {name}\n" for name in names]
    (folder / SUMS).write_text("".join(lines), encoding="utf-8")
    return digest_of(folder / SUMS)


def make(to: Path) -> str:
    """The whole folder; returns the digest that stands for it.

    Raises SetupError where something of that name is there already or a step fails.
    """
    if to.exists():
        raise SetupError(f"{to} is there already. Give another name, or take it away first.")
    to.parent.mkdir(parents=True, exist_ok=True)
    half = Path(tempfile.mkdtemp(prefix=f".{to.name}-", dir=to.parent))
    try:
        commit = copy_program(half / "program")
        (half / "program" / INSTALLER).rename(half / "install.py")
        fetch_wheels(half / "wheels")
        describe(half, commit)
        digest = sum_up(half)
        half.chmod(0o755)
        half.rename(to)
    finally:
        shutil.rmtree(half, ignore_errors=True)
    return digest


def main() -> int:
    """Make it, say what to do with it; returns the exit code."""
    parser = argparse.ArgumentParser(description="Everything that an installation needs, in one folder.")
    parser.add_argument("to", type=Path)
    to = parser.parse_args().to.absolute()
    os.umask(0o022)
    try:
        digest = make(to)
    except (SetupError, OSError, subprocess.CalledProcessError) as error:
        print(f"make offline: {error}", file=sys.stderr)
        return 1
    size = sum(path.stat().st_size for path in to.rglob("*") if path.is_file())
    say(f"{to}: {size / 2**20:.0f} MiB. Carry it over, and tell the other side by another way:")
    say(f"  {SUMS} {digest}")
    say(f"There, as root: python3 install.py --expect {digest[:16]}… --to /opt/tre")
    return 0


if __name__ == "__main__":
    sys.exit(main())
