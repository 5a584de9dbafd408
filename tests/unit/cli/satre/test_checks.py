"""Every check on an installation that satisfies it, on one that does not, and on one where there is nothing to see."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from tests.support.applications import SEATS
from tests.support.factories import NOON, START
from tests.unit.cli.satre.world import BROKEN, DEAD, HELD, NOTHING, PROVEN, Means, World
from tests.unit.domain.exports.world import AUTHOR, CHECKERS
from tests.unit.domain.imports.test_acts import PURPOSE, ready, situation, yes
from tests.unit.store.conftest import an_event
from tests.unit.system.test_certificates import BASE, write_pair
from tre.airlock import policy as policies
from tre.audit import keys
from tre.audit.courier import state_path
from tre.audit.sequencer import Sequencer
from tre.cli.satre import settings_checks
from tre.cli.satre.place import Outcome, Place
from tre.cli.satre.settings_checks import TOOLS
from tre.cli.satre.table import CHECKS
from tre.domain.clock import ManualClock
from tre.domain.events import program
from tre.domain.grants.states import GrantPhase
from tre.domain.imports import acts
from tre.domain.imports.states import ImportState
from tre.domain.standing.models import StandingRules
from tre.store import committee, imports, standings
from tre.store.tables.airlock import export_requests, export_reviews
from tre.store.tables.committee import committee_seats
from tre.store.tables.costs import cost_budgets
from tre.store.tables.data import datasets, releases
from tre.store.tables.people import accounts, people
from tre.store.tables.publicaccount import account_items, account_published
from tre.store.tables.register import register_projects
from tre.store.tables.workspaces import workspaces
from tre.system.files import write_json

Act = Callable[[World], None]
_P = GrantPhase
OIDC = {
    "issuer": "https://idp.example",
    "clientId": "tre",
    "authorizeUrl": "https://idp.example/a",
    "tokenUrl": "https://idp.example/t",
    "userinfoUrl": "https://idp.example/u",
    "requireMfa": True,
}


def with_settings(**values: Any) -> Act:
    def act(world: World) -> None:
        world.settings |= values

    return act


def with_oidc(**changes: Any) -> Act:
    return with_settings(auth="oidc", oidc=OIDC | changes)


def with_grant(*phases: GrantPhase, **changes: Any) -> Act:
    return lambda world: world.grant(*phases, **changes)


def saying(kind: str, **detail: Any) -> Act:
    return lambda world: world.say(kind, "workspace/w-1", **detail)


def both(*deeds: Act) -> Act:
    def act(world: World) -> None:
        for one in deeds:
            one(world)

    return act


def tls(*hosts: str) -> Act:
    def act(world: World) -> None:
        write_pair(world.layout.root, *((hosts,) if hosts else ()))
        world.settings |= {"base": BASE, "tls": {"certificate": "chain.pem", "key": "key.pem"}}

    return act


def account(name: str = "alice", *roles: str, password: str = "$argon2id$v=19$x", **more: Any) -> Act:
    values = {"display_name": name, "password_hash": password, "roles": list(roles), "created_at": NOON} | more
    return lambda world: world.put(accounts, name=name, **values)


def file(name: str, mode: int = 0o644, text: str = "") -> Act:
    return lambda world: (world.write(name, text, mode), None)[1]


def witness(**kept: Any) -> Act:
    def act(world: World) -> None:
        world.settings |= {"witnesses": [{"name": "volume", "file": "elsewhere.jsonl"}]}
        state_path(world.layout.root).parent.mkdir()
        write_json(state_path(world.layout.root), {"places": {"volume": {"size": 3} | kept}})

    return act


def block(*uuids: str) -> Act:
    """A device that rests on one below, and so on; each with its mark."""

    def act(world: World) -> None:
        device = world.layout.root.stat().st_dev
        place = world.system / "dev" / "block" / f"{device >> 8 & 0xFFF}:{device & 0xFF | device >> 12 & 0xFFF00}"
        for uuid in uuids:
            (place / "dm").mkdir(parents=True)
            (place / "dm" / "uuid").write_text(uuid)
            place = place / "slaves" / "below"

    return act


def tools(*names: str) -> Act:
    def act(world: World) -> None:
        path = world.layout.root.parent / "environment"
        for name in ("bin/python", *(f"lib/python3.11/site-packages/{one}" for one in names)):
            (path / name).mkdir(parents=True)
        world.settings |= {"workspaceEnvironment": path}

    return act


def signed_log(world: World) -> None:
    signer = keys.generate("tre.example.org/audit")
    keys.write_public(world.layout.keys, [signer.public])
    world.say("grant.applied")
    clock = ManualClock(NOON)
    Sequencer(world.database, signer, clock).step()


def workspace(*steps: str, phase: str = "Running", grant: tuple[GrantPhase, ...] = (_P.Active,)) -> Act:
    def act(world: World) -> None:
        world.grant(*grant)
        values = {"wanted": "Running", "phase": phase, "reason": "", "message": "", "instance": 1, "changed_at": NOON}
        progress = [{"step": step, "at": NOON.isoformat(), "message": ""} for step in steps]
        world.put(workspaces, name="w-1", grant="g", issuer="local", subject="alice", progress=progress, **values)

    return act


def release(gate: str | None = "sha256:1") -> Act:
    def act(world: World) -> None:
        world.put(datasets, name="demo", title="Demo", data_group=1, created_at=NOON)
        world.put(releases, dataset="demo", name="r1", index_digest="d", counts={}, created_at=NOON, gate=gate)

    return act


def stored(name: str) -> Act:
    return lambda world: (world.layout.datasets / name).mkdir(parents=True)


def left(*checkers: str, void: bool = False, **changes: Any) -> Act:
    """A file that left after these people looked at it."""

    def act(world: World) -> None:
        world.grant(_P.Active)
        run = {"policy": {"name": "default", "sha256": "ab" * 32}, "tools": {"tre": "1"}}
        values = {"id": "e-1", "grant": "g", "workspace": "w-1", "author_issuer": "local", "author_id": "alice"}
        values |= {"policy": "default", "state": "Released", "turn": 1, "version": 1, "reason": "", "message": ""}
        values |= {"run": run, "released_at": NOON, "bundle_sha256": "cd" * 32, "ledger": [], "created_at": NOON}
        world.put(export_requests, **(values | {"changed_at": NOON} | changes))
        for place, who in enumerate(checkers):
            seat = {"request": "e-1", "turn": 1, "checker_issuer": "local", "checker_id": who, "place": place}
            world.put(export_reviews, **seat, submitted_at=NOON, void=void)

    return act


def brought_in(*, by_others: bool) -> Act:
    def act(world: World) -> None:
        world.grant(_P.Active)
        found = acts.submit(ready(), AUTHOR, PURPOSE, situation())
        found = yes(found, CHECKERS[0]) if by_others else found
        with world.database.change(an_event()) as change:
            imports.create(change, found.changed(state=ImportState.Placed))

    return act


def required(**rules: Any) -> Act:
    def act(world: World) -> None:
        with world.database.change(an_event()) as change:
            standings.keep_rules(change, StandingRules.model_validate(rules), NOON)

    return act


def seated(*leave_out: str) -> Act:
    def act(world: World) -> None:
        for seat in SEATS:
            if seat.constituency not in leave_out:
                world.put(committee_seats, **committee._seat_row(seat))

    return act


def incident(*, told: bool = True, due: timedelta | None = None) -> Act:
    def act(world: World) -> None:
        values = {"state": "Open", "about": "", "version": 1, "digest": "", "refusal": "", "body": {}}
        moments = {"received_at": NOON, "due_at": None if due is None else NOON + due}
        world.put(account_items, id="i-1", kind="incident", **values, **moments)
        if told:
            world.put(account_published, item="i-1", number=1, kind="incident", about="", at=NOON, body={})

    return act


def policy(**changes: str) -> Act:
    """The shipped policy as the site's own, with some words exchanged."""
    text = (policies.shipped_directory() / "default.yaml").read_text(encoding="utf-8")

    def act(world: World) -> None:
        changed = text
        for old, new in changes.items():
            assert old in changed
            changed = changed.replace(old, new)
        world.write("policies/airlock/default.yaml", changed)

    return act


