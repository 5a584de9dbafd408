"""Where the files of a request come from, as the signed log tells it.

Guarantees: what is read here stands in an event of the log, written in the transaction that put the file into the
request; a file that its author made alone has no entry.
"""

from __future__ import annotations

from sqlalchemy import Connection

from tre.domain.exports.fixes import Provenance
from tre.store.events import MAX_PAGE, EventSearch, search

EVENT_KIND = "export.file-transformed"


def provenance_of(connection: Connection, export: str) -> dict[str, Provenance]:
    """By the SHA-256 of each file that the service made for a request; the latest, where one was made twice."""
    found: dict[str, Provenance] = {}
    asked = EventSearch(object=f"export/{export}", kind=EVENT_KIND, limit=MAX_PAGE)
    for stored in reversed(search(connection, asked)):
        for plain in stored.event.detail["provenance"]:
            one = Provenance.model_validate(plain)
            found[one.to_sha256] = one
    return found
