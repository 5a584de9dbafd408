"""Practice data: make-believe twins of slices, on which people may work before anything was approved.

Guarantees: a dataset of practice data is told by its name alone, and no name that a real dataset may be given is one
of these (`tre.storekeeper.deliveries` refuses them to whatever was not generated on the spot); the name of a twin's
release follows from everything that its content follows from, so that generating it again shows whether it is what
it is called; a grant is one of practice when every slice of it is.

Does not guarantee: that a twin looks like the real data in any way but form. Nothing can be learned from it.

Threat: real patients' data, opened without an approval because somebody called them practice data.
"""

from __future__ import annotations

from tre.domain.canonical import digest
from tre.domain.errors import Reason, TREError
from tre.domain.grants.models import AccessGrantSpec
from tre.domain.names import is_resource_name, slug
from tre.domain.slices.plan import SlicePlan
from tre.domain.slices.spec import OnFail, SliceSpec

PREFIX = "practice-"
"""Begins the name of every dataset of practice data, and of no other."""

EDITION = 1
"""Rises whenever the generator makes something else of the same specification."""


def is_practice(dataset: str) -> bool:
    """Whether a dataset's name is one of practice data."""
    return dataset.startswith(PREFIX)


def check_not_practice(dataset: str) -> None:
    """Raise `TREError(NotPermitted)` for a name that only generated data may have."""
    if is_practice(dataset):
        raise TREError(
            Reason.NotPermitted,
            f"No data can be added under the name {dataset!r}.",
            why=f"Names that begin with {PREFIX!r} are kept for practice data, which are opened without an approval.",
            remedy="Give the dataset another name. Practice data are made by `tre slice practice SPEC`.",
        )


def practice_dataset(dataset: str) -> str:
    """The name of the dataset in which twins of a dataset's slices lie."""
    name = f"{PREFIX}{dataset.removeprefix(PREFIX)}"
    return name if is_resource_name(name) else f"{PREFIX}{slug(dataset)}"


def practice_release(spec: SliceSpec, patients: int, seed: int) -> str:
    """The name of a twin's release: the beginning of the digest of all that it is made from."""
    asked = {"edition": EDITION, "spec": spec.as_plain(), "patients": patients, "seed": seed}
    return f"t-{digest(asked)[7:31]}"


def twin_spec(spec: SliceSpec, patients: int, seed: int) -> SliceSpec:
    """The same specification of the twin's own dataset and release, of everybody in it: a sample or a list of real
    people means nobody there. A k that is missed there says nothing."""
    plain = spec.as_plain()
    people = {key: value for key, value in plain.pop("patients", {}).items() if key not in {"sample", "list"}}
    if people:
        plain["patients"] = people
    plain["dataset"] = practice_dataset(spec.dataset)
    plain["release"] = practice_release(spec, patients, seed)
    if spec.privacy is not None:
        plain["privacy"]["on_fail"] = OnFail.report.value
    return SliceSpec.model_validate(plain)


def check_practice_only(grant: AccessGrantSpec) -> None:
    """Raise `TREError(EvidenceUnverified)` for a grant that opens anything but practice data."""
    real = sorted({item.dataset for item in grant.slices if not is_practice(item.dataset)})
    real += sorted({item.spec.dataset for item in grant.slices if not is_practice(item.spec.dataset)} - set(real))
    if real:
        raise TREError(
            Reason.EvidenceUnverified,
            f"The grant opens data of people: {', '.join(real)}.",
            why="A data manager's signature counts for practice data and for nothing else.",
            remedy="Have the approving body sign it, or name practice data only.",
        )


def check_twin(plan: SlicePlan) -> None:
    """Raise `TREError(EmptySlice)` where nothing could be made up that the specification takes."""
    if plan.counts.instances == 0:
        raise TREError(
            Reason.EmptySlice,
            "No make-believe image fits this specification.",
            why="It asks for kinds of images that cannot be made up here, or excludes everything it asks for.",
            remedy="Practise with a simpler specification: one of CR, DX, CT, MR, MG, US, without `exclude`.",
        )
