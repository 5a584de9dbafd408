"""Who a person is to the launcher, and the roles that person may hold.

Guarantees: a subject is the pair of who vouches and what they call the person; it is opaque and compared exactly
(no case folding, no trimming, no e-mail address), since anything looser lets one person become another.
Separation of duties is decided on subjects, never on roles alone.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from tre.domain.model import Line, Record

LOCAL_ISSUER = "local"
"""The issuer of accounts that this launcher keeps itself."""


class Subject(Record):
    """A person as an identity provider names them: `{issuer, id}`."""

    issuer: Annotated[Line, Field(min_length=1, max_length=255)]
    id: Annotated[Line, Field(min_length=1, max_length=255)]

    def __str__(self) -> str:
        """For a person to read; never parsed back."""
        return f"{self.issuer}:{self.id}"

    @property
    def key(self) -> tuple[str, str]:
        """What two subjects are compared by."""
        return (self.issuer, self.id)


class Role(StrEnum):
    """What a person may be in the launcher; membership of a grant is separate and belongs to the grant."""

    researcher = "researcher"
    checker = "checker"
    committee = "committee"
    data_manager = "data-manager"
    operator = "operator"


class Person(Record):
    """A signed-in person: who, in which roles, called what on the screen."""

    subject: Subject
    display_name: Line
    roles: frozenset[Role] = frozenset()

    def holds(self, role: Role) -> bool:
        """Whether the person has the role."""
        return role in self.roles
