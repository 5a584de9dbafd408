"""The settings of the mail server.

Guarantees: nothing is said to a server of another machine without TLS, and the password is a file, never a setting.

Threat: a password or a letter read on its way; a server that says it cannot speak TLS.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from tre.domain.letters.address import Address
from tre.domain.model import Line, Record

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
MAIL_PASSWORD = "mail-password"  # noqa: S105 - a file name


class MailSettings(Record):
    """The mail server to which letters are given. Without this section no letter is written, and nobody's is kept."""

    host: Annotated[Line, Field(pattern=r"^([A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?|[0-9A-Fa-f:.]+)$")]
    """The server's name, as its certificate names it."""

    port: Annotated[int, Field(ge=1, le=65535)] = 587
    """The server's port; `tls` is usually at 465, `starttls` at 587."""

    security: Literal["tls", "starttls", "none"] = "starttls"
    """`tls` from the first byte, `starttls` before anything is said, or `none`, on this machine only. A server that
    does not offer what is demanded is given nothing."""

    sender: Address
    """Whom letters come from; answers to it are read by nobody here."""

    user: Annotated[Line, Field(min_length=1, max_length=255)] | None = None
    """The launcher's name at the server, where it asks for one; then the password is in `passwordFile`."""

    password_file: Path = Path("keys") / MAIL_PASSWORD
    """The file with the password, as one line. A relative path begins at the root; nobody but the controller's own user
    and group may read it."""

    authorities: Path | None = None
    """Certificates in PEM form that vouch for the server instead of the system's."""

    digest_hour: Annotated[int, Field(ge=0, le=23)] = 7
    """The hour, in UTC, at which those who want their letters once a day get them."""

    timeout_seconds: Annotated[int, Field(ge=1, le=300)] = 30
    """How long the server may take for one answer; ten times as long for all that is said in one connection."""

    @model_validator(mode="after")
    def _guarded(self) -> MailSettings:
        if self.security == "none" and self.host not in LOOPBACK:
            msg = "security none is for a mail server on this machine (127.0.0.1, ::1, localhost): use tls or starttls"
            raise ValueError(msg)
        return self
