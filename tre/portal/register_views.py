"""What the public pages say of a project and of a dataset, put together for their templates.

Guarantees: counts of people and images come from what the storekeeper wrote for the public, small ones hidden; a thing
that is not known is said to be not known; nobody is named but applicants whom the approval lists for publication.

Does not guarantee: that a number is of this minute: it is of the last time the slice was written.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import NamedTuple

from sqlalchemy import Connection

from tre.domain.committee.published import PublicDecision
from tre.domain.datasets import Dataset
from tre.domain.grants.models import GrantRecord, GrantSlice
from tre.domain.grants.register import OptOutAnswer, RegisterDetails
from tre.domain.names import slice_id
from tre.domain.register.slices import SITE, PublicDimension, PublicShare, PublicSlice
from tre.domain.slices.shown import HIDDEN, Shown, SmallNumbers
from tre.domain.slices.vocabulary import CLINICAL_COLUMNS
from tre.portal import account_public
from tre.portal.account_public import PublicIncident, PublicOutcome
from tre.slices import planwords
from tre.store import committee_told, datasets, optouts, register
from tre.store.register import Outputs
from tre.system.languages import gettext, gettext_noop, separated

CITATION = gettext_noop(
    "This work uses data provided by patients and collected by the NHS as part of their care and support."
)
PEOPLE = ("age_band", "sex", "ethnicity_group", "covid_status")
"""Ways to divide people that a page shows, in this order; what else there is stands in the committee's plan."""

NEVER_RECORDED = ("the part of the country people live in", "how well off they are")
"""What no dataset here records: said, so that nobody takes silence for balance."""

NOTHING_ASKED = Outputs(asked=0, refused=0, released=0)
_RULE = SmallNumbers()


def counted(shown: Shown, small: int = _RULE.suppress_below) -> str:
    """A shown count in words: `about 1,235`, `fewer than 8`, `none`."""
    if shown == HIDDEN:
        return gettext("fewer than %(count)s", count=small)
    return gettext("about %(count)s", count=separated(shown)) if shown else gettext("none")


class Row(NamedTuple):
    """One category: its parts of 1,000 in words, whether fewer than expected, and the widths of its bars."""

    category: str
    here: str
    dataset: str
    population: str
    fewer: bool
    bars: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class Group:
    """One way to divide people, ready to be shown: its heading, whether a population and a project stand beside."""

    heading: str
    dimension: PublicDimension
    compared: bool

    here: bool

    def rows(self) -> list[Row]:
        """A row for each category of which anything is told."""
        return [self._row(one) for one in self.dimension.shares if one.here or one.dataset or one.population]

    def _row(self, one: PublicShare) -> Row:
        shares = {"here": one.here, "dataset": one.dataset, "population": one.population}
        shown = [kind for kind in shares if (self.here or kind != "here") and (self.compared or kind != "population")]
        bars = tuple((kind, share if isinstance(share := shares[kind], int) else 0) for kind in shown)
        said = (_part(one.here), _part(one.dataset), _part(one.population))
        return Row(planwords.category(one.category), *said, one.fewer, bars)

    @property
    def fewer(self) -> list[str]:
        """Categories with fewer people than expected."""
        return [planwords.category(one.category) for one in self.dimension.shares if one.fewer]


def _part(share: Shown | None) -> str:
    return "–" if share is None else gettext("too few to show") if share == HIDDEN else separated(share)


def groups_of(told: PublicSlice, *, here: bool) -> list[Group]:
    """Who is represented, in the ways that a page shows."""
    found = [(name, told.dimension(name)) for name in PEOPLE]
    return [
        Group(planwords.heading(name), one, any(share.population is not None for share in one.shares), here)
        for name, one in found
        if one is not None and one.shares
    ]


def named(told: PublicSlice, dimension: str, *, everywhere: bool = False) -> list[str]:
    """Categories of which there is something here (or in the whole dataset), in words, without the hidden ones."""
    found = told.dimension(dimension)
    shares = () if found is None else found.shares
    counts = [(one.category, one.dataset if everywhere else one.here) for one in shares]
    return [planwords.category(category) for category, count in counts if count and count != HIDDEN]


