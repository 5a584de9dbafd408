"""Whether what grant files name is there: data, people, profiles, policies, and time left.

Guarantees: every problem of every file is found before anything is changed, each with file, line and key. What can
only be decided later (evidence, whether the signed plan covers today's, a person who has yet to sign in) is not
refused here: the controller keeps it as a condition of the grant.

Threat: a slip of the keyboard in a date or a name, which ends a project for good or waits for ever.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from sqlalchemy import Connection

from tre.airlock.policy import directories, load_policy
from tre.cli.common import Installation, when
from tre.cli.dataset import office_of
from tre.domain.errors import Reason, TREError
from tre.domain.grants.models import GrantSlice
from tre.domain.grants.policies import effective_end
from tre.domain.grants.states import ENDED_PHASES
from tre.domain.people import LOCAL_ISSUER
from tre.slices.build import check_buildable
from tre.slices.plan import PlanOrder, plan
from tre.sources.grantfile import NAME, LocatedGrant
from tre.store import datasets, people
from tre.store import grants as store
from tre.system.resources import refusal

Place = tuple[str | int, ...]


@dataclass(frozen=True)
class Problem:
    """One thing that is not as it must be."""

    reason: Reason
    location: Place
    expected: str


def check_grants(here: Installation, found: list[LocatedGrant]) -> None:
    """Raise one `TREError` that lists everything, with the reason of the first problem."""
    with here.database.read() as connection:
        problems = [(item, problem) for item in found for problem in _problems(here, connection, item)]
    if problems:
        lines = (item.problem(problem.location, problem.expected) for item, problem in problems)
        why = "What a grant names must be there, and its time must not be over, before it counts."
        raise refusal(lines, problems[0][1].reason, why=why)


def _problems(here: Installation, connection: Connection, item: LocatedGrant) -> Iterator[Problem]:
    yield from _of_name(connection, item)
    yield from _of_time(here, item)
    for number, wanted in enumerate(item.record.spec.slices):
        yield from _of_slice(here, connection, wanted, ("spec", "slices", number))
    yield from _of_members(here, connection, item)
    yield from _of_terms(here, item)


def _of_name(connection: Connection, item: LocatedGrant) -> Iterator[Problem]:
    before = store.get(connection, item.record.metadata.name)
    if before is None:
        return
    if before.phase in ENDED_PHASES:
        text = f"this grant has ended ({before.phase}); a new approval needs a grant of a new name"
        yield Problem(Reason.StateForbids, NAME, text)
    owner = before.spec.project.organisation.id
    if owner != item.record.spec.project.organisation.id:  # its members would find the other project's shared folder
        text = f"a grant of this name is on record for the organisation {owner!r}; give this one another name"
        yield Problem(Reason.Conflict, NAME, text)


def _of_time(here: Installation, item: LocatedGrant) -> Iterator[Problem]:
    end = effective_end(item.record.spec)
    if end.at <= here.clock.now():
        key: Place = ("legalBasis", "ends") if end.reason is Reason.LegalBasisEnded else ("expires",)
        text = f"a time to come is due; {when(end.at)} has passed. To end a grant, use `tre grant revoke`"
        yield Problem(Reason.BadInput, ("spec", *key), text)


def _of_slice(here: Installation, connection: Connection, wanted: GrantSlice, place: Place) -> Iterator[Problem]:
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
    denied = datasets.deny_set(connection, wanted.dataset)
    order = PlanOrder(
        spec=wanted.spec,
        release=office_of(here).dataset(wanted.dataset).release(wanted.release),
        index_digest=release.index_digest,
        denied=denied.pseudonyms,
        deny_version=denied.version,
    )
    try:
        check_buildable(plan(order))
    except TREError as error:
        yield Problem(error.reason, (*place, "spec"), " ".join(part for part in (error.what, error.why) if part))


def _of_members(here: Installation, connection: Connection, item: LocatedGrant) -> Iterator[Problem]:
    oidc = here.settings.oidc if here.settings.auth == "oidc" else None
    issuer = LOCAL_ISSUER if oidc is None else oidc.issuer
    for number, member in enumerate(item.record.spec.members):
        place, subject = ("spec", "members", number, "subject"), member.subject
        if subject.issuer != issuer:
            text = f"nobody signs in here by {subject.issuer!r}; people sign in by {issuer!r}"
            yield Problem(Reason.MemberNotFound, (*place, "issuer"), text)
        elif oidc is None and people.account(connection, subject.id) is None:
            text = f"there is no local account {subject.id!r}; make it with `tre user add {subject.id}`"
            yield Problem(Reason.MemberNotFound, (*place, "id"), text)


def _of_terms(here: Installation, item: LocatedGrant) -> Iterator[Problem]:
    spec = item.record.spec
    if spec.workspace.profile not in here.settings.profiles:
        text = f"there is no profile {spec.workspace.profile!r} in tre.yaml; there is {_listed(here.settings.profiles)}"
        yield Problem(Reason.PolicyMissing, ("spec", "workspace", "profile"), text)
    try:
        load_policy(spec.export.policy, directories(here.layout.root))
    except TREError as error:
        yield Problem(error.reason, ("spec", "export", "policy"), f"{error.what} {error.why}".strip())


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "none"
