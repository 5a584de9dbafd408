"""Roles on PostgreSQL: each may do what its program must, and is refused what it must not.

What the controller and the storekeeper must do is shown by their own suites, which run in their roles.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy.exc import DBAPIError, ProgrammingError

from tests.support.databases import Postgres, name_of
from tests.support.factories import ALICE, NOON, access_grant, quarantined_file, suspension
from tests.support.postgres import PREFIX
from tests.unit.domain.publicaccount.test_account import an_item
from tests.unit.store.conftest import an_event
from tre.audit.lease import Lease
from tre.audit.records import last_checkpoint, status
from tre.domain.clock import ManualClock
from tre.domain.datasets import Dataset
from tre.domain.errors import Reason, TREError
from tre.domain.grants.states import GrantPhase
from tre.domain.optouts.batches import Batch, Counted
from tre.domain.optouts.lists import ListKind
from tre.domain.optouts.states import BatchState
from tre.domain.people import Person, Role, Subject
from tre.domain.publicaccount import acts
from tre.domain.publicaccount.states import ItemKind, RefusalClass
from tre.domain.quarantine import Decision, QuarantineState, decision_event
from tre.domain.withdrawals import WithdrawalLevel
from tre.domain.workspaces.states import Wanted
from tre.portal.register_views import Known, dataset_page, project_page
from tre.portal.routes import public
from tre.portal.routes.register import total_values
from tre.register.reading import entries
from tre.store import (
    datasets,
    events,
    grants,
    jobs,
    optouts,
    people,
    publicaccount,
    quarantine,
    register,
    roles,
    workspaces,
)
from tre.store.changes import ChangeFeed
from tre.store.database import Database, new_id
from tre.store.jobs import JobRequest
from tre.store.migrate import migrate
from tre.store.people import Account, NewTicket, StoredSession
from tre.store.quarantine import QuarantineSearch
from tre.store.register import ProjectSearch
from tre.store.schema import require_current
from tre.store.tables import metadata

WRITERS = tuple(role for role in roles.PROGRAMS if role is not roles.Role.public)
NAME = "nccid-00123"


LIST = "ab" * 16


def a_list() -> Batch:
    """A list of opt-outs of the dataset that the owner registered."""
    return Batch(
        id=LIST,
        dataset="demo",
        state=BatchState.Counting,
        kind=ListKind.withdraw,
        level=WithdrawalLevel.erase,
        source="site",
        list_digest="sha256:" + "0" * 64,
        proposed_by=ALICE,
        proposed_at=NOON,
        changed_at=NOON,
        reason=Reason.Requested,
    )


@pytest.fixture
def owner(postgres: Postgres, path: Path) -> Database:
    made = postgres.make(path)
    with made.change(an_event()) as change:
        grants.apply(change, NAME, access_grant().spec, "signed", NOON)
        grants.set_phase(change, NAME, GrantPhase.Active, NOON)
        workspaces.ensure(change, NAME, ALICE, NOON)
        datasets.register(change, Dataset(name="demo", title="Demo", data_group=60100, created_at=NOON))
    return made


@pytest.fixture
def sign_in(postgres: Postgres, owner: Database) -> Callable[[str], Database]:
    return lambda role: postgres.again(owner, role=role)


@pytest.mark.parametrize("role", roles.PROGRAMS)
def test_every_program_knows_whether_the_schema_is_its_own_and_hears_of_changes(
    owner: Database, sign_in: Callable[[str], Database], role: str
) -> None:
    database = sign_in(role)
    require_current(database)
    feed = ChangeFeed(database)
    with owner.change(an_event()):
        pass
    assert feed.wait(10)
    feed.close()


@pytest.mark.parametrize("role", WRITERS)
def test_whoever_changes_something_says_so(owner: Database, sign_in: Callable[[str], Database], role: str) -> None:
    event = an_event()
    with sign_in(role).change(event):
        pass
    with owner.read() as connection:
        found = events.by_id(connection, event.id)
        assert found is not None
        assert status(connection).waiting == found.number  # queued, though the role may not touch the queue


def test_the_portal_does_what_people_do_there(sign_in: Callable[[str], Database]) -> None:
    portal = sign_in("portal")
    alice = Person(subject=ALICE, display_name="Alice", roles=frozenset({Role.researcher}))
    session = StoredSession(
        id="s",
        subject=ALICE,
        display_name="Alice",
        roles=alice.roles,
        created_at=NOON,
        expires_at=NOON.replace(hour=20),
    )
    with portal.change(an_event()) as change:
        people.count_attempt(change, ["a", "b"], NOON)
        people.keep_person(change, alice, NOON)
        people.open_session(change, session)
        people.issue_ticket(change, NewTicket(id="t", session="s", host="h", expires_at=NOON.replace(hour=13)))
        people.spend_ticket(change, "t", "h", NOON)
        people.revoke_sessions_of(change, ALICE, NOON)
        people.forgive(change, "a")
        people.tidy(change, NOON, NOON)
        workspaces.want(change, workspaces.ensure(change, NAME, ALICE, NOON), Wanted.Running)
        identifier = grants.suspend(change, NAME, suspension())
        grants.resume(change, [identifier], NOON)
        grants.revoke(change, NAME, "over", NOON)
        grants.ask_close(change, NAME, NOON)
        jobs.ask(change, JobRequest(program="checker", kind="k", subject="s", payload={}), NOON)
        optouts.propose(change, a_list(), {"Covid1": WithdrawalLevel.erase})
        optouts.keep_counted(change, LIST, Counted(people=1, patients=9, listed=1, unknown=0, already=0), NOON)
        optouts.confirm(change, LIST, ALICE, BatchState.Accepted, NOON)
    with portal.read() as connection:
        assert optouts.people_of(connection, LIST, optouts.Part.listed) == {"Covid1": WithdrawalLevel.erase}
        assert people.password_hash(connection, "alice") is None
        assert events.of_object(connection, "job/1")
        assert [one.name for one in datasets.all_datasets(connection)] == ["demo"]


def test_the_portal_decides_about_files_that_others_put_into_quarantine(sign_in: Callable[[str], Database]) -> None:
    file = quarantined_file()
    with sign_in("storekeeper").change(an_event()) as change:
        assert quarantine.keep(change, [file]) == 1
    portal, decision = sign_in("portal"), Decision(QuarantineState.rejected, ALICE, NOON, "no")
    with pytest.raises(ProgrammingError, match="permission denied"), portal.change(an_event()) as change:
        quarantine.keep(change, [file.model_copy(update={"sha256": "cd" * 32})])
    told = decision_event("demo", [file.sha256], decision, new_id())
    with portal.change(told) as change:
        quarantine.decide_all(change, "demo", [file.sha256], decision, {file.sha256: file.mark})
    with portal.read() as connection:
        assert quarantine.waiting_groups(connection) == []
        assert quarantine.choice(connection, QuarantineSearch("demo")).reasons == {("form", ""): 1}
        assert datasets.slices_of(connection, "demo") == []


def test_the_operator_does_what_the_commands_do(sign_in: Callable[[str], Database]) -> None:
    operator = sign_in("operator")
    new = Account(name="bob", display_name="Bob", roles=frozenset(), created_at=NOON)
    with operator.change(an_event()) as change:
        grants.apply(change, "other", access_grant("other").spec, "signed", NOON)
        grants.set_evidence(change, "other", verified=True)
        people.add_account(change, new, "hash")
        people.set_password(change, "bob", "other")
        people.disable_account(change, "bob", NOON)
        people.revoke_sessions_of(change, Subject(issuer="local", id="bob"), NOON)
        workspaces.want(change, workspaces.ensure(change, "other", ALICE, NOON), Wanted.Stopped)
    with operator.read() as connection:
        assert grants.all_names(connection) == [NAME, "other"]
        assert status(connection).waiting == 2


def test_the_public_pages_read_what_they_show(owner: Database, sign_in: Callable[[str], Database]) -> None:
    with sign_in("public").read() as connection:
        shown = public.published(connection)
        assert [grant.name for grant in shown] == [NAME]
        assert public.project_told(connection, public._one(connection, NAME), Known(connection)).outputs_released == 0
        assert len(public.history(connection, shown[0])) == 1
        assert [one.name for one in datasets.all_datasets(connection)] == ["demo"]
        assert publicaccount.clocks(connection, ItemKind.enquiry) == []
        assert publicaccount.in_force(connection, ItemKind.enquiry) == []
        assert [one.name for one in register.find(connection, ProjectSearch(text="university")).projects] == [NAME]
        assert [one.project_id_text for one in entries(connection)] == [NAME]
        assert register.newest(connection, 5)[0].name == NAME
        assert total_values(connection)["totals"].running == 1
        assert project_page(connection, shown[0], Known(connection)).outputs.asked == 0
        assert dataset_page(connection, datasets.require(connection, "demo")).projects == 0
        assert last_checkpoint(connection) is None


def test_the_portal_publishes_and_takes_down(sign_in: Callable[[str], Database]) -> None:
    portal = sign_in("portal")
    item = an_item(ItemKind.comment)
    with portal.change(an_event()) as change:
        publicaccount.create(change, item)
        shown = publicaccount.save(change, item, acts.publish(item, NOON), NOON)
        publicaccount.save(change, shown, acts.refuse(shown, RefusalClass.personal, NOON), NOON)
    with sign_in("public").read() as connection:
        (clock,) = publicaccount.clocks(connection, ItemKind.comment)
        assert (clock.refusal, publicaccount.wordings(connection, ItemKind.comment)) == ("personal", [])


def test_whoever_ends_a_project_tells_the_register(sign_in: Callable[[str], Database]) -> None:
    with sign_in("portal").change(an_event()) as change:
        grants.revoke(change, NAME, "over", NOON)
    with sign_in("public").read() as connection:
        assert register.totals(connection).running == 0
    with sign_in("controller").change(an_event()) as change:
        grants.set_phase(change, NAME, GrantPhase.Closed, NOON)
        grants.apply(change, "new", access_grant("new").spec, "signed", NOON)
        grants.set_phase(change, "new", GrantPhase.Active, NOON)
    with sign_in("public").read() as connection:
        assert register.totals(connection) == register.Totals(projects=2, running=1, commercial=0)


def refused(database: Database, statement: str) -> bool:
    """Whether the server says that the role may not; any other failure is the test's own."""
    try:
        with database.engine.begin() as connection:
            connection.exec_driver_sql(statement)
    except ProgrammingError as error:
        return "permission denied" in str(error)
    return False


