"""`python -m tests.faults.up --root R`: as `tre up`, its services with the steps at which tests may stop them."""

from __future__ import annotations

import dataclasses
import os
import sys

from tre.cli import installing
from tre.cli.main import app

WORDS = ("PYTHONPATH", "FAULT_POINTS", "FAULT_STEPS")
NAME = "services"
real_services = getattr(installing, NAME)


def services(*args: object) -> list[object]:
    """Every service with our words in its environment."""
    ours = {name: os.environ[name] for name in WORDS}
    return [dataclasses.replace(service, environment=service.environment | ours) for service in real_services(*args)]


if __name__ == "__main__":
    setattr(installing, NAME, services)
    sys.argv[1:1] = ["up"]
    app()