@dataclass(frozen=True)
class DataPart:
    """One slice of a project; `told` is None until it was built."""

    name: str
    dataset: str
    title: str
    release: str
    asked: tuple[str, ...]
    told: PublicSlice | None

    @property
    def people(self) -> str:
        """How many people."""
        return gettext("not counted yet") if self.told is None else counted(self.told.people, self.told.small)

    @property
    def images(self) -> str:
        """How many images."""
        return gettext("not counted yet") if self.told is None else counted(self.told.images, self.told.small)

    @property
    def kinds(self) -> str:
        """Kinds of image."""
        return (
            gettext("not counted yet")
            if self.told is None
            else ", ".join(named(self.told, "modality")) or gettext("too few to show")
        )

    @property
    def dates(self) -> str:
        """From which quarter to which the examinations are."""
        quarters = [] if self.told is None else sorted(named(self.told, "study_quarter"))
        known = [one for one in quarters if one != planwords.category("unknown")]
        if not known:
            return gettext("not told")
        return known[0] if known[0] == known[-1] else gettext("%(first)s to %(last)s", first=known[0], last=known[-1])

    @property
    def given(self) -> list[str]:
        """What is told of each person."""
        return [] if self.told is None else [planwords.column(name) for name in self.told.columns]

    @property
    def kept_back(self) -> list[str]:
        """What the dataset has and the project does not get."""
        if self.told is None:
            return []
        return [planwords.column(name) for name in CLINICAL_COLUMNS if name not in self.told.columns]

    @property
    def groups(self) -> list[Group]:
        """Who is represented."""
        return [] if self.told is None else groups_of(self.told, here=True)

    @property
    def fewer(self) -> list[str]:
        """Groups with fewer people than expected, with what they are groups of."""
        return [f"{group.heading.lower()}: {', '.join(group.fewer)}" for group in self.groups if group.fewer]


@dataclass(frozen=True)
class OptOutView:
    """Opt-outs of one dataset: how many people, when a list was applied last, and how many projects it reached."""

    title: str
    count: Shown
    last: datetime | None

    @property
    def people(self) -> str:
        """How many, in words."""
        return counted(self.count)


@dataclass(frozen=True)
class ProjectPage:
    """What a project's page shows beside its basic facts."""

    details: RegisterDetails
    parts: tuple[DataPart, ...]
    outputs: Outputs
    opt_outs: tuple[OptOutView, ...]

    @property
    def withheld(self) -> list[tuple[str, str]]:
        """What is not told, and why."""
        return [(gettext(spaced(one.field)), one.reason) for one in self.details.withheld]

    @property
    def honours_opt_outs(self) -> bool:
        """Whether opt-outs apply: where the approval does not say, they do, since the service applies each it gets."""
        return self.details.opt_outs is None or self.details.opt_outs.applied is not OptOutAnswer.no


def spaced(field: str) -> str:
    """A column of the register in words: its name with spaces."""
    return "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in field)


class Known:
    """The datasets, and their opt-outs, read once for however many projects are shown.

    For `many` projects it is also read once which of them ever asked for a file to leave (most never did), what was
    decided of them and what came of them.
    """

    def __init__(self, connection: Connection, *, many: bool = False) -> None:
        self._connection = connection
        self._asked = register.askers(connection) if many else None
        self.datasets = {item.name: item for item in datasets.all_datasets(connection)}
        self._opt_outs: dict[str, OptOutView] = {}

    def decisions(self, project: str) -> list[PublicDecision]:
        """What was decided of a project, the latest first."""
        if self._asked is None:
            return committee_told.decisions_on(self._connection, project)
        return self._all_decisions.get(project, [])

    @cached_property
    def _all_decisions(self) -> dict[str, list[PublicDecision]]:
        return committee_told.decisions_by_project(self._connection)

    def incidents(self, project: str) -> list[PublicIncident]:
        """Incidents that concern a project, the latest first."""
        return self._all_incidents.get(project, [])

    @cached_property
    def _all_incidents(self) -> dict[str, list[PublicIncident]]:
        found: dict[str, list[PublicIncident]] = {}
        for one in account_public.incidents(self._connection):
            found.setdefault(one.project or "", []).append(one)
        return found

    def outcomes(self, project: str) -> list[PublicOutcome]:
        """What came of a project, the latest first."""
        if self._asked is None:
            return account_public.outcomes(self._connection, project)
        return self._all_outcomes.get(project, [])

    @cached_property
    def _all_outcomes(self) -> dict[str, list[PublicOutcome]]:
        found: dict[str, list[PublicOutcome]] = {}
        for one in account_public.outcomes(self._connection):
            found.setdefault(one.project, []).append(one)
        return found

    def title(self, dataset: str) -> str:
        """What a dataset is called; its name where it is not known here any more."""
        return self.datasets[dataset].title if dataset in self.datasets else dataset

    def has_asked(self, project: str) -> bool:
        """Whether a project ever began to ask for a file to leave."""
        return register.has_asked(self._connection, project) if self._asked is None else project in self._asked

    def opt_outs(self, dataset: str) -> OptOutView:
        """How many opted out of a dataset that is known, and when a list of them was applied last."""
        if dataset not in self._opt_outs:
            self._opt_outs[dataset] = opt_outs_of(self._connection, self.datasets[dataset])
        return self._opt_outs[dataset]


