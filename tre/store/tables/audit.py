"""Tables of the audit log: events as they were committed, and the tree the sequencer grows over them.

Guarantees: triggers refuse every change, deletion and replacement of an event, a leaf, a node or a checkpoint (on
SQLite by `RAISE(ABORT)`, on PostgreSQL by `RAISE EXCEPTION`, where emptying a table is refused too), and queue every
event for the sequencer in the transaction that writes it, however late that transaction commits. The signature and
the witnesses are the proof; the triggers stop accidents.

Does not guarantee: anything against somebody who can write the file: `tre audit verify` finds that.
"""

from __future__ import annotations

from sqlalchemy import (
    DDL,
    JSON,
    BigInteger,
    Column,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    event,
)

from tre.store.tables.base import Moment, metadata, words

audit_events = Table(
    "audit_events",
    metadata,
    Column("number", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("id", words(32), nullable=False, unique=True),
    Column("at", Moment, nullable=False),
    Column("kind", words(80), nullable=False),
    Column("actor_issuer", words(255), nullable=False),
    Column("actor_id", words(255), nullable=False),
    Column("object", words(600), nullable=False),
    Column("detail", JSON, nullable=False),
    Index("ix_audit_events_object", "object"),
    Index("ix_audit_events_kind", "kind"),
)
"""`number` orders reading only; the place in the log is `audit_leaves.position`."""

audit_waiting = Table(
    "audit_waiting",
    metadata,
    Column(
        "number",
        BigInteger().with_variant(Integer, "sqlite"),
        primary_key=True,
        autoincrement=False,
    ),
)
"""Events without a leaf: filled by a trigger, emptied by the sequencer, so that finding them needs no scan."""

audit_leaves = Table(
    "audit_leaves",
    metadata,
    Column(
        "position",
        BigInteger().with_variant(Integer, "sqlite"),
        primary_key=True,
        autoincrement=False,
    ),
    Column("event_number", BigInteger().with_variant(Integer, "sqlite"), nullable=False, unique=True),
    Column("leaf_hash", LargeBinary(32), nullable=False),
)

audit_nodes = Table(
    "audit_nodes",
    metadata,
    Column("level", Integer, primary_key=True, autoincrement=False),
    Column(
        "position",
        BigInteger().with_variant(Integer, "sqlite"),
        primary_key=True,
        autoincrement=False,
    ),
    Column("hash", LargeBinary(32), nullable=False),
)
"""Hashes of complete subtrees of 2^level leaves: what makes a proof cost a few reads (RFC 9162 section 2.1).

Only some levels are kept (`tre.audit.records.KEPT_LEVELS`); the hashes between them are computed from those below.
"""

audit_checkpoints = Table(
    "audit_checkpoints",
    metadata,
    Column("size", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=False),
    Column("root", LargeBinary(32), nullable=False),
    Column("at", Moment, nullable=False),
    Column("note", Text, nullable=False),
)


def _append_only(table: str, same: str) -> list[str]:
    body = f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
    exists = f"EXISTS (SELECT 1 FROM {table} WHERE {same})"  # noqa: S608 - constants of this module
    return [
        f"CREATE TRIGGER {table}_refuse_update BEFORE UPDATE ON {table} {body}",
        f"CREATE TRIGGER {table}_refuse_delete BEFORE DELETE ON {table} {body}",
        f"CREATE TRIGGER {table}_refuse_replace BEFORE INSERT ON {table} WHEN {exists} {body}",
    ]


SQLITE_TRIGGERS: dict[str, list[str]] = {
    "audit_events": [
        *_append_only("audit_events", "number = NEW.number OR id = NEW.id"),
        "CREATE TRIGGER audit_events_queue AFTER INSERT ON audit_events "
        "BEGIN INSERT INTO audit_waiting (number) VALUES (NEW.number); END",
    ],
    "audit_leaves": _append_only("audit_leaves", "position = NEW.position OR event_number = NEW.event_number"),
    "audit_nodes": _append_only("audit_nodes", "level = NEW.level AND position = NEW.position"),
    "audit_checkpoints": _append_only("audit_checkpoints", "size = NEW.size"),
}
"""By table. `INSERT OR REPLACE` fires no delete trigger in SQLite: a third trigger refuses it."""

CHANNEL = "tre_changes"
"""Where PostgreSQL tells of every commit that added an event or signed the log (see `tre.store.changes`)."""

_REFUSE = """
CREATE FUNCTION tre_refuse() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
    RAISE EXCEPTION USING
        MESSAGE = TG_TABLE_NAME || ' is append-only', ERRCODE = 'integrity_constraint_violation';
END $$"""
_QUEUE = """
CREATE FUNCTION tre_queue() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    EXECUTE 'INSERT INTO ' || quote_ident(TG_TABLE_SCHEMA) || '.audit_waiting (number) VALUES ($1)'
        USING NEW.number;
    RETURN NULL;
END $$"""
_TELL = f"""
CREATE FUNCTION tre_tell() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
    NOTIFY {CHANNEL};
    RETURN NULL;
END $$"""


def _refuse_all(table: str) -> str:
    return (
        f"CREATE TRIGGER {table}_refuse BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
        "FOR EACH STATEMENT EXECUTE FUNCTION tre_refuse()"
    )


def _tell(table: str) -> str:
    return f"CREATE TRIGGER {table}_tell AFTER INSERT ON {table} FOR EACH STATEMENT EXECUTE FUNCTION tre_tell()"


POSTGRES_FUNCTIONS = [_REFUSE, _QUEUE, _TELL]

POSTGRES_TRIGGERS: dict[str, list[str]] = {
    "audit_checkpoints": [_refuse_all("audit_checkpoints"), _tell("audit_checkpoints")],
    "audit_events": [
        _refuse_all("audit_events"),
        "CREATE TRIGGER audit_events_queue AFTER INSERT ON audit_events FOR EACH ROW EXECUTE FUNCTION tre_queue()",
        _tell("audit_events"),
    ],
    "audit_leaves": [_refuse_all("audit_leaves")],
    "audit_nodes": [_refuse_all("audit_nodes")],
}
"""By table; they call `POSTGRES_FUNCTIONS`, which must be there before. The queue is written with the
owner's right, so that who may add an event need not be able to touch the queue."""

for _function in POSTGRES_FUNCTIONS:
    _made = DDL(_function)  # type: ignore[no-untyped-call]
    event.listen(metadata, "before_create", _made.execute_if(dialect="postgresql"))
for _table in (audit_events, audit_leaves, audit_nodes, audit_checkpoints):
    for _dialect, _triggers in (("sqlite", SQLITE_TRIGGERS), ("postgresql", POSTGRES_TRIGGERS)):
        for _statement in _triggers[_table.name]:
            _made = DDL(_statement)  # type: ignore[no-untyped-call]
            event.listen(_table, "after_create", _made.execute_if(dialect=_dialect))
