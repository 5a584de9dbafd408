"""`tre grant`: signing, applying and ending approvals."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

from tre.cli import common
from tre.cli.arguments import check_reason, coming, subject_of
from tre.cli.common import Installation, JsonOption, RootOption, command
from tre.cli.dossier import show_certificate
from tre.cli.keeping import write_kept
from tre.cli.signing import KeyOption, OutputOption, load_key
from tre.domain.canonical import digest
from tre.domain.errors import Reason, TREError
from tre.domain.grants.models import AccessGrant, GrantRecord, Suspension, SuspensionScope
from tre.domain.grants.policies import effective_end
from tre.sources.admission import admit
from tre.sources.grantfile import locate_grants, read_grants
from tre.sources.signed import SOURCE, is_evidence_good, load_signers, sign
from tre.store import grant_slices, workspaces
from tre.store import grants as store
from tre.system.files import write_atomically
from tre.system.layout import Layout
from tre.system.settings import root_from

app = typer.Typer(help="Approvals: sign, apply, look at, suspend, resume, revoke, close.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="The grant's name.")]
Because = Annotated[str, typer.Option("--reason", help="Why; people will read it.")]


@app.command("sign")
@command
def sign_grants(
    file: Annotated[Path, typer.Argument(help="A YAML file of grants.")],
    root: RootOption = None,
    key: KeyOption = None,
    output: OutputOption = None,
) -> None:
    """Sign every grant of a file with the approving body's key."""
    path = key or Layout(root_from(root)).grant_key
    signed = [sign(grant, load_key(path)) for grant in read_grants(file)]
    text = yaml.safe_dump_all((grant.as_plain() for grant in signed), sort_keys=False, allow_unicode=True)
    write_atomically(output or file, text.encode(), mode=0o644)
    for grant in signed:
        common.out.print(f"signed {grant.metadata.name} → {output or file}", highlight=False)


@app.command("apply")
@command
def apply_grants(
    files: Annotated[list[Path], typer.Argument(help="YAML files of grants.")],
    root: RootOption = None,
    as_json: JsonOption = False,
) -> None:
    """Put grants into the record: all of them, or none."""
    from tre.cli.grant_checks import check_grants  # noqa: PLC0415 - what plans slices takes as long to read as the rest

    here = Installation.open(root)
    found = locate_grants(files)
    check_grants(here, found)
    grants = [item.record for item in found]
    signers = load_signers(here.layout.keys / "grant-signers")
    results = put_into_force(here, grants, {grant.metadata.name: is_evidence_good(grant, signers) for grant in grants})
    if as_json:
        common.print_json(results)
        return
    for result in results:
        verified = "evidence verified" if result["evidenceVerified"] else "[yellow]no verified evidence: it waits[/]"
        common.out.print(f"{result['name']}: generation {result['generation']}, {verified}", highlight=False)


def put_into_force(here: Installation, grants: list[AccessGrant], verified: dict[str, bool]) -> list[dict[str, Any]]:
    """Put grants into the record, in one transaction; `verified` says of each whether its evidence is good."""
    events = [
        here.event(
            "grant.applied",
            f"grant/{grant.metadata.name}",
            evidenceVerified=verified[grant.metadata.name],
            digest=digest(grant.signed_content()),
        )
        for grant in grants
    ]
    results = []
    with here.database.change(*events) as change:
        for grant in grants:
            name = grant.metadata.name
            generation = admit(change, grant, SOURCE, here.clock.now(), verified=verified[name])
            results.append({"name": name, "generation": generation, "evidenceVerified": verified[name]})
    return results


@app.command("list")
@command
def list_grants(root: RootOption = None, as_json: JsonOption = False) -> None:
    """Every grant with phase and end."""
    here = Installation.open(root)
    with here.database.read() as connection:
        grants = [store.require(connection, name) for name in store.all_names(connection)]
    if as_json:
        common.print_json([_status(here, grant) for grant in grants])
        return
    rows = [
        (grant.name, grant.phase, common.when(effective_end(grant.spec).at), grant.spec.project.title)
        for grant in grants
    ]
    common.print_table("", ("grant", "phase", "ends", "project"), rows)