LOG = ("audit_leaves", "audit_nodes", "audit_checkpoints")
ADDED = {
    "audit_leaves": "(7, 7, '')",
    "audit_nodes": "(7, 7, '')",
    "audit_checkpoints": "(7, '', now(), '')",
}


@pytest.mark.parametrize("table", LOG)
@pytest.mark.parametrize("role", roles.PROGRAMS)
def test_nobody_but_the_controller_adds_to_the_signed_log(
    sign_in: Callable[[str], Database], role: str, table: str
) -> None:
    statement = f"INSERT INTO {table} VALUES {ADDED[table]}"
    if role != "controller":
        assert refused(sign_in(role), statement)
        return
    with sign_in(role).engine.begin() as connection:
        assert connection.exec_driver_sql(statement).rowcount == 1


@pytest.mark.parametrize("role", roles.PROGRAMS)
def test_nobody_changes_or_removes_what_the_log_holds(sign_in: Callable[[str], Database], role: str) -> None:
    database = sign_in(role)
    for table in ("audit_events", *LOG):
        assert refused(database, f"DELETE FROM {table}")
        assert refused(database, f"TRUNCATE {table}")
    assert refused(database, "UPDATE audit_events SET kind = 'a.b'")
    assert refused(database, "UPDATE audit_leaves SET position = 1")
    assert refused(database, "UPDATE audit_checkpoints SET size = 1")
    assert refused(database, "UPDATE audit_nodes SET level = 1")
    with pytest.raises(DBAPIError, match="must be owner"), database.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE audit_events DISABLE TRIGGER ALL")
    assert refused(database, "CREATE TABLE mine (x int)")
    assert refused(database, "SET session_replication_role = replica")


