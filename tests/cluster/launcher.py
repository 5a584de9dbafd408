"""The installed launcher as people use it: operators by kubectl, committees by signed resources, others by a browser.

Guarantees: nothing of the launcher is reached by other ways than people have: `kubectl`, the gateway's port, and what
is handed to the committee. What lives on the node is looked for in the machine's own process table.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import signal
import ssl
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from typer.testing import CliRunner

from tests.cluster.front import Front, free_port
from tests.cluster.harness.basics import BUSY, CHECKOUT, wait_until
from tests.cluster.harness.client import ApiError
from tests.cluster.harness.running import Running
from tests.cluster.installed import BASE, NAMESPACE, Images, Installation
from tests.cluster.productimages import ImageBuilder
from tests.cluster.reach import Reach
from tre.cli.main import app
from tre.cli.trial.browser import Browser, Page, sign_in
from tre.cli.trial.desk import Desk
from tre.cli.trial.lab import Lab, open_workspace
from tre.domain import names

Object = dict[str, Any]
PASSWORD = "correct horse battery"
PEOPLE = {"alice": "researcher", "ben": "researcher", "carol": "checker", "chris": "checker", "olga": "operator"}
RESOURCES = f"/apis/tre.research/v1alpha1/namespaces/{NAMESPACE}"
GRANT_LABEL = "tre.research/grant"
DELIVERY = "/srv/tre/data/incoming/nccid"


LEFT_TO_THE_LOOP = pytest.mark.filterwarnings(
    "ignore:unclosed:ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)
"""A client's TLS connections end with the loop or the thread that had them, a moment after nobody needs them."""


def took(what: str, seconds: float) -> None:
    """A figure for whoever reads the run's output."""
    print(f"{what}: {seconds:.2f} s, load {os.getloadavg()[0]:.1f}")  # noqa: T201


def outside(*words: str) -> None:
    """A command that somebody types who has nothing of the cluster; fails with what it says where it fails."""
    done = CliRunner().invoke(app, list(words))
    assert done.exit_code == 0, done.output


