"""What the pages say: one sentence and one next step for every reason, and plain words for phases and steps.

Guarantees: every member of `Reason`, and of the phases and steps that pages show, has its words (a test compares);
the words name nobody and promise nothing.
"""

from __future__ import annotations

from typing import NamedTuple

from tre.domain.committee.tracking import ConditionState
from tre.domain.errors import Reason, TREError
from tre.domain.grants.states import GrantPhase
from tre.domain.optouts.states import BatchState
from tre.domain.people import Role
from tre.domain.workspaces.states import StartStep, WorkspacePhase


class Words(NamedTuple):
    """What happened, as a person would say it, and what that person can do."""

    text: str
    advice: str = ""


_ASK = "Tell an operator of this service if it stays like this."
_COMMITTEE = "The lead of the project can ask the committee that approved it."
_RENEWAL = "If the project needs more time, its lead asks the committee. Files in homes are kept for a limited time."
_WAIT = "Nothing needs to be done; this page shows when it changes."

R = Reason
WORDS: dict[Reason, Words] = {
    R.AccountDisabled: Words("This account is disabled. Files in the home are kept.", _ASK),
    R.AddressInUse: Words("Another program uses an address that is needed.", _ASK),
    R.AddressRefused: Words(
        "The mail server refuses the address of a recipient.", "Check the address; an operator can change it."
    ),
    R.AlreadyExists: Words("There is one of that name already.", "Choose another name."),
    R.AlreadyVoted: Words("You have voted on this already.", "A vote is cast once and stays as it is."),
    R.ApplicationIncomplete: Words("The application is not complete.", "Complete what is listed, then hand it in."),
    R.ApplicationNotFound: Words("There is no such application for you.", "Ask its author."),
    R.AuditBroken: Words("The audit log does not verify, so nothing new is granted.", _ASK),
    R.AwaitingApplicant: Words("It waits for its author.", "Complete it, then hand it in."),
    R.AwaitingAuthor: Words("The author has to go on.", "Complete the request and submit it."),
    R.AwaitingChecker: Words("An output checker has to look at it.", _WAIT),
    R.AwaitingCommittee: Words("It waits for the committee.", _WAIT),
    R.AwaitingConfirmation: Words("Somebody has to type the number of people.", "A data manager looks at the dry run."),
    R.AwaitingHold: Words("Files that are to be erased are held under lock for a while.", _WAIT),
    R.AwaitingPlan: Words("What it would give is being counted.", _WAIT),
    R.AwaitingRelease: Words("It is approved and will be released shortly.", _WAIT),
    R.BadInput: Words("Something that was given is not right.", "Correct it and try again."),
    R.BudgetExhausted: Words("The hourly budget of data to the browser is used up.", "Wait until it has come back."),
    R.BundleInvalid: Words("The release does not verify.", _ASK),
    R.ChangesRequested: Words("The checkers ask for changes.", "Read their comments, change the files, submit again."),
    R.CheckMissing: Words("A check that is required did not run.", _ASK),
    R.CheckerFailed: Words("The checking program failed, so nothing is released.", _ASK),
    R.ClockOutOfStep: Words("The machine's clock is out of step, so nothing new is granted.", _ASK),
    R.CommitteeDecided: Words("The committee has decided."),
    R.ConditionMissed: Words(
        "A condition of the approval was not met in time.", "The project's page names it. Report on it there."
    ),
    R.ConfirmationWrong: Words("What you typed to confirm does not match.", "Type it exactly as shown."),
    R.Conflict: Words("Somebody else changed this in the meantime.", "Load the page again and repeat what you did."),
    R.ConflictOfInterest: Words("This concerns you, so you take no part in it.", "Other members decide."),
    R.ContentChanged: Words(
        "The files are no longer the ones that were looked at.", "Copy them anew and submit again. " + _ASK
    ),
    R.ContextMissing: Words(
        "Words that explain the files are missing.", "Say what they show and from how many people."
    ),
    R.CostBudgetSpent: Words(
        "The project's budget is spent, so no new workspace is started.", "An operator of this service can raise it."
    ),
    R.DataWithdrawn: Words(
        "Patients opted out, and their files leave.", "Nothing needs to be done; a note in /inbox says more."
    ),
    R.DatasetNotFound: Words("The data set is not known here.", _ASK),
    R.DatasetRetired: Words("Nothing new is given from these data.", "Ask for a release that is still offered."),
    R.DeadlineReached: Words("The run reached its end.", "If the approval still runs, open the workspace again."),
    R.EmptySlice: Words("The slice holds no files.", "The data manager can see why."),
    R.Entitled: Words("Everything is in order."),
    R.EvidenceUnverified: Words("The proof of the approval could not be verified.", "An operator can see why."),
    R.ExportNotFound: Words("There is no such export request.", "Go back to the list."),
    R.FileRefused: Words("A file cannot be taken.", "The message names the file and the cause."),
    R.FindingBlocks: Words("A check found something that must not leave.", "Change or remove the file, submit again."),
    R.GpuMissing: Words("This size of workspace has a GPU, and none is there for it.", _ASK),
    R.GrantClosed: Words("The project is closed: its workspaces and its data are gone.", _COMMITTEE),
    R.GrantExpired: Words("The approval has ended.", _RENEWAL),
    R.GrantNotFound: Words("There is no such project for you.", "Go back to your projects."),
    R.GrantPending: Words("The approval is known; its data are being prepared.", _WAIT),
    R.GrantRevoked: Words("The approval was withdrawn.", "Its lead can ask the committee why, and what happens next."),
    R.GrantSuspended: Words("The project is suspended for now. Files in your home are kept.", _WAIT),
    R.HomeFull: Words("Your home has no room left.", "Delete what you no longer need."),
    R.IdentityStale: Words(
        "Your organisation's sign-in has not confirmed this person lately.", "Sign in again. " + _ASK
    ),
    R.IdleStopped: Words(
        "Nothing had happened in it for a while, so it was stopped to make room. Files in the home are kept.",
        "Open it again when you go on.",
    ),
    R.ImportNotFound: Words("There is no such import request.", "Go back to the list of requests."),
    R.IsolationFailed: Words("The workspace could not be proven sealed, so it was stopped.", _ASK),
    R.IsolationUnavailable: Words("This machine cannot seal workspaces, so none is started.", _ASK),
    R.LargerThanMachine: Words("This size of workspace is larger than all the room there is.", _ASK),
    R.LeadershipLost: Words("Another copy of this service has taken over.", "Try again in a minute."),
    R.LegalBasisEnded: Words("The law that allowed this use of the data no longer does.", _RENEWAL),
    R.LoginFailed: Words("The sign-in did not succeed.", "Try again."),
    R.LoginRequired: Words("You are not signed in.", "Sign in, then try again."),
    R.MailRefused: Words("The mail server did not take a letter. It is tried again.", _ASK),
    R.MailUnavailable: Words("The mail server cannot be reached. Letters are kept and sent later.", _ASK),
    R.MemberNotFound: Words("This person is not known here.", "Check the name."),
    R.MemberNotSeen: Words("This person has not signed in yet.", "It shows here when they do."),
    R.MemberRemoved: Words("The approval no longer names this person.", _COMMITTEE),
    R.MemberSuspended: Words("This person's access is suspended for now. Files in the home are kept.", _WAIT),
    R.NotAMember: Words("The approval does not name you.", "Ask the lead of the project to have you added."),
    R.NotPermitted: Words("You may not do this.", "Go back to your projects."),
    R.NotVouchedFor: Words(
        "Your organisation's sign-in does not vouch for this person any more.",
        "Sign in again; if that is refused, ask your organisation.",
    ),
    R.NotYetValid: Words("The approval begins at a later date.", _WAIT),
    R.ObjectNotFound: Words("There is no such thing, or not any more.", "Look again at what there is now."),
    R.OrganisationStandingMissing: Words(
        "The organisation lacks an agreement or accreditation that is required, or it has ended.",
        "Ask the people who run this service which, and have it renewed.",
    ),
    R.OrganisationSuspended: Words("All projects of the organisation are suspended for now.", _WAIT),
    R.PlanNotCovered: Words(
        "The data differ from what the committee approved.", "The committee has to approve the data as they are now."
    ),
    R.PolicyChanged: Words("The rules changed since this was decided.", "It has to be looked at again."),
    R.PolicyMissing: Words("A policy that is needed is missing, so nothing is granted or released.", _ASK),
    R.PrivacyNotMet: Words(
        "The slice does not meet the privacy rule it was approved with.", "The data manager decides."
    ),
    R.QuorumMissing: Words("Not enough people have approved it.", _WAIT),
    R.QuotaReached: Words(
        "The project holds as much as it may at once.", "Open it when somebody of the project has stopped theirs."
    ),
    R.RateLimited: Words("Too many attempts.", "Wait a few minutes, then try again."),
    R.ReleaseRecalled: Words(
        "The release was called back.", "Delete the files and every copy, and tell the operator that you did."
    ),
    R.ReleaseNotFound: Words("The data set has no such release.", _ASK),
    R.Requested: Words("It was asked for."),
    R.RuntimeFailed: Words("The workspace ended by itself.", "Open it again. " + _ASK),
    R.SeatEnded: Words("The term in the committee is over, or has not begun.", "Ask the chair."),
    R.SeatNotFound: Words("There is no such seat in the committee.", "See the page of members."),
    R.SecondFactorRequired: Words("A second factor is needed to sign in.", "Turn it on at your organisation."),
    R.ServiceUnavailable: Words("A part of the service does not answer.", "Try again in a minute. " + _ASK),
    R.SetupIncomplete: Words("The service is not completely set up.", _ASK),
    R.SignatureInvalid: Words("A signature does not fit.", _ASK),
    R.SliceNotFound: Words("There is no such slice.", _ASK),
    R.SliceSuspended: Words("A part of the data is suspended for now.", "Open it again: it opens without that part."),
    R.SourceRemoved: Words("The system that keeps approvals is not asked any more.", _ASK),
    R.SourceStale: Words("The system that keeps approvals has not answered for too long.", _WAIT),
    R.StandingMissing: Words(
        "Training, accreditation or an agreement that is required is missing, or has ended.",
        "Your account page says which. Have it renewed, then tell the people who run this service.",
    ),
    R.StartTimeout: Words("The workspace did not start in time.", "Open it once more. " + _ASK),
    R.StateForbids: Words("This is not possible in its present state.", "Load the page again to see what is."),
    R.StorageFailed: Words("The storage could not do what was asked.", _ASK),
    R.StorageFull: Words("The storage is full.", _ASK),
    R.StreamStale: Words("The gateway has lost touch with the record and lets nobody in.", _WAIT),
    R.UnknownKey: Words("Something was given that is not known here.", "Correct it and try again."),
    R.VoteClosed: Words("There is nothing to vote on now.", "Look at the application again."),
    R.WaitingForRoom: Words("There is no room for it yet.", "It starts by itself when its turn comes."),
}

