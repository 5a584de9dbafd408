"""All tables in one metadata object, which the migrations are checked against."""

from tre.store.tables import (
    airlock,
    audit,
    committee,
    conditions,
    data,
    grants,
    imports,
    jobs,
    letters,
    optouts,
    papers,
    people,
    publicaccount,
    register,
    sources,
    standing,
    workspaces,
)
from tre.store.tables.base import metadata

__all__ = [
    "airlock",
    "audit",
    "committee",
    "conditions",
    "data",
    "grants",
    "imports",
    "jobs",
    "letters",
    "metadata",
    "optouts",
    "papers",
    "people",
    "publicaccount",
    "register",
    "sources",
    "standing",
    "workspaces",
]
