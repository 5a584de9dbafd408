"""Telling people that the public account waits for them: once a minute, from the record and the clock.

Guarantees: nothing is told while no mail is sent, and what waits by then is told when mail begins; the event and the
memory of it are one transaction. Projects are looked at part by part, so that many of them hold nothing else up.

Threat: a question of the public, or a complaint, whose clock runs out because nobody looked at the page.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime

from sqlalchemy import Connection

from tre.controller.context import Context
from tre.domain.publicaccount import notices
from tre.domain.publicaccount.figures import Clock
from tre.domain.publicaccount.models import Consultation
from tre.domain.publicaccount.notices import Notice
from tre.domain.publicaccount.states import ItemKind
from tre.register.account_policy import load_account_policy
from tre.store import account_notices, grants, letters
from tre.store import publicaccount as store

PART = 200
"""Projects that are looked at in one minute."""


class AccountNotices:
    """Looks at what waits, and has people told."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._after = ""

    def reconcile(self, _name: str) -> datetime | None:
        """Tell what is due. Raises `TREError(PolicyMissing | BadInput)`, and the team was told all the same."""
        now = self._context.clock.now()
        with self._context.database.read() as connection:
            if letters.read_up_to(connection) is None:
                return None
            clocks = store.waiting_clocks(connection)
            found = _together(connection, clocks, now)
            found |= _alone(connection, _of_consultations(connection, clocks, now))
        self._tell(found)
        with self._context.database.read() as connection:
            found = _alone(connection, self._projects(connection, now))
        self._tell(found)
        return None

    def _tell(self, found: Mapping[Notice, Iterable[Notice]]) -> None:
        events = [self._context.event(one.kind, one.object, moment=one.moment.isoformat()) for one in found]
        if events:
            with self._context.database.change(*events) as change:
                account_notices.keep(change, {part for one, parts in found.items() for part in (one, *parts)})

    def _projects(self, connection: Connection, now: datetime) -> Iterator[Notice]:
        """The next projects, by name; after the last of them the first."""
        policy = load_account_policy(self._context.layout.root)
        names = [name for name in grants.all_names(connection) if name > self._after][:PART]
        self._after = names[-1] if len(names) == PART else ""
        for grant in grants.told_among(connection, names):
            yield from notices.of_project(grant, store.reported(connection, grant.name), policy, now)


def _together(connection: Connection, clocks: Sequence[Clock], now: datetime) -> dict[Notice, list[Notice]]:
    """For the team: one notice for all of a kind."""
    due = [one for clock in clocks for one in notices.of_clock(clock, now)]
    objects = {one.object for one in due} | {f"{kind}/all" for kind in ItemKind}
    return notices.together(due, account_notices.told(connection, objects), now)


def _of_consultations(connection: Connection, clocks: Sequence[Clock], now: datetime) -> Iterator[Notice]:
    for clock in clocks:
        if clock.kind is ItemKind.consultation:
            for wording in store.wordings(connection, ItemKind.consultation, item=clock.id)[:1]:
                if isinstance(wording.body, Consultation):
                    yield from notices.of_consultation(clock.id, wording.body.closes_at, now)


def _alone(connection: Connection, found: Iterable[Notice]) -> dict[Notice, list[Notice]]:
    """Those of these that are new, each by itself."""
    due = list(found)
    return {one: [] for one in notices.news(due, account_notices.told(connection, [one.object for one in due]))}