CSV = {"types: [csv, tsv, text": "types: [safetensors, csv, tsv, text"}
ENDED = (_P.Active, _P.Expired)
LONG_AGO = {"notBefore": "2026-01-01T00:00:00Z", "expires": "2026-02-01T00:00:00Z"}
TRAINING = {"people": [{"kind": "training", "name": "safe-researcher"}]}
LEGAL = {"legalBasis": {"name": "COPI", "ends": "2027-06-30T00:00:00Z"}}


def ethical(**more: Any) -> Act:
    def act(world: World) -> None:
        organisation = {"name": "University", "id": "o", "sector": "academic", "commercial": False}
        project = {"title": "T", "laySummary": "L", "publicBenefit": "B", "organisation": organisation}
        world.grant(_P.Active, project=project | {"ethicsReference": "REC 1"}, **more)

    return act


def priced(amount: str) -> Act:
    return with_settings(costs={"prices": {"currency": "GBP", "units": {"cpu-hours-reserved": amount}}})


def limited(measure: str) -> Act:
    def act(world: World) -> None:
        values = {"limit": "100", "by_issuer": "local", "by_id": "olga", "at": NOON, "reason": "agreed", "told": 0}
        world.put(cost_budgets, grant="g", measure=measure, **values)

    return act


CASES: dict[str, tuple[Act, list[tuple[Act, Outcome]]]] = {
    "tls": (tls(), [(with_settings(), BROKEN), (tls("other.example"), BROKEN)]),
    "second-factor": (with_oidc(), [(with_oidc(requireMfa=False), BROKEN), (with_settings(), BROKEN)]),
    "identity-provider": (with_oidc(), [(with_settings(), BROKEN)]),
    "sign-in-sound": (
        with_oidc(),
        [
            (with_oidc(tokenUrl="http://idp.example/t"), BROKEN),
            (account(password="plain"), BROKEN),
            (with_settings(), NOTHING),
        ],
    ),
    "keys-private": (file("keys/a.key", 0o600), [(file("keys/a.key", 0o644), BROKEN), (with_settings(), NOTHING)]),
    "policies-guarded": (file("policies/a.yaml"), [(file("policies/a.yaml", 0o666), BROKEN)]),
    "configuration-valid": (
        file("tre.yaml", text="base: x.example"),
        [
            (both(file("tre.yaml"), file("policies/standing.yaml", text="kind: StandingPolicy")), BROKEN),
            (both(file("tre.yaml"), file("policies/airlock/site.yaml", text="kind: x")), BROKEN),
            (with_settings(), BROKEN),
        ],
    ),
    "limits-enforced": (
        with_settings(),
        [(with_settings(runtime="kubernetes", databaseUrl="postgresql://db/tre"), NOTHING)],
    ),
    "costs-told": (
        both(with_grant(_P.Active), priced("0.04")),
        [
            (with_grant(_P.Active), BROKEN),
            (both(with_grant(_P.Active), priced("0")), BROKEN),
            (both(with_grant(_P.Active, workspace={"profile": "huge"}), priced("0.04")), BROKEN),
            (priced("0.04"), NOTHING),
        ],
    ),
    "budgets-set": (
        both(with_grant(_P.Active), limited("cpu-hours-reserved")),
        [
            (with_grant(_P.Active), BROKEN),
            (both(with_grant(_P.Active), limited("money")), BROKEN),
            (with_settings(), NOTHING),
        ],
    ),
    "witnessed": (witness(keptAt="2026-11-24T11:59:00Z"), [(witness(), BROKEN), (with_settings(), BROKEN)]),
    "disks-encrypted": (
        block("CRYPT-LUKS2-1"),
        [(block("LVM-1"), BROKEN), (block("LVM-1", "LVM-2"), BROKEN), (with_settings(), BROKEN)],
    ),
    "practice-allowed": (file("keys/practice-signers/a.pub"), [(with_settings(), BROKEN)]),
    "tools-present": (tools(*TOOLS), [(tools(*TOOLS[1:]), BROKEN)]),
    "log-verifies": (
        signed_log,
        [
            (
                both(signed_log, lambda world: world.tamper("UPDATE audit_events SET object = 'grant/other'")),
                BROKEN,
            ),
            (lambda world: keys.write_public(world.layout.keys, [keys.generate("a.example/audit").public]), NOTHING),
        ],
    ),
    "actors-named": (
        saying("grant.applied"),
        [
            (
                both(saying("grant.applied"), lambda world: world.tamper("UPDATE audit_events SET actor_id = ''")),
                BROKEN,
            ),
            (lambda world: world.say("job.done", actor=program("controller")), NOTHING),
        ],
    ),
    "isolation-proven": (
        saying("workspace.progressed", isolation=PROVEN),
        [
            (saying("workspace.progressed", isolation=PROVEN | {"proven": False}), BROKEN),
            (saying("workspace.progressed", isolation=PROVEN | {"provenItems": []}), BROKEN),
            (saying("workspace.progressed", isolation=PROVEN | {"failed": ["internet"]}), BROKEN),
            (saying("workspace.progressed", isolation=PROVEN | {"unproven": ["internet"]}), BROKEN),
            (workspace("SlicesMounted"), BROKEN),
            (saying("workspace.progressed", steps=["SlicesMounted"]), NOTHING),
        ],
    ),
    "deaths-proven": (
        saying("workspace.stopped", proof=DEAD),
        [
            (saying("workspace.stopped", proof=DEAD | {"processes": [7]}), BROKEN),
            (saying("workspace.stopped", proof=DEAD | {"unproven": ["node"]}), BROKEN),
            (saying("workspace.stopped"), BROKEN),
            (saying("workspace.stopped-by-statement"), BROKEN),
            (with_settings(), NOTHING),
        ],
    ),
    "none-overstays": (
        workspace("IsolationProven"),
        [(workspace("IsolationProven", grant=ENDED), BROKEN), (with_settings(), NOTHING)],
    ),
    "use-recorded": (saying("workspace.stopped"), [(with_settings(), NOTHING)]),
    "entries-recorded": (saying("workspace.entered"), [(saying("workspace.stopped"), NOTHING)]),
    "releases-logged": (
        both(release(), saying("release.published")),
        [(release(), BROKEN), (with_settings(), NOTHING)],
    ),
    "backed-up": (saying("record.backed-up"), [(with_settings(), BROKEN)]),
    "approvals-verified": (
        with_grant(_P.Active),
        [(with_grant(_P.Active, verified=False), BROKEN), (with_grant(), NOTHING)],
    ),
    "references-given": (
        ethical(**LEGAL),
        [(ethical(), BROKEN), (with_grant(_P.Active, **LEGAL), BROKEN), (with_settings(), NOTHING)],
    ),
    "leads-named": (
        with_grant(_P.Active),
        [
            (with_grant(_P.Active, members=[{"subject": {"issuer": "local", "id": "a"}}]), BROKEN),
            (with_grant(*ENDED), NOTHING),
        ],
    ),
    "outputs-foreseen": (
        with_grant(_P.Active, register={"outputs": [{"what": "A paper"}]}),
        [(with_grant(_P.Active), BROKEN), (with_grant(_P.Active, register={}), BROKEN), (with_settings(), NOTHING)],
    ),
    "projects-told": (
        with_grant(_P.Active),
        [(both(with_grant(_P.Active), lambda world: world.empty(register_projects)), BROKEN), (with_grant(), NOTHING)],
    ),
    "ends-kept": (
        both(with_grant(*ENDED, expires=(NOON - timedelta(days=20)).isoformat())),
        [(with_grant(*ENDED, **LONG_AGO), BROKEN), (with_grant(_P.Active), NOTHING)],
    ),
    "destruction-certified": (
        both(
            with_grant(*ENDED, _P.Closed),
            lambda world: world.say("grant.closed", "grant/g", certificate={"w-1": {"receipt": "home"}}),
        ),
        [
            (with_grant(*ENDED, _P.Closed), BROKEN),
            (
                both(
                    with_grant(*ENDED, _P.Closed),
                    lambda world: world.say("grant.closed", "grant/g", certificate={"w-1": None}),
                ),
                BROKEN,
            ),
            (with_grant(*ENDED), NOTHING),
        ],
    ),
    "standing-required": (required(**TRAINING), [(with_settings(), BROKEN)]),
    "training-required": (
        required(**TRAINING),
        [(required(people=[{"kind": "accreditation", "name": "a"}]), BROKEN), (required(), BROKEN)],
    ),
    "agreements-required": (
        required(organisations=[{"kind": "agreement", "name": "data-use"}]),
        [(required(**TRAINING), BROKEN)],
    ),
    "roles-apart": (
        both(account("alice", "operator"), account("bob", "checker", "committee")),
        [(account("alice", "operator", "checker"), BROKEN), (with_settings(), NOTHING)],
    ),
    "accounts-personal": (
        both(account("alice"), account("lab", disabled_at=NOON)),
        [(account("Checkers2"), BROKEN), (account("team-1"), BROKEN), (with_settings(), NOTHING)],
    ),
    "checkers-enough": (
        both(account("alice", "checker"), account("bob", "checker")),
        [
            (account("alice", "checker"), BROKEN),
            (both(account("alice", "checker"), account("bob", "checker", disabled_at=NOON)), BROKEN),
            (
                both(
                    account("alice", "checker"),
                    account("bob", "checker"),
                    with_grant(_P.Active, export={"reviewers": 3}),
                ),
                BROKEN,
            ),
        ],
    ),
    "committee-seated": (seated(), [(seated("patient"), BROKEN), (with_settings(), BROKEN)]),
    "incidents-followed": (
        both(incident(due=timedelta(hours=1))),
        [(incident(due=-timedelta(hours=1)), BROKEN), (with_settings(), NOTHING)],
    ),
    "incidents-told": (incident(), [(incident(told=False), BROKEN), (with_settings(), NOTHING)]),
    "datasets-recorded": (
        both(release(), stored("demo")),
        [(both(release(), stored("other")), BROKEN), (with_settings(), NOTHING)],
    ),
    "deliveries-gated": (release(), [(release(None), BROKEN), (with_settings(), NOTHING)]),
    "imports-approved": (
        brought_in(by_others=True),
        [(brought_in(by_others=False), BROKEN), (with_settings(), NOTHING)],
    ),
    "releases-reviewed": (
        left("carol", "dave"),
        [
            (left("carol"), BROKEN),
            (left("carol", "alice"), BROKEN),
            (left("carol", "dave", void=True), BROKEN),
            (left("carol", "dave", turn=2), BROKEN),
            (left("carol", released_at=None), NOTHING),
        ],
    ),
    "criteria-kept": (
        left(),
        [
            (left(run=None), BROKEN),
            (left(bundle_sha256=None), BROKEN),
            (left(run={"policy": {"name": "default"}, "tools": {"tre": "1"}}), BROKEN),
            (left(run={"policy": {"sha256": "ab"}, "tools": {}}), BROKEN),
            (with_settings(), NOTHING),
        ],
    ),
    "policies-load": (
        with_grant(_P.Active, export={"policy": "opensafely"}),
        [
            (with_grant(_P.Active, export={"policy": "lost"}), BROKEN),
            (file("policies/airlock/default.yaml", text="kind: x"), BROKEN),
        ],
    ),
    "models-held-back": (policy(**CSV), [(policy(**CSV, **{"M02: E": "M02: A"}), BROKEN)]),
}
"""By check: what satisfies it, and what does not, with what is found then."""


