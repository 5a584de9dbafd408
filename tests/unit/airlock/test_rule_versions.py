"""Whoever changes a check's rule is asked whether its version grows: a finding of an older rule must be told apart.

The code of each check's own module, without its words, has a digest on record beside the versions it had. What the
checks share (tables, parsers) is not part of it: a change there that changes what is found is for its author to see.

Write the record anew: `python -m tests.unit.airlock.test_rule_versions`.
"""

from __future__ import annotations

import ast
import hashlib
import json
from pathlib import Path

import pytest

from tre.airlock import across, checks
from tre.domain.exports.catalogue import CATALOGUE

RECORD = Path(__file__).parents[2] / "assets" / "airlock" / "rules.json"
SPOKEN_FOR = {
    Path(package.__file__).parent / f"{item.module}.py": item.speaks_for
    for package, items in ((checks, checks.CHECKS), (across, across.COMPARISONS))
    for item in items
}


def rule_of(source: str) -> str:
    """The digest of a module's code: comments, docstrings and layout aside."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            node.body = [one for one in body if not _is_text(one)] or [ast.Pass()]  # type: ignore[attr-defined]
    return hashlib.sha256(ast.unparse(tree).encode()).hexdigest()


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def present() -> dict[str, dict[str, object]]:
    """What the record would say of the code as it is."""
    return {
        f"{path.parent.name}/{path.name}": {
            "rule": rule_of(path.read_text(encoding="utf-8")),
            "versions": {check: CATALOGUE[check].version for check in spoken},
        }
        for path, spoken in SPOKEN_FOR.items()
    }


@pytest.mark.parametrize("name", sorted(present()))
def test_a_changed_rule_has_another_version_or_was_looked_at(name: str) -> None:
    recorded = json.loads(RECORD.read_text(encoding="utf-8")).get(name)
    assert present()[name] == recorded, (
        f"{name} changed. If it finds other things now, raise the version of its entries in "
        "tre/domain/exports/catalogue.py. Then write the record anew, as this file says."
    )


def test_the_record_names_no_module_that_is_gone() -> None:
    assert set(json.loads(RECORD.read_text(encoding="utf-8"))) == set(present())


def test_words_are_no_rule_and_numbers_are() -> None:
    plain = "def observe():\n    return 10\n"
    assert rule_of(plain) == rule_of('"""What it says."""\n\n\ndef observe():\n    """More."""\n    return 10  # ten\n')
    assert rule_of(plain) != rule_of(plain.replace("10", "9"))


if __name__ == "__main__":
    RECORD.write_text(json.dumps(present(), indent=1, sort_keys=True) + "\n", encoding="utf-8")
