"""Checks of projects, of the people who take part, and of what the public is told."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from sqlalchemy import Connection, or_, select

from tre.cli.satre.place import Check, Found, Place, broken, held, judged, nothing, policies
from tre.domain.grants.destruction import access_ended
from tre.domain.grants.models import GrantRecord, MemberRole
from tre.domain.grants.states import GrantPhase
from tre.domain.people import Role
from tre.domain.publicaccount.states import ItemKind
from tre.domain.standing.models import StandingKind
from tre.sources.committee_policy import load_committee
from tre.store import committee, standings
from tre.store.tables.audit import audit_events
from tre.store.tables.people import accounts, people
from tre.store.tables.publicaccount import account_items, account_published
from tre.store.tables.register import register_projects

SLACK = timedelta(days=2)
"""How long after its due day the destruction of homes may take before it counts as late."""

_MANY = "admin administrator checker committee demo everybody group guest lab office operator project researcher root"
FOR_MANY = frozenset(f"{_MANY} shared staff student team test user".split())
"""Names of accounts that are no person's, without a number or an s at their end."""


def _each(projects: list[GrantRecord], lacks: Callable[[GrantRecord], str], words: str) -> Found:
    """Held where no project lacks something."""
    if not projects:
        return nothing("No project is in force.")
    return judged([f"{one.name} {lack}" for one in projects if (lack := lacks(one))], words)


def _approvals_verified(place: Place) -> Found:
    active = [one for one in place.running if one.phase is GrantPhase.Active]

    def lacks(one: GrantRecord) -> str:
        return "" if one.evidence_verified else "is open without evidence that was verified"

    return _each(active, lacks, "Every project in force has an approval whose evidence was verified.")


def _references_given(place: Place) -> Found:
    def lacks(one: GrantRecord) -> str:
        project, missing = one.spec.project, []
        missing += [] if project.ethics_reference else ["no ethics approval"]
        missing += [] if one.spec.legal_basis else ["no legal basis"]
        return f"names {' and '.join(missing)}" if missing else ""

    return _each(place.running, lacks, "Every project names its approval, its ethics approval and its legal basis.")


def _leads_named(place: Place) -> Found:
    def lacks(one: GrantRecord) -> str:
        return "" if any(member.role is MemberRole.lead for member in one.spec.members) else "names no lead"

    return _each(place.running, lacks, "Every project names who leads it.")


def _outputs_foreseen(place: Place) -> Found:
    def lacks(one: GrantRecord) -> str:
        details = one.spec.register_details
        return "" if details is not None and details.outputs else "does not say what it means to give back"

    return _each(place.running, lacks, "Every project says what it means to give back.")


def _projects_told(place: Place) -> Found:
    def look(connection: Connection) -> Found:
        known = set(connection.execute(select(register_projects.c.name)).scalars())
        return _each(
            place.told,
            lambda one: "" if one.name in known else "is not in the public register",
            "Every project that was ever in force is in the public register.",
        )

    return place.asked(look)


def _ends_kept(place: Place) -> Found:
    ended = [one for one in place.told if one.phase in {GrantPhase.Expired, GrantPhase.Revoked, GrantPhase.Closed}]
    if not ended:
        return nothing("No project has ended yet.")
    limit = timedelta(days=place.settings.home_retention_days)
    late = [
        f"{one.name} ended on {access_ended(one):%Y-%m-%d} and is not closed"
        for one in ended
        if one.phase is not GrantPhase.Closed and place.now > access_ended(one) + limit + SLACK
    ]
    return judged(late, f"What ended is destroyed within {limit.days} days.")


def _destruction_certified(place: Place) -> Found:
    closed = [one.name for one in place.told if one.phase is GrantPhase.Closed]
    if not closed:
        return nothing("No project was closed yet.")

    def look(connection: Connection) -> Found:
        query = select(audit_events.c.object, audit_events.c.detail).where(audit_events.c.kind == "grant.closed")
        certified = {row.object for row in connection.execute(query) if _complete(row.detail.get("certificate"))}
        wrong = [f"{name} was closed without every receipt" for name in closed if f"grant/{name}" not in certified]
        return judged(wrong, "Every project that was closed has a receipt for each home.")

    return place.asked(look)


def _complete(certificate: object) -> bool:
    return isinstance(certificate, dict) and None not in certificate.values()


def _standing_required(place: Place) -> Found:
    def look(connection: Connection) -> Found:
        due = [str(one) for one in standings.rules(connection).people]
        if not due:
            return broken("Nothing is required of people (policies/standing.yaml).")
        return held(f"Required of each person: {', '.join(due)}.")

    return place.asked(look)


def _requires(place: Place, kind: StandingKind, *, everybody: bool) -> Found:
    def look(connection: Connection) -> Found:
        rules = standings.rules(connection)
        listed = (*rules.people, *rules.organisations) if everybody else rules.people
        due = [str(one) for one in listed if one.kind is kind]
        if not due:
            return broken(f"No {kind} is required (policies/standing.yaml).")
        return held(f"Required before anybody gets in, and watched: {', '.join(due)}.")

    return place.asked(look)


def _training_required(place: Place) -> Found:
    return _requires(place, StandingKind.training, everybody=False)


def _agreements_required(place: Place) -> Found:
    return _requires(place, StandingKind.agreement, everybody=True)


