"""The API server over the official client's connection: configuration, credentials and TLS are its, the JSON ours.

Guarantees: every call has a time limit, for connecting and for reading; connections are kept alive by TCP, so that a
half-open one is noticed; nothing is repeated behind the caller's back, no redirection is followed; answers stay
plain values (the official models drop fields they do not know, and are nine times slower). A watch in which nothing
comes for 70 seconds, no bookmark either, ends with an error.

Threat: a watch that hangs silently while grants are revoked; a newer security field lost by reading and writing back.
"""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import urllib3
from kubernetes import config
from kubernetes.client import ApiClient, Configuration
from kubernetes.client.exceptions import ApiException
from kubernetes.config.config_exception import ConfigException
from kubernetes.utils.keepalive import tcp_keepalive_socket_options
from prometheus_client import Counter

from tre.cluster.protocol import (
    EVERYTHING,
    MANAGER,
    PAGE,
    PLAINLY,
    STATUS_MANAGER,
    ClusterError,
    Deletion,
    EventType,
    Key,
    Kind,
    Listing,
    Object,
    Selector,
    WatchEvent,
    key_of,
    refusal_of,
)
from tre.cluster.reading import ListReader
from tre.domain.errors import Reason, TREError

REQUESTS = Counter("tre_cluster_requests", "Requests to the API server, by verb; a watch is one.", ["verb"])

JSON, APPLY, MERGE = "application/json", "application/apply-patch+yaml", "application/merge-patch+json"
LONGEST_LOG = 2**20
_PIECE = 2**20
_POD = Kind("", "v1", "Pod", "pods")
_BROKEN = (urllib3.exceptions.HTTPError, ApiException, OSError)


@dataclass(frozen=True)
class Limits:
    """Seconds: to connect, to be answered, to be answered a write, and between two lines of a watch.

    Writes end sooner than a lease does after its holder must stop (`tre.cluster.lease`). A server sends a bookmark
    each minute; a stream that is silent for longer is dead. The server ends a watch after `watch_seconds`.
    """

    connect: float = 2.0
    read: float = 30.0
    write: float = 3.0
    silence: float = 70.0
    watch_seconds: int = 300


STANDARD = Limits()


def connect(kubeconfig: Path | None = None, limits: Limits = STANDARD) -> KubernetesClient:
    """A client for the cluster that this pod runs in, or that a kubeconfig names.

    Raises `TREError(SetupIncomplete)` where neither tells how to reach an API server.
    """
    settings = Configuration()
    try:
        if kubeconfig is None:
            config.load_incluster_config(  # type: ignore[no-untyped-call]
                client_configuration=settings
            )
        else:
            config.load_kube_config(  # type: ignore[no-untyped-call]
                config_file=str(kubeconfig), client_configuration=settings, persist_config=False
            )
    except (ConfigException, OSError, ValueError) as error:
        raise TREError(
            Reason.SetupIncomplete,
            "There is no way to reach the API server.",
            why=str(error),
            remedy="Run in a pod with a service account, or name a kubeconfig in kubernetes.kubeconfig.",
        ) from error
    if not settings.verify_ssl:
        raise TREError(
            Reason.SetupIncomplete,
            "The kubeconfig says not to check whom it speaks with.",
            why="Whoever answers in the API server's place could end or extend everything.",
            remedy="Give the cluster's certificate authority instead of insecure-skip-tls-verify.",
        )
    settings.socket_options = tcp_keepalive_socket_options(idle=15, interval=5, count=3)
    settings.retries = False
    settings.connection_pool_maxsize = 32
    return KubernetesClient(ApiClient(settings), limits)


