"""The log of every service: what a machine can read, and nothing that names anybody.

Guarantees: one JSON object a line on standard error, each with `timestamp` (UTC), `level`, `event` and `service`,
whichever thread writes it; no value of a variable in a traceback (a vote or a key could be one).

Does not guarantee: that what a line is given names nobody. `tests/system/test_logs.py` reads a day's lines for that.
"""

from __future__ import annotations

import logging
import sys
from typing import Any

import structlog
from structlog.tracebacks import ExceptionDictTransformer
from structlog.typing import EventDict


def configure_log(service: str) -> None:
    """JSON lines on standard error, with the service's name and the time in UTC."""
    structlog.configure(
        processors=[
            _Named(service),
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.ExceptionRenderer(ExceptionDictTransformer(show_locals=False)),
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )


class _Named:
    """Puts the service's name into every line, whichever thread writes it."""

    def __init__(self, service: str) -> None:
        self._service = service

    def __call__(self, _logger: Any, _method: str, line: EventDict) -> EventDict:
        line.setdefault("service", self._service)
        return line
