"""The `tre` command as tests type it: read once by a process of which every call is a fork (`preloaded`)."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.support import preloaded
from tests.support.machine import wait_for
from tre.system.paths import CHECKOUT

_PATIENCE = 60.0


class Commands:
    """Commands that can be typed until it is closed; each has a process of its own."""

    def __init__(self, place: Path, environment: Mapping[str, str] | None = None) -> None:
        self._socket = place / "tre.sock"
        self._server = subprocess.Popen(
            [sys.executable, "-m", preloaded.__name__, str(self._socket)],
            cwd=CHECKOUT,
            env=dict(os.environ) | dict(environment or {}),
        )
        wait_for(self._loaded, _PATIENCE)

    def _loaded(self) -> bool:
        assert self._server.poll() is None, "the commands were not loaded"
        return self._socket.exists()

    def line(self, *words: str) -> list[str]:
        """What has to be executed for `tre WORDS`."""
        return [sys.executable, "-I", "-S", preloaded.__file__, str(self._socket), *words]

    def typed(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Type `tre WORDS` in the checkout, and wait for what it says."""
        return subprocess.run(self.line(*words), capture_output=True, text=True, check=False, cwd=CHECKOUT, timeout=120)

    def close(self) -> None:
        """Nothing can be typed any more."""
        self._server.kill()
        self._server.wait()
