"""Which event of the record concerns whom, and what they are told.

Guarantees: an event that stands in no line concerns nobody; no line quotes an event's detail, a file, or anything that
people typed. What ends somebody's access cannot be switched off.

Whoever adds a kind of event adds a line here. A line for people in a role (checkers, committee, data managers,
operators) needs nothing more; a relation to the object (author, members) needs a finder in `tre.store.circles`.

Threat: a mailbox outside of the walls that collects what is inside them; a letter that tells of a vote.
"""

from __future__ import annotations

from tre.domain.letters.table import access, airlock, data, deciding, publicly
from tre.domain.letters.topics import Topic

TOPICS: tuple[Topic, ...] = (
    *airlock.EXPORTS,
    *airlock.IMPORTS,
    *access.GRANTS,
    *access.WORKSPACES,
    *access.BATCHES,
    *data.DATA,
    *deciding.APPLICATIONS,
    *deciding.COMMITTEE,
    *deciding.CONDITIONS,
    *deciding.SOURCES,
    *deciding.STANDING,
    *publicly.PUBLIC,
    *publicly.INCIDENTS,
    *publicly.CONSULTATIONS,
    *publicly.OUTCOMES,
)
"""Every line. A person whom several lines of one event name gets the first of them."""

KINDS = frozenset(topic.kind for topic in TOPICS)
"""The kinds of event that concern anybody."""
