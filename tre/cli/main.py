"""The command `tre`: each of its parts is loaded when it is asked for, so that `tre status` does not read DICOM."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperGroup
from typer.main import get_command

from tre.system.interpreter import loading

COMMANDS = {
    "init": "tre.cli.installing:init",
    "up": "tre.cli.installing:up",
    "install": "tre.cli.systemd.command:install",
    "status": "tre.cli.status:status",
    "doctor": "tre.cli.doctor.command:doctor",
    "version": "tre.cli.status:version",
    "user": "tre.cli.user:app",
    "person": "tre.cli.person:app",
    "standing": "tre.cli.standing:app",
    "dataset": "tre.cli.dataset:app",
    "slice": "tre.cli.slice:app",
    "withdraw": "tre.cli.withdraw:withdraw",
    "application": "tre.cli.application:app",
    "committee": "tre.cli.committee:app",
    "grant": "tre.cli.grant:app",
    "workspace": "tre.cli.workspace:app",
    "halt": "tre.cli.halt:halt",
    "cost": "tre.cli.cost:app",
    "check": "tre.cli.check:check",
    "export": "tre.cli.export:app",
    "import": "tre.cli.imports:app",
    "incident": "tre.cli.publicaccount:incident",
    "consultation": "tre.cli.publicaccount:consultation",
    "policy": "tre.cli.policy:app",
    "bundle": "tre.cli.bundle:app",
    "mail": "tre.cli.mail:app",
    "metrics": "tre.cli.metrics:app",
    "audit": "tre.cli.audit:app",
    "register": "tre.cli.register:app",
    "demo-data": "tre.cli.demo_data:app",
    "demo": "tre.cli.demonstration.command:demo",
    "bench": "tre.cli.bench.command:bench",
    "keys": "tre.cli.keys:app",
    "backup": "tre.cli.backup:backup",
    "restore": "tre.cli.backup:restore",
    "reopen": "tre.cli.backup:reopen",
    "cluster": "tre.cli.cluster:app",
    "source": "tre.cli.source:app",
    "satre": "tre.cli.satre.command:app",
}
"""Every command and the function or group that it is."""


class _LazyGroup(TyperGroup):
    def list_commands(self, ctx: Any) -> list[str]:
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        del ctx
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name].partition(":")
        found = getattr(import_module(module), name)
        part = found if isinstance(found, typer.Typer) else _alone(found)
        command = get_command(part)
        command.name = cmd_name
        return command


def _alone(function: object) -> typer.Typer:
    part = typer.Typer(add_completion=False)
    part.command()(function)  # type: ignore[type-var]
    return part


app = typer.Typer(
    cls=_LazyGroup,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def root() -> None:
    """Access grants become time-limited, isolated workspaces with a gated way out."""


def main() -> None:
    """Run the command that was typed."""
    with loading():
        for name in COMMANDS.keys() & sys.argv[1:2]:
            import_module(COMMANDS[name].partition(":")[0])
    app()
