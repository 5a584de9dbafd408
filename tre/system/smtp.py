"""Giving messages to a mail server.

Guarantees: the demanded TLS is in place, with a certificate that holds for the server's name, before a name, a password
or a letter is said; a server that offers none gets nothing. Each answer has a time limit, and so has a whole
connection, so that a server that sends an answer letter by letter holds nobody up for ever. What a server answers is
never passed on but for its number: it may quote the address.

Does not guarantee: that a message went out once. Where the connection breaks after the message and before the answer,
nobody knows; whoever tries again sends the same Message-ID.

Threat: a mail server that is down, hangs, lies about TLS, or answers with terminal codes; a second recipient.
"""

from __future__ import annotations

import contextlib
import smtplib
import socket
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP as MAIL_POLICY
from email.utils import format_datetime
from pathlib import Path

from tre.domain.errors import Reason, TREError
from tre.domain.letters.address import check_address
from tre.domain.letters.writing import Message
from tre.system.hub_keys import read_secret
from tre.system.mail_settings import MailSettings

CONNECTION_TIMES = 10
"""How many times the limit of one answer a whole connection may take."""


class RefusedError(TREError):
    """The server took the connection and not this message; `for_good` where it says that it never will."""

    def __init__(self, reason: Reason, code: int) -> None:
        super().__init__(reason, f"The mail server answered {code}.")
        self.for_good = reason is Reason.AddressRefused and code >= 500


@dataclass(frozen=True)
class MailServer:
    """One mail server, and as whom this launcher (`base`) speaks to it; `root` is where relative paths begin."""

    settings: MailSettings
    base: str
    root: Path

    @contextlib.contextmanager
    def connection(self) -> Iterator[Session]:
        """A connection that is safe and signed in. Raises `TREError(MailUnavailable)`, `TREError(SetupIncomplete)`."""
        password = None if self.settings.user is None else self._password()
        context = self._context()
        client = _Client(self.base, self.settings.timeout_seconds)
        with _limited(client, CONNECTION_TIMES * self.settings.timeout_seconds):
            try:
                with _in_words():
                    self._open(client, context, password)
                yield Session(client, self.settings.sender, self.base)
            except BaseException:
                client.close()  # whoever did not answer is not asked to say goodbye
                raise
            client.end()

    def _password(self) -> str:
        path = self.root / self.settings.password_file
        try:
            return read_secret(path)
        except TREError as error:
            raise TREError(
                error.reason,
                f"The mail server's password is not in {path}.",
                why=" ".join(part for part in (error.what, error.why) if part),
                remedy=f"Write it there as one line and run `chmod 600 {path}`; on a cluster set mail.passwordSecret.",
            ) from error

    def _open(self, client: _Client, context: ssl.SSLContext, password: str | None) -> None:
        client.reach(self.settings.host, self.settings.port, context if self.settings.security == "tls" else None)
        client.ehlo_or_helo_if_needed()
        if self.settings.security == "starttls":
            client.starttls(context=context)
            client.ehlo_or_helo_if_needed()
        if self.settings.user is not None and password is not None:
            client.login(self.settings.user, password)

    def _context(self) -> ssl.SSLContext:
        own = self.settings.authorities
        try:
            return ssl.create_default_context(cafile=None if own is None else str(self.root / own))
        except (OSError, ssl.SSLError) as error:
            raise TREError(
                Reason.SetupIncomplete,
                f"{own} holds no certificates that could vouch for the mail server.",
                why=f"{error}.",
                remedy="Name a file with certificates in PEM form in mail.authorities.",
            ) from error


