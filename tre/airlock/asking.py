"""What a run of the checks is asked with: the files, the policy, what left before, what people said of columns.

Guarantees: whoever asks, the portal or the controller, asks the same; earlier files are those that are out, of the
project and of others on the same dataset, the newest first and boundedly many.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection

from tre.airlock.jobs import AskedFile, CheckJob, EarlierFile
from tre.domain.exports.models import ExportRequest, PolicyRef
from tre.store import export_desk, grant_slices
from tre.store.grant_slices import SliceState


def check_payload(connection: Connection, request: ExportRequest, policy: PolicyRef) -> dict[str, Any]:
    """The payload of a job that checks every shown file of a request, which must hold one."""
    shown = {file.path for file in request.shown}
    files = tuple(
        AskedFile(path=file.path, sha256=file.sha256, kind=file.kind, group=group.name)
        for group in request.groups
        for file in group.files
        if file.path in shown
    )
    return payload_for(connection, request.grant, files, policy, but=request.id)


def payload_for(
    connection: Connection, grant: str, files: tuple[AskedFile, ...], policy: PolicyRef, *, but: str = ""
) -> dict[str, Any]:
    """The payload of a job that checks files of a project, beside all that is known; `but` is their own request."""
    earlier = export_desk.earlier_outputs(connection, grant, but)
    job = CheckJob(
        files=files,
        policy=policy,
        earlier=tuple(EarlierFile.model_validate(dict(item)) for item in earlier),
        labels={label.title: label.role for label in export_desk.labels_of(connection, grant)},
        slices=_mounted(connection, grant),
    )
    payload = job.as_plain()
    del payload["kind"]
    return payload


def _mounted(connection: Connection, grant: str) -> tuple[str, ...]:
    """The slices that a project's workspaces may have mounted: built, and not taken away."""
    slices = grant_slices.of_grant(connection, grant)
    built = [one.slice_id for one in slices if one.content_digest is not None and one.state is not SliceState.Gone]
    return tuple(dict.fromkeys(built))
