"""An installed launcher on a cluster, used from outside: approvals by the API server, everything else by its pages.

Guarantees: it uses what people have: a kubeconfig, the approving body's key, two accounts, the gateway's address. What
it makes is its own (grants with names of this run) and is ended by it.

Does not guarantee: that the cluster is idle, or that its name server knows the gateway: hosts are looked for on this
machine's loopback, where `kubectl port-forward` or a tunnel has brought the gateway's port.
"""

from __future__ import annotations

import ssl
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from pathlib import Path

from pydantic import SecretStr

from tre.cli.signing import load_key
from tre.cli.trial.browser import Browser, Page, sign_in
from tre.cli.trial.waiting import wait_until
from tre.cluster.client import connect
from tre.cluster.protocol import Deletion, Key, Object
from tre.cluster.resources import ACCESS_GRANT
from tre.domain import names
from tre.domain.errors import Reason, TREError
from tre.domain.grants.models import AccessGrantSpec
from tre.domain.model import Record
from tre.runtimes.kubernetes.kinds import kind_of
from tre.runtimes.kubernetes.render.vocabulary import SERVICE_ACCOUNT
from tre.sources.grantfile import read_grants
from tre.sources.signed import sign
from tre.system.clock import SystemClock

ACCOUNT = kind_of({"kind": "ServiceAccount"})
"""What is made last of a grant's place."""
PATIENCE = 120.0
LIVES = "[]"
WATCHED = (
    "go-template={{.type}}"
    "{{range .object.status.initContainerStatuses}} [{{with .state.terminated}}{{.finishedAt}}{{end}}]{{end}}"
    "{{range .object.status.containerStatuses}} [{{with .state.terminated}}{{.finishedAt}}{{end}}]{{end}}"
    '{{"\\n"}}'
)
"""One line for each change of a pod: what happened, and when each of its containers ended; `[]` is one that lives."""


class SiteAccount(Record):
    """A local account."""

    name: str
    password: SecretStr


class ClusterSite(Record):
    """What the benchmark of a cluster needs to know, from one file."""

    kubeconfig: Path
    kubectl: Path = Path("kubectl")
    namespace: str = "tre-system"
    desk: str
    """The desk's origin, such as `https://desk.tre.example.org:8443`."""

    certificate: Path | None = None
    """What to believe of the gateway (PEM); without it, what the machine believes."""

    grant: Path
    """An approval that the launcher would take (YAML); its name, people and dates are replaced, and it is signed."""

    key: Path
    researcher: SiteAccount
    operator: SiteAccount
    image: str
    """The image of the workspaces, by digest: plain JupyterLab is started from it too."""


class ClusterWorld:
    """That launcher."""

    def __init__(self, site: ClusterSite) -> None:
        self.site = site
        self.client = connect(site.kubeconfig)
        self._template, self._key = read_grants(site.grant)[0], load_key(site.key)
        scheme, _, rest = site.desk.partition("://")
        self._shells = (f"{scheme}://", rest.partition(".")[2])

    @property
    def desk(self) -> str:
        """The desk's origin."""
        return self.site.desk

    def shell_of(self, workspace: str) -> str:
        """A workspace's shell."""
        return f"{self._shells[0]}{workspace}.open.{self._shells[1]}"

    @asynccontextmanager
    async def signed_in(self, who: SiteAccount) -> AsyncIterator[tuple[Browser, Page]]:
        """A browser of somebody who signed in, and the first page of the desk."""
        async with Browser(self._trust()) as browser:
            yield browser, await sign_in(browser, self.desk + "/", who.name, who.password.get_secret_value())

    def _trust(self) -> ssl.SSLContext | None:
        if self.site.certificate is None:
            return None
        context = ssl.create_default_context(cafile=str(self.site.certificate))
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT  # a trial's certificate is its own authority
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        return context

    def approval(self, name: str) -> Object:
        """A signed approval for the researcher, good for two hours."""
        now = SystemClock().now().replace(microsecond=0)
        member = {"subject": {"issuer": "local", "id": self.site.researcher.name}, "role": "lead"}
        changes = {"notBefore": now, "expires": now + timedelta(hours=2), "members": [member]}
        spec = AccessGrantSpec.model_validate(self._template.spec.model_dump(by_alias=True) | changes)
        metadata = self._template.metadata.model_copy(update={"name": name})
        signed = sign(self._template.model_copy(update={"metadata": metadata, "spec": spec}), self._key)
        return signed.as_plain() | {"metadata": {"name": name, "namespace": self.site.namespace}}

    def grant(self, name: str) -> float:
        """Put an approval into force; returns the seconds until everything that its runs live among was in place."""
        item = self.approval(name)
        begun = time.monotonic()
        self.client.create(ACCESS_GRANT, item)
        wait_until(lambda: self._phase(name) == "Active", f"{name} did not become active", PATIENCE)
        last = Key(names.grant_namespace(name), SERVICE_ACCOUNT)
        wait_until(lambda: self.client.get(ACCOUNT, last), f"nothing was made for {name}", PATIENCE)
        return time.monotonic() - begun

    def withdraw(self, name: str) -> None:
        """End an approval and take its resource away."""
        self.client.delete(ACCESS_GRANT, Key(self.site.namespace, name), Deletion())

    def _phase(self, name: str) -> str:
        found = self.client.get(ACCESS_GRANT, Key(self.site.namespace, name)) or {}
        return str((found.get("status") or {}).get("phase", ""))

    @contextmanager
    def observer(self, grant: str) -> Iterator[subprocess.Popen[str]]:
        """Somebody else who watches the grant's pod: `kubectl`, told by the API server what the node's agent says."""
        command = [str(self.site.kubectl), "--kubeconfig", str(self.site.kubeconfig), "get", "pods", "--watch"]
        command += ["--namespace", names.grant_namespace(grant), "--output-watch-events", "--output", WATCHED]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            try:
                if LIVES not in _line(process):
                    raise TREError(Reason.RuntimeFailed, "The observer saw nothing alive to begin with.")
                yield process
            finally:
                process.kill()


def time_of_death(observer: subprocess.Popen[str]) -> float:
    """When the observer was told that no container of the pod lives, by the monotonic clock in seconds."""
    while not is_dead(_line(observer)):
        continue
    return time.monotonic()


def is_dead(line: str) -> bool:
    """Whether what `kubectl` printed of a change says that nothing of the pod lives."""
    return line.startswith("DELETED") or ("[" in line and LIVES not in line)


def _line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise TREError(Reason.RuntimeFailed, "kubectl ended before the run did.")
    return line
