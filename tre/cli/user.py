"""`tre user`: the local accounts of one machine."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from tre.cli import common
from tre.cli.common import Installation, JsonOption, RootOption, command
from tre.domain.errors import Reason, TREError
from tre.domain.letters.address import check_address
from tre.domain.model import parse_record
from tre.domain.names import is_resource_name
from tre.domain.people import LOCAL_ISSUER, Role, Subject
from tre.portal.passwords import hash_password
from tre.store import correspondents, people
from tre.store.people import Account

app = typer.Typer(help="Local accounts: add, passwd, email, list, disable, enable.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="The account's name: lower-case letters, digits, hyphens.")]
FromInput = Annotated[bool, typer.Option("--password-stdin", help="Read the password as one line from standard input.")]


@app.command("add")
@command
def add(
    name: Name,
    display_name: Annotated[str, typer.Option("--name", help="What the screen calls the person.")] = "",
    role: Annotated[list[Role] | None, typer.Option("--role", help="A role; may be given several times.")] = None,
    email: Annotated[str, typer.Option("--email", help="Where letters to the person go.")] = "",
    password_stdin: FromInput = False,
    root: RootOption = None,
) -> None:
    """Make an account."""
    address = check_address(email) if email else None
    here = Installation.open(root)
    if not is_resource_name(name):
        raise TREError(
            Reason.BadInput,
            f"{name!r} cannot name an account.",
            why="The name becomes part of other names, and must read the same everywhere.",
            remedy="Use at most 63 lower-case letters, digits and hyphens.",
        )
    values = {"name": name, "displayName": display_name or name, "createdAt": here.clock.now()}
    account = parse_record(Account, values | {"roles": role or [Role.researcher]}, source="the account")
    _refuse_known(here, name)
    put_into_record(here, account, hash_password(_password(from_input=password_stdin)), address)
    common.out.print(f"{name}: account made, {', '.join(sorted(account.roles))}", highlight=False)


def put_into_record(here: Installation, account: Account, hashed: str, address: str | None = None) -> None:
    """Add an account, its password given as its hash. Raises `TREError(AlreadyExists)`."""
    event = here.event("account.added", f"account/{account.name}", roles=sorted(account.roles))
    with here.database.change(event) as change:
        people.add_account(change, account, hashed)
        if address is not None:
            correspondents.set_address(change, _subject(account.name), address, here.clock.now())


def _refuse_known(here: Installation, name: str) -> None:
    """Before anybody is asked for a password that nobody will need."""
    with here.database.read() as connection:
        people.refuse_known(connection, name)


@app.command("passwd")
@command
def passwd(name: Name, password_stdin: FromInput = False, root: RootOption = None) -> None:
    """Set a new password; every sign-in of the account ends."""
    here = Installation.open(root)
    with here.database.read() as connection:
        people.require_account(connection, name)
    hashed = hash_password(_password(from_input=password_stdin))
    ended = _end_sessions(here, name, "account.password-set", hashed)
    common.out.print(f"{name}: password set, {ended} sign-ins ended", highlight=False)


@app.command("email")
@command
def email(
    name: Name,
    address: Annotated[str, typer.Argument(help="The address; an empty one: no letters any more.")],
    root: RootOption = None,
) -> None:
    """Set where letters to an account go; what was given up is not sent again by this (`tre mail again`)."""
    here = Installation.open(root)
    wanted = check_address(address) if address else None
    with here.database.change(here.event("account.address-set", f"account/{name}")) as change:
        people.require_account(change.connection, name)
        correspondents.set_address(change, _subject(name), wanted, here.clock.now())
    common.out.print(f"{name}: {'letters go to ' + address if wanted else 'no letters any more'}", highlight=False)


def _subject(name: str) -> Subject:
    return Subject(issuer=LOCAL_ISSUER, id=name)


@app.command("disable")
@command
def disable(name: Name, root: RootOption = None) -> None:
    """Keep an account out; every sign-in of it ends now, and every workspace of its person."""
    here = Installation.open(root)
    ended = _end_sessions(here, name, "account.disabled", None)
    common.out.print(f"{name}: disabled, {ended} sign-ins ended", highlight=False)


@app.command("enable")
@command
def enable(name: Name, root: RootOption = None) -> None:
    """Let a disabled account sign in again; what was ended stays ended."""
    here = Installation.open(root)
    with here.database.change(here.event("account.enabled", f"account/{name}")) as change:
        if people.require_account(change.connection, name).disabled_at is None:
            raise TREError(
                Reason.StateForbids,
                f"The account {name!r} is not disabled.",
                why="There is nothing to enable.",
                remedy="See `tre user list`.",
            )
        people.enable_account(change, name)
        change.record(here.event("person.let-in", f"person/{LOCAL_ISSUER}:{name}"))
    common.out.print(f"{name}: enabled", highlight=False)


def _end_sessions(here: Installation, name: str, kind: str, hashed: str | None) -> int:
    """Change the account and end its sessions in one transaction, with an event for each of them."""
    now, subject = here.clock.now(), _subject(name)
    with here.database.change(here.event(kind, f"account/{name}")) as change:
        if hashed is None:
            people.disable_account(change, name, now)
            change.record(here.event("person.kept-out", f"person/{subject}", reason=Reason.AccountDisabled.value))
        else:
            people.set_password(change, name, hashed)
        running = people.sessions_of(change.connection, subject, now)
        change.record(*(here.event("session.revoked", f"session/{item.id}") for item in running))
        return people.revoke_sessions_of(change, subject, now)


@app.command("list")
@command
def list_accounts(root: RootOption = None, as_json: JsonOption = False) -> None:
    """Every local account with its roles."""
    here = Installation.open(root)
    with here.database.read() as connection:
        found = people.all_accounts(connection)
    if as_json:
        common.print_json([account.as_plain() for account in found])
        return
    rows = [(a.name, a.display_name, ", ".join(sorted(a.roles)), "disabled" if a.disabled_at else "") for a in found]
    common.print_table("", ("account", "name", "roles", ""), rows)


def _password(*, from_input: bool) -> str:
    if from_input:
        return sys.stdin.readline().rstrip("\n")
    return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True))
