"""The page of roles: who may do what, from the rules that are asked, and who sees which pages."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from pathlib import Path

from page import code, page, table

import tre
from tre.domain.people import Person, Role, Subject
from tre.portal.applications import DESK_GROUPS
from tre.portal.site import NavigationItem
from tre.portal.words import ROLES

DOMAIN = Path(tre.__file__).resolve().parent / "domain"
_TITLES = {
    "desk": "Projects, workspaces, data",
    "exports": "Files out",
    "imports": "Files in",
    "applications": "Applications",
    "committee": "The committee",
    "publicaccount": "The public account",
    "standing": "Training and agreements",
    "costs": "Costs and budgets",
}


def rules() -> Iterator[tuple[str, str, str]]:
    """Of each rule about a person: the package, the rule's name, and what it says of itself."""
    for path in sorted(DOMAIN.rglob("*.py")):
        package = path.relative_to(DOMAIN).parts[0]
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef) and node.name.startswith("check_") and _asks_a_person(node):
                said = inspect.cleandoc(ast.get_docstring(node) or "")
                yield package, node.name.removeprefix("check_"), " ".join(said.partition("Raises")[0].split())


def _asks_a_person(node: ast.FunctionDef) -> bool:
    answers_nothing = isinstance(node.returns, ast.Constant) and node.returns.value is None
    named = (one.annotation.id for one in node.args.args if isinstance(one.annotation, ast.Name))
    return answers_nothing and "Person" in named


def pages_of(role: Role) -> list[NavigationItem]:
    """The entries of the navigation that somebody with this role alone sees."""
    person = Person(subject=Subject(issuer="local", id="anybody"), display_name="Anybody", roles=frozenset({role}))
    items = [item for group in DESK_GROUPS for item in getattr(group, "NAVIGATION", ())]
    return [item for item in items if item.shown_to(person)]


def _entry(item: NavigationItem) -> str:
    return f"{item.text} ({code(item.href)})"


def roles_page() -> str:
    """Roles, their pages, and every rule."""
    roles = [(ROLES[role], code(role), ", ".join(map(_entry, pages_of(role)))) for role in Role]
    found = list(rules())
    parts = []
    for package, title in _TITLES.items():
        rows = [(code(name), said) for of, name, said in found if of == package]
        parts += [f"### {title}", table(("rule", "who may"), rows)]
    missing = {package for package, *_ in found} - set(_TITLES)
    if missing:
        raise SystemExit(f"roles_page.py lacks a title for the rules of {', '.join(sorted(missing))}")
    return page(
        "Roles",
        "A person has the roles that the [identity provider's groups](../identity.md) or a local account give, and is "
        "a member of the projects whose approval names them. A role never opens a workspace: only membership does, and "
        "[some duties](duties.md) are kept apart whatever roles somebody has. Whoever runs commands on the machine "
        "acts as an operator.",
        table(("role", "name in settings and commands", "pages of the desk"), roles),
        "## Every rule",
        "What the desk, its API and the commands ask before they act. Who is refused is told why; whoever has nothing "
        "to do with an object is told the same as if there were none.",
        *parts,
    )