@dataclass(frozen=True)
class Session:
    """A connection to a mail server."""

    client: _Client
    sender: str
    base: str

    def deliver(self, address: str, message: Message, now: datetime) -> None:
        """Give one message for one recipient to the server, until it says that it has it.

        Raises `RefusedError`, or `TREError(MailUnavailable)` where the connection is of no use any more.
        """
        check_address(address)
        data = self._mail(address, message, now).as_bytes(policy=MAIL_POLICY)
        with _in_words():
            try:
                self.client.sendmail(self.sender, [address], data)
            except smtplib.SMTPRecipientsRefused as error:
                code = next(iter(error.recipients.values()))[0]
                raise RefusedError(Reason.AddressRefused, code) from error
            except smtplib.SMTPDataError as error:
                raise RefusedError(Reason.MailRefused, error.smtp_code) from error

    def _mail(self, address: str, message: Message, now: datetime) -> EmailMessage:
        mail = EmailMessage(policy=MAIL_POLICY)
        mail["From"] = self.sender
        mail["To"] = address
        mail["Subject"] = message.subject
        mail["Date"] = format_datetime(now)
        mail["Message-ID"] = f"<{message.identity}@{self.base}>"
        mail["Auto-Submitted"] = "auto-generated"  # RFC 3834: no automatic answer is due
        mail["X-Auto-Response-Suppress"] = "All"
        mail.set_content(message.body, cte="7bit")  # our own words, in ASCII and short lines
        return mail


class _Client(smtplib.SMTP):
    """The library's client, given a socket that it did not open itself."""

    def __init__(self, name: str, timeout: float) -> None:
        super().__init__(local_hostname=name, timeout=timeout)

    def reach(self, host: str, port: int, context: ssl.SSLContext | None) -> None:
        self._host = host  # the name that STARTTLS compares the certificate with
        found = socket.create_connection((host, port), self.timeout)
        try:
            self.sock = found if context is None else context.wrap_socket(found, server_hostname=host)
        except BaseException:
            found.close()
            raise
        code, _ = self.getreply()
        if code != 220:
            raise smtplib.SMTPConnectError(code, "")

    def cut(self) -> None:
        """End whatever waits for an answer, from another thread."""
        if (found := self.sock) is not None:
            with contextlib.suppress(OSError):
                found.shutdown(socket.SHUT_RDWR)

    def end(self) -> None:
        with contextlib.suppress(smtplib.SMTPException, OSError, ValueError):
            self.docmd("QUIT")
        self.close()


@contextlib.contextmanager
def _limited(client: _Client, seconds: float) -> Iterator[None]:
    timer = threading.Timer(seconds, client.cut)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


@contextlib.contextmanager
def _in_words() -> Iterator[None]:
    try:
        yield
    except TREError:
        raise
    except smtplib.SMTPAuthenticationError as error:
        raise _unavailable(f"it does not accept the name and the password ({error.smtp_code})") from error
    except smtplib.SMTPResponseException as error:
        raise _unavailable(f"it answered {error.smtp_code}") from error
    except smtplib.SMTPNotSupportedError as error:
        raise _unavailable("it does not offer what is demanded: TLS, or signing in") from error
    except ssl.SSLCertVerificationError as error:
        raise _unavailable(f"its certificate does not hold: {error.verify_message}") from error
    except (smtplib.SMTPException, OSError, ValueError) as error:
        raise _unavailable(_trouble(error)) from error


_TROUBLES: tuple[tuple[type[BaseException], str], ...] = (
    (TimeoutError, "it does not answer in time; one that wants TLS from the first byte says nothing before"),
    (socket.gaierror, "no name server knows its name"),
    (ConnectionRefusedError, "nobody listens at this port"),
    (ssl.SSLError, "no TLS comes about; a port for `starttls` knows none from the first byte"),
    (UnicodeError, "its name, or the name and password for it, hold letters that cannot be said to it"),
)


def _trouble(error: BaseException) -> str:
    for kind, said in _TROUBLES:
        if isinstance(error, kind) or isinstance(error.__context__, kind):
            return said
    return f"the connection failed ({type(error).__name__})"


def _unavailable(why: str) -> TREError:
    return TREError(
        Reason.MailUnavailable,
        "The mail server cannot be given letters now.",
        why=f"Of the server named in tre.yaml: {why}.",
        remedy="Letters are kept. Correct the section mail of tre.yaml, or the server; try it with `tre mail test`.",
    )
