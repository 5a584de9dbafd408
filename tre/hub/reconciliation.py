"""Going through everybody who signed in by the identity provider, again and again, and telling the portal.

Guarantees: within `every` seconds, and the time that one round takes, the portal hears of each person for whom the
provider vouches no more, or in other groups; what it could not be told is told in the next round. Tokens are kept in
the Hub's database, encrypted with a key that only the Hub reads, and nowhere else; a refused one is forgotten once the
portal knows. What is not known is told to nobody: then the record's own moments end access.

Does not guarantee: anything about people whose sign-in gave no refresh token, or whose token the Hub's database lost:
nobody is asked about them, and their access ends with the provider's last word.

Threat: somebody who was removed at the provider and works on; a provider that is kept from answering.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from jupyterhub import orm
from sqlalchemy.exc import SQLAlchemyError

from tre.domain.errors import TREError
from tre.domain.names import hub_user_name
from tre.domain.people import Subject
from tre.hub.authenticators import REFRESH_TOKEN, SUBJECT, OidcAuthenticator
from tre.hub.portal import Vouched
from tre.hub.provider import Again, Word

AT_ONCE = 8
"""People of whom the provider is asked at the same time."""

TOLD_AT_ONCE = 50
"""People of whom the portal is told in one message."""

SHORTEST_PAUSE = 0.5


@dataclass(frozen=True)
class _Found:
    user: Any
    subject: Subject
    token: str
    again: Again


class Reconciliation:
    """Runs inside the Hub, beside its pages."""

    def __init__(self, hub: Any, authenticator: OidcAuthenticator, every: float) -> None:
        self._hub, self._authenticator, self._every = hub, authenticator, every
        self._turns = asyncio.Semaphore(AT_ONCE)

    async def run(self) -> None:
        """Go round until cancelled; a round that failed is tried again like any other."""
        clock = asyncio.get_running_loop()
        while True:
            began = clock.time()
            try:
                await self.round()
            except (TREError, SQLAlchemyError, OSError, ValueError) as error:
                self._hub.log.error("The round of questions to the provider failed: %s", error)
            await asyncio.sleep(max(SHORTEST_PAUSE, self._every - (clock.time() - began)))

    async def round(self) -> None:
        """Ask about everybody once. Raises `TREError(ServiceUnavailable)` where the portal cannot be told."""
        for users in self._parts():
            found = [one for one in await asyncio.gather(*(self._ask(user) for user in users)) if one is not None]
            await self._tell(found)

    def _parts(self) -> Iterator[list[Any]]:
        kept = self._hub.db.query(orm.User).filter(orm.User.encrypted_auth_state.isnot(None)).order_by(orm.User.id)
        users = [self._hub.users[one] for one in kept]
        for start in range(0, len(users), TOLD_AT_ONCE):
            yield users[start : start + TOLD_AT_ONCE]

    async def _ask(self, user: Any) -> _Found | None:
        async with self._turns:
            state = await user.get_auth_state() or {}
            identifier, token = state.get(SUBJECT), state.get(REFRESH_TOKEN)
            if not isinstance(identifier, str) or not isinstance(token, str):
                return None
            subject = Subject(issuer=str(self._authenticator.issuer), id=identifier)
            if hub_user_name(*subject.key) != user.name:
                return None

            async def keep(after: str) -> None:
                """Put the successor in the place of the token that was asked with, unless there was a sign-in since."""
                present = await user.get_auth_state() or {}
                if present.get(REFRESH_TOKEN) == token:
                    await user.save_auth_state({**present, REFRESH_TOKEN: after})

            again = await self._authenticator.ask_again(subject, token, keep)
        if again.word is Word.unknown:
            self._hub.log.warning("The provider said nothing of use about %s: %s", user.name, again.why)
            return None
        return _Found(user, subject, token, again)

    async def _tell(self, found: list[_Found]) -> None:
        vouched: list[Vouched] = [one.again.vouched for one in found if one.again.vouched is not None]
        refused = [one for one in found if one.again.word is Word.refuses and await self._is_present(one)]
        if vouched or refused:
            await self._authenticator.portal().reconciled(vouched, [one.subject for one in refused])
        for one in refused:
            if await self._is_present(one):
                await one.user.save_auth_state(None)

    async def _is_present(self, one: _Found) -> bool:
        """Whether the token that was refused is still the person's last: they may have signed in since."""
        state = await one.user.get_auth_state() or {}
        return bool(state.get(REFRESH_TOKEN) == one.token)
