"""What people ask of plans at the desk: what a specification would give, and what a grant's slice was planned to hold.

Guarantees: a text is bounded before it is read and read strictly; what is wrong with it is told by line, with the
nearest known word; who may ask is asked first, how often by the record, in the transaction that puts the order there.
Another person's preview cannot be told from one that does not exist. Exact counts never leave these functions: plans
are turned into their shown form here.

Does not guarantee: that two people do not compare what they see. The record and the log show both.

Threat: a text made to keep the portal busy; many previews that differ by one person; a stranger's plan.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import yaml
from sqlalchemy import Connection

from tre.domain.canonical import digest
from tre.domain.desk import permissions
from tre.domain.errors import Reason, TREError
from tre.domain.model import parse_record
from tre.domain.people import Person
from tre.domain.slices.previews import KIND, PROGRAM, WINDOW, PreviewRequest, asker_of, can_preview, check_rate
from tre.domain.slices.shown import as_shown
from tre.domain.slices.spec import SliceSpec
from tre.domain.slices.values import meant
from tre.portal import actions
from tre.portal.context import Desk, Portal
from tre.slices.populations import disclosure_of
from tre.store import datasets, grant_slices, jobs, retirements
from tre.store.grant_slices import SliceState, StoredSlice
from tre.system.resources import read_text, telling_where

MOST_TEXT = 20_000
"""Characters of a specification: a long one has two thousand. As a form it fits into what may be sent."""

PATIENCE_SECONDS = 60
"""After so long an answer is late, and the page says so."""

KEPT = timedelta(days=7)
"""How long a preview can be looked at again: the data, and who opted out, go on changing."""


@dataclass(frozen=True)
class Offer:
    """A dataset that can be asked of, and its releases, the newest first."""

    name: str
    title: str
    releases: tuple[str, ...]


@dataclass(frozen=True)
class GrantPlan:
    """The plan of a grant's slice in its shown form; `signed` is the digest that was approved."""

    slice: StoredSlice
    signed: str
    shown: dict[str, Any]

    @property
    def as_signed(self) -> bool:
        """Whether it is the very plan that was approved."""
        return bool(self.shown["planDigest"] == self.signed)


def offers(connection: Connection) -> list[Offer]:
    """Every dataset with a release that is not retired."""
    found = []
    for item in datasets.all_datasets(connection):
        retired = retirements.of_dataset(connection, item.name)
        names = tuple(
            one.name
            for one in reversed(datasets.releases_of(connection, item.name))
            if not any(other.covers(one.name) for other in retired)
        )
        found += [Offer(item.name, item.title, names)] if names else []
    return found


def read_spec(connection: Connection, text: str) -> SliceSpec:
    """The specification that somebody typed. Raises `TREError(BadInput)`, a line for each thing that is wrong."""
    if len(text) > MOST_TEXT:
        raise TREError(
            Reason.BadInput, f"This is longer than {MOST_TEXT:,} characters.", remedy="Long lists belong into a file."
        )
    found = read_text(SliceSpec, text.replace("\r\n", "\n"))
    with telling_where(found):
        _check_known(connection, found.record)
    return found.record


def _check_known(connection: Connection, spec: SliceSpec) -> None:
    known = {item.name: item.releases for item in offers(connection)}
    for key, word, offered in (
        ("dataset", spec.dataset, sorted(known)),
        ("release", spec.release, known.get(spec.dataset, ())),
    ):
        if word not in offered:
            said = f"{key}: not known here: {word}{meant([word], offered)}; known are {', '.join(offered) or 'none'}"
            raise TREError(Reason.BadInput, said, why="Only what was taken in can be asked for.", remedy="Correct it.")


