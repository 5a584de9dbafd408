"""The settings of places that keep checkpoints of the audit log.

Guarantees: each place is one thing, has a name of its own, and nothing is said to another machine without TLS.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from tre.domain.letters.address import Address
from tre.domain.model import Line, Record
from tre.system.mail_settings import LOOPBACK


class WitnessSettings(Record):
    """A place that is shown checkpoints of the audit log, so that a log that was shortened or written anew shows. Give
    one of `file`, `url` and `mail`. It should be in other hands than the record and the log's key."""

    name: Annotated[Line, Field(pattern=r"^[a-z][a-z0-9-]{0,30}$")]
    """What it is called in `tre status` and `tre doctor`."""

    file: Path | None = None
    """A file to which checkpoints are added, one line of JSON each; its directory must exist, best on another volume.
    A relative path begins at the root."""

    url: Annotated[Line, Field(max_length=2000)] | None = None
    """An address to which each checkpoint is PUT as the text of a signed note; anything of 200 to 299 means kept. It
    needs no password: the note is signed."""

    mail: Address | None = None
    """Somebody who gets them by mail, through the server of the section `mail`."""

    every_minutes: Annotated[int, Field(ge=1, le=7 * 24 * 60)] = 60
    """The least time between two checkpoints; while nothing happens none is sent."""

    @property
    def every(self) -> timedelta:
        """The same as a span of time."""
        return timedelta(minutes=self.every_minutes)

    @model_validator(mode="after")
    def _one(self) -> WitnessSettings:
        if sum(value is not None for value in (self.file, self.url, self.mail)) != 1:
            msg = f"the witness {self.name} needs one of file, url and mail"
            raise ValueError(msg)
        if self.url is not None:
            parts = urlsplit(self.url)
            if not parts.hostname or parts.username or parts.fragment or parts.scheme not in {"http", "https"}:
                msg = "url must be an http or https address without a user and a fragment"
                raise ValueError(msg)
            if parts.scheme == "http" and parts.hostname not in LOOPBACK:
                msg = "url may begin with http:// on this machine only (127.0.0.1, ::1, localhost)"
                raise ValueError(msg)
        return self


Witnesses = Annotated[tuple[WitnessSettings, ...], Field(max_length=20)]
