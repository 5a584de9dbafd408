"""Finds every kind of audit event in the code that writes it.

Guarantees: a kind is found where it is written out as `object.verb` in the call that makes the event, and where only
its verb is, in whatever function, class or table hands the verb on; `tests/docs` compares what a whole installation
has logged with what was found.

Does not guarantee: that the search understands a way of writing events that nobody has used yet.
"""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import tre
from tre.backup.drill import DRILLED
from tre.backup.make import BACKED_UP
from tre.domain.publicaccount.acts import ACTS
from tre.domain.quarantine import QuarantineState
from tre.domain.workspaces.states import WorkspacePhase
from tre.portal.account_actions import VERBS

CODE = Path(tre.__file__).resolve().parent
_ASIDE = ("cli/bench", "cli/trial", "cli/demonstration", "domain/letters")
"""Programs that play an installation, and letters, which tell of events and make none."""

KIND = re.compile(r"^[a-z]+(?:-[a-z]+)*\.[a-z]+(?:-[a-z]+)*$")
_VERB = re.compile(r"^[a-z]+(?:-[a-z]+)*$")
_MAKERS = frozenset({"event", "_event", "event_of", "Event", "put", "Alarm", "_end_sessions", "record_event"})
_MAKES = re.compile(r"event_of|event\(|Event\(|\bput\(|Alarm\(|_end_sessions\(|change_by\(|verb")
_FAMILIES = {
    "tre.store.exports": ("export",),
    "tre.store.imports": ("import",),
    "tre.store.applications": ("application",),
    "tre.store.conditions": ("condition",),
}
"""Whose `event_of` takes a verb alone, and for which objects."""

_PHASES = {
    "cli/backup.py": [BACKED_UP, DRILLED],
    "controller/grants.py": [f"grant.{verb}" for verb in ("activated", "suspended", "expired")],
    "controller/workspaces.py": [f"workspace.{phase.lower()}" for phase in WorkspacePhase],
    "domain/quarantine.py": [f"quarantine.{state}" for state in QuarantineState if state != "waiting"],
    "portal/preview/viewer.py": ["export.file-seen", "import.file-seen"],
    "portal/intake.py": ["enquiry.asked", "comment.asked"],
    "portal/account_actions.py": [
        "complaint.received",
        "consultation.opened",
        "incident.declared",
        "outcome.reported",
        *(f"{kind}.{VERBS[act]}" for kind, acts in ACTS.items() for act in acts),
    ],
}
"""Where the object or the verb is not written out."""


Hands = dict[str, tuple[str, tuple[str, ...]]]


@dataclass
class Written:
    """Where a kind is written, and which details its events hold."""

    programs: set[str] = field(default_factory=set)
    details: set[str] = field(default_factory=set)


@dataclass(frozen=True)
class _Module:
    path: str
    tree: ast.Module

    def stores(self) -> dict[str, tuple[str, ...]]:
        """The names under which this module knows what makes events of verbs, and their objects."""
        own = _FAMILIES.get(f"tre.{self.path.removesuffix('.py').replace('/', '.')}")
        found: dict[str, tuple[str, ...]] = {"": own} if own else {}
        for node in ast.walk(self.tree):
            if isinstance(node, ast.ImportFrom):
                for name in node.names:
                    family = _FAMILIES.get(f"{node.module}.{name.name}")
                    found |= {name.asname or name.name: family} if family else {}
        return found


def kinds() -> dict[str, Written]:
    """Every kind that the launcher writes."""
    modules = list(_modules())
    found: dict[str, Written] = defaultdict(Written)
    hands = _hands(modules)
    for module in modules:
        stores = module.stores()
        for kind in _PHASES.get(module.path, ()):
            found[kind].programs.add(module.path)
        for call in (node for node in ast.walk(module.tree) if isinstance(node, ast.Call)):
            _take(found, module, call, [*_whole(call), *_verbs(module.path, call, stores, hands)])
    for path, families in ((path, families) for path, families in hands.values() if path):
        for kind in _tabled(modules, path, families):
            found[kind].programs.add(path)
    return dict(sorted(found.items()))


