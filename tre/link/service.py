"""`python -m tre.link --config FILE`: the sidecar that carries a service's connections to other pods.

Guarantees: everything that the file names is listened on, or the program ends with status 1 and says why; TERM and
INT end it at once, and what was under way is cut (both sides dial anew).

Does not guarantee: anything while it does not run. The service sees what it sees when its neighbour restarts.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
from pathlib import Path

from tre.domain.errors import TREError
from tre.link.carrier import say, serve_inward, serve_outward
from tre.link.config import LinkConfig, read_config
from tre.link.health import serve_health


async def start(config: LinkConfig) -> list[asyncio.Server]:
    """Listen on everything. Raises `TREError(SetupIncomplete)` and `OSError`."""
    servers = [await serve_outward(link, config, os.environ) for link in config.outward]
    servers += [await serve_inward(link, config) for link in config.inward]
    if config.health is not None:
        servers.append(await serve_health(config.health, config.address))
    return servers


async def run(config: LinkConfig) -> None:
    """Carry until told to end."""
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    servers = await start(config)
    say("carrying", outward=len(config.outward), inward=len(config.inward))
    await stopped.wait()
    for server in servers:
        server.close()


def main() -> int:
    """Run; the status is 1 where it cannot start."""
    parser = argparse.ArgumentParser(prog="tre.link", description="Carries a service's connections between pods.")
    parser.add_argument("--config", type=Path, required=True, help="what to carry, as JSON")
    try:
        asyncio.run(run(read_config(parser.parse_args().config)))
    except TREError as error:
        sys.stderr.write("\n".join(error.lines()) + "\n")
        return 1
    except OSError as error:
        sys.stderr.write(f"link: cannot listen: {error}\n")
        return 1
    return 0
