"""What the chart makes for the Prometheus Operator: targets, alerts and dashboards as `monitoring/` has them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator

from tests.unit.helm.conftest import CHART, Chart, Object, containers, merged, named, pods
from tests.unit.helm.network import selects
from tests.unit.helm.test_chart import BUNDLED
from tre.cli.cluster_table import ON_CLUSTER

MONITORING = CHART.parents[1] / "monitoring"
ON: Object = {
    "monitoring": {"enabled": True, "labels": {"release": "stack"}},
    "networkPolicies": {"metricsFrom": [{"namespaceSelector": {"matchLabels": {"name": "monitoring"}}}]},
}
KINDS = {"PodMonitor", "PrometheusRule"}
Labels = dict[str, str]


def of(kind: Any, needed: tuple[str, ...] = (), **fields: Any) -> Object:
    """A strict schema of an object, or with a type of another thing."""
    if kind is not object:
        return {"type": kind, **fields}
    return {"type": "object", "properties": fields, "required": list(needed), "additionalProperties": False}


TEXTS = {"type": "object", "additionalProperties": {"type": "string"}}
LIST_OF_TEXTS = of("array", items=of("string"))
SPAN = of("string", pattern="^([0-9]+(ms|[smhdwy]))+$")
EXPRESSION = of(object, ("key", "operator"), key=of("string"), operator=of("string"), values=LIST_OF_TEXTS)
RELABELLING = of(
    object,
    sourceLabels=LIST_OF_TEXTS,
    targetLabel=of("string"),
    replacement=of("string"),
    regex=of("string"),
    action=of("string", enum=["replace", "keep", "drop"]),
)
ENDPOINT = of(
    object,
    port=of("string"),
    path=of("string"),
    interval=SPAN,
    relabelings=of("array", items=RELABELLING),
)
RULE = of(
    object,
    ("expr",),
    alert=of("string"),
    expr=of("string"),
    labels=TEXTS,
    annotations=TEXTS,
    **{"for": SPAN},
)
SCHEMAS: dict[str, Object] = {
    "PodMonitor": of(
        object,
        ("podMetricsEndpoints", "selector"),
        selector=of(object, matchLabels=TEXTS, matchExpressions=of("array", items=EXPRESSION)),
        podMetricsEndpoints=of("array", items=ENDPOINT),
    ),
    "PrometheusRule": of(
        object,
        groups=of("array", items=of(object, ("name",), name=of("string"), rules=of("array", items=RULE))),
    ),
}
"""The part that the chart uses of the kinds' own schemas (monitoring.coreos.com/v1), and nothing beside it."""


def test_nothing_of_it_is_there_unless_it_is_asked_for(chart: Chart) -> None:
    objects = chart.objects()
    assert not any("monitoring.coreos.com" in one["apiVersion"] for one in objects)
    assert "tre-dashboards" not in named(objects, "ConfigMap")


def test_every_field_is_one_of_the_kind(chart: Chart) -> None:
    found = [one for one in chart.objects(ON) if one["apiVersion"] == "monitoring.coreos.com/v1"]
    assert {one["kind"] for one in found} == KINDS
    for one in found:
        assert set(one) == {"apiVersion", "kind", "metadata", "spec"}
        assert list(Draft7Validator(SCHEMAS[one["kind"]]).iter_errors(one["spec"])) == []
    monitor = json.loads(json.dumps(named(found, "PodMonitor")["tre"]["spec"]))
    monitor["podMetricsEndpoints"][0]["relabelling"] = []
    assert list(Draft7Validator(SCHEMAS["PodMonitor"]).iter_errors(monitor)), "a misspelt field would be noticed"


def test_the_alerts_are_those_of_the_file_that_promtool_has_checked(chart: Chart) -> None:
    spec = named(chart.objects(ON), "PrometheusRule")["tre"]["spec"]
    assert spec == yaml.safe_load((MONITORING / "alerts.yaml").read_text(encoding="utf-8"))


