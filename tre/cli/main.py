"""The command `tre`."""

from __future__ import annotations

import typer

from tre.cli import audit, bundle, check, dataset, demo, demo_data, doctor, export, grant, installing, user, workspace
from tre.cli import slice as slices
from tre.cli.bench import command as bench

app = typer.Typer(
    name="tre",
    help="Access grants become time-limited, isolated workspaces with a gated way out.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("init")(installing.init)
app.command("up")(installing.up)
app.command("status")(installing.status)
app.command("doctor")(doctor.doctor)
app.command("version")(installing.version)
app.command("halt")(workspace.halt)
app.command("check")(check.check)
app.command("demo")(demo.demo)
app.command("bench")(bench.bench)
for name, part in {
    "demo-data": demo_data,
    "user": user,
    "dataset": dataset,
    "slice": slices,
    "grant": grant,
    "workspace": workspace,
    "export": export,
    "bundle": bundle,
    "audit": audit,
}.items():
    app.add_typer(part.app, name=name)


def main() -> None:
    """Run the command that was typed."""
    app()