@pytest.mark.parametrize("role", WRITERS)
def test_nobody_chooses_an_events_number(sign_in: Callable[[str], Database], role: str) -> None:
    values = "'a', now(), 'a.b', 'x', 'y', 'z/1', '{}'"
    columns = "id, at, kind, actor_issuer, actor_id, object, detail"
    assert refused(sign_in(role), f"INSERT INTO audit_events (number, {columns}) VALUES (1000, {values})")
    assert refused(sign_in(role), "SELECT setval('audit_events_number_seq', 1000)")
    with sign_in(role).engine.begin() as connection:
        assert connection.exec_driver_sql(f"INSERT INTO audit_events ({columns}) VALUES ({values})").rowcount == 1


FORBIDDEN = {
    "public": (
        *(f'INSERT INTO "{table}" DEFAULT VALUES' for table in metadata.tables),
        *(
            f'SELECT * FROM "{t}"'
            for t in ("accounts", "sessions", "tickets", "people", "correspondents", "letters", "jobs", "workspaces")
        ),
        "SELECT detail FROM audit_events",
        "SELECT actor_id FROM audit_events",
        "SELECT revoked_reason FROM grants",
        "SELECT reason FROM suspensions",
        "SELECT path FROM export_files",
        "SELECT body FROM plans",
        "SELECT index_digest FROM releases",
        "SELECT message FROM export_findings",
        "SELECT body FROM account_items",
        "SELECT digest FROM account_items",
        *(f"SELECT * FROM {t}" for t in ("committee_votes", "committee_recusals", "committee_decisions")),
        "SELECT document FROM committee_seats",
        "SELECT person FROM committee_seats",
        "SELECT document FROM applications",
        "LOCK TABLE writing_turn IN EXCLUSIVE MODE",
        "UPDATE grants SET phase = 'Active'",
    ),
    "portal": (
        "INSERT INTO grants DEFAULT VALUES",
        "INSERT INTO register_projects DEFAULT VALUES",
        "UPDATE register_slices SET told = '{}'",
        "INSERT INTO register_decisions DEFAULT VALUES",
        "DELETE FROM grants",
        "UPDATE grant_slices SET state = 'Ready'",
        "UPDATE accounts SET password_hash = ''",
        "INSERT INTO workspace_uids VALUES (1, 'w', now())",
        "DELETE FROM audit_waiting",
        "INSERT INTO audit_waiting VALUES (1)",
        "UPDATE leases SET token = 9",
        "INSERT INTO withdrawals DEFAULT VALUES",
    ),
    "storekeeper": (
        "SELECT * FROM grants",
        "UPDATE grants SET phase = 'Active'",
        "SELECT * FROM accounts",
        "SELECT * FROM sessions",
        "SELECT * FROM export_files",
        "SELECT detail FROM audit_events",
        "INSERT INTO jobs DEFAULT VALUES",
        "DELETE FROM withdrawals",
        "UPDATE releases SET index_digest = ''",
        "UPDATE leases SET token = 9",
    ),
    "controller": (
        "SELECT password_hash FROM accounts",
        "SELECT * FROM tickets",
        "DELETE FROM grants",
        "INSERT INTO sessions DEFAULT VALUES",
        "UPDATE people SET roles = '[]'",
        "DELETE FROM workspace_uids",
        "DELETE FROM withdrawals",
    ),
    "operator": ("DELETE FROM grants", "UPDATE leases SET token = 9", "DELETE FROM audit_waiting"),
}


