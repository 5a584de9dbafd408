"""The page of duties that are kept apart, from the table that permissions ask."""

from __future__ import annotations

from page import code, page, table

from tre.domain.duties import DUTIES, PARTS, Part


def duties_page() -> str:
    """Each act, and in which parts of the matter nobody may be who does it."""
    rows = [
        (code(duty), row.act, ", ".join(PARTS[part] for part in Part if part in row.never))
        for duty, row in DUTIES.items()
    ]
    return page(
        "Duties that are kept apart",
        "Whoever does one of these acts is a person, and is never one of those on the right in the same matter. Roles "
        "are no way around it: an operator, a member of the committee or a data manager is bound like anybody. People "
        "are compared as subjects, exactly; that two accounts are two people is for the identity provider to see to.",
        table(("duty", "what is done", "never by"), rows),
    )
