"""A directory of signed grants as a source: what lies in it is granted, what is taken out of it is revoked.

Guarantees: level-triggered: each look reads what changed and holds the record against it. A file comes into force with
the signature of an approving body over exactly its content, and an edit with a later approval, as everywhere. A file
that cannot be read, or is half written, changes nothing and is told; so does a directory without its mark, since an
empty place where nothing is mounted would otherwise revoke everything. A file has to be gone for some seconds before
its grants are revoked: tools replace files by taking them away first.

Does not guarantee: that the directory is the newest. What was read holds for `staleness` after it was read last.

Threat: a checkout that failed half way; somebody who can write files and has no key.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from tre.domain.errors import Reason, TREError
from tre.domain.grants.models import AccessGrant
from tre.domain.model import as_line
from tre.domain.sources.policy import DirectorySource
from tre.sources.grantfile import read_grants
from tre.sources.keeper import Keeper
from tre.sources.policyfile import Mark, mark_of
from tre.sources.signed import SOURCE
from tre.store import grant_sources
from tre.store import sources as store
from tre.store.sources import StoredGrant, StoredSource

MARK = ".tre-source"
"""Holds the source's name: a directory without it is some other one."""

REMOVED = "Its file was taken out of the directory."
LOOK = timedelta(seconds=1)
SETTLE = timedelta(seconds=5)
"""How long a file is gone before its grants are revoked."""

WHOLE, SOON = timedelta(minutes=1), timedelta(seconds=2)
"""When everything is held against the record again though nothing changed; sooner where something could not be done."""

SAID_AGAIN = timedelta(minutes=15)
MOST_FILES = 20_000
LARGEST_FILE = 2**20


@dataclass
class File:
    """One file as it was read last: its grants, or what is wrong with it; `held` are the names it held before."""

    mark: Mark
    grants: list[AccessGrant] = field(default_factory=list)
    error: TREError | None = None
    held: frozenset[str] = frozenset()


