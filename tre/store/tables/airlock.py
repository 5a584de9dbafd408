"""Tables of the airlock: requests with their parts, labels, attempts, links and absences (bytes live in the vault)."""

from __future__ import annotations

from sqlalchemy import JSON, BigInteger, Boolean, Column, ForeignKey, Index, Integer, Table, Text

from tre.store.tables.base import Moment, metadata, words

__all__ = [
    "checker_absences",
    "column_labels",
    "export_attempts",
    "export_claims",
    "export_comments",
    "export_consents",
    "export_files",
    "export_findings",
    "export_groups",
    "export_links",
    "export_requests",
    "export_reviews",
    "export_votes",
    "metadata",
]

export_requests = Table(
    "export_requests",
    metadata,
    Column("id", words(20), primary_key=True),
    Column("grant", words(63), ForeignKey("grants.name"), nullable=False),
    Column("workspace", words(20), nullable=False),
    Column("author_issuer", words(255), nullable=False),
    Column("author_id", words(255), nullable=False),
    Column("policy", words(63), nullable=False),
    Column("state", words(20), nullable=False),
    Column("turn", Integer, nullable=False),
    Column("version", Integer, nullable=False),
    Column("reason", words(40), nullable=False),
    Column("message", Text, nullable=False),
    Column("run", JSON),
    Column("confirmed_issuer", words(255)),
    Column("confirmed_id", words(255)),
    Column("confirmed_at", Moment),
    Column("released_at", Moment),
    Column("bundle_sha256", words(64)),
    Column("bundle_size", BigInteger),
    Column("exceptions", Integer),
    Column("emergency", JSON),
    Column("ledger", JSON, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("changed_at", Moment, nullable=False),
    Column("deadline", Moment),
    Index("ix_export_requests_state", "state", "deadline"),
    Index("ix_export_requests_grant", "grant"),
    Index("ix_export_requests_author", "author_issuer", "author_id"),
)
"""`version` grows with every change: one made from an older version is refused. `run` is the last run of the checks
without its findings, which have rows of their own."""

export_groups = Table(
    "export_groups",
    metadata,
    Column("request", words(20), ForeignKey("export_requests.id"), primary_key=True),
    Column("name", words(100), primary_key=True),
    Column("place", Integer, nullable=False),
    Column("context", Text, nullable=False),
    Column("controls", Text, nullable=False),
    Column("relation", Text, nullable=False),
    Column("people", BigInteger),
)

export_files = Table(
    "export_files",
    metadata,
    Column("request", words(20), ForeignKey("export_requests.id"), primary_key=True),
    Column("path", words(1024), primary_key=True),
    Column("group", words(100), nullable=False),
    Column("place", Integer, nullable=False),
    Column("sha256", words(64), nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("type", words(40), nullable=False),
    Column("kind", words(20), nullable=False),
    Index("ix_export_files_sha256", "sha256"),
)

export_findings = Table(
    "export_findings",
    metadata,
    Column("request", words(20), ForeignKey("export_requests.id"), primary_key=True),
    Column("id", words(12), primary_key=True),
    Column("place", Integer, nullable=False),
    Column("check", words(3), nullable=False),
    Column("case", words(30), nullable=False),
    Column("check_version", Integer, nullable=False),
    Column("severity", words(1), nullable=False),
    Column("sha256", words(64), nullable=False),
    Column("locator", JSON, nullable=False),
    Column("message", words(500), nullable=False),
    Column("suggestion", words(500), nullable=False),
)
"""Findings of the present run only. Their text may quote a file: no page but the request's shows it."""

export_reviews = Table(
    "export_reviews",
    metadata,
    Column("request", words(20), ForeignKey("export_requests.id"), primary_key=True),
    Column("turn", Integer, primary_key=True, autoincrement=False),
    Column("checker_issuer", words(255), primary_key=True),
    Column("checker_id", words(255), primary_key=True),
    Column("place", Integer, nullable=False),
    Column("role", words(20)),
    Column("submitted_at", Moment),
    Column("void", Boolean, nullable=False),
)

export_votes = Table(
    "export_votes",
    metadata,
    Column("request", words(20), ForeignKey("export_requests.id"), primary_key=True),
    Column("turn", Integer, primary_key=True, autoincrement=False),
    Column("checker_issuer", words(255), primary_key=True),
    Column("checker_id", words(255), primary_key=True),
    Column("path", words(1024), primary_key=True),
    Column("place", Integer, nullable=False),
    Column("sha256", words(64), nullable=False),
    Column("run", words(80), nullable=False),
    Column("choice", words(20), nullable=False),
    Column("comment", Text, nullable=False),
    Column("dispositions", JSON, nullable=False),
    Column("looked", words(10)),
    Column("at", Moment, nullable=False),
    Column("basis", words(80), nullable=False),
    Column("kept", Boolean, nullable=False),
)

export_comments = Table(
    "export_comments",
    metadata,
    Column("request", words(20), ForeignKey("export_requests.id"), primary_key=True),
    Column("id", words(12), primary_key=True),
    Column("place", Integer, nullable=False),
    Column("by_issuer", words(255), nullable=False),
    Column("by_id", words(255), nullable=False),
    Column("turn", Integer, nullable=False),
    Column("group", words(100), nullable=False),
    Column("path", words(1024)),
    Column("readers", words(20), nullable=False),
    Column("text", Text, nullable=False),
    Column("at", Moment, nullable=False),
    Column("void", Boolean, nullable=False),
)
"""What people wrote to one another; no page but the request's shows it."""

export_claims = Table(
    "export_claims",
    metadata,
    Column("request", words(20), ForeignKey("export_requests.id"), primary_key=True),
    Column("checker_issuer", words(255), primary_key=True),
    Column("checker_id", words(255), primary_key=True),
    Column("place", Integer, nullable=False),
    Column("at", Moment, nullable=False),
    Column("until", Moment, nullable=False),
    Column("by_issuer", words(255), nullable=False),
    Column("by_id", words(255), nullable=False),
)

export_consents = Table(
    "export_consents",
    metadata,
    Column("request", words(20), ForeignKey("export_requests.id"), primary_key=True),
    Column("finding", words(12), primary_key=True),
    Column("by_issuer", words(255), primary_key=True),
    Column("by_id", words(255), primary_key=True),
    Column("place", Integer, nullable=False),
    Column("agrees", Boolean, nullable=False),
    Column("why", Text, nullable=False),
    Column("at", Moment, nullable=False),
)

export_attempts = Table(
    "export_attempts",
    metadata,
    Column("id", words(32), primary_key=True),
    Column("grant", words(63), ForeignKey("grants.name"), nullable=False),
    Column("request", words(20), ForeignKey("export_requests.id"), nullable=False),
    Column("at", Moment, nullable=False),
    Column("met", Boolean, nullable=False),
    Index("ix_export_attempts_grant", "grant", "at"),
)
"""One row for each run of the checks; `met` where it found identifiers or records of the mounted data."""

export_links = Table(
    "export_links",
    metadata,
    Column("token", words(64), primary_key=True),
    Column("request", words(20), ForeignKey("export_requests.id"), nullable=False),
    Column("by_issuer", words(255), nullable=False),
    Column("by_id", words(255), nullable=False),
    Column("at", Moment, nullable=False),
    Column("until", Moment, nullable=False),
    Column("used_at", Moment),
    Index("ix_export_links_request", "request"),
)
"""One-time links to releases; `token` is the SHA-256 of what the link holds."""

column_labels = Table(
    "column_labels",
    metadata,
    Column("grant", words(63), ForeignKey("grants.name"), primary_key=True),
    Column("title", words(200), primary_key=True),
    Column("role", words(30), nullable=False),
    Column("by_issuer", words(255), nullable=False),
    Column("by_id", words(255), nullable=False),
    Column("at", Moment, nullable=False),
    Column("by_checker", Boolean, nullable=False),
)

checker_absences = Table(
    "checker_absences",
    metadata,
    Column("checker_issuer", words(255), primary_key=True),
    Column("checker_id", words(255), primary_key=True),
    Column("since", Moment, primary_key=True),
    Column("until", Moment, nullable=False),
)
