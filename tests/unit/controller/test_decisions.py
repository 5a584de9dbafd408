"""From the handing in to the grant in force: planned, voted on, decided, signed; and everything that must not be."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.support.applications import (
    AUTHOR,
    OTHER_PLAN,
    PLAN,
    SEATS,
    TERMS,
    act,
    content_plain,
    policy,
    seat,
    slice_of,
    text,
)
from tests.support.databases import Backend, Sqlite
from tests.support.factories import ALICE, NOON
from tests.support.power_cuts import Cutter
from tests.unit.controller.conftest import World
from tre.controller.decisions import ApplicationReconciler
from tre.controller.reconciler import Reconciler
from tre.controller.tracking import ConditionKeeper
from tre.domain.applications import acts
from tre.domain.applications.models import Application, Lane
from tre.domain.applications.states import ApplicationState
from tre.domain.canonical import digest
from tre.domain.committee.decision import check_grant
from tre.domain.errors import Reason, TREError
from tre.domain.grants.models import API_VERSION, AccessGrant, Metadata
from tre.domain.grants.states import GrantPhase
from tre.domain.people import Person
from tre.sources.decisions import check_record
from tre.sources.signed import COMMITTEE, load_signers
from tre.store import applications as store
from tre.store import committee, grant_sources, grants, jobs

_S = ApplicationState
CHOICES = ("approve", "approve", "approve", "approve")


class Committee(World):
    """A controller with a committee; plans are what `plans` says of their slices."""

    def __init__(self, backend: Backend, root: Path) -> None:
        super().__init__(backend, root)
        self.plans: dict[str, str] = {}
        self.covered = True
        self.failing: dict[str, TREError] = {}
        self._make_key()
        self.begin()
        with self.database.change(self.event("seat.added", "seat/all")) as change:
            for one in SEATS:
                committee.add_seat(change, one, TERMS)

    def _make_key(self) -> None:
        signers = self.layout.keys / "committee-signers"
        signers.mkdir()
        key = Ed25519PrivateKey.generate()
        self.layout.committee_key.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        form = serialization.PublicFormat.SubjectPublicKeyInfo
        (signers / "one.pub").write_bytes(key.public_key().public_bytes(serialization.Encoding.PEM, form))

    def begin(self) -> None:
        """A controller that was started in place of another."""
        self.reconciler._feed.close()
        self.reconciler = Reconciler(self.context, self.reconciler._tapped)
        self.reconciler.handlers["application"] = ApplicationReconciler(self.context).reconcile
        self.reconciler.handlers["condition"] = ConditionKeeper(self.context).reconcile

    def restart(self) -> None:
        """Another one, on the record as it is now."""
        for one in (self.database, self.context.database):
            one.close()
        self.begin()

    def answer(self, job: jobs.Job) -> dict[str, Any]:
        if job.kind == "slice.plan":
            name = job.subject.split("/")[3]
            digest = self.plans.get(name, PLAN)
            seen = job.payload.get("signed")
            return {"planDigest": digest} | ({} if seen is None else {"covered": seen == digest or self.covered})
        found = super().answer(job)
        return found | ({"planDigest": job.payload["signedPlanDigest"]} if job.kind == "slice.build" else {})

    def do_jobs(self) -> None:
        for job in self._waiting():
            if job.kind == "slice.plan" and (error := self.failing.get(job.subject.split("/")[3])) is not None:
                with self.database.change(self.event("job.failed", job.subject)) as change:
                    jobs.take(change, job.id, self.clock.now())
                    jobs.fail(change, job.id, error, self.clock.now())
        super().do_jobs()

    def _waiting(self) -> list[jobs.Job]:
        with self.database.read() as connection:
            return list(jobs.waiting(connection, "storekeeper", self.clock.now()))

    def hand_in(self, varies: str | None = None, person: Person = AUTHOR, **changes: Any) -> str:
        with self.database.change(self.event("application.begun", "application/new")) as change:
            first = store.begin(change, person, self.clock.now(), varies)
            typed = acts.edit(first, person, content_plain(**changes), self.clock.now())
            typed = store.save(change, first, typed)
            handed = store.save(change, typed, acts.submit(typed, person, self.clock.now()))
            change.record(store.event_of("submitted", handed, person.subject, self.clock.now()))
            return handed.id

    def application(self, name: str) -> Application:
        with self.database.read() as connection:
            return store.require(connection, name)

    def cast(self, name: str, *choices: str) -> None:
        """A vote of each of the seats in their order."""
        for one, choice in zip(SEATS, choices, strict=False):
            who = one.subject.id
            with self.database.change(self.event("committee.voted", f"application/{name}")) as change:
                found = store.require(change.connection, name)
                doing = act(who, self.clock.now())
                committee.cast(change, name, text(choice), found.matter or "", TERMS, doing)

    def use(self, **changes: Any) -> None:
        """A policy of the site's own."""
        path = self.layout.root / "policies" / "committee.yaml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(yaml.safe_dump(policy(**changes).as_plain()))

    def offer(self, dataset: str = "nccid", *releases: str) -> None:
        offer(self, dataset, *(releases or ("2026-10-01", "2027-01-01")))

    def reviewed(self, **changes: Any) -> str:
        name = self.hand_in(**changes)
        self.settle()
        assert self.application(name).state is _S.InReview, self.application(name).message
        return name

    def approved(self) -> Application:
        name = self.reviewed()
        self.cast(name, *CHOICES)
        self.settle()
        return self.application(name)


