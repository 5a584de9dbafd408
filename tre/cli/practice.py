"""`tre slice practice`: a twin of a slice, made up, and workspaces on it before anything was approved."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from tre.cli import common, grant
from tre.cli.arguments import subject_of
from tre.cli.common import Installation, JsonOption, RootOption, command
from tre.cli.dataset import office_of
from tre.cli.progress import watched
from tre.cli.signing import load_key
from tre.controller.grant_checks import CheckTerms, problems_of
from tre.domain.errors import Reason, TREError
from tre.domain.grants.models import API_VERSION, AccessGrant
from tre.domain.names import check_resource_name
from tre.domain.people import LOCAL_ISSUER, Subject
from tre.domain.practice import PREFIX
from tre.domain.slices.spec import SliceSpec
from tre.sources.signed import is_evidence_good, load_signers, sign_practice
from tre.store import people as store
from tre.storekeeper.practice import Practised, make_practice
from tre.system.resources import read_record

_LAY_SUMMARY = "People try their programs on made-up data. Nobody's data are in it."


@command
def practice(
    file: Annotated[Path, typer.Argument(metavar="SPEC", help="A slice specification in YAML.")],
    people: Annotated[
        list[str] | None,
        typer.Option("--for", help="Who may open a workspace on it: a local account or ISSUER:ID. Repeatable."),
    ] = None,
    everyone: Annotated[bool, typer.Option("--everyone", help="Whoever is known here now may open one.")] = False,
    name: Annotated[str, typer.Option(help="The slice's name, and of its grant [the file's name].")] = "",
    patients: Annotated[int, typer.Option(help="How many people are made up.")] = 100,
    seed: Annotated[int, typer.Option(help="The same seed gives the same bytes.")] = 1,
    days: Annotated[int, typer.Option(min=1, max=366, help="For so many days workspaces may be opened.")] = 90,
    root: RootOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make the twin of a slice from its specification and noise; let people open workspaces on it (--for, --everyone).

    No record is read: the dataset that the specification names need not be here. Nothing has to be approved, since
    nobody's data are in it: a data manager's key signs (keys/practice-signing.key), and it counts for nothing else.
    """
    here = Installation.open(root)
    named = check_resource_name(name or file.stem)
    spec = read_record(SliceSpec, file)
    members = _known(here) if everyone else _named(here, people or ())
    with watched() as watcher:
        made = make_practice(office_of(here), spec, patients, seed, watcher)
    said = {
        "dataset": made.spec.dataset,
        "release": made.spec.release,
        "planDigest": made.plan.plan_digest,
        **made.plan.counts.as_plain(),
    }
    if members:
        said["grant"] = _opened(here, made, (named, days), members)
    if as_json:
        common.print_json(said)
        return
    common.print_table("Made up, nobody's data", ("what", ""), list(said.items()))


def _named(here: Installation, people: Sequence[str]) -> list[Subject]:
    """These people. Raises `TREError(MemberNotFound)` for an unknown local account, before anything is made."""
    found = [subject_of(one if ":" in one else f"{LOCAL_ISSUER}:{one}", here.settings) for one in people]
    with here.database.read() as connection:
        for one in found:
            if one.issuer == LOCAL_ISSUER and store.by_subject(connection, one) is None:
                raise TREError(
                    Reason.MemberNotFound,
                    f"There is no local account {one.id!r}.",
                    why="Nothing was made: nobody could open it.",
                    remedy=f"Make it with `tre user add {one.id}`, or see `tre user list`.",
                )
    return found


def _known(here: Installation) -> list[Subject]:
    """Everybody who is registered. Raises `TREError(MemberNotFound)` where nobody is."""
    with here.database.read() as connection:
        found = [Subject(issuer=issuer, id=identifier) for issuer, identifier in store.subjects(connection)]
    if not found:
        raise TREError(
            Reason.MemberNotFound,
            "Nobody is known here yet.",
            why="People are, once they have an account or have signed in.",
            remedy="Make accounts with `tre user add`, then type this again.",
        )
    return found


def _opened(here: Installation, made: Practised, terms: tuple[str, int], people: Sequence[Subject]) -> str:
    """Put a grant of practice data into force, signed by the data manager's key; its name."""
    found = practice_grant(here, made, terms, people)
    signed = sign_practice(found, load_key(here.layout.practice_key))
    terms_here = CheckTerms(here.layout, here.settings, here.clock)
    with here.database.read() as connection:
        problem = next(problems_of(terms_here, connection, signed), None)
    if problem is not None:
        raise problem.as_error()
    signers = load_signers(here.layout.keys / "grant-signers")
    name = signed.metadata.name
    grant.put_into_force(here, [signed], {name: is_evidence_good(signed, signers)})
    return name


def practice_grant(
    here: Installation, made: Practised, terms: tuple[str, int], people: Sequence[Subject]
) -> AccessGrant:
    """The grant, before it is signed: who, until when, on which twin."""
    name, days = terms
    now = here.clock.now()
    members = [{"subject": one.as_plain(), "role": "researcher"} for one in people]
    spec = {
        "project": {
            "title": f"Practice: {name}",
            "laySummary": _LAY_SUMMARY,
            "publicBenefit": "Code is ready, and tried, when an approval is given.",
            "organisation": {"name": "Practice", "id": "practice", "sector": "none", "commercial": False},
        },
        "approval": {
            "body": "Data manager",
            "reference": f"practice of {name}",
            "approvedAt": now,
            "planDigest": made.plan.plan_digest,
        },
        "members": members,
        "notBefore": now,
        "expires": now + timedelta(days=days),
        "slices": [
            {"name": name, "dataset": made.spec.dataset, "release": made.spec.release, "spec": made.spec.as_plain()}
        ],
    }
    metadata = {"name": check_resource_name(f"{PREFIX}{name}")}
    return AccessGrant.model_validate(
        {"apiVersion": API_VERSION, "kind": "AccessGrant", "metadata": metadata, "spec": spec}
    )
