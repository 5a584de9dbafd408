"""What people set in motion from the desk: each with its permission, its rule, and its event.

Guarantees: pages and API do the same by calling the same function here; who may is asked first, then whether it is
possible now; the change and its event are one transaction. The portal only writes what is wanted: the controller
acts.

Does not guarantee: that it has happened when a function returns. The pages show when it has.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection

from tre.domain.desk import permissions
from tre.domain.entitlement import is_entitled
from tre.domain.errors import Reason, TREError
from tre.domain.grants.models import GrantRecord, Suspension, SuspensionScope
from tre.domain.people import Person
from tre.domain.workspaces.models import Workspace
from tre.domain.workspaces.states import Wanted
from tre.portal.context import Desk, Portal
from tre.portal.words import words_for
from tre.store import grants, workspaces


def visible_grant(connection: Connection, person: Person, name: str) -> GrantRecord:
    """A grant that a person may see. Raises `TREError(GrantNotFound)` for another's as for none."""
    grant = grants.get(connection, name)
    if grant is None:
        raise TREError(
            Reason.GrantNotFound,
            f"There is no project {name!r} for you.",
            why="There is none of that name, or its approval does not name you.",
            remedy="Ask the lead of the project whether the approval names you.",
        )
    permissions.check_see_grant(person, grant)
    return grant


def visible_workspace(connection: Connection, person: Person, name: str) -> Workspace:
    """A workspace that a person may see. Raises `TREError(GrantNotFound)` for another's as for none."""
    workspace = workspaces.get(connection, name)
    if workspace is None or not permissions.can_see_workspace(person, workspace):
        raise TREError(Reason.GrantNotFound, "There is no such workspace for you.", remedy="Go back to your projects.")
    return workspace


def open_workspace(desk: Desk, person: Person, grant_name: str) -> str:
    """Ask for the person's own workspace of a grant; return its name.

    Raises `TREError` with the reason of `is_entitled` where the person may not be in it now.
    """
    now = desk.clock.now()
    with desk.database.read() as connection:
        grant = visible_grant(connection, person, grant_name)
    permissions.check_open(person, grant)
    _check_entitled(grant, person, now)
    name = Workspace.name_for(grant.name, person.subject)
    event = desk.event(person.subject, "workspace.wanted", f"workspace/{name}", grant=grant.name)
    with desk.database.change(event) as change:
        workspaces.ensure(change, grant.name, person.subject, now)
        workspaces.want(change, name, Wanted.Running)
    return name


def _check_entitled(grant: GrantRecord, person: Person, now: datetime) -> None:
    verdict = is_entitled(grant, person.subject, now)
    if not verdict:
        said = words_for(verdict.reason)
        raise TREError(verdict.reason, "The workspace cannot be opened now.", why=said.text, remedy=said.advice)


def stop_workspace(desk: Desk, person: Person, name: str) -> Workspace:
    """Ask for a workspace's end; return it as it was. Raises `TREError`."""
    with desk.database.read() as connection:
        workspace = visible_workspace(connection, person, name)
    permissions.check_stop(person, workspace)
    event = desk.event(person.subject, "workspace.unwanted", f"workspace/{name}", grant=workspace.grant)
    with desk.database.change(event) as change:
        workspaces.want(change, name, Wanted.Stopped)
    return workspace


def restart_workspace(desk: Desk, person: Person, name: str) -> Workspace:
    """Ask for the end of one's run and for another after it, with the ends that hold then; return it as it was.

    Raises `TREError`, also where the person may not be in it any more.
    """
    with desk.database.read() as connection:
        workspace = visible_workspace(connection, person, name)
        grant = grants.require(connection, workspace.grant)
    permissions.check_restart(person, workspace)
    _check_entitled(grant, person, desk.clock.now())
    event = desk.event(person.subject, "workspace.restart-wanted", f"workspace/{name}", grant=workspace.grant)
    with desk.database.change(event) as change:
        workspaces.want(change, name, Wanted.Restart)
    return workspace


