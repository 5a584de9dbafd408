"""Alerts, dashboards, collectors: only figures that there are, a runbook for each alert, files that programs read."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.docs.documents import CHECKOUT, anchors
from tests.docs.test_alerts import MONITORING, RULES, needs_promtool, promtool
from tools.measures import measures
from tre.cli.services import MODULES

RUNBOOKS = (CHECKOUT / "docs" / "runbooks.md").read_text(encoding="utf-8")
DASHBOARDS = sorted((MONITORING / "dashboards").glob("*.json"))
KNOWN = {item.name: set(item.labels) for item in measures()}
HISTOGRAMS = {item.name for item in measures() if item.kind == "histogram"}
STOCK: dict[str, set[str]] = {
    name: set() for name in ("up", "process_resident_memory_bytes", "process_cpu_seconds_total", "process_open_fds")
}
"""What Prometheus and its client make themselves."""

TARGET = {"job", "service", "instance"}
"""Labels that the collector's configuration gives."""

WORDS = {
    "by", "or", "and", "bool", "sum", "max", "min", "count", "rate", "increase", "abs", "absent", "vector",
    "histogram_quantile",
}  # fmt: skip


def expressions() -> Iterator[tuple[str, str]]:
    for rule in RULES:
        yield rule["alert"], rule["expr"]
    for path in DASHBOARDS:
        for panel in json.loads(path.read_text(encoding="utf-8"))["panels"]:
            for target in panel["targets"]:
                yield f"{path.stem}: {panel['title']}", target["expr"]


def metric(name: str) -> set[str] | None:
    """The labels of a metric, `None` where there is none of that name."""
    base = re.sub(r"_(bucket|count|sum)$", "", name)
    if base in HISTOGRAMS and base != name:
        return KNOWN[base] | ({"le"} if name.endswith("_bucket") else set())
    return STOCK.get(name, KNOWN.get(name) if name not in HISTOGRAMS else None)


def faults(expression: str) -> list[str]:
    """Names and labels in an expression that nobody makes."""
    bare = re.sub(r'"[^"]*"', '""', expression)
    bare = re.sub(r"\[[^\]]*\]", "", bare)
    found, seen = [], set(TARGET)
    for name, matchers in re.findall(
        r"\b([a-zA-Z_]\w*)\b(?!\s*\()(?:\{([^}]*)\})?", re.sub(r"\bby\s*\([^)]*\)", "", bare)
    ):
        labels = metric(name)
        if labels is None:
            found += [name] if name not in WORDS else []
            continue
        seen |= labels
        found += [
            f"{name}{{{label}}}" for label in re.findall(r"(\w+)\s*[=!]", matchers) if label not in labels | TARGET
        ]
    for grouped in re.findall(r"\bby\s*\(([^)]*)\)", bare):
        found += [f"by {label.strip()}" for label in grouped.split(",") if label.strip() not in seen]
    return found


@pytest.mark.parametrize(
    ("expression", "wrong"),
    [
        ('up{job="tre"} == 0', []),
        ("sum by (le) (rate(tre_workspace_start_seconds_bucket[1h]))", []),
        ("max(tre_nothing)", ["tre_nothing"]),
        ('tre_grants{state="x"}', ["tre_grants{state}"]),
        ("tre_workspace_start_seconds > 1", ["tre_workspace_start_seconds"]),
        ("sum by (door) (tre_grants)", ["by door"]),
    ],
)
def test_a_name_that_nobody_makes_is_found(expression: str, wrong: list[str]) -> None:
    assert faults(expression) == wrong


@pytest.mark.parametrize(("where", "expression"), list(expressions()))
def test_every_expression_uses_figures_that_there_are(where: str, expression: str) -> None:
    assert faults(expression) == [], where


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_every_alert_has_a_runbook_that_says_what_to_do(rule: dict[str, Any]) -> None:
    page, _, fragment = rule["annotations"]["runbook"].partition("#")
    assert page == "docs/runbooks.md"
    assert fragment == rule["alert"].lower()
    assert fragment in anchors(RUNBOOKS)
    section = re.split(r"^## ", RUNBOOKS, flags=re.M)
    (own,) = [text for text in section if text.startswith(rule["alert"] + "\n")]
    for part in ("**Means.**", "**Look.**", "**Do.**"):
        assert part in own, part
    assert "`" in own.partition("**Look.**")[2]


def test_no_runbook_is_left_without_its_alert() -> None:
    headings = re.findall(r"^## (Tre\w+)$", RUNBOOKS, flags=re.M)
    assert sorted(headings) == sorted(rule["alert"] for rule in RULES)


def test_every_service_of_a_machine_is_looked_at() -> None:
    read = yaml.safe_load((MONITORING / "prometheus-machine.yaml").read_text(encoding="utf-8"))
    (job,) = read["scrape_configs"]
    assert {one["labels"]["service"] for one in job["static_configs"]} == set(MODULES) - {"checker"}


@needs_promtool
@pytest.mark.parametrize("name", ["prometheus-machine.yaml", "prometheus-cluster.yaml"])
def test_prometheus_reads_the_configuration(name: str, tmp_path: Path) -> None:
    read = yaml.safe_load((MONITORING / name).read_text(encoding="utf-8"))
    for job in read["scrape_configs"]:
        if job.pop("kubernetes_sd_configs", None) is not None:  # which Debian's Prometheus is built without
            job["static_configs"] = [{"targets": ["10.0.0.1:8081"]}]
    read["rule_files"] = [str(MONITORING / file) for file in read["rule_files"]]
    path = tmp_path / name
    path.write_text(yaml.safe_dump(read), encoding="utf-8")
    done = promtool("check", "config", str(path))
    assert done.returncode == 0, done.stdout + done.stderr
