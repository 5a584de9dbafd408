"""Letters about access: projects that open, are suspended and end, and workspaces that ended by themselves."""

from __future__ import annotations

from tre.domain.errors import Reason
from tre.domain.letters.topics import Relation, Topic
from tre.domain.workspaces.batch import BatchState

_R = Relation
_MEMBERS, _LEAD, _OPERATORS = (_R.members,), (_R.lead,), (_R.operators,)
_PROJECT, _GRANT, _COSTS = "/projects/{name}", "/grants/{name}", "/grants/{name}/costs"

_DAYS = frozenset(days * 24 * 60 for days in (1, 7, 14, 30))
"""The warnings that are told by mail, in minutes before the end; those of the last day are shown in the workspace."""

GRANTS = (
    Topic(
        "grant.activated",
        _MEMBERS,
        "Project {name} is open",
        "You have access to project {name} until {ends}.",
        _PROJECT,
    ),
    Topic(
        "grant.suspended",
        (*_MEMBERS, *_OPERATORS),
        "Project {name} is suspended",
        "Access to project {name} is suspended. Workspaces were ended; nothing in them is lost.",
        _PROJECT,
        always=True,
    ),
    Topic(
        "grant.end-announced",
        _MEMBERS,
        "Access to project {name} ends on {day}",
        "Access to project {name} ends on {ends}. Ask for what is to leave in time for its review.",
        _PROJECT,
        acts=True,
        always=True,
        where=("minutes", _DAYS),
    ),
    Topic(
        "grant.budget-told",
        (*_MEMBERS, *_OPERATORS),
        "The budget of project {name} is spent",
        "No new workspace of project {name} is started until an operator raises its budget. Open ones go on.",
        _COSTS,
        acts=True,
        where=("percent", frozenset({100})),
    ),
    Topic(
        "grant.budget-told",
        (*_MEMBERS, *_OPERATORS),
        "The budget of project {name} is nearly spent",
        "Four fifths of a budget of project {name} are spent. Once it is spent, no new workspace is started.",
        _COSTS,
        acts=True,
        where=("percent", frozenset({80})),
    ),
    Topic(
        "grant.expired",
        _MEMBERS,
        "Access to project {name} has ended",
        "The approval of project {name} came to its end.",
        _PROJECT,
        always=True,
    ),
    Topic(
        "grant.revoked",
        (*_MEMBERS, *_OPERATORS),
        "The approval of project {name} was withdrawn",
        "Nobody has access to project {name} any more.",
        _PROJECT,
        always=True,
    ),
    Topic(
        "grant.closed",
        _LEAD,
        "Project {name} was closed",
        "Workspaces, data and homes of project {name} are gone, and the certificate of it is written.",
        _PROJECT,
    ),
    Topic(
        "grant.evidence-lost",
        (*_OPERATORS, _R.committee),
        "The approval of project {name} cannot be verified",
        "What proves the approval does not hold any more. Nobody has access meanwhile.",
        _GRANT,
        acts=True,
    ),
    Topic(
        "grant.unconfirmed",
        _OPERATORS,
        "Project {name} was not confirmed by its source",
        "The source that vouches for project {name} does not confirm it any more.",
        _GRANT,
        acts=True,
    ),
    Topic(
        "grant.drawn-much",
        _OPERATORS,
        "Much was drawn out of workspaces of project {name}",
        "More left the workspaces through browsers than is usual.",
        _GRANT,
        acts=True,
    ),
    Topic(
        "suspension.added",
        _MEMBERS,
        "A part of project {name} is suspended",
        "A slice of the data of project {name} was suspended. Workspaces go on without it.",
        _PROJECT,
        always=True,
        where=("scope", frozenset({"slice"})),
    ),
    Topic(
        "suspension.added",
        (_R.named,),
        "Your access to project {name} is suspended",
        "Your access to project {name} is suspended. The project goes on without you.",
        _PROJECT,
        always=True,
        where=("scope", frozenset({"member"})),
    ),
    Topic(
        "suspension.added",
        _MEMBERS,
        "Access to your projects is suspended",
        "Every project of your organisation is suspended.",
        "/",
        always=True,
        where=("scope", frozenset({"organisation"})),
    ),
)

_ENDED_FOR = frozenset(
    reason.value
    for reason in (
        Reason.DataWithdrawn,
        Reason.HomeFull,
        Reason.IdleStopped,
        Reason.IsolationFailed,
        Reason.MemberRemoved,
        Reason.MemberSuspended,
        Reason.OrganisationSuspended,
        Reason.PolicyChanged,
        Reason.RuntimeFailed,
        Reason.SliceSuspended,
        Reason.SourceStale,
        Reason.StartTimeout,
        Reason.StorageFull,
    )
)
"""Ends of a run that nobody asked for and that no letter about the project tells of."""

_OWN_WORKSPACE = "/workspaces/{name}"


def _batch(state: BatchState, subject: str, text: str) -> Topic:
    return Topic("batch.ended", (_R.owner,), subject, text, _OWN_WORKSPACE, where=("state", frozenset({state.value})))


BATCHES = (
    _batch(
        BatchState.Finished,
        "Job {number} in project {grant} has finished",
        "Job {number} in your workspace of project {grant} came to its end. Its result lies beside its file.",
    ),
    _batch(
        BatchState.Failed,
        "Job {number} in project {grant} has failed",
        "Job {number} in your workspace of project {grant} failed. What it printed lies beside its file.",
    ),
    _batch(
        BatchState.Ended,
        "Job {number} in project {grant} ended with the workspace",
        "The run of your workspace in project {grant} came to its end, and job {number} with it. The page of the "
        "workspace says why. What the job had written is kept.",
    ),
)
"""Jobs without a browser. Who ended a job knows it."""

WORKSPACES = (
    Topic(
        "workspace.stopping",
        (_R.owner,),
        "Your workspace in project {grant} was ended",
        "Your workspace in project {grant} was ended. Its page says why, and whether it can be started again.",
        "/workspaces/{name}",
        where=("reason", _ENDED_FOR),
    ),
)