def suspend(desk: Desk, person: Person, grant_name: str, suspension: Suspension) -> str:
    """Stop a grant, a slice, a member or the whole organisation; return the suspension's identifier.

    Raises `TREError(NotPermitted | StateForbids | BadInput)`.
    """
    with desk.database.read() as connection:
        grant = visible_grant(connection, person, grant_name)
    permissions.check_suspend(person, grant)
    _check_scope(grant, suspension)
    whole_organisation = suspension.scope is SuspensionScope.organisation
    subject = f"organisation/{suspension.ref}" if whole_organisation else f"grant/{grant.name}"
    event = desk.event(
        person.subject,
        "suspension.added",
        subject,
        scope=suspension.scope.value,
        ref=suspension.ref,
        reason=suspension.reason,
    )
    with desk.database.change(event) as change:
        return grants.suspend(change, None if whole_organisation else grant.name, suspension)


def _check_scope(grant: GrantRecord, suspension: Suspension) -> None:
    known = {
        SuspensionScope.grant: {""},
        SuspensionScope.slice: {item.name for item in grant.spec.slices},
        SuspensionScope.member: {str(member.subject) for member in grant.spec.members},
        SuspensionScope.organisation: {grant.spec.project.organisation.id},
    }
    if suspension.ref not in known[suspension.scope]:
        raise TREError(
            Reason.BadInput, f"The grant has no such {suspension.scope}.", remedy="Choose one from the list."
        )
    if suspension.until is not None and suspension.until <= suspension.since:
        raise TREError(Reason.BadInput, "The suspension would be over already.", remedy="Give a time to come.")


def resume(desk: Desk, person: Person, grant_name: str, identifier: str) -> None:
    """Lift one suspension of a grant or of its organisation.

    Raises `TREError(NotPermitted | StateForbids | BadInput)`.
    """
    now = desk.clock.now()
    with desk.database.read() as connection:
        grant = visible_grant(connection, person, grant_name)
        stored = {item.id: item for item in grants.stored_suspensions(connection, grant)}
        permissions.check_resume(person, grant)
        if (found := stored.get(identifier)) is None:
            raise TREError(Reason.BadInput, "The grant has no such suspension.", remedy="Load the page again.")
        whole_organisation = found.scope is SuspensionScope.organisation
        if whole_organisation:  # it gives access back to every project of the organisation
            for name in grants.of_organisation(connection, found.ref):
                permissions.check_impartial(person, grants.require(connection, name))
    subject = f"organisation/{found.ref}" if whole_organisation else f"grant/{grant.name}"
    event = desk.event(person.subject, "suspension.lifted", subject, suspension=identifier)
    with desk.database.change(event) as change:
        if grants.resume(change, [identifier], now) == 0:
            raise TREError(Reason.StateForbids, "This suspension is over already.")


def revoke(desk: Desk, person: Person, grant_name: str, typed: str, reason: str) -> None:
    """Withdraw an approval for good, once its name was typed. Raises `TREError`."""
    with desk.database.read() as connection:
        grant = visible_grant(connection, person, grant_name)
    permissions.check_revoke(person, grant)
    _check_typed(grant, typed)
    with desk.database.change(
        desk.event(person.subject, "grant.revoked", f"grant/{grant.name}", reason=reason)
    ) as change:
        grants.revoke(change, grant.name, reason, desk.clock.now())


def close(desk: Desk, person: Person, grant_name: str, typed: str) -> None:
    """Have an ended grant's homes destroyed now, once its name was typed. Raises `TREError`."""
    with desk.database.read() as connection:
        grant = visible_grant(connection, person, grant_name)
    permissions.check_close(person, grant)
    _check_typed(grant, typed)
    with desk.database.change(desk.event(person.subject, "grant.close-asked", f"grant/{grant.name}")) as change:
        grants.ask_close(change, grant.name, desk.clock.now())


def _check_typed(grant: GrantRecord, typed: str) -> None:
    if typed != grant.name:
        raise TREError(
            Reason.ConfirmationWrong, "What you typed is not the name of the grant.", remedy=f"Type {grant.name}."
        )


def entitled(portal: Portal, grant: GrantRecord, workspace: Workspace) -> bool:
    """Whether a workspace's member may be in it now."""
    return bool(is_entitled(grant, workspace.subject, portal.clock.now()))
