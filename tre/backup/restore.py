"""Restoring a backup into a new root.

Guarantees: everything is verified before anything is written: list and keys by the passphrase, every file by its
digest, the record page by page, the log from its first event to its last signature, and that it is no older than the
checkpoints kept elsewhere, unless somebody says how many events they accept to lose. The root appears in one step,
whole. In it every session is over, no workspace runs, slices wait to be built again, and no service starts until the
opt-outs since the backup were told (`tre.backup.reopening`).

Does not guarantee: that what happened after the backup is known: the checkpoints elsewhere say only how much is lost.

Threat: an old state put back to undo a revocation or an opt-out; a backup that somebody changed.
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
import secrets
import shutil
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, BinaryIO

from pydantic import Base64Bytes, Field, TypeAdapter

from tre.audit.checkpoint import Checkpoint, open_note, parse
from tre.audit.keys import PUBLIC_KEY_FILE, PublicKey, parse_public
from tre.audit.verify import Expectations, verify_log
from tre.audit.witness import FileWitness, witness_path
from tre.backup.objects import Objects
from tre.backup.reopening import close_until_told
from tre.backup.seal import unseal
from tre.backup.server import copy_to_server
from tre.backup.sets import BackupFile, Entry, Folder, InsidePath, Manifest, Place
from tre.domain.errors import Reason, TREError
from tre.domain.events import Event
from tre.domain.model import Record
from tre.domain.people import Subject
from tre.store.database import Database, new_id
from tre.store.migrate import migrate
from tre.store.roles import Role
from tre.store.schema import refuse_newer
from tre.system.files import flush_directory
from tre.system.layout import Layout
from tre.system.settings import SETTINGS_FILE, load_settings


class Secret(Record):
    """A sealed file."""

    content: Base64Bytes
    mode: Annotated[int, Field(ge=0, le=0o7777)]
    uid: int
    gid: int


_HALF = ".restoring-"
_SECRETS = TypeAdapter(dict[InsidePath, Secret])


@dataclass(frozen=True)
class Terms:
    """What somebody says about a restore: checkpoints kept elsewhere, events they accept to lose, who they are.

    `database_url`: where the record is to be from now on, where that is another place than before. `keep_file`: a
    record of a server stays a file, to be looked at.
    """

    seen: tuple[str, ...]
    accepted_loss: int
    by: Subject
    now: datetime
    database_url: str | None = None
    keep_file: bool = False


@dataclass(frozen=True)
class Verified:
    """A backup that was found whole, and what opening it gave."""

    manifest: Manifest
    secrets: dict[str, Secret]
    keys: tuple[PublicKey, ...]
    lost: int
    last_seen: Checkpoint | None


def verify_backup(place: Place, found: BackupFile, passphrase: bytes, terms: Terms) -> Verified:
    """Look at every byte of a backup.

    Raises `TREError(SignatureInvalid)` for another passphrase or a changed list, `TREError(ContentChanged)` for
    files that are not what they were, `TREError(AuditBroken)` for a log that does not fit or is older than what was
    seen elsewhere.
    """
    manifest = found.manifest
    opened = _SECRETS.validate_json(unseal(found.keys, passphrase, manifest.bound))
    _check_objects(place.objects, manifest)
    keys = _public_keys(opened)
    seen = [open_note(note, keys) for note in terms.seen]
    lost, latest = _lost(manifest, keys, seen)
    _check_loss(manifest, lost, terms.accepted_loss)
    _check_record(place.objects, manifest, keys, [one for one in seen if one.size <= _signed_size(manifest)])
    return Verified(manifest, opened, keys, lost, latest)


def _check_objects(objects: Objects, manifest: Manifest) -> None:
    wanted = {entry.sha256: entry for entry in manifest.files}
    damaged = [entry.path for entry in wanted.values() if not objects.check(entry.sha256, entry.size)]
    if not objects.check(manifest.record.sha256, manifest.record.size):
        damaged.insert(0, "the record")
    if damaged:
        raise TREError(
            Reason.ContentChanged,
            f"{len(damaged)} files of the backup {manifest.name} are missing or changed, {damaged[0]} among them.",
            why="Their bytes are not those that were backed up.",
            remedy="Take a copy of this place from elsewhere, or an earlier backup.",
        )


def _public_keys(opened: dict[str, Secret]) -> tuple[PublicKey, ...]:
    name = f"keys/{PUBLIC_KEY_FILE}"
    text = opened[name].content.decode("ascii", "replace") if name in opened else ""
    lines = [line.strip() for line in text.splitlines()]
    return tuple(parse_public(line, name) for line in lines if line and not line.startswith("#"))


def _signed_size(manifest: Manifest) -> int:
    return 0 if manifest.record.checkpoint is None else parse(manifest.record.checkpoint).checkpoint.size


def _lost(manifest: Manifest, keys: Sequence[PublicKey], seen: Iterable[Checkpoint]) -> tuple[int, Checkpoint | None]:
    """How many signed events the checkpoints elsewhere know and this backup does not."""
    if manifest.record.checkpoint is not None:
        open_note(manifest.record.checkpoint, keys)
    latest = max(seen, key=lambda one: one.size, default=None)
    return (0 if latest is None else max(0, latest.size - _signed_size(manifest))), latest


def _check_loss(manifest: Manifest, lost: int, accepted: int) -> None:
    if lost != accepted:
        raise TREError(
            Reason.AuditBroken,
            f"The log went on for {lost} signed events after the backup {manifest.name}."
            if lost
            else f"Nothing is known to be lost with the backup {manifest.name}.",
            why="Among them may be revocations, opt-outs, votes and releases: after the restore nobody here knows them."
            if lost
            else f"{accepted} events were accepted to be lost.",
            remedy=f"Look for a later backup; if there is none, say so with --accept-loss {lost}."
            if lost
            else "Leave --accept-loss out, or name with --seen the checkpoint that you have.",
        )


def _check_record(objects: Objects, manifest: Manifest, keys: Sequence[PublicKey], seen: Sequence[Checkpoint]) -> None:
    with closing(Database.sqlite(objects.path(manifest.record.sha256), read_only=True)) as database:
        with database.read() as connection:
            refuse_newer(connection)
            whole = connection.exec_driver_sql("PRAGMA integrity_check(1)").scalar_one()
        report = verify_log(database, keys, Expectations(tuple(seen)))
    if whole != "ok" or not report.ok:
        raise TREError(
            Reason.AuditBroken,
            f"The record in the backup {manifest.name} is not what was signed.",
            why=str(whole) if whole != "ok" else report.faults[0].message,
            remedy="Take an earlier backup, and keep this one for whoever looks into it.",
        )


def check_root(root: Path) -> None:
    """Raise `TREError(Conflict)` where a root would be restored over something that is there."""
    if root.is_symlink() or (root.exists() and (not root.is_dir() or any(root.iterdir()))):
        raise TREError(
            Reason.Conflict,
            f"{root} is not empty.",
            why="A restore never writes over anything.",
            remedy="Name a new or an empty directory with --root.",
        )


def restore(place: Place, verified: Verified, root: Path, terms: Terms) -> None:
    """Lay a verified backup down as a new root.

    Where its settings name a server, the record goes there, before the root has its name. Raises `TREError(Conflict)`
    for a root that is not empty, and for a server's database that holds a record.
    """
    check_root(root)
    root.parent.mkdir(parents=True, exist_ok=True)
    _sweep(root)
    half = root.with_name(f".{root.name}{_HALF}{secrets.token_hex(4)}")
    half.mkdir(mode=0o700)
    held = _lock(half)
    try:
        _lay_down(place.objects, verified, half)
        _begin_anew(Layout(half), verified, terms)
        if terms.database_url is not None:
            _move_record(half / SETTINGS_FILE, terms.database_url)
        if not terms.keep_file:
            _put_on_server(Layout(half))
        _flush(half)
        half.chmod(0o711)
        _name(half, root)
    except BaseException:
        shutil.rmtree(half, ignore_errors=True)
        raise
    finally:
        if held is not None:
            os.close(held)
    flush_directory(root.parent)


def _name(half: Path, root: Path) -> None:
    try:
        half.rename(root)
    except OSError:
        check_root(root)  # something came to lie there meanwhile
        raise


def _lock(directory: Path) -> int | None:
    """Hold a directory for as long as this program lives; `None` where another holds it."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def _sweep(root: Path) -> None:
    """Remove what interrupted restores left beside the root, which holds keys; not what one is just writing."""
    for path in root.parent.glob(f".{root.name}{_HALF}*"):
        if path.is_dir() and not path.is_symlink() and (held := _lock(path)) is not None:
            shutil.rmtree(path, ignore_errors=True)
            os.close(held)


