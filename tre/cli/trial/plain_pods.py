"""Plain JupyterLab in a pod: the workspaces' own image with nothing of the launcher around it.

Guarantees: a namespace of its own, removed at the end. What runs in it is reached through the API server.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp

from tre.cluster.access import access_of
from tre.cluster.protocol import ClusterClient, Deletion, Key, Object
from tre.runtimes.kubernetes.kinds import NAMESPACE, POD, of_cluster

PORT = 8888
PYTHON = "/opt/tre/workspace/bin/python"


class PlainPods:
    """Where such pods are started. Use as an asynchronous context manager."""

    def __init__(self, client: ClusterClient, kubeconfig: Path, image: str) -> None:
        self._client, self._image = client, image
        self._namespace = f"tre-bench-{secrets.token_hex(3)}"
        self._server = access_of(kubeconfig)
        self._number = 0

    async def __aenter__(self) -> PlainPods:
        metadata = {"name": self._namespace}
        self._client.create(NAMESPACE, {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
        return self

    async def __aexit__(self, *_: object) -> None:
        self._client.delete(NAMESPACE, of_cluster(self._namespace))

    @asynccontextmanager
    async def session(self) -> AsyncIterator[aiohttp.ClientSession]:
        """Connections to the API server as the kubeconfig's user."""
        connector = aiohttp.TCPConnector(ssl=self._server.trust)
        async with aiohttp.ClientSession(connector=connector, headers=self._server.headers) as session:
            yield session

    @asynccontextmanager
    async def started(self) -> AsyncIterator[str]:
        """A new pod, and the address of its JupyterLab, which may not answer yet."""
        self._number += 1
        name = f"plain-{self._number}"
        self._client.create(POD, _pod(name, self._namespace, self._image))
        try:
            yield f"{self._server.address}/api/v1/namespaces/{self._namespace}/pods/{name}:{PORT}/proxy"
        finally:
            self._client.delete(POD, Key(self._namespace, name), Deletion(grace_seconds=0))


def _pod(name: str, namespace: str, image: str) -> Object:
    command = [
        PYTHON, "-m", "jupyterlab", "--no-browser", "--ServerApp.ip=0.0.0.0", f"--ServerApp.port={PORT}",
        "--IdentityProvider.token=", "--ServerApp.disable_check_xsrf=True", "--ServerApp.root_dir=/tmp",
        "--KernelManager.transport=ipc", "--log-level=WARN", "--ServerApp.allow_remote_access=True",
    ]  # fmt: skip
    environment = {
        "HOME": "/tmp",  # noqa: S108 - the pod's own
        "JUPYTER_RUNTIME_DIR": "/tmp/r",  # noqa: S108 - a kernel's socket has to fit 107 bytes
        "LANG": "C.UTF-8",
        "JUPYTER_PREFER_ENV_PATH": "1",
    }
    container = {
        "name": "lab",
        "image": image,
        "command": command,
        "env": [{"name": key, "value": value} for key, value in environment.items()],
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "containers": [container],
            "automountServiceAccountToken": False,
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": 1,
        },
    }
