"""One role for each program on a PostgreSQL server, with just its rights.

    python -m tre.store.roles [PREFIX]    prints what an administrator of the server runs once

Guarantees: `RIGHTS` is all that the roles may do, by table and, where that is less, by column: every migration takes
everything away and gives this again, in its transaction. Nobody but the controller adds leaves, checkpoints or hashes;
nobody changes or removes an event, a leaf or a checkpoint; the public pages write nothing, cannot even stop others
from writing, and see neither accounts, sessions and people nor what an export holds, and of the committee no vote; who
may add an event cannot choose its number.

Does not guarantee: that a program in its role tells the truth (the portal may write what any person at the portal may
bring about), nor anything against the owner of the tables, which only migrations use.

Threat: a program that was taken over and speaks to the database itself.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from enum import StrEnum

from sqlalchemy import Connection, text

from tre.domain.errors import Reason, TREError
from tre.store.tables import metadata


class Role(StrEnum):
    """Who signs in. `operator` is the person at the command line, `owner` the migrations."""

    owner = "owner"
    controller = "controller"
    portal = "portal"
    public = "public"
    storekeeper = "storekeeper"
    operator = "operator"


PROGRAMS = tuple(role for role in Role if role is not Role.owner)
Rights = dict[str, str]
"""By table: privileges as GRANT takes them, `SELECT, INSERT (id, at)`."""

_READ, _ADD, _KEEP = "SELECT", "SELECT, INSERT", "SELECT, INSERT, UPDATE"
_ALL = "SELECT, INSERT, UPDATE, DELETE"
_SAY = "INSERT (id, at, kind, actor_issuer, actor_id, object, detail)"
_WRITER: Rights = {"alembic_version": _READ, "settings": _READ, "writing_turn": "UPDATE"}
"""What every program that writes needs: the turn is the lock of a table, which takes a right to it."""

_READS_LOG: Rights = dict.fromkeys(("audit_waiting", "audit_leaves", "audit_nodes", "audit_checkpoints"), _READ)
_EXPORTS = (
    "export_requests",
    "export_groups",
    "export_files",
    "export_findings",
    "export_reviews",
    "export_votes",
    "export_comments",
    "export_claims",
    "export_consents",
)
_IMPORTS = ("import_requests", "import_files")
_APPLICATIONS: Rights = {"applications": _KEEP, "application_people": _ALL, "application_papers": _KEEP}
_COMMITTEE: Rights = {
    "committee_seats": _KEEP,
    "committee_votes": _ADD,
    "committee_recusals": _ADD,
    "committee_decisions": _READ,
    "committee_emergencies": _KEEP,
    "committee_conditions": "SELECT, UPDATE",
}
"""What people bring about: who may write a vote can vote; nobody but the controller adds a decision."""
_COUNTED: Rights = {
    "committee_seats": _READ,
    "committee_votes": _READ,
    "committee_recusals": _READ,
    "committee_decisions": _ADD,
    "register_decisions": _ADD,
    "committee_emergencies": _READ,
    "committee_conditions": _KEEP,
}
_BESIDE: Rights = {
    "export_attempts": _ADD,
    "export_links": _KEEP,
    "column_labels": _KEEP,
    "checker_absences": _KEEP,
}
_DATA: Rights = dict.fromkeys(("datasets", "releases", "retirements", "plans", "slices", "withdrawals"), _READ)
_OPTOUTS: Rights = {"withdrawal_batches": _KEEP, "withdrawal_people": "SELECT, INSERT, DELETE"}
_TELLS = "SELECT, INSERT (source, channel, received_at, body, digest, state, reason, message, kind)"
"""What may say that a source told something: whether it was so, and what comes of it, the controller finds out."""

_ACCOUNT: Rights = {"account_items": _KEEP, "account_published": "SELECT, INSERT, DELETE"}
_CLOCKS = "SELECT (id, kind, state, received_at, acknowledged_at, closed_at, due_at, refusal)"
"""Of the public account what says how long something waits, and no word of it."""

_COSTS: Rights = dict.fromkeys(("cost_runs", "cost_months", "cost_places", "cost_place_months"), _READ)
_METERS: Rights = dict.fromkeys(_COSTS, _KEEP) | {"cost_budgets": "SELECT, UPDATE (told)"}
"""Who measures adds to meters; who limits is a person."""

_DESK: Rights = {
    **_COSTS,
    "cost_budgets": _ALL,
    "quarantine": "SELECT, UPDATE",
    "retirements": _ADD,
    "grants": "SELECT, UPDATE",
    "suspensions": _KEEP,
    "grant_slices": _READ,
    "register_projects": "SELECT, UPDATE",
    "workspaces": _KEEP,
    "batch_jobs": _READ,
    "workspace_uids": _READ,
    "jobs": _KEEP,
    "people": _KEEP,
    "standings": _KEEP,
    "standing_rules": _READ,
    **dict.fromkeys((*_EXPORTS, *_IMPORTS), _ALL),
    **_BESIDE,
    **_OPTOUTS,
    **_APPLICATIONS,
    **_COMMITTEE,
    **_ACCOUNT,
    "correspondents": _KEEP,
    "letters": _READ,
}

RIGHTS: dict[Role, Rights] = {
    Role.controller: _WRITER
    | _DATA
    | _METERS
    | {
        "audit_events": f"SELECT, {_SAY}",
        "audit_waiting": "SELECT, INSERT, DELETE",
        "audit_leaves": _ADD,
        "audit_nodes": _ADD,
        "audit_checkpoints": _ADD,
        "leases": _KEEP,
        "grants": _KEEP,  # it also takes in a cluster's resources, as the operator does files
        "suspensions": _ADD,  # a condition that is missed may suspend; only people lift
        "grant_slices": _KEEP,
        "register_projects": _KEEP,
        "workspaces": _KEEP,
        "batch_jobs": _KEEP,
        "workspace_uids": _KEEP,
        "jobs": _KEEP,
        "people": _READ,
        "accounts": "SELECT (name, disabled_at)",  # nobody writes to an account that was disabled
        "standings": "SELECT, UPDATE (warned_days)",
        "standing_rules": _KEEP,
        "sessions": "SELECT (id, issuer, subject, expires_at, revoked_at)",
        "sources": _KEEP,
        "source_messages": "SELECT, UPDATE",
        "source_grants": _KEEP,
        "correspondents": _READ,
        "account_items": _CLOCKS.replace("(id,", "(id, about,"),  # the public does not see which project waits
        "account_published": _READ,
        "account_notices": _KEEP,
        **dict.fromkeys(("letters", "letter_reading"), _ALL),
        **dict.fromkeys((*_EXPORTS, *_IMPORTS), _ALL),
        **_BESIDE,
        **_APPLICATIONS,
        **_COUNTED,
    },
    Role.portal: _WRITER
    | _READS_LOG
    | _DATA
    | _DESK
    | {
        "audit_events": f"SELECT, {_SAY}",
        "source_messages": _TELLS,
        "sources": "SELECT (id, tried_at, heard_at, reason, message)",  # not whom they name
        "accounts": _READ,
        "sessions": _ALL,
        "tickets": _ALL,
        "login_failures": _ALL,
    },
    Role.storekeeper: _WRITER
    | {
        "audit_events": f"SELECT (number, id), {_SAY}",
        "datasets": _KEEP,
        "releases": _ADD,
        "retirements": _READ,
        "plans": _ADD,
        "slices": _ALL,
        "register_slices": _KEEP,
        "withdrawals": _ADD,
        "quarantine": _ALL,
        **_OPTOUTS,
        "jobs": "SELECT, UPDATE",
        "grants": "SELECT (name, phase)",
        "grant_slices": _READ,
        "workspaces": "SELECT (name, grant)",
        "import_requests": "SELECT (id, grant, state, document, created_at)",
    },
    Role.operator: _WRITER
    | _READS_LOG
    | _DESK
    | {
        "audit_events": f"SELECT, {_SAY}",
        "datasets": _KEEP,
        "releases": _ADD,
        "plans": _ADD,
        "slices": _ALL,
        "withdrawals": _ADD,
        "quarantine": _ALL,
        "grants": _KEEP,
        "grant_slices": _KEEP,
        "register_projects": _KEEP,
        "register_slices": _KEEP,
        "register_decisions": "SELECT, UPDATE (told)",  # to withhold words
        "sources": _READ,
        "source_messages": _TELLS,
        "source_grants": _READ,
        "letters": "SELECT, UPDATE",  # to have them tried again
        "accounts": _KEEP,
        "sessions": "SELECT, UPDATE",
        "settings": "SELECT, DELETE",  # to let services start after a restore
        "leases": _READ,
    },
    Role.public: {
        "alembic_version": _READ,
        "settings": _READ,  # whether the record waits after a restore
        "audit_events": "SELECT (number, at, kind, object)",
        "audit_checkpoints": _READ,
        "datasets": "SELECT",
        "releases": "SELECT (dataset, name, counts, created_at)",
        "register_projects": _READ,
        "register_slices": _READ,
        "register_decisions": _READ,
        "committee_seats": "SELECT (id, told)",
        "grants": "SELECT (name, generation, spec, phase, evidence_verified, activated_at, revoked_at)",
        "grant_slices": _READ,
        "export_requests": "SELECT (id, grant, state, exceptions)",
        "export_files": "SELECT (request, kind)",
        "withdrawal_batches": "SELECT (dataset, state, people, accepted_at)",
        "account_items": _CLOCKS,
        "account_published": _READ,
    },
}

_NUMBERED = {
    "audit_events": "audit_events_number_seq",
    "login_failures": "login_failures_id_seq",
    "source_messages": "source_messages_number_seq",
}
"""Tables whose rows the server numbers: who adds one needs the sequence too."""


def creation(prefix: str) -> list[str]:
    """What an administrator of the server runs once; passwords are given there too, where the server asks for any."""
    return [f'CREATE ROLE "{prefix}{role}" LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION' for role in Role]


def rights(prefix: str) -> Iterator[str]:
    """The statements that make the roles' rights those of `RIGHTS`, whatever they were before."""
    tables = [*metadata.tables, "alembic_version"]
    everybody = ["PUBLIC", *(f'"{prefix}{role}"' for role in PROGRAMS)]
    yield "REVOKE EXECUTE ON FUNCTION tre_refuse(), tre_queue(), tre_tell() FROM PUBLIC"
    yield "REVOKE CREATE ON SCHEMA public FROM PUBLIC"
    for who in everybody:
        yield f"REVOKE ALL ON {', '.join(_quoted(name) for name in tables)} FROM {who}"
        yield f"REVOKE ALL ON SEQUENCE {', '.join(_NUMBERED.values())} FROM {who}"
    for role, tables_of in RIGHTS.items():
        who = f'"{prefix}{role}"'
        yield f"GRANT USAGE ON SCHEMA public TO {who}"
        for name, what in tables_of.items():
            yield f"GRANT {_columns_quoted(what)} ON {_quoted(name)} TO {who}"
            if name in _NUMBERED and "INSERT" in what:
                yield f"GRANT USAGE ON SEQUENCE {_NUMBERED[name]} TO {who}"


def _quoted(name: str) -> str:
    return f'"{name}"'


def _columns_quoted(what: str) -> str:
    return what.replace(", grant", ', "grant"')


def apply(connection: Connection, prefix: str) -> None:
    """Give the roles their rights; raises `TREError(SetupIncomplete)` naming those that the server does not know."""
    wanted = {f"{prefix}{role}" for role in PROGRAMS}
    known = set(connection.execute(text("SELECT rolname FROM pg_roles")).scalars())
    if missing := sorted(wanted - known):
        raise TREError(
            Reason.SetupIncomplete,
            f"The database server knows no role {', '.join(missing)}.",
            why="Each program signs in as a role of its own.",
            remedy=f"Have its administrator run what `python -m tre.store.roles {prefix}` prints, then `tre init`.",
        )
    for statement in rights(prefix):
        connection.exec_driver_sql(statement)


if __name__ == "__main__":
    sys.stdout.write("".join(f"{line};\n" for line in creation(*(sys.argv[1:] or ["tre_"]))))
