"""Fails when a module, a function or a parameter list of `tre/` or `tools/` grows past what fits on a desk.

Guarantees: each place over a limit is printed as `file:line`, and the exit code is 1. Limits
(CONTRIBUTING.md): 400 lines a module, 60 lines a function (from its `def` to its last line;
decorators do not count), 6 parameters (`self` and `cls` do not count; a command's options are
not counted: they are the command line).

Does not guarantee: that short code is good code.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
MODULE_LINES = 400
FUNCTION_LINES = 60
PARAMETERS = 6

Function = ast.FunctionDef | ast.AsyncFunctionDef


def parameters(function: Function) -> list[str]:
    """The names a caller can pass, without the object itself."""
    given = function.args
    names = [a.arg for a in (*given.posonlyargs, *given.args, *given.kwonlyargs)]
    names += [a.arg for a in (given.vararg, given.kwarg) if a is not None]
    return names[1:] if names[:1] in (["self"], ["cls"]) else names


def is_command(function: Function) -> bool:
    """Whether a function is a command of the command line (decorated with `@command`)."""
    return any(isinstance(item, ast.Name) and item.id == "command" for item in function.decorator_list)


def problems(text: str) -> Iterator[tuple[int, str]]:
    """Line and description of everything over a limit in one module's source."""
    lines = len(text.splitlines())
    if lines > MODULE_LINES:
        yield 1, f"the module has {lines} lines (at most {MODULE_LINES})"
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, Function):
            continue
        length = (node.end_lineno or node.lineno) - node.lineno + 1
        if length > FUNCTION_LINES:
            yield node.lineno, f"{node.name} has {length} lines (at most {FUNCTION_LINES})"
        if (count := len(parameters(node))) > PARAMETERS and not is_command(node):
            yield node.lineno, f"{node.name} takes {count} parameters (at most {PARAMETERS})"


def main() -> int:
    """Checks every module; returns the exit code."""
    found = 0
    for path in sorted(path for folder in ("tre", "tools") for path in (CHECKOUT / folder).rglob("*.py")):
        for line, what in problems(path.read_text(encoding="utf-8")):
            print(f"{path.relative_to(CHECKOUT)}:{line}: {what}")
            found += 1
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