def _modules() -> Iterator[_Module]:
    for path in sorted(CODE.rglob("*.py")):
        name, text = path.relative_to(CODE).as_posix(), path.read_text(encoding="utf-8")
        if not name.startswith(_ASIDE) and (_MAKES.search(text) or name in _PHASES):
            yield _Module(name, ast.parse(text))


def _take(found: dict[str, Written], module: _Module, call: ast.Call, named: list[str]) -> None:
    for kind in named:
        found[kind].programs.add(module.path)
        if _called(call) != "Event":
            found[kind].details |= {one.arg for one in call.keywords if one.arg not in {None, "kind", "verb"}}


def _whole(call: ast.Call) -> list[str]:
    """Kinds that stand written out in a call that makes an event."""
    if _called(call) not in _MAKERS:
        return []
    given = [*call.args, *(one.value for one in call.keywords if one.arg == "kind")]
    return [str(one.value) for one in given if isinstance(one, ast.Constant) and KIND.match(str(one.value))]


def _called(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def _hands(modules: list[_Module]) -> Hands:
    """Functions and classes that are given a verb and hand it on: where each stands, and for which objects.

    One with an underscore is known in its own module only.
    """
    found: Hands = {}
    for module in modules:
        if not (stores := module.stores()):
            continue
        for node in ast.walk(module.tree):
            name = str(getattr(node, "name", ""))
            if _place_of_verb(node) is not None and name != "event_of":
                families = tuple(dict.fromkeys(one for base in _bases(node) or stores for one in stores.get(base, ())))
                found[f"{module.path}:{name}" if name.startswith("_") else name] = (module.path, families)
    return found


def _bases(node: ast.AST) -> list[str]:
    """Under which names a function knows the makers of the events that it makes itself."""
    calls = (one for one in ast.walk(node) if isinstance(one, ast.Call) and _called(one) == "event_of")
    return [_base(call) for call in calls]


def _base(call: ast.Call) -> str:
    named = call.func.value if isinstance(call.func, ast.Attribute) else None
    return named.id if isinstance(named, ast.Name) else ""


def _place_of_verb(node: ast.AST) -> int | None:
    """Which argument of a function, or field of a class, is the verb."""
    if isinstance(node, ast.FunctionDef):
        names = [one.arg for one in (*node.args.posonlyargs, *node.args.args) if one.arg != "self"]
    elif isinstance(node, ast.ClassDef):
        names = [
            one.target.id for one in node.body if isinstance(one, ast.AnnAssign) and isinstance(one.target, ast.Name)
        ]
    else:
        return None
    return names.index("verb") if "verb" in names else None


def _verbs(path: str, call: ast.Call, stores: dict[str, tuple[str, ...]], hands: Hands) -> list[str]:
    """Kinds whose verb alone stands in a call."""
    name = _called(call)
    if name == "event_of":
        families = stores.get(_base(call), ())
    else:
        families = hands.get(f"{path}:{name}" if name.startswith("_") else name, ("", ()))[1]
    given = [*call.args, *(one.value for one in call.keywords if one.arg == "verb")] if families else []
    words = [one for part in given for one in _constants(part)]
    return [f"{family}.{word}" for family in families for word in words if _VERB.match(word)]


def _constants(part: ast.expr) -> list[str]:
    if isinstance(part, ast.Constant) and isinstance(part.value, str):
        return [part.value]
    return [*_constants(part.body), *_constants(part.orelse)] if isinstance(part, ast.IfExp) else []


def _tabled(modules: list[_Module], path: str, families: tuple[str, ...]) -> Iterator[str]:
    """Kinds whose verb stands in a table of that module: `VERBS`, `_VERBS`."""
    (module,) = (one for one in modules if one.path == path)
    for node in module.tree.body:
        target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
        if isinstance(target, ast.Name) and target.id in {"VERBS", "_VERBS"} and isinstance(node.value, ast.Dict):  # type: ignore[attr-defined]
            for value in node.value.values:  # type: ignore[attr-defined]
                yield from (f"{family}.{word}" for family in families for word in _constants(value))