def _lay_down(objects: Objects, verified: Verified, half: Path) -> None:
    for folder in verified.manifest.folders:
        (half / folder.path).mkdir()
    for entry in verified.manifest.files:
        target = _made(half, entry.path)
        with objects.path(entry.sha256).open("rb") as source, _new(target) as file:
            shutil.copyfileobj(source, file, 1 << 20)
        _own(target, entry)
    for path, secret in verified.secrets.items():
        target = _made(half, path)
        with _new(target) as file:
            file.write(secret.content)
        _own(target, secret)
    database = Layout(half).database
    database.parent.mkdir(parents=True)
    for folder in verified.manifest.folders[::-1]:
        _own(half / folder.path, folder)
    shutil.copyfile(objects.path(verified.manifest.record.sha256), database)
    database.chmod(0o600)


def _made(half: Path, path: str) -> Path:
    target = half / path
    target.parent.mkdir(parents=True, exist_ok=True)
    return target


def _new(target: Path) -> BinaryIO:
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    return os.fdopen(descriptor, "wb")


def _own(target: Path, like: Entry | Secret | Folder) -> None:
    """Root gives each file back to its service; whoever else restores has one user for everything."""
    if os.geteuid() == 0:
        os.chown(target, like.uid, like.gid)
    target.chmod(like.mode)


