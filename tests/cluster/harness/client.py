"""Speaks raw JSON with an API server that a kubeconfig names; the standard library and nothing of the product.

Guarantees: every request has a time limit, whatever the server answers is returned or raised with its own words.
It can be used by many threads: each has a connection of its own.

Does not guarantee: all kinds of kubeconfig: certificates, tokens (also from files) and credential plug-ins work;
proxies and impersonation do not.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import os
import ssl
import subprocess
import tempfile
import threading
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

Object = dict[str, Any]
TIMEOUT = 30.0
APPLY = "application/apply-patch+yaml"
MERGE = "application/merge-patch+json"


class ApiError(OSError):
    """The API server refused; `reason` is its constant, the text its words."""

    def __init__(self, code: int, reason: str, message: str) -> None:
        super().__init__(f"{code} {reason}: {message}")
        self.code, self.reason, self.message = code, reason, message


@dataclass
class Client:
    """One API server as one user."""

    server: str
    tls: ssl.SSLContext
    token: str = ""
    _local: threading.local = field(default_factory=threading.local)

    @classmethod
    def from_file(cls, path: Path) -> Client:
        """The current context of a kubeconfig file."""
        config = yaml.safe_load(path.read_text())

        def named(kind: str, name: str) -> Object:
            found = next(item for item in config[f"{kind}s"] if item["name"] == name)
            content: Object = found[kind]
            return content

        context = named("context", config["current-context"])
        cluster, user = named("cluster", context["cluster"]), named("user", context["user"])
        if "exec" in user:
            user = user | _from_plugin(user["exec"], path.parent)
        tls = _trust(cluster, path.parent)
        _identify(tls, user, path.parent)
        token = user.get("token", "")
        if "tokenFile" in user:
            token = (path.parent / user["tokenFile"]).read_text().strip()
        return cls(cluster["server"], tls, token)

    # --- requests

    def request(self, method: str, path: str, body: object = None, kind: str = "application/json") -> Object:
        """One request; ApiError where the server refuses, OSError where it does not answer."""
        code, data = self._exchange(method, path, body, kind)
        answer: Object = json.loads(data) if data[:1] == b"{" else {"message": data.decode(errors="replace")}
        if code >= 400:
            raise ApiError(code, answer.get("reason", ""), answer.get("message", ""))
        return answer

    def _exchange(self, method: str, path: str, body: object, kind: str) -> tuple[int, bytes]:
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": kind, "Accept": "application/json"}
        # A kept connection may have been closed meanwhile: that is no answer, so a fresh one is asked once more.
        for connection in (self._kept(), None):
            used = connection or self._fresh()
            try:
                used.request(method, path, data, headers | self._authority())
                response = used.getresponse()
                return response.status, response.read()
            except (http.client.HTTPException, OSError) as error:
                used.close()
                self._local.connection = None
                if connection is None:
                    raise error if isinstance(error, OSError) else ConnectionError(repr(error)) from error
        raise AssertionError("unreachable")

    def _authority(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"} if self.token else {}

    def _kept(self) -> http.client.HTTPSConnection | None:
        kept: http.client.HTTPSConnection | None = getattr(self._local, "connection", None)
        return kept

    def _fresh(self) -> http.client.HTTPSConnection:
        self._local.connection = self._connect(TIMEOUT)
        return self._local.connection  # type: ignore[no-any-return]

    def _connect(self, timeout: float) -> http.client.HTTPSConnection:
        address = urllib.parse.urlsplit(self.server)
        return http.client.HTTPSConnection(
            address.hostname or "", address.port or 443, context=self.tls, timeout=timeout
        )

    def close(self) -> None:
        """Close this thread's connection."""
        if kept := self._kept():
            kept.close()
            self._local.connection = None

    # --- verbs

    def get_status(self, path: str) -> int:
        """The HTTP status of a read."""
        return self._exchange("GET", path, None, "application/json")[0]

    def get(self, path: str) -> Object:
        """Read; ApiError where it is not there."""
        return self.request("GET", path)

    def text(self, path: str) -> str:
        """Read something that is no JSON, such as a log."""
        code, data = self._exchange("GET", path, None, "application/json")
        if code >= 400:
            raise ApiError(code, "", data.decode(errors="replace"))
        return data.decode(errors="replace")

    def find(self, path: str) -> Object | None:
        """Read, or None where it is not there."""
        try:
            return self.get(path)
        except ApiError as error:
            if error.code == 404:
                return None
            raise

    def create(self, path: str, content: Object) -> Object:
        """Create in a collection."""
        return self.request("POST", path, content)

    def apply(self, path: str, content: Object, manager: str = "tests", *, force: bool = True) -> Object:
        """Server-side apply."""
        return self.request("PATCH", f"{path}?fieldManager={manager}&force={str(force).lower()}", content, APPLY)

    def delete(self, path: str, grace: int | None = None) -> None:
        """Delete; what is gone already is fine."""
        try:
            self.request("DELETE", path, {} if grace is None else {"gracePeriodSeconds": grace})
        except ApiError as error:
            if error.code != 404:
                raise

    def watch(self, path: str, version: str, seconds: int = 300) -> Iterator[Object]:
        """Changes since a version, until the server or the time ends the stream."""
        query = f"watch=1&allowWatchBookmarks=true&resourceVersion={version}&timeoutSeconds={seconds}"
        connection = self._connect(seconds + TIMEOUT)
        with contextlib.closing(connection):
            connection.request("GET", f"{path}?{query}", headers=self._authority())
            response = connection.getresponse()
            if response.status >= 400:
                raise ApiError(response.status, "", response.read().decode(errors="replace"))
            while line := response.readline():
                yield json.loads(line)


def _trust(cluster: Object, folder: Path) -> ssl.SSLContext:
    if cluster.get("insecure-skip-tls-verify"):
        raise ValueError("a kubeconfig with insecure-skip-tls-verify is not used: give the cluster's authority")
    if data := cluster.get("certificate-authority-data"):
        return ssl.create_default_context(cadata=base64.b64decode(data).decode())
    file = cluster.get("certificate-authority")
    return ssl.create_default_context(cafile=str(folder / file) if file else None)


def _identify(tls: ssl.SSLContext, user: Object, folder: Path) -> None:
    if data := user.get("client-certificate-data"):
        # The library reads certificates from files only.
        with tempfile.NamedTemporaryFile() as both:
            both.write(base64.b64decode(data) + b"\n" + base64.b64decode(user["client-key-data"]))
            both.flush()
            tls.load_cert_chain(both.name)
    elif file := user.get("client-certificate"):
        tls.load_cert_chain(folder / file, folder / user["client-key"])


def _from_plugin(plugin: Object, folder: Path) -> Object:
    """What a credential plug-in says, in the words of a kubeconfig."""
    environment = {item["name"]: item["value"] for item in plugin.get("env") or []}
    info = {"apiVersion": plugin["apiVersion"], "kind": "ExecCredential", "spec": {"interactive": False}}
    done = subprocess.run(
        [plugin["command"], *(plugin.get("args") or [])],
        cwd=folder,
        env={**os.environ, **environment, "KUBERNETES_EXEC_INFO": json.dumps(info)},
        capture_output=True,
        check=True,
        timeout=TIMEOUT,
    )
    status = json.loads(done.stdout)["status"]
    found = {"token": status.get("token", "")}
    for theirs, ours in (("clientCertificateData", "client-certificate-data"), ("clientKeyData", "client-key-data")):
        if theirs in status:
            found[ours] = base64.b64encode(status[theirs].encode()).decode()
    return found
