"""Which programs a notebook would begin with now, and since when they are so.

Guarantees: the identity changes whenever the environment of this machine was made anew, or another image is named; a
run keeps in its plan the one it began with. Reading it costs one small file.

Does not guarantee: that what is new is better: that a package's weakness is known, `make vulnerabilities` says.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

STAMPS = (".built-from", "pyvenv.cfg")
"""What is written last when an environment is made: by `make setup`, and by whatever else makes one."""


def identity_of(environment: Path) -> str | None:
    """Of an environment of this machine; `None` where there is none."""
    stamp = _stamp(environment)
    return None if stamp is None else f"{stamp.stat().st_mtime_ns:x}"


def built_at(environment: Path) -> datetime | None:
    """When it was made."""
    stamp = _stamp(environment)
    return None if stamp is None else datetime.fromtimestamp(stamp.stat().st_mtime, UTC)


def _stamp(environment: Path) -> Path | None:
    return next((environment / name for name in STAMPS if (environment / name).is_file()), None)
