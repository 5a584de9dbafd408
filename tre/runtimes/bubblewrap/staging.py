"""How the machine's directories reach a sandbox whose user may not walk to them.

Guarantees: started by root, every source is bound into a private mount namespace under one staging directory, so a
workspace's user needs no right on any parent directory of the data, and every mount disappears with the supervisor;
homes are size-limited by a loop file where the machine has loop devices; nothing is executed from data, outbox and
inbox. Started by an ordinary user, the sources
are used where they are.

Does not guarantee: that a home survives a damaged loop file; the file is ext4 and can be checked with `e2fsck`.
"""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Protocol

from tre.domain.errors import Reason, TREError
from tre.system.process import MS_NODEV, MS_NOSUID, bind, mount, unshare_mounts

HOME_IMAGE = "home.ext4"
_LOOP_CONTROL = Path("/dev/loop-control")


class Staging(Protocol):
    """Makes a directory of the machine available to the sandbox' user."""

    def place(self, label: str, source: Path, *, read_only: bool, programs: bool = True) -> Path:
        """A path at which the sandbox' user can pick up `source`; without `programs` none is started from there."""
        ...

    def place_home(self, source: Path, limit_bytes: int, uid: int) -> tuple[Path, str]:
        """The same for a home, and by what its size is limited."""
        ...


class DirectStaging:
    """Sources are used where they are: one user for everything."""

    def place(self, label: str, source: Path, *, read_only: bool, programs: bool = True) -> Path:  # noqa: ARG002
        """The source itself: bubblewrap makes it read-only, and has no option against programs."""
        return source

    def place_home(self, source: Path, limit_bytes: int, uid: int) -> tuple[Path, str]:  # noqa: ARG002
        """The source itself; the supervisor watches its size."""
        return source, "watched"


class MountStaging:
    """Sources are bound under one directory of a private mount namespace. Needs root."""

    def __init__(self, directory: Path) -> None:
        unshare_mounts()
        directory.mkdir(parents=True, exist_ok=True, mode=0o711)
        mount(None, directory, "tmpfs", MS_NOSUID | MS_NODEV, "mode=0711,size=1m")
        self._directory = directory

    def place(self, label: str, source: Path, *, read_only: bool, programs: bool = True) -> Path:
        """A bind mount of the source."""
        target = self._directory / label
        target.mkdir(mode=0o711)
        bind(source, target, read_only=read_only, programs=programs)
        return target

    def place_home(self, source: Path, limit_bytes: int, uid: int) -> tuple[Path, str]:
        """A file system in a file where loop devices exist; else a bind mount, watched."""
        if not _LOOP_CONTROL.exists():
            return self.place("home", source, read_only=False), "watched"
        image = source / HOME_IMAGE
        if not image.exists():
            _make_image(image, limit_bytes, uid)
        target = self._directory / "home"
        target.mkdir(mode=0o711)
        # What is deleted inside leaves the disk, too: nothing of it is found any more, and its room is free again.
        _run(["mount", "-o", "loop,nosuid,nodev,discard", str(image), str(target)])
        return target, "loop file"


def _make_image(image: Path, size: int, uid: int) -> None:
    """A sparse ext4 file owned by the workspace's user; it appears under its name only when it is whole."""
    temporary = image.with_suffix(".new")
    temporary.unlink(missing_ok=True)
    with temporary.open("xb") as file:
        file.truncate(size)
    options = f"root_owner={uid}:{uid},lazy_itable_init=1,lazy_journal_init=1,nodiscard"
    _run(["mkfs.ext4", "-q", "-m", "0", "-E", options, str(temporary)])
    temporary.chmod(0o600)
    temporary.rename(image)


def _run(command: list[str]) -> None:
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"}
    result = subprocess.run(command, capture_output=True, text=True, env=environment, check=False, timeout=60)
    if result.returncode != 0:
        raise TREError(
            Reason.RuntimeFailed,
            f"{command[0]} failed.",
            why=(result.stderr or result.stdout).strip()[:300],
        )