def project_page(connection: Connection, grant: GrantRecord, known: Known) -> ProjectPage:
    """Everything of one project that is not in its row of the list."""
    ids = {item.name: slice_id(grant.name, item.name) for item in grant.spec.slices}
    told = register.told_of(connection, list(ids.values()))
    parts = tuple(_part_of(item, known, told.get(ids[item.name])) for item in grant.spec.slices)
    used = dict.fromkeys(item.dataset for item in grant.spec.slices if item.dataset in known.datasets)
    return ProjectPage(
        details=(grant.spec.register_details or RegisterDetails()).as_told(),
        parts=parts,
        outputs=register.outputs(connection, grant.name) if known.has_asked(grant.name) else NOTHING_ASKED,
        opt_outs=tuple(known.opt_outs(name) for name in used),
    )


def _part_of(item: GrantSlice, known: Known, told: PublicSlice | None) -> DataPart:
    asked = tuple(planwords.asked(item.spec.as_plain()))
    linked = item.dataset if item.dataset in known.datasets else ""
    return DataPart(item.name, linked, known.title(item.dataset), item.release, asked, told)


def opt_outs_of(connection: Connection, dataset: Dataset) -> OptOutView:
    """How many opted out of a dataset, and when a list of them was applied last."""
    people, last = optouts.applied(connection, dataset.name)
    return OptOutView(dataset.title, _RULE.shown(people), last)


@dataclass(frozen=True)
class DatasetPage:
    """What a dataset's page shows; `told` is None until a first slice was built of it."""

    name: str
    title: str
    release: str | None
    people: str
    images: str
    told: PublicSlice | None
    opt_outs: OptOutView
    projects: int
    running: int

    @property
    def kinds(self) -> list[str]:
        """Kinds of image."""
        return [] if self.told is None else named(self.told, "modality", everywhere=True)

    @property
    def groups(self) -> list[Group]:
        """Who is in the whole dataset, beside the population."""
        return [] if self.told is None else groups_of(self.told, here=False)

    @property
    def hospitals(self) -> list[str] | None:
        """Codes of the hospitals that the data come from; None where the dataset does not publish them."""
        if self.told is None or self.told.dimension(SITE) is None:
            return None
        return sorted(named(self.told, SITE, everywhere=True))


def dataset_page(connection: Connection, dataset: Dataset) -> DatasetPage:
    """Everything that the public reads of a dataset."""
    counts = register.release_counts(connection, dataset.name)
    use = register.use_of(connection, dataset.name)
    shown = [] if counts is None else [counted(_RULE.shown(counts.people)), counted(_RULE.shown(counts.images))]
    people, images = shown or [gettext("not counted yet")] * 2
    return DatasetPage(
        name=dataset.name,
        title=dataset.title,
        release=None if counts is None else counts.release,
        people=people,
        images=images,
        told=register.latest_of(connection, dataset.name),
        opt_outs=opt_outs_of(connection, dataset),
        projects=use.projects,
        running=use.running,
    )
