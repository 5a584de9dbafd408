"""`python -m tre.cli.systemd.ground --root ROOT`: what `tre up` does beside starting services, where systemd does.

Guarantees: nothing starts before directories and keys belong to whom they should, policies read, the record is not one
that waits after a restore, and the gateway may listen as it is set; while it runs it holds this installation's users,
so that neither `tre up` nor another installation takes them; a certificate that was replaced reaches the gateway.

Threat: services that stand on directories which somebody opened meanwhile.
"""

from __future__ import annotations

import signal
import sys
import threading

import structlog

from tre.cli import common
from tre.cli.installing import check_startable, hand_over_anew
from tre.domain.errors import TREError
from tre.system import installation
from tre.system.claims import claimed
from tre.system.notify import ALIVE, READY, STOPPING, notify
from tre.system.processes import BESIDE_SECONDS
from tre.system.service import arguments

log = structlog.get_logger()


def main() -> int:
    """Hold the ground until told to end; 1 where nothing may start on it."""
    layout, settings = arguments("installation")
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    try:
        common.require_record(layout, settings)
        installation.arrange(layout, settings)
        with claimed(layout, settings):
            check_startable(layout, settings)
            watch = installation.copy_watch(layout, settings)
            notify(READY)
            while not stopping.wait(BESIDE_SECONDS):
                hand_over_anew(watch)
                notify(ALIVE)
            notify(STOPPING)
    except TREError as error:
        log.error("installation-refused", **error.as_dict())
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