@app.command("show")
@command
def show(name: Name, root: RootOption = None, as_json: JsonOption = False) -> None:
    """One grant: its phase and why, its slices, its workspaces."""
    here = Installation.open(root)
    with here.database.read() as connection:
        grant = store.require(connection, name)
    found = _status(here, grant)
    if as_json:
        common.print_json(found)
        return
    common.out.print(f"[bold]{name}[/]  {grant.spec.project.title}", highlight=False)
    common.out.print(f"phase {grant.phase}, ends {common.when(effective_end(grant.spec).at)}", highlight=False)
    status = found["status"]
    rows = [(item["type"], item["status"], item["reason"], item["message"]) for item in status["conditions"]]
    common.print_table("conditions", ("type", "status", "reason", "message"), rows)
    rows = [(s["name"], s["state"], s["files"], s.get("contentDigest", "")) for s in status["slices"]]
    common.print_table("slices", ("slice", "state", "files", "content"), rows)
    rows = [(w["name"], w["subject"], w["phase"], w["reason"]) for w in status["workspaces"]]
    common.print_table("workspaces", ("workspace", "member", "phase", "reason"), rows)


def _status(here: Installation, grant: GrantRecord) -> dict[str, Any]:
    end = effective_end(grant.spec)
    with here.database.read() as connection:
        slices = grant_slices.of_grant(connection, grant.name)
        present = workspaces.of_grant(connection, grant.name)
        conditions = store.conditions(connection, grant.name)
        stored = store.stored_suspensions(connection, grant)
    return {
        "name": grant.name,
        "spec": grant.spec.as_plain(),
        "status": {
            "phase": grant.phase,
            "generation": grant.generation,
            "effectiveEnd": end.at,
            "effectiveEndReason": end.reason,
            "conditions": conditions,
            "slices": [item.as_plain() for item in slices],
            "suspensions": [item.as_plain() for item in stored],
            "workspaces": [
                {"name": w.name, "subject": str(w.subject), "phase": w.phase, "reason": w.reason} for w in present
            ],
        },
    }


@app.command("suspend")
@command
def suspend(
    name: Annotated[str | None, typer.Argument(help="The grant's name; none with --organisation.")] = None,
    reason: Because = "",
    slice_name: Annotated[str | None, typer.Option("--slice", help="Only this slice.")] = None,
    member: Annotated[str | None, typer.Option(help="Only this member, as ISSUER:ID.")] = None,
    organisation: Annotated[str | None, typer.Option(help="Every grant of the organisation with this id.")] = None,
    until: Annotated[datetime | None, typer.Option(help="Lifted by itself at this time (UTC).")] = None,
    root: RootOption = None,
) -> None:
    """Stop a grant, a slice, a member or an organisation, until it is resumed."""
    here = Installation.open(root)
    given = {
        SuspensionScope.slice: slice_name,
        SuspensionScope.member: member,
        SuspensionScope.organisation: organisation,
    }
    chosen = [(scope, ref) for scope, ref in given.items() if ref is not None] or [(SuspensionScope.grant, "")]
    if len(chosen) > 1 or (name is None) != (organisation is not None):
        raise TREError(
            Reason.BadInput,
            "It is not clear what is to be suspended.",
            why="Each suspension stops one thing.",
            remedy="Name a grant and at most one of --slice and --member, or --organisation alone.",
        )
    scope, ref = chosen[0]
    if scope is SuspensionScope.member:
        ref = str(subject_of(ref, here.settings))
    _check_ref(here, name, scope, ref)
    now = here.clock.now()
    suspension = Suspension(
        scope=scope,
        ref=ref,
        reason=check_reason(reason),
        by=common.operator(),
        since=now,
        until=coming(until, now),
    )
    subject = f"grant/{name}" if name else f"organisation/{ref}"
    event = here.event("suspension.added", subject, scope=scope.value, ref=ref, reason=reason)
    with here.database.change(event) as change:
        identifier = store.suspend(change, name, suspension)
    common.out.print(f"suspended ({scope}); lift it with: tre grant resume {identifier}", highlight=False)


