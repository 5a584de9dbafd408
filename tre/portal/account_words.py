"""Words of the public account's pages: kinds, states and their colours, types of outcome, acts.

Guarantees: every member of each has its words (a test compares).
"""

from __future__ import annotations

from tre.domain.people import Role
from tre.domain.publicaccount.models import IncidentType, OutcomeType
from tre.domain.publicaccount.states import ItemKind, ItemState

KINDS: dict[ItemKind, str] = {
    ItemKind.enquiry: "Question",
    ItemKind.comment: "Comment",
    ItemKind.outcome: "Outcome",
    ItemKind.incident: "Incident",
    ItemKind.complaint: "Complaint",
    ItemKind.consultation: "Change of a policy",
}
STATES: dict[ItemState, str] = {
    ItemState.Waiting: "Waits",
    ItemState.Answered: "Answered, not published",
    ItemState.Published: "Published",
    ItemState.Refused: "Not published",
    ItemState.Open: "Open",
    ItemState.Resolved: "Resolved",
    ItemState.Received: "Received",
    ItemState.Acknowledged: "Acknowledged",
    ItemState.Closed: "Answered",
    ItemState.Decided: "Decided",
}
COLOURS: dict[ItemState, str] = {
    ItemState.Waiting: "blue",
    ItemState.Answered: "yellow",
    ItemState.Published: "green",
    ItemState.Refused: "grey",
    ItemState.Open: "blue",
    ItemState.Resolved: "green",
    ItemState.Received: "blue",
    ItemState.Acknowledged: "yellow",
    ItemState.Closed: "green",
    ItemState.Decided: "green",
}
OUTCOMES: dict[OutcomeType, str] = {
    OutcomeType.paper: "A paper",
    OutcomeType.tool: "A tool",
    OutcomeType.care: "A change in care",
    OutcomeType.nothing: "Nothing yet",
}
INCIDENTS: dict[IncidentType, str] = {
    IncidentType.disclosure: "Data reached somebody who should not have had it",
    IncidentType.access: "Somebody got in who should not have",
    IncidentType.integrity: "Data were lost, or were wrong",
    IncidentType.outage: "The service did not work",
    IncidentType.other: "Something else",
}
ACTS: dict[str, str] = {
    "answer": "Write the answer",
    "publish": "Publish",
    "refuse": "Do not publish",
    "correct": "Correct",
    "resolve": "Everything is done",
    "reopen": "Open again",
    "acknowledge": "Acknowledged",
    "close": "Answered",
    "decide": "Decide",
}
DECLARERS: dict[Role, str] = {
    Role.operator: "an operator of this service",
    Role.data_manager: "a data manager of this service",
}
