"""One question to a REMS: who is entitled to what, and which of it a visa confirms, where the policy wants visas.

Guarantees: an answer is whole or there is none; where visas are wanted, what none confirms is left out of it and told.
A user's visas are fetched at most once an hour, however often the source is asked (GA4GH AAI OIDC profile).

Threat: a REMS that was taken over without the keys that its visas are signed with.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from tre.domain.errors import Reason, TREError
from tre.domain.sources.messages import read_answer
from tre.domain.sources.policy import VISA_MINUTES, RemsSource
from tre.domain.sources.truth import Answer, Entitlement
from tre.sources.rems.client import RemsClient, fetch
from tre.sources.rems.visas import Visas
from tre.system.layout import Layout


class Asked(NamedTuple):
    """A whole answer, and what was left out of it and why."""

    answer: Answer
    refused: tuple[str, ...]


class Asker:
    """Asks one REMS."""

    def __init__(self, layout: Layout, source: RemsSource) -> None:
        self._layout, self._source = layout, source
        self._passports: dict[str, tuple[datetime, Any]] = {}

    def ask(self, asked_at: datetime, after: int) -> Asked:
        """The answer to a question of this moment. Raises `TREError`."""
        client = RemsClient(self._source, read_key(self._layout, self._source))
        read = read_answer(client.entitlements())
        refused = [str(error) for error in read.refused]
        entitlements = list(read.entitlements)
        if self._source.visas is not None:
            entitlements = self._confirmed(client, entitlements, asked_at, refused)
        answer = Answer(asked_at=asked_at, after=after, entitlements=tuple(entitlements))
        return Asked(answer, tuple(refused))

    def _confirmed(
        self, client: RemsClient, stated: list[Entitlement], now: datetime, refused: list[str]
    ) -> list[Entitlement]:
        assert self._source.visas is not None
        visas, found = Visas(self._source.visas, fetch, now), []
        for user in sorted({one.user for one in stated}):
            wanted = [one for one in stated if one.user == user]
            confirmed, errors = visas.confirm(self._passport(client, user, now), wanted)
            refused += [str(error) for error in errors]
            left = {one.key for one in wanted} - {one.key for one in confirmed}
            refused += [f"No visa confirms application {key[0]}, {key[1]}, of one person." for key in sorted(left)]
            found += confirmed
        return found

    def _passport(self, client: RemsClient, user: str, now: datetime) -> Any:
        known = self._passports.get(user)
        if known is None or not timedelta() <= now - known[0] < timedelta(minutes=VISA_MINUTES):
            known = self._passports[user] = (now, client.permissions(user))
        return known[1]


def read_key(layout: Layout, source: RemsSource) -> str:
    """What a REMS is asked with. Raises `TREError(SetupIncomplete)`."""
    default = layout.source_secrets / f"{source.name}.key"
    path = default if source.api_key is None else layout.root / Path(source.api_key)
    try:
        text = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise _no_key(path, error.strerror if isinstance(error, OSError) else "It is not plain text") from error
    if not text.isprintable() or not 0 < len(text) <= 1000:
        raise _no_key(path, "One line of at most 1,000 characters is due")
    return text


def _no_key(path: Path, why: str | None) -> TREError:
    return TREError(
        Reason.SetupIncomplete,
        f"The key of the source cannot be read from {path}.",
        why=f"{why}.",
        remedy="Put the API key that REMS gave you there, readable by the controller alone.",
    )