def _check_ref(here: Installation, name: str | None, scope: SuspensionScope, ref: str) -> None:
    """Refuse a suspension that would stop nothing because of a slip of the keyboard."""
    with here.database.read() as connection:
        if name is None:
            known = bool(store.of_organisation(connection, ref))
        else:
            grant = store.require(connection, name)
            slices = {item.name for item in grant.spec.slices}
            members = {str(member.subject) for member in grant.spec.members}
            known = {SuspensionScope.slice: ref in slices, SuspensionScope.member: ref in members}.get(scope, True)
    if not known:
        raise TREError(
            Reason.BadInput,
            f"There is no {scope} {ref!r} here.",
            why="A suspension of something else would stop nothing.",
            remedy=f"See `tre grant show {name}`." if name else "See `tre grant list`.",
        )


@app.command("resume")
@command
def resume(
    identifiers: Annotated[list[str], typer.Argument(help="Identifiers of suspensions, or names of grants.")],
    root: RootOption = None,
) -> None:
    """Lift suspensions, or all those of a grant."""
    here = Installation.open(root)
    with here.database.read() as connection:
        chosen = {identifier: _suspensions(connection, identifier) for identifier in identifiers}
    for identifier, found in chosen.items():
        objects = {subject for _, subject in found} or {f"grant/{identifier}"}
        events = [here.event("suspension.lifted", subject) for subject in sorted(objects)]
        with here.database.change(events[0], *events[1:]) as change:
            lifted = store.resume(change, [one for one, _ in found], here.clock.now())
        common.out.print(f"{identifier}: {lifted} lifted", highlight=False)


def _suspensions(connection: Any, identifier: str) -> list[tuple[str, str]]:
    """Identifiers of suspensions with the object each belongs to."""
    found = store.find_suspensions(connection, identifier)
    if not found:
        raise TREError(
            Reason.BadInput,
            f"{identifier!r} names neither a suspension nor a suspended grant.",
            why="Nothing of that name is suspended.",
            remedy="`tre grant show NAME` lists suspensions with their identifiers.",
        )
    return found


@app.command("revoke")
@command
def revoke(
    name: Name,
    reason: Because,
    root: RootOption = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for the name again.")] = False,
) -> None:
    """Withdraw the approval for good: access ends now."""
    here = Installation.open(root)
    said = check_reason(reason)
    with here.database.read() as connection:
        store.require(connection, name)
    if not yes and typer.prompt(f"This ends every workspace of {name} for good. Type its name") != name:
        raise TREError(
            Reason.ConfirmationWrong,
            "That was not the name; nothing was revoked.",
            why="A revocation cannot be taken back.",
            remedy=f"Try again and type {name}.",
        )
    with here.database.change(here.event("grant.revoked", f"grant/{name}", reason=said)) as change:
        store.revoke(change, name, said, here.clock.now())
    common.out.print(f"{name} is revoked. See it end: tre workspace verify --grant {name}", highlight=False)


@app.command("close")
@command
def close(name: Name, root: RootOption = None) -> None:
    """Destroy an ended grant's homes now, without waiting for the retention time, and write the certificate."""
    here = Installation.open(root)
    with here.database.change(here.event("grant.close-asked", f"grant/{name}")) as change:
        store.ask_close(change, name, here.clock.now())
    common.out.print(f"{name} is being closed. See: tre grant show {name}", highlight=False)


app.command("certificate")(show_certificate)
app.command("archive")(write_kept)
