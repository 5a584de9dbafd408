"""The chart as helm renders it, for values of a test's choice."""

from __future__ import annotations

import contextlib
import functools
import json
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cluster.harness.basics import CannotRunError
from tests.cluster.harness.programs import HELM, Programs

Object = dict[str, Any]
CHART = Path(__file__).resolve().parents[3] / "helm" / "tre"
NAMESPACE = "tre-system"
DIGESTS = {name: "sha256:" + mark * 64 for name, mark in (("tre", "1"), ("workspace", "2"), ("postgres", "3"))}

LEAST: Object = {
    "base": "tre.example.org",
    "images": {
        "tre": {"repository": "localhost/tre", "digest": DIGESTS["tre"]},
        "workspace": {"repository": "localhost/workspace", "digest": DIGESTS["workspace"]},
    },
    "database": {"url": "postgresql://db.example.org/tre?sslmode=verify-full"},
    "storage": {name: {"hostPath": f"/srv/{name}"} for name in ("data", "work", "vault")},
}
"""The least that an installation must say."""


def merged(first: Object, second: Object) -> Object:
    """Values over values, as helm does it."""
    found = dict(first)
    for key, value in second.items():
        both = isinstance(value, dict) and isinstance(found.get(key), dict)
        found[key] = merged(found[key], value) if both else value
    return found


@functools.cache
def helm_program() -> str | None:
    """The program helm: built with the cluster, or the one in the path."""
    with contextlib.suppress(CannotRunError):
        built = Programs.found().folder(HELM) / "helm"
        if built.exists():
            return str(built)
    return shutil.which("helm")


@functools.cache
def _rendered(values: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    program = helm_program()
    assert program is not None
    with tempfile.TemporaryDirectory() as home:
        path = Path(home) / "values.yaml"
        path.write_text(values)
        return subprocess.run(
            [program, *arguments, str(CHART), "--values", str(path), "--namespace", NAMESPACE],
            capture_output=True,
            text=True,
            check=False,
            env={"HOME": home, "PATH": "/usr/bin:/bin"},
        )


@functools.cache
def _parsed(text: str) -> tuple[Object, ...]:
    """Read by the C parser: there are thousands of lines for each row of the matrix. Nobody changes what comes out."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return tuple(one for one in yaml.load_all(text, Loader=loader) if one)


class Chart:
    """What helm says of the chart."""

    def run(self, changes: Object, *arguments: str, least: Object = LEAST) -> subprocess.CompletedProcess[str]:
        """Run helm with the least values and these changes."""
        return _rendered(json.dumps(merged(least, changes)), *arguments)

    def objects(self, changes: Object | None = None) -> list[Object]:
        """Everything that would be installed, hooks and tests included."""
        done = self.run(changes or {}, "template", "tre")
        assert done.returncode == 0, done.stderr
        return list(_parsed(done.stdout))

    def refusal(self, changes: Object, least: Object = LEAST) -> str:
        """Why helm would not install this."""
        done = self.run(changes, "template", "tre", least=least)
        assert done.returncode != 0
        return done.stderr


@pytest.fixture(scope="session")
def chart() -> Chart:
    """The chart, where helm is there."""
    if helm_program() is None:
        pytest.skip("helm is neither built (make cluster) nor in the path")
    return Chart()


def named(objects: list[Object], kind: str) -> dict[str, Object]:
    """The objects of a kind by name."""
    return {one["metadata"]["name"]: one for one in objects if one["kind"] == kind}


def pods(objects: list[Object]) -> dict[str, Object]:
    """The pod (metadata and spec) that each workload makes, by the workload's name."""
    found = dict(named(objects, "Pod"))
    for kind in ("Deployment", "StatefulSet", "Job"):
        found |= {name: one["spec"]["template"] for name, one in named(objects, kind).items()}
    return found


def containers(pod: Object) -> list[Object]:
    """Every container of a pod."""
    return [*pod["spec"].get("initContainers", []), *pod["spec"]["containers"]]
