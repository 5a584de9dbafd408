"""Reading airlock policies: the site's own directory first, then the ones that come with the launcher.

Guarantees: a policy that is missing, misnamed or wrong in any key gives no policy at all (fail closed), never a
default one.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import tre
from tre.airlock.parsed import Bounds, Rules
from tre.domain.errors import Reason, TREError
from tre.domain.exports.rules import AirlockPolicy
from tre.domain.names import is_resource_name
from tre.system.resources import read_settled

SITE_DIRECTORY = Path("policies") / "airlock"
"""Where a site keeps its own policies, under the root directory."""


def shipped_directory() -> Path:
    """The policies that come with the launcher: beside the package in a checkout, inside it once installed."""
    package = Path(tre.__file__).parent
    inside = package / SITE_DIRECTORY
    return inside if inside.is_dir() else package.parent / SITE_DIRECTORY


def directories(root: Path | None) -> tuple[Path, ...]:
    """Where policies are looked for, in this order."""
    return (*((root / SITE_DIRECTORY,) if root else ()), shipped_directory())


def load_policy(name: str, places: Sequence[Path]) -> AirlockPolicy:
    """The policy of this name from the first directory that has it.

    Raises `TREError(PolicyMissing)` where there is none, `TREError(BadInput)` where it is wrong.
    """
    if not is_resource_name(name):
        raise TREError(
            Reason.PolicyMissing,
            f"{name!r} cannot be the name of a policy.",
            why="A policy is a file of its name.",
            remedy="Name one of the files in policies/airlock, without `.yaml`.",
        )
    for place in places:
        path = place / f"{name}.yaml"
        if path.is_file():
            return read_policy(path)
    raise TREError(
        Reason.PolicyMissing,
        f"There is no airlock policy {name!r}.",
        why=f"Looked in {', '.join(str(place) for place in places)}.",
        remedy="Write it there; nothing is checked or released without it.",
    )


def find_policy(named: str, root: Path | None) -> AirlockPolicy:
    """A policy by its name, or by the path of a file. Raises `TREError(PolicyMissing)` or `TREError(BadInput)`."""
    if named.endswith((".yaml", ".yml")) or "/" in named:
        return read_policy(Path(named))
    return load_policy(named, directories(root))


def read_policy(path: Path) -> AirlockPolicy:
    """The policy in one file; its name must be the file's. Raises `TREError(PolicyMissing)` or `TREError(BadInput)`."""
    if not path.is_file():
        raise TREError(
            Reason.PolicyMissing,
            f"There is no airlock policy at {path}.",
            why="Nothing is checked or released without a policy.",
            remedy="Name the file of one.",
        )
    policy = read_settled(AirlockPolicy, path)
    if policy.metadata.name != path.stem:
        raise TREError(Reason.BadInput, f"{path} names itself {policy.metadata.name!r}.", remedy="Give both one name.")
    return policy


def bounds_of(policy: AirlockPolicy) -> Bounds:
    """The policy's bounds as a child is told them."""
    limits = policy.spec.limits
    return Bounds(**{name: getattr(limits, name) for name in Bounds.__dataclass_fields__})


def rules_of(policy: AirlockPolicy) -> Rules:
    """The policy's rules of content as a child is told them."""
    spec = policy.spec
    return Rules(
        threshold=spec.counts.threshold,
        zeros_disclosive=spec.counts.zeros == "disclosive",
        rounding=spec.rounding.method,
        rounding_base=spec.rounding.base,
        dominance_contributors=spec.dominance.contributors,
        dominance_percent=spec.dominance.share_percent,
        ratio_percent=spec.dominance.ratio_percent,
        residual_degrees=spec.models.residual_degrees,
        recoverable_width=spec.suppression.recoverable_width,
        linked_values=spec.records.linked_values,
        linked_rows=spec.records.linked_rows,
        linked_percent=spec.records.linked_percent,
        image_distance=spec.images.distance,
        image_grey_levels=spec.images.grey_levels,
        marks_fewest=spec.figures.fewest_marks,
        marks_percent=spec.figures.share_percent,
        marks_most=spec.figures.most_marks,
    )