def test_every_check_has_its_two_sides() -> None:
    assert CASES.keys() == CHECKS.keys()
    assert [name for name, (_, others) in CASES.items() if not others] == []


@pytest.mark.parametrize("name", CASES)
def test_it_holds_where_it_should(name: str, world: World) -> None:
    CASES[name][0](world)
    found = world.look(name)
    assert (found.outcome, found.words[-1]) == (HELD, "."), found


@pytest.mark.parametrize(
    ("name", "act", "due"),
    [(name, act, due) for name, (_, others) in CASES.items() for act, due in others],
    ids=[f"{name}-{number}" for name, (_, others) in CASES.items() for number in range(len(others))],
)
def test_it_does_not_hold_elsewhere(name: str, act: Act, due: Outcome, world: World) -> None:
    act(world)
    found = world.look(name)
    assert found.outcome is due, found
    assert found.words


def test_limits_by_other_means_are_told(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings_checks.limits, "choose", lambda _name: Means("each process"))
    assert world.look("limits-enforced") == (BROKEN, "memory: each process.")


def test_local_passwords_and_volumes_below_volumes(world: World) -> None:
    account()(world)
    assert world.look("sign-in-sound").outcome is HELD
    block("LVM-1", "CRYPT-LUKS2-1")(world)
    assert world.look("disks-encrypted").outcome is HELD