def test_the_dashboards_are_those_of_the_files(chart: Chart) -> None:
    made = named(chart.objects(ON), "ConfigMap")["tre-dashboards"]
    files = {f"tre-{path.name}": path.read_text(encoding="utf-8") for path in MONITORING.glob("dashboards/*.json")}
    assert made["data"] == files
    assert made["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert len(json.dumps(made)) < 2**20, "what a ConfigMap holds at most"


def test_labels_are_those_by_which_a_site_chooses(chart: Chart) -> None:
    asked = {"labels": {"release": "stack", "app.kubernetes.io/part-of": "watch"}, "dashboardLabels": {"mine": "yes"}}
    objects = chart.objects(merged(ON, {"monitoring": asked}))
    for kind in KINDS:
        labels = named(objects, kind)["tre"]["metadata"]["labels"]
        assert (labels["release"], labels["app.kubernetes.io/part-of"]) == ("stack", "watch")
    assert named(objects, "ConfigMap")["tre-dashboards"]["metadata"]["labels"]["mine"] == "yes"
    assert named(objects, "ConfigMap")["tre-settings"]["metadata"]["labels"]["app.kubernetes.io/part-of"] == "tre"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"networkPolicies": {"metricsFrom": []}}, "networkPolicies.metricsFrom is needed"),
        ({"monitoring": {"labels": {"release": 1}}}, "release"),
        ({"monitoring": {"labels": {"release": "{{ .Values.base }}"}}}, "release"),
        ({"monitoring": {"label": {}}}, "label"),
    ],
)
def test_what_is_wrong_is_refused_by_name(chart: Chart, changes: Object, said: str) -> None:
    assert said in chart.refusal(merged(ON, changes))


def test_without_network_policies_nobody_need_be_let_through(chart: Chart) -> None:
    off = {"networkPolicies": {"enabled": False, "metricsFrom": []}}
    assert named(chart.objects(merged(ON, off)), "PodMonitor")


def test_looking_on_starts_no_service_again(chart: Chart) -> None:
    before = chart.objects({"networkPolicies": ON["networkPolicies"]})
    assert pods(before) == pods(chart.objects(ON))


def ports(objects: list[Object]) -> Iterator[Labels]:
    """What Prometheus' discovery says of every port of every pod."""
    for name, pod in pods(objects).items():
        for container in containers(pod):
            for port in container.get("ports", []):
                labels = {
                    f"__meta_kubernetes_pod_label_{re.sub(r'[^a-zA-Z0-9_]', '_', key)}": value
                    for key, value in pod["metadata"]["labels"].items()
                }
                yield labels | {
                    "__meta_kubernetes_pod_container_port_name": port["name"],
                    "__meta_kubernetes_pod_name": f"{name}-0",
                    "__meta_kubernetes_pod_phase": "Running",
                }


def relabelled(target: Labels, rules: list[Object]) -> Labels | None:
    """A target after these rules, as Prometheus applies them; nothing where one drops it."""
    found = dict(target)
    for rule in rules:
        value = ";".join(found.get(label, "") for label in rule.get("source_labels", []))
        fits = re.fullmatch(str(rule.get("regex", "(.*)")), value)
        action = rule.get("action", "replace")
        if action in {"keep", "drop"} and bool(fits) is (action == "drop"):
            return None
        if action == "replace" and fits:
            found[rule["target_label"]] = fits.expand(rule.get("replacement", "$1").replace("$1", r"\1"))
    return {key: value for key, value in found.items() if not key.startswith("__")}


def in_snakes(rule: Object) -> Object:
    """A rule of the operator's, as Prometheus spells it."""
    return {re.sub("([A-Z])", lambda found: f"_{found[1].lower()}", key): value for key, value in rule.items()}


def chosen(monitor: Object, objects: list[Object]) -> list[Object]:
    """The objects without the pods that a monitor's selector passes over."""
    selector = dict(monitor["selector"])
    (rule,) = selector.pop("matchExpressions")
    assert rule["operator"] == "NotIn"
    looked_at = {
        name
        for name, pod in pods(objects).items()
        if selects(selector, pod["metadata"]["labels"])
        and pod["metadata"]["labels"].get(rule["key"]) not in rule["values"]
    }
    return [one for one in objects if one["metadata"]["name"] in looked_at]


@pytest.mark.parametrize("phase", ["Running", "Succeeded"])
def test_the_monitor_finds_the_targets_of_the_file_under_the_same_labels(chart: Chart, phase: str) -> None:
    objects = chart.objects(merged(ON, BUNDLED))
    monitor = named(objects, "PodMonitor")["tre"]["spec"]
    (endpoint,) = monitor["podMetricsEndpoints"]
    (job,) = yaml.safe_load((MONITORING / "prometheus-cluster.yaml").read_text(encoding="utf-8"))["scrape_configs"]
    now = {"__meta_kubernetes_pod_phase": phase}
    by_file = [relabelled(one | now | {"job": job["job_name"]}, job["relabel_configs"]) for one in ports(objects)]
    by_monitor = [
        relabelled(one | now | {"job": "tre-system/tre"}, [in_snakes(rule) for rule in endpoint["relabelings"]])
        for one in ports(chosen(monitor, objects))
        if one["__meta_kubernetes_pod_container_port_name"] == endpoint["port"]
    ]
    wanted = [one for one in by_file if one is not None]
    assert [one for one in by_monitor if one is not None] == wanted
    services = {one["service"] for one in wanted}
    assert services == (set(ON_CLUSTER) - {"checker"} if phase == "Running" else set())
    assert endpoint["path"] == "/metrics"