@contextmanager
def running_launcher(reach: Reach, node: Running, helm: str) -> Iterator[Launcher]:
    """An installation by the chart with people and data, reached at its front; gone afterwards.

    Raises CannotRunError where images cannot be built.
    """
    site = Installation(reach, helm, Images.on(node, ImageBuilder()))
    found = Launcher(site, node)
    site.given = found.values
    site.make_namespace()
    try:
        began = time.monotonic()
        site.notes = site.install()
        site.await_ready()
        took("helm install → every service ready", time.monotonic() - began)
        try:
            found.furnish()
            service = site.client.get(f"/api/v1/namespaces/{NAMESPACE}/services/tre-gateway")
            with Front(node, service["spec"]["clusterIP"], found.port):
                yield found
        finally:
            found.end_everything()
    finally:
        site.remove()


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

        def account(name: str) -> None:
            self.tre("user", "add", name, "--role", PEOPLE[name], "--password-stdin", typed=PASSWORD + "\n")

        with ThreadPoolExecutor() as typing:  # several people at once
            delivery = typing.submit(self.tre, "demo-data", "nccid", DELIVERY, "--patients", "40")
            deque(typing.map(account, PEOPLE), maxlen=0)
            delivery.result()
        self.tre("dataset", "add", "nccid", DELIVERY, "--release", "2026-10-01")
        spec = (CHECKOUT / "examples" / "slices" / "chest-xray.yaml").read_text()
        plan = json.loads(self.tre("slice", "plan", "/dev/stdin", "--json", typed=spec))
        self.template = yaml.safe_load((CHECKOUT / "examples" / "grant.yaml").read_text())
        self.template["spec"]["approval"]["planDigest"] = plan["planDigest"]

    def end_everything(self) -> None:
        """End every grant, so that nothing is left when the launcher goes."""
        grants = self.site.client.get(f"{RESOURCES}/accessgrants")["items"]
        for one in grants:
            self.withdraw(one["metadata"]["name"])

        def left() -> list[str]:
            found = self.site.client.get("/api/v1/namespaces")["items"]
            spaces = [one["metadata"]["name"] for one in found if GRANT_LABEL in (one["metadata"].get("labels") or {})]
            return [one for one in spaces if self.site.client.get(f"/api/v1/namespaces/{one}/pods")["items"]]

        self.await_that(lambda: not left(), "every run should end", 60, 0.5)
        for space in self.site.client.get("/api/v1/namespaces")["items"]:
            if GRANT_LABEL in (space["metadata"].get("labels") or {}):
                self.site.client.delete(f"/api/v1/namespaces/{space['metadata']['name']}")

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
        outside("grant", "sign", str(file), "--key", str(key))
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

    def pod(self, grant: str, name: str = "alice") -> Object | None:
        """The pod of somebody's run, as the API server has it."""
        pods = f"/api/v1/namespaces/{names.grant_namespace(grant)}/pods"
        try:
            found: list[Object] = self.site.client.get(pods)["items"]
        except ApiError as error:
            if error.code != 404:
                raise
            return None
        workspace = self.workspace(grant, name)
        return next((one for one in found if one["metadata"]["name"].startswith(f"{workspace}-")), None)

    def uid(self, grant: str) -> str:
        """The uid of that pod."""
        pod = self.pod(grant)
        assert pod is not None, f"{grant} has no pod"
        return str(pod["metadata"]["uid"])

    def has_namespace(self, grant: str) -> bool:
        """Whether anything of a grant is on the cluster."""
        return self.site.client.find(f"/api/v1/namespaces/{names.grant_namespace(grant)}") is not None

    def verify_bundle(self, data: bytes) -> None:
        """`tre bundle verify` as somebody who knows only the log's public key; fails for a bad one."""
        file, key = self.site.volumes / "release.zip", self.site.volumes / "log.pub"
        file.write_bytes(data)
        key.write_bytes(base64.b64decode(self.site.secret("tre-audit-signing")["data"]["audit-signing.pub"]))
        outside("bundle", "verify", str(file), "--key", str(key))

    def state(self, grant: str, name: str = "alice") -> Object:
        """What the record says of somebody's workspace; empty where there is none."""
        found: list[Object] = self.json("workspace", "list", "--grant", grant)
        return next((one for one in found if one["subject"]["id"] == name), {})

    def shown(self, grant: str, name: str = "alice") -> Object:
        """What `kubectl get workspace` shows of it, a moment later: for looks again and again, which start nothing."""
        found = self.site.client.find(f"{RESOURCES}/workspaces/{self.workspace(grant, name)}") or {}
        status: Object = found.get("status", {})
        return status

    def leader(self) -> Object:
        """The pod of the controller that leads."""
        lease = self.site.client.get(f"/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases/tre-controller")
        holder = str(lease["spec"]["holderIdentity"]).partition("/")[0]
        return next(one for one in self.site.pods("controller") if one["metadata"]["name"] == holder)

    def kill(self, pod: Object, program: str = "tre.controller") -> None:
        """Kill a program in a pod as the machine's own root does, without a word to anybody."""
        hit = 0
        for number in self.node.processes_of(pod["metadata"]["uid"]):
            if program.encode() in Path(f"/proc/{number}/cmdline").read_bytes().split(bytes(1)):
                os.kill(number, signal.SIGKILL)
                hit += 1
        assert hit, f"no {program} runs in {pod['metadata']['name']}"

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
    async def lab_of(self, grant: str, name: str = "alice") -> AsyncIterator[Lab]:
        """Somebody's JupyterLab, opened by the button of the desk, or entered where it runs already."""
        async with self.signed_in(name) as (browser, projects):
            if f"/{grant}/open" in projects.text:
                yield await open_workspace(browser, projects, grant, self.shell_of)
                return
            shell = self.shell_of(self.workspace(grant, name))
            await _comes_back(browser, shell)
            lab = Lab(browser, shell)
            await lab.enter()
            yield lab

    @asynccontextmanager
    async def desk_of(self, name: str) -> AsyncIterator[Desk]:
        """Somebody's desk."""
        async with self.signed_in(name) as (browser, _):
            yield Desk(browser, self.origin("desk"))


async def _comes_back(browser: Browser, shell: str) -> None:
    """Wait as the shell's page does, which comes back by itself: after services were replaced, the gateway answers
    before it has heard from a controller."""
    began = time.monotonic()
    async with asyncio.timeout(10 * BUSY):
        while (await browser.get(f"{shell}/")).status == HTTPStatus.SERVICE_UNAVAILABLE:
            await asyncio.sleep(0.1)
            took("services are ready, doors shut yet", time.monotonic() - began)
