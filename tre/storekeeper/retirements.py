"""Retiring datasets and releases.

Guarantees: nothing is planned, approved or added anew from what is retired; whatever was approved before goes on, and
opt-outs reach it as before.
"""

from __future__ import annotations

from tre.domain.retirement import Retirement
from tre.store import datasets
from tre.store import retirements as store
from tre.storekeeper.office import Office


def retire(office: Office, dataset: str, release: str | None, reason: str) -> Retirement:
    """Retire a dataset, or one release of it, for good.

    Raises `TREError(DatasetNotFound)`, `TREError(ReleaseNotFound)`, `TREError(DatasetRetired)` for what is retired
    already, and `TREError(BadInput)` for a reason that says nothing.
    """
    with office.database.read() as connection:
        datasets.require(connection, dataset)
        if release is not None:
            datasets.require_release(connection, dataset, release)
    new = Retirement(dataset=dataset, release=release, reason=reason, by=office.actor, at=office.clock.now())
    said = {"reason": reason} | ({"release": release} if release is not None else {})
    with office.database.change(office.event("dataset.retired", f"dataset/{dataset}", **said)) as change:
        store.retire(change, new)
    return new
