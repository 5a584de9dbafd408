"""Writes the pages of docs/ that say what the code says: states, commands, settings, services, reasons, metrics.

    .venv/bin/python tools/generate_docs.py [--check]

Guarantees: each page is made from the very objects that are enforced (transition tables, the command line, the
settings' own types), so it cannot say something else; with `--check` nothing is written, each page that is out of
date is named, and the exit code is 1.

Does not guarantee: that a description in the code is true, nor anything about pages that people write.
"""

from __future__ import annotations

import argparse
import inspect
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_args

from airlock_pages import checks_page, policy_schema
from api_page import api_page
from command_blocks import command_blocks_page
from described import descriptions
from doctor_page import doctor_page
from duties_page import duties_page
from events_page import events_page
from gate_pages import gate_page
from licences_page import licences_page
from measures import measures
from page import code, page, table
from policies_page import policies_page
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined
from resources_page import resources_page
from roles_page import roles_page
from satre_page import satre_page
from slice_pages import slice_schema
from states_page import states_page
from typer.main import get_command

from tre.cli import services as service_table
from tre.cli.main import app
from tre.domain.costs.prices import Prices
from tre.domain.errors import Reason
from tre.portal.words import WORDS
from tre.runtimes.kubernetes import settings as cluster
from tre.runtimes.kubernetes.render.probe import ProbeAddress
from tre.system import settings
from tre.system.backup_settings import BackupSettings
from tre.system.cost_settings import CostSettings
from tre.system.mail_settings import MailSettings
from tre.system.oidc_settings import OidcSettings
from tre.system.profile_settings import CapacitySettings, GpuSettings, ProfileSettings, QuotaSettings, RenewalSettings
from tre.system.tls_settings import HstsSettings, ProxySettings, TlsSettings
from tre.system.witness_settings import WitnessSettings

CHECKOUT = Path(__file__).resolve().parents[1]
DOCS = CHECKOUT / "docs"


# Commands


def commands_page() -> str:
    """The whole command line."""
    root = get_command(app)
    context = root.make_context("tre", [], resilient_parsing=True)
    intro = (
        "Exit code 0: done, nothing found. 1: refused, failed, or something found. 2: wrong use. Errors go to "
        "standard error as *what, why, what to do*. `--json` prints one JSON document. The root directory is "
        "`--root`, else `TRE_ROOT`, else `tre-root` in the current directory."
    )
    parts = [part for name in root.list_commands(context) for part in _command(root, context, name, "## tre ")]  # type: ignore[attr-defined]
    return page("Commands", intro, *parts)


def _command(group: Any, parent: Any, name: str, heading: str) -> Iterator[str]:
    command = group.get_command(parent, name)
    context = command.make_context(name, [], parent=parent, resilient_parsing=True)
    yield f"{heading}{name}"
    yield " ".join(inspect.cleandoc(command.help or "").split())
    if hasattr(command, "list_commands"):
        for inner in command.list_commands(context):
            yield from _command(command, context, inner, f"#{heading}{name} ")
        return
    yield f"```\n{_usage(command, context)}\n```"
    rows = [_parameter(item) for item in command.params if item.name not in {"help", "root"}]
    if rows:
        yield table(("", "default", "what"), rows)


def _usage(command: Any, context: Any) -> str:
    words = [context.command_path]
    options = [item for item in command.params if item.param_type_name == "option" and item.name != "help"]
    words += ["[OPTIONS]"] if options else []
    words += [_shown(item) for item in command.params if item.param_type_name == "argument"]
    return " ".join(words)


def _shown(argument: Any) -> str:
    """An argument as one types it."""
    name = (argument.metavar or argument.name.upper()).strip("[]")
    many = "…" if argument.nargs == -1 and not name.endswith("…") else ""
    return f"{name}{many}" if argument.required else f"[{name}{many}]"


def _parameter(item: Any) -> tuple[str, str, str]:
    shown = _shown(item) if item.param_type_name == "argument" else ", ".join(sorted(item.opts, key=len, reverse=True))
    default = "" if item.default in (None, "", False, (), []) else code(item.default)
    return code(shown), default, item.help or ""


