"""Planning, building, verifying and removing slices, with the record kept in step.

Guarantees: a slice is built only from a plan made now, with today's deny set; where a signed plan is named, only if it
covers that plan. Building what stands already, unchanged, changes nothing. A slice is recorded after it stands, and
forgotten after it is gone.

Threat: a slice that is built under a signature given for something else.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tre.airlock.sliceindex.keeping import IndexStore
from tre.domain.datasets import BuiltSlice, Release, SliceId
from tre.domain.errors import Reason, TREError
from tre.domain.model import Line, Record
from tre.domain.register.slices import public_slice
from tre.domain.slices.plan import Digest, SlicePlan, check_buildable
from tre.domain.slices.spec import SliceSpec
from tre.domain.withdrawals import DenySet, WithdrawalLevel
from tre.slices.build import BuildOrder, build, remove, rewrite, sweep
from tre.slices.changes import carried, extended
from tre.slices.cohorts import Cohort, kept_list, sampling_key, settled
from tre.slices.contents import check_plan_covers, plan_and_keep
from tre.slices.copies import Copies, copies_of
from tre.slices.documents import Description, Notice
from tre.slices.files import Ownership, locked
from tre.slices.plan import PlanOrder
from tre.slices.populations import disclosure_of, population_of
from tre.slices.verify import Recorded, Verified, verify
from tre.slices.watch import SILENT, Watcher
from tre.slices.withdraw import PLACING, held, holdings, prune, unlink
from tre.store import datasets as store
from tre.store import jobs, register
from tre.store.database import Change
from tre.store.optouts import levels_of
from tre.store.retirements import require_offered
from tre.storekeeper.indexing import Indexed, forget_pictures, index_slice
from tre.storekeeper.office import PATIENCE, Office
from tre.storekeeper.twins import check_origin


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

    Raises `TREError(DatasetNotFound)`, `TREError(ReleaseNotFound)`, `TREError(DatasetRetired)`, and for a full disk.
    """
    with office.database.read() as connection:
        require_offered(connection, spec.dataset, spec.release)
    return _plan(office, spec, watcher).plan


def is_covered(office: Office, signed: str, plan: SlicePlan) -> bool:
    """Whether an earlier plan covers a later one, so that what was decided on it still holds."""
    with office.database.read() as connection:
        denied = store.deny_set(connection, plan.spec.dataset)
    try:
        _check_signed(office, signed, _Planned(plan, denied))
    except TREError as error:
        if error.reason is not Reason.PlanNotCovered:
            raise
        return False
    return True


def settle(office: Office, spec: SliceSpec, base: Path) -> SliceSpec:
    """The specification with its list of patients, if it names a file, read, kept and named by digest.

    `base` is the directory that a relative path begins at. Raises `TREError(BadInput)`.
    """
    with office.database.read() as connection:
        require_offered(connection, spec.dataset, spec.release)
        levels = levels_of(connection, spec.dataset)
    erased = {name for name, level in levels.items() if level is WithdrawalLevel.erase}
    return settled(spec, base, office.dataset(spec.dataset), office.owner(), erased)


def order_of(office: Office, spec: SliceSpec, release: Release, denied: DenySet) -> PlanOrder:
    """All that a plan is made of. Raises `TREError` where the list, the secret or a policy is missing."""
    places = office.dataset(spec.dataset)
    terms = disclosure_of(spec.dataset, office.layout.root)
    return PlanOrder(
        spec=spec,
        release=places.release(spec.release),
        index_digest=release.index_digest,
        denied=denied.pseudonyms,
        deny_version=denied.version,
        cohort=_cohort(office, spec, denied.pseudonyms),
        population=population_of(terms, office.layout.root),
    )


def _cohort(office: Office, spec: SliceSpec, denied: Set[str]) -> Cohort:
    conditions = spec.patients
    if conditions is None:
        return Cohort()
    listed = None if conditions.list is None else kept_list(conditions.list, office.dataset(spec.dataset), denied)
    return Cohort(b"" if conditions.sample is None else sampling_key(office.secret(), spec.dataset), listed)


def _plan(office: Office, spec: SliceSpec, watcher: Watcher) -> _Planned:
    with office.database.read() as connection:
        release = store.require_release(connection, spec.dataset, spec.release)
        denied = store.deny_set(connection, spec.dataset)
    places = office.dataset(spec.dataset)
    plan = plan_and_keep(order_of(office, spec, release, denied), places, office.owner(), watcher)
    with office.database.read() as connection:
        known = store.get_plan(connection, plan.plan_digest)
    if known is None:
        event = office.event(
            "slice.planned",
            f"dataset/{spec.dataset}",
            planDigest=plan.plan_digest,  # no counts: people read events
        )
        with office.database.change(event) as change:
            store.keep_plan(change, plan, office.clock.now())
    return _Planned(plan, denied)


