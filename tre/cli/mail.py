"""`tre mail`: what is still to be sent, whether the mail server takes a letter, and trying again."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from tre.cli import common
from tre.cli.common import Installation, JsonOption, RootOption, command, when
from tre.domain.errors import Reason, TREError
from tre.domain.letters.address import check_address
from tre.domain.letters.models import LetterState
from tre.domain.letters.writing import Message
from tre.store import correspondents, letters
from tre.store.database import new_id
from tre.system.mail_settings import MailSettings
from tre.system.smtp import MailServer

app = typer.Typer(help="Letters: what waits, a test of the mail server, trying again.", no_args_is_help=True)


@app.command("status")
@command
def status(root: RootOption = None, as_json: JsonOption = False) -> None:
    """Show how many letters wait, failed, were given up and were sent; exit 1 where any failed or was given up."""
    here = Installation.open(root)
    now, mail = here.clock.now(), here.settings.mail
    with here.database.read() as connection:
        found = letters.numbers(connection, now)
        reasons = letters.reasons(connection)
        unknown = correspondents.without_address(connection)
    told: dict[str, Any] = {
        "server": None if mail is None else f"{mail.host}:{mail.port}",
        **{state.value.lower(): count for state, count in found.states.items()},
        "oldest": None if found.oldest is None else found.oldest.isoformat(),
        "oldestSeconds": None if found.oldest is None else int((now - found.oldest).total_seconds()),
        "reasons": reasons,
        "peopleWithoutAddress": unknown,
    }
    if as_json:
        common.print_json(told)
    else:
        _print(mail, found, reasons, unknown)
    if found.states[LetterState.Failed] or found.states[LetterState.Abandoned]:
        raise typer.Exit(1)


def _print(mail: MailSettings | None, found: letters.Numbers, reasons: dict[str, int], unknown: int) -> None:
    if mail is None:
        common.out.print("No letters are written: tre.yaml has no section mail.")
    else:
        common.out.print(f"Mail server: {mail.host}:{mail.port}, {mail.security}", highlight=False)
    words = {
        LetterState.Waiting: "to be sent",
        LetterState.Failed: "tried in vain, and tried again",
        LetterState.Abandoned: "given up: the recipient was refused again and again",
        LetterState.Sent: "sent within the last 90 days",
    }
    common.print_table("", ("letters", ""), [(found.states[state], said) for state, said in words.items()])
    for reason, count in reasons.items():
        common.out.print(f"{reason}: {count}", highlight=False)
    if found.oldest is not None:
        common.out.print(f"The oldest that should have been sent is of {when(found.oldest)}.", highlight=False)
    if unknown:
        common.out.print(f"{unknown} people have no address that is known here.", highlight=False)


@app.command("test")
@command
def send_test(
    address: Annotated[str, typer.Argument(help="Whom to send a letter that says it is a test.")],
    root: RootOption = None,
    as_json: JsonOption = False,
) -> None:
    """Send one letter now, past the outbox."""
    here = Installation.open(root)
    mail = here.settings.mail
    check_address(address)
    if mail is None:
        raise TREError(
            Reason.SetupIncomplete,
            "There is no mail server.",
            why="tre.yaml has no section mail.",
            remedy="Write one (docs/mail.md), then start `tre up` again.",
        )
    body = f"This is a test of the mail server of {here.settings.base}. Nothing has to be done.\n"
    message = Message(new_id(), f"[{here.settings.base}] A test", body)
    server = MailServer(mail, here.settings.base, here.layout.root)
    with server.connection() as session:
        session.deliver(address, message, here.clock.now())
    if as_json:
        common.print_json({"taken": True, "server": f"{mail.host}:{mail.port}"})
        return
    common.out.print(f"The server {mail.host}:{mail.port} took the letter.", highlight=False)


@app.command("again")
@command
def again(root: RootOption = None) -> None:
    """Have every letter tried now that failed or was given up: after an address or the server was mended."""
    here = Installation.open(root)
    with here.database.change(here.event("letters.asked-again", "letters/all")) as change:
        count = letters.try_again(change, here.clock.now())
    common.out.print(f"{count} letters are tried again", highlight=False)