def _held_roles(connection: Connection) -> dict[str, set[str]]:
    """Who holds which roles: accounts that are not disabled, and people the provider vouched for."""
    found = {
        f"local:{row.name}": set(row.roles)
        for row in connection.execute(select(accounts.c.name, accounts.c.roles).where(accounts.c.disabled_at.is_(None)))
    }
    query = select(people.c.issuer, people.c.subject, people.c.roles).where(people.c.barred.is_(None))
    for row in connection.execute(query):
        if row.issuer != "local":
            found[f"{row.issuer}:{row.subject}"] = set(row.roles)
    return found


def _roles_apart(place: Place) -> Found:
    def look(connection: Connection) -> Found:
        held_by = _held_roles(connection)
        decides = {Role.checker.value, Role.committee.value}
        wrong = [
            f"{who} is operator and {' and '.join(sorted(roles & decides))}"
            for who, roles in sorted(held_by.items())
            if Role.operator in roles and roles & decides
        ]
        return judged(wrong, "Nobody both operates and decides.") if held_by else nothing("Nobody holds a role yet.")

    return place.asked(look)


def _stem(name: str) -> str:
    """A name without what makes it one of several: `Checkers2` is `checker`."""
    return name.lower().rstrip("0123456789").rstrip("-_.").removesuffix("s")


def _accounts_personal(place: Place) -> Found:
    def look(connection: Connection) -> Found:
        query = select(accounts.c.name).where(accounts.c.disabled_at.is_(None)).order_by(accounts.c.name)
        names = list(connection.execute(query).scalars())
        if not names and place.settings.auth == "local":
            return nothing("There is no account yet.")
        wrong = [f"{name} is no person's name" for name in names if _stem(name) in FOR_MANY]
        return judged(wrong, "No account is named after a role or a group.")

    return place.asked(look)


def _checkers_enough(place: Place) -> Found:
    def look(connection: Connection) -> Found:
        checkers = sum(Role.checker in roles for roles in _held_roles(connection).values())
        asked = [one.spec.export.reviewers or 0 for one in place.running]
        due = max(*(one.spec.review.minimum_reviewers for one in policies(place).values()), *asked, 0)
        if checkers < due:
            return broken(f"{checkers} people check outputs, and {due} are needed for one release.")
        return held(f"{checkers} people check outputs; each request says whose turn it is.")

    return place.asked(look)


def _committee_seated(place: Place) -> Found:
    due = load_committee(place.layout.root).spec.quorum

    def look(connection: Connection) -> Found:
        seats = [seat for seat in committee.seats(connection) if seat.in_force(place.now)]
        wrong = []
        for name, number in sorted(due.items()):
            filled = sum(seat.constituency == name for seat in seats)
            wrong += [f"{name}: {filled} of {number} seats filled"] if filled < number else []
        return judged(wrong, f"{len(seats)} members, patients among them, decide on applications.")

    return place.asked(look)


def _incidents(place: Place, judge: Callable[[Connection, list[str]], Found]) -> Found:
    def look(connection: Connection) -> Found:
        told = account_items.c.kind == ItemKind.incident
        names = list(connection.execute(select(account_items.c.id).where(told).order_by(account_items.c.id)).scalars())
        return judge(connection, names) if names else nothing("No incident was declared yet.")

    return place.asked(look)


def _incidents_followed(place: Place) -> Found:
    def judge(connection: Connection, names: list[str]) -> Found:
        overdue = or_(account_items.c.due_at.is_(None), account_items.c.due_at >= place.now)
        query = select(account_items.c.id).where(account_items.c.id.in_(names), account_items.c.closed_at.is_(None))
        late = [f"{name} is overdue" for name in connection.execute(query.where(~overdue)).scalars()]
        return judged(late, f"{len(names)} incidents were declared; none is overdue.")

    return _incidents(place, judge)


def _incidents_told(place: Place) -> Found:
    def judge(connection: Connection, names: list[str]) -> Found:
        published = set(connection.execute(select(account_published.c.item)).scalars())
        hidden = [f"{name} was not told to the public" for name in names if name not in published]
        return judged(hidden, f"All {len(names)} incidents stand on the public pages.")

    return _incidents(place, judge)


CHECKS: dict[str, Check] = {
    "approvals-verified": Check(
        "every project in force has an approval whose evidence was verified", _approvals_verified
    ),
    "references-given": Check("every project names its ethics approval and its legal basis", _references_given),
    "leads-named": Check("every project names who leads it", _leads_named),
    "outputs-foreseen": Check("every project says what it means to give back", _outputs_foreseen),
    "projects-told": Check("every project that was ever in force is in the public register", _projects_told),
    "ends-kept": Check("what ended is destroyed within the time of `homeRetentionDays`", _ends_kept),
    "destruction-certified": Check("every closed project has a receipt for each home", _destruction_certified),
    "standing-required": Check("something is required of each person before data are open", _standing_required),
    "training-required": Check("training is required of each person", _training_required),
    "agreements-required": Check("an agreement is required of people or organisations", _agreements_required),
    "roles-apart": Check("nobody both operates and checks or decides", _roles_apart),
    "accounts-personal": Check("no account is named after a role or a group", _accounts_personal),
    "checkers-enough": Check("enough people may check outputs", _checkers_enough),
    "committee-seated": Check("every constituency of the committee has its members, patients too", _committee_seated),
    "incidents-followed": Check("no incident is overdue", _incidents_followed),
    "incidents-told": Check("every incident stands on the public pages", _incidents_told),
}
"""What is looked at, by name."""