# Settings


def _kind(field: FieldInfo) -> str:
    """What may be written, in words."""
    choices = [option for option in get_args(field.annotation) if isinstance(option, str)]
    if choices:
        return " or ".join(code(option) for option in choices)
    bounds = {name: getattr(item, name) for item in field.metadata for name in ("ge", "le") if hasattr(item, name)}
    kinds = {int: "whole number", bool: "`true` or `false`", str: "text"}
    kind = kinds.get(field.annotation, "path" if "Path" in str(field.annotation) else "")  # type: ignore[arg-type]
    low, high = bounds.get("ge"), bounds.get("le")
    if low is not None and high is not None:
        return f"{kind}, {low} to {high}"
    return f"{kind}, at least {low}" if low is not None else kind


def _default(field: FieldInfo) -> str:
    if field.default is PydanticUndefined:
        return "must be given"
    if isinstance(field.default, BaseModel | dict):
        return "see below"
    if isinstance(field.default, bool):
        return code(str(field.default).lower())
    return "none" if field.default is None else code(field.default)


def fields(model: type[BaseModel], *, own: bool = False) -> str:
    """Every key of a section; with `own`, only those that the model adds to the one it builds upon."""
    texts = descriptions(model)
    known = {name: field for name, field in model.model_fields.items() if not own or name in model.__annotations__}
    missing = sorted(set(known) - {name for name, text in texts.items() if text})
    if missing:
        raise SystemExit(f"{model.__name__} lacks a description of {', '.join(missing)}")
    rows = [(code(field.alias or name), _default(field), _kind(field), texts[name]) for name, field in known.items()]
    return table(("key", "default", "value", "meaning"), rows)


def said_of(model: type[BaseModel]) -> str:
    """What a section says of itself, as one paragraph."""
    return " ".join(inspect.cleandoc(model.__doc__ or "").split())


def settings_page() -> str:
    """Everything that an operator can set."""
    sections: dict[str, type[BaseModel]] = {
        "tls": TlsSettings,
        "tls.terminatedByProxy": ProxySettings,
        "tls.hsts": HstsSettings,
        "oidc": OidcSettings,
        "costs": CostSettings,
        "costs.prices": Prices,
        "mail": MailSettings,
        "backup": BackupSettings,
        "witnesses": WitnessSettings,
        "profiles.NAME": ProfileSettings,
        "capacity": CapacitySettings,
        "quota": QuotaSettings,
        "renewal": RenewalSettings,
        "gpu": GpuSettings,
        "services": settings.ServiceUids,
        "workspaceUids, dataGroups": settings.UidRange,
    }
    parts = []
    for name, model in sections.items():
        parts += [f"## {name}", said_of(model), fields(model)]
    return page(
        "Settings",
        f"One file, `{settings.SETTINGS_FILE}`, in the root directory. A key that is not listed here is refused. "
        "Secrets are never settings: they are files in `keys/`. After a change, start `tre up` again.",
        fields(settings.Settings),
        *parts,
        f"## {cluster.CLUSTER_FILE}",
        "With `runtime: kubernetes` a second file says what the cluster is ([Kubernetes](../kubernetes.md)), and this:",
        fields(cluster.ClusterSettings, own=True),
        "### probe",
        said_of(ProbeAddress),
        fields(ProbeAddress),
    )


# Services


def services_page() -> str:
    """Who runs as whom."""
    uids = settings.ServiceUids()
    rows = [
        (
            code(name),
            code(" ".join(("python -m", module, *service_table.EXTRA.get(name, ())))),
            "root" if name == "launcher" else code(getattr(uids, name)),
            ", ".join(code(group) for group in service_table.GROUPS.get(name, ())) or "–",
            ", ".join(code(capability) for capability in service_table.CAPABILITIES.get(name, ())) or "–",
        )
        for name, module in service_table.MODULES.items()
    ]
    shared = [
        (code(name), code(getattr(uids, name)), text)
        for name, text in descriptions(settings.ServiceUids).items()
        if text.startswith("Group of")
    ]
    return page(
        "Services",
        "What `tre up` starts, in this order, where root starts it. An ordinary user's services all run as that user. "
        "What each may touch stands in [architecture](../architecture.md#who-may-touch-what).",
        table(("service", "program", "user", "further groups", "capabilities"), rows),
        "## Groups that several share",
        table(("group", "number", "who"), shared),
    )


