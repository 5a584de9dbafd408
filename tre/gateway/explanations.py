"""Every reason in plain words: what a person reads when access ends, is refused, or waits.

Guarantees: one table, used by the shell page, by the answers of the gateway and by tests; each entry says what
happened, that work is kept where it is kept, and what the person can do. Every reason has a text, those that no
workspace ends with a general one.

Does not guarantee: dates and names. Whoever shows an explanation adds them from the record.
"""

from __future__ import annotations

from typing import NamedTuple

from tre.domain.errors import Reason


class Explanation(NamedTuple):
    """A heading, what happened, and what to do."""

    heading: str
    text: str
    remedy: str


_KEPT = "Your files are kept."
_FOR_NOW = "Your files are kept for a limited time."
_ASK_COMMITTEE = "If the project needs more time, ask the committee that approved it for a renewal."
_ASK_OPERATOR = "If it happens again, tell the people who run this service and quote the reason below."
_FROM_PAGE = "You can open it again from its page."

EXPLANATIONS: dict[Reason, Explanation] = {
    Reason.Entitled: Explanation("You have access", "Your approval covers this workspace.", ""),
    Reason.Requested: Explanation(
        "This workspace is stopped", f"It was stopped because somebody asked for it. {_KEPT}", _FROM_PAGE
    ),
    Reason.StateForbids: Explanation(
        "This workspace is not running", f"Nothing runs at the moment. {_KEPT}", _FROM_PAGE
    ),
    Reason.CostBudgetSpent: Explanation(
        "The project's budget is spent",
        f"No new workspace of the project is started; those that are open go on. {_KEPT}",
        "The people who run this service can raise the budget. The project's page says what was used.",
    ),
    Reason.DeadlineReached: Explanation(
        "This run has reached its end",
        f"Every run of a workspace has an end, and this one has reached it. {_KEPT}",
        "If your approval still runs, you can open the workspace again from its page.",
    ),
    Reason.GrantExpired: Explanation(
        "Your approval has ended",
        f"The end date of the project's approval has passed, so the workspace was closed. {_FOR_NOW}",
        _ASK_COMMITTEE,
    ),
    Reason.LegalBasisEnded: Explanation(
        "The legal basis has ended",
        "The law that allowed the use of this data no longer does, so the workspace was closed.",
        "Ask the committee whether the project can go on under another legal basis.",
    ),
    Reason.GrantRevoked: Explanation(
        "The approval was withdrawn",
        "The approval of this project was withdrawn, so the workspace was closed at once.",
        "Ask the committee that approved the project why, and what happens next.",
    ),
    Reason.GrantClosed: Explanation(
        "This project is closed", "The project has ended and its workspaces are gone.", _ASK_COMMITTEE
    ),
    Reason.GrantSuspended: Explanation(
        "The project is paused",
        f"The project is suspended for now, so the workspace was closed. {_KEPT}",
        "The project's page shows why. You can open the workspace again when the suspension is lifted.",
    ),
    Reason.MemberSuspended: Explanation(
        "Your access is paused",
        f"Your own access to this project is suspended for now. {_KEPT}",
        "Ask the lead of your project, or the people who run this service.",
    ),
    Reason.OrganisationSuspended: Explanation(
        "Your organisation's access is paused",
        f"All projects of your organisation are suspended for now. {_KEPT}",
        "Ask the lead of your project, or the people who run this service.",
    ),
    Reason.SliceSuspended: Explanation(
        "Part of the data is paused",
        f"A part of the data that this workspace held was suspended, so the workspace was closed. {_KEPT}",
        "You can open it again from its page; it opens without that part if other parts remain.",
    ),
    Reason.DataWithdrawn: Explanation(
        "People have opted out",
        "Patients opted out, and a program here still had their files open, so the workspace is started again. "
        f"{_KEPT}",
        "It opens again by itself within a minute; the note in /inbox says what is asked of you.",
    ),
    Reason.GrantPending: Explanation(
        "The approval is not in force yet",
        "The approval is known, but its data is still being prepared.",
        "The project's page shows how far it is. Nothing needs to be done here.",
    ),
    Reason.GrantNotFound: Explanation(
        "No approval is known", "The gateway knows of no approval for this workspace.", _ASK_OPERATOR
    ),
    Reason.NotYetValid: Explanation(
        "The approval has not begun", "The approval begins at a later date.", "The project's page shows from when."
    ),
    Reason.EvidenceUnverified: Explanation(
        "The approval is not verified",
        "The proof of the approval could not be verified, so nobody is let in on it.",
        "The people who run this service can see why; tell them the name of your project.",
    ),
    Reason.AccountDisabled: Explanation(
        "Your account is disabled", f"Your account was disabled, so the workspace was closed at once. {_KEPT}",
        _ASK_OPERATOR,
    ),
    Reason.NotVouchedFor: Explanation(
        "Your organisation does not vouch for you",
        f"Your organisation's sign-in says that you are not to be here any more. {_KEPT}",
        "Sign in again; if that is refused, ask your organisation.",
    ),
    Reason.IdentityStale: Explanation(
        "You could not be confirmed",
        f"Your organisation's sign-in has not confirmed you for too long. {_KEPT}",
        "Sign in again. If that does not work, it does not answer at the moment: try again later.",
    ),
    Reason.StandingMissing: Explanation(
        "Something you must hold has ended",
        f"Training, accreditation or an agreement that is required of you is missing or has ended. {_KEPT}",
        "Your account page says which. Have it renewed, then tell the people who run this service.",
    ),
    Reason.OrganisationStandingMissing: Explanation(
        "Something your organisation must hold has ended",
        f"An agreement or accreditation that is required of your organisation is missing or has ended. {_KEPT}",
        _ASK_OPERATOR,
    ),
    Reason.SourceStale: Explanation(
        "The approval could not be confirmed",
        f"The system that keeps approvals has not answered for too long. {_KEPT}",
        "Access comes back by itself when it answers. Try again later.",
    ),
    Reason.NotAMember: Explanation(
        "You are not in this project",
        "The approval does not name you as a member of the project.",
        "If you should be in it, ask the lead of the project to have you added by the committee.",
    ),
    Reason.NotPermitted: Explanation(
        "This is not permitted", "You may not do this.", "Your projects show what you can open."
    ),
    Reason.StreamStale: Explanation(
        "The workspace is closed for safety",
        f"The gateway has lost touch with the records that say who may be here, so it lets nobody in. {_KEPT}",
        "This page comes back by itself when the records answer again.",
    ),
    Reason.ServiceUnavailable: Explanation(
        "This part of the service does not answer", "A part of the service does not answer at the moment.",
        "Wait a minute and try again. " + _ASK_OPERATOR,
    ),
    Reason.LoginRequired: Explanation(
        "You are signed out",
        f"Your sign-in has ended or was ended. {_KEPT}",
        "Sign in again.",
    ),
    Reason.StartTimeout: Explanation(
        "The workspace did not start in time",
        f"The start took too long and was stopped. {_KEPT}",
        "Open it once more from its page. " + _ASK_OPERATOR,
    ),
    Reason.IdleStopped: Explanation(
        "This workspace was stopped because nothing happened in it",
        f"No cell ran, no kernel was busy and nobody typed for a while, so its room was given to others. {_KEPT}",
        "You can open it again from its page whenever you go on.",
    ),
    Reason.WaitingForRoom: Explanation(
        "This workspace waits for room",
        f"All the room for workspaces is taken. It starts by itself when its turn comes. {_KEPT}",
        "Its page shows where it stands in the queue.",
    ),
    Reason.QuotaReached: Explanation(
        "Your project holds as much as it may at once",
        f"So many workspaces of it are open that this one could not be started. {_KEPT}",
        "Open it from its page when somebody of the project has stopped theirs.",
    ),
    Reason.IsolationFailed: Explanation(
        "The workspace could not be sealed",
        f"The proof that the workspace has no network failed, so it was stopped before you could use it. {_KEPT}",
        "Tell the people who run this service; it must not be tried around.",
    ),
    Reason.IsolationUnavailable: Explanation(
        "The workspace cannot be sealed on this machine",
        "The machine lacks something that isolation needs, so nothing is started.",
        "Tell the people who run this service.",
    ),
    Reason.RuntimeFailed: Explanation(
        "The workspace stopped unexpectedly", f"The server of the workspace ended by itself. {_KEPT}",
        "Open it again from its page. " + _ASK_OPERATOR,
    ),
    Reason.StorageFull: Explanation(
        "The storage is full",
        f"The machine's disk has no room left, so workspaces were closed before anything was lost. {_KEPT}",
        "Tell the people who run this service; open it again when they have made room.",
    ),
    Reason.HomeFull: Explanation(
        "Your home is full",
        "There is no room left for your files.",
        "Delete what you no longer need, then start again.",
    ),
    Reason.PlanNotCovered: Explanation(
        "The data no longer matches the approval",
        "What would be shown differs from what the committee approved, so nothing is started.",
        "The committee has to approve the present plan.",
    ),
    Reason.BudgetExhausted: Explanation(
        "The hourly budget is used up",
        "This workspace has sent as much to your browser as it may in an hour. Your kernels go on running.",
        "Wait until the budget has come back, then reconnect. Save and write files as usual.",
    ),
    Reason.BadInput: Explanation("This request is not understood", "The request is malformed.", ""),
    Reason.RateLimited: Explanation("Too many requests", "Too many requests came in a short time.", "Wait a minute."),
}  # fmt: skip


def explain(reason: Reason) -> Explanation:
    """What to tell a person about a reason."""
    return EXPLANATIONS.get(reason) or Explanation(
        "The workspace is not available",
        f"The workspace cannot be used at the moment. {_KEPT}",
        _ASK_OPERATOR,
    )
