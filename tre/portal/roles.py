"""Roles from the groups of the identity provider.

Guarantees: groups are compared exactly; a group that is not listed gives nothing; an unreadable or missing policy
stops the portal before it serves anybody.

Does not guarantee: that the provider's groups are right. Whoever may edit them there may give roles here.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from tre.domain.errors import Reason, TREError
from tre.domain.model import Line, Record
from tre.domain.people import Role
from tre.system.resources import policy_file, read_record

POLICY_FILE = Path("policies") / "roles.yaml"

Group = Annotated[Line, Field(min_length=1, max_length=255)]


class _Metadata(Record):
    name: Literal["roles"]


class _Spec(Record):
    roles: dict[Role, tuple[Group, ...]]


class RolePolicy(Record):
    """Which groups give which roles."""

    api_version: Literal["tre.research/v1alpha1"]
    kind: Literal["RolePolicy"]
    metadata: _Metadata
    spec: _Spec

    def roles_of(self, groups: Iterable[str]) -> frozenset[Role]:
        """The roles that these groups give."""
        held = set(groups)
        return frozenset(role for role, listed in self.spec.roles.items() if held & set(listed))


def load_roles(root: Path) -> RolePolicy:
    """The site's policy, else the one that comes with the launcher.

    Raises `TREError(PolicyMissing)` where there is none, `TREError(BadInput)` where it is wrong.
    """
    path = policy_file(root, POLICY_FILE)
    if path is not None:
        return read_record(RolePolicy, path)
    raise TREError(Reason.PolicyMissing, f"There is no {POLICY_FILE}.", remedy=f"Write it to {root / POLICY_FILE}.")
