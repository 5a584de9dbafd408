"""The Hub's log: one JSON object a line on standard error, like every service of the launcher.

Guarantees: service, time in UTC, level, logger, event, and a traceback as one field. JupyterHub itself leaves codes,
states and tokens out of the addresses that it logs, but for those within another address; what it writes of those, of
session and cookie identifiers and of people's names is left out here.
"""

from __future__ import annotations

import logging

import structlog
from structlog.typing import EventDict

from tre.system.logs import scrub

_WITH_IDENTIFIERS = "Setting new xsrf cookie"


def without_identifiers(record: logging.LogRecord) -> bool:
    """A filter: refuses the one line in which JupyterHub writes out a person's session and cookie identifiers."""
    return not str(record.msg).startswith(_WITH_IDENTIFIERS)


def _named(_logger: object, _method: str, line: EventDict) -> EventDict:
    line["service"] = "hub"
    return line


class JsonFormatter(structlog.stdlib.ProcessorFormatter):
    """Turns JupyterHub's log records into JSON lines; formats given by JupyterHub are not needed."""

    def __init__(self, *_args: object, **_kwargs: object) -> None:
        super().__init__(
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                scrub,
                structlog.processors.JSONRenderer(sort_keys=True, default=str),
            ],
            foreign_pre_chain=[
                _named,
                structlog.stdlib.add_log_level,
                structlog.stdlib.add_logger_name,
                structlog.processors.TimeStamper(fmt="iso", utc=True),
            ],
        )
