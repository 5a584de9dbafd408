"""Each alert of `monitoring/alerts.yaml` fires when it should and not otherwise: asked of Prometheus' own promtool."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from tests.docs.documents import CHECKOUT

MONITORING = CHECKOUT / "monitoring"
RULES = [
    rule
    for group in yaml.safe_load((MONITORING / "alerts.yaml").read_text(encoding="utf-8"))["groups"]
    for rule in group["rules"]
]
PROMTOOL = shutil.which("promtool")
needs_promtool = pytest.mark.skipif(PROMTOOL is None, reason="promtool is not installed: apt-get install prometheus")

TEN_MINUTES = 40
"""In steps of 15 seconds, as often as figures are collected."""


class Case(NamedTuple):
    """Series that make an alert fire, and series beside them that do not; `at` is when it is looked at."""

    fires: dict[str, str]
    quiet: dict[str, str]
    at: str = "10m"


def steady(value: float, steps: int = TEN_MINUTES) -> str:
    return f"{value}x{steps}"


def grows(by: float, steps: int = TEN_MINUTES) -> str:
    return f"0+{by}x{steps}"


def once(steps: int = TEN_MINUTES) -> str:
    """Something that happened once, in the middle, to a counter that was there before."""
    return f"0x{steps // 2} 1x{steps // 2}"


def shares(name: str, slow: float, bound: float, labels: str = "") -> dict[str, str]:
    """A histogram of which a share per second lies above a bound."""
    comma = "," if labels else ""
    return {
        f'{name}_bucket{{{labels}{comma}le="{bound}"}}': grows(10 * (1 - slow), 400),
        f'{name}_bucket{{{labels}{comma}le="300"}}': grows(10, 400),
        f'{name}_bucket{{{labels}{comma}le="+Inf"}}': grows(10, 400),
    }


def above(series: str, bound: float, at: str = "10m", steps: int = TEN_MINUTES) -> Case:
    return Case({series: steady(bound + 1, steps)}, {series: steady(bound, steps)}, at)


UP = 'up{job="tre",service="%s"}'
REQUESTS = 'tre_gateway_requests_total{door="desk",status="%s"}'
CASES: dict[str, Case] = {
    "TreServiceDown": Case({UP % "hub": steady(0)}, {UP % "hub": steady(1), 'up{job="other"}': steady(0)}),
    "TreServiceMissing": Case({UP % "gateway": steady(1)}, {UP % "gateway": steady(0), UP % "controller": steady(1)}),
    "TreServiceUnwell": Case(
        {'tre_check_failing{service="hub",check="record"}': steady(1)},
        {'tre_check_failing{service="hub",check="record"}': "0x10 1x2 0x28"},
    ),
    "TreServiceNotReady": Case(
        {'tre_not_ready{service="controller",check="granting"}': steady(1)},
        {'tre_not_ready{service="controller",check="granting"}': steady(0)},
    ),
    "TreCheckerSilent": Case(
        {'tre_checker_heard_seconds{instance="a"}': " ".join(["Inf"] * TEN_MINUTES)},
        {'tre_checker_heard_seconds{instance="a"}': steady(900), 'tre_checker_heard_seconds{instance="b"}': steady(2)},
    ),
    "TreGatewayDeaf": above("tre_gateway_heard_seconds", 30),
    "TreErrors": Case(
        {REQUESTS % "5xx": grows(6, 60), REQUESTS % "2xx": grows(94, 60)},
        {REQUESTS % "5xx": grows(4, 60), REQUESTS % "4xx": grows(96, 60)},
        "15m",
    ),
    "TreWorkspaceOverdue": above("tre_workspaces_overdue", 0),
    "TreIsolationFailed": Case(
        {'tre_proofs_total{kind="isolation",outcome="failed"}': once()},
        {
            'tre_proofs_total{kind="isolation",outcome="ok"}': grows(1),
            'tre_proofs_total{kind="isolation",outcome="failed"}': steady(3),
        },
    ),
    "TreDeathUnproven": Case(
        {'tre_proofs_total{kind="death",outcome="failed"}': once()},
        {'tre_proofs_total{kind="death",outcome="ok"}': grows(1)},
    ),
    "TreEndingsSlow": Case(
        shares("tre_workspace_ending_seconds", 0.2, 10, 'reason="GrantRevoked"'),
        shares("tre_workspace_ending_seconds", 0.02, 10, 'reason="GrantRevoked"'),
        "60m",
    ),
    "TreBudgetExhausted": Case(
        {'tre_gateway_alarms_total{kind="workspace.budget-exhausted"}': once()},
        {'tre_gateway_alarms_total{kind="workspace.budget-warned"}': once()},
    ),
    "TreAuditBehind": above("tre_audit_oldest_seconds", 60),
    "TreClockBehind": Case(
        {"tre_cluster_clock_skew_seconds": steady(-90)},
        {"tre_cluster_clock_skew_seconds": steady(-30), "tre_clock_behind_seconds": steady(5)},
    ),
    "TreRecordSlow": above("tre_record_seconds", 1),
    "TreBackupLate": above("tre_backup_age_seconds", 604800, "90m", 400),
    "TreStartsSlow": Case(
        shares("tre_workspace_start_seconds", 0.2, 60), shares("tre_workspace_start_seconds", 0.02, 60), "90m"
    ),
    "TreQueueGrows": above("tre_workspaces_queue_oldest_seconds", 3600, "15m", 60),
    "TreJobsWait": above("tre_jobs_oldest_seconds", 900),
    "TreExportsWait": above("tre_exports_oldest_seconds", 259200, "15m", 60),
    "TreLettersWait": Case(
        {'tre_letters{state="Abandoned"}': steady(1), "tre_letters_oldest_seconds": steady(0)},
        {'tre_letters{state="Abandoned"}': steady(0), "tre_letters_oldest_seconds": steady(3600)},
    ),
    "TreOptOutsLate": above("tre_optouts_overdue", 0),
    "TrePublicAccountLate": above("tre_public_account_overdue", 0, "90m", 400),
    "TreSignInsFail": Case(
        {'tre_portal_sign_ins_total{way="local",outcome="LoginFailed"}': grows(5)},
        {
            'tre_portal_sign_ins_total{way="local",outcome="LoginFailed"}': grows(1),
            'tre_portal_sign_ins_total{way="local",outcome="ok"}': grows(50),
        },
    ),
}


def test_every_alert_is_tried_from_both_sides() -> None:
    assert set(CASES) == {rule["alert"] for rule in RULES}


def test_every_alert_says_whom_it_wakes_and_what_is_wrong() -> None:
    for rule in RULES:
        assert rule["labels"]["severity"] in {"page", "ticket"}, rule["alert"]
        assert rule["annotations"]["summary"].endswith("."), rule["alert"]


@needs_promtool
def test_the_rules_are_rules() -> None:
    done = promtool("check", "rules", "alerts.yaml")
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(RULES)} rules found" in done.stdout


@needs_promtool
@pytest.mark.parametrize("name", CASES)
def test_it_fires_when_it_should_and_not_otherwise(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    firing = f'count(ALERTS{{alertname="{name}",alertstate="firing"}})'
    tests = [
        tried(case.fires, case.at, {"expr": f"{firing} > bool 0", "exp_samples": [{"labels": "{}", "value": 1}]}),
        tried(case.quiet, case.at, {"expr": firing, "exp_samples": []}),
    ]
    plan = {"rule_files": [str(MONITORING / "alerts.yaml")], "evaluation_interval": "15s", "tests": tests}
    path = tmp_path / "test.yaml"
    path.write_text(yaml.safe_dump(plan), encoding="utf-8")
    done = promtool("test", "rules", str(path))
    assert done.returncode == 0, done.stdout + done.stderr


def tried(series: dict[str, str], at: str, question: dict[str, Any]) -> dict[str, Any]:
    given = [{"series": name, "values": values} for name, values in series.items()]
    return {"interval": "15s", "input_series": given, "promql_expr_test": [{**question, "eval_time": at}]}


def promtool(*words: str) -> subprocess.CompletedProcess[str]:
    assert PROMTOOL is not None
    return subprocess.run([PROMTOOL, *words], cwd=MONITORING, capture_output=True, text=True, check=False, timeout=60)
