"""The public account as files: questions with answers, changes with comments, outcomes, incidents, complaints, the
committee, what was declined, easy words and the glossary; each page with its JSON beside it.

Guarantees: made by the functions that the public process shows its pages by, so nothing that waits unread is written.
A question that is not published has no page here: who asked it looks where they asked.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection

from tre.portal import committee_public
from tre.portal.context import Portal
from tre.portal.glossary import WORDS
from tre.portal.routes import public_account as pages
from tre.portal.routes import public_committee
from tre.portal.still import Writer


def write_account(writer: Writer, portal: Portal, connection: Connection) -> None:
    """Write all of it. Raises `TREError(PolicyMissing | BadInput)`."""
    _write_questions(writer, portal, connection)
    _write_changes(writer, portal, connection)
    found = pages.incident_values(connection)
    _both(writer, "incidents", "account/incidents.html", found, [one.as_plain() for one in found["found"]])
    told = pages.complaint_values(portal, connection)
    _both(writer, "complaints", "account/complaints.html", told, told["found"].as_plain())
    came = pages.outcome_values(connection)
    _both(writer, "outcomes", "account/outcomes.html", came, [one.as_plain() for one in came["found"]])
    sits = public_committee.committee_values(portal, connection)
    _both(writer, "committee", "public/committee.html", sits, sits["found"].as_plain())
    refused = public_committee.declined_values(connection)
    _both(writer, "declined", "public/declined.html", refused, committee_public.declined(connection).as_plain())
    writer.page("/easy", "account/easy.html", {})
    words = {entry.word: entry.meaning for entry in WORDS}
    _both(writer, "glossary", "account/glossary.html", {"entries": WORDS}, words)


def _both(writer: Writer, name: str, template: str, values: dict[str, Any], plain: Any) -> None:
    writer.page(f"/{name}", template, values)
    writer.json(f"{name}.json", plain)


def _write_questions(writer: Writer, portal: Portal, connection: Connection) -> None:
    values = pages.question_values(portal, connection)
    _both(writer, "questions", "account/questions.html", values, values["found"].as_plain())
    for one in values["found"].questions:
        shown = {"clock": None, "refused": "", "shown": one, "now": portal.clock.now()}
        writer.page(f"/questions/{one.id}", "account/question.html", shown)


def _write_changes(writer: Writer, portal: Portal, connection: Connection) -> None:
    values = pages.change_list_values(portal, connection)
    plain = [one.as_plain() for one in values["found"]]
    _both(writer, "consultations", "account/changes.html", values, plain)
    for one in values["found"]:
        shown = pages.change_values(portal, connection, one.id)
        _both(writer, f"consultations/{one.id}", "account/change.html", shown, shown["change"].as_plain())