def build_slice(office: Office, request: BuildRequest, watcher: Watcher = SILENT) -> BuiltSlice:
    """Build a slice, or find that it stands as it should.

    Raises `TREError(PlanNotCovered)`, `TREError(NotPermitted)`, and as `make_plan` and `tre.slices.build.build`.
    """
    check_origin(office, request.spec)
    with locked(office.slices.lock, office.owner(), PATIENCE):
        planned = _plan(office, request.spec, watcher)
        if request.signed_plan_digest is not None:
            _check_signed(office, request.signed_plan_digest, planned)
        check_buildable(planned.plan)
        with office.database.read() as connection:
            before = store.get_slice(connection, request.slice_id)
            group = store.require(connection, request.spec.dataset).data_group
        if before is not None and _stands(office, before, planned.plan):
            if not IndexStore(office.layout.slice_indexes).has(before.slice_id):
                index_slice(office, before.slice_id, planned.plan, watcher)
            return before
        about = Description(
            slice_id=request.slice_id,
            plan=planned.plan,
            version=before.manifest_version + 1 if before else 1,
            built_at=office.clock.now(),
            notice=request.notice,
            rule=disclosure_of(request.spec.dataset, office.layout.root).small_numbers,
            carried=carried(office.slices.slice(request.slice_id)),
        )
        places = office.dataset(request.spec.dataset)
        content = build(BuildOrder(office.slices, places, office.owner(group), about), watcher)
        try:
            indexed = index_slice(office, request.slice_id, planned.plan, watcher)
        except Exception:
            if before is None:  # what no record names, no opt-out would find
                remove(office.slices, request.slice_id, Ownership(office.owner().uid, -1))
            raise
        return _recorded(office, request, about, _built(about, content, group), indexed)


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


def _recorded(
    office: Office, request: BuildRequest, about: Description, built: BuiltSlice, indexed: Indexed
) -> BuiltSlice:
    said = (
        built.as_plain()
        | {"index": indexed.as_plain(), "placed": _placed(office, built).as_plain()}
        | ({"grant": request.grant, "slice": request.slice} if request.grant else {})
    )
    event = office.event("slice.built", f"slice/{built.slice_id}", **said)
    with office.database.change(event) as change:
        store.keep_slice(change, built)
        _tell(office, change, about)
    return built


def _tell(office: Office, change: Change, about: Description) -> None:
    """Keep what the public register tells of a slice as it is now."""
    dataset = about.plan.spec.dataset
    told = public_slice(about.plan, about.rule, sites=disclosure_of(dataset, office.layout.root).publish_sites)
    register.keep_slice(change, about.slice_id, dataset, told, about.built_at)


def without_withdrawn(office: Office, built: BuiltSlice, plan: SlicePlan, watcher: Watcher = SILENT) -> BuiltSlice:
    """Bring tables, manifests, index and record of a slice in line with people who opted out, in place: version + 1.

    The plan of what is left must be covered by the one that the slice was built from: only opt-outs may differ. What
    is left may be less than what a new slice must hold (no image, k too small): it is not built anew by that. The
    caller holds the lock of the slices and has removed the files. Raises as `tre.slices.build.rewrite`.
    """
    planned = _plan(office, plan.spec, watcher)
    places = office.dataset(built.dataset)
    check_plan_covers(plan, planned.plan, places, planned.denied.pseudonyms)
    left = holdings(places.plan(plan.plan_digest), planned.denied.pseudonyms, (*PLACING, "sha256"))
    here, files = office.slices.slice(built.slice_id), held(left, plan.spec.layout)
    unlink(here, files)  # whoever else has opted out meanwhile
    prune(here, files)
    version, now = built.manifest_version + 1, office.clock.now()
    counts = Counter(left.column("pseudonym").to_pylist())
    about = Description(
        slice_id=built.slice_id,
        plan=planned.plan,
        version=version,
        built_at=now,
        notice=_notice(office, built.slice_id),
        rule=disclosure_of(built.dataset, office.layout.root).small_numbers,
        carried=extended(here, version, now, counts),
    )
    watcher.step("rewrite-documents")
    content = rewrite(BuildOrder(office.slices, places, office.owner(built.data_group), about))
    watcher.step("rewrite-index")
    forget_pictures(office, built.dataset, left.column("sha256").to_pylist())
    indexed = index_slice(office, built.slice_id, planned.plan, watcher)
    watcher.step("rewrite-record")
    changed = _built(about, content, built.data_group)
    removed = {"people": len(counts), "files": counts.total()}
    said = changed.as_plain() | {"index": indexed.as_plain(), "removed": removed}
    with office.database.change(office.event("slice.changed", f"slice/{built.slice_id}", **said)) as change:
        store.keep_slice(change, changed)
        _tell(office, change, about)
    return changed


def _notice(office: Office, slice_id: str) -> Notice | None:
    """What the last building was told of the approval."""
    with office.database.read() as connection:
        job = jobs.latest(connection, "storekeeper", "slice.build", f"slice/{slice_id}")
    notice = job.payload.get("notice") if job else None
    return Notice.model_validate(notice) if notice else None


def _placed(office: Office, built: BuiltSlice) -> Copies:
    """How the files of a slice came about: where nothing had to be copied, all are links."""
    found = copies_of(office.slices.slice(built.slice_id))
    return found if found.paths else Copies(linked=built.files)


def renew_index(office: Office, slice_id: str, watcher: Watcher = SILENT) -> Indexed:
    """Make a slice's index anew: after people opted out, of those who are left. Raises `TREError(SliceNotFound)`."""
    with locked(office.slices.lock, office.owner(), PATIENCE):
        with office.database.read() as connection:
            built = store.require_slice(connection, slice_id)
            plan = store.get_plan(connection, built.plan_digest)
        assert plan is not None, "a slice is recorded after its plan"
        return index_slice(office, slice_id, plan, watcher)


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
        IndexStore(office.layout.slice_indexes).forget(slice_id)
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
