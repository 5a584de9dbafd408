"""What a data manager's pages and the API show of datasets and of quarantine, gathered for one person and one moment.

Guarantees: nobody is named: of a file in quarantine its digest, its size, its reasons and its clock are shown, neither
its path, which holds a pseudonym, nor any value. Numbers come from the record; what stayed out of a release is what
its own event says.

Does not guarantee: that a release's files are there: `tre slice verify` and the storekeeper's sweep compare.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from tre.domain.datasets import BuiltSlice, Dataset, Release
from tre.domain.desk import permissions
from tre.domain.people import Person
from tre.domain.quarantine import LOOKED_AT_WITHIN, QuarantinedFile, QuarantineState
from tre.domain.retirement import Retirement
from tre.portal.context import Portal
from tre.portal.data_words import DECISIONS, EVENTS, told
from tre.portal.histories import HistoryLine, actor_words
from tre.store import datasets, events, grant_slices, quarantine, retirements
from tre.store.events import EventSearch, StoredEvent
from tre.store.quarantine import Chosen, QuarantineSearch

PAGE = 25
"""Files of quarantine on one page."""

_HISTORY = 60
"""Latest events that are told."""


@dataclass(frozen=True)
class ReleaseView:
    """A release: its counts, its tiers, how many files stayed out or waited, by rule, where that is `told`, and whether
    nothing new is given from it."""

    release: Release
    retired: bool
    told: bool
    tiers: tuple[str, ...]
    refused: Mapping[str, int]
    quarantined: Mapping[str, int]


@dataclass(frozen=True)
class SliceUse:
    """A slice that stands, and the project it is for."""

    slice: BuiltSlice
    grant: str


@dataclass(frozen=True)
class DatasetView:
    """A dataset for a data manager, newest release first."""

    dataset: Dataset
    releases: tuple[ReleaseView, ...]
    retirements: tuple[Retirement, ...]
    withdrawn: int
    waiting: int
    late: int
    slices: tuple[SliceUse, ...]
    actions: tuple[str, ...]


def dataset_view(portal: Portal, connection: Connection, person: Person, dataset: Dataset) -> DatasetView:
    """One dataset, now."""
    waiting = sum(group.files for group in quarantine.waiting_groups(connection, dataset.name))
    overdue = QuarantineSearch(dataset.name, QuarantineState.waiting, until=portal.clock.now() - LOOKED_AT_WITHIN)
    decidable = waiting > 0 and permissions.can_manage_data(person)
    may = {"withdraw": permissions.can_withdraw(person), "decide": decidable}
    retired = tuple(retirements.of_dataset(connection, dataset.name))
    return DatasetView(
        dataset=dataset,
        releases=_releases(connection, dataset.name, retired),
        retirements=retired,
        withdrawn=len(datasets.deny_set(connection, dataset.name).pseudonyms),
        waiting=waiting,
        late=quarantine.choice(connection, overdue).files,
        slices=_slices(connection, dataset.name),
        actions=tuple(name for name, permitted in may.items() if permitted),
    )


def _releases(connection: Connection, name: str, retired: Iterable[Retirement]) -> tuple[ReleaseView, ...]:
    wanted = EventSearch(object=f"dataset/{name}", kind="release.published", limit=events.MAX_PAGE)
    said = {stored.event.detail.get("release"): stored.event.detail for stored in events.search(connection, wanted)}
    found = datasets.releases_of(connection, name)[::-1]
    offered = {one.name: not any(other.covers(one.name) for other in retired) for one in found}
    return tuple(_release(one, said.get(one.name, {}), retired=not offered[one.name]) for one in found)


def _release(release: Release, said: dict[str, Any], *, retired: bool) -> ReleaseView:
    refused, waited = (dict(sorted(said.get(key, {}).items())) for key in ("refused", "quarantined"))
    return ReleaseView(release, retired, bool(said), tuple(said.get("tiers", ())), refused, waited)


def _slices(connection: Connection, name: str) -> tuple[SliceUse, ...]:
    found = []
    for built in datasets.slices_of(connection, name):
        used = grant_slices.with_slice_id(connection, built.slice_id)
        found.append(SliceUse(built, used.grant if used is not None else ""))
    return tuple(found)


def decision_lines(connection: Connection, dataset: str) -> list[HistoryLine]:
    """The latest decisions about files of a dataset, newest first: how many, why, who."""
    return _told(connection, [stored for kind in DECISIONS for stored in _events(connection, dataset, kind)])


def history_of(connection: Connection, dataset: str) -> list[HistoryLine]:
    """What happened to a dataset of late, decisions among it, newest first."""
    return _told(connection, _events(connection, dataset))


def _events(connection: Connection, dataset: str, kind: str | None = None) -> list[StoredEvent]:
    return events.search(connection, EventSearch(object=f"dataset/{dataset}", kind=kind, limit=_HISTORY))


def _told(connection: Connection, found: list[StoredEvent]) -> list[HistoryLine]:
    lines = []
    for stored in sorted(found, key=lambda one: one.number, reverse=True):
        event = stored.event
        if event.kind in DECISIONS:
            count = int(event.detail.get("files", 0))
            text, detail = DECISIONS[event.kind][count != 1].format(f"{count:,}"), str(event.detail.get("reason", ""))
        elif event.kind in EVENTS:
            text, detail = EVENTS[event.kind], told(event.kind, event.detail)
        else:
            continue
        lines.append(HistoryLine(text, detail, event.at, actor_words(connection, event.actor)))
    return lines[:_HISTORY]


@dataclass(frozen=True)
class FileView:
    """One file in quarantine: what it waits for, its clock, and what was decided by whom."""

    file: QuarantinedFile
    late: bool
    decided_by: str
    actions: tuple[str, ...]


@dataclass(frozen=True)
class QuarantineView:
    """A page of the files that a search finds, and the whole of them in figures."""

    dataset: Dataset
    search: QuarantineSearch
    files: tuple[FileView, ...]
    chosen: Chosen
    first: int

    @property
    def beside(self) -> list[tuple[str, str, int]]:
        """What files of the search wait for beside what was searched for: rule, attribute, how many."""
        asked = (self.search.rule, self.search.attribute)
        return [
            (rule, attribute, count)
            for (rule, attribute), count in sorted(self.chosen.reasons.items())
            if not (rule == asked[0] and asked[1] in {"", attribute})
        ]


def quarantine_view(
    portal: Portal, connection: Connection, person: Person, search: QuarantineSearch, first: int = 0
) -> QuarantineView:
    """What a search finds, for one person, now. Raises `TREError(DatasetNotFound)`."""
    now = portal.clock.now()
    found = quarantine.files_of(connection, search, first, PAGE)
    who = {one.decided_by.key: actor_words(connection, one.decided_by) for one in found if one.decided_by is not None}
    return QuarantineView(
        dataset=datasets.require(connection, search.dataset),
        search=search,
        files=tuple(
            FileView(
                file=one,
                late=one.is_late(now),
                decided_by=who[one.decided_by.key] if one.decided_by is not None else "",
                actions=tuple(permissions.quarantine_actions(person, one)),
            )
            for one in found
        ),
        chosen=quarantine.choice(connection, search),
        first=first,
    )