class Directory:
    """One directory."""

    def __init__(self, root: Path, source: DirectorySource, keeper: Keeper) -> None:
        self.source, self._keeper = source, keeper
        self._path = root / source.path
        self._files: dict[str, File] = {}
        self._gone: dict[str, datetime] = {}
        self._look_at = self._whole_at = keeper.terms.clock.now()

    def step(self) -> bool:
        """Look, if it is time; nothing is left for later."""
        now = self._keeper.terms.clock.now()
        if now >= self._look_at:
            self._look(now)
        return False

    def _look(self, now: datetime) -> None:
        self._look_at = now + LOOK
        try:
            changed = self._read()
        except TREError as error:
            self._whole_at = now
            self._say(error.reason, str(error), now, heard=False)
            return
        if not changed and not self._gone and now < self._whole_at:
            return
        found = self._take(now)
        held_up = any(item.reason is not Reason.Entitled for item in found)
        self._whole_at = now + (SOON if held_up else WHOLE)
        self._see_to_missing(now)
        broken = [path for path, file in self._files.items() if file.error is not None]
        message = f"{len(broken)} files cannot be read: {broken[0]}" if broken else ""
        self._say(Reason.BadInput if broken else Reason.Entitled, message, now, heard=True)
        self._keep(found)

    def _read(self) -> bool:
        """Read what changed; whether anything did.

        Raises `TREError(SetupIncomplete)` where the directory is not the one that is meant.
        """
        found: dict[str, File] = {}
        for path in self._paths():
            name = str(path.relative_to(self._path))
            mark, known = mark_of(path), self._files.get(name)
            if mark is None:
                continue  # it went while this looked
            if known is not None and known.mark == mark:
                found[name] = known
            else:
                found[name] = _read_file(path, mark, known)
        before, self._files = self._files, found
        return before.keys() != found.keys() or any(before[name] is not file for name, file in found.items())

    def _paths(self) -> list[Path]:
        try:
            said = (self._path / MARK).read_text(encoding="utf-8").strip()
            paths = sorted(path for path in self._path.rglob("*") if path.suffix in {".yaml", ".yml"})
        except (OSError, UnicodeDecodeError) as error:
            raise _not_there(self._path, type(error).__name__) from error
        if said != self.source.name:
            raise _not_there(self._path, f"its {MARK} does not name {self.source.name}")
        if len(paths) > MOST_FILES:
            raise _not_there(self._path, f"it holds more than {MOST_FILES} files")
        return [path for path in paths if path.is_file()]

    def _take(self, now: datetime) -> list[StoredGrant]:
        """Put what lies there into force, vouch for it, and say what came of each."""
        twice = self._twice()
        found, vouched = [], []
        for path, file in self._files.items():
            if file.error is not None:
                found.append(self._outcome(f"file:{path}"[:290], "", file.error))
                continue
            found.append(self._outcome(f"file:{path}"[:290], "", None))
            for grant in file.grants:
                name = grant.metadata.name
                error = _two_files(name) if name in twice else self._put(grant, now)
                found.append(self._outcome(name, name, error))
                if error is None:
                    vouched.append(name)
        self._keeper.confirm(vouched, now)
        return found

    def _put(self, grant: AccessGrant, now: datetime) -> TREError | None:
        try:
            evidence = grant.spec.approval.evidence
            if evidence is None or evidence.source != SOURCE:
                raise TREError(
                    Reason.EvidenceUnverified,
                    f"The grant {grant.metadata.name!r} carries no signature of an approving body.",
                    remedy="Sign it with `tre grant sign FILE`.",
                )
            self._keeper.put(grant, now)
        except TREError as error:
            if error.reason is Reason.LeadershipLost:
                raise
            return error
        return None

    def _twice(self) -> frozenset[str]:
        names = [grant.metadata.name for file in self._files.values() for grant in file.grants]
        return (
            frozenset(name for name in names if names.count(name) > 1) if len(set(names)) < len(names) else frozenset()
        )

    def _see_to_missing(self, now: datetime) -> None:
        """Revoke what is in no file any more; what may stand in a file that cannot be read is not missing."""
        with self._keeper.terms.database.read() as connection:
            owned = grant_sources.open_grants(connection, self.source.id)
        there = {grant.metadata.name for file in self._files.values() for grant in file.grants}
        broken = [file for file in self._files.values() if file.error is not None]
        unread = frozenset().union(*(file.held for file in broken))
        missing = owned.keys() - there - unread
        self._gone = {name: self._gone.get(name, now) for name in missing}
        for name in sorted(missing):
            if broken:  # it may have moved there: nobody has access by it until that is known
                self._keeper.withhold(name)
            elif now - self._gone[name] >= SETTLE:
                self._keeper.revoke(name, REMOVED)

    def _outcome(self, key: str, grant: str, error: TREError | None) -> StoredGrant:
        reason = Reason.Entitled if error is None else error.reason
        message = "" if error is None else as_line(str(error))
        return StoredGrant(source=self.source.id, key=key, grant=grant, reason=reason, message=message)

    def _keep(self, found: list[StoredGrant]) -> None:
        """Write what differs from what is written down; a file that is gone has nothing to say any more."""
        with self._keeper.terms.database.read() as connection:
            before = store.grants_of(connection, self.source.id)
        now = {item.key: item for item in found}
        gone = [self._outcome(key, item.grant, None) for key, item in before.items() if key not in now]
        changed = [item for item in [*now.values(), *gone] if item != before.get(item.key)]
        if changed:
            reasons = {item.key: item.reason.value for item in changed[:50]}
            event = self._keeper.event("source.outcomes", f"source/{self.source.id}", count=len(changed), some=reasons)
            self._keeper.write(event, lambda change: store.keep_grants(change, changed))

    def _say(self, reason: Reason, message: str, now: datetime, *, heard: bool) -> None:
        """Keep how the source stands, where that is news, or was said long ago."""
        with self._keeper.terms.database.read() as connection:
            before = store.get(connection, self.source.id)
        said = as_line(message)
        late = heard and (before.heard_at is None or now - before.heard_at >= SAID_AGAIN)
        if (before.reason, before.message) == (reason, said) and not late:
            return
        heard_at = now if heard else before.heard_at
        stands = StoredSource(id=self.source.id, tried_at=now, heard_at=heard_at, reason=reason, message=said)
        kind = "source.heard" if heard else "source.failed"
        event = self._keeper.event(kind, f"source/{self.source.id}", reason=reason.value, why=said)
        self._keeper.write(event, lambda change: store.keep(change, stands))


def _read_file(path: Path, mark: Mark, before: File | None) -> File:
    held = frozenset() if before is None else before.held | {grant.metadata.name for grant in before.grants}
    if mark[1] > LARGEST_FILE:
        large = TREError(Reason.BadInput, f"{path.name} is larger than {LARGEST_FILE} bytes.")
        return File(mark, error=large, held=held)
    try:
        return File(mark, grants=read_grants(path))
    except TREError as error:
        return File(mark, error=error, held=held)


def _not_there(path: Path, why: str) -> TREError:
    return TREError(
        Reason.SetupIncomplete,
        f"{path} is not the directory of this source.",
        why=f"{why}.",
        remedy=f"See that it is mounted, and that its {MARK} holds the source's name. Nothing was changed.",
    )


def _two_files(name: str) -> TREError:
    return TREError(
        Reason.Conflict,
        f"Two files of the directory hold a grant {name!r}.",
        why="They could say different things of it; nothing was changed.",
        remedy="Keep one of them.",
    )