def offer(world: World, dataset: str, *releases: str) -> None:
    """Put a dataset and its releases on record."""
    from sqlalchemy import insert

    from tre.store.tables.data import datasets
    from tre.store.tables.data import releases as table

    with world.database.change(world.event("dataset.added", f"dataset/{dataset}")) as change:
        change.connection.execute(
            insert(datasets).values(name=dataset, title="T", data_group=60000, deny_version=0, created_at=NOON)
        )
        for name in releases:
            change.connection.execute(
                insert(table).values(dataset=dataset, name=name, index_digest=PLAN, counts={}, created_at=NOON)
            )


@pytest.fixture
def here(backend: Backend, tmp_path: Path) -> Iterator[Committee]:
    found = Committee(backend, tmp_path / "root")
    found.offer()
    yield found
    found.reconciler._feed.close()


def test_an_approval_comes_into_force_with_nothing_typed_again(here: Committee) -> None:
    found = here.approved()
    assert (found.state, found.reason) == (_S.Approved, Reason.CommitteeDecided)
    assert found.grant is not None
    grant = here.grant(found.grant)
    assert (grant.phase, grant.evidence_verified) == (GrantPhase.Active, True)
    assert [one.subject.id for one in grant.spec.members] == ["alice", "bob"]
    with here.database.read() as connection:
        decision = committee.require_decision(connection, found.grant)
    check_record(decision, load_signers(here.layout.keys / "grant-signers"))
    resource = AccessGrant(
        api_version=API_VERSION, kind="AccessGrant", metadata=Metadata(name=found.grant), spec=grant.spec
    )
    check_grant(decision.record, resource)
    evidence = grant.spec.approval.evidence
    assert evidence is not None
    assert (evidence.source, evidence.digest) == (COMMITTEE, found.decision)
    kinds = here.kinds()
    assert [kind for kind in kinds if kind.startswith("application.")][-3:] == [
        "application.taken-up",
        "application.decided",
        "application.approved",
    ]
    assert kinds.count("grant.applied") == 1
    with here.database.read() as connection:
        assert grant_sources.digest_in_force(connection, str(found.grant)) == digest(resource.signed_content())


def test_looking_again_changes_nothing(here: Committee) -> None:
    here.approved()
    before = here.kinds()
    here.advance(120)
    here.restart()
    here.settle()
    assert [kind for kind in here.kinds()[len(before) :] if not kind.startswith("session")] == []


def test_without_this_services_public_key_the_grant_ends_nobodys_wait(here: Committee) -> None:
    for path in (here.layout.keys / "committee-signers").iterdir():
        path.unlink()
    found = here.approved()
    assert here.grant(found.grant or "").phase is GrantPhase.Pending
    assert not here.grant(found.grant or "").evidence_verified


def test_without_its_private_key_nothing_is_decided(here: Committee) -> None:
    here.layout.committee_key.unlink()
    found = here.approved()
    assert (found.state, found.grant) == (_S.InReview, None)


@pytest.mark.parametrize("choice", ["decline", "defer"])
def test_what_is_not_approved_makes_no_grant(here: Committee, choice: str) -> None:
    name = here.reviewed()
    here.cast(name, *[choice] * 4)
    here.settle()
    assert here.application(name).state is {"decline": _S.Declined, "defer": _S.Deferred}[choice]
    with here.database.read() as connection:
        assert grants.all_names(connection) == []
        assert len(committee.decisions_on(connection, name)) == 1


def test_a_second_round_is_decided_on_its_own_votes(here: Committee) -> None:
    name = here.reviewed()
    here.cast(name, *["defer"] * 4)
    here.settle()
    asked = here.application(name)
    with here.database.change(store.event_of("submitted", asked, ALICE, here.clock.now())) as change:
        answered = acts.answer(asked, AUTHOR, ["Because."] * len(asked.questions), here.clock.now())
        store.save(change, asked, acts.submit(answered, AUTHOR, here.clock.now()))
    here.settle()
    assert (here.application(name).state, here.application(name).round) == (_S.InReview, 2)
    here.cast(name, *CHOICES)
    here.settle()
    assert here.application(name).state is _S.Approved
    with here.database.read() as connection:
        assert [one.record.round for one in committee.decisions_on(connection, name)] == [1, 2]


