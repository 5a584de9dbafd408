"""The Hub's own program, with one log line more and room for a test to take a guard away."""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import Any

from jupyterhub.spawner import Spawner

from tests.contract.hub_world import STOP_CALLED
from tre.hub import __main__ as program
from tre.hub import config
from tre.hub.pages import Authorize
from tre.hub.spawner import TreSpawner


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--root", type=Path)
    parser.add_argument("--changes", type=json.loads)
    arguments = parser.parse_args()
    changes: dict[str, Any] = arguments.changes
    if changes.pop("probe", False):
        TreSpawner.server = Spawner.server
    if changes.pop("any_challenge", False):
        del Authorize.prepare
    _log_stops()
    computed = config.hub_config

    def changed(*given: Any) -> Any:
        result = computed(*given)
        for name, value in changes.items():
            owner, _, trait = name.partition("__")
            result[owner][trait] = value
        return result

    config.hub_config = changed
    assert "JUPYTERHUB_CRYPT_KEY" in os.environ
    program.scrub_environment()
    program.run(arguments.root)


def _log_stops() -> None:
    original = TreSpawner.stop

    async def stop(self: TreSpawner, now: bool = False) -> None:
        self.log.warning(STOP_CALLED)
        await original(self, now)

    TreSpawner.stop = stop


if __name__ == "__main__":
    main()
