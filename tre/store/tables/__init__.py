"""All tables in one metadata object, which the migrations are checked against."""

from tre.store.tables import airlock, audit, data, grants, jobs, people, workspaces
from tre.store.tables.base import metadata

__all__ = ["airlock", "audit", "data", "grants", "jobs", "metadata", "people", "workspaces"]
