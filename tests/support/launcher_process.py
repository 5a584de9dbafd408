"""The real launcher with a server of the tests' own: `python launcher_process.py ROOT stubborn|agent|lab [gaps]`."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

from tests.support.gaps import open_gaps
from tests.support.stub_server import SERVERS
from tre.runtimes.bubblewrap.__main__ import machine
from tre.runtimes.bubblewrap.launcher import Bounds, Launcher, open_socket
from tre.system.clock import SystemClock
from tre.system.layout import Layout
from tre.system.settings import load_settings

if __name__ == "__main__":
    layout = Layout(Path(sys.argv[1]))
    settings = load_settings(layout.root)
    found = machine(layout, settings)
    if sys.argv[2] != "lab":
        found = dataclasses.replace(found, server=SERVERS[sys.argv[2]])
    if sys.argv[3:] == ["gaps"]:
        open_gaps(layout)
    launcher = Launcher(found, Bounds.of(layout, settings), SystemClock())
    launcher.serve(open_socket(layout, found.controller_uid))
