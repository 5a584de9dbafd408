"""Letters about datasets: opt-outs, quarantine, data that could not be prepared."""

from __future__ import annotations

from tre.domain.letters.topics import Relation, Topic

_R = Relation
_MANAGERS, _OPERATORS = (_R.data_managers,), (_R.operators,)

DATA = (
    Topic(
        "withdrawal.confirmed",
        _MANAGERS,
        "A list of opt-outs of {name} waits for a second person",
        "A list of opt-outs was confirmed by one person and waits for another.",
        "/optouts",
        acts=True,
        where=("accepted", frozenset({False})),
    ),
    Topic(
        "withdrawal.waiting",
        _MANAGERS,
        "A list of opt-outs of {name} does not go on",
        "Something is in the way of a list of opt-outs. Its page says what.",
        "/optouts",
        acts=True,
    ),
    Topic(
        "dataset.quarantined",
        _MANAGERS,
        "Files of {name} wait in quarantine",
        "Files of a delivery wait for a decision.",
        "/quarantine/{name}",
        acts=True,
    ),
    Topic(
        "slice.failed",
        _OPERATORS,
        "Data could not be prepared",
        "Preparing the data of a project failed.",
        "/operate/health",
        acts=True,
    ),
)
