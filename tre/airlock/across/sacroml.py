"""Reading SACRO-ML's `report.json`: the attacks that were run on a model, and what their results speak for.

Guarantees: a report is known by its shape, one attack by itself or many under their names; its evidence is sorted by
SACRO-ML's own rules (instance-based learners are rejected at once; more than a tenth of the attacks significant, or a
mean AUC of those above 0.65, or a structural risk, speak against release). Standard library only.

Does not guarantee: that the attacks were run, or on this model. The report comes from the workspace, like the model.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from tre.airlock.across.settings import number_of

_MOST_ATTACKS = 50
_MOST_INSTANCES = 5000
_SIGNIFICANT, _MANY, _STRONG = 0.05, 0.1, 0.65
_INSTANCE_BASED = frozenset({"SVC", "SVR", "KNeighborsClassifier", "KNeighborsRegressor", "GaussianProcessClassifier"})


@dataclass
class Evidence:
    """What a report speaks for."""

    attacks: list[str] = field(default_factory=list)
    immediate_rejection: list[str] = field(default_factory=list)
    support_rejection: list[str] = field(default_factory=list)
    support_release: list[str] = field(default_factory=list)


def read_report(value: object) -> Evidence | None:
    """The evidence, where a JSON value is one of SACRO-ML's reports."""
    attacks = list(_attacks(value))[:_MOST_ATTACKS]
    if not attacks:
        return None
    evidence = Evidence()
    for attack in attacks:
        _weigh(attack, evidence)
    return evidence


def _attacks(value: object) -> Iterator[dict[str, Any]]:
    if not isinstance(value, dict):
        return
    if _is_attack(value):
        yield value
        return
    yield from (inner for inner in value.values() if isinstance(inner, dict) and _is_attack(inner))


def _is_attack(value: dict[str, Any]) -> bool:
    metadata = value.get("metadata")
    return (
        isinstance(metadata, dict)
        and "attack_name" in metadata
        and ("attack_experiment_logger" in value or "global_metrics" in metadata or "sacroml_version" in metadata)
    )


def _weigh(attack: dict[str, Any], evidence: Evidence) -> None:
    metadata = attack["metadata"]
    name = str(metadata["attack_name"])[:60]
    evidence.attacks.append(name)
    model = metadata.get("target_model")
    if isinstance(model, str) and model in _INSTANCE_BASED:
        evidence.immediate_rejection.append(f"the model is a {model}, which holds its training data")
    metrics = metadata.get("global_metrics")
    for risk, found in metrics.items() if isinstance(metrics, dict) else ():
        if isinstance(found, bool) and str(risk).endswith("_risk"):
            said = str(risk)[:40].removesuffix("_risk").replace("_", " ")
            (evidence.support_rejection if found else evidence.support_release).append(
                f"{name}: {said} {'is a risk' if found else 'is none'}"
            )
    _weigh_instances(name, attack, evidence)


def _weigh_instances(name: str, attack: dict[str, Any], evidence: Evidence) -> None:
    logger = attack.get("attack_experiment_logger")
    instances = logger.get("attack_instance_logger") if isinstance(logger, dict) else None
    found = [one for one in instances.values() if isinstance(one, dict)] if isinstance(instances, dict) else []
    aucs = [(number_of(one.get("AUC")), number_of(one.get("P_HIGHER_AUC"))) for one in found[:_MOST_INSTANCES]]
    known = [(auc, p) for auc, p in aucs if auc is not None and p is not None]
    if not known:
        return
    strong = [auc for auc, p in known if p < _SIGNIFICANT]
    mean = sum(strong) / len(strong) if strong else 0.0
    if len(strong) > _MANY * len(known) or mean > _STRONG:
        evidence.support_rejection.append(f"{name}: {len(strong)} of {len(known)} attacks succeed, mean AUC {mean:.2f}")
    else:
        evidence.support_release.append(f"{name}: {len(strong)} of {len(known)} attacks succeed")
