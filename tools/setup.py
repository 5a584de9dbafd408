"""Builds the three Python environments and the test tools of a checkout; run by `make setup`.

Guarantees: running it again when nothing changed does nothing. An environment counts as built only
after its last step, so a run that was cut off is repeated. Two runs in one checkout wait for each
other. It uses the standard library only, since it runs before anything is installed.

Does not guarantee: anything about Chromium, Node.js, tesseract and rsync, which come from the
operating system and serve tests, single checks and comparisons; where they are missing it says what
to type and goes on.

Threat it answers: a workspace environment that one researcher could change for the next. It is made
anew at each change, belongs to whoever set up the checkout, and can be written by nobody: what its
pip installs goes into the home of whoever typed it.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import os
import shutil
import sys
import time
import tomllib
from collections.abc import Callable, Iterable
from pathlib import Path

from pinned import PIP, compile_all, install, is_usable, remove_unpinned
from shell import (
    CHECKOUT,
    SetupError,
    apt_install,
    close_for_writing,
    make_writable,
    open_for_reading,
    remove,
    run,
    say,
    succeeds,
    warn_if_out_of_reach,
)

TOOLS = CHECKOUT / "tools"
REQUIREMENTS = CHECKOUT / "requirements"
SERVICES = CHECKOUT / ".venv"
SERVICE_PINS = (REQUIREMENTS / "services.txt", REQUIREMENTS / "dev.txt")
WORKSPACE = CHECKOUT / ".venv-workspace"
WORKSPACE_PINS = (REQUIREMENTS / "workspace.txt",)
DOCUMENTATION = CHECKOUT / ".venv-docs"
DOCUMENTATION_PINS = (REQUIREMENTS / "docs.txt",)
WORKSPACE_CONFIGURATION = tuple(CHECKOUT / "images" / "workspace" / p for p in ("etc", "share"))
TEST_SERVICES = CHECKOUT / "tests" / "node"
WORKSPACE_MODULES = (CHECKOUT / "tre" / "notebook" / "tre_data.py",)
STAMP = ".built-from"
PROGRAMS = {
    ("chromium", "chromium", "chromium-browser", "google-chrome"): "browser tests are skipped",
    ("tesseract-ocr", "tesseract"): "no image is searched for burned-in text: where a dataset's rules ask, it waits",
    ("prometheus", "promtool"): "alerts are not tried on a real Prometheus",
    ("rsync", "rsync"): "`tre bench slices` runs without this peer",
}
"""A package and the names under which its program may be there already; what is not done without it."""


def fingerprint(sources: Iterable[Path], also: str = "") -> str:
    """SHA-256 over the set-up programs, the interpreter, the text and all sources with their names.

    A source is a file, or a folder with everything below it.
    """
    interpreter = f"{sys.executable} {sys.implementation.cache_tag}"
    digest = hashlib.sha256(f"{interpreter} {CHECKOUT} {also}".encode())
    programs = (TOOLS / "setup.py", TOOLS / "pinned.py", TOOLS / "shell.py")
    for source in (*programs, *sources):
        files = sorted(source.rglob("*")) if source.is_dir() else [source]
        for file in (f for f in files if f.is_file()):
            digest.update(f"\0{file.relative_to(CHECKOUT)}\0".encode())
            digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()


def package_definition() -> str:
    """What an installation takes from pyproject.toml; the settings of other tools are no part."""
    definition = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))
    hatch = definition.get("tool", {}).get("hatch")
    return repr((definition["build-system"], definition["project"], hatch))


def build(label: str, folder: Path, wanted: str, steps: Callable[[], None]) -> bool:
    """Runs the steps unless the folder was built from this fingerprint; returns whether it did."""
    stamp = folder / STAMP
    if stamp.is_file() and stamp.read_text(encoding="ascii") == wanted:
        return False
    say(f"{label}: building {folder.relative_to(CHECKOUT)}")
    begun = time.monotonic()
    if folder.exists():
        make_writable(folder)
        stamp.unlink(missing_ok=True)
    steps()
    mode = folder.stat().st_mode
    folder.chmod(mode | 0o200)
    stamp.write_text(wanted, encoding="ascii")
    folder.chmod(mode)
    say(f"{label}: built in {time.monotonic() - begun:.1f} s")
    return True


def require_venv_support() -> None:
    """Makes sure that this interpreter can make environments; Debian has that in an own package."""
    if succeeds([sys.executable, "-c", "import ensurepip, venv"]):
        return
    package = f"python{sys.version_info.major}.{sys.version_info.minor}-venv"
    if not apt_install(package):
        raise SetupError(
            f"{sys.executable} cannot make environments: its module ensurepip is missing.\n"
            f"Type: apt-get install {package}   (as root), then: make setup"
        )


def build_services() -> None:
    """`.venv`: the services, the development tools, and this checkout in editable form."""
    python = SERVICES / "bin" / "python"
    if not is_usable(python):
        require_venv_support()
        remove(SERVICES)
        run([sys.executable, "-m", "venv", SERVICES], "making .venv")
    install([str(python), *PIP], SERVICE_PINS)
    remove_unpinned(python, SERVICE_PINS)
    editable = ["install", "--no-deps", "--no-build-isolation", "--no-index", "--editable"]
    run([python, *PIP, *editable, CHECKOUT], "installing the checkout itself")
    run([python, *PIP, "check"], "checking that the packages fit together")
    compile_all(python, SERVICES, "timestamp")
    open_for_reading(SERVICES)


def build_workspace() -> None:
    """`.venv-workspace`: what every workspace mounts read-only."""
    python = WORKSPACE / "bin" / "python"
    outer_pip = [str(SERVICES / "bin" / "python"), *PIP, "--python", str(python)]
    remove(WORKSPACE)
    run([sys.executable, "-m", "venv", "--without-pip", WORKSPACE], "making .venv-workspace")
    install(outer_pip, WORKSPACE_PINS)
    run([*outer_pip, "check"], "checking that the packages fit together")
    for part in WORKSPACE_CONFIGURATION:
        shutil.copytree(part, WORKSPACE / part.name, dirs_exist_ok=True)
    make_movable(WORKSPACE / "bin")
    (packages,) = WORKSPACE.glob("lib/python3*/site-packages")
    for module in WORKSPACE_MODULES:
        shutil.copyfile(module, packages / module.name)
    # Nobody can change the sources afterwards, so byte-code need not be compared with them. Unlike
    # time stamps, hashes survive copying into an image, where changed times would make every start
    # compile in vain.
    compile_all(python, WORKSPACE, "unchecked-hash")
    open_for_reading(WORKSPACE)
    close_for_writing(WORKSPACE)


def build_documentation() -> None:
    """`.venv-docs`: what builds the site; nothing else needs it, and it needs nothing of the launcher."""
    python = DOCUMENTATION / "bin" / "python"
    remove(DOCUMENTATION)
    run([sys.executable, "-m", "venv", "--without-pip", DOCUMENTATION], "making .venv-docs")
    install([str(SERVICES / "bin" / "python"), *PIP, "--python", str(python)], DOCUMENTATION_PINS)
    compile_all(python, DOCUMENTATION, "timestamp")
    open_for_reading(DOCUMENTATION)


def make_movable(programs: Path) -> None:
    """Let programs find the Python beside them: workspaces see them at another place than where they were installed.

    What they begin with is a script to the shell and a text to Python.
    """
    own = f"#!{programs}/python\n".encode()
    beside = (
        b"#!/bin/sh\n"
        b"""'''exec' "$(dirname -- "$(realpath -- "$0")")/python" "$0" "$@"\n"""
        b"' '''\n"
    )
    for path in programs.iterdir():
        if path.is_file() and not path.is_symlink() and (content := path.read_bytes()).startswith(own):
            path.write_bytes(beside + content.removeprefix(own))


