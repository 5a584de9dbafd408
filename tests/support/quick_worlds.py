"""The whole launcher for tests, made without reading three programs and making the same delivery for each.

Guarantees: the commands are those that `tre.cli.trial.world` types, with its arguments, run in this process; the
delivery is what `tre demo-data` makes, made once for a process.

Does not guarantee: that the commands work as programs of their own, and that passwords are kept as well as they have
to be. `tests/system` has a `TypedWorld`, which is made by the programs themselves.
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from functools import cache
from pathlib import Path

from typer.testing import CliRunner

from tests.support.quick_installing import quick_installing
from tre.cli.main import app
from tre.cli.trial.world import World

_DELIVERY = "demo-data"


class TypedWorld(World):
    """Made as anybody makes one, whatever is done to others."""

    _tre, make = World._tre, World.make


def run(*arguments: str) -> None:
    """A command of `tre` in this process, which stays as it is. Raises `AssertionError` with what was said."""
    before = os.umask(0o022)
    os.umask(before)
    try:
        done = CliRunner().invoke(app, list(arguments))
    finally:
        os.umask(before)
    assert done.exit_code == 0, (arguments, done.output, done.exception)


@cache
def _delivered(kind: str, *options: str) -> Path:
    place = Path(tempfile.mkdtemp(prefix="tre-delivery-", dir="/var/tmp"))
    atexit.register(shutil.rmtree, place, ignore_errors=True)
    run(_DELIVERY, kind, str(place / kind), *options)
    return place / kind


def quick_tre(world: World, *arguments: str, home_only: bool = False) -> None:
    """In the place of `World._tre`."""
    if arguments[0] == _DELIVERY:
        _, kind, target, *options = arguments
        Path(target).symlink_to(_delivered(kind, *options))
    else:
        run(*arguments, *([] if home_only else ["--root", str(world.root)]))


def make_quickly() -> None:
    """Have every such installation of this process made so."""
    made = World.make

    def make(world: World) -> None:
        with quick_installing():
            made(world)

    for name, quick in {"_tre": quick_tre, "make": make}.items():
        setattr(World, name, quick)