def test_a_slice_that_cannot_be_planned_comes_back_with_why(here: Committee) -> None:
    here.failing["cxr"] = TREError(Reason.DatasetRetired, "The release is retired.", why="It was replaced.")
    name = here.hand_in()
    here.settle()
    found = here.application(name)
    assert (found.state, found.reason) == (_S.Deferred, Reason.DatasetRetired)
    assert found.questions[0].text == "The slice cxr cannot be planned: The release is retired. It was replaced."


def test_what_fails_for_a_while_is_asked_again(here: Committee) -> None:
    here.failing["cxr"] = TREError(Reason.StorageFull, "The disk is full.")
    name = here.hand_in()
    here.settle()
    assert here.application(name).state is _S.Submitted
    here.failing.clear()
    here.settle()
    assert here.application(name).state is _S.Submitted, "not at once"
    here.advance(60)  # the next look; a quarter of an hour would be long for a disk that has room again
    assert here.application(name).state is _S.InReview


def test_nobody_votes_on_what_could_never_come_into_force(here: Committee) -> None:
    name = here.hand_in(
        profile="enormous", people=[content_plain()["people"][1] | {"subject": {"issuer": "x", "id": "y"}}]
    )
    here.settle()
    found = here.application(name)
    assert found.state is _S.Deferred
    assert "no profile 'enormous'" in found.message
    assert "Nobody signs in here by 'x'" in found.message


def test_a_plan_that_changed_under_the_votes_makes_them_void(here: Committee) -> None:
    name = here.reviewed()
    here.plans["cxr"], here.covered = OTHER_PLAN, False
    here.cast(name, *CHOICES)
    here.settle()
    found = here.application(name)
    assert (found.state, found.plans[0].plan_digest) == (_S.InReview, OTHER_PLAN)
    assert "application.plan-changed" in here.kinds()
    with here.database.read() as connection:
        assert grants.all_names(connection) == []
    here.clock.advance(60)
    here.cast(name, *CHOICES)
    here.settle()
    assert here.application(name).state is _S.Approved


def test_opt_outs_need_no_new_vote(here: Committee) -> None:
    name = here.reviewed()
    here.plans["cxr"] = OTHER_PLAN
    here.cast(name, *CHOICES)
    here.settle()
    found = here.application(name)
    assert found.state is _S.Approved
    assert here.grant(found.grant or "").spec.approval.plan_digest == PLAN, "what people saw is what is signed"


def test_a_release_that_was_retired_meanwhile_is_not_approved(here: Committee) -> None:
    name = here.reviewed()
    here.failing["cxr"] = TREError(Reason.DatasetRetired, "The release is retired.")
    here.clock.advance(60)
    here.cast(name, *CHOICES)
    here.settle()
    assert here.application(name).state is _S.Deferred


def test_the_deadline_is_told_once_and_decides_nothing(here: Committee) -> None:
    name = here.reviewed()
    deadline = here.application(name).deadline
    assert deadline is not None
    here.advance((deadline - here.clock.now()).total_seconds())
    late = here.application(name)
    assert (late.state, late.late) == (_S.InReview, True)
    here.advance(86_400)
    assert here.kinds().count("application.overdue") == 1


def test_a_term_that_ends_opens_the_question_again_and_a_new_seat_answers_it(here: Committee) -> None:
    name = here.reviewed()
    here.storekeeper_answers = False
    here.cast(name, *CHOICES)
    here.settle()
    with here.database.change(here.event("seat.ended", "seat/pat")) as change:
        committee.end_seat(change, SEATS[3].id, "left", here.clock.now())
    here.storekeeper_answers = True
    here.settle()
    assert here.application(name).state is _S.InReview, "the patient member left before it was decided"
    new = seat("paul", "patient", begins=NOON - timedelta(days=1))
    with here.database.change(here.event("seat.added", "seat/paul")) as change:
        committee.add_seat(change, new, TERMS)
        found = store.require(change.connection, name)
        committee.cast(change, name, text("approve"), found.matter or "", TERMS, act("paul", here.clock.now()))
    here.advance(61)
    assert here.application(name).state is _S.Approved


def test_a_broken_policy_decides_nothing(here: Committee) -> None:
    here.use(members=5)
    name = here.reviewed()
    here.cast(name, *CHOICES)
    here.settle()
    assert here.application(name).state is _S.InReview
    (here.layout.root / "policies" / "committee.yaml").write_text("kind: CommitteePolicy\n")
    here.advance(120)
    assert here.application(name).state is _S.InReview


def later() -> dict[str, Any]:
    return slice_of(spec=slice_of()["spec"] | {"release": "2027-01-01"})