GRANT_PHASES: dict[GrantPhase, Words] = {
    GrantPhase.Pending: Words("Being prepared"),
    GrantPhase.Active: Words("Active"),
    GrantPhase.Suspended: Words("Suspended"),
    GrantPhase.Expired: Words("Ended"),
    GrantPhase.Revoked: Words("Withdrawn"),
    GrantPhase.Closed: Words("Closed"),
}
GRANT_COLOURS = {
    GrantPhase.Pending: "yellow",
    GrantPhase.Active: "green",
    GrantPhase.Suspended: "orange",
    GrantPhase.Expired: "grey",
    GrantPhase.Revoked: "red",
    GrantPhase.Closed: "grey",
}

PUBLIC_PHASES: dict[GrantPhase, str] = {
    GrantPhase.Pending: "The project was approved and is being prepared.",
    GrantPhase.Active: "Researchers of this project can use the data now.",
    GrantPhase.Suspended: "Access is stopped for the time being.",
    GrantPhase.Expired: "The approval has ended. Nobody has access any more.",
    GrantPhase.Revoked: "The approval was withdrawn. Nobody has access any more.",
    GrantPhase.Closed: "The project is closed. Nobody has access; its workspaces and its view of the data are gone.",
}

WORKSPACE_PHASES: dict[WorkspacePhase, Words] = {
    WorkspacePhase.Stopped: Words("Stopped"),
    WorkspacePhase.Queued: Words("In the queue"),
    WorkspacePhase.Starting: Words("Starting"),
    WorkspacePhase.Running: Words("Running"),
    WorkspacePhase.Stopping: Words("Stopping"),
    WorkspacePhase.Refused: Words("Refused"),
}
NEVER_OPENED = Words("It has not been opened yet.")
NOT_OPENED = "Not opened yet"
STOPPED = Words("It was stopped because somebody asked for it.", "Files in the home are kept.")
"""Of a workspace that rests: what `Requested` means there."""

