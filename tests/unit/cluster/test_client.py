"""The client against a server that answers as told: errors in the launcher's words, time limits, clocks, streams."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml

from tre.cluster.client import KubernetesClient, Limits, check_skew, check_version, connect
from tre.cluster.protocol import ClusterError, EventType, Key, Kind, Selector, WatchExpiredError
from tre.domain.errors import Reason, TREError

KIND = Kind("", "v1", "ConfigMap", "configmaps")
KEY = Key("tre", "a")
Answer = Callable[[BaseHTTPRequestHandler], None]


class Server:
    """Answers each request by the function that is set."""

    def __init__(self) -> None:
        self.answer: Answer = lambda handler: say(handler, 200, {})
        self.requests: list[tuple[str, str]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_any(self) -> None:
                outer.requests.append((self.command, self.path))
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                outer.answer(self)

            do_GET = do_POST = do_PATCH = do_DELETE = handle_any  # noqa: N815 - its names

            def log_message(self, *_arguments: object) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def kubeconfig(self, path: Path, **cluster: object) -> Path:
        """A kubeconfig that names this server."""
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "c",
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
            "clusters": [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{self.server.server_port}"} | cluster}],
            "users": [{"name": "u", "user": {"token": "secret"}}],
        }
        path.write_text(yaml.safe_dump(config))
        return path


def say(handler: BaseHTTPRequestHandler, code: int, content: object, **headers: str) -> None:
    """One JSON answer."""
    data = json.dumps(content).encode()
    handler.send_response(code)
    for name, value in {"Content-Length": str(len(data)), **headers}.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    handler.wfile.write(data)


def stream(*parts: bytes) -> Answer:
    """A stream of these chunks, which then ends."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        for part in (*parts, b""):
            handler.wfile.write(f"{len(part):x}\r\n".encode() + part + b"\r\n")
            handler.wfile.flush()

    return answer


@pytest.fixture
def server() -> Iterator[Server]:
    found = Server()
    yield found
    found.server.shutdown()
    found.server.server_close()


@pytest.fixture
def client(server: Server, tmp_path: Path) -> Iterator[KubernetesClient]:
    found = connect(server.kubeconfig(tmp_path / "config"), Limits(0.5, 0.5, 0.5, 0.5))
    yield found
    found.close()


@pytest.mark.parametrize(
    ("code", "status", "reason"),
    [
        (400, {}, Reason.BadInput),
        (401, {}, Reason.NotPermitted),
        (403, {"message": "not yours"}, Reason.NotPermitted),
        (409, {}, Reason.Conflict),
        (409, {"reason": "AlreadyExists"}, Reason.AlreadyExists),
        (410, {}, Reason.StreamStale),
        (422, {}, Reason.BadInput),
        (429, {}, Reason.RateLimited),
        (500, {}, Reason.ServiceUnavailable),
        (302, {}, Reason.ServiceUnavailable),
    ],
)
def test_each_refusal_has_its_word(
    server: Server, client: KubernetesClient, code: int, status: dict[str, str], reason: Reason
) -> None:
    server.answer = lambda handler: say(handler, code, status, Retry_After="7", Location="http://127.0.0.1:1/")
    with pytest.raises(ClusterError) as caught:
        client.get(KIND, KEY)
    assert (caught.value.reason, caught.value.code, caught.value.retry_after) == (reason, code, 7.0)
    assert caught.value.why == status.get("message", "")
    assert isinstance(caught.value, WatchExpiredError) == (code == 410)
    assert len(server.requests) == 1  # nothing is repeated, no redirection followed


def test_a_server_that_hangs_is_given_up(server: Server, client: KubernetesClient) -> None:
    over = threading.Event()
    server.answer = lambda _handler: over.wait(20) and None
    begun = time.monotonic()
    with pytest.raises(ClusterError) as caught:
        client.get(KIND, KEY)
    assert caught.value.reason is Reason.ServiceUnavailable
    assert time.monotonic() - begun < 5
    over.set()


