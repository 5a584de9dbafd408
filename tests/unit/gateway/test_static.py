"""JupyterLab's files from the gateway's own copy."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from aiohttp.test_utils import make_mocked_request

from tests.unit.gateway.real_lab import LAB_MISSING
from tests.unit.gateway.world import ENVIRONMENT
from tre.domain.errors import TREError
from tre.gateway.refusals import RefusedError
from tre.gateway.static import StaticFiles

SCRIPT = "/static/lab/main.0123456789abcdef.js"


@pytest.fixture
def environment(tmp_path: Path) -> Path:
    share = tmp_path / "share" / "jupyter"
    for name, text in {
        "lab/static/main.0123456789abcdef.js": "let a = 1;\n" * 200,
        "lab/static/index.html": "<script>",
        "lab/static/style.css": "a{}",
        "labextensions/@x/y/static/remoteEntry.js": "1",
        "kernels/python3/logo-64x64.png": "png",
        "kernels/python3/kernel.json": "{}",
        "lab/settings/overrides.json": "{}",
    }.items():
        path = share / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (tmp_path / "share" / "secret.js").write_text("secret")
    return tmp_path


async def get(files: StaticFiles, path: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
    request = make_mocked_request("GET", path, headers={name.replace("_", "-"): v for name, v in headers.items()})
    answer = await files.serve(request, path, {"X-Ours": "1"})
    return answer.status, dict(answer.headers), answer.body or b""  # type: ignore[attr-defined]


async def test_a_file_is_served_compressed_where_that_is_understood(environment: Path) -> None:
    files = StaticFiles(environment)
    _, plain_headers, plain = await get(files, SCRIPT)
    _, packed_headers, packed = await get(files, SCRIPT, Accept_Encoding="br, gzip")
    assert gzip.decompress(packed) == plain == b"let a = 1;\n" * 200
    assert ("Content-Encoding" in plain_headers, packed_headers["Content-Encoding"]) == (False, "gzip")
    assert plain_headers["X-Ours"] == "1"
    assert plain_headers["Content-Type"] == "text/javascript; charset=utf-8"


async def test_hashed_names_last_and_others_are_asked_again(environment: Path) -> None:
    files = StaticFiles(environment)
    _, lasting, _ = await get(files, SCRIPT)
    _, short, _ = await get(files, "/static/lab/style.css")
    assert "immutable" in lasting["Cache-Control"]
    assert short["Cache-Control"] == "private, no-cache"
    status, _, body = await get(files, "/static/lab/style.css", If_None_Match=short["ETag"])
    assert (status, body) == (304, b"")


@pytest.mark.parametrize(
    "path",
    [
        "/static/lab/index.html",
        "/static/lab/none.js",
        "/static/lab/../../../secret.js",
        "/static/lab/",
        "/kernelspecs/python3/kernel.json",
        "/lab/settings/overrides.json",
        "/secret.js",
    ],
)
async def test_what_is_not_on_the_list_is_nothing(environment: Path, path: str) -> None:
    files = StaticFiles(environment)
    assert "/lab/extensions/@x/y/static/remoteEntry.js" in files
    with pytest.raises(RefusedError) as caught:
        await get(files, path)
    assert caught.value.status == 404


def test_an_environment_without_jupyterlab_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TREError):
        StaticFiles(tmp_path)


@LAB_MISSING
def test_the_installed_jupyterlab_is_found() -> None:
    files = StaticFiles(ENVIRONMENT)
    assert len(files) > 300
    assert "/static/favicons/favicon.ico" in files
    assert "/kernelspecs/python3/logo-svg.svg" in files
    assert any(path.startswith("/lab/api/themes/@jupyterlab/theme-light-extension/") for path in files.addresses())