WORKSPACE_COLOURS = {
    WorkspacePhase.Stopped: "grey",
    WorkspacePhase.Queued: "yellow",
    WorkspacePhase.Starting: "blue",
    WorkspacePhase.Running: "green",
    WorkspacePhase.Stopping: "orange",
    WorkspacePhase.Refused: "red",
}

STEPS: dict[StartStep, str] = {
    StartStep.GrantChecked: "Approval checked",
    StartStep.SlicesMounted: "Data mounted, read-only",
    StartStep.IsolationProven: "Isolation proven",
    StartStep.ServerReady: "Notebook ready",
}

ROLES: dict[Role, str] = {
    Role.researcher: "Researcher",
    Role.checker: "Output checker",
    Role.committee: "Committee member",
    Role.data_manager: "Data manager",
    Role.operator: "Operator",
}

STANDINGS = {
    "EvidenceVerified": "The proof of the approval is good",
    "PlanCovered": "The data are those that the committee approved",
    "SlicesReady": "The data are ready",
    "LogWhole": "The audit log is whole",
    "MembersSeen": "Every member has signed in before",
}
"""What must hold before a grant gives access: the types of its status conditions, in words."""

CONDITIONS = {
    "DUO:0000004": "No restriction",
    "DUO:0000005": "General research use",
    "DUO:0000006": "Health, medical or biomedical research only",
    "DUO:0000007": "Research on a named disease only",
    "DUO:0000011": "Research on populations, origins or ancestry only",
    "DUO:0000012": "Restricted to a kind of research",
    "DUO:0000015": "No development of general methods",
    "DUO:0000016": "Genetic studies only",
    "DUO:0000018": "Not-for-profit organisations and use only",
    "DUO:0000019": "Results must be published",
    "DUO:0000020": "Collaboration required",
    "DUO:0000021": "Ethics approval required",
    "DUO:0000022": "Restricted to places",
    "DUO:0000024": "Not to be published before a date",
    "DUO:0000025": "Limited in time",
    "DUO:0000026": "Limited to named users",
    "DUO:0000027": "Limited to a named project",
    "DUO:0000028": "Limited to an institution",
    "DUO:0000029": "Derived data must be returned",
    "DUO:0000042": "General research use",
    "DUO:0000043": "Clinical care use",
    "DUO:0000044": "No research on populations, origins or ancestry",
    "DUO:0000045": "Not-for-profit organisations only",
    "DUO:0000046": "Non-commercial use only",
}
"""Codes of the Data Use Ontology (GA4GH), in plain words."""


