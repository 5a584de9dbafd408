"""Practice data: making the twin of a slice, and adding it to the store of its own.

Guarantees: what is added under a name of practice data was generated in the same call, in a directory of the
storekeeper's own, from the specification alone; the real dataset is not opened and need not be there. What it was
made from lies beside the releases, and no slice of a practice dataset is built without it (`tre.storekeeper.twins`):
a dataset that had such a name before these were kept opens nothing. Asking again generates again, and a release that
holds anything else than what its name stands for is refused: so whoever doubts that a store holds made-up data only
can see it proven.

Does not guarantee: anything against somebody who writes the record or the store with the storekeeper's own rights:
they hold the real data anyhow.

Threat: real data opened under the name of practice data, by a delivery, by a release of that name, or by a link.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from tre.demodata.practice import TwinSpec, generate_practice
from tre.domain.errors import Reason, TREError
from tre.domain.practice import check_twin, practice_dataset, twin_spec
from tre.domain.slices.plan import SlicePlan
from tre.domain.slices.spec import SliceSpec
from tre.slices.files import make_private
from tre.slices.watch import SILENT, Watcher
from tre.storekeeper.deliveries import Delivery, add
from tre.storekeeper.office import Office
from tre.storekeeper.slices import make_plan
from tre.storekeeper.twins import Origin, keep_origin

MOST_PATIENTS = 2_000


@dataclass(frozen=True)
class Practised:
    """A twin that lies in the store: its specification and its plan."""

    spec: SliceSpec
    plan: SlicePlan


def make_practice(
    office: Office, spec: SliceSpec, patients: int = 100, seed: int = 1, watcher: Watcher = SILENT
) -> Practised:
    """Generate the twin of a slice, add it, and plan the same specification on it.

    Raises `TREError(BadInput)` for a number out of bounds, `TREError(EmptySlice)` where nothing that can be made up
    fits, `TREError(AlreadyExists)` where the release of that name holds something else.
    """
    if not 1 <= patients <= MOST_PATIENTS:
        raise TREError(
            Reason.BadInput,
            f"A twin of {patients} patients is not made.",
            why=f"It has between 1 and {MOST_PATIENTS:,}.",
            remedy="Choose another number: code that runs on a hundred runs on all.",
        )
    asked = twin_spec(spec, patients, seed)
    datasets = make_private(office.layout.datasets, office.owner())
    with tempfile.TemporaryDirectory(prefix=".practice-", dir=datasets) as directory:
        delivery = Path(directory) / "delivery"
        generate_practice(delivery, TwinSpec(spec, patients, seed))
        title = f"Practice data for {spec.dataset}: nobody's"
        made = Delivery(practice_dataset(spec.dataset), delivery, asked.release, title, words=_words(spec))
        add(office, made, watcher, generated=True)
    keep_origin(office, asked, Origin(spec=spec, patients=patients, seed=seed))
    plan = make_plan(office, asked, watcher)
    check_twin(plan)
    return Practised(asked, plan)


def _words(spec: SliceSpec) -> tuple[str, ...]:
    """Codes that the specification asks for and the generator writes into headers and records: devices and sites."""
    plain = spec.as_plain()
    asked = [one.get(key) for one in plain.get("images", ()) for key in ("manufacturer", "model")]
    asked.append(plain.get("patients", {}).get("site"))
    return tuple(code for codes in asked if isinstance(codes, list) for code in codes)
