"""A namespace on a cluster to try things in: pods as the restricted profile wants them, and looks into them.

Nothing here depends on the tests' own cluster: a kubeconfig and an image with Python are all it needs.
"""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.cluster.harness.basics import wait_until
from tests.cluster.harness.client import ApiError, Client

Object = dict[str, Any]
RESTRICTED = {"pod-security.kubernetes.io/enforce": "restricted"}
PRIVILEGED = {"pod-security.kubernetes.io/enforce": "privileged"}
NEVER_ENDS = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN)\nwhile True: time.sleep(1)"
POLICIES = "/apis/networking.k8s.io/v1/namespaces/{}/networkpolicies"


@dataclass
class Place:
    """One namespace."""

    client: Client
    kubectl: str
    kubeconfig: Path
    image: str
    name: str

    # --- paths

    def path(self, kind: str, name: str = "") -> str:
        """The path of a core kind in this namespace, or of one of its objects."""
        return f"/api/v1/namespaces/{self.name}/{kind}" + (f"/{name}" if name else "")

    @property
    def policies(self) -> str:
        """The path of network policies in this namespace."""
        return POLICIES.format(self.name)

    # --- pods

    def pod(self, name: str, *command: str, **spec: Any) -> Object:
        """A pod that the restricted profile admits; keywords replace parts of its spec."""
        container: Object = {
            "name": "main",
            "image": self.image,
            "imagePullPolicy": "IfNotPresent",
            "command": list(command) or ["sleep", "1000000"],
            "resources": {"requests": {"cpu": "10m", "memory": "16Mi"}, "limits": {"memory": "128Mi"}},
            "securityContext": {
                "allowPrivilegeEscalation": False,
                "capabilities": {"drop": ["ALL"]},
                "readOnlyRootFilesystem": True,
            },
        }
        container |= spec.pop("container", {})
        content: Object = {
            "containers": [container],
            "terminationGracePeriodSeconds": 0,
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "restartPolicy": "Never",
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": 65534,
                "runAsGroup": 65534,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
        }
        labels = spec.pop("labels", {"app": name})
        return {"metadata": {"name": name, "labels": labels}, "spec": content | spec}

    def start(self, pod: Object) -> None:
        """Create a pod."""
        self.client.create(self.path("pods"), pod)

    def run(self, name: str, *command: str, **spec: Any) -> Object:
        """Create a pod and wait until it is ready."""
        self.start(self.pod(name, *command, **spec))
        return self.await_ready(name)

    def find(self, name: str) -> Object:
        """A pod as it is now."""
        return self.client.get(self.path("pods", name))

    def await_ready(self, name: str) -> Object:
        """Wait until a pod is ready; tell its state where it is not in time."""
        wait_until(lambda: is_ready(self.find(name)), f"pod {name} should be ready", 60)
        return self.find(name)

    def await_phase(self, name: str, *phases: str, seconds: float = 60) -> Object:
        """Wait until a pod is in one of the phases."""
        wait_until(lambda: self.find(name)["status"].get("phase") in phases, f"{name}: {phases}", seconds)
        return self.find(name)

    def logs(self, name: str) -> str:
        """What a pod has printed."""
        return self.client.text(self.path("pods", name) + "/log")

    def outcome(self, name: str, seconds: float = 60) -> str:
        """What a pod printed once it has ended."""
        pod = self.await_phase(name, "Succeeded", "Failed", seconds=seconds)
        said = self.logs(name)
        assert pod["status"]["phase"] == "Succeeded", said
        return said

    def execute(self, pod: str, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command inside a pod."""
        return subprocess.run(
            [self.kubectl, "--kubeconfig", str(self.kubeconfig), "--namespace", self.name, "exec", pod, "--", *command],
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )

    def python(self, pod: str, code: str, *arguments: str) -> Any:
        """Run Python inside a pod; returns what it printed as JSON."""
        done = self.execute(pod, "python3", "-c", code, *arguments)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    # --- answers of admission

    def refusal(self, kind: str, content: Object) -> str:
        """Why the API server would refuse to create this; empty if it would not."""
        try:
            self.client.create(self.path(kind) + "?dryRun=All", content)
        except ApiError as error:
            return error.message
        return ""

    def await_refusal(self, kind: str, content: Object) -> str:
        """Guards come into force a moment after they are created: wait for it, and return the words."""
        wait_until(lambda: self.refusal(kind, content), f"this {kind} should be refused", 30)
        return self.refusal(kind, content)

    def await_admission(self, kind: str, content: Object) -> None:
        """Wait until a guard has lost its force."""
        wait_until(lambda: not self.refusal(kind, content), f"this {kind} should be admitted", 30)


def is_ready(item: Object) -> bool:
    """Whether the condition of a pod, or of a node, says ready."""
    conditions = item["status"].get("conditions") or []
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


def addresses(pod: Object) -> tuple[str, str]:
    """A pod's IPv4 and IPv6 address; the second is empty on a cluster of IPv4 only."""
    found = [item["ip"] for item in pod["status"]["podIPs"]]
    return next(a for a in found if ":" not in a), next((a for a in found if ":" in a), "")
