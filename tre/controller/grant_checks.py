"""Whether what a grant names is there: data, people, profiles, policies, and time left.

Guarantees: every problem of a grant is found before anything is changed, each with the key it is about, whatever
source the grant comes from. What can only be decided later (evidence, whether the signed plan covers today's, a person
who has yet to sign in) is not refused here: the controller keeps it as a condition of the grant.

Does not guarantee: that a slice can be built, where whoever asks cannot read the data. The storekeeper finds that out.

Threat: a slip of the keyboard in a date or a name, which ends a project for good or waits for ever.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from sqlalchemy import Connection

from tre.airlock.policy import directories, load_policy
from tre.domain.clock import Clock
from tre.domain.datasets import Release
from tre.domain.errors import Reason, TREError
from tre.domain.grants.conditions import unmet
from tre.domain.grants.models import AccessGrant, GrantSlice
from tre.domain.grants.policies import effective_end
from tre.domain.grants.states import ENDED_PHASES
from tre.domain.people import LOCAL_ISSUER
from tre.domain.retirement import check_offered
from tre.store import datasets, grant_slices, people, retirements
from tre.store import grants as store
from tre.system.layout import Layout
from tre.system.settings import Settings

Place = tuple[str | int, ...]
NAME: Place = ("metadata", "name")

CheckSlice = Callable[[Connection, GrantSlice, Release], None]
"""Raises `TREError` where a slice cannot be built from the release that it names."""


@dataclass(frozen=True)
class Problem:
    """One thing that is not as it must be: the key it is about, and what is due there."""

    reason: Reason
    location: Place
    expected: str

    def as_error(self) -> TREError:
        """The same for a source without lines."""
        key = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in self.location).lstrip(".")
        return TREError(
            self.reason,
            f"{key}: {self.expected}.",
            why="What a grant names must be there, and its time must not be over, before it counts.",
        )


@dataclass(frozen=True)
class CheckTerms:
    """What a grant is checked against; without `check_slice` slices are only looked up by name."""

    layout: Layout
    settings: Settings
    clock: Clock
    check_slice: CheckSlice | None = None


def problems_of(terms: CheckTerms, connection: Connection, grant: AccessGrant) -> Iterator[Problem]:
    """Everything that is wrong with a grant beyond its form."""
    yield from _of_name(connection, grant)
    yield from _of_time(terms, grant)
    for number, wanted in enumerate(grant.spec.slices):
        yield from _of_slice(terms, connection, wanted, ("spec", "slices", number))
        yield from _of_offer(connection, grant, wanted, ("spec", "slices", number, "release"))
    for number, expected in unmet(grant.spec):
        yield Problem(Reason.BadInput, ("spec", "conditions", number), expected)
    yield from _of_members(terms, connection, grant)
    yield from _of_terms(terms, grant)


def _of_name(connection: Connection, grant: AccessGrant) -> Iterator[Problem]:
    before = store.get(connection, grant.metadata.name)
    if before is None:
        return
    if before.phase in ENDED_PHASES:
        text = f"this grant has ended ({before.phase}); a new approval needs a grant of a new name"
        yield Problem(Reason.StateForbids, NAME, text)
    owner = before.spec.project.organisation.id
    if owner != grant.spec.project.organisation.id:  # its members would find the other project's shared folder
        text = f"a grant of this name is on record for the organisation {owner!r}; give this one another name"
        yield Problem(Reason.Conflict, NAME, text)


def _of_time(terms: CheckTerms, grant: AccessGrant) -> Iterator[Problem]:
    end = effective_end(grant.spec)
    if end.at <= terms.clock.now():
        key: Place = ("legalBasis", "ends") if end.reason is Reason.LegalBasisEnded else ("expires",)
        text = f"a time to come is due; {end.at:%Y-%m-%d %H:%M:%S}Z has passed. To end a grant, use `tre grant revoke`"
        yield Problem(Reason.BadInput, ("spec", *key), text)


def _of_offer(connection: Connection, grant: AccessGrant, wanted: GrantSlice, place: Place) -> Iterator[Problem]:
    """What is retired is given to nobody anew; a grant that has it keeps it, whatever else changes in the grant."""
    before = grant_slices.of_grant(connection, grant.metadata.name)
    if (wanted.dataset, wanted.release) in {(one.dataset, one.release) for one in before}:
        return
    try:
        check_offered(retirements.of_dataset(connection, wanted.dataset), wanted.release)
    except TREError as error:
        yield Problem(error.reason, place, f"{error.what} {error.why}")


def _of_slice(terms: CheckTerms, connection: Connection, wanted: GrantSlice, place: Place) -> Iterator[Problem]:
    if datasets.get(connection, wanted.dataset) is None:
        known = _listed(one.name for one in datasets.all_datasets(connection))
        text = f"there is no dataset {wanted.dataset!r}; there is {known}"
        yield Problem(Reason.DatasetNotFound, (*place, "dataset"), text)
        return
    release = datasets.release(connection, wanted.dataset, wanted.release)
    if release is None:
        known = _listed(one.name for one in datasets.releases_of(connection, wanted.dataset))
        text = f"the dataset {wanted.dataset!r} has no release {wanted.release!r}; it has {known}"
        yield Problem(Reason.ReleaseNotFound, (*place, "release"), text)
        return
    if terms.check_slice is None:
        return
    try:
        terms.check_slice(connection, wanted, release)
    except TREError as error:
        yield Problem(error.reason, (*place, "spec"), " ".join(part for part in (error.what, error.why) if part))


def _of_members(terms: CheckTerms, connection: Connection, grant: AccessGrant) -> Iterator[Problem]:
    oidc = terms.settings.oidc if terms.settings.auth == "oidc" else None
    issuer = LOCAL_ISSUER if oidc is None else oidc.issuer
    for number, member in enumerate(grant.spec.members):
        place, subject = ("spec", "members", number, "subject"), member.subject
        if subject.issuer != issuer:
            text = f"nobody signs in here by {subject.issuer!r}; people sign in by {issuer!r}"
            yield Problem(Reason.MemberNotFound, (*place, "issuer"), text)
        elif oidc is None and people.by_subject(connection, subject) is None:  # made with the account
            text = f"there is no local account {subject.id!r}; make it with `tre user add {subject.id}`"
            yield Problem(Reason.MemberNotFound, (*place, "id"), text)


def _of_terms(terms: CheckTerms, grant: AccessGrant) -> Iterator[Problem]:
    spec = grant.spec
    if spec.workspace.profile not in terms.settings.profiles:
        text = (
            f"there is no profile {spec.workspace.profile!r} in tre.yaml; there is {_listed(terms.settings.profiles)}"
        )
        yield Problem(Reason.PolicyMissing, ("spec", "workspace", "profile"), text)
    try:
        load_policy(spec.export.policy, directories(terms.layout.root))
    except TREError as error:
        yield Problem(error.reason, ("spec", "export", "policy"), f"{error.what} {error.why}".strip())


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "none"
