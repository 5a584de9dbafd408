"""Reading extracts for people, and keeping the last ones at hand.

Guarantees: an extract is read anew as soon as its file changed; what is kept in memory is bounded by the size of the
files it came from; an extract that is none is not shown, and said to be none.

Threat: a portal that is filled with large extracts until it dies; an old extract shown beside new findings.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from threading import Lock

import structlog

from tre.airlock.extract import ExtractInvalidError, decode
from tre.airlock.extracts import ExtractStore
from tre.portal.preview.content import Content

MOST_KEPT = 48 << 20
"""Bytes of extract files whose contents stay in memory; as objects they take about four times as much."""

MOST_VALUES = 6_000_000
"""Commas and opening brackets of an extract: what a table of 5,000 × 500 has, twice over. A small file can unfold into
much more memory than it has bytes, and who wrote it may have been taken over."""

log = structlog.get_logger()


@dataclass(frozen=True)
class _Kept:
    stamp: tuple[int, int, int]
    size: int
    content: Content


class ExtractReader:
    """The extracts of one launcher."""

    def __init__(self, store: ExtractStore, most_kept: int = MOST_KEPT) -> None:
        self._store = store
        self._most = most_kept
        self._kept: OrderedDict[tuple[str, str], _Kept] = OrderedDict()
        self._lock = Lock()

    def find(self, sha256: str, kind: str) -> Content | None:
        """What is shown of these bytes read as this type; `None` where no extract is kept, or none that can be read."""
        key = (sha256, kind)
        with self._lock:  # one at a time: two readers of the same large extract would take twice the memory
            stamp = self._stamp(sha256, kind)
            if stamp is None:
                self._kept.pop(key, None)
                return None
            kept = self._kept.get(key)
            if kept is None or kept.stamp != stamp:
                kept = self._read(sha256, kind, stamp)
            if kept is None:
                return None
            self._keep(key, kept)
            return kept.content

    def _stamp(self, sha256: str, kind: str) -> tuple[int, int, int] | None:
        try:
            found = self._store.path(sha256, kind).lstat()
        except OSError:
            return None
        return found.st_ino, found.st_mtime_ns, found.st_size

    def _read(self, sha256: str, kind: str, stamp: tuple[int, int, int]) -> _Kept | None:
        try:
            raw = self._store.find(sha256, kind)
            if raw is not None and sum(raw.count(sign) for sign in (b",", b"[", b"{")) > MOST_VALUES:
                raise ExtractInvalidError("too many values")
            return None if raw is None else _Kept(stamp, len(raw), Content(decode(raw)))
        except (OSError, ExtractInvalidError) as error:
            log.warning("extract-unreadable", sha256=sha256, kind=kind, error=type(error).__name__)
            return None

    def _keep(self, key: tuple[str, str], kept: _Kept) -> None:
        self._kept[key] = kept
        self._kept.move_to_end(key)
        while sum(item.size for item in self._kept.values()) > self._most and len(self._kept) > 1:
            self._kept.popitem(last=False)
