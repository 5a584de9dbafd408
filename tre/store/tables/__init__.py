"""All tables in one metadata object, which the migrations are checked against."""

from tre.store.tables import airlock, audit, data, grants, imports, jobs, optouts, people, workspaces
from tre.store.tables.base import metadata

__all__ = ["airlock", "audit", "data", "grants", "imports", "jobs", "metadata", "optouts", "people", "workspaces"]
