"""The facts that the airlock's rules need of this moment: grant, policy, time."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import Connection

from tre.airlock.policy import directories, load_policy
from tre.controller.context import Context
from tre.domain.exports.models import ExportRequest
from tre.domain.exports.situation import Situation, grant_facts
from tre.store import grants


def situation_of(context: Context, connection: Connection, request: ExportRequest) -> Situation:
    """The situation of a request now. Raises `TREError(GrantNotFound)`, `TREError(PolicyMissing)`."""
    now = context.clock.now()
    return Situation(
        grant=grant_facts(grants.require(connection, request.grant), request, now),
        policy=load_policy(request.policy, directories(context.layout.root)),
        now=now,
        release_delay=timedelta(seconds=context.settings.release_delay_seconds),
    )