# Reasons


def reasons_page() -> str:
    """Every reason, in the words that people read."""
    rows = [(code(reason), WORDS[reason].text, WORDS[reason].advice) for reason in Reason]
    return page(
        "Reasons",
        "Each refusal, each wait and each end carries one of these words. The same word stands in the pages, in the "
        "answers of the API, in `tre … --json`, in the log and in the labels of the metrics. "
        "The texts are those of the desk.",
        table(("reason", "what people read", "what they are told to do"), rows),
    )


# Metrics


_WHO_MEASURES = {
    "controller": "Controller",
    "sources": "Controller: resources of a cluster",
    "cluster": "Controller: the cluster's API server",
    "gateway": "Gateway",
    "portal": "Portal and public pages",
    "runtimes": "Launcher",
    "storekeeper": "Storekeeper",
    "system": "Every service but the Hub",
}


def metrics_page() -> str:
    """What each service counts."""
    known = measures()
    parts = []
    for package, title in _WHO_MEASURES.items():
        rows = [
            (code(item.name), item.kind, ", ".join(code(label) for label in item.labels) or "–", item.text)
            for item in known
            if item.package == package
        ]
        parts += [f"## {title}", table(("name", "kind", "labels", "what"), rows)]
    return page(
        "Metrics",
        "Every service but the checker answers `GET /healthz` (200 where all is well, else 503 and what is wrong), "
        "`GET /readyz` (200 where it could do its work, else 503 and a [reason](reasons.md) for each condition that is "
        "missing) and `GET /metrics` (Prometheus' text format) on its unix socket in the run directory; the checker, "
        "which has no socket, touches a file, and the controller says how long ago. No service answers any of them on "
        "the network. [Monitoring](../monitoring.md) says how a collector gets them.",
        "The label `reason` holds one of the [reasons](reasons.md), `outcome` one of them, `ok` (`done` for a job), "
        "or the name of an error that nobody foresaw, `phase` and `state` those of [states](../states.md). No label "
        "holds the name of a person, a project, a workspace or a file. The Hub's own names begin with `jupyterhub_`; "
        "every service adds `process_` and `python_`, which say what it uses.",
        *parts,
    )


PAGES: dict[str, Callable[[], str]] = {
    "states.md": states_page,
    "satre.md": satre_page,
    "doctor.md": doctor_page,
    "reference/commands.md": commands_page,
    "reference/settings.md": settings_page,
    "reference/services.md": services_page,
    "reference/reasons.md": reasons_page,
    "reference/metrics.md": metrics_page,
    "reference/checks.md": checks_page,
    "reference/gate.md": gate_page,
    "reference/duties.md": duties_page,
    "reference/licences.md": licences_page,
    "reference/roles.md": roles_page,
    "reference/events.md": events_page,
    "reference/policies.md": policies_page,
    "reference/resources.md": resources_page,
    "reference/api.md": api_page,
    "reference/command-blocks.md": command_blocks_page,
    "reference/airlock-policy.schema.json": policy_schema,
    "reference/slice.schema.json": slice_schema,
}


def stale(name: str) -> bool:
    """Whether a page is missing or says something else than the code."""
    path = DOCS / name
    return not path.is_file() or path.read_text(encoding="utf-8") != PAGES[name]()


def main() -> int:
    """Writes or compares; returns the exit code."""
    parser = argparse.ArgumentParser(description="Writes the pages of docs/ that follow from the code.")
    parser.add_argument("--check", action="store_true", help="write nothing; name what is out of date")
    found = [name for name in PAGES if stale(name)]
    if parser.parse_args().check:
        for name in found:
            print(f"docs/{name} does not say what the code says; `make docs` writes it anew")
        return 1 if found else 0
    for name in found:
        path = DOCS / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(PAGES[name](), encoding="utf-8")
        print(f"wrote docs/{name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
