"""JupyterHub with the launcher's addresses in front of its own.

Guarantees: nothing configures it but what the launcher computed; no file of the current directory is run. Bodies of
requests are bounded.

Threat: a `jupyterhub_config.py` left in the directory that the service starts in; a sign-in of a hundred megabytes.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from pathlib import Path
from typing import Any

from jupyterhub.app import JupyterHub
from jupyterhub.handlers.static import CacheControlStaticFilesHandler

from tre.hub.logs import JsonFormatter, without_identifiers
from tre.hub.pages import hub_handlers, root_handlers
from tre.hub.reconciliation import Reconciliation
from tre.system.logs import libraries_write

HERE = Path(__file__).parent
MAX_BODY = 64 * 1024
"""Bytes; a sign-in form and an order of the controller need less than one hundredth."""


class TreHub(JupyterHub):  # type: ignore[misc]  # JupyterHub carries no types
    """The application that `python -m tre.hub` runs."""

    _log_formatter_cls = JsonFormatter

    def load_config_file(self, *_args: Any, **_kwargs: Any) -> None:
        """No file is configuration: `tre.hub.config` computed all of it."""

    def init_logging(self) -> None:
        """JupyterHub's logging, less what it writes of people's sessions."""
        super().init_logging()
        libraries_write("hub", sys.stderr)
        logging.getLogger("tornado.application").addFilter(without_identifiers)

    def init_handlers(self) -> None:
        """Put our addresses first: tornado takes the first that fits."""
        super().init_handlers()
        ours = self.add_url_prefix(self.hub_prefix, hub_handlers(str(HERE / "static"), CacheControlStaticFilesHandler))
        self.handlers: list[Any] = [*root_handlers(), *ours, *self.handlers]

    async def start(self) -> None:
        """Start, then bound what a request may carry, and begin to ask the provider again where that is set."""
        await super().start()
        self.http_server.conn_params.max_body_size = MAX_BODY
        every = getattr(self.authenticator, "ask_again_seconds", 0)
        if every:
            self._asking = asyncio.create_task(Reconciliation(self, self.authenticator, every).run())
