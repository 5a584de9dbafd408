"""`tre committee decision|verify`: the signed records of what was decided, and what the public reads of them.

Guarantees: verifying needs the file and a public key, and no installation; what is withheld from the public stays in
the signed record.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from tre.cli import common
from tre.cli.arguments import check_reason
from tre.cli.common import Installation, JsonOption, RootOption, command
from tre.domain.committee.signed import SignedDecision
from tre.domain.errors import Reason, TREError
from tre.sources.decisions import check_record
from tre.sources.signed import COMMITTEE, GRANT_SIGNERS, KINDS, key_id, load_signers
from tre.store import committee as store
from tre.store import committee_told
from tre.system.layout import Layout
from tre.system.resources import read_record
from tre.system.settings import root_from

app = typer.Typer(help="Decisions: the signed records.", no_args_is_help=True)

Because = Annotated[str, typer.Option("--reason", help="Why; people will read it.")]


@app.command("show")
@command
def show_decision(
    name: Annotated[str, typer.Argument(help="An application, a grant, or a decision's digest.")],
    root: RootOption = None,
    as_json: JsonOption = False,
) -> None:
    """The signed record of the latest decision; with --json it is what `tre committee verify` reads."""
    here = Installation.open(root)
    with here.database.read() as connection:
        found = store.require_decision(connection, name)
    if as_json:
        common.print_json(found.as_plain())
        return
    _print_decision(found)


def _print_decision(found: SignedDecision) -> None:
    record = found.record
    common.out.print(f"[bold]{record.outcome}[/]  {record.title}", highlight=False)
    common.out.print(f"{record.why} {common.when(record.decided_at)}, {record.body}", markup=False, highlight=False)
    rows = [(one.constituency, str(one.voter), one.choice, one.reasons) for one in record.votes]
    common.print_table("votes", ("constituency", "member", "vote", "reasons"), rows)
    aside = [(one.constituency, str(one.member), one.why) for one in record.stood_aside]
    common.print_table("stood aside", ("constituency", "member", "why"), aside)
    for text in (*record.public_reasons, *(f"patient members: {text}" for text in record.patient_reasons)):
        common.out.print(f"for the public: {text}", markup=False, highlight=False)
    for text in (*record.conditions, *record.condition_texts):
        common.out.print(f"condition: {text}", markup=False, highlight=False)
    common.out.print(f"plan {record.plan_digest}\ndecision {record.digest()}", highlight=False)


@app.command("withhold")
@command
def withhold(
    name: Annotated[str, typer.Argument(help="An application, a grant, or a decision's digest.")],
    reason: Because,
    root: RootOption = None,
) -> None:
    """Take title and words of a decision from the public pages; the reason stands there, the signed record stays."""
    here, said = Installation.open(root), check_reason(reason)
    with here.database.read() as connection:
        digest = store.require_decision(connection, name).record.digest()
    event = here.event("committee.words-withheld", f"decision/{digest}", reason=said)
    with here.database.change(event) as change:
        told = committee_told.withhold(change, digest, said)
    common.out.print(f"{told.application}: its words are public no more", highlight=False)


@command
def verify(
    file: Annotated[Path, typer.Argument(help="A decision, as `tre committee decision show --json` prints it.")],
    key: Annotated[Path | None, typer.Option(help="The signer's public key in PEM form [those of this root].")] = None,
    root: RootOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check a decision's signature and count its votes again; with --key, no installation is needed."""
    found = read_record(SignedDecision, file)
    keys = _key_of(key) if key else load_signers(Layout(root_from(root)).keys / GRANT_SIGNERS)
    check_record(found, keys)
    record = found.record
    if as_json:
        said = {"outcome": record.outcome, "application": record.application, "decision": record.digest()}
        common.print_json({**said, "grant": record.grant, "key": found.key, "good": True})
        return
    common.out.print(f"good: {record.application} was {record.outcome}: {record.why}", highlight=False)


def _key_of(path: Path) -> dict[str, Ed25519PublicKey]:
    try:
        key = serialization.load_pem_public_key(path.read_bytes())
    except (OSError, ValueError) as error:
        raise _no_key(path, f"{error.strerror}." if isinstance(error, OSError) else "It is not in PEM form.") from error
    if not isinstance(key, Ed25519PublicKey):
        raise _no_key(path, "It is a key of another kind than Ed25519.")
    return {KINDS[COMMITTEE].mark + key_id(key): key}


def _no_key(path: Path, why: str) -> TREError:
    return TREError(
        Reason.BadInput,
        f"{path} is no public key.",
        why=why,
        remedy="Ask the site for its file keys/committee-signers/*.pub.",
    )
