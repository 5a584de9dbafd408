"""Writes the guards of `policies/kubernetes/` in the forms in which clusters take them, and the page about them.

    .venv/bin/python tools/render_guards.py [--check] [--namespace NAME] [--output DIRECTORY]

Guarantees: the chart's templates and the files for the API server's own disk come from one source; with `--check`
nothing is written, each file that is out of date is named, and the exit code is 1. `--namespace` and `--output`
render the files for a controller that lives elsewhere than in `tre-system`.

Does not guarantee: that a cluster has them in force.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import guards
import yaml

KUBERNETES = guards.CHECKOUT / "policies" / "kubernetes"
STATIC = KUBERNETES / "static"
TEMPLATES = guards.CHECKOUT / "helm" / "tre" / "templates"
ROLES = KUBERNETES / "roles.yaml"
FLOOR = KUBERNETES / "floor.yaml"
PAGE = guards.CHECKOUT / "docs" / "kubernetes.md"
TABLE = guards.CHECKOUT / "tests" / "assets" / "kubernetes" / "forbidden.yaml"
BEGIN, END = "<!-- rules: made by tools/render_guards.py -->\n", "<!-- end of rules -->\n"
NAMESPACE = "tre-system"
ACCOUNT = "tre-controller"
NOTICE = "# Made by tools/render_guards.py from policies/kubernetes/. Do not edit.\n"


def controller(namespace: str) -> str:
    """The user that the controller is for the API server."""
    return f"system:serviceaccount:{namespace}:{ACCOUNT}"


def documents(rendering: guards.Rendering, guard: guards.Guard) -> str:
    """A policy and its binding as YAML."""
    objects = [guards.policy(guard, rendering), guards.binding(guard, rendering)]
    return "---\n".join(yaml.safe_dump(one, sort_keys=False, width=110) for one in objects)


def static(namespace: str = NAMESPACE) -> dict[str, str]:
    """Files for `staticManifestsDir`: in force from the first request on, and out of reach of the API."""
    rendering = guards.Rendering(controller(namespace), suffix=guards.STATIC_SUFFIX)
    return {f"{guard.name}.yaml": NOTICE + documents(rendering, guard) for guard in guards.load()}


def templates() -> dict[str, str]:
    """The chart's templates. The release's namespace is the one thing that Helm fills in."""
    rendering = guards.Rendering(controller("RELEASE-NAMESPACE"))
    policies = "---\n".join(documents(rendering, guard) for guard in guards.load())
    parts = {
        "guards.yaml": ("guards.policies", policies),
        "roles.yaml": ("guards.roles", ROLES.read_text("utf-8")),
        "floor.yaml": ("guards.clusterNetworkPolicy", FLOOR.read_text("utf-8")),
    }
    return {name: _template(condition, text) for name, (condition, text) in parts.items()}


def _template(condition: str, text: str) -> str:
    if "{{" in text:
        raise SystemExit("a guard's text must not hold {{: Helm would read it")
    body = text.replace("RELEASE-NAMESPACE", "{{ .Release.Namespace }}").strip()
    return f"{NOTICE}{{{{- if .Values.{condition} }}}}\n{body}\n{{{{- end }}}}\n"


def page(text: str) -> str:
    """The page with its tables made anew: rule, what breaks without it, what was tried."""
    before, _, rest = text.partition(BEGIN)
    after = rest.partition(END)[2]
    attempts: dict[str, list[str]] = {}
    for row in yaml.safe_load(TABLE.read_text("utf-8")):
        for name in row["guards"]:
            attempts.setdefault(name, []).append(row["name"])
    parts = []
    for guard in guards.load():
        lines = [f"\n### {guard.name}\n\n{guard.about}\n", "| rule | says | without it | tried |", "|---|---|---|---|"]
        for rule in guard.rules:
            tried = "; ".join(attempts[guards.identifier(guard, rule)])
            lines.append(f"| `{rule.id}` | {rule.message} | {rule.without} | {tried} |")
        parts.append("\n".join(lines) + "\n")
    return f"{before}{BEGIN}{''.join(parts)}\n{END}{after}"


def wanted() -> dict[Path, str]:
    """Every file that the checkout holds, and what it must say."""
    found = {STATIC / name: text for name, text in static().items()}
    found[PAGE] = page(PAGE.read_text("utf-8"))
    return found | {TEMPLATES / name: text for name, text in templates().items()}


def write(files: dict[Path, str]) -> None:
    """Write files, making their directories."""
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        print(f"wrote {path}")


def main() -> int:
    """Writes or compares; returns the exit code."""
    parser = argparse.ArgumentParser(description="Writes the guards in the forms in which clusters take them.")
    parser.add_argument("--check", action="store_true", help="write nothing; name what is out of date")
    parser.add_argument("--namespace", default=NAMESPACE, help="where the controller lives")
    parser.add_argument("--output", type=Path, help="write the files for the API server's disk here")
    options = parser.parse_args()
    if options.output is not None:
        write({options.output / name: text for name, text in static(options.namespace).items()})
        return 0
    if options.namespace != NAMESPACE:
        parser.error("--namespace needs --output: the checkout's own files are those of tre-system")
    files = wanted()
    unknown = set(STATIC.glob("*.yaml")) - files.keys()
    stale = [path for path, text in files.items() if not path.is_file() or path.read_text("utf-8") != text]
    if options.check:
        for path in [*stale, *unknown]:
            print(f"{path.relative_to(guards.CHECKOUT)} does not say what its source says: tools/render_guards.py")
        return 1 if stale or unknown else 0
    for path in unknown:
        path.unlink()
    write({path: files[path] for path in stale})
    return 0


if __name__ == "__main__":
    sys.exit(main())
