"""The record and its log: whether they are what everything else takes them to be."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, select, text

from tre.audit.checkpoint import Checkpoint, open_note
from tre.audit.courier import read_state, standing, state_path
from tre.audit.keys import PUBLIC_KEY_FILE, load_public
from tre.audit.lease import SEQUENCER
from tre.audit.merkle import root
from tre.audit.records import StoredNodes, last_checkpoint
from tre.audit.records import status as log_status
from tre.audit.witness import FileWitness, witness_path
from tre.cli.doctor.finding import Check, Field, Need, Place, Seen, bad, good, judged, weak
from tre.cli.services import listens
from tre.store import roles, schema
from tre.store.tables.jobs import leases
from tre.store.tables.jobs import settings as kept

OLDEST_SERVER = 14
SKEW = timedelta(seconds=5)
LATE = timedelta(seconds=60)
_LAG_SECONDS = 60.0
_REWRITTEN = (
    "Change nothing. `tre audit verify --seen ROOT/audit/last-checkpoint` names the place; then follow "
    "docs/auditing.md, when it does not verify."
)


def _schema(place: Place) -> Seen:
    with place.record() as database, database.read() as connection:
        found = schema.refuse_newer(connection)
        if found != schema.REVISIONS[-1]:
            remedy = f"`tre backup DIR`, then `tre init --root {place.layout.root}`: it brings the record up to date."
            return bad(f"revision {found or 'none'}; this program needs {schema.REVISIONS[-1]}", remedy)
        if database.is_postgres:
            return _server(connection)
        mode = connection.exec_driver_sql("PRAGMA journal_mode").scalar_one()
        if mode != "wal":
            return weak(f"SQLite in mode {mode}: readers wait for writers", "Start the services: they set WAL again.")
        return good(f"SQLite, revision {found}")


def _server(connection: Connection) -> Seen:
    number = int(connection.execute(text("SHOW server_version_num")).scalar_one()) // 10000
    encoding = connection.execute(text("SHOW server_encoding")).scalar_one()
    wrong = [] if number >= OLDEST_SERVER else [f"PostgreSQL {number}; {OLDEST_SERVER} or later is due"]
    if encoding != "UTF8":
        wrong.append(f"text is kept as {encoding}")
    loose = connection.execute(text("SELECT name FROM pg_settings WHERE name IN ('fsync', 'full_page_writes', "
                                    "'synchronous_commit') AND setting = 'off' ORDER BY name")).scalars()  # fmt: skip
    wrong += [f"{name} is off: a power cut loses what was reported as kept" for name in loose]
    return judged(
        wrong, f"PostgreSQL {number}, {encoding}", "Have the server's administrator set it (docs/postgresql.md)."
    )


def _restored(place: Place) -> Seen:
    waiting = place.asked(lambda connection: connection.execute(_WAITING).scalar())
    if waiting is not None:
        remedy = "Apply the lists of opt-outs since with `tre withdraw`, then `tre reopen` (docs/backup.md)."
        return weak(
            f"restored from {waiting['backup']}, and closed until somebody has told what it cannot know", remedy
        )
    return good("nothing waits")


_WAITING = select(kept.c.value).where(kept.c.key == schema.RESTORED)


def _rights(place: Place) -> Seen:
    if place.settings.database_url is None:
        return good("not used: owners and groups of the file take their place")
    prefix = place.settings.database_role_prefix
    wrong = place.asked(lambda connection: list(differences(connection, prefix)))
    remedy = f"`tre init --root {place.layout.root}` gives every role its rights and takes what is too much."
    return judged(wrong, "each role may what its program needs, and no more", remedy)


def differences(connection: Connection, prefix: str) -> Iterator[str]:
    """In what the roles' rights on the server differ from those that migrations give."""
    found = _granted(connection, prefix)
    for role, tables in roles.RIGHTS.items():
        given = {right for name, words in tables.items() for right in _rights_in(name, words)}
        there = found.get(f"{prefix}{role}", set())
        yield from (f"{role} lacks {right}" for right in sorted(given - there))
        yield from (f"{role} has {right}" for right in sorted(there - given))


_ONE = re.compile(r"(\w+)(?: \(([^)]*)\))?")


def _rights_in(table: str, words: str) -> Iterator[str]:
    """`SELECT, INSERT (id, at)` on a table, as single rights: `SELECT on t`, `INSERT (id) on t`."""
    for privilege, columns in _ONE.findall(words):
        if columns:
            yield from (f"{privilege} ({column.strip()}) on {table}" for column in columns.split(","))
        else:
            yield f"{privilege} on {table}"


def _granted(connection: Connection, prefix: str) -> dict[str, set[str]]:
    whole = text(
        "SELECT g.rolname, a.privilege_type, c.relname, '' FROM pg_class c, aclexplode(c.relacl) a, pg_roles g "
        "WHERE g.oid = a.grantee AND c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace "
        "UNION ALL SELECT g.rolname, a.privilege_type, c.relname, t.attname FROM pg_class c, pg_attribute t, "
        "aclexplode(t.attacl) a, pg_roles g WHERE t.attrelid = c.oid AND g.oid = a.grantee AND c.relkind = 'r' "
        "AND c.relnamespace = 'public'::regnamespace"
    )
    found: dict[str, set[str]] = {}
    for role, privilege, table, column in connection.execute(whole):
        if role.startswith(prefix):
            named = f"{privilege} ({column}) on {table}" if column else f"{privilege} on {table}"
            found.setdefault(role, set()).add(named)
    return found


