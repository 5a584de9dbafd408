"""Every line of the register, read from the record.

Guarantees: only what was ever in force is read, in order of names, with what the public may know; some hundred at a
time, so that many projects take no more memory than what is made of them.

Does not guarantee: that all parts are of one moment where the caller gives no transaction of one.
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Connection

from tre.domain.grants.models import GrantRecord
from tre.domain.grants.policies import effective_end
from tre.domain.register.entry import RegisterEntry, RegisterFacts, entry_of
from tre.store import datasets, grants, register

PART = 200


def records(connection: Connection) -> Iterator[GrantRecord]:
    """Every grant that is told of, in order of names."""
    names = register.names(connection)
    for start in range(0, len(names), PART):
        part = names[start : start + PART]
        yield from grants.told_among(connection, part)


def entries(connection: Connection) -> Iterator[RegisterEntry]:
    """The line of every project, in order of names."""
    titles = {item.name: item.title for item in datasets.all_datasets(connection)}
    for record in records(connection):
        yield entry_of(facts_of(record, titles))


def facts_of(record: GrantRecord, titles: dict[str, str]) -> RegisterFacts:
    """What a line is made from; a dataset that is not known here any more keeps its name."""
    spec, end = record.spec, effective_end(record.spec).at
    return RegisterFacts(
        name=record.name,
        spec=spec,
        ends=end if record.revoked_at is None else min(end, record.revoked_at),
        activated_at=record.activated_at,
        dataset_titles=tuple(dict.fromkeys(titles.get(item.dataset, item.dataset) for item in spec.slices)),
    )
