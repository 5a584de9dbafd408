"""A cluster as tests reach it."""

from __future__ import annotations

import secrets
from pathlib import Path

from tests.cluster.harness.basics import wait_until
from tests.cluster.harness.client import Client
from tests.cluster.place import Place


class Reach:
    """A cluster as tests reach it."""

    def __init__(self, kubeconfig: Path, kubectl: str, image: str) -> None:
        self.kubeconfig, self.kubectl, self.image = kubeconfig, kubectl, image
        self.client = Client.from_file(kubeconfig)

    def place(self, labels: dict[str, str]) -> Place:
        """A new namespace, with the service account that pods need."""
        name = f"tre-test-{secrets.token_hex(4)}"
        self.client.create("/api/v1/namespaces", {"metadata": {"name": name, "labels": labels}})
        account = f"/api/v1/namespaces/{name}/serviceaccounts/default"
        wait_until(lambda: self.client.find(account), f"{account} should be made")
        return Place(self.client, self.kubectl, self.kubeconfig, self.image, name)