def _leader(place: Place) -> Seen:
    """One controller leads, where any runs."""
    row = place.asked(lambda connection: connection.execute(select(leases).where(leases.c.name == SEQUENCER)).first())
    runs = listens(place.layout.socket("controller"))
    if row is None or not row.holder:
        if runs:
            return weak("a controller runs here and none leads", "Wait ten seconds; then `tre status` and its log.")
        return good("none leads; none runs here")
    return good(f"{row.holder} leads" if runs else f"{row.holder} led last, or leads elsewhere")


def _replicas(place: Place) -> Seen:
    if place.settings.database_url is None:
        return good("not used: the record is a file of this machine")

    def ask(connection: Connection) -> list[tuple[str, float | None]]:
        query = "SELECT application_name, EXTRACT(EPOCH FROM replay_lag) FROM pg_stat_replication"
        return [
            (name or "a replica", None if lag is None else float(lag)) for name, lag in connection.execute(text(query))
        ]

    found = place.asked(ask)
    late = [f"{name} is {lag:.0f} s behind" for name, lag in found if lag is not None and lag > _LAG_SECONDS]
    if not found:
        return good("none is seen from this role")
    return judged(late, f"{len(found)} keep up", "Have the server's administrator look at the replica's log.")


def _server_clock(place: Place) -> Seen:
    if place.settings.database_url is None:
        return good("not used: the record is a file of this machine")
    theirs: datetime = place.asked(lambda connection: connection.execute(text("SELECT clock_timestamp()")).scalar_one())
    off = abs(theirs - datetime.now(tz=UTC))
    if off > SKEW:
        return bad(f"the server's clock differs by {off.total_seconds():.0f} s", "Run a time service on both machines.")
    return good(f"differs by {off.total_seconds():.1f} s at most")


def _tip(place: Place) -> Seen:
    """The log must go on from the checkpoint that lies outside the record."""
    keys = load_public(place.layout.keys / PUBLIC_KEY_FILE)
    outside = FileWitness(witness_path(place.layout.root)).last()
    if outside is None:
        signed = place.asked(last_checkpoint)
        if signed is None:
            return good("nothing was signed yet")
        words = f"no checkpoint outside the record, which has {signed.size} signed events"
        return weak(words, "Start the controller: it writes audit/last-checkpoint. If somebody removed it, ask why.")
    seen = open_note(outside.note(), keys)
    return place.asked(lambda connection: _judge_tip(connection, seen))


def _judge_tip(connection: Connection, seen: Checkpoint) -> Seen:
    last = last_checkpoint(connection)
    size = 0 if last is None else last.size
    if size < seen.size:
        return bad(f"the log has {size} signed events and had {seen.size}: it was cut, or is an older copy", _REWRITTEN)
    if seen.size and root(StoredNodes(connection), seen.size) != seen.root:
        return bad(f"the first {seen.size} events are not those that were signed: it was rewritten", _REWRITTEN)
    return good(f"{size} signed events go on from the {seen.size} that are known outside")


def _waiting(place: Place) -> Seen:
    found = place.asked(log_status)
    if found.waiting_since is not None and place.now - found.waiting_since > LATE:
        words = f"{found.waiting} events wait for the signed log since {found.waiting_since:%Y-%m-%d %H:%M}Z"
        remedy = f"Start the services (`tre up --root {place.layout.root}`); see docs/runbooks.md, TreAuditBehind."
        return bad(words, remedy) if listens(place.layout.socket("controller")) else weak(words, remedy)
    return good(f"{found.waiting} events wait, none for long")


def _witnesses(place: Place) -> Seen:
    """Whether checkpoints of the log are where nobody of this machine reaches."""
    layout, places = place.layout, place.settings.witnesses
    if not places:
        words = "no place but this machine keeps checkpoints: a log written anew with its key would not show"
        return weak(words, "Name one under `witnesses` in tre.yaml (docs/auditing.md).")
    found = standing(read_state(state_path(layout.root)), [one.name for one in places], place.now)
    wrong = [f"{name} {state}" for name, state in found.items() if state != "ok"]
    own = layout.root.stat().st_dev if layout.root.is_dir() else None
    for one in places:
        if one.file is not None and (near := (layout.root / one.file).parent).is_dir() and near.stat().st_dev == own:
            wrong.append(f"{one.name} lies on the same disk as the record")
    if wrong:
        return weak("; ".join(wrong), "See to these places; the controller tries again by itself.")
    return good(", ".join(one.name for one in places))


FIELD = Field(
    "Record and log",
    (
        Check("record", "Everything that was decided stands in it.", _schema, Need.record),
        Check("restored record", "A restored record does not know who opted out since.", _restored, Need.record),
        Check("roles of the server", "A program that was taken over may what its role may.", _rights, Need.record),
        Check("leading controller", "One signs the log; two would write it twice.", _leader, Need.record),
        Check("replicas", "What a replica lacks is lost where it takes over.", _replicas, Need.record),
        Check("server's clock", "Times in the record are this machine's and the server's.", _server_clock, Need.record),
        Check("log and its witness", "A log that was cut or rewritten hides what happened.", _tip, Need.record),
        Check("events to be signed", "What is not signed can be changed without a trace.", _waiting, Need.record),
        Check("witnesses of the log", "Only a checkpoint elsewhere shows that the whole was rewritten.", _witnesses),
    ),
)
