"""Planning, building, verifying and removing slices, with the record kept in step.

Guarantees: a slice is built only from a plan made now, with today's deny set; where a signed plan is named, only if it
covers that plan. Building what stands already, unchanged, changes nothing. A slice is recorded after it stands, and
forgotten after it is gone.

Threat: a slice that is built under a signature given for something else.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tre.domain.datasets import BuiltSlice, SliceId
from tre.domain.errors import Reason, TREError
from tre.domain.model import Line, Record
from tre.domain.slices.plan import Digest, SlicePlan
from tre.domain.slices.spec import SliceSpec
from tre.domain.withdrawals import DenySet
from tre.slices.build import BuildOrder, build, check_buildable, remove, sweep
from tre.slices.contents import check_plan_covers, plan_and_keep
from tre.slices.documents import Description, Notice
from tre.slices.files import Ownership, locked
from tre.slices.plan import PlanOrder
from tre.slices.verify import Recorded, Verified, verify
from tre.slices.watch import SILENT, Watcher
from tre.store import datasets as store
from tre.storekeeper.office import PATIENCE, Office


class BuildRequest(Record):
    """Which slice is to be built, from what, under which signature, described how."""

    grant: Line = ""
    slice: Line = ""
    slice_id: SliceId
    spec: SliceSpec
    signed_plan_digest: Digest | None = None
    notice: Notice | None = None


@dataclass(frozen=True)
class _Planned:
    """A plan of this moment, and the deny set that it subtracted."""

    plan: SlicePlan
    denied: DenySet


def make_plan(office: Office, spec: SliceSpec, watcher: Watcher = SILENT) -> SlicePlan:
    """Plan, keep the content, record the plan.

    Raises `TREError(DatasetNotFound)`, `TREError(ReleaseNotFound)`, and for a full disk.
    """
    return _plan(office, spec, watcher).plan


def _plan(office: Office, spec: SliceSpec, watcher: Watcher) -> _Planned:
    with office.database.read() as connection:
        release = store.require_release(connection, spec.dataset, spec.release)
        denied = store.deny_set(connection, spec.dataset)
    places = office.dataset(spec.dataset)
    order = PlanOrder(
        spec=spec,
        release=places.release(spec.release),
        index_digest=release.index_digest,
        denied=denied.pseudonyms,
        deny_version=denied.version,
    )
    plan = plan_and_keep(order, places, office.owner(), watcher)
    with office.database.read() as connection:
        known = store.get_plan(connection, plan.plan_digest)
    if known is None:
        event = office.event(
            "slice.planned",
            f"dataset/{spec.dataset}",
            planDigest=plan.plan_digest,
            counts=plan.counts.as_plain(),
        )
        with office.database.change(event) as change:
            store.keep_plan(change, plan, office.clock.now())
    return _Planned(plan, denied)


def build_slice(office: Office, request: BuildRequest, watcher: Watcher = SILENT) -> BuiltSlice:
    """Build a slice, or find that it stands as it should.

    Raises `TREError(PlanNotCovered)`, and as `make_plan` and `tre.slices.build.build`.
    """
    with locked(office.slices.lock, office.owner(), PATIENCE):
        planned = _plan(office, request.spec, watcher)
        if request.signed_plan_digest is not None:
            _check_signed(office, request.signed_plan_digest, planned)
        check_buildable(planned.plan)
        with office.database.read() as connection:
            before = store.get_slice(connection, request.slice_id)
            group = store.require(connection, request.spec.dataset).data_group
        if before is not None and _stands(office, before, planned.plan):
            return before
        about = Description(
            slice_id=request.slice_id,
            plan=planned.plan,
            version=before.manifest_version + 1 if before else 1,
            built_at=office.clock.now(),
            notice=request.notice,
        )
        places = office.dataset(request.spec.dataset)
        content = build(BuildOrder(office.slices, places, office.owner(group), about), watcher)
        return _recorded(office, request, _built(about, content, group))


def _check_signed(office: Office, digest: str, planned: _Planned) -> None:
    if digest == planned.plan.plan_digest:
        return
    with office.database.read() as connection:
        signed = store.get_plan(connection, digest)
    if signed is None:
        raise TREError(
            Reason.PlanNotCovered,
            "What was signed is not what would be built, and the signed plan is not known here.",
            why=f"Signed: {digest}. Now: {planned.plan.plan_digest}.",
            remedy="Let the committee see and sign the present plan: `tre slice plan SPEC`.",
        )
    places = office.dataset(planned.plan.spec.dataset)
    check_plan_covers(signed, planned.plan, places, planned.denied.pseudonyms)


def _stands(office: Office, before: BuiltSlice, plan: SlicePlan) -> bool:
    if before.plan_digest != plan.plan_digest or not office.slices.slice(before.slice_id).is_dir():
        return False
    return not _compare(office, before, plan).differences


def _compare(office: Office, built: BuiltSlice, plan: SlicePlan) -> Verified:
    recorded = Recorded(built.slice_id, plan, built.content_digest, built.manifest_version)
    return verify(recorded, office.slices, office.dataset(built.dataset))


def _built(about: Description, content: str, group: int) -> BuiltSlice:
    plan = about.plan
    return BuiltSlice(
        slice_id=about.slice_id,
        dataset=plan.spec.dataset,
        release=plan.spec.release,
        plan_digest=plan.plan_digest,
        content_digest=content,
        manifest_version=about.version,
        files=plan.counts.files,
        bytes=plan.counts.bytes,
        data_group=group,
        built_at=about.built_at,
    )


def _recorded(office: Office, request: BuildRequest, built: BuiltSlice) -> BuiltSlice:
    said = built.as_plain() | ({"grant": request.grant, "slice": request.slice} if request.grant else {})
    event = office.event("slice.built", f"slice/{built.slice_id}", **said)
    with office.database.change(event) as change:
        store.keep_slice(change, built)
    return built


def verify_slice(office: Office, slice_id: str) -> Verified:
    """Compare a slice with the record and the store.

    Raises `TREError(SliceNotFound)` or, where the kept plan was changed, `TREError(ContentChanged)`.
    """
    with office.database.read() as connection:
        built = store.require_slice(connection, slice_id)
        plan = store.get_plan(connection, built.plan_digest)
    assert plan is not None, "a slice is recorded after its plan"
    return _compare(office, built, plan)


def remove_slice(office: Office, slice_id: str) -> dict[str, Any]:
    """Take a slice away; the receipt. Removing what is gone already is a receipt of nothing."""
    keeper = Ownership(office.owner().uid, -1)
    with locked(office.slices.lock, keeper, PATIENCE):
        started = office.clock.now()
        left_over = sweep(office.slices)
        removed = remove(office.slices, slice_id, keeper)
        receipt = {
            "sliceId": slice_id,
            "removed": removed.as_plain(),
            "leftOver": left_over.as_plain(),
            "startedAt": started.isoformat(),
            "finishedAt": office.clock.now().isoformat(),
        }
        event = office.event("slice.removed", f"slice/{slice_id}", receipt=receipt)
        with office.database.change(event) as change:
            store.forget_slice(change, slice_id)
    return receipt