@pytest.mark.parametrize("role", FORBIDDEN)
def test_a_role_is_refused_what_its_program_has_no_business_with(sign_in: Callable[[str], Database], role: str) -> None:
    database = sign_in(role)
    for statement in FORBIDDEN[role]:
        assert refused(database, statement)


def test_only_the_controller_leads(sign_in: Callable[[str], Database]) -> None:
    assert Lease(sign_in("controller"), ManualClock(NOON)).keep()
    with pytest.raises(DBAPIError, match="permission denied"):
        Lease(sign_in("portal"), ManualClock(NOON)).keep()


def test_rights_given_by_hand_are_taken_back_at_the_next_migration(postgres: Postgres) -> None:
    database = postgres.own()
    name = name_of(database)
    postgres.server.run(f'GRANT ALL ON accounts, audit_events TO "{PREFIX}public"; GRANT ALL ON jobs TO PUBLIC', name)
    public_pages = postgres.again(database, role="public")
    with public_pages.engine.begin() as connection:
        connection.exec_driver_sql("SELECT * FROM accounts")
        connection.exec_driver_sql("SELECT * FROM jobs")
    migrate(database, PREFIX)
    for table in ("accounts", "audit_events", "jobs"):
        assert refused(public_pages, f"SELECT * FROM {table}")


def test_a_missing_role_is_named_and_nothing_is_changed(postgres: Postgres) -> None:
    database = postgres.empty(Path())
    with pytest.raises(TREError, match="no role nobody_controller, nobody_operator") as caught:
        migrate(database, "nobody_")
    assert caught.value.reason is Reason.SetupIncomplete
    assert "python -m tre.store.roles nobody_" in caught.value.remedy
    with pytest.raises(TREError, match="revision none"):
        require_current(database)


def test_every_table_has_somebody_who_writes_it() -> None:
    """A table that nobody was given is a table that somebody forgot."""
    given: set[str] = set()
    for rights in roles.RIGHTS.values():
        given |= {name for name, what in rights.items() if "INSERT" in what or "UPDATE" in what}
    assert set(metadata.tables) - given == {"settings"}  # a restore alone writes it
    assert roles.creation("x_")[0].startswith('CREATE ROLE "x_owner" LOGIN NOSUPERUSER')


def test_a_server_that_keeps_text_otherwise_is_refused(postgres: Postgres) -> None:
    server = postgres.server
    server.run(f"CREATE DATABASE latin TEMPLATE template0 ENCODING 'LATIN1' OWNER {PREFIX}owner")
    database = Database(server.url("latin"))
    with pytest.raises(TREError, match="keeps text as LATIN1"):
        migrate(database)
    database.close()
    server.drop("latin")


def test_the_public_pages_count_opt_outs_and_see_nobody(owner: Database, sign_in: Callable[[str], Database]) -> None:
    with owner.change(an_event()) as change:
        optouts.propose(change, a_list(), {"Covid1": WithdrawalLevel.erase})
    shown = sign_in("public")
    with shown.read() as connection:
        assert optouts.applied(connection, "demo") == (0, None)
    with pytest.raises(DBAPIError), shown.read() as connection:
        optouts.people_of(connection, LIST, optouts.Part.listed)
    with pytest.raises(DBAPIError), shown.read() as connection:
        optouts.everything(connection)
