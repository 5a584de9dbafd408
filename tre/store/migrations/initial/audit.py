"""The tables of `audit` as revision 0001 creates them. Made by `tre.store.migrations.regenerate`."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

MOMENT = sa.String(27).with_variant(sa.DateTime(timezone=True), "postgresql")


def words(length: int) -> sa.String:
    """Text without a limit on PostgreSQL."""
    return sa.String(length).with_variant(sa.Text(), "postgresql")


def audit_checkpoints() -> None:
    """Create `audit_checkpoints`."""
    op.create_table(
        "audit_checkpoints",
        sa.Column("size", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False),
        sa.Column("root", sa.LargeBinary(length=32), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("size", name=op.f("pk_audit_checkpoints")),
    )
    if op.get_bind().dialect.name == "sqlite":
        op.execute(
            "CREATE TRIGGER audit_checkpoints_refuse_update BEFORE UPDATE ON audit_checkpoints BEGIN "
            "SELECT RAISE(ABORT, 'audit_checkpoints is append-only'); END"
        )
        op.execute(
            "CREATE TRIGGER audit_checkpoints_refuse_delete BEFORE DELETE ON audit_checkpoints BEGIN "
            "SELECT RAISE(ABORT, 'audit_checkpoints is append-only'); END"
        )
        op.execute(
            "CREATE TRIGGER audit_checkpoints_refuse_replace BEFORE INSERT ON audit_checkpoints WHEN "
            "EXISTS (SELECT 1 FROM audit_checkpoints WHERE size = NEW.size) BEGIN SELECT RAISE(ABORT, "
            "'audit_checkpoints is append-only'); END"
        )
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            "CREATE FUNCTION tre_refuse() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog"
            " AS $$ "
            "BEGIN\n"
            "    RAISE EXCEPTION USING\n"
            "        MESSAGE = TG_TABLE_NAME || ' is append-only', ERRCODE = "
            "'integrity_constraint_violation'; "
            "END $$"
        )
        op.execute(
            "CREATE FUNCTION tre_queue() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET "
            "search_path = pg_catalog AS $$ "
            "BEGIN\n"
            "    EXECUTE 'INSERT INTO ' || quote_ident(TG_TABLE_SCHEMA) || '.audit_waiting (number) "
            "VALUES ($1)' "
            "        USING NEW.number;\n"
            "    RETURN NULL;\n"
            "END $$"
        )
        op.execute(
            "CREATE FUNCTION tre_tell() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog "
            "AS $$ "
            "BEGIN\n"
            "    NOTIFY tre_changes;\n"
            "    RETURN NULL;\n"
            "END $$"
        )
        op.execute(
            "CREATE TRIGGER audit_checkpoints_refuse BEFORE UPDATE OR DELETE OR TRUNCATE ON "
            "audit_checkpoints FOR EACH STATEMENT EXECUTE FUNCTION tre_refuse()"
        )
        op.execute(
            "CREATE TRIGGER audit_checkpoints_tell AFTER INSERT ON audit_checkpoints FOR EACH STATEMENT"
            " EXECUTE FUNCTION tre_tell()"
        )


def audit_events() -> None:
    """Create `audit_events`."""
    op.create_table(
        "audit_events",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("id", words(32), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("kind", words(80), nullable=False),
        sa.Column("actor_issuer", words(255), nullable=False),
        sa.Column("actor_id", words(255), nullable=False),
        sa.Column("object", words(600), nullable=False),
        sa.Column("detail", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_audit_events")),
        sa.UniqueConstraint("id", name=op.f("uq_audit_events_id")),
    )
    op.create_index("ix_audit_events_kind", "audit_events", ["kind"], unique=False)
    op.create_index("ix_audit_events_object", "audit_events", ["object"], unique=False)
    if op.get_bind().dialect.name == "sqlite":
        op.execute(
            "CREATE TRIGGER audit_events_refuse_update BEFORE UPDATE ON audit_events BEGIN SELECT "
            "RAISE(ABORT, 'audit_events is append-only'); END"
        )
        op.execute(
            "CREATE TRIGGER audit_events_refuse_delete BEFORE DELETE ON audit_events BEGIN SELECT "
            "RAISE(ABORT, 'audit_events is append-only'); END"
        )
        op.execute(
            "CREATE TRIGGER audit_events_refuse_replace BEFORE INSERT ON audit_events WHEN EXISTS "
            "(SELECT 1 FROM audit_events WHERE number = NEW.number OR id = NEW.id) BEGIN SELECT "
            "RAISE(ABORT, 'audit_events is append-only'); END"
        )
        op.execute(
            "CREATE TRIGGER audit_events_queue AFTER INSERT ON audit_events BEGIN INSERT INTO "
            "audit_waiting (number) VALUES (NEW.number); END"
        )
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            "CREATE TRIGGER audit_events_refuse BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_events FOR"
            " EACH STATEMENT EXECUTE FUNCTION tre_refuse()"
        )
        op.execute(
            "CREATE TRIGGER audit_events_queue AFTER INSERT ON audit_events FOR EACH ROW EXECUTE FUNCTION tre_queue()"
        )
        op.execute(
            "CREATE TRIGGER audit_events_tell AFTER INSERT ON audit_events FOR EACH STATEMENT EXECUTE "
            "FUNCTION tre_tell()"
        )


def audit_leaves() -> None:
    """Create `audit_leaves`."""
    op.create_table(
        "audit_leaves",
        sa.Column(
            "position", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False
        ),
        sa.Column("event_number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("leaf_hash", sa.LargeBinary(length=32), nullable=False),
        sa.PrimaryKeyConstraint("position", name=op.f("pk_audit_leaves")),
        sa.UniqueConstraint("event_number", name=op.f("uq_audit_leaves_event_number")),
    )
    if op.get_bind().dialect.name == "sqlite":
        op.execute(
            "CREATE TRIGGER audit_leaves_refuse_update BEFORE UPDATE ON audit_leaves BEGIN SELECT "
            "RAISE(ABORT, 'audit_leaves is append-only'); END"
        )
        op.execute(
            "CREATE TRIGGER audit_leaves_refuse_delete BEFORE DELETE ON audit_leaves BEGIN SELECT "
            "RAISE(ABORT, 'audit_leaves is append-only'); END"
        )
        op.execute(
            "CREATE TRIGGER audit_leaves_refuse_replace BEFORE INSERT ON audit_leaves WHEN EXISTS "
            "(SELECT 1 FROM audit_leaves WHERE position = NEW.position OR event_number = "
            "NEW.event_number) BEGIN SELECT RAISE(ABORT, 'audit_leaves is append-only'); END"
        )
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            "CREATE TRIGGER audit_leaves_refuse BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_leaves FOR"
            " EACH STATEMENT EXECUTE FUNCTION tre_refuse()"
        )


def audit_nodes() -> None:
    """Create `audit_nodes`."""
    op.create_table(
        "audit_nodes",
        sa.Column("level", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column(
            "position", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False
        ),
        sa.Column("hash", sa.LargeBinary(length=32), nullable=False),
        sa.PrimaryKeyConstraint("level", "position", name=op.f("pk_audit_nodes")),
    )
    if op.get_bind().dialect.name == "sqlite":
        op.execute(
            "CREATE TRIGGER audit_nodes_refuse_update BEFORE UPDATE ON audit_nodes BEGIN SELECT "
            "RAISE(ABORT, 'audit_nodes is append-only'); END"
        )
        op.execute(
            "CREATE TRIGGER audit_nodes_refuse_delete BEFORE DELETE ON audit_nodes BEGIN SELECT "
            "RAISE(ABORT, 'audit_nodes is append-only'); END"
        )
        op.execute(
            "CREATE TRIGGER audit_nodes_refuse_replace BEFORE INSERT ON audit_nodes WHEN EXISTS (SELECT"
            " 1 FROM audit_nodes WHERE level = NEW.level AND position = NEW.position) BEGIN SELECT "
            "RAISE(ABORT, 'audit_nodes is append-only'); END"
        )
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            "CREATE TRIGGER audit_nodes_refuse BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_nodes FOR "
            "EACH STATEMENT EXECUTE FUNCTION tre_refuse()"
        )


def audit_waiting() -> None:
    """Create `audit_waiting`."""
    op.create_table(
        "audit_waiting",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_audit_waiting")),
    )
