"""Builds the three Python environments and the test tools of a checkout; run by `make setup`.

Guarantees: running it again when nothing changed does nothing. An environment counts as built only
after its last step, so a run that was cut off is repeated. Two runs in one checkout wait for each
other. It uses the standard library only, since it runs before anything is installed.

Does not guarantee: anything about Chromium, Node.js, tesseract and rsync, which come from the
operating system and serve tests, single checks and comparisons; where they are missing it says what
to type and goes on.

Threat it answers: a workspace environment that one researcher could change for the next. It is made
anew at each change, beside the one that running workspaces keep until they end, belongs to whoever set
up the checkout, and can be written by nobody: what its pip installs goes into the home of whoever typed it.
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
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from pinned import PIP, compile_all, install, is_usable, remove_unpinned
from shell import (
    CHECKOUT,
    SetupError,
    apt_install,
    close_for_writing,
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
RUN_PINS = (REQUIREMENTS / "services.txt",)
SERVICE_PINS = (*RUN_PINS, REQUIREMENTS / "dev.txt")
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
    ("chromium-headless-shell", "chromium-headless-shell"): "browser tests take half as long again",
    ("tesseract-ocr", "tesseract"): "no image is searched for burned-in text: where a dataset's rules ask, it waits",
    ("prometheus", "promtool"): "alerts are not tried on a real Prometheus",
    ("git", "git"): "workspaces on this machine have no git",
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
    if is_built(folder, wanted):
        return False
    (folder / STAMP).unlink(missing_ok=True)
    tell(label, folder, steps)
    (folder / STAMP).write_text(wanted, encoding="ascii")
    return True


def is_built(folder: Path, wanted: str) -> bool:
    """Whether the folder was built from this fingerprint."""
    stamp = folder / STAMP
    return stamp.is_file() and stamp.read_text(encoding="ascii") == wanted


def tell(label: str, folder: Path, steps: Callable[[], None]) -> None:
    """Runs the steps, and says so before and after."""
    say(f"{label}: building {folder.relative_to(CHECKOUT)}")
    begun = time.monotonic()
    steps()
    say(f"{label}: built in {time.monotonic() - begun:.1f} s")


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


def make_environment(wheels: Path | None) -> None:
    """An empty `.venv` with pip: the interpreter's own, or the one among the wheels."""
    remove(SERVICES)
    if wheels is None:
        require_venv_support()
        run([sys.executable, "-m", "venv", SERVICES], "making .venv")
        return
    run([sys.executable, "-m", "venv", "--without-pip", SERVICES], "making .venv")
    (pip,) = wheels.glob("pip-*.whl")
    run([SERVICES / "bin" / "python", pip / "pip", *PIP[2:], "install", "--no-deps", "pip"], "installing pip")


def build_services(pins: Sequence[Path], wheels: Path | None = None) -> None:
    """`.venv`: the services, the development tools where they are asked for, and this checkout in editable form."""
    python = SERVICES / "bin" / "python"
    if not is_usable(python):
        make_environment(wheels)
    install([str(python), *PIP], pins)
    remove_unpinned(python, pins)
    editable = ["install", "--no-deps", "--no-build-isolation", "--no-index", "--editable"]
    run([python, *PIP, *editable, CHECKOUT], "installing the checkout itself")
    run([python, *PIP, "check"], "checking that the packages fit together")
    compile_all(python, SERVICES, "timestamp")
    open_for_reading(SERVICES)


def build_workspace(wanted: str) -> None:
    """`.venv-workspace`: what every workspace mounts read-only; made beside the old one, which those that run keep."""
    new = WORKSPACE.with_name(f"{WORKSPACE.name}.new")
    remove(new)
    furnish_workspace(new)
    (new / STAMP).write_text(wanted, encoding="ascii")
    close_for_writing(new)
    if WORKSPACE.exists():
        WORKSPACE.rename(WORKSPACE.with_name(f"{WORKSPACE.name}.old-{time.time_ns()}"))
    new.rename(WORKSPACE)


