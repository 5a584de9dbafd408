"""Answers to pre-flight checks, put into the inbox of the workspace that asked.

Guarantees: an answer appears whole or not at all, under `.preflight/` of an inbox that is there already; the
workspace's user reads it and cannot change it; only so many stay. Writing one again gives the same file.

Threat: a workspace that has its inbox filled by asking.
"""

from __future__ import annotations

import json
from typing import Annotated, Any

from pydantic import Field

from tre.domain.errors import Reason, TREError
from tre.domain.exports.preflight import PreflightAnswer
from tre.domain.model import Line, Record
from tre.slices.files import storage_error
from tre.storekeeper.office import Office
from tre.storekeeper.workspaces import WorkspaceName
from tre.system.files import sweep_unfinished, write_atomically

FOLDER = ".preflight"
KEPT = 20
"""Answers that stay in an inbox, the newest."""

_MODE = 0o640


class DeliverRequest(Record):
    """An answer, and for which workspace it is."""

    workspace: WorkspaceName
    name: Annotated[Line, Field(pattern=r"^(wait|answer-[0-9a-f]{32})$")]
    answer: PreflightAnswer


def deliver(office: Office, request: DeliverRequest) -> dict[str, Any]:
    """Write an answer into an inbox. Raises `TREError(ObjectNotFound)` where the workspace has none."""
    inbox = office.layout.inboxes / request.workspace
    if inbox.is_symlink() or not inbox.is_dir():
        raise TREError(
            Reason.ObjectNotFound, f"{request.workspace} has no inbox.", why="It was never opened, or is gone."
        )
    folder = inbox / FOLDER
    data = json.dumps(request.answer.as_plain(), ensure_ascii=False, separators=(",", ":")).encode()
    try:
        folder.mkdir(mode=0o2750, exist_ok=True)  # belongs to the inbox's group, the workspace's user, by its parent
        sweep_unfinished(folder)
        write_atomically(folder / f"{request.name}.json", data, mode=_MODE, durable=False)
        old = sorted(folder.glob("answer-*.json"), key=lambda path: path.stat().st_mtime_ns, reverse=True)[KEPT:]
        for path in old:
            path.unlink(missing_ok=True)
    except OSError as error:
        raise storage_error(error, f"Answering {request.workspace}") from error
    return {"bytes": len(data), "removed": len(old)}