CONDITION_STATES: dict[ConditionState, Words] = {
    ConditionState.Open: Words("Open", "Say what was done when it is done."),
    ConditionState.Reported: Words("Reported", "The chair of the committee reads the report and rules on it."),
    ConditionState.Missed: Words(
        "Missed", "Its day has passed. Say what was done, or ask the committee for more time."
    ),
    ConditionState.Met: Words("Met", "Nothing is due any more."),
    ConditionState.Waived: Words("Not needed any more", "Nothing is due any more."),
}
CONDITION_COLOURS: dict[ConditionState, str] = {
    ConditionState.Open: "blue",
    ConditionState.Reported: "purple",
    ConditionState.Missed: "red",
    ConditionState.Met: "green",
    ConditionState.Waived: "grey",
}
"""Conditions in words, after the approval."""


EVENTS = {
    "grant.applied": "The approval was put on record",
    "grant.evidence-lost": "The proof of the approval does not hold any more",
    "grant.evidence-verified": "The proof of the approval was verified",
    "grant.activated": "Access began",
    "grant.suspended": "Access was suspended",
    "grant.expired": "Access ended",
    "grant.end-announced": "The end was announced",
    "grant.revoked": "The approval was withdrawn",
    "grant.close-asked": "Closing was asked for",
    "grant.closed": "The project was closed",
    "grant.archived": "What may be kept was written to a file",
    "grant.drawn-much": "Much was drawn out of its workspaces in a short time",
    "grant.budget-set": "A budget was set",
    "grant.budget-lifted": "A budget was lifted",
    "grant.budget-told": "People were told that most or all of a budget is spent",
    "suspension.added": "A suspension was added",
    "suspension.lifted": "A suspension was lifted",
    "outcome.due": "The project was asked what came of it",
    "outcome.reminded": "The project was reminded to tell what came of it",
    "slice.build-asked": "Preparing the data began",
    "slice.ready": "The data were ready",
    "slice.failed": "The data could not be prepared",
    "slice.followed": "People opted out, and their files left the data",
    "slice.removed": "The project's view of the data was destroyed",
    "workspace.wanted": "The workspace was asked for",
    "workspace.unwanted": "Stopping the workspace was asked for",
    "workspace.restart-wanted": "Restarting the workspace was asked for",
    "workspace.halted": "The workspace was halted",
    "workspace.refused": "The workspace's start was refused",
    "workspace.running": "The workspace was sealed and ready",
    "workspace.entered": "The notebook was opened in a browser",
    "workspace.budget-exhausted": "An hourly budget was used up",
    "workspace.connections-cut": "Open connections were cut",
    "workspace.stopped": "The workspace was proven stopped",
    "workspace.death-confirmed": "An operator stated that nothing of the workspace runs any more",
    "workspace.statement-refused": "The statement did not count: the workspace could still be looked at",
    "workspace.stopped-by-statement": "The workspace counts as stopped by an operator's statement; it was not proven",
    "workspace.destroyed": "The workspace's files were destroyed",
}
"""Events that a history tells; the other ones are steps of a machine and stand in the audit log only."""