def test_more_time_goes_the_short_way_and_keeps_the_project(here: Committee) -> None:
    first = here.approved()
    name = here.reviewed(varies=first.grant, ends="2028-10-01T00:00:00Z")
    found = here.application(name)
    assert (found.lane, found.lane_why) == (Lane.fast, ("it ends later",))
    here.use(members=4)
    with here.database.change(here.event("seat.ended", "seat/adam")) as change:
        for one in SEATS[1:3]:
            committee.end_seat(change, one.id, "left", here.clock.now())
    for who in ("clara", "pat"):
        with here.database.change(here.event("committee.voted", f"application/{name}")) as change:
            committee.cast(change, name, text(), found.matter or "", TERMS, act(who, here.clock.now()))
    here.settle()
    done = here.application(name)
    assert (done.state, done.grant) == (_S.Approved, first.grant)
    grant = here.grant(first.grant or "")
    assert (grant.generation, grant.phase, grant.spec.expires.year) == (2, GrantPhase.Active, 2028)


def test_another_release_of_unknown_growth_is_for_everybody(here: Committee) -> None:
    first = here.approved()
    name = here.reviewed(varies=first.grant, slices=[later()])
    assert here.application(name).lane is Lane.full


def test_of_two_changes_the_second_is_looked_at_again(here: Committee) -> None:
    first = here.approved()
    one = here.reviewed(varies=first.grant, ends="2028-10-01T00:00:00Z")
    two = here.reviewed(varies=first.grant, ends="2028-01-01T00:00:00Z")
    here.cast(one, *CHOICES)
    here.settle()
    here.advance(61)
    found = here.application(two)
    assert (found.state, found.reason) == (_S.Deferred, Reason.ContentChanged)


def test_what_has_ended_is_not_changed(here: Committee) -> None:
    first = here.approved()
    name = here.reviewed(varies=first.grant, ends="2028-10-01T00:00:00Z")
    with here.database.change(here.event("grant.revoked", f"grant/{first.grant}")) as change:
        grants.revoke(change, first.grant or "", "over", here.clock.now())
    here.advance(61)
    assert here.application(name).state is _S.Deferred
    again = here.hand_in(varies=first.grant)
    here.settle()
    assert (here.application(again).state, here.application(again).reason) == (_S.Deferred, Reason.StateForbids)


def test_an_emergency_vote_ends_access_at_once(here: Committee) -> None:
    first = here.approved()
    with here.database.change(here.event("grant.stopped", f"grant/{first.grant}")) as change:
        assert committee.stop(change, first.grant or "", "a breach", policy(), act("pat", here.clock.now()))
    here.settle()
    assert here.grant(first.grant or "").phase is GrantPhase.Suspended


def test_the_power_goes_between_any_two_steps(tmp_path: Path) -> None:
    """From every commit on, whoever was interrupted comes to the same application, decision and grant, once."""
    backend = Sqlite()
    here = Committee(backend, tmp_path / "root")
    here.offer()
    cutter = Cutter(here.layout.root, tmp_path / "kept", here.runtime)
    with cutter.watching():
        name = here.reviewed()
        cutter.cut("in review")
        here.cast(name, *CHOICES)
        here.settle()
    assert here.application(name).state is _S.Approved
    verbs = ("application.taken-up", "application.decided", "application.approved", "grant.applied", "grant.activated")
    seen = 0
    for snapshot in cutter.found:
        here.database.close()
        here.context.database.close()
        snapshot.restore(here.layout.root, here.runtime)
        here.restart()
        if (found := _known(here, name)) is None:
            continue
        for one in SEATS:  # whoever had voted is told so, whoever had not votes now
            here.settle()
            _vote_if_due(here, name, one.subject.id)
        here.settle()
        here.advance(61)
        found = here.application(name)
        assert found.state is _S.Approved, snapshot.step
        grant = here.grant(found.grant or "")
        assert (grant.phase, grant.generation) == (GrantPhase.Active, 1), snapshot.step
        kinds = here.kinds()
        assert [kinds.count(verb) for verb in verbs] == [1] * len(verbs), snapshot.step
        with here.database.read() as connection:
            assert len(committee.decisions_on(connection, name)) == 1
        seen += 1
    assert seen > 10, "the power went in the middle"
    here.reconciler._feed.close()
    backend.close()


def _known(here: Committee, name: str) -> Application | None:
    with here.database.read() as connection:
        found = store.get(connection, name)
    return None if found is None or found.round == 0 else found


def _vote_if_due(here: Committee, name: str, who: str) -> None:
    found = here.application(name)
    if found.state is not _S.InReview:
        return
    with here.database.read() as connection:
        if any(one.voter.id == who for one in committee.votes_on(connection, name)):
            return
    with here.database.change(here.event("committee.voted", f"application/{name}")) as change:
        committee.cast(change, name, text(), found.matter or "", TERMS, act(who, here.clock.now()))