def _begin_anew(layout: Layout, verified: Verified, terms: Terms) -> None:
    manifest = verified.manifest
    with closing(Database.sqlite(layout.database)) as database:
        migrate(database)
        detail = {
            "backup": manifest.name,
            "backupOf": manifest.at.isoformat(),
            "events": manifest.record.events,
            "signed": _signed_size(manifest),
            "lost": verified.lost,
            "lastSeen": "" if verified.last_seen is None else base64.b64encode(verified.last_seen.root).decode(),
            "denySets": dict(manifest.record.deny_versions),
            "missing": len(manifest.missing),
        }
        event = Event(
            id=new_id(),
            at=terms.now,
            actor=terms.by,
            kind="record.restored",
            object=f"backup/{manifest.name}",
            detail=detail,
        )
        close_until_told(database, event, manifest.name, terms.now)
    for extra in layout.database.parent.glob("*-shm"):
        extra.unlink()
    if manifest.record.checkpoint is not None:
        path = witness_path(layout.root)
        path.parent.mkdir(exist_ok=True)
        FileWitness(path).keep(parse(manifest.record.checkpoint))


def _move_record(path: Path, database_url: str) -> None:
    """Name another server in the settings. What is wrong with the address is told when they are read."""
    lines = path.read_text(encoding="utf-8").splitlines()
    kept = [line for line in lines if not line.startswith("databaseUrl:")]
    path.write_text("\n".join([*kept, f"databaseUrl: {json.dumps(database_url)}", ""]), encoding="utf-8")


def _put_on_server(layout: Layout) -> None:
    """Where the settings name a server, the record goes there, whole and closed, and its file is no more."""
    settings = load_settings(layout.root)
    if settings.database_url is None:
        return
    with closing(Database.open(layout, settings, Role.owner)) as database:
        copy_to_server(layout.database, database, settings.database_role_prefix)
    for path in layout.database.parent.glob(f"{layout.database.name}*"):
        path.unlink()


def _flush(half: Path) -> None:
    for directory, _, names in os.walk(half):
        for name in names:
            descriptor = os.open(Path(directory) / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        flush_directory(Path(directory))
