"""A person's word for a run that nobody can look at any more: when it counts, and when it does not.

Guarantees: a statement is an event of the person who made it, for one run; it stands in for the proof of death only
while the runtime says that nobody is left to ask (`DeathProof.beyond_reach`). The log then says that a person said so,
with what could not be proven, and never that it was proven. One that is refused is spent: what was not true when it was
said does not come to count later.

Does not guarantee: that the person looked. The log has the name.

Threat: a workspace that stays in `Stopping` for ever because a machine burned down; and the opposite, a run that is
called dead while its machine reports.
"""

from __future__ import annotations

from tre.controller.context import Context
from tre.domain.events import Event
from tre.domain.workspaces.models import Workspace
from tre.runtimes.protocol import DeathProof
from tre.store import events
from tre.store import workspaces as store

CONFIRMED = "workspace.death-confirmed"
REFUSED = "workspace.statement-refused"
STOPPED = "workspace.stopped-by-statement"
MISSED = "Its end is not proven"


def before(workspace: Workspace) -> str:
    """What was said of the ending itself."""
    return workspace.message.partition(MISSED)[0].strip()


def missing(workspace: Workspace, what: str) -> str:
    """The same, and what is missed."""
    return f"{before(workspace)} {MISSED}{what}".strip()


def pending(context: Context, workspace: Workspace) -> Event | None:
    """The statement about this run that nobody has acted on yet."""
    subject = f"workspace/{workspace.name}"
    with context.database.read() as connection:
        found = [
            stored
            for kind in (CONFIRMED, REFUSED)
            for stored in events.search(connection, events.EventSearch(object=subject, kind=kind, limit=1))
        ]
    newest = max(found, key=lambda stored: stored.number, default=None)
    if newest is None or newest.event.kind != CONFIRMED:
        return None
    return newest.event if newest.event.detail.get("instance") == workspace.instance else None


def refuse(context: Context, workspace: Workspace, said: Event, proof: DeathProof) -> None:
    """The run can still be looked at: say so, where the person who made the statement reads it."""
    why = "; ".join(proof.unproven) or "its processes are seen"
    event = context.event(
        REFUSED, f"workspace/{workspace.name}", statement=said.id, instance=workspace.instance, proof=proof.as_plain()
    )
    message = missing(workspace, f"; the statement that it is dead does not count while it can be looked at: {why}.")
    with context.database.change(event) as change:
        store.set_phase(change, workspace.name, workspace.phase, workspace.reason, context.clock.now(), message=message)


def stopped_by(context: Context, workspace: Workspace, said: Event, proof: DeathProof) -> Event:
    """The event of an end that a person vouches for."""
    return context.event(
        STOPPED,
        f"workspace/{workspace.name}",
        grant=workspace.grant,
        instance=workspace.instance,
        reason=workspace.reason.value,
        statement={"event": said.id, "by": said.actor.as_plain(), "reason": said.detail.get("reason", "")},
        unproven=list(proof.unproven),
    )