class KubernetesClient:
    """One API server as one user; see `tre.cluster.protocol.ClusterClient` for its methods."""

    def __init__(self, api: ApiClient, limits: Limits, clock: Callable[[], float] = time.time) -> None:
        self._api, self._limits, self._clock = api, limits, clock
        self._skew = 0.0
        self._long: set[str] = set()
        self._lock = threading.Lock()

    def close(self) -> None:
        """Close every connection."""
        self._api.close()  # type: ignore[no-untyped-call]

    def get(self, kind: Kind, key: Key) -> Object | None:
        """One object; `None` where there is none."""
        try:
            return self._call("GET", kind.path(key))
        except ClusterError as error:
            if error.code == 404:
                return None
            raise

    def list(self, kind: Kind, namespace: str = "", selector: Selector = EVERYTHING) -> Listing:
        """A whole collection at one moment."""
        pages = [*self.pages(kind, namespace, selector)]
        return Listing([item for page in pages for item in page.items], pages[-1].version)

    def pages(self, kind: Kind, namespace: str = "", selector: Selector = EVERYTHING) -> Iterator[Listing]:
        """The same some hundred objects at a time, as they come.

        Asked for as a whole, since the server has that in its memory and reads pages from its store; in pages where the
        whole broke off the last time, since a server allows a minute for an answer.
        """
        path = kind.path(Key(namespace, ""))
        query = _selecting(selector) | ({"limit": str(PAGE)} if path in self._long else {})
        while True:
            reader = ListReader()
            yield from self._read(kind, f"{path}{'?' if query else ''}{urlencode(query)}", reader)
            if not reader.following:
                self._long.discard(path)
                return
            query["continue"] = reader.following

    def _read(self, kind: Kind, path: str, reader: ListReader) -> Iterator[Listing]:
        answer = self._send("GET", path, None, JSON, self._limits.read)
        try:
            self._refuse("GET", path, answer)
            for page in reader.pages(answer.stream(_PIECE)):
                yield Listing([_typed(kind, item) for item in page.items], page.version)
        except (*_BROKEN, ValueError, KeyError, TypeError) as error:
            self._long.add(path.partition("?")[0])
            raise _unreachable("GET", path, f"what it answered is no list: {error}") from error
        finally:
            answer.close()  # where somebody stopped in the middle, more is under way

    @contextlib.contextmanager
    def watch(
        self, kind: Kind, namespace: str, version: int, selector: Selector = EVERYTHING
    ) -> Iterator[Iterator[WatchEvent]]:
        """Changes after a version, until the server ends the stream."""
        query = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": str(version),
            "timeoutSeconds": str(self._limits.watch_seconds),
        } | _selecting(selector)
        path = f"{kind.path(Key(namespace, ''))}?{urlencode(query)}"
        answer = self._send("GET", path, None, JSON, self._limits.silence)
        try:
            self._refuse("GET", path, answer)
            yield self._lines(path, answer)
        finally:
            answer.close()  # never back into the pool: more lines may be under way

    def create(self, kind: Kind, item: Object) -> Object:
        """A new object."""
        return self._call("POST", kind.path(Key(key_of(item).namespace, "")), item)

    def apply(self, kind: Kind, item: Object, manager: str = MANAGER) -> Object:
        """What the launcher wants of an object."""
        return self._apply(kind, kind.path(key_of(item)), item, manager)

    def apply_status(self, kind: Kind, item: Object) -> Object:
        """What the launcher reports of an object."""
        return self._apply(kind, kind.path(key_of(item), "status"), item, STATUS_MANAGER)

    def patch(self, kind: Kind, key: Key, change: Object) -> Object:
        """Change just these fields."""
        query = urlencode({"fieldManager": MANAGER, "fieldValidation": "Strict"})
        return self._call("PATCH", f"{kind.path(key)}?{query}", change, MERGE)

    def log(self, key: Key, container: str, lines: int) -> str:
        """The last lines that a container of a pod printed."""
        query = urlencode({"container": container, "tailLines": str(lines), "limitBytes": str(LONGEST_LOG)})
        path = f"{_POD.path(key, 'log')}?{query}"
        answer = self._send("GET", path, None, JSON, self._limits.write)
        self._refuse("GET", path, answer)
        return _body("GET", path, answer).decode(errors="replace")

    def delete(self, kind: Kind, key: Key, how: Deletion = PLAINLY) -> bool:
        """Ask for an object's deletion."""
        wanted = {"uid": how.preconditions.uid, "resourceVersion": how.preconditions.version}
        body: Object = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "propagationPolicy": "Background",
            "preconditions": {name: str(value) for name, value in wanted.items() if value is not None},
        }
        if how.grace_seconds is not None:
            body["gracePeriodSeconds"] = how.grace_seconds
        try:
            self._call("DELETE", kind.path(key), body)
        except ClusterError as error:
            if error.code == 404:
                return False
            raise
        return True

    def version(self) -> tuple[int, int]:
        """Which Kubernetes the server is: (1, 35). Raises `ClusterError`."""
        found = self._call("GET", "/version")
        try:
            return int(found["major"]), int("".join(filter(str.isdecimal, found["minor"])))  # "35+" at some providers
        except (KeyError, TypeError, ValueError) as error:
            raise _unreachable("GET", "/version", f"it told no version: {error}") from error

    def skew(self) -> float:
        """By how many seconds the server's clock is surely ahead of ours."""
        with self._lock:
            return self._skew

    def _apply(self, kind: Kind, path: str, item: Object, manager: str) -> Object:
        query = urlencode({"fieldManager": manager, "force": "true", "fieldValidation": "Strict"})
        return self._call("PATCH", f"{path}?{query}", _typed(kind, item), APPLY)

    def _call(self, method: str, path: str, body: Object | None = None, content_type: str = JSON) -> Object:
        seconds = self._limits.read if method == "GET" else self._limits.write
        answer = self._send(method, path, body, content_type, seconds)
        self._refuse(method, path, answer)
        found = _parsed(_body(method, path, answer))
        if found is None:
            raise _unreachable(method, path, "what it answered is no JSON object")
        return found

    def _send(
        self, method: str, path: str, body: Object | None, content_type: str, seconds: float
    ) -> urllib3.BaseHTTPResponse:
        headers = {"Accept": JSON, "Content-Type": content_type, "User-Agent": MANAGER}
        ready = self._api.param_serialize(method, path, header_params=headers, auth_settings=["BearerToken"])
        REQUESTS.labels(method.lower()).inc()
        begun = self._clock()
        # Patches go as text: given values, the connection would write them out in its own way.
        sent: Any = json.dumps(body) if content_type == APPLY else body
        try:
            answer: urllib3.BaseHTTPResponse = self._api.call_api(
                *ready[:3], body=sent, _request_timeout=(self._limits.connect, seconds)
            ).response
        except _BROKEN as error:
            raise _unreachable(method, path, str(error)) from error
        self._compare_clocks(answer.headers.get("Date"), begun, self._clock())
        return answer

    def _refuse(self, method: str, path: str, answer: urllib3.BaseHTTPResponse) -> None:
        if 200 <= answer.status < 300:
            return
        status = _parsed(_body(method, path, answer)) or {}
        what = f"The API server answered {answer.status} to {method} {path.partition('?')[0]}."
        raise refusal_of(answer.status, status, what, _seconds(answer.headers.get("Retry-After")))

    def _lines(self, path: str, answer: urllib3.BaseHTTPResponse) -> Iterator[WatchEvent]:
        rest = b""
        try:
            for chunk in answer.stream(2**16):
                *lines, rest = (rest + chunk).split(b"\n")
                for line in filter(None, lines):
                    yield _event(path, line)
        except _BROKEN as error:
            raise _unreachable("watch", path, str(error)) from error

    def _compare_clocks(self, date: str | None, begun: float, ended: float) -> None:
        """The server wrote its time, cut to seconds, at some moment in between."""
        try:
            told = parsedate_to_datetime(date or "").timestamp()
        except ValueError:
            return
        skew = max(0.0, told - ended) + min(0.0, told + 1 - begun)
        with self._lock:
            self._skew = skew


