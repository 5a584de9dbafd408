"""Putting units in place: what would change is known before anything does.

Guarantees: every file is written whole or not at all; a file that somebody else made, or that belongs to another
installation, is left alone and named; running it again changes nothing; what an earlier run made and is due no more
goes; `remove` takes what it made and nothing else.

Does not guarantee: that systemd has read it. `systemctl daemon-reload` does that.

Threat: units of one installation that start over another's data; a file that a person wrote, lost.
"""

from __future__ import annotations

import difflib
import os
from dataclasses import dataclass
from pathlib import Path

from tre.cli.systemd.units import MARK, UNITS, USERS
from tre.domain.errors import Reason, TREError
from tre.system.files import write_atomically
from tre.system.layout import Layout
from tre.system.reach import closed_ancestor

_HIDDEN = tuple(Path(one) for one in ("/home", "/root", "/run/user", "/tmp", "/var/tmp"))  # noqa: S108 - named, not used
_OURS = MARK.partition("{root}")[0]


@dataclass(frozen=True)
class Change:
    """One file, what it holds, and what it is to hold; `None` stands for no file."""

    path: Path
    before: str | None
    after: str | None

    def diff(self) -> str:
        """The change as people read it."""
        sides = [(side or "").splitlines(keepends=True) for side in (self.before, self.after)]
        names = [str(self.path) if side is not None else "/dev/null" for side in (self.before, self.after)]
        return "".join(difflib.unified_diff(sides[0], sides[1], names[0], names[1]))


def check_places(paths: list[Path], roots: list[Path]) -> None:
    """Raise `TREError(BadInput)` for a place that units cannot show their services, or that others may not walk to; to
    the places of `roots` root alone has to get."""
    for path in (one.resolve() for one in (*paths, *roots)):
        hidden = any(path.is_relative_to(one) for one in _HIDDEN)
        if hidden or (path not in roots and closed_ancestor(path) is not None):
            raise TREError(
                Reason.BadInput,
                f"Services that systemd starts do not see {path}.",
                why="Their units hide home directories and everybody's /tmp, and each runs as a user of its own.",
                remedy="Keep program and root below /opt, /srv or /var/lib, in directories that all may walk through.",
            )


def planned(layout: Layout, wanted: dict[Path, str], prefix: Path) -> list[Change]:
    """What differs from what is wanted; nothing wanted removes all. Raises `TREError(Conflict)`."""
    mark = MARK.format(root=layout.root)
    there = sorted(path for path in (prefix / UNITS).glob("tre*") if path.is_file())  # beside what `edit` adds
    found = []
    for path in dict.fromkeys([*(prefix / name for name in wanted), *there, prefix / USERS]):
        before, after = _read(path), wanted.get(path.relative_to(prefix))
        if before is not None and not before.startswith(mark):
            if after is None:
                continue
            raise _not_ours(path, before)
        if before != after:
            found.append(Change(path, before, after))
    return found


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return None
    except IsADirectoryError as error:
        raise _not_ours(path, "") from error


def _not_ours(path: Path, text: str) -> TREError:
    other = text.startswith(_OURS)
    return TREError(
        Reason.Conflict,
        f"{path} is {'of another installation' if other else 'somebody else' + chr(39) + 's'}; nothing was changed.",
        why=text.partition("\n")[0] if other else "It does not begin with this command's mark.",
        remedy="One installation of a machine has units; remove the other's, or move the file away.",
    )


def carry_out(changes: list[Change]) -> None:
    """Make the changes, each file in one step."""
    for change in changes:
        if change.after is None:
            change.path.unlink(missing_ok=True)
            continue
        if not change.path.parent.is_dir():
            change.path.parent.mkdir(parents=True, mode=0o755)
        write_atomically(change.path, change.after.encode(), mode=0o644)


def check_may(prefix: Path) -> None:
    """Raise `TREError(NotPermitted)` for whoever is not root: units start services as other users."""
    if os.geteuid() != 0:
        raise TREError(
            Reason.NotPermitted,
            f"Units below {prefix} are root's to write.",
            why="They start each service as a user of its own; for one user alone `tre up` is enough.",
            remedy="Run it as root, over an installation that root made.",
        )
