"""The facts that the airlock's rules need of this moment: grant, policy, time."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import Connection

from tre.airlock.policy import directories, load_policy
from tre.controller.context import Context
from tre.domain.exports.models import ExportRequest
from tre.domain.exports.situation import Situation, grant_facts
from tre.domain.people import Subject
from tre.store import grants


def situation_of(context: Context, connection: Connection, request: ExportRequest) -> Situation:
    """The situation of a request now. Raises `TREError(GrantNotFound)`, `TREError(PolicyMissing)`."""
    now = context.clock.now()
    return Situation(
        grant=grant_facts(grants.require(connection, request.grant), request.author, now),
        policy=load_policy(request.policy, directories(context.layout.root)),
        now=now,
        release_delay=timedelta(seconds=context.settings.release_delay_seconds),
    )


def import_situation(context: Context, connection: Connection, grant_name: str, author: Subject) -> Situation:
    """The situation of somebody who brings files in: under the policy that the grant names now.

    Raises `TREError(GrantNotFound)`, `TREError(PolicyMissing)`.
    """
    now = context.clock.now()
    grant = grants.require(connection, grant_name)
    return Situation(
        grant=grant_facts(grant, author, now),
        policy=load_policy(grant.spec.export.policy, directories(context.layout.root)),
        now=now,
    )