def test_a_policy_may_ask_for_more_checkers(world: World) -> None:
    both(account("alice", "checker"), account("bob", "checker"))(world)
    policy(**{"minimumReviewers: 2": "minimumReviewers: 3"})(world)
    assert world.look("checkers-enough") == (BROKEN, "2 people check outputs, and 3 are needed for one release.")


def test_an_old_backup_is_none(world: World) -> None:
    world.say("record.backed-up")
    late = Place(world.layout, world.place.settings, world.database, NOON + timedelta(days=36), world.pages)
    assert "2026-11-01" in CHECKS["backed-up"].look(late).words
    assert CHECKS["backed-up"].look(late).outcome is BROKEN


def test_a_release_past_the_quorum_counts_where_it_was_seconded(world: World) -> None:
    left("carol", emergency={"why": "urgent"})(world)
    assert world.look("releases-reviewed").outcome is HELD


def test_an_earlier_checkpoint_in_other_hands_is_held_against_the_log(world: World) -> None:
    signed_log(world)
    world.settings |= {"witnesses": [{"name": "volume", "file": "kept.jsonl"}]}
    assert world.look("log-verifies").outcome is HELD  # nothing is kept there yet
    world.write("kept.jsonl", "no checkpoint")
    assert world.look("log-verifies").outcome is BROKEN


def test_people_of_the_provider_count_as_accounts_do(world: World) -> None:
    values = {"display_name": "Eve", "hub_name": "u-1", "roles": ["operator", "committee"]}
    world.put(people, issuer="https://idp.example", subject="eve", **values)
    assert "https://idp.example:eve" in world.look("roles-apart").words
    world.change(people, barred="AccountDisabled")
    assert world.look("roles-apart").outcome is NOTHING


def test_a_check_that_breaks_is_no_proof(world: World) -> None:
    world.database.close()
    world.layout.database.unlink()
    found = world.look("actors-named")
    assert found.outcome is BROKEN
    assert "could not be looked at" in found.words


def test_practice_data_are_no_project(world: World) -> None:
    spec = {"slice": 1, "dataset": "practice-x", "release": "2026-10-01", "images": [{"modality": ["CR"]}]}
    slices = [{"name": "cxr", "dataset": "practice-x", "release": "2026-10-01", "spec": spec}]
    world.grant(_P.Active, slices=slices, notBefore=START.isoformat())
    assert world.place.told == []
