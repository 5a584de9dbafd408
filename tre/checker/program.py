"""`python -m tre.checker --root R`: the checker as a program.

Guarantees: the network is given up before the first job; TERM and INT end it after the job in hand.
"""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from pathlib import Path

from tre.airlock.spool import Spool
from tre.checker.handlers import Workbench
from tre.checker.network import give_up_network
from tre.checker.service import CheckerService
from tre.domain.errors import TREError
from tre.system.clock import SystemClock
from tre.system.layout import Layout
from tre.system.logs import configure_log


def main() -> int:
    """Run until told to stop; 1 where it could not start."""
    parser = argparse.ArgumentParser(prog="tre.checker", description="Looks at files that want to leave.")
    parser.add_argument("--root", type=Path, required=True, help="the launcher's root directory")
    root = parser.parse_args().root.absolute()
    configure_log("checker")
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    layout = Layout(root)
    try:
        give_up_network()
    except TREError as error:
        sys.stderr.write("\n".join(error.lines()) + "\n")
        return 1
    CheckerService(Workbench(layout, SystemClock()), Spool(layout.checker_spool), stopping).run()
    return 0
