"""Keys and secrets: that each is there, open to its reader alone, and not too old."""

from __future__ import annotations

import os
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tre.audit.keys import PRIVATE_KEY_FILE, PUBLIC_KEY_FILE, load_private, load_public
from tre.cli.doctor.finding import Check, Field, Need, Place, Seen, bad, below, good, judged, weak
from tre.cli.keys import Key, known_keys
from tre.system.installation import Owners

OLD = timedelta(days=3 * 365)
"""A key that can be replaced and has been there for so long is worth a word."""

_OPEN = {".pub", ".crt"}
_READABLE = 0o037
"""Bits that no private file may have: anything for others, writing or running for its group."""


def _modes(place: Place) -> Seen:
    wrong, count = [], 0
    for path in below(place.layout.keys):
        found = path.lstat()
        if not stat.S_ISREG(found.st_mode) or path.name.startswith("."):
            continue
        count += 1
        mode = stat.S_IMODE(found.st_mode)
        if mode & (0o022 if path.suffix in _OPEN else _READABLE):
            name = path.relative_to(place.layout.root)
            wrong.append(f"{name} is open to others ({mode:o})")
    remedy = "`chmod 600` each, then `tre keys rotate NAME`: whoever was on this machine may have read it."
    return judged(wrong, f"{count} files, each open to its reader alone", remedy)


def _there(place: Place) -> Seen:
    """What `tre init` makes. A signing key may be elsewhere; then its public half must be here."""
    missing = [key.name for key in known_keys() if not _is_there(place.layout.keys, key)]
    return judged(
        [f"{name} is missing" for name in missing],
        "every key and secret that the services read",
        f"`tre init --root {place.layout.root}` makes it; a key of the log that was lost is in the backup.",
    )


def _is_there(keys: Path, key: Key) -> bool:
    if (keys / key.name).exists():
        return True
    if key.name == PRIVATE_KEY_FILE:  # where only the public half is here, somebody else's machine signs the log
        return (keys / PUBLIC_KEY_FILE).exists()
    signers = keys / key.name.replace("-signing.key", "-signers")
    return key.name.endswith("-signing.key") and signers.is_dir() and any(signers.glob("*.pub"))


def _owners(place: Place) -> Seen:
    owners = Owners.of(place.settings)
    if not owners.as_root:
        mine = place.layout.keys.stat().st_uid == os.geteuid()
        words = "one user starts everything, and owns every key"
        return good(words) if mine else weak("the keys are somebody else's", "Run it as who starts the launcher.")
    wrong = []
    for key in known_keys():
        path = place.layout.keys / key.name
        allowed = {0, *(owners.uid(reader) for reader in key.readers if reader != "people")}
        if path.exists() and path.stat().st_uid not in allowed:
            wrong.append(f"{key.name} belongs to {path.stat().st_uid}, not to {' or '.join(key.readers)}")
    return judged(wrong, "each key belongs to who reads it", f"`tre init --root {place.layout.root}` gives them back.")


def _age(place: Place) -> Seen:
    since = {key.name: _since(place.layout.keys / key.name) for key in known_keys() if key.effect}
    known = {name: at for name, at in since.items() if at is not None}
    old = [f"{name} is of {at:%Y-%m-%d}" for name, at in known.items() if place.now - at > OLD]
    oldest = min(known.values(), default=place.now)
    if old:
        return weak("; ".join(old), f"`tre keys rotate {old[0].split()[0]}` puts another in its place.")
    return good(f"the oldest that can be replaced is of {oldest:%Y-%m-%d}")


def _since(path: Path) -> datetime | None:
    try:
        return datetime.fromtimestamp(path.stat().st_mtime, UTC)
    except FileNotFoundError:
        return None


def _log_key(place: Place) -> Seen:
    """The key that signs the log must be one of those with which it is verified."""
    keys = place.layout.keys
    public = load_public(keys / PUBLIC_KEY_FILE)
    private = keys / PRIVATE_KEY_FILE
    if not private.exists():
        return weak("the log's private key is not on this machine", "Put it back from the backup, or start elsewhere.")
    own = load_private(private, Owners.of(place.settings).uid("controller")).public
    if own.line() not in {one.line() for one in public}:
        remedy = "`tre audit rotate-key` replaces it in order (docs/auditing.md); a lost public half is in the backup."
        return bad(f"{PRIVATE_KEY_FILE} is none of those in {PUBLIC_KEY_FILE}", remedy)
    return good(f"{len(public)} public, the private one among them")


FIELD = Field(
    "Keys",
    (
        Check("keys", "A service whose key is missing does not start.", _there, Need.root),
        Check("modes of keys", "Whoever reads a key can be who it stands for.", _modes, Need.root),
        Check("owners of keys", "A key that another service reads keeps the two apart no more.", _owners, Need.root),
        Check("age of keys", "The longer a key is used, the more may have seen it.", _age, Need.root),
        Check("key of the log", "What it signs must be verified by what others hold.", _log_key, Need.root),
    ),
)
