"""What was told about the public account, in the record.

Guarantees: what is kept here is kept in the transaction of the event that tells it, so that a power cut neither loses
nor doubles it.
"""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection, insert, select, update

from tre.domain.publicaccount.notices import Notice, Told
from tre.store.database import Change
from tre.store.tables.notices import account_notices

_PART = 200


def told(connection: Connection, objects: Iterable[str]) -> Told:
    """What was told of these objects: the moments by object and kind."""
    wanted, found = sorted(set(objects)), {}
    for start in range(0, len(wanted), _PART):
        chosen = account_notices.c.object.in_(wanted[start : start + _PART])
        for row in connection.execute(select(account_notices).where(chosen)):
            found[(row.object, row.kind)] = row.moment
    return found


def keep(change: Change, found: Iterable[Notice]) -> None:
    """Keep that these were told."""
    for one in found:
        same = (account_notices.c.object == one.object) & (account_notices.c.kind == one.kind)
        done = change.connection.execute(update(account_notices).where(same).values(moment=one.moment))
        if done.rowcount == 0:
            values = {"object": one.object, "kind": one.kind, "moment": one.moment}
            change.connection.execute(insert(account_notices).values(**values))
