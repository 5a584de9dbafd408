"""The launcher on a cluster as a site installs it: images built, imported on the node, then the commands of the guide.

Guarantees: everything goes through helm and the API server, nothing of the services is started by hand; namespace,
installation and trial are typed as docs/kubernetes.md and README.md have them. Directories
of the volumes lie in a folder of their own, removed at the end.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.cluster.harness.basics import CHECKOUT, wait_until
from tests.cluster.harness.client import Client
from tests.cluster.harness.running import Running
from tests.cluster.productimages import Built, ImageBuilder
from tests.cluster.reach import Reach

Object = dict[str, Any]
GUIDE = (CHECKOUT / "docs" / "kubernetes.md").read_text(encoding="utf-8")
(_BLOCK,) = re.findall(r"^```sh\n(kubectl create namespace .*?)^```$", GUIDE, re.MULTILINE | re.DOTALL)
TYPED = tuple(_BLOCK.splitlines())
MAKE_NAMESPACE, NAME_PROFILE, INSTALL, TRY = TYPED
"""What the guide has typed, and README.md its last two lines of (`tests/docs/test_command_blocks.py`)."""

CHART = CHECKOUT / "helm" / "tre"
NAMESPACE, RELEASE, BASE = "tre-system", "tre", "tre.example.org"
DEPLOYMENTS = ("gateway", "hub", "portal", "public", "controller", "storekeeper", "checker")
SMALL = {"requests": {"cpu": "50m", "memory": "32Mi"}, "limits": {"memory": "1Gi"}}
PATIENCE = 240.0


@dataclass
class Images:
    """The images of a trial installation; the node knows those that it starts by their digests."""

    tre: Built
    workspace: Built
    postgres: Built

    @classmethod
    def on(cls, node: Running, builder: ImageBuilder) -> Images:
        """Build them, and let the node's container runtime know them. Raises CannotRunError."""
        found = cls(builder.tre(), builder.workspace(), builder.postgres())
        known = node.ctr("images", "list", "--quiet").split()
        for image in (found.tre, found.postgres, found.workspace):
            if image.reference not in known:
                node.ctr("images", "import", str(image.archive))
                node.ctr("images", "tag", "--force", image.named, image.reference)
        return found


