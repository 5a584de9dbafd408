"""`tre policy`: the airlock policies of a site, what two of them differ in, and what a change would do to real files.

Guarantees: nothing is changed; a policy is read as the airlock reads it. `test` runs the airlock's own checks under
both policies over the same bytes and names every file whose verdict differs, so that a change is judged before it is
in force.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from tre.airlock.examination import Verdict
from tre.airlock.policy import directories, find_policy, load_policy
from tre.cli.check import files_in, rows_of
from tre.cli.common import JsonOption, RootOption, command, out, print_json, print_table
from tre.domain.exports.rules import AirlockPolicy
from tre.domain.publicaccount.differences import differences as of_values
from tre.system.settings import root_from

app = typer.Typer(help="Airlock policies: list, compare, try out.", no_args_is_help=True)

NamedPolicy = Annotated[str, typer.Argument(metavar="POLICY", help="name of a policy, or a policy file")]


@app.command("list")
@command
def list_policies(as_json: JsonOption = False, root: RootOption = None) -> None:
    """Every policy that a grant may name: the site's own first, then those that come with the launcher."""
    places = directories(root_from(root))
    names = dict.fromkeys(path.stem for place in places for path in sorted(place.glob("*.yaml")))
    found = [load_policy(name, places) for name in names]
    if as_json:
        print_json([_plain(policy) for policy in found])
        return
    rows = [
        (p.metadata.name, p.spec.title, str(p.spec.counts.threshold), ", ".join(p.spec.types), p.ref.sha256[:12])
        for p in found
    ]
    print_table("", ("policy", "title", "smallest count", "types", "digest"), rows)


def _plain(policy: AirlockPolicy) -> dict[str, Any]:
    return {"name": policy.metadata.name, "title": policy.spec.title, "sha256": policy.ref.sha256}


@app.command("diff")
@command
def diff(before: NamedPolicy, after: NamedPolicy, as_json: JsonOption = False, root: RootOption = None) -> None:
    """What two policies differ in, key by key. Exit 1 if they differ."""
    old, new = (find_policy(named, root_from(root)) for named in (before, after))
    changes = differences(old, new)
    if as_json:
        print_json([{"key": key, "before": was, "after": now} for key, was, now in changes])
    elif changes:
        print_table("", ("key", old.metadata.name, new.metadata.name), [tuple(map(_shown, row)) for row in changes])
    else:
        out.print("They decide alike.")
    if changes:
        raise typer.Exit(1)


def differences(old: AirlockPolicy, new: AirlockPolicy) -> list[tuple[str, Any, Any]]:
    """Every key of the two specs whose values differ: its path, the old value, the new one; `None` for none."""
    return of_values(old.spec.as_plain(), new.spec.as_plain())


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return escape(", ".join(map(str, value)))
    return "–" if value is None else escape(str(value))


@app.command("test")
@command
def try_out(
    policy: NamedPolicy,
    paths: Annotated[list[Path], typer.Argument(metavar="PATH…", exists=True, help="files or directories")],
    against: Annotated[str, typer.Option(help="the policy it is compared with")] = "default",
    as_json: JsonOption = False,
    root: RootOption = None,
) -> None:
    """Check files under two policies and name those whose verdict differs. Exit 1 if one does."""
    rules = {"under": find_policy(policy, root_from(root)), "against": find_policy(against, root_from(root))}
    files = [file for path in paths for file in files_in(path)]
    seen = {key: rows_of(files, one) for key, one in rules.items()}
    rows = [
        {
            "path": ours["path"],
            "under": {"verdict": ours["verdict"], "checks": _checks(ours)},
            "against": {"verdict": theirs["verdict"], "checks": _checks(theirs)},
        }
        for ours, theirs in zip(seen["under"], seen["against"], strict=True)
    ]
    changed = [row for row in rows if row["under"]["verdict"] != row["against"]["verdict"]]
    if as_json:
        refs = {key: {"name": one.ref.name, "sha256": one.ref.sha256} for key, one in rules.items()}
        print_json({**refs, "files": rows, "changed": len(changed)})
    else:
        _print(rules["under"], rules["against"], changed, len(rows))
    if changed:
        raise typer.Exit(1)


def _checks(row: dict[str, Any]) -> list[str]:
    return sorted({f"{finding['check']} {finding['severity']}" for finding in row["findings"]})


def _print(policy: AirlockPolicy, against: AirlockPolicy, changed: list[dict[str, Any]], total: int) -> None:
    if changed:
        rows = [
            (
                escape(row["path"]),
                *(f"{row[k]['verdict']} ({', '.join(row[k]['checks'])})" for k in ("against", "under")),
            )
            for row in changed
        ]
        print_table("", ("file", against.metadata.name, policy.metadata.name), rows)
    stopped = sum(Verdict(row["under"]["verdict"]) in {Verdict.blocked, Verdict.exception} for row in changed)
    out.print(f"{len(changed)} of {total} files are judged otherwise; {stopped} of them would be stopped.")
