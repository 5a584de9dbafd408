"""`tre source`: which sources elsewhere count, how each stands, what came of what it said; ask one now."""

from __future__ import annotations

import secrets
from typing import Annotated, Any

import typer
from rich.markup import escape

from tre.cli import common
from tre.cli.common import Installation, JsonOption, RootOption, command
from tre.domain.errors import Reason, TREError
from tre.domain.sources.policy import SECRET_HEADER, RemsSource, secret_digest
from tre.domain.sources.truth import allowed
from tre.sources.policyfile import POLICY_FILE, PolicyFile
from tre.sources.removed import SAID
from tre.sources.summary import Removed, Source, known, state_of, why_of
from tre.store import grant_sources
from tre.store import sources as store
from tre.store.sources import Channel, StoredMessage, StoredSource

app = typer.Typer(help="Sources elsewhere: list, look at, ask now, make a secret.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="The source's name in policies/sources.yaml.")]


@app.command("list")
@command
def list_sources(root: RootOption = None, as_json: JsonOption = False) -> None:
    """Every source of the policy, how it stands, and those that were taken out while grants of theirs go on."""
    here = Installation.open(root)
    found = [_summary(here, source) for source in _all(here)]
    if as_json:
        common.print_json(found)
        return
    rows = [
        (item["name"], item["kind"], _shown(item), common.when(item["heardAt"]), item["grants"], item["waiting"])
        for item in found
    ]
    common.print_table("", ("source", "kind", "state", "heard", "grants", "waiting"), rows)


@app.command("show")
@command
def show(name: Name, root: RootOption = None, as_json: JsonOption = False) -> None:
    """One source: when it was heard, what came of what it approved, what it told last."""
    here = Installation.open(root)
    source = _named(here, name)
    found = _summary(here, source) | _detail(here, source)
    if as_json:
        common.print_json(found)
        return
    common.out.print(f"[bold]{name}[/]  {source.id}, {_shown(found)}", highlight=False)
    holds = "" if isinstance(source, Removed) else f"; its word holds for {source.stale_after_hours} h"
    common.out.print(f"heard {common.when(found['heardAt']) or 'never'}{holds}", highlight=False)
    if found["message"]:
        common.out.print(escape(found["message"]), highlight=False)
    rows = [
        (item["key"], item["grant"], item["reason"], common.when(item["confirmedUntil"]), item["message"])
        for item in found["outcomes"]
    ]
    common.print_table("what it approved", ("there", "grant", "state", "vouched until", "why"), _escaped(rows))
    told = [
        (item["number"], common.when(item["receivedAt"]), item["channel"], item["kind"], item["state"], item["message"])
        for item in found["messages"]
    ]
    common.print_table("what it told last", ("number", "came", "how", "what", "state", "why"), _escaped(told))


@app.command("poll")
@command
def poll(name: Name, root: RootOption = None, as_json: JsonOption = False) -> None:
    """Have a source asked now, without waiting for its time."""
    here = Installation.open(root)
    source = _named(here, name)
    if isinstance(source, Removed):
        raise TREError(
            Reason.SourceRemoved,
            f"The source {name!r} stands no longer in the policy.",
            why="How it is asked stood there.",
            remedy=SAID,
        )
    if not isinstance(source, RemsSource):
        raise TREError(
            Reason.BadInput,
            f"The source {name!r} is a directory.",
            why="It is looked at each second.",
            remedy=f"See what was found with `tre source show {name}`.",
        )
    with here.database.change(here.event("source.poll-asked", f"source/{source.id}")) as change:
        store.tell(change, source.id, Channel.asked, b"", here.clock.now())
    if as_json:
        common.print_json({"name": name, "asked": True})
        return
    common.out.print(f"{name} is asked as soon as a controller runs. See: tre source show {name}", highlight=False)


@app.command("secret")
@command
def make_secret(as_json: JsonOption = False) -> None:
    """Make a secret for a source: one goes to the source, the digest into the policy. It is kept nowhere."""
    secret = secrets.token_urlsafe(32)
    digest = secret_digest(secret)
    if as_json:
        common.print_json({"secret": secret, "digest": digest, "header": SECRET_HEADER})
        return
    common.out.print(f"for the source (shown once): {secret}", highlight=False)
    common.out.print(f"for the policy, as eventsSecret or entitlementsSecret: {digest}", highlight=False)


def _all(here: Installation) -> list[Source]:
    policy = PolicyFile(here.layout.root).read()
    with here.database.read() as connection:
        return known(connection, policy)


def _shown(item: dict[str, Any]) -> str:
    return "no longer in the policy" if item["state"] == Reason.SourceRemoved.value else str(item["state"])


def _named(here: Installation, name: str) -> Source:
    found = next((one for one in _all(here) if one.name == name), None)
    if found is None:
        raise TREError(
            Reason.ObjectNotFound,
            f"There is no source {name!r}.",
            why=f"{here.layout.root / POLICY_FILE} names none of that name, and no grant that goes on came from one.",
            remedy="See `tre source list`.",
        )
    return found


def _summary(here: Installation, source: Source) -> dict[str, Any]:
    with here.database.read() as connection:
        stands = store.get(connection, source.id)
        waiting = store.backlog(connection, source.id)
        running = grant_sources.open_grants(connection, source.id)
    return {
        "name": source.name,
        "kind": source.id.partition(":")[0],
        "state": state_of(stands, source, here.clock.now()).value,
        "message": why_of(stands, source),
        "heardAt": stands.heard_at,
        "triedAt": stands.tried_at,
        "grants": len(running),
        "waiting": waiting,
        "stated": _stated(stands, here),
    }


def _stated(stands: StoredSource, here: Installation) -> int:
    return len(allowed(stands.truth, here.clock.now()))


def _detail(here: Installation, source: Source) -> dict[str, Any]:
    with here.database.read() as connection:
        outcomes = store.grants_of(connection, source.id)
        until = grant_sources.open_grants(connection, source.id)
        messages = store.latest(connection, source.id)
    return {
        "outcomes": [
            item.as_plain() | {"confirmedUntil": until.get(item.grant), "message": item.message}
            for item in outcomes.values()
        ],
        "messages": [_message(item) for item in messages],
    }


def _message(item: StoredMessage) -> dict[str, Any]:
    """What may be shown of a message: not what it said, which may name people."""
    shown = item.model_dump(include={"number", "channel", "kind", "state", "reason", "message", "digest"})
    return shown | {"receivedAt": item.received_at, "takenAt": item.taken_at}


def _escaped(rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    return [tuple(escape(str(cell)) for cell in row) for row in rows]