def check_version(client: Any, least: tuple[int, int]) -> None:
    """Raise `TREError(SetupIncomplete)` where the API server is older than that."""
    found = client.version()
    if found < least:
        raise TREError(
            Reason.SetupIncomplete,
            f"This cluster is Kubernetes {found[0]}.{found[1]}, and {least[0]}.{least[1]} is the oldest supported one.",
            why="What keeps workspaces closed (admission policies, Pod Security, user namespaces) is not whole in it.",
            remedy="Upgrade the cluster, or use another one.",
        )


def check_skew(client: Any, most: float) -> None:
    """Raise `TREError(ClockOutOfStep)` where the API server's clock is off by more than so many seconds."""
    skew = client.skew()
    if abs(skew) > most:
        raise TREError(
            Reason.ClockOutOfStep,
            f"The API server's clock differs from this machine's by {skew:+.1f} s, at most {most:g} s may be.",
            why="Approvals end by the clock; nothing new is granted while two clocks disagree.",
            remedy="Have both machines keep their time by the same time server.",
        )


def _selecting(selector: Selector) -> dict[str, str]:
    found = {"labelSelector": selector.labels, "fieldSelector": selector.fields}
    return {name: text for name, text in found.items() if text}


def _typed(kind: Kind, item: Object) -> Object:
    """Items of lists come without their kind, and patches need it."""
    return {"apiVersion": kind.api_version, "kind": kind.kind} | item


def _event(path: str, line: bytes) -> WatchEvent:
    found = _parsed(line)
    if found is None or not isinstance(content := found.get("object"), dict):
        raise _unreachable("watch", path, "a line of it is no JSON object")
    if found.get("type") == "ERROR":
        raise refusal_of(int(content.get("code", 500)), content, f"The API server ended the watch of {path}.")
    try:
        return WatchEvent(EventType(str(found.get("type"))), content)
    except ValueError as error:
        raise _unreachable("watch", path, str(error)) from error


def _parsed(data: bytes) -> Object | None:
    try:
        found = json.loads(data)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _body(method: str, path: str, answer: urllib3.BaseHTTPResponse) -> bytes:
    try:
        return answer.data
    except _BROKEN as error:
        raise _unreachable(method, path, str(error)) from error


def _seconds(header: str | None) -> float:
    return float(header) if header and header.isdecimal() else 0.0


def _unreachable(method: str, path: str, why: str) -> ClusterError:
    what = f"The API server did not answer {method} {path.partition('?')[0]}."
    return ClusterError(Reason.ServiceUnavailable, what, why=why)
