"""Watches the API server and keeps the kernel's rules as the policies want them.

Guarantees: each change is applied as one step, a few milliseconds after it arrives; what has been applied is written
down, so that a test can wait for it instead of hoping. When a watch ends the list is read again.

It is run inside the node's network namespace as `python -m tests.cluster.policyengine KUBECONFIG MODE APPLIED`.
`MODE` is a file with {"mode": …, "established": …} that may change at any time.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from tests.cluster.harness.client import Client
from tests.cluster.policyengine.model import Object, World, read_pod
from tests.cluster.policyengine.rules import Established, Mode, render

KINDS = {
    "pods": "/api/v1/pods",
    "namespaces": "/api/v1/namespaces",
    "policies": "/apis/networking.k8s.io/v1/networkpolicies",
}
LOOK_AT_MODE = 0.02  # seconds
AFTER_FAILURE = 0.1


def key_of(item: Object) -> str:
    """Namespace and name."""
    meta = item["metadata"]
    return f"{meta.get('namespace', '')}/{meta['name']}"


@dataclass
class Cache:
    """The objects of all kinds as they were heard of last."""

    client: Client
    objects: dict[str, dict[str, Object]] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)
    changed: threading.Event = field(default_factory=threading.Event)

    def follow(self, kind: str) -> None:
        """List and watch one kind for ever."""
        while True:
            try:
                self._list_and_watch(kind)
            except (OSError, ValueError) as error:  # the API server is away or speaks half a line: ask again
                sys.stderr.write(f"{kind}: {error}\n")
                time.sleep(AFTER_FAILURE)

    def _list_and_watch(self, kind: str) -> None:
        listed = self.client.get(KINDS[kind])
        with self.lock:
            self.objects[kind] = {key_of(item): item for item in listed["items"]}
        self.changed.set()
        for event in self.client.watch(KINDS[kind], listed["metadata"]["resourceVersion"]):
            if event["type"] == "ERROR":
                return
            if event["type"] != "BOOKMARK":
                self._take(kind, event)

    def _take(self, kind: str, event: Object) -> None:
        with self.lock:
            if event["type"] == "DELETED":
                self.objects[kind].pop(key_of(event["object"]), None)
            else:
                self.objects[kind][key_of(event["object"])] = event["object"]
        self.changed.set()

    def world(self) -> World | None:
        """What the rules follow from; None until every kind has been listed."""
        with self.lock:
            if set(self.objects) != set(KINDS):
                return None
            items = {kind: list(found.values()) for kind, found in self.objects.items()}
        pods = [pod for item in items["pods"] if (pod := read_pod(item)) is not None]
        labels = {n["metadata"]["name"]: n["metadata"].get("labels") or {} for n in items["namespaces"]}
        ordered = tuple(sorted(pods, key=lambda pod: (pod.namespace, pod.name)))
        return World(ordered, labels, tuple(items["policies"]), interfaces())


def interfaces() -> dict[str, str]:
    """The node's end of each pod's pair, by the pod's IPv4 address, as the kernel routes."""
    listed = subprocess.run(["ip", "-json", "-4", "route"], capture_output=True, check=True)
    return {r["dst"]: r["dev"] for r in json.loads(listed.stdout) if r.get("dev", "").startswith("veth")}


def load(script: str) -> None:
    """Give the kernel a new table."""
    done = subprocess.run(["nft", "-f", "-"], input=script, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise OSError(f"nft: {done.stderr}\n{script}")


def note(path: Path, settings: Object, world: World) -> None:
    """Write down what is in force now: the mode, every policy's and pod's version."""
    policies = {key_of(p): p["metadata"]["resourceVersion"] for p in world.policies}
    pods = {f"{pod.namespace}/{pod.name}": list(pod.addresses) for pod in world.pods}
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps({**settings, "policies": policies, "pods": pods}))
    partial.replace(path)


def run(client: Client, mode: Path, applied: Path) -> None:
    """Apply for ever."""
    cache = Cache(client)
    for kind in KINDS:
        threading.Thread(target=cache.follow, args=(kind,), daemon=True).start()
    last = ""
    settings_before = ""
    while True:
        changed = cache.changed.wait(LOOK_AT_MODE)
        settings = mode.read_text()
        if not changed and settings == settings_before:
            continue
        cache.changed.clear()
        world = cache.world()
        if world is None:
            continue
        wanted = json.loads(settings)
        script = render(world, Mode(wanted["mode"]), Established(wanted["established"]))
        if script != last:
            load(script)
            last = script
        settings_before = settings
        note(applied, wanted, world)


if __name__ == "__main__":
    run(Client.from_file(Path(sys.argv[1])), Path(sys.argv[2]), Path(sys.argv[3]))
