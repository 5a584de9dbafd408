"""The allow-list and the one spelling of an address."""

from __future__ import annotations

from urllib.parse import quote, unquote

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tre.domain.errors import Reason
from tre.gateway.paths import LONGEST_TARGET, Kind, canonical_path, permitted
from tre.gateway.refusals import RefusedError
from tre.gateway.upstream import exact_url

U = "0f3a9b1c-1111-4222-8333-444455556666"

BYPASSES = [
    "/./files/x",
    "/x/../files/x",
    "/lab/%2e%2e/files/x",
    "/static/../files/x",
    "/static/lab/..%2f..%2ffiles/x",
    "/lab/tree/%252e%252e/files/x",
]
"""The six spellings that a filter on the raw path was once seen to let through to `/files`."""


@pytest.mark.parametrize("target", BYPASSES)
def test_known_bypasses_are_refused(target: str) -> None:
    with pytest.raises(RefusedError) as caught:
        permitted("GET", target)
    assert (caught.value.status, caught.value.reason) == (403, Reason.NotPermitted)


@pytest.mark.parametrize(
    "target",
    [
        "/lab\\..\\files",
        "/lab%5c..%5cfiles",
        "/lab//tree",
        "//lab",
        "/lab%00",
        "/lab%0d%0aX:y",
        "/lab/tree/%e2%80%ae",
        "/lab/tree/%ff",
        "/lab/tree/%",
        "/lab/tree/%zz",
        "/lab#x",
        "http://elsewhere/lab",
        "lab",
        "",
        "/lab/tree/a?x=\x7f",
        "/lab?x=%g1",
        "/api/contents/" + "a" * LONGEST_TARGET,
    ],
)
def test_malformed_addresses_are_refused(target: str) -> None:
    with pytest.raises(RefusedError):
        permitted("GET", target)


@pytest.mark.parametrize(
    ("method", "target"),
    [
        ("GET", "/files/data.csv"),
        ("GET", "/files/data.csv?download=1"),
        ("GET", "/nbconvert/html/a.ipynb"),
        ("POST", "/nbconvert/html"),
        ("GET", "/view/a.html"),
        ("GET", "/proxy/8080/"),
        ("GET", "/proxy/absolute/8080/"),
        ("GET", "/lsp/status"),
        ("GET", "/metrics"),
        ("GET", "/custom/custom.js"),
        ("GET", "/nbextensions/x.js"),
        ("GET", "/api/spec.yaml"),
        ("GET", "/api/status"),
        ("POST", "/api/shutdown"),
        ("GET", "/lab/api/build"),
        ("GET", "/lab/api/extensions"),
        ("POST", "/lab/api/settings/x"),
        ("GET", "/login"),
        ("HEAD", "/api/contents/a"),
        ("OPTIONS", "/api/contents"),
        ("GET", f"/api/kernels/{U}/channels"),
        ("GET", "/api/events/subscribe"),
        ("POST", "/api/events"),
        ("GET", "/api/collaboration/room/x"),
        ("GET", "/api/kernels/../contents"),
        ("GET", "/labx"),
        ("GET", "/kernelspecs/python3/kernel.js"),
    ],
)
def test_what_is_not_listed_is_refused(method: str, target: str) -> None:
    with pytest.raises(RefusedError):
        permitted(method, target)