def test_a_server_that_is_not_there(server: Server, client: KubernetesClient) -> None:
    server.server.shutdown()
    server.server.server_close()
    with pytest.raises(ClusterError) as caught:
        client.list(KIND, "tre")
    assert (caught.value.reason, caught.value.code) == (Reason.ServiceUnavailable, 0)


@pytest.mark.parametrize("body", [b"<html>", b"[]"])
def test_what_is_no_object_is_no_answer(server: Server, client: KubernetesClient, body: bytes) -> None:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    server.answer = answer
    with pytest.raises(ClusterError) as caught:
        client.get(KIND, KEY)
    assert caught.value.reason is Reason.ServiceUnavailable


def line(kind: str, version: int = 5, **more: object) -> bytes:
    content = {"metadata": {"name": "ä", "resourceVersion": str(version)}, **more}
    return json.dumps({"type": kind, "object": content}, ensure_ascii=False).encode() + b"\n"


def test_lines_are_put_together_from_any_pieces(server: Server, client: KubernetesClient) -> None:
    whole = line("ADDED", 5) + line("BOOKMARK", 6) + line("DELETED", 7)
    server.answer = stream(*(whole[start : start + 7] for start in range(0, len(whole), 7)))
    with client.watch(KIND, "tre", 4) as events:
        found = [(event.type, event.object["metadata"]["resourceVersion"]) for event in events]
    assert found == [(EventType.ADDED, "5"), (EventType.BOOKMARK, "6"), (EventType.DELETED, "7")]
    assert "allowWatchBookmarks=true" in server.requests[0][1]
    assert "resourceVersion=4" in server.requests[0][1]


@pytest.mark.parametrize(
    ("last", "reason", "expired"),
    [
        (line("ERROR", code=410, message="too old"), Reason.StreamStale, True),
        (line("ERROR", code=500), Reason.ServiceUnavailable, False),
        (b"nonsense\n", Reason.ServiceUnavailable, False),
        (b'{"type": "ADDED"}\n', Reason.ServiceUnavailable, False),
        (line("RENAMED"), Reason.ServiceUnavailable, False),
    ],
)
def test_a_stream_that_goes_wrong_says_so_after_what_was_good(
    server: Server, client: KubernetesClient, last: bytes, reason: Reason, expired: bool
) -> None:
    server.answer = stream(line("ADDED"), last)
    seen = []
    with pytest.raises(ClusterError) as caught, client.watch(KIND, "tre", 4) as events:
        seen.extend(event.type for event in events)
    assert (caught.value.reason, isinstance(caught.value, WatchExpiredError)) == (reason, expired)


@pytest.mark.parametrize(("shift", "within"), [(0.0, True), (3600.0, False), (-3600.0, False)])
def test_clocks_are_compared_by_every_answer(
    server: Server, client: KubernetesClient, shift: float, within: bool
) -> None:
    client._clock = lambda: time.time() + shift
    client.get(KIND, KEY)
    assert abs(client.skew() + shift) < 2.0
    if within:
        check_skew(client, 5.0)
        return
    with pytest.raises(TREError) as caught:
        check_skew(client, 5.0)
    assert caught.value.reason is Reason.ClockOutOfStep


def test_an_answer_without_a_date_changes_nothing(server: Server, client: KubernetesClient) -> None:
    client._compare_clocks("yesterday", 0.0, 1.0)
    client._compare_clocks(None, 0.0, 1.0)
    assert client.skew() == 0.0


def test_who_does_not_check_whom_it_speaks_with_is_refused(server: Server, tmp_path: Path) -> None:
    path = server.kubeconfig(tmp_path / "unsafe", **{"insecure-skip-tls-verify": True})
    with pytest.raises(TREError) as caught:
        connect(path)
    assert caught.value.reason is Reason.SetupIncomplete


