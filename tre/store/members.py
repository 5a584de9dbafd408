"""What the record knows of the members of grants: who vouches for them, and what they and their organisation hold.

Guarantees: a grant that is read for a decision carries all of it, so that the one function that decides needs nothing
else. A member of whom nothing is kept has nothing against them but what is required of everybody.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, bindparam, or_, select

from tre.domain.grants.models import GrantRecord
from tre.domain.identity import MemberFacts
from tre.domain.people import Subject
from tre.domain.standing.models import Holder, StandingRules
from tre.store import standings
from tre.store.standings import StoredStanding
from tre.store.tables.people import people

_FEW = 50
"""Members that are named in a statement; for more, reading everybody of whom there is something to say costs less."""

_TOLD = select(
    people.c.issuer, people.c.subject, people.c.barred, people.c.fresh_until, people.c.confirmed_until
).where(or_(people.c.barred.is_not(None), people.c.confirmed_until.is_not(None)))
_TOLD_OF_FEW = _TOLD.where(people.c.subject.in_(bindparam("identifiers", expanding=True)))
"""Put together once: they are asked whenever a grant is read."""

Key = tuple[str, str]


def with_members(connection: Connection, found: Sequence[GrantRecord]) -> list[GrantRecord]:
    """The same grants with what is known of their members and organisations."""
    subjects = {member.subject.key: member.subject for grant in found for member in grant.spec.members}
    known = _vouching(connection, list(subjects))
    rules = standings.rules(connection)
    held = _held(connection, rules, subjects.values(), {grant.spec.project.organisation.id for grant in found})
    facts = {key: _facts(subject, known.get(key), rules, held) for key, subject in subjects.items()}
    return [_whole(grant, facts, rules, held) for grant in found]


def _whole(
    grant: GrantRecord, facts: dict[Key, MemberFacts | None], rules: StandingRules, held: Sequence[StoredStanding]
) -> GrantRecord:
    present = [facts[member.subject.key] for member in grant.spec.members]
    there = tuple(one for one in present if one is not None)
    holder = Holder(organisation=grant.spec.project.organisation.id)
    required = standings.required_of(rules.organisations, held, holder)
    if not there and not required:
        return grant
    return grant.model_copy(update={"people": there, "organisation_required": required})


def _vouching(connection: Connection, keys: list[Key]) -> dict[Key, Any]:
    few = len(keys) <= _FEW
    identifiers = {"identifiers": [identifier for _, identifier in keys]}
    rows = connection.execute(_TOLD_OF_FEW, identifiers) if few else connection.execute(_TOLD)
    return {(row.issuer, row.subject): row for row in rows}


def _held(
    connection: Connection, rules: StandingRules, subjects: Iterable[Subject], organisations: Iterable[str]
) -> list[StoredStanding]:
    """What those hold of whom something is required."""
    asked = [Holder(person=subject) for subject in subjects] if rules.people else []
    asked += [Holder(organisation=one) for one in sorted(organisations)] if rules.organisations else []
    return standings.of(connection, asked)


def _facts(subject: Subject, row: Any, rules: StandingRules, held: Sequence[StoredStanding]) -> MemberFacts | None:
    required = standings.required_of(rules.people, held, Holder(person=subject)) if rules.people else ()
    if row is None:
        return MemberFacts(subject=subject, required=required) if required else None
    return MemberFacts(
        subject=subject,
        barred=row.barred,
        fresh_until=row.fresh_until,
        confirmed_until=row.confirmed_until,
        required=required,
    )
