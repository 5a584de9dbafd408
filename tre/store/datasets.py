"""Datasets, releases, plans, built slices and opt-outs in the record, by intent.

Guarantees: a release never changes once it is recorded; a plan is read back only if its digest fits; the deny set of
a dataset only grows, and its number rises exactly when somebody is added; each dataset has a numeric group of its own,
never given twice.

Does not guarantee: that the files are there; the storekeeper records what it has published, never before.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update

from tre.domain.datasets import BuiltSlice, Dataset, Release
from tre.domain.errors import Reason, TREError
from tre.domain.slices.plan import SlicePlan
from tre.domain.slices.spec import DirectoryLayout
from tre.domain.withdrawals import DenySet, Withdrawal
from tre.store.database import Change
from tre.store.tables.data import datasets, plans, releases, slices, withdrawals


def get(connection: Connection, name: str) -> Dataset | None:
    """One dataset by its name."""
    row = connection.execute(select(datasets).where(datasets.c.name == name)).one_or_none()
    return None if row is None else Dataset.model_validate(dict(row._mapping))


def require(connection: Connection, name: str) -> Dataset:
    """One dataset; raises `TREError(DatasetNotFound)`."""
    if (found := get(connection, name)) is None:
        raise TREError(
            Reason.DatasetNotFound,
            f"There is no dataset {name!r}.",
            why="The record knows none of that name.",
            remedy="See `tre dataset list`.",
        )
    return found


def all_datasets(connection: Connection) -> list[Dataset]:
    """Every dataset, by name."""
    rows = connection.execute(select(datasets).order_by(datasets.c.name))
    return [Dataset.model_validate(dict(row._mapping)) for row in rows]


def free_group(connection: Connection, first: int, last: int) -> int:
    """The lowest numeric group of a range that no dataset has; raises `TREError(SetupIncomplete)` if all are taken."""
    taken = set(connection.execute(select(datasets.c.data_group)).scalars())
    free = next((group for group in range(first, last + 1) if group not in taken), None)
    if free is None:
        raise TREError(
            Reason.SetupIncomplete,
            f"Every group from {first} to {last} belongs to a dataset.",
            remedy="Widen dataGroups in tre.yaml.",
        )
    return free


def register(change: Change, dataset: Dataset) -> None:
    """Put a new dataset into the record."""
    change.connection.execute(insert(datasets).values(**dataset.model_dump()))


def declare(change: Change, name: str, tag_manifest: str) -> None:
    """Record the digest of the tag manifest that holds from now on."""
    change.connection.execute(update(datasets).where(datasets.c.name == name).values(tag_manifest=tag_manifest))


def release(connection: Connection, dataset: str, name: str) -> Release | None:
    """One release of a dataset."""
    row = connection.execute(
        select(releases).where(releases.c.dataset == dataset, releases.c.name == name)
    ).one_or_none()
    return None if row is None else Release.model_validate(dict(row._mapping))


def require_release(connection: Connection, dataset: str, name: str) -> Release:
    """One release; raises `TREError(DatasetNotFound)` or `TREError(ReleaseNotFound)` naming those there are."""
    require(connection, dataset)
    if (found := release(connection, dataset, name)) is None:
        known = ", ".join(item.name for item in releases_of(connection, dataset)) or "none"
        raise TREError(
            Reason.ReleaseNotFound,
            f"The dataset {dataset!r} has no release {name!r}.",
            why=f"Its releases: {known}.",
            remedy="Name one of these, or add the delivery with `tre dataset add`.",
        )
    return found


def releases_of(connection: Connection, dataset: str) -> list[Release]:
    """Every release of a dataset, oldest first."""
    rows = connection.execute(
        select(releases).where(releases.c.dataset == dataset).order_by(releases.c.created_at, releases.c.name)
    )
    return [Release.model_validate(dict(row._mapping)) for row in rows]


def publish(change: Change, new: Release) -> None:
    """Record a release that stands in the file system; raises `TREError(AlreadyExists)` if it holds something else."""
    known = release(change.connection, new.dataset, new.name)
    if known is not None and known.index_digest != new.index_digest:
        raise TREError(
            Reason.AlreadyExists,
            f"The release {new.name!r} of {new.dataset!r} exists and holds something else.",
            why="A release never changes.",
            remedy="Give the new release another name.",
        )
    if known is None:
        values = new.model_dump() | {"counts": new.counts.as_plain()}
        change.connection.execute(insert(releases).values(**values))


def keep_plan(change: Change, plan: SlicePlan, now: datetime) -> None:
    """Record a plan; one that is there already stays as it is."""
    if get_plan(change.connection, plan.plan_digest) is None:
        change.connection.execute(
            insert(plans).values(
                digest=plan.plan_digest,
                dataset=plan.spec.dataset,
                release=plan.spec.release,
                body=plan.as_plain(),
                created_at=now,
            )
        )


def get_plan(connection: Connection, digest: str) -> SlicePlan | None:
    """One plan by its digest; raises `ValueError` for a row whose content does not fit it."""
    body: Any = connection.execute(select(plans.c.body).where(plans.c.digest == digest)).scalar_one_or_none()
    if body is None:
        return None
    found = SlicePlan.model_validate(body)
    if found.plan_digest != digest:
        msg = f"the row of plan {digest} holds another plan"
        raise ValueError(msg)
    return found


def layouts_of(connection: Connection, digests: Iterable[str]) -> dict[str, DirectoryLayout]:
    """How files are laid out by each of these plans, read quickly: nothing rests on it that is not compared later."""
    layout = plans.c.body["identity"]["layout"].as_string()
    rows = connection.execute(select(plans.c.digest, layout).where(plans.c.digest.in_(sorted(digests))))
    return {digest: DirectoryLayout(word) for digest, word in rows}


def deny_set(connection: Connection, dataset: str) -> DenySet:
    """Everyone who opted out of a dataset, and the number of this state."""
    version = connection.execute(select(datasets.c.deny_version).where(datasets.c.name == dataset)).scalar_one_or_none()
    people = connection.execute(select(withdrawals.c.pseudonym).where(withdrawals.c.dataset == dataset)).scalars()
    return DenySet(version=version or 0, pseudonyms=frozenset(people))


def withdraw(change: Change, dataset: str, found: Iterable[Withdrawal]) -> DenySet:
    """Add people to the deny set; return the set as it is now. Who is in it already stays as first recorded."""
    require(change.connection, dataset)
    before = deny_set(change.connection, dataset)
    new = {one.pseudonym: one for one in found if one.pseudonym not in before.pseudonyms}
    after = before.extended(new.values())
    if after.version == before.version:
        return before
    rows = [{"dataset": dataset, "deny_version": after.version, **one.model_dump()} for one in new.values()]
    change.connection.execute(insert(withdrawals), rows)
    change.connection.execute(update(datasets).where(datasets.c.name == dataset).values(deny_version=after.version))
    return after


def keep_slice(change: Change, built: BuiltSlice) -> None:
    """Record a slice that stands in the file system, in place of what stood there before."""
    change.connection.execute(delete(slices).where(slices.c.slice_id == built.slice_id))
    change.connection.execute(insert(slices).values(**built.model_dump()))


def get_slice(connection: Connection, slice_id: str) -> BuiltSlice | None:
    """What was built under an identifier."""
    row = connection.execute(select(slices).where(slices.c.slice_id == slice_id)).one_or_none()
    return None if row is None else BuiltSlice.model_validate(dict(row._mapping))


def require_slice(connection: Connection, slice_id: str) -> BuiltSlice:
    """The same; raises `TREError(SliceNotFound)`."""
    if (found := get_slice(connection, slice_id)) is None:
        raise TREError(
            Reason.SliceNotFound,
            f"There is no slice {slice_id!r}.",
            why="The record knows none of that name.",
            remedy="See `tre slice show`.",
        )
    return found


def all_slices(connection: Connection) -> list[BuiltSlice]:
    """Every slice that stands in the file system, newest first."""
    rows = connection.execute(select(slices).order_by(slices.c.built_at.desc(), slices.c.slice_id))
    return [BuiltSlice.model_validate(dict(row._mapping)) for row in rows]


def slices_of(connection: Connection, dataset: str) -> list[BuiltSlice]:
    """Those of one dataset, newest first."""
    query = select(slices).where(slices.c.dataset == dataset).order_by(slices.c.built_at.desc(), slices.c.slice_id)
    return [BuiltSlice.model_validate(dict(row._mapping)) for row in connection.execute(query)]


def forget_slice(change: Change, slice_id: str) -> None:
    """Its directory is gone."""
    change.connection.execute(delete(slices).where(slices.c.slice_id == slice_id))
