"""The order that the starter gives to the keeper: what to start, with which binaries, on which port.

Guarantees: a cluster that runs can be compared with what is wanted: another tier or other binaries mean a new one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.cluster.harness.layout import Layout, Tier


@dataclass(frozen=True)
class Order:
    """What is to run."""

    tier: Tier
    folders: Mapping[str, str]  # where the binaries are, by the name of their module set
    images: tuple[str, ...]  # archives to import into the node
    port: int  # where the API server is reached on this machine's loopback
    sysctls: Mapping[str, str]  # the machine's values before the start

    def write(self, layout: Layout) -> None:
        """Leave it for the keeper."""
        layout.order.write_text(json.dumps(asdict(self)))

    @classmethod
    def read(cls, layout: Layout) -> Order | None:
        """The order of the cluster that runs or ran here."""
        try:
            found = json.loads(layout.order.read_text())
        except (FileNotFoundError, json.JSONDecodeError):
            return None  # cut off while it was written: nothing has been started yet
        return cls(Tier(found["tier"]), found["folders"], tuple(found["images"]), int(found["port"]), found["sysctls"])

    def binary(self, modules: str, name: str) -> str:
        """The path of a program."""
        return str(Path(self.folders[modules]) / name)

    def means_the_same(self, tier: Tier, folders: Mapping[str, str], images: tuple[str, ...]) -> bool:
        """Whether a cluster of this order does what another order would want."""
        return (self.tier, dict(self.folders), self.images) == (tier, dict(folders), images)
