"""The log of every service: what a machine can read, and nothing that names anybody.

Guarantees: one JSON object a line on standard error, each with `timestamp` (UTC), `level`, `event` and `service`,
whichever thread writes it, and whichever library: their warnings and errors come out in the same form; no value of a
variable in a traceback (a vote or a key could be one); mail addresses, the readable part of the Hub's names of people,
and the secrets of a sign-in that stand in an address are taken out of every value, whoever wrote the line. A line that
the disk does not take is lost and counted, and whoever wrote it goes on: work must not end because nobody could write
that something went wrong.

Does not guarantee: that what a line is given names no file. `tests/system/test_logs.py` reads a day's lines for that.
"""

from __future__ import annotations

import json
import logging
import re
import sys
from typing import Any, TextIO, cast

import structlog
from structlog.tracebacks import ExceptionDictTransformer
from structlog.typing import EventDict, Processor


def configure_log(service: str) -> None:
    """JSON lines on standard error, with the service's name and the time in UTC."""
    stream = cast("TextIO", Enduring(sys.stderr, service))
    libraries_write(service, stream)
    structlog.configure(
        processors=[
            _Named(service),
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            _TIMED,
            *_WRITTEN,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(file=stream),
        cache_logger_on_first_use=True,
    )


def libraries_write(service: str, stream: TextIO) -> None:
    """Have what libraries warn of by Python's own logging written as lines of this service."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(RecordFormatter(service))
    root = logging.getLogger()
    root.handlers = [*(one for one in root.handlers if not isinstance(one.formatter, RecordFormatter)), handler]
    root.setLevel(logging.WARNING)


class Enduring:
    """A stream whose disk may be full or read-only: what it does not take is lost, and told once it takes more."""

    def __init__(self, stream: TextIO, service: str) -> None:
        self._stream, self._service = stream, service
        self._refused = 0

    def write(self, text: str) -> int:
        """Write, or lose the text."""
        try:
            return self._stream.write(text)
        except OSError:
            self._refused += 1
            return len(text)

    def flush(self) -> None:
        """Let it be written; tell of what was lost before."""
        try:
            self._stream.flush()
            if self._refused:
                line = {"event": "log-refused", "level": "error", "service": self._service, "times": self._refused}
                self._stream.write(json.dumps(_TIMED(None, "error", line)) + "\n")
                self._stream.flush()
        except OSError:
            self._refused += 1
        else:
            self._refused = 0


_TIMED = structlog.processors.TimeStamper(fmt="iso", utc=True)
_MAIL = re.compile(r"[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63})+")
_HYPHENED = re.compile(r"\b[a-z][a-z0-9]*(?:-[a-z0-9]+)*-[a-z2-7]{12}\b(?!-)")
_HASH = re.compile(r"[a-z2-7]{12}")
_SECRET = re.compile(
    r"(?<![a-z_])(state|code|code_challenge|code_verifier|nonce)(=|%3D)(?!\[secret\])[^&\s\"]*?(?=&|%26|\s|\"|$)"
)
_ADDRESS_OF_HOST = re.compile(r"@\d+\.\d+\.\d+\.\d+")


def _unnamed(found: re.Match[str]) -> str:
    """Words with hyphens, in which each Hub's name of a person (`alice-gaxpdwzafcq2`) has lost its readable part.

    The names of workspaces (`w-` and twelve characters) stay: an operator types them.
    """
    kept: list[str] = []
    begin, parts = 0, found[0].split("-")
    for place, part in enumerate(parts):
        followed = place + 1 < len(parts) and _HASH.fullmatch(parts[place + 1]) is not None
        if followed or _HASH.fullmatch(part) is None:
            continue
        workspace = place > 0 and parts[place - 1] == "w"
        kept += parts[begin : place + 1] if workspace else ["user", part]
        begin = place + 1
    return "-".join([*kept, *parts[begin:]])


def scrubbed(value: Any) -> Any:
    """A value of a line without what names a person or lets somebody in as one."""
    if isinstance(value, str):
        text = _SECRET.sub(r"\1\2[secret]", value)
        text = _HYPHENED.sub(_unnamed, text)
        return _MAIL.sub(lambda found: found[0] if _ADDRESS_OF_HOST.search(found[0]) else "[address]", text)
    if isinstance(value, dict):
        return {key: scrubbed(item) for key, item in value.items()}
    return [scrubbed(item) for item in value] if isinstance(value, (list, tuple)) else value


def scrub(_logger: Any, _method: str, line: EventDict) -> EventDict:
    """The step before a line is written."""
    return {key: scrubbed(item) for key, item in line.items()}


class _Named:
    """Puts the service's name into every line, whichever thread writes it."""

    def __init__(self, service: str) -> None:
        self._service = service

    def __call__(self, _logger: Any, _method: str, line: EventDict) -> EventDict:
        line.setdefault("service", self._service)
        return line


_WRITTEN: tuple[Processor, ...] = (
    structlog.processors.ExceptionRenderer(ExceptionDictTransformer(show_locals=False)),
    scrub,
    structlog.processors.JSONRenderer(),
)
"""How a line ends, whoever wrote it."""


class RecordFormatter(structlog.stdlib.ProcessorFormatter):
    """Makes a service's lines of what libraries write by Python's own logging."""

    def __init__(self, service: str) -> None:
        super().__init__(
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *_WRITTEN],
            foreign_pre_chain=[
                _Named(service),
                structlog.stdlib.add_log_level,
                structlog.stdlib.add_logger_name,
                _TIMED,
            ],
        )
