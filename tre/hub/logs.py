"""The Hub's log: one JSON object a line on standard error, like every service of the launcher.

Guarantees: service, time in UTC, level, logger, event, and a traceback as one field. JupyterHub itself leaves codes,
states and tokens out of the addresses that it logs; what it writes of session and cookie identifiers is left out here.
"""

from __future__ import annotations

import logging

import structlog
from structlog.typing import EventDict

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
                structlog.processors.JSONRenderer(sort_keys=True, default=str),
            ],
            foreign_pre_chain=[
                _named,
                structlog.stdlib.add_log_level,
                structlog.stdlib.add_logger_name,
                structlog.processors.TimeStamper(fmt="iso", utc=True),
            ],
        )
