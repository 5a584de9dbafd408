"""The Hub's log: one JSON object a line on standard error, like every service of the launcher.

Guarantees: `tre.system.logs`'s. JupyterHub itself leaves codes, states and tokens out of the addresses that it logs,
but for those within another address; what it writes of those, of session and cookie identifiers and of people's names
is left out here.
"""

from __future__ import annotations

import logging

from tre.system.logs import RecordFormatter

_WITH_IDENTIFIERS = "Setting new xsrf cookie"


def without_identifiers(record: logging.LogRecord) -> bool:
    """A filter: refuses the one line in which JupyterHub writes out a person's session and cookie identifiers."""
    return not str(record.msg).startswith(_WITH_IDENTIFIERS)


class JsonFormatter(RecordFormatter):
    """Turns JupyterHub's log records into JSON lines; formats given by JupyterHub are not needed."""

    def __init__(self, *_args: object, **_kwargs: object) -> None:
        super().__init__("hub")
