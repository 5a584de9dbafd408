"""Notes about requests and jobs, put into the inbox of a workspace: for JupyterLab, and for git.

Guarantees: they appear whole or not at all, under `.desk/` of an inbox that is there already; the workspace's user
reads them and cannot change them. What a person is called stands in them as a value: no name becomes another setting.

Threat: a display name with a line break or a quotation mark, which would be a setting of git's.
"""

from __future__ import annotations

import json
from typing import Any

from tre.domain.errors import Reason, TREError
from tre.domain.model import Record
from tre.domain.workspaces.notes import DeskNotes
from tre.slices.files import storage_error
from tre.storekeeper.office import Office
from tre.storekeeper.workspaces import WorkspaceName
from tre.system.files import sweep_unfinished, write_atomically

FOLDER = ".desk"
_MODE = 0o640


class TellRequest(Record):
    """Notes, and for which workspace they are."""

    workspace: WorkspaceName
    notes: DeskNotes


def tell(office: Office, request: TellRequest) -> dict[str, Any]:
    """Write notes into an inbox. Raises `TREError(ObjectNotFound)` where the workspace has none."""
    inbox = office.layout.inboxes / request.workspace
    if inbox.is_symlink() or not inbox.is_dir():
        raise TREError(
            Reason.ObjectNotFound, f"{request.workspace} has no inbox.", why="It was never opened, or is gone."
        )
    folder = inbox / FOLDER
    data = json.dumps(request.notes.as_plain(), ensure_ascii=False, separators=(",", ":")).encode()
    identity = git_identity(request.notes.person, f"{request.workspace}@tre.invalid").encode()
    try:
        folder.mkdir(mode=0o2750, exist_ok=True)  # belongs to the inbox's group, the workspace's user, by its parent
        sweep_unfinished(folder)
        write_atomically(folder / "gitconfig", identity, mode=_MODE, durable=False)
        write_atomically(folder / "notes.json", data, mode=_MODE, durable=False)
    except OSError as error:
        raise storage_error(error, f"Telling {request.workspace}") from error
    return {"bytes": len(data)}


def git_identity(name: str, address: str) -> str:
    """Who commits, as git reads it: quoted, each control character a space."""
    plain = "".join(character if character.isprintable() else " " for character in name)
    quoted = plain.replace("\\", "\\\\").replace('"', '\\"')
    return f'[user]\n\tname = "{quoted}"\n\temail = "{address}"\n'
