"""What the pages of applying and deciding say: plain words for states, parties, outcomes, choices and events.

Guarantees: every state, party, outcome, choice and lane of the domain has its words (a test compares). Nothing here
depends on who reads it.
"""

from __future__ import annotations

from tre.domain.applications.models import Lane
from tre.domain.applications.states import ApplicationState, Party
from tre.domain.committee.models import Choice
from tre.domain.committee.tally import Outcome
from tre.portal.words import Words

S = ApplicationState

STATES: dict[ApplicationState, Words] = {
    S.Draft: Words("Draft", "Complete every step, look it through, then hand it in."),
    S.Submitted: Words("Being planned", "What it would give is counted now. Nothing needs to be done."),
    S.InReview: Words("With the committee", "The committee reads it and votes."),
    S.Deferred: Words(
        "Back with you", "Read what was asked, answer, change what has to change, then hand it in again."
    ),
    S.Approved: Words("Approved", "The project comes into force by itself, and shows under “Projects”."),
    S.Declined: Words("Declined", "It cannot be handed in again. A new application can be made."),
    S.Withdrawn: Words("Withdrawn", "Nothing follows from it. A new application can be made."),
}
FOR_COMMITTEE: dict[ApplicationState, str] = {
    S.Draft: "It has not been handed in.",
    S.Submitted: "What it would give is being counted. It can be voted on when that is done.",
    S.InReview: "Read what is asked and what it would give, then vote.",
    S.Deferred: "It is back with its author, who answers and hands it in again.",
    S.Approved: "It was approved.",
    S.Declined: "It was declined.",
    S.Withdrawn: "Its author took it back.",
}
"""What each state asks of a member, or tells them."""

STATE_COLOURS: dict[ApplicationState, str] = {
    S.Draft: "grey",
    S.Submitted: "blue",
    S.InReview: "purple",
    S.Deferred: "orange",
    S.Approved: "green",
    S.Declined: "red",
    S.Withdrawn: "grey",
}
PARTIES: dict[Party, str] = {
    Party.applicant: "The applicant",
    Party.system: "The service",
    Party.committee: "The committee",
}
OUTCOMES: dict[Outcome, str] = {
    Outcome.approved: "Approved",
    Outcome.declined: "Declined",
    Outcome.deferred: "Given back with questions",
}
CHOICES: dict[Choice, str] = {
    Choice.approve: "Approve",
    Choice.conditions: "Approve, with conditions",
    Choice.decline: "Decline",
    Choice.defer: "Ask the applicant first",
}
CHOICE_COLOURS: dict[Choice, str] = {
    Choice.approve: "green",
    Choice.conditions: "aqua-green",
    Choice.decline: "red",
    Choice.defer: "orange",
}
LANES: dict[Lane, str] = {
    Lane.full: "The whole committee",
    Lane.fast: "The short way: a small change of a running project",
}
CONDITIONS: tuple[tuple[str, str], ...] = (
    ("DUO:0000019", "Results are published (DUO:0000019)"),
    ("DUO:0000020", "Together with the people who gathered the data (DUO:0000020)"),
    ("DUO:0000021", "Only with an ethics approval (DUO:0000021)"),
    ("DUO:0000024", "Nothing is published before a day that the committee names (DUO:0000024)"),
    ("DUO:0000029", "Derived data are given back (DUO:0000029)"),
    ("DUO:0000045", "Only by organisations that are not for profit (DUO:0000045)"),
    ("DUO:0000046", "No commercial use (DUO:0000046)"),
    ("DUO:0000015", "Not to develop methods (DUO:0000015)"),
    ("DUO:0000044", "No research on populations or origins (DUO:0000044)"),
)
"""Conditions of use that a vote can tick, in the words of the Data Use Ontology made plain."""

CONDITION_WORDS = dict(CONDITIONS)
EVENTS = {
    "application.prepared": "The draft was begun",
    "application.submitted": "It was handed in",
    "application.answered": "The questions were answered",
    "application.taken-up": "What it would give was counted: the review began",
    "application.given-back": "It was given back: it cannot be planned as it is",
    "application.plan-changed": "What it would give changed: the votes so far do not count",
    "application.overdue": "The time for the review ran out; the committee was told",
    "application.decided": "The committee decided",
    "application.withdrawn": "It was withdrawn",
    "application.paper-attached": "A document was attached",
    "application.paper-removed": "A document was taken out",
    "application.paper-lost": "A document did not arrive",
    "application.paper-put-away": "A document was removed: nobody needs it any more",
}
"""What applicants read of the course of an application."""

DESK_EVENTS = EVENTS | {"committee.closed": "The chair closed the vote"}
"""What the committee reads. Who voted and who stands aside is told by the count: lines that say the same become one."""