@dataclass
class Installation:
    """One release of the chart."""

    reach: Reach
    helm: str
    images: Images
    volumes: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="tre-volumes-", dir="/tmp")))
    given: Object = field(default_factory=dict)
    """What this installation says beside the tests' usual values; it stays through upgrades."""

    notes: str = ""

    @property
    def client(self) -> Client:
        """The API server, as its administrator."""
        return self.reach.client

    def values(self, **more: Any) -> Object:
        """What the tests' installation says."""
        return {
            "base": BASE,
            "images": {"tre": self.images.tre.values, "workspace": self.images.workspace.values},
            "database": {"bundled": {"enabled": True, "image": self.images.postgres.values, "resources": SMALL}},
            "storage": {name: {"hostPath": str(self.volumes / name)} for name in ("data", "work", "vault")},
            "resources": {"default": SMALL, "storekeeper": SMALL, "checker": SMALL},
            "replicas": {"portal": 1, "public": 1, "controller": 2},
            **self.given,
            **{key: {**self.given.get(key, {}), **value} for key, value in more.items()},
        }

    def make_namespace(self) -> None:
        """The namespace, under the baseline profile, and the directories of the volumes."""
        self.volumes.chmod(0o755)
        for name in ("data", "work", "vault"):
            (self.volumes / name).mkdir(exist_ok=True)
        self.typed(MAKE_NAMESPACE)
        self.typed(NAME_PROFILE)
        account = f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts/default"
        wait_until(lambda: self.client.find(account), "the namespace's account should be made")

    def run(self, *words: str, **more: Any) -> str:
        """Run helm with this installation's values; returns what it printed."""
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
            json.dump(self.values(**more), file)
            file.flush()
            with_values = words[0] in {"install", "upgrade"}
            command = [self.helm, *words, "--namespace", NAMESPACE, "--kubeconfig", str(self.reach.kubeconfig)]
            command += ["--values", file.name] if with_values else []
            done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}\n{self.troubles()}"
        return done.stdout

    def typed(self, line: str) -> str:
        """Type a line of a page where a site would: in a checkout, with values.yaml; returns what was printed."""
        with tempfile.TemporaryDirectory() as folder:
            place = Path(folder)
            (place / "helm").symlink_to(CHECKOUT / "helm")
            (place / "values.yaml").write_text(json.dumps(self.values()), encoding="utf-8")
            programs = [str(Path(program).parent) for program in (self.helm, self.reach.kubectl)]
            done = subprocess.run(
                ["bash", "-c", line],
                cwd=place,
                env=os.environ | {"PATH": ":".join([*programs, os.defpath]), "KUBECONFIG": str(self.reach.kubeconfig)},
                capture_output=True,
                text=True,
                check=False,
                timeout=600,
            )
        assert done.returncode == 0, f"{line}: {done.stdout}\n{done.stderr}\n{self.troubles()}"
        return done.stdout

    def install(self) -> str:
        """`helm install`; returns its notes."""
        return self.typed(INSTALL)

    def await_ready(self, seconds: float = PATIENCE) -> None:
        """Wait until every service answers; tell what is in the way where it does not in time."""

        def unready() -> list[str]:
            return [name for name in DEPLOYMENTS if not self.is_ready(name)]

        try:
            wait_until(lambda: not unready(), "every service should be ready", seconds, 1.0)
        except Exception as error:
            raise AssertionError(f"not ready: {unready()}\n{self.troubles()}") from error

    def is_ready(self, service: str) -> bool:
        """Whether the service answers in its newest form; of two controllers one does."""
        found = self.client.find(f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments/tre-{service}")
        if found is None:
            return False
        status = found.get("status", {})
        wanted = 1 if service == "controller" else found["spec"]["replicas"]
        current = status.get("observedGeneration") == found["metadata"]["generation"]
        return bool(current and status.get("readyReplicas", 0) >= wanted and status.get("updatedReplicas", 0) >= wanted)

    def pods(self, service: str = "") -> list[Object]:
        """The pods of a service, or all of ours."""
        items: list[Object] = self.client.get(f"/api/v1/namespaces/{NAMESPACE}/pods")["items"]
        label = "app.kubernetes.io/component"
        return [one for one in items if not service or one["metadata"]["labels"].get(label) == service]

    def pods_of_services(self) -> list[Object]:
        """Those of every service."""
        label = "app.kubernetes.io/component"
        return [one for one in self.pods() if one["metadata"]["labels"].get(label) in DEPLOYMENTS]

    def uids(self) -> set[str]:
        """The uids of all of our pods."""
        return {one["metadata"]["uid"] for one in self.pods()}

    def secret(self, name: str) -> Object:
        """A Secret, as its administrator sees it."""
        return self.client.get(f"/api/v1/namespaces/{NAMESPACE}/secrets/{name}")

    def kubectl(self, *words: str, typed: str = "") -> str:
        """Run kubectl in the namespace, perhaps with something typed in; returns what it printed."""
        command = [self.reach.kubectl, "--kubeconfig", str(self.reach.kubeconfig), "--namespace", NAMESPACE, *words]
        done = subprocess.run(command, input=typed, capture_output=True, text=True, check=False, timeout=300)
        assert done.returncode == 0, f"{' '.join(words)}: {done.stdout[-2000:]}{done.stderr}"
        return done.stdout

    def troubles(self) -> str:
        """What every container that is not well says of itself."""
        said = []
        for pod in self.pods():
            name = pod["metadata"]["name"]
            statuses = pod["status"].get("containerStatuses", []) + pod["status"].get("initContainerStatuses", [])
            for status in statuses:
                if not status.get("ready") and "reason" not in status.get("state", {}).get("terminated", {}):
                    said.append(f"{name}/{status['name']}: {json.dumps(status.get('state'))[:300]}")
                    said.append(self._last_words(name, status["name"]))
        return "\n".join(said)

    def _last_words(self, pod: str, container: str) -> str:
        base = [self.reach.kubectl, "--kubeconfig", str(self.reach.kubeconfig), "--namespace", NAMESPACE, "logs"]
        for previous in ([], ["--previous"]):
            done = subprocess.run(
                [*base, "--tail=8", pod, "--container", container, *previous],
                capture_output=True,
                text=True,
                check=False,
                timeout=60,
            )
            if done.stdout.strip():
                return done.stdout
        return ""

    def remove(self) -> None:
        """Uninstall, and remove everything that helm leaves on purpose."""
        self.run("uninstall", RELEASE, "--ignore-not-found")
        self.client.delete(f"/api/v1/namespaces/{NAMESPACE}")
        wait_until(lambda: self.client.find(f"/api/v1/namespaces/{NAMESPACE}") is None, "the namespace should go", 120)
        shutil.rmtree(self.volumes)