def build_test_services() -> None:
    """An OpenID provider and the peer of the gateway, which tests start."""
    run(["npm", "--prefix", TEST_SERVICES, "ci", "--loglevel=error"], "installing tests/node")


def provide_test_services(quiet: bool) -> None:
    """Node packages for tests, where npm is there."""
    if shutil.which("npm") is not None:
        lock = [TEST_SERVICES / "package.json", TEST_SERVICES / "package-lock.json"]
        folder = TEST_SERVICES / "node_modules"
        build("test services", folder, fingerprint(lock), build_test_services)
    elif not quiet:
        say("npm: missing, tests with a real OpenID provider are skipped. As root, type:")
        say("  apt-get install npm")


def provide_programs(quiet: bool) -> None:
    """Programs of the operating system that only some of the work needs."""
    for (package, *names), without in PROGRAMS.items():
        if quiet or any(shutil.which(name) for name in names) or apt_install(package):
            continue
        say(f"{package}: missing, {without}. As root, type:")
        say(f"  apt-get install {package}")


def build_everything(quiet: bool) -> bool:
    """Builds what is missing or out of date; returns whether a Python environment changed."""
    services = fingerprint(SERVICE_PINS, package_definition())
    workspace = fingerprint((*WORKSPACE_PINS, *WORKSPACE_CONFIGURATION, *WORKSPACE_MODULES))
    changed = build("services and tools", SERVICES, services, build_services)
    changed |= build("workspace environment", WORKSPACE, workspace, build_workspace)
    changed |= build("documentation tools", DOCUMENTATION, fingerprint(DOCUMENTATION_PINS), build_documentation)
    provide_test_services(quiet)
    provide_programs(quiet)
    return changed


def main() -> int:
    """Sets the checkout up, one run at a time; returns the exit code."""
    parser = argparse.ArgumentParser(description="Builds the environments of this checkout.")
    parser.add_argument("--quiet", action="store_true", help="say nothing if nothing was done")
    quiet = parser.parse_args().quiet
    os.umask(0o022)
    begun = time.monotonic()
    try:
        with (CHECKOUT / ".setup.lock").open("w", encoding="ascii") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            changed = build_everything(quiet)
    except (SetupError, OSError) as error:
        print(f"make setup: {error}", file=sys.stderr)
        return 1
    if changed or not quiet:
        warn_if_out_of_reach(WORKSPACE)
        warn_if_out_of_reach(Path(sys.executable).resolve().parent)
        took = time.monotonic() - begun
        say(f"Ready in {took:.1f} s with {sys.executable}, Python {sys.version.split()[0]}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
