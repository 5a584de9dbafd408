"""The installed launcher as people use it: operators by kubectl, committees by signed resources, others by a browser.

Guarantees: nothing of the launcher is reached by other ways than people have: `kubectl`, the gateway's port, and what
is handed to the committee. What lives on the node is looked for in the machine's own process table.
"""

from __future__ import annotations

import json
import ssl
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.cluster.front import free_port
from tests.cluster.harness.basics import CHECKOUT, wait_until
from tests.cluster.harness.client import ApiError
from tests.cluster.harness.running import Running
from tests.cluster.installed import BASE, NAMESPACE, Installation
from tre.cli.trial.browser import Browser, Page, sign_in
from tre.cli.trial.desk import Desk
from tre.domain import names

Object = dict[str, Any]
PASSWORD = "correct horse battery"
PEOPLE = {"alice": "researcher", "ben": "researcher", "carol": "checker", "chris": "checker", "olga": "operator"}
RESOURCES = f"/apis/tre.research/v1alpha1/namespaces/{NAMESPACE}"
DELIVERY = "/srv/tre/data/incoming/nccid"


@dataclass
class Launcher:
    """One installation, its committee's key, and its front."""

    site: Installation
    node: Running
    port: int = field(default_factory=free_port)
    committee: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)
    template: Object = field(default_factory=dict)

    @property
    def values(self) -> Object:
        """What this installation says beside the tests' usual values."""
        public = self.committee.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        return {
            "gateway": {"port": self.port},
            "grantSigners": {"committee.pub": public.decode()},
            "settings": {"startTimeoutSeconds": 180, "releaseDelaySeconds": 1},
            "cluster": {"probe": self._addresses()},
        }

    def _addresses(self) -> list[Object]:
        """What no workspace may reach: the API server by its service and its node, the node's agent."""
        node = self.site.client.get("/api/v1/nodes")["items"][0]
        inside = [one["address"] for one in node["status"]["addresses"] if one["type"] == "InternalIP"]
        service = self.site.client.get("/api/v1/namespaces/default/services/kubernetes")["spec"]["clusterIP"]
        found = [{"name": "API server", "address": service, "port": 443}]
        for address in inside:
            found.append({"name": "API server's node", "address": address, "port": 6443})
            found.append({"name": "kubelet", "address": address, "port": 10250})
        return found

    # --- as an operator

    def tre(self, *words: str, typed: str = "") -> str:
        """Type a command in the operator's pod; returns what it printed."""
        return self.site.kubectl("exec", "--stdin", "tre-shell-0", "--", "tre", *words, typed=typed)

    def json(self, *words: str) -> Any:
        """The same for a command that prints JSON."""
        return json.loads(self.tre(*words, "--json"))

    def furnish(self) -> None:
        """Accounts, a small dataset, and the plan that the committee signs."""
        for name, role in PEOPLE.items():
            self.tre("user", "add", name, "--role", role, "--password-stdin", typed=PASSWORD + "\n")
        self.tre("demo-data", "nccid", DELIVERY, "--patients", "40")
        self.tre("dataset", "add", "nccid", DELIVERY, "--release", "2026-10-01")
        spec = (CHECKOUT / "examples" / "slices" / "chest-xray.yaml").read_text()
        plan = json.loads(self.tre("slice", "plan", "/dev/stdin", "--json", typed=spec))
        self.template = yaml.safe_load((CHECKOUT / "examples" / "grant.yaml").read_text())
        self.template["spec"]["approval"]["planDigest"] = plan["planDigest"]

    # --- as a committee, and who brings its approvals

    def approve(self, name: str, *members: str, **changes: Any) -> Object:
        """An approval, signed by `tre grant sign` outside of the cluster."""
        people = [{"subject": {"issuer": "local", "id": one}, "role": "researcher"} for one in members or ("alice",)]
        spec = self.template["spec"] | {"members": people} | changes
        file, key = self.site.volumes / f"{name}.yaml", self.site.volumes / "committee.key"
        file.write_text(yaml.safe_dump(self.template | {"metadata": {"name": name}, "spec": spec}))
        key.write_bytes(
            self.committee.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        key.chmod(0o600)
        sign = [str(CHECKOUT / ".venv" / "bin" / "python"), "-m", "tre", "grant", "sign", str(file), "--key", str(key)]
        subprocess.run(sign, cwd=CHECKOUT, check=True, capture_output=True)
        found: Object = yaml.safe_load(file.read_text())
        return found

    def apply(self, item: Object) -> None:
        """`kubectl apply`."""
        self.site.kubectl("apply", "--server-side", "--filename", "-", typed=json.dumps(item))

    def withdraw(self, name: str) -> None:
        """`kubectl delete`, which ends the approval."""
        self.site.client.delete(f"{RESOURCES}/accessgrants/{name}")

    def resource(self, name: str) -> Object:
        """What the API server has of a grant; empty where there is none."""
        return self.site.client.find(f"{RESOURCES}/accessgrants/{name}") or {}

    def phase(self, name: str) -> str:
        """Its phase, as `kubectl get` shows it."""
        return str(self.resource(name).get("status", {}).get("phase", ""))

    def grant(self, name: str, *members: str, **changes: Any) -> str:
        """Put a grant into force and wait until it is."""
        self.apply(self.approve(name, *members, **changes))
        self.await_that(lambda: self.phase(name) == "Active", f"{name} should be active", 120)
        return name

    # --- looks

    def workspace(self, grant: str, member: str = "alice") -> str:
        """The name of somebody's workspace."""
        return names.workspace_name(grant, "local", member)

    def pod(self, grant: str) -> Object | None:
        """The pod of a grant with one workspace, as the API server has it."""
        namespace = names.grant_namespace(grant)
        try:
            found = self.site.client.get(f"/api/v1/namespaces/{namespace}/pods")["items"]
        except ApiError as error:
            if error.code != 404:
                raise
            return None
        return found[0] if found else None

    def processes(self, grant: str) -> set[int]:
        """The living processes of its pod."""
        pod = self.pod(grant)
        return self.node.processes_of(pod["metadata"]["uid"]) if pod else set()

    def state(self, grant: str) -> Object:
        """What the record says of the workspace of a grant."""
        found: list[Object] = self.json("workspace", "list", "--grant", grant)
        return found[0] if found else {}

    def await_that(self, condition: Callable[[], bool], what: str, seconds: float = 60.0, every: float = 0.1) -> None:
        """Wait until something holds; say what the controllers wrote down where it does not in time."""
        try:
            wait_until(condition, what, seconds, every)
        except Exception as error:
            raise AssertionError(f"{error}\n{self.site.troubles()}\n{self.said('controller')}") from error

    def said(self, service: str, lines: int = 40) -> str:
        """The last lines of a service."""
        return self.site.kubectl(
            "logs", f"--selector=app.kubernetes.io/component={service}", f"--container={service}", f"--tail={lines}"
        )

    # --- as somebody at a browser

    def origin(self, prefix: str = "") -> str:
        """One of the launcher's hosts."""
        return f"https://{prefix}.{BASE}:{self.port}" if prefix else f"https://{BASE}:{self.port}"

    def shell_of(self, workspace: str) -> str:
        """A workspace's shell."""
        return self.origin(f"{workspace}.open")

    def trust(self) -> ssl.SSLContext:
        """Believes the gateway's certificate, and no other."""
        import base64

        certificate = base64.b64decode(self.site.secret("tre-gateway-tls")["data"]["tls.crt"]).decode()
        context = ssl.create_default_context(cadata=certificate)
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        return context

    @asynccontextmanager
    async def signed_in(self, name: str) -> AsyncIterator[tuple[Browser, Page]]:
        """A browser of somebody who signed in, and the first page of the desk."""
        async with Browser(self.trust()) as browser:
            yield browser, await sign_in(browser, self.origin("desk") + "/", name, PASSWORD)

    @asynccontextmanager
    async def desk_of(self, name: str) -> AsyncIterator[Desk]:
        """Somebody's desk."""
        async with self.signed_in(name) as (browser, _):
            yield Desk(browser, self.origin("desk"))