def furnish_workspace(folder: Path) -> None:
    """Everything in it."""
    python = folder / "bin" / "python"
    outer_pip = [str(SERVICES / "bin" / "python"), *PIP, "--python", str(python)]
    run([sys.executable, "-m", "venv", "--without-pip", folder], "making .venv-workspace")
    install(outer_pip, WORKSPACE_PINS)
    run([*outer_pip, "check"], "checking that the packages fit together")
    for part in WORKSPACE_CONFIGURATION:
        shutil.copytree(part, folder / part.name, dirs_exist_ok=True)
    make_movable(folder / "bin")
    (packages,) = folder.glob("lib/python3*/site-packages")
    for module in WORKSPACE_MODULES:
        shutil.copyfile(module, packages / module.name)
    # Nobody can change the sources afterwards, so byte-code need not be compared with them. Unlike
    # time stamps, hashes survive copying into an image, where changed times would make every start
    # compile in vain.
    compile_all(python, folder, "unchecked-hash")
    open_for_reading(folder)


def remove_unused_workspaces() -> None:
    """Old environments that no running workspace has mounted; without root nobody can tell, so they stay."""
    left = sorted(WORKSPACE.parent.glob(f"{WORKSPACE.name}.old-*"))
    if not left:
        return
    mounted = mounted_somewhere()
    for folder in left:
        if mounted is not None and folder.name not in mounted:
            remove(folder)
        else:
            say(f"workspace environment: {folder.name} stays for the workspaces that began with it")


def mounted_somewhere() -> str | None:
    """What every process of the machine has mounted; None where this user may not look at all of them."""
    found = []
    for table in Path("/proc").glob("[0-9]*/mountinfo"):
        try:
            found.append(table.read_text(encoding="utf-8", errors="replace"))
        except PermissionError:
            return None
        except OSError:  # it ended meanwhile, and has nothing mounted any more
            continue
    return "".join(found)


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


def build_workspace_once() -> bool:
    """The workspace environment, unless it was built from just this; returns whether it was made anew."""
    wanted = fingerprint((*WORKSPACE_PINS, *WORKSPACE_CONFIGURATION, *WORKSPACE_MODULES))
    changed = not is_built(WORKSPACE, wanted)
    if changed:
        tell("workspace environment", WORKSPACE, lambda: build_workspace(wanted))
    remove_unused_workspaces()
    return changed


def build_from_wheels(wheels: Path) -> bool:
    """What an installation runs on and nothing else, from a folder of wheels and without any network."""
    os.environ |= {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(wheels), "PIP_CONFIG_FILE": os.devnull}
    wanted = fingerprint(RUN_PINS, package_definition())
    changed = build("services", SERVICES, wanted, lambda: build_services(RUN_PINS, wheels))
    return build_workspace_once() or changed


def build_everything(quiet: bool) -> bool:
    """Builds what is missing or out of date; returns whether a Python environment changed."""
    services = fingerprint(SERVICE_PINS, package_definition())
    changed = build("services and tools", SERVICES, services, lambda: build_services(SERVICE_PINS))
    changed |= build_workspace_once()
    changed |= build("documentation tools", DOCUMENTATION, fingerprint(DOCUMENTATION_PINS), build_documentation)
    provide_test_services(quiet)
    provide_programs(quiet)
    return changed


def main() -> int:
    """Sets the checkout up, one run at a time; returns the exit code."""
    parser = argparse.ArgumentParser(description="Builds the environments of this checkout.")
    parser.add_argument("--quiet", action="store_true", help="say nothing if nothing was done")
    parser.add_argument("--wheels", type=Path, help="build what an installation runs on, from these wheels alone")
    given = parser.parse_args()
    quiet = given.quiet
    os.umask(0o022)
    begun = time.monotonic()
    try:
        with (CHECKOUT / ".setup.lock").open("w", encoding="ascii") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            changed = build_from_wheels(given.wheels.resolve()) if given.wheels else build_everything(quiet)
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