def ask(desk: Desk, person: Person, text: str) -> str:
    """Have a specification planned for a person's eyes; return the order's identifier.

    Raises `TREError(NotPermitted | BadInput | RateLimited)`; the last says from when on it is possible again.
    """
    permissions.check_preview(person)
    with desk.database.read() as connection:
        spec = read_spec(connection, text)
    now, asker = desk.clock.now(), asker_of(person.subject)
    most = disclosure_of(spec.dataset, desk.layout.root).previews_per_hour
    request = jobs.JobRequest(
        program=PROGRAM,
        kind=KIND,
        subject=asker,
        payload=PreviewRequest(asker=asker, spec=spec).as_plain(),
        patience_seconds=PATIENCE_SECONDS,
    )
    said = {"asker": asker, "release": spec.release, "spec": digest(spec.as_plain())}
    event = desk.event(person.subject, "slice.preview-asked", f"dataset/{spec.dataset}", **said)
    with desk.database.change(event) as change:
        check_rate(jobs.asked_since(change.connection, PROGRAM, KIND, asker, now - WINDOW), most, now)
        return jobs.replace(change, request, now)


def own_preview(portal: Portal, connection: Connection, person: Person, identifier: str) -> jobs.Job:
    """A preview that a person asked for. Raises `TREError(ObjectNotFound)` for another's and an old one as for none."""
    found = jobs.get(connection, identifier)
    own = found is not None and (found.kind, found.subject) == (KIND, asker_of(person.subject))
    if found is None or not own or found.created_at < portal.clock.now() - KEPT:
        raise TREError(Reason.ObjectNotFound, "There is no such plan for you.", remedy="Ask for it anew.")
    return found


def own_previews(portal: Portal, connection: Connection, person: Person) -> list[jobs.Job]:
    """The latest previews that a person asked for, newest first."""
    found = jobs.of_subject(connection, PROGRAM, KIND, asker_of(person.subject))
    return [job for job in found if job.created_at >= portal.clock.now() - KEPT]


def asked_lately(portal: Portal, connection: Connection, person: Person) -> int:
    """How many previews a person asked for within the hour."""
    since = portal.clock.now() - WINDOW
    return len(jobs.asked_since(connection, PROGRAM, KIND, asker_of(person.subject), since))


def can_ask(portal: Portal, connection: Connection, person: Person, dataset: str) -> bool:
    """Whether there is another preview of a dataset for a person now."""
    now = portal.clock.now()
    asked = jobs.asked_since(connection, PROGRAM, KIND, asker_of(person.subject), now - WINDOW)
    most = disclosure_of(dataset, portal.layout.root).previews_per_hour
    return permissions.can_preview(person) and can_preview(asked, most, now)


def spec_of(job: jobs.Job) -> SliceSpec:
    """What a preview asks for. Raises `TREError(BadInput)` where the language has changed since."""
    return parse_record(PreviewRequest, job.payload, source="the request").spec


def spec_text(spec: SliceSpec) -> str:
    """A specification as somebody would write it: read again it is the same."""
    plain = spec.model_dump(mode="json", by_alias=True, exclude_none=True, exclude_defaults=True)
    return yaml.safe_dump(plain, sort_keys=False, allow_unicode=True, width=100)


def grant_plan(portal: Portal, connection: Connection, person: Person, name: str, slice_name: str) -> GrantPlan:
    """The plan from which a grant's slice was built, or which was approved for it.

    Raises `TREError(GrantNotFound)` for who may not see the grant, `TREError(SliceNotFound)` where there is none.
    """
    grant = actions.visible_grant(connection, person, name)
    found = next((one for one in grant_slices.of_grant(connection, grant.name) if one.name == slice_name), None)
    signed = grant.spec.signed_plan_digest(slice_name) if found is not None else ""
    plan = datasets.get_plan(connection, found.plan_digest or signed) if found is not None else None
    if found is None or plan is None:
        raise TREError(
            Reason.SliceNotFound,
            "There is no plan of this slice yet.",
            why="It was not planned here so far, or the project has no slice of that name.",
            remedy="Look again when the data are being prepared.",
        )
    rule = disclosure_of(plan.spec.dataset, portal.layout.root).small_numbers
    built = found.state is SliceState.Ready and found.plan_digest == plan.plan_digest
    return GrantPlan(found, signed, as_shown(plan, rule) | {"built": built})
