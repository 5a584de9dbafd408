"""States, drawn from the tables that enforce them."""

from __future__ import annotations

from typing import Any

from page import code, page, table

from tre.domain.applications import states as applications
from tre.domain.committee.tracking import CONDITION_TRANSITIONS
from tre.domain.exports import states as exports
from tre.domain.grants import states as grants
from tre.domain.imports import states as imports
from tre.domain.letters import models as letters
from tre.domain.optouts import states as optouts
from tre.domain.publicaccount.states import ITEM_TRANSITIONS
from tre.domain.transitions import TransitionTable
from tre.domain.workspaces import states as workspaces
from tre.domain.workspaces.batch import BATCH_TRANSITIONS
from tre.portal.export_words import OWNERS


def diagram(known: TransitionTable[Any]) -> str:
    """A table of transitions as a diagram, without the words of its edges: they stand in the list below it."""
    drawn = [line.partition(":")[0].rstrip() for line in known.mermaid().splitlines()]
    return "```mermaid\n" + "\n".join(drawn) + "\n```"


def edges(known: TransitionTable[Any]) -> str:
    """Every permitted change with its owner and its occasion."""
    rows = [(code(edge.source), code(edge.target), edge.owner, edge.when) for edge in known.edges]
    return table(("from", "to", "brought about by", "when"), rows)


def waiting() -> str:
    """For whom each state of an export waits, and what its deadline brings."""
    what = {
        exports.AtDeadline.withdraw: "the request is withdrawn",
        exports.AtDeadline.escalate: "it is shown as late, and stays with the checkers",
        exports.AtDeadline.release: "the release begins",
        exports.AtDeadline.retry: "it is tried again",
    }
    rows = [
        (code(state), OWNERS[item.owner], code(item.reason), what[item.at_deadline])
        for state, item in exports.WAITING.items()
    ]
    return table(("state", "whose turn", "reason shown", "when its time is up"), rows)


def waiting_in() -> str:
    """For whom each state of an import waits."""
    rows = [(code(state), OWNERS[owner], code(reason)) for state, (owner, reason) in imports.WAITING.items()]
    return table(("state", "whose turn", "reason shown"), rows)


def waiting_application() -> str:
    """For whom each state of an application waits."""
    rows = [(code(state), f"the {item.party}", code(item.reason)) for state, item in applications.WAITING.items()]
    return table(("state", "whose turn", "reason shown"), rows)


def states_page() -> str:
    """Grant, workspace, job, export, import, application, opt-outs, letters and the public account."""
    return page(
        "States",
        "A state changes only along an edge of its table. The same tables are enforced by the code, so what is "
        "not listed cannot happen.",
        "## Grant",
        "What has ended stays ended: `Expired` and `Revoked` lead to `Closed` only.",
        diagram(grants.GRANT_TRANSITIONS),
        edges(grants.GRANT_TRANSITIONS),
        "## Workspace",
        "`Stopped` is reached from a run only through `Stopping`, that is, with a proof of death.",
        diagram(workspaces.WORKSPACE_TRANSITIONS),
        edges(workspaces.WORKSPACE_TRANSITIONS),
        "## Job without a browser",
        "It runs while a living process is seen to hold its note; the end of its workspace's run is its own.",
        diagram(BATCH_TRANSITIONS),
        edges(BATCH_TRANSITIONS),
        "## Export request",
        "There is one way out: `Approved`, `Releasing`, `Released`.",
        diagram(exports.EXPORT_TRANSITIONS),
        edges(exports.EXPORT_TRANSITIONS),
        "### Who is waited for",
        waiting(),
        "## Import request",
        "There is one way in: `Approved`, `Placing`, `Placed`.",
        diagram(imports.IMPORT_TRANSITIONS),
        edges(imports.IMPORT_TRANSITIONS),
        "### Who is waited for on the way in",
        waiting_in(),
        "## Application",
        "Only a decision of the committee leads to `Approved` and `Declined`; a deadline that passes decides nothing.",
        diagram(applications.APPLICATION_TRANSITIONS),
        edges(applications.APPLICATION_TRANSITIONS),
        "### Who is waited for with an application",
        waiting_application(),
        "## Condition of an approval",
        "A day that passes settles nothing: only the committee leads to `Met` and `Waived`.",
        diagram(CONDITION_TRANSITIONS),
        edges(CONDITION_TRANSITIONS),
        "## List of opt-outs",
        "Nobody is taken out of slices before new plans bar them; nothing is erased before its hold is over.",
        diagram(optouts.BATCH_TRANSITIONS),
        edges(optouts.BATCH_TRANSITIONS),
        "### What is waited for, and how long at most",
        opt_outs_waiting(),
        "## Letter",
        "Only a recipient whom the mail server refuses for good, eight times in more than a day, is given up.",
        diagram(letters.LETTER_TRANSITIONS),
        edges(letters.LETTER_TRANSITIONS),
        "## Public account",
        "Nothing that a stranger typed is public without a person's act; what is refused or taken down loses its "
        "words.",
        *(
            part
            for kind, known in ITEM_TRANSITIONS.items()
            for part in (f"### {known.kind.capitalize()} (`{kind}`)", diagram(known), edges(known))
        ),
    )


def opt_outs_waiting() -> str:
    """Whose turn it is in each state of a list of opt-outs, and how long that may take before it is shown as late."""
    rows = [
        (code(state), f"the {item.owner}", code(item.reason), str(item.patience or "the hold's own length"))
        for state, item in optouts.WAITING.items()
    ]
    return table(("state", "whose turn", "reason shown", "at most"), rows)
