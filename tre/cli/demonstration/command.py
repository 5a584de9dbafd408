"""The command `tre demo`, which `make demo` calls."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import typer

from tre.cli import common
from tre.cli.demonstration.journey import Journey, addresses, home_of
from tre.cli.demonstration.sabotage import SABOTAGES, broken_copy
from tre.cli.demonstration.stage import Stage
from tre.domain.errors import Reason, TREError
from tre.system.paths import CHECKOUT


def demo() -> None:
    """One grant's whole life on this machine.

    ONCE=1 stops everything at the end. BREAK=seal|gateway|vote|bytes|deadline takes one guard out of a copy of the
    program, and the demonstration must fail at the step that notices.
    """
    home = home_of(Path.cwd())
    home.mkdir(exist_ok=True)
    home.chmod(0o711)
    broken = os.environ.get("BREAK", "")
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    stage = None
    try:
        program = broken_copy(broken, home) if broken else CHECKOUT
        stage = Stage(home, program)
        if broken:
            common.out.print(f"[yellow]Broken on purpose: {SABOTAGES[broken].what}.[/]", highlight=False)
        Journey(stage).run()
    except TREError as error:
        _end(stage)
        common.complain(error)
        raise typer.Exit(1) from error
    except TimeoutError as error:
        _end(stage)
        common.complain(TREError(Reason.StartTimeout, "Something did not happen in time.", why=f"{error!r}"))
        raise typer.Exit(1) from error
    except KeyboardInterrupt:
        _end(stage)
        raise typer.Exit(130) from None
    stage.table()
    if os.environ.get("ONCE"):
        stage.stop()
        return
    _stay(stage)


def _end(stage: Stage | None) -> None:
    if stage is not None:
        stage.stop()


def _stay(stage: Stage) -> None:
    """Leave everything running until Ctrl-C."""
    common.out.print("Everything runs; Ctrl-C ends it.", highlight=False)
    for line in addresses(stage):
        common.out.print(line, highlight=False)
    try:
        stage.wait_forever()
    except KeyboardInterrupt:
        stage.stop()
