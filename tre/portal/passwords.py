"""Passwords of local accounts: argon2id, the same work for names that exist and names that do not.

Guarantees: a password is kept as its argon2id hash only (RFC 9106, section 4: the second recommended option, 64 MiB
and three passes); an unknown or disabled name costs the same computation as a known one; at most `AT_ONCE` hashes
are computed side by side and at most `WAITING` wait, so that sign-ins cannot use up the machine's memory.

Does not guarantee: that a password is a good one beyond its length; nobody composes rules here (NIST SP 800-63B,
5.1.1.2 advises against them).

Threat: a stolen database; a list of names learnt from how long an answer takes; a flood of sign-ins.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from argon2 import PasswordHasher, Type
from argon2.exceptions import Argon2Error, InvalidHashError

from tre.domain.errors import Reason, TREError

LEAST_CHARACTERS = 12
"""NIST SP 800-63B asks for 8 with a second factor; local accounts have none."""

MOST_CHARACTERS = 1024
AT_ONCE = 2
WAITING = 16
PATIENCE_SECONDS = 10.0

_HASHER = PasswordHasher(time_cost=3, memory_cost=64 * 1024, parallelism=4, hash_len=32, salt_len=16, type=Type.ID)


def hash_password(password: str) -> str:
    """The hash to keep. Raises `TREError(BadInput)` for a password too short or too long."""
    if not LEAST_CHARACTERS <= len(password) <= MOST_CHARACTERS:
        raise TREError(
            Reason.BadInput,
            f"A password has {LEAST_CHARACTERS} to {MOST_CHARACTERS} characters.",
            why=f"This one has {len(password)}.",
            remedy="Several words that do not belong together make a good one.",
        )
    return _HASHER.hash(password)


class PasswordChecker:
    """Compares passwords with hashes; one for a process."""

    def __init__(self, hasher: PasswordHasher = _HASHER, patience: float = PATIENCE_SECONDS) -> None:
        self._hasher = hasher
        self._patience = patience
        self._nobody = hasher.hash("the hash of no account")
        self._seats = threading.BoundedSemaphore(AT_ONCE)
        self._queue = threading.BoundedSemaphore(AT_ONCE + WAITING)

    def fits(self, hashed: str | None, password: str) -> bool:
        """Whether the password is the hash's; with no hash the same work is done and the answer is no.

        Raises `TREError(RateLimited)` where too many sign-ins wait already.
        """
        with self._seat():
            try:
                self._hasher.verify(self._nobody if hashed is None else hashed, password[:MOST_CHARACTERS])
            except (Argon2Error, InvalidHashError):
                return False
        return hashed is not None

    @contextmanager
    def _seat(self) -> Iterator[None]:
        busy = TREError(Reason.RateLimited, "Too many people sign in at this moment.", remedy="Try again in a minute.")
        if not self._queue.acquire(blocking=False):
            raise busy
        try:
            if not self._seats.acquire(timeout=self._patience):
                raise busy
            try:
                yield
            finally:
                self._seats.release()
        finally:
            self._queue.release()
