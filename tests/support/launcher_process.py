"""The real launcher with a server of the tests' own: `launcher_process.py ROOT stubborn|agent|lab [gaps] [clock]`."""

from __future__ import annotations

import dataclasses
import sys
from datetime import datetime, timedelta
from pathlib import Path

from tests.support.gaps import open_gaps
from tests.support.stub_server import SERVERS
from tre.runtimes.bubblewrap.launcher import Bounds, Launcher, open_socket
from tre.runtimes.bubblewrap.service import machine
from tre.system.clock import SystemClock
from tre.system.layout import Layout
from tre.system.settings import load_settings

OFFSET = "clock-offset"


class ShiftedClock(SystemClock):
    """This machine's clocks, the wall clock off by the seconds that a file holds."""

    def __init__(self, offset: Path) -> None:
        self._offset = offset

    def now(self) -> datetime:
        """Wall-clock time as somebody set it."""
        shift = float(self._offset.read_text()) if self._offset.exists() else 0.0
        return super().now() + timedelta(seconds=shift)


if __name__ == "__main__":
    layout = Layout(Path(sys.argv[1]))
    settings = load_settings(layout.root)
    found = machine(layout, settings)
    if sys.argv[2] != "lab":
        found = dataclasses.replace(found, server=SERVERS[sys.argv[2]])
    if "gaps" in sys.argv[3:]:
        open_gaps(layout)
    clock = ShiftedClock(layout.root / OFFSET) if "clock" in sys.argv[3:] else SystemClock()
    launcher = Launcher(found, Bounds.of(layout, settings), clock)
    launcher.serve(open_socket(layout, found.controller_uid))
