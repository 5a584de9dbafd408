"""The launcher as a program: what every run on this machine needs, and its service."""

from __future__ import annotations

import os
import sys

from tre.domain.errors import TREError
from tre.runtimes import init
from tre.runtimes.bubblewrap.launch import Machine
from tre.runtimes.bubblewrap.launcher import Bounds, Launcher, open_socket
from tre.runtimes.bubblewrap.program import check_usable
from tre.system.clock import SystemClock
from tre.system.layout import Layout
from tre.system.paths import package_directory, workspace_environment
from tre.system.service import arguments
from tre.system.settings import Settings


def machine(layout: Layout, settings: Settings) -> Machine:
    """What every run on this machine needs. Raises `TREError` where the machine cannot isolate."""
    root = os.geteuid() == 0
    return Machine(
        run=layout.run,
        environment=workspace_environment(settings),
        init=package_directory(init),
        program=check_usable(),
        endings=layout.endings,
        controller_uid=settings.services.controller if root else os.geteuid(),
        gateway_group=settings.services.gateway if root else os.getegid(),
        loopback_ports=(settings.listen_port,),
    )


def main() -> int:
    """Serve; the status is 1 where the machine cannot isolate."""
    layout, settings = arguments("launcher")
    os.umask(0o022)
    try:
        launcher = Launcher(machine(layout, settings), Bounds.of(layout, settings), SystemClock())
    except TREError as error:
        sys.stderr.write("\n".join(error.lines()) + "\n")
        return 1
    launcher.serve(open_socket(layout, launcher.machine.controller_uid))
    return 0
