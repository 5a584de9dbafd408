"""Writes the Grafana dashboards of monitoring/dashboards/ from the tables below; run by `make docs`.

A chart reads no file outside itself, so they and monitoring/alerts.yaml are written into helm/tre/files/, too.

Guarantees: the same tables give the same bytes; `--check` writes nothing and names what is out of date. Every figure is
one that the launcher makes (`tests/docs/test_monitoring.py`), and none names anybody.

Does not guarantee: anything about Grafana, which is not part of the launcher: nothing here starts one.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any, NamedTuple

CHECKOUT = Path(__file__).resolve().parents[1]
MONITORING, CHART = CHECKOUT / "monitoring", CHECKOUT / "helm" / "tre" / "files"
_SOURCE = {"type": "prometheus", "uid": "${datasource}"}
_WIDTH, _HEIGHT, _ACROSS = 8, 7, 3


class Panel(NamedTuple):
    """One panel: queries with what each line is called. With a bound it is one number, red from the bound on."""

    title: str
    queries: tuple[tuple[str, str], ...]
    unit: str = "short"
    bound: float | None = None


def _quantile(share: float, metric: str, by: str = "le") -> str:
    return f"histogram_quantile({share}, sum by ({by}) (rate({metric}_bucket[$__rate_interval])))"


def _ways(metric: str) -> tuple[tuple[str, str], ...]:
    return (_quantile(0.5, metric), "half within"), (_quantile(0.95, metric), "95 % within")


OVERVIEW = (
    Panel("Services that do not answer", (('count(up{job="tre"} == 0) or vector(0)', ""),), bound=1),
    Panel("Checks that fail", (("sum(max by (service, check) (tre_check_failing)) or vector(0)", ""),), bound=1),
    Panel("Conditions that are missing", (("sum(max by (service, check) (tre_not_ready)) or vector(0)", ""),), bound=1),
    Panel("Workspaces that should have ended", (("max(tre_workspaces_overdue)", ""),), bound=1),
    Panel(
        "Proofs of isolation that failed, last day",
        (('sum(increase(tre_proofs_total{kind="isolation", outcome="failed"}[1d]))', ""),),
        bound=1,
    ),
    Panel("Signed log behind", (("max(tre_audit_oldest_seconds)", ""),), "s", 60),
    Panel("Clock behind the log", (("max(tre_clock_behind_seconds)", ""),), "s", 60),
    Panel("Checker last heard", (("min(tre_checker_heard_seconds)", ""),), "s", 60),
    Panel("Gateways last heard the controller", (("max(tre_gateway_heard_seconds)", ""),), "s", 30),
    Panel("Export that waits longest", (("max(tre_exports_oldest_seconds)", ""),), "s", 259200),
    Panel("Workspace that waits longest for room", (("max(tre_workspaces_queue_oldest_seconds)", ""),), "s", 3600),
    Panel("Letter that waits longest", (("max(tre_letters_oldest_seconds)", ""),), "s", 3600),
    Panel("Opt-out lists that are late", (("max(tre_optouts_overdue)", ""),), bound=1),
    Panel("Workspaces", (("max by (phase) (tre_workspaces)", "{{phase}}"),)),
    Panel("Exports", (('max by (state) (tre_exports{state!~"Released|Rejected|Withdrawn"})', "{{state}}"),)),
    Panel("Grants", (("max by (phase) (tre_grants)", "{{phase}}"),)),
)
"""Whether all is well, on one screen."""

WORKSPACES = (
    Panel("From a click until it can be entered", _ways("tre_workspace_start_seconds"), "s"),
    Panel("From the cause of an ending to the proof of death", _ways("tre_workspace_ending_seconds"), "s"),
    Panel("From the news of an ending to the cut", _ways("tre_gateway_cut_seconds"), "s"),
    Panel("Endings an hour", (("sum by (reason) (increase(tre_workspace_endings_total[1h]))", "{{reason}}"),)),
    Panel("Refusals an hour", (("sum by (reason) (increase(tre_workspace_refusals_total[1h]))", "{{reason}}"),)),
    Panel("Proofs an hour", (("sum by (kind, outcome) (increase(tre_proofs_total[1h]))", "{{kind}}: {{outcome}}"),)),
    Panel(
        "Bytes by budget",
        (("sum by (kind, direction) (rate(tre_gateway_bytes_total[$__rate_interval]))", "{{kind}} {{direction}}"),),
        "Bps",
    ),
    Panel("Alarms of the budgets an hour", (("sum by (kind) (increase(tre_gateway_alarms_total[1h]))", "{{kind}}"),)),
    Panel("Open connections", (("sum(tre_gateway_open_websockets)", "websockets"),)),
)
"""How fast runs begin and end, and what leaves them."""

PROGRAMS = (
    Panel(
        "Requests a second",
        (("sum by (door) (rate(tre_gateway_requests_total[$__rate_interval]))", "{{door}}"),),
        "reqps",
    ),
    Panel(
        "95 % of requests within",
        ((_quantile(0.95, "http_request_duration_seconds", "le, door"), "{{door}}"),),
        "s",
    ),
    Panel(
        "Refusals a minute",
        (("sum by (door, reason) (rate(tre_gateway_refused_total[$__rate_interval])) * 60", "{{door}} {{reason}}"),),
    ),
    Panel("The record answers within", (("max(tre_record_seconds)", "record"),), "s"),
    Panel("Jobs that are not done", (("max by (program) (tre_jobs_unfinished)", "{{program}}"),)),
    Panel("Objects that wait for a look", (("max(tre_reconcile_queue)", "objects"),)),
    Panel(
        "Sign-ins a minute",
        (("sum by (outcome) (rate(tre_portal_sign_ins_total[$__rate_interval])) * 60", "{{outcome}}"),),
    ),
    Panel("Memory", (("sum by (service) (process_resident_memory_bytes)", "{{service}}"),), "bytes"),
    Panel(
        "Processor",
        (("sum by (service) (rate(process_cpu_seconds_total[$__rate_interval]))", "{{service}}"),),
        "percentunit",
    ),
    Panel("Open files", (("sum by (service) (process_open_fds)", "{{service}}"),)),
)
"""What the programs do and use."""

DASHBOARDS = {
    "overview": ("TRE: is all well", OVERVIEW),
    "workspaces": ("TRE: workspaces", WORKSPACES),
    "programs": ("TRE: programs", PROGRAMS),
}


def _drawn(number: int, panel: Panel) -> dict[str, Any]:
    one = panel.bound is not None
    steps = [{"color": "green", "value": None}, *([{"color": "red", "value": panel.bound}] if one else [])]
    targets = [
        {"refId": chr(ord("A") + place), "datasource": _SOURCE, "expr": expression, "legendFormat": legend or "__auto"}
        for place, (expression, legend) in enumerate(panel.queries)
    ]
    row, column = divmod(number, _ACROSS)
    return {
        "id": number + 1,
        "title": panel.title,
        "type": "stat" if one else "timeseries",
        "datasource": _SOURCE,
        "gridPos": {"x": column * _WIDTH, "y": row * _HEIGHT, "w": _WIDTH, "h": _HEIGHT},
        "fieldConfig": {
            "defaults": {"unit": panel.unit, "thresholds": {"mode": "absolute", "steps": steps}},
            "overrides": [],
        },
        "options": {"colorMode": "value", "reduceOptions": {"calcs": ["lastNotNull"]}} if one else {},
        "targets": targets,
    }


def dashboard(name: str) -> str:
    """One dashboard as the text of its file."""
    title, panels = DASHBOARDS[name]
    source = {"name": "datasource", "type": "datasource", "query": "prometheus", "label": "Prometheus"}
    made = {
        "uid": f"tre-{name}",
        "title": title,
        "tags": ["tre"],
        "schemaVersion": 38,
        "editable": True,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "timezone": "browser",
        "templating": {"list": [source]},
        "panels": [_drawn(number, panel) for number, panel in enumerate(panels)],
    }
    return json.dumps(made, indent=1, ensure_ascii=False) + "\n"


def written() -> dict[Path, str]:
    """Every file that follows from something else, and what belongs into it."""
    made = {f"dashboards/{name}.json": dashboard(name) for name in DASHBOARDS}
    found = {place / name: text for place in (MONITORING, CHART) for name, text in made.items()}
    return found | {CHART / "alerts.yaml": (MONITORING / "alerts.yaml").read_text(encoding="utf-8")}


def stale() -> dict[Path, str]:
    """Those that are missing or say something else."""
    return {
        path: text for path, text in written().items() if not path.is_file() or path.read_text(encoding="utf-8") != text
    }


def main() -> int:
    """Writes or compares; returns the exit code."""
    parser = argparse.ArgumentParser(description="Writes the Grafana dashboards.")
    parser.add_argument("--check", action="store_true", help="write nothing; name what is out of date")
    found = stale()
    if parser.parse_args().check:
        for path in found:
            print(f"{path.relative_to(CHECKOUT)} is out of date; `make docs` writes it anew")
        return 1 if found else 0
    for path, text in found.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        print(f"wrote {path.relative_to(CHECKOUT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
