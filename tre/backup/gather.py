"""Which files of a root belong into a backup, and which do not.

Guarantees: whatever lies below the root is backed up unless `LEFT_OUT` names it, so that a directory nobody thought of
is not forgotten. Private keys and passwords are never among the plain files: they are sealed.

Does not guarantee: data sets, slices, homes, outboxes and inboxes. They are the storage's, which has its own backup.
"""

from __future__ import annotations

import base64
import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

from tre.backup.objects import Objects
from tre.backup.sets import Entry, Folder
from tre.domain.errors import Reason, TREError
from tre.system.layout import Layout
from tre.system.settings import Settings

LEFT_OUT = {
    "db": "the record, which is copied as one moment",
    "keys": "keys and passwords, which are sealed",
    "audit/last-checkpoint": "the log's last checkpoint, which the copied record brings along",
    "data": "data sets and slices: the storage's own backup; slices are built again from their plans",
    "work": "homes, shared folders, outboxes and inboxes: the storage's own backup",
    "hub": "the Hub's own database, which is told everything again",
    "log": "log files of the services",
    "vault/spool": "jobs of the checker, which are asked again",
}
"""By path below the root: what is not among the plain files, and why."""

_WAYS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_HALF = ".incoming-"


def secret_paths(layout: Layout, settings: Settings) -> list[Path]:
    """Every file that is sealed: `keys/`, and what the settings name elsewhere below the root."""
    named = [settings.tls.key, None if settings.mail is None else settings.mail.password_file]
    outside = [layout.root / path for path in named if path is not None]
    found = [path for path in layout.keys.rglob("*") if path.is_file() and not path.is_symlink()]
    return sorted({*found, *(path for path in outside if path.is_relative_to(layout.root) and path.is_file())})


def pack_secrets(layout: Layout, settings: Settings) -> dict[str, dict[str, object]]:
    """The sealed part: content, mode and owner of each, by path below the root."""
    packed: dict[str, dict[str, object]] = {}
    for path in secret_paths(layout, settings):
        found = path.stat()
        packed[path.relative_to(layout.root).as_posix()] = {
            "content": base64.b64encode(path.read_bytes()).decode(),
            "mode": stat.S_IMODE(found.st_mode),
            "uid": found.st_uid,
            "gid": found.st_gid,
        }
    return packed


class Gathering:
    """Takes the plain files of a root into a place for backups; asked again, it looks at what changed only."""

    def __init__(self, layout: Layout, settings: Settings, objects: Objects, before: Iterable[Entry] = ()) -> None:
        self._root = layout.root
        self._objects = objects
        self._known = {entry.path: entry for entry in before}
        self._sealed = {path.relative_to(layout.root).as_posix() for path in secret_paths(layout, settings)}
        self.found: dict[str, Entry] = {}
        self.folders: dict[str, Folder] = {}
        linked = (path for path in layout.keys.rglob("*") if path.is_symlink())
        self.left_out = {_shown(path.relative_to(layout.root).as_posix()) for path in linked}

    def look(self) -> None:
        """Take in what is there now. What was taken in and is gone since stays: the record may name it."""
        for name in self._below(""):
            entry = self._entry(name)
            if entry is not None:
                self.found[name] = entry

    def _below(self, directory: str) -> Iterator[str]:
        try:
            children = sorted(os.scandir(self._root / directory), key=lambda child: child.name)
        except FileNotFoundError:
            return
        for child in children:
            name = f"{directory}/{child.name}" if directory else child.name
            if name in LEFT_OUT or name in self._sealed or child.name.startswith(_HALF):
                continue
            if child.is_dir(follow_symlinks=False):
                yield from self._folder(name, child)
            elif child.is_file(follow_symlinks=False) and _has_text_name(name):
                yield name
            else:
                self.left_out.add(_shown(name))

    def _folder(self, name: str, child: os.DirEntry[str]) -> Iterator[str]:
        if not _has_text_name(name):
            self.left_out.add(_shown(name))
            return
        try:
            found = child.stat(follow_symlinks=False)
        except FileNotFoundError:
            return
        mode = stat.S_IMODE(found.st_mode)
        self.folders[name] = Folder(path=name, mode=mode, uid=found.st_uid, gid=found.st_gid)
        yield from self._below(name)

    def _entry(self, name: str) -> Entry | None:
        """The file as an entry; `None` where it went meanwhile."""
        try:
            descriptor = os.open(self._root / name, _WAYS)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise TREError(
                Reason.NotPermitted,
                f"{self._root / name} cannot be read.",
                why=f"{error.strerror}. A backup without it would not be whole.",
                remedy="Make backups as the user who starts the launcher.",
            ) from error
        try:
            return self._taken(name, descriptor)
        finally:
            os.close(descriptor)

    def _taken(self, name: str, descriptor: int) -> Entry:
        found = os.fstat(descriptor)
        stamp = f"{found.st_ino}:{found.st_ctime_ns}"
        known = self.found.get(name) or self._known.get(name)
        if known is not None and known.stamp == stamp and self._objects.holds(known.sha256, found.st_size):
            sha256, size = known.sha256, found.st_size
        else:
            sha256, size = self._objects.take_in(descriptor)
        return Entry(
            path=name,
            sha256=sha256,
            size=size,
            mode=stat.S_IMODE(found.st_mode),
            uid=found.st_uid,
            gid=found.st_gid,
            stamp=stamp,
        )


def _shown(name: str) -> str:
    return name.encode("utf-8", "backslashreplace").decode()


def _has_text_name(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