BATCH_STATES = {
    BatchState.Counting: Words("Being counted", "The list is compared with the data; nothing is changed."),
    BatchState.Proposed: Words("Waits to be confirmed", "Nothing was changed yet."),
    BatchState.Accepted: Words("Confirmed", "No new plan will hold these people."),
    BatchState.Denied: Words("Barred", "They are being taken out of every slice."),
    BatchState.Unmounted: Words("Out of every slice", "Homes and shared folders are being searched for copies."),
    BatchState.Swept: Words("Searched", "It is being proven that no slice links their files."),
    BatchState.Held: Words("Held", "Proven; what must be erased is held under lock until the hold is over."),
    BatchState.Destroyed: Words("Erased", "The receipt is being written."),
    BatchState.Receipted: Words("Done", "The receipt is written."),
    BatchState.Cancelled: Words("Taken back", "Nothing was changed."),
}
"""What a list of opt-outs has come to, and what that means."""


def standing_words(kind: str) -> str:
    """What a status condition of a grant says; its type where there are no words yet."""
    return STANDINGS.get(kind, kind)


def reason_words(code: str) -> str:
    """A reason that is kept as text, in words; the text itself where it is none of ours."""
    return WORDS[Reason(code)].text if code in Reason.__members__ else code


def words_for(reason: Reason) -> Words:
    """The words of a reason."""
    return WORDS[reason]


def condition_words(code: str) -> str:
    """A condition of an approval, with its code."""
    plain = CONDITIONS.get(code)
    return f"{plain} ({code})" if plain else code


def check_entitled(reason: Reason, what: str) -> None:
    """Raise `TREError` with the reason of a verdict that is no yes, and its words for people."""
    if reason is not Reason.Entitled:
        said = words_for(reason)
        raise TREError(reason, what, why=said.text, remedy=said.advice)