@pytest.mark.parametrize(
    ("method", "target", "kind"),
    [
        ("GET", "/lab", Kind.page),
        ("GET", "/lab/tree/notes/a%20b.ipynb?factory=Editor", Kind.page),
        ("GET", "/lab/workspaces/auto-x", Kind.page),
        ("GET", "/static/lab/main.1234.js?v=1", Kind.static),
        ("GET", "/lab/extensions/@jupyter-widgets/jupyterlab-manager/static/remoteEntry.js", Kind.static),
        ("GET", "/lab/api/themes/@jupyterlab/theme-light-extension/index.css", Kind.static),
        ("GET", "/kernelspecs/python3/logo-svg.svg", Kind.static),
        ("GET", "/api/contents?content=1", Kind.file),
        ("GET", "/api/contents/a/b/checkpoints", Kind.file),
        ("PUT", "/api/contents/a.ipynb", Kind.interface),
        ("GET", "/lab/api/settings/@jupyterlab/apputils-extension:themes", Kind.interface),
        ("PUT", "/lab/api/workspaces/default", Kind.interface),
        ("POST", f"/api/kernels/{U}/interrupt", Kind.interface),
        ("PATCH", f"/api/sessions/{U}", Kind.interface),
        ("DELETE", "/api/terminals/1", Kind.interface),
    ],
)
def test_what_the_lab_needs_is_permitted(method: str, target: str, kind: Kind) -> None:
    assert permitted(method, target).kind is kind


@pytest.mark.parametrize("target", [f"/api/kernels/{U}/channels?session_id=x", "/terminals/websocket/1"])
def test_websockets_are_permitted_as_websockets_only(target: str) -> None:
    assert permitted("GET", target, websocket=True).kind is Kind.socket
    with pytest.raises(RefusedError):
        permitted("GET", target)


def test_a_page_cannot_be_asked_for_by_websocket() -> None:
    with pytest.raises(RefusedError):
        permitted("GET", "/api/contents/a", websocket=True)


def test_the_file_of_a_contents_address_is_named() -> None:
    assert permitted("GET", "/api/contents/a/b%20c.csv?content=1").file == "a/b c.csv"


_ALPHABET = [
    "/",
    "..",
    ".",
    "%2e",
    "%2E",
    "%2f",
    "%5c",
    "\\",
    "%25",
    "%00",
    "files",
    "lab",
    "static",
    "tree",
    "api",
    "contents",
    "?",
    ";",
    "a",
    "%20",
    "é",
    "%c3%a9",
    "//",
    "%252e",
    "#",
    "@",
    "%e2%80%8b",
]
_PIECES = st.lists(st.sampled_from([*_ALPHABET, " ", "\t"]), max_size=12).map(lambda pieces: "/" + "".join(pieces))


@settings(max_examples=800, deadline=None)
@given(target=st.one_of(_PIECES, st.text(max_size=60)))
@example(target="/lab/%2e%2e/files/x")
def test_what_is_sent_on_is_what_was_matched(target: str) -> None:
    """Decoded by any server, once, the bytes sent on are the path that the allow-list saw, and stay where they are."""
    try:
        address = permitted("GET", target)
    except RefusedError:
        return
    sent = exact_url(address.target).raw_path_qs
    assert sent == address.target
    path = sent.partition("?")[0]
    assert unquote(path, errors="strict") == address.path
    assert not {".", "..", ""} & set(address.path[1:].split("/")[:-1])
    assert address.path.split("/")[-1] not in {".", ".."}
    assert "%" not in address.path
    assert "\\" not in address.path
    assert address.path.isprintable()
    assert address.path.split("/")[1] in {"lab", "static", "api", "kernelspecs"}


@settings(max_examples=300, deadline=None)
@given(name=st.text(min_size=1, max_size=40))
def test_a_file_of_any_ordinary_name_can_be_opened(name: str) -> None:
    """Refused are exactly the names with a percent sign, a separator or an invisible character, and dot names."""
    ordinary = name.isprintable() and not set(name) & set("%/\\") and name not in {".", ".."}
    try:
        target = "/api/contents/" + quote(name, safe="")
    except UnicodeEncodeError:
        return  # a lone surrogate has no bytes
    if ordinary:
        assert permitted("GET", target).file == name
    elif "/" not in name:
        with pytest.raises(RefusedError):
            permitted("GET", target)


@given(raw=st.text(max_size=80))
def test_a_canonical_path_is_a_fixed_point(raw: str) -> None:
    try:
        path = canonical_path(raw)
    except RefusedError:
        return
    assert canonical_path(quote(path, safe="/")) == path
