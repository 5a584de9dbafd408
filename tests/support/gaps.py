"""Holes in the walls of a workspace, each by the name of the slice it holds: what the isolation probe must notice."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tre.domain.workspaces.models import MountKind
from tre.runtimes.bubblewrap import isolation, sandbox
from tre.runtimes.init import control
from tre.system.layout import Layout

Arguments = list[str]


def _network(found: Arguments, spec: sandbox.SandboxSpec, layout: Layout) -> Arguments:
    return ["--unshare-user", "--unshare-all", "--share-net", *found[2:]]


def _slice(found: Arguments, spec: sandbox.SandboxSpec, layout: Layout) -> Arguments:
    source = next(placed.mount.source for placed in spec.mounts if placed.mount.kind is MountKind.slice)
    return [*found, "--bind", source, "/data/cxr"]


def _files(found: Arguments, spec: sandbox.SandboxSpec, layout: Layout) -> Arguments:
    return [*found[:-4], "--ro-bind", "/var/lib", "/var/lib", *found[-4:]]


def _socket(found: Arguments, spec: sandbox.SandboxSpec, layout: Layout) -> Arguments:
    place = str(layout.socket("controller").parent)
    return [*found[:-4], "--ro-bind", place, place, *found[-4:]]


def _seal(found: Arguments, spec: sandbox.SandboxSpec, layout: Layout) -> Arguments:
    made = Path(tempfile.mkdtemp(prefix="unsealed-", dir=layout.root)) / "init"
    made.parent.chmod(0o711)
    shutil.copytree(Path(sandbox.__file__).parents[1] / "init", made)
    with (made / "seal.py").open("a") as file:
        file.write("\n\ndef seal() -> None:\n    pass\n")
    return [str(made) if word == str(spec.init) else word for word in found]


GAPS: dict[str, Callable[[Arguments, sandbox.SandboxSpec, Layout], Arguments]] = {
    "network": _network,
    "slice": _slice,
    "files": _files,
    "socket": _socket,
    "seal": _seal,
}
"""The hole of a workspace whose slice has this name; every other workspace is whole."""

NO_CONTROL = "control"
"""The workspace whose control cannot run."""


def open_gaps(layout: Layout) -> None:
    """Make the holes, in this process."""
    whole, runs = sandbox.arguments, control.run

    def arguments(spec: sandbox.SandboxSpec) -> Arguments:
        sources = [placed.mount.source for placed in spec.mounts if placed.mount.kind is MountKind.slice]
        gap = GAPS.get(Path(sources[0]).name.removeprefix("s-"))
        return whole(spec) if gap is None else gap(whole(spec), spec, layout)

    def run(targets: list[dict[str, Any]], seconds: float) -> list[dict[str, Any]]:
        if any(f"w-{NO_CONTROL}" in str(target.get("path")) for target in targets):
            raise control.ControlError("no namespaces for the control")
        return runs(targets, seconds)

    sandbox.arguments = arguments
    isolation.control.run = run  # type: ignore[assignment]
