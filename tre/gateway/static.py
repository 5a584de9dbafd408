"""JupyterLab's own files, from the gateway's copy and never from a workspace.

Guarantees: what the browser runs as JupyterLab is what was installed, whatever a workspace would like it to run;
the list of files is read once, and an address either is on it, exactly, or is nothing: no path is ever joined.
Compressible files are compressed once and kept (about 5 MB for JupyterLab 4.6). Files whose name holds a hash of
their content are kept by the browser for a year; others are asked for again by entity tag.

Does not guarantee: that kernels and extensions inside the workspace are of the same version.
"""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from tre.domain.errors import Reason, TREError
from tre.gateway.refusals import RefusedError

_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".eot": "application/vnd.ms-fontobject",
    ".gif": "image/gif",
    ".ico": "image/x-icon",
    ".jpg": "image/jpeg",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".map": "application/json",
    ".mjs": "text/javascript; charset=utf-8",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".ttf": "font/ttf",
    ".txt": "text/plain; charset=utf-8",
    ".wasm": "application/wasm",
    ".woff": "font/woff",
    ".woff2": "font/woff2",
}
"""File types that are served; what has another extension is not."""

_COMPRESSIBLE = frozenset({".css", ".js", ".json", ".map", ".mjs", ".svg", ".ttf", ".txt", ".wasm"})
_HASHED = re.compile(r"[.-]?[0-9a-f]{16,64}\.[a-z0-9]+$")
_LARGEST = 32 * 2**20


@dataclass
class _File:
    path: Path
    type: str
    body: bytes | None = None
    packed: bytes | None = None
    tag: str = ""


class StaticFiles:
    """Every file that a Lab page may load as part of JupyterLab itself."""

    def __init__(self, environment: Path) -> None:
        share = environment / "share" / "jupyter"
        if not (share / "lab" / "static").is_dir():
            raise TREError(
                Reason.SetupIncomplete,
                f"{environment} holds no JupyterLab.",
                remedy="Run `make setup`, or set workspaceEnvironment in tre.yaml.",
            )
        self._files: dict[str, _File] = {}
        self._add("/static/lab/", share / "lab" / "static", "**/*")
        self._add("/lab/api/themes/", share / "lab" / "themes", "**/*")
        self._add("/lab/extensions/", share / "labextensions", "**/*")
        self._add("/kernelspecs/", share / "kernels", "*/logo-*")
        for server in environment.glob("lib/python3*/site-packages/jupyter_server/static/favicons"):
            self._add("/static/favicons/", server, "*")

    def __len__(self) -> int:
        """How many addresses there are."""
        return len(self._files)

    def __contains__(self, path: str) -> bool:
        """Whether there is a file at an address."""
        return path in self._files

    def addresses(self) -> tuple[str, ...]:
        """Every address that is served."""
        return tuple(self._files)

    async def serve(self, request: web.BaseRequest, path: str, headers: Mapping[str, str]) -> web.StreamResponse:
        """The file at a decoded address. Raises `RefusedError` (404) where there is none."""
        file = self._files.get(path)
        if file is None:
            raise RefusedError(404, Reason.NotPermitted, "JupyterLab has no such file.")
        if file.body is None:
            await asyncio.to_thread(_load, file)
        lasting = _HASHED.search(path) is not None
        shown = {
            **headers,
            "Content-Type": file.type,
            "ETag": file.tag,
            "Vary": "Accept-Encoding",
            "Cache-Control": "private, max-age=31536000, immutable" if lasting else "private, no-cache",
        }
        if request.headers.get("If-None-Match") == file.tag:
            return web.Response(status=304, headers=shown)
        packed = file.packed if "gzip" in request.headers.get("Accept-Encoding", "") else None
        if packed is not None:
            shown["Content-Encoding"] = "gzip"
        return web.Response(headers=shown, body=packed or file.body)

    def _add(self, prefix: str, folder: Path, pattern: str) -> None:
        for path in folder.glob(pattern):
            kind = _TYPES.get(path.suffix)
            if kind is not None and path.is_file() and path.stat().st_size <= _LARGEST:
                self._files[prefix + path.relative_to(folder).as_posix()] = _File(path, kind)


def _load(file: _File) -> None:
    body = file.path.read_bytes()
    if file.path.suffix in _COMPRESSIBLE and len(body) > 512:
        packed = gzip.compress(body, compresslevel=6, mtime=0)
        file.packed = packed if len(packed) < len(body) else None
    file.tag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    file.body = body
