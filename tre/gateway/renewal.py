"""A certificate that was replaced is taken up while the gateway runs.

Guarantees: new connections get the new certificate within a look of its files being whole; connections that are open
stay as they are. A pair that cannot be used is told in the log once and changes nothing.

Does not guarantee: that a pair which a browser will not trust is noticed. `tre doctor` says what browsers will say.

Threat: a gateway that goes on with a certificate that ended, since nobody dared to restart it.
"""

from __future__ import annotations

import asyncio
import ssl

import structlog

from tre.domain.errors import TREError
from tre.system.certificates import load_pair, pair_for_gateway, stamp
from tre.system.layout import Layout
from tre.system.settings import Settings
from tre.system.transport import server_context

log = structlog.get_logger()

LOOK_SECONDS = 10.0


class Renewal:
    """Watches the gateway's pair of files for its context."""

    def __init__(self, context: ssl.SSLContext, layout: Layout, settings: Settings) -> None:
        self._context, self._layout, self._settings = context, layout, settings
        self._seen = stamp(pair_for_gateway(layout, settings))

    def look(self) -> bool:
        """Take up a pair that changed; whether one was taken up."""
        pair = pair_for_gateway(self._layout, self._settings)
        found = stamp(pair)
        if found == self._seen:
            return False
        self._seen = found
        try:
            load_pair(server_context(), *pair)  # a trial: a context that failed half-way keeps the half
            load_pair(self._context, *pair)
        except TREError as error:
            log.error("certificate.refused", **error.as_dict())
            return False
        log.info("certificate.renewed")
        return True

    async def run(self) -> None:
        """Look again and again, until cancelled."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            self.look()
