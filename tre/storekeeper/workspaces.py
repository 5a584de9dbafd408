"""The directories of workspaces: making them for one user each, and destroying them with a receipt.

Guarantees: a home can be entered by its workspace's user alone; the outbox also by the checker, the inbox is written
by the storekeeper alone, the project's folder is open to the users of its members and nobody else. A directory that
belongs to somebody else is refused, never taken over. Destruction takes the trees out of sight in one step, follows
no link, copes with any depth and any modes, and counts what it deleted.

Does not guarantee: that bytes cannot be recovered from the disk; encrypt the volume. Backups are another matter.

Threat: a job that asks for another user's directory or for root's; a home full of links that point elsewhere.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from tre.domain.errors import Reason, TREError
from tre.domain.grants.states import ENDED_PHASES
from tre.domain.model import Line, Record
from tre.domain.slices.spec import ResourceName
from tre.slices import acl
from tre.slices.files import (
    PRIVATE_MODE,
    Ownership,
    Removed,
    directory,
    discard,
    empty,
    locked,
    make_private,
    may_chown,
    storage_error,
)
from tre.store import grants, imports
from tre.storekeeper import inboxes
from tre.storekeeper.office import PATIENCE, Office

OUTBOX_MODE, INBOX_MODE = 0o2750, 0o2750

WorkspaceName = Annotated[Line, Field(pattern=r"^w-[a-z2-7]{12}$")]


class ProvisionRequest(Record):
    """Which workspace needs its directories, and which user they are for."""

    workspace: WorkspaceName
    grant: ResourceName
    uid: Annotated[int, Field(strict=True, ge=0)]


class DestroyRequest(Record):
    """Which workspace's directories are to go."""

    workspace: WorkspaceName
    grant: ResourceName


def provision(office: Office, request: ProvisionRequest) -> dict[str, Any]:
    """Make what is missing of a workspace's directories. Raises `TREError(NotPermitted)`, `TREError(Conflict)`."""
    _check_user(office, request.uid)
    layout = office.layout
    keeper = office.owner()
    user = Ownership(request.uid, request.uid) if may_chown() else Ownership()
    checker = Ownership(request.uid, office.settings.services.checker) if may_chown() else Ownership()
    inbox = Ownership(keeper.uid, request.uid) if may_chown() else Ownership()
    try:
        _make(layout.homes / request.workspace, PRIVATE_MODE, user)
        _make(layout.outboxes / request.workspace, OUTBOX_MODE, checker)
        _make(layout.inboxes / request.workspace, INBOX_MODE, inbox)
        _make(layout.shared / request.grant, PRIVATE_MODE, Ownership(keeper.uid, -1))
        if may_chown():
            with directory(layout.shared / request.grant) as descriptor:
                acl.admit(descriptor, request.uid)
    except OSError as error:
        raise storage_error(error, f"Making the directories of {request.workspace}") from error
    filled = inboxes.Filled()
    with office.database.read() as connection:
        wanted = imports.let_in(connection, request.grant)
    inboxes.fill(office, request.workspace, wanted, filled)
    event = office.event("workspace.provisioned", f"workspace/{request.workspace}", user=request.uid)
    with office.database.change(event):
        pass
    return {"workspace": request.workspace, "uid": request.uid, "inbox": filled.as_plain()}


def _check_user(office: Office, uid: int) -> None:
    limits = office.settings.workspace_uids
    permitted = limits.first <= uid <= limits.last if may_chown() else uid == os.geteuid()
    if not permitted:
        raise TREError(
            Reason.NotPermitted,
            f"Directories cannot be given to user {uid}.",
            why=f"Workspaces have the users {limits.first} to {limits.last}, or the launcher's own.",
        )


def _make(path: Path, mode: int, owner: Ownership) -> None:
    """Make a directory for its owner, or see that it is that owner's already."""
    make_private(path.parent, Ownership())
    try:
        path.mkdir(mode=PRIVATE_MODE)
    except FileExistsError:
        found = path.lstat()
        if path.is_symlink() or not path.is_dir() or found.st_uid not in {owner.uid, os.geteuid()}:
            raise TREError(
                Reason.Conflict,
                f"{path} exists and belongs to somebody else.",
                remedy="Find out what it is; move it away; then start the workspace again.",
            ) from None
        if owner.uid not in {-1, os.geteuid()} and found.st_uid == owner.uid:
            return
    with directory(path) as descriptor:
        os.fchmod(descriptor, mode)  # first: a set-group bit for a foreign group would be dropped
        owner.give(descriptor)


def destroy(office: Office, request: DestroyRequest) -> dict[str, Any]:
    """Delete a workspace's directories; the receipt says how much there was.

    The project's folder goes with them once its grant has ended.
    """
    layout = office.layout
    trash = layout.homes.parent / ".trash"
    with office.database.read() as connection:
        phase = grants.phase_of(connection, request.grant)
    doomed = {
        "home": layout.homes / request.workspace,
        "outbox": layout.outboxes / request.workspace,
        "inbox": layout.inboxes / request.workspace,
    }
    if phase in ENDED_PHASES:
        doomed["shared"] = layout.shared / request.grant
    started = office.clock.now()
    keeper = Ownership(office.owner().uid, -1)
    try:
        with locked(layout.homes.parent / ".lock", keeper, PATIENCE):
            make_private(trash, keeper)
            left_over = empty(trash)
            removed = {name: discard(path, trash) for name, path in doomed.items()}
    except OSError as error:
        raise storage_error(error, f"Destroying {request.workspace}") from error
    receipt = _receipt(request.workspace, removed, left_over)
    receipt |= {"startedAt": started.isoformat(), "finishedAt": office.clock.now().isoformat()}
    event = office.event("workspace.destroyed", f"workspace/{request.workspace}", receipt=receipt)
    with office.database.change(event):
        pass
    return receipt


def _receipt(workspace: str, removed: dict[str, Removed], left_over: Removed) -> dict[str, Any]:
    return {
        "workspace": workspace,
        **{name: one.as_plain() for name, one in removed.items()},
        "leftOver": left_over.as_plain(),
    }
