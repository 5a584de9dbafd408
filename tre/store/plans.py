"""Which kept plans anything still refers to.

Guarantees: a plan counts as forgotten only if it was recorded more than a year ago, no slice stands that was built of
it, no slice of a grant is recorded with it, and no grant names its digest anywhere, whatever its phase.

Does not guarantee: that nobody meant to sign it yet; that is what the year is for.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import datetime, timedelta

from sqlalchemy import Connection, select

from tre.store.tables.data import plans, slices
from tre.store.tables.grants import grant_slices, grants

FORGOTTEN_AFTER = timedelta(days=365)
"""So old is a plan that nobody signs any more: committees decide within weeks."""

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


def forgotten(connection: Connection, dataset: str, now: datetime) -> set[str]:
    """Digests of the dataset's plans that were recorded long ago and that nothing refers to."""
    old = select(plans.c.digest).where(plans.c.dataset == dataset, plans.c.created_at < now - FORGOTTEN_AFTER)
    found = set(connection.execute(old).scalars())
    return found - set(_named(connection)) if found else found


def _named(connection: Connection) -> Iterator[str]:
    yield from connection.execute(select(slices.c.plan_digest)).scalars()
    yield from connection.execute(select(grant_slices.c.plan_digest)).scalars()
    for spec in connection.execute(select(grants.c.spec)).scalars():
        yield from _DIGEST.findall(json.dumps(spec))
