"""The pages about output checks: the catalogue, and the schema of the policies that weigh what it finds."""

from __future__ import annotations

import json

from page import code, page, table

from tre.domain.exports.catalogue import ENTRIES, Audience
from tre.domain.exports.rules import AirlockPolicy
from tre.domain.exports.severity import Severity

_AUDIENCES = {
    Audience.everyone: "everybody who may see the request",
    Audience.outline: "checkers; the author learns only that it was found",
    Audience.checkers: "checkers",
}
_SEVERITIES = {
    Severity.B: "blocks the release, whatever people decide; only a change of the policy lifts it",
    Severity.E: "needs an exception: a reason from each checker",
    Severity.A: "each checker must acknowledge it",
    Severity.I: "is told",
}


def checks_page() -> str:
    """The catalogue of output checks."""
    rows = [
        (
            code(entry.id),
            entry.title,
            entry.statement,
            ", ".join([entry.severity, *(f"{code(case)} {letter}" for case, letter in entry.cases.items())]),
            ", ".join(entry.risks),
            ", ".join(entry.statbarns) or "–",
            _AUDIENCES[entry.audience],
        )
        for entry in ENTRIES
    ]
    heads = ("check", "about", "rule", "proposed severity", "risks", "statbarns", "who reads a finding")
    return page(
        "Output checks",
        "What is looked at before a file may leave. A policy gives each check, and each of its cases "
        "(`S06.equal`), a severity of its own; the ones here are what the policy `default` proposes. Risks and "
        "statbarns are named as in the statbarns vocabulary, which ACRO and the SACRO guide use.",
        table(("severity", "what a finding does"), [(code(key), text) for key, text in _SEVERITIES.items()]),
        table(heads, rows),
        "The keys of a policy stand in [its JSON Schema](airlock-policy.schema.json).",
    )


def policy_schema() -> str:
    """The JSON Schema of an airlock policy, for editors and for programs that write one."""
    schema = AirlockPolicy.model_json_schema(by_alias=True)
    return json.dumps({"$schema": "https://json-schema.org/draft/2020-12/schema"} | schema, indent=2) + "\n"
