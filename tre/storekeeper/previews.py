"""Previews of plans, for people who may not see the rows: applicants, committees.

Guarantees: a preview is computed and forgotten: nothing of it is kept but its answer and an event that says who looked
at which dataset and the plan's digest; what leaves is the shown form, small numbers hidden; one person gets only so
many in an hour (the dataset's disclosure policy), so that many previews, each a little different, cannot be played off
against each other unnoticed. A list of patients can only be one that a data manager planned with before.

Does not guarantee: that two people do not compare what they see. The log shows both.

Threat: somebody who asks for a slice with and without one day, one trust, one year of age, and subtracts.
"""

from __future__ import annotations

from typing import Any

from tre.domain.slices.previews import KIND, PROGRAM, WINDOW, PreviewRequest, check_rate
from tre.domain.slices.shown import as_shown
from tre.slices.plan import plan
from tre.slices.populations import disclosure_of
from tre.store import datasets as store
from tre.store import jobs
from tre.store.retirements import require_offered
from tre.storekeeper.office import Office
from tre.storekeeper.slices import order_of


def preview(office: Office, request: PreviewRequest) -> dict[str, Any]:
    """The plan as people see it. Raises `TREError(RateLimited)`, and as `tre.storekeeper.slices.make_plan`."""
    spec = request.spec
    terms = disclosure_of(spec.dataset, office.layout.root)
    _check_rate(office, request.asker, terms.previews_per_hour)
    with office.database.read() as connection:
        release = require_offered(connection, spec.dataset, spec.release)
        denied = store.deny_set(connection, spec.dataset)
    found = plan(order_of(office, spec, release, denied))
    event = office.event(
        "slice.previewed", f"dataset/{spec.dataset}", asker=request.asker, planDigest=found.plan_digest
    )
    with office.database.change(event):
        pass
    return as_shown(found, terms.small_numbers)


def _check_rate(office: Office, asker: str, most: int) -> None:
    now = office.clock.now()
    with office.database.read() as connection:
        asked = jobs.asked_since(connection, PROGRAM, KIND, asker, now - WINDOW)
    check_rate(asked[:-1], most, now)  # the last is the one that is being answered