def test_without_a_way_to_the_server_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    for path in (None, tmp_path / "none"):
        with pytest.raises(TREError) as caught:
            connect(path)
        assert caught.value.reason is Reason.SetupIncomplete
        assert caught.value.remedy


def test_a_log_is_asked_for_in_bounds_and_comes_as_text(server: Server, client: KubernetesClient) -> None:
    server.answer = stream(b"first\n", "zweite ä\n".encode(), b"\xff\n")
    assert client.log(KEY, "door", 7) == "first\nzweite ä\n\ufffd\n"
    method, path = server.requests[-1]
    assert method == "GET"
    assert path.startswith("/api/v1/namespaces/tre/pods/a/log?")
    assert {"container=door", "tailLines=7", "limitBytes=1048576"} <= set(path.partition("?")[2].split("&"))


def test_a_patch_goes_out_as_a_merge_patch(server: Server, client: KubernetesClient) -> None:
    types: list[str] = []

    def answer(handler: BaseHTTPRequestHandler) -> None:
        types.append(handler.headers["Content-Type"])
        say(handler, 200, {"kind": "ConfigMap"})

    server.answer = answer
    assert client.patch(KIND, KEY, {"data": None}) == {"kind": "ConfigMap"}
    assert types == ["application/merge-patch+json"]


def test_a_watch_can_be_of_some_only(server: Server, client: KubernetesClient) -> None:
    server.answer = stream(b"")
    with client.watch(KIND, "", 5, Selector(labels="a=b", fields="x=y")) as events:
        assert list(events) == []
    asked = server.requests[-1][1]
    assert "labelSelector=a%3Db" in asked
    assert "fieldSelector=x%3Dy" in asked


@pytest.mark.parametrize(("minor", "found"), [("37", (1, 37)), ("35+", (1, 35))])
def test_the_servers_version_is_read_as_providers_write_it(
    server: Server, client: KubernetesClient, minor: str, found: tuple[int, int]
) -> None:
    server.answer = lambda handler: say(handler, 200, {"major": "1", "minor": minor})
    assert client.version() == found
    check_version(client, (1, 35))
    with pytest.raises(TREError, match="oldest supported"):
        check_version(client, (1, 99))


def test_a_server_that_tells_no_version_is_none(server: Server, client: KubernetesClient) -> None:
    server.answer = lambda handler: say(handler, 200, {"major": "one"})
    with pytest.raises(ClusterError, match=r"did not answer") as caught:
        client.version()
    assert caught.value.reason is Reason.ServiceUnavailable


def listing(*names: str, **metadata: str) -> bytes:
    return json.dumps({"items": [{"metadata": {"name": name}} for name in names], "metadata": metadata}).encode()


def test_a_list_that_breaks_off_is_no_list_and_is_asked_for_in_parts_then(
    server: Server, client: KubernetesClient
) -> None:
    whole = listing("a", "b", resourceVersion="7")
    server.answer = stream(whole[:20], whole[20:])
    found = client.list(KIND, "tre")
    assert (found.version, [item["kind"] for item in found.items]) == (7, ["ConfigMap", "ConfigMap"])
    server.answer = stream(whole[:20], whole[20:-1])
    with pytest.raises(ClusterError, match="did not answer") as caught:
        client.list(KIND, "tre")
    assert caught.value.reason is Reason.ServiceUnavailable
    parts = {"": listing("a", resourceVersion="7", **{"continue": "more"}), "more": listing("b", resourceVersion="7")}
    server.answer = lambda handler: stream(parts["more" if "continue=more" in handler.path else ""])(handler)
    server.requests.clear()
    assert [item["metadata"]["name"] for item in client.list(KIND, "tre").items] == ["a", "b"]
    assert all("limit=500" in path for _verb, path in server.requests)
    assert len(server.requests) == 2
    server.answer, server.requests[:] = stream(whole), []
    assert client.list(KIND, "tre").version == 7
    assert "limit" not in server.requests[0][1]
