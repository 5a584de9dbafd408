"""Two files of a site: how counts of a dataset are shown, and the population that its patients are compared with.

Guarantees: a file that is missing or wrong in any key gives an error, never a default; the shares of a reference add
up to a thousand in every dimension; its year and its source are stated wherever it is shown.

Does not guarantee: that the reference is the right one. Patients with chest images are older than the population; the
page that shows a distance says what it is measured against.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import Field, model_validator

import tre
from tre.domain.errors import Reason, TREError
from tre.domain.grants.models import Metadata
from tre.domain.model import Line, Record
from tre.domain.slices.shown import SmallNumbers
from tre.domain.slices.values import ResourceName
from tre.system.resources import read_settled

T = TypeVar("T", bound=Record)
_ROUNDING = 5
"""Shares per thousand, each rounded: a sum may be off by so much."""

Shares = Annotated[dict[Line, Annotated[int, Field(strict=True, ge=0, le=1000)]], Field(min_length=1)]


class DisclosureTerms(Record):
    """What a disclosure policy says: small numbers, the reference, whether the public reads which hospitals data come
    from, and how often one person may preview."""

    small_numbers: SmallNumbers = SmallNumbers()
    population: ResourceName | None = None
    publish_sites: bool = False
    previews_per_hour: Annotated[int, Field(strict=True, ge=1, le=10_000)] = 60


class DisclosurePolicy(Record):
    """The policy as it is written in a file."""

    api_version: Literal["tre.research/v1alpha1"]
    kind: Literal["DisclosurePolicy"]
    metadata: Metadata
    spec: DisclosureTerms


class PopulationTerms(Record):
    """A reference population: what it is, of which year, from where, and its shares by dimension."""

    title: Annotated[Line, Field(min_length=1, max_length=200)]
    year: Annotated[int, Field(strict=True, ge=1900, le=2200)]
    source: Annotated[Line, Field(min_length=1, max_length=300)]
    permille: Annotated[dict[Line, Shares], Field(min_length=1)]

    @model_validator(mode="after")
    def _whole(self) -> PopulationTerms:
        for name, shares in self.permille.items():
            if abs(sum(shares.values()) - 1000) > _ROUNDING:
                msg = f"permille.{name}: the shares add up to {sum(shares.values())}, not to 1000"
                raise ValueError(msg)
        return self


class ReferencePopulation(Record):
    """The population as it is written in a file."""

    api_version: Literal["tre.research/v1alpha1"]
    kind: Literal["ReferencePopulation"]
    metadata: Metadata
    spec: PopulationTerms


Population = PopulationTerms
"""A reference, as plans use it."""


def directories(kind: str, root: Path | None) -> tuple[Path, ...]:
    """Where files of a kind are looked for: the site's own first, then those that come with the launcher."""
    package = Path(tre.__file__).parent
    inside = package / "policies"
    shipped = inside if inside.is_dir() else package.parent / "policies"
    own = (root / "policies" / kind,) if root else ()
    return (*own, shipped / kind)


def disclosure_of(dataset: str, root: Path | None) -> DisclosureTerms:
    """How a dataset's counts are shown: by its own policy, else by the default. Raises `TREError`."""
    places = directories("datasets", root)
    names = (dataset, "default")
    path = next(
        (place / f"{name}.yaml" for name in names for place in places if (place / f"{name}.yaml").is_file()), None
    )
    if path is None:
        raise _missing("disclosure policy", "default", places)
    return _named(read_settled(DisclosurePolicy, path), path).spec


def population_of(terms: DisclosureTerms, root: Path | None) -> PopulationTerms | None:
    """The reference that a policy names; `None` where it names none. Raises `TREError`."""
    if terms.population is None:
        return None
    places = directories("populations", root)
    path = next((one for place in places if (one := place / f"{terms.population}.yaml").is_file()), None)
    if path is None:
        raise _missing("reference population", terms.population, places)
    return _named(read_settled(ReferencePopulation, path), path).spec


def check_policies(root: Path) -> None:
    """Raise `TREError` for a site's own file that would be refused where it is needed."""
    for path in sorted((root / "policies" / "datasets").glob("*.yaml")):
        population_of(disclosure_of(path.stem, root), root)


Named = TypeVar("Named", DisclosurePolicy, ReferencePopulation)


def _named(found: Named, path: Path) -> Named:
    if found.metadata.name != path.stem:
        raise TREError(Reason.BadInput, f"{path} names itself {found.metadata.name!r}.", remedy="Give both one name.")
    return found


def _missing(kind: str, name: str, places: tuple[Path, ...]) -> TREError:
    return TREError(
        Reason.PolicyMissing,
        f"There is no {kind} {name!r}.",
        why=f"Looked in {', '.join(map(str, places))}.",
        remedy="Write it there: without it nobody knows how counts are to be shown.",
    )
