"""Errors as values for people, and the vocabulary of reasons.

Guarantees: every error that the launcher raises on purpose is a `TREError` that says what happened, why, and
what to do about it; its reason is one constant that appears alike in the status of a resource, in the label of
a metric and in a log line, so that a person can follow one word through the whole system.

Does not guarantee: that an error text is free of names that people typed. Texts are shown to the person who
caused them; metrics and the public pages carry the reason only.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import ParamSpec

P = ParamSpec("P")


class Reason(StrEnum):
    """Why something was refused, waits, or ended. CamelCase: condition reason, metric label and log key."""

    AccountDisabled = "AccountDisabled"
    AddressInUse = "AddressInUse"
    AddressRefused = "AddressRefused"
    AlreadyExists = "AlreadyExists"
    AlreadyVoted = "AlreadyVoted"
    ApplicationIncomplete = "ApplicationIncomplete"
    ApplicationNotFound = "ApplicationNotFound"
    AuditBroken = "AuditBroken"
    AwaitingApplicant = "AwaitingApplicant"
    AwaitingAuthor = "AwaitingAuthor"
    AwaitingChecker = "AwaitingChecker"
    AwaitingCommittee = "AwaitingCommittee"
    AwaitingConfirmation = "AwaitingConfirmation"
    AwaitingHold = "AwaitingHold"
    AwaitingPlan = "AwaitingPlan"
    AwaitingRelease = "AwaitingRelease"
    BadInput = "BadInput"
    BudgetExhausted = "BudgetExhausted"
    BundleInvalid = "BundleInvalid"
    ChangesRequested = "ChangesRequested"
    CheckMissing = "CheckMissing"
    CheckerFailed = "CheckerFailed"
    ClockOutOfStep = "ClockOutOfStep"
    CommitteeDecided = "CommitteeDecided"
    ConditionMissed = "ConditionMissed"
    ConfirmationWrong = "ConfirmationWrong"
    Conflict = "Conflict"
    ConflictOfInterest = "ConflictOfInterest"
    ContentChanged = "ContentChanged"
    ContextMissing = "ContextMissing"
    CostBudgetSpent = "CostBudgetSpent"
    DataWithdrawn = "DataWithdrawn"
    DatasetNotFound = "DatasetNotFound"
    DatasetRetired = "DatasetRetired"
    DeadlineReached = "DeadlineReached"
    EmptySlice = "EmptySlice"
    Entitled = "Entitled"
    EvidenceUnverified = "EvidenceUnverified"
    ExportNotFound = "ExportNotFound"
    FileRefused = "FileRefused"
    FindingBlocks = "FindingBlocks"
    GpuMissing = "GpuMissing"
    GrantClosed = "GrantClosed"
    GrantExpired = "GrantExpired"
    GrantNotFound = "GrantNotFound"
    GrantPending = "GrantPending"
    GrantRevoked = "GrantRevoked"
    GrantSuspended = "GrantSuspended"
    HomeFull = "HomeFull"
    IdentityStale = "IdentityStale"
    IdleStopped = "IdleStopped"
    ImportNotFound = "ImportNotFound"
    IsolationFailed = "IsolationFailed"
    IsolationUnavailable = "IsolationUnavailable"
    LargerThanMachine = "LargerThanMachine"
    LeadershipLost = "LeadershipLost"
    LegalBasisEnded = "LegalBasisEnded"
    LoginFailed = "LoginFailed"
    LoginRequired = "LoginRequired"
    MailRefused = "MailRefused"
    MailUnavailable = "MailUnavailable"
    MemberNotFound = "MemberNotFound"
    MemberNotSeen = "MemberNotSeen"
    MemberRemoved = "MemberRemoved"
    MemberSuspended = "MemberSuspended"
    NotAMember = "NotAMember"
    NotPermitted = "NotPermitted"
    NotVouchedFor = "NotVouchedFor"
    NotYetValid = "NotYetValid"
    ObjectNotFound = "ObjectNotFound"
    OrganisationStandingMissing = "OrganisationStandingMissing"
    OrganisationSuspended = "OrganisationSuspended"
    PlanNotCovered = "PlanNotCovered"
    PolicyChanged = "PolicyChanged"
    PolicyMissing = "PolicyMissing"
    PrivacyNotMet = "PrivacyNotMet"
    QuorumMissing = "QuorumMissing"
    QuotaReached = "QuotaReached"
    RateLimited = "RateLimited"
    ReleaseNotFound = "ReleaseNotFound"
    ReleaseRecalled = "ReleaseRecalled"
    Requested = "Requested"
    RuntimeFailed = "RuntimeFailed"
    SeatEnded = "SeatEnded"
    SeatNotFound = "SeatNotFound"
    SecondFactorRequired = "SecondFactorRequired"
    ServiceUnavailable = "ServiceUnavailable"
    SetupIncomplete = "SetupIncomplete"
    SignatureInvalid = "SignatureInvalid"
    SliceNotFound = "SliceNotFound"
    SliceSuspended = "SliceSuspended"
    SourceRemoved = "SourceRemoved"
    SourceStale = "SourceStale"
    StandingMissing = "StandingMissing"
    StartTimeout = "StartTimeout"
    StateForbids = "StateForbids"
    StorageFailed = "StorageFailed"
    StorageFull = "StorageFull"
    StreamStale = "StreamStale"
    UnknownKey = "UnknownKey"
    VoteClosed = "VoteClosed"
    WaitingForRoom = "WaitingForRoom"


class TREError(Exception):
    """What happened, why, and what to do: an error that a person can act on.

    `reason` is the machine's word for it, `what` one sentence, `why` the cause where it is known, `remedy` the
    next step. `str(error)` joins them in one line; `lines()` gives them apart for a terminal.
    """

    def __init__(self, reason: Reason, what: str, *, why: str = "", remedy: str = "") -> None:
        super().__init__(what)
        self.reason = reason
        self.what = what
        self.why = why
        self.remedy = remedy

    def __str__(self) -> str:
        """All that is known, in one line."""
        return " ".join(part for part in (self.what, self.why, self.remedy) if part)

    def lines(self) -> list[str]:
        """The same as up to three labelled lines: what, why, what to do."""
        labelled = (("", self.what), ("why: ", self.why), ("what to do: ", self.remedy))
        return [label + text for label, text in labelled if text]

    def as_dict(self) -> dict[str, str]:
        """The error as an API answers it and as `--json` prints it."""
        return {
            "reason": self.reason.value,
            "what": self.what,
            "why": self.why,
            "remedy": self.remedy,
        }


def passes(check: Callable[P, object]) -> Callable[P, bool]:
    """The question beside a check that raises `TREError`: `can_view = passes(check_view)`."""

    def ask(*arguments: P.args, **named: P.kwargs) -> bool:
        try:
            check(*arguments, **named)
        except TREError:
            return False
        return True

    return ask
