"""Lets the tests stop a service in the middle of its work. Only services that the tests start have it on their path.

Guarantees: the product's code holds no word of it. A function that is named in `FAULT_STEPS` ("step=module:name,…",
a "+" before the module: after the function instead of before) is wrapped when its module is loaded. Where a file
`armed/STEP` lies in the directory `FAULT_POINTS`, the next call takes it away, writes `hits/STEP` (step, process, time)
and waits for `go/STEP`, at most a minute. `clock` in that directory holds seconds by which the wall clock is off.

Does not guarantee: a clock that is off inside of a sandbox: what is started there knows nothing of this.
"""

# Read by every program that starts, before anything else: it imports as little as it can, so no pathlib.
# ruff: noqa: PTH104, PTH110, PTH123

from __future__ import annotations

import functools
import importlib.abc
import importlib.machinery
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from types import ModuleType
from typing import Any

PLACE = os.environ.get("FAULT_POINTS", "")
LONGEST = 60.0
LOOK = 0.005
CLOCK = "tre.system.clock"


def read_steps(text: str) -> dict[str, list[tuple[str, str, bool]]]:
    """By module: the step, the function's name in it, whether after it."""
    found: dict[str, list[tuple[str, str, bool]]] = {}
    for item in text.split(",") if text else []:
        step, _, target = item.partition("=")
        module, _, name = target.lstrip("+").partition(":")
        found.setdefault(module, []).append((step, name, target.startswith("+")))
    return found


def wait_at(step: str) -> None:
    """If this step is armed: say that it is reached, and wait."""
    try:
        os.rename(f"{PLACE}/armed/{step}", f"{PLACE}/taken/{step}")
    except OSError:
        return
    hit = {"step": step, "pid": os.getpid(), "at": time.time()}
    with open(f"{PLACE}/taken/{step}", "w", encoding="utf-8") as file:
        json.dump(hit, file)
    os.rename(f"{PLACE}/taken/{step}", f"{PLACE}/hits/{step}")
    until = time.monotonic() + LONGEST
    while time.monotonic() < until and not os.path.exists(f"{PLACE}/go/{step}"):
        time.sleep(LOOK)


def wrapped(step: str, real: Callable[..., Any], after: bool) -> Callable[..., Any]:
    """The function with the step before it or after it."""

    @functools.wraps(real)
    def with_step(*args: Any, **named: Any) -> Any:
        if not after:
            wait_at(step)
        result = real(*args, **named)
        if after:
            wait_at(step)
        return result

    return with_step


def off_by() -> float:
    """How far the wall clock is off."""
    try:
        with open(f"{PLACE}/clock", encoding="ascii") as file:
            return float(file.read() or 0)
    except OSError:
        return 0.0


def shift_clock(module: ModuleType) -> None:
    """Let the services' wall clock be off."""
    real = module.SystemClock.now
    module.SystemClock.now = lambda self: real(self) + timedelta(seconds=off_by())


class Loader(importlib.abc.Loader):
    """Loads a module as usual, and wraps what is asked for before anybody else can have it."""

    def __init__(self, real: Any, wanted: Sequence[tuple[str, str, bool]]) -> None:
        self._real, self._wanted = real, wanted

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        """As usual."""
        return self._real.create_module(spec)  # type: ignore[no-any-return]

    def exec_module(self, module: ModuleType) -> None:
        """As usual, then wrapped."""
        self._real.exec_module(module)
        for step, name, after in self._wanted:
            owner: Any = module
            *path, last = name.split(".")
            for part in path:
                owner = getattr(owner, part)
            setattr(owner, last, wrapped(step, getattr(owner, last), after))
        if module.__name__ == CLOCK:
            shift_clock(module)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


class Finder(importlib.abc.MetaPathFinder):
    """Finds the modules that are to be wrapped, by those who find modules otherwise."""

    def __init__(self, steps: dict[str, list[tuple[str, str, bool]]]) -> None:
        self._steps = steps

    def find_spec(self, name: str, path: Any, target: Any = None) -> importlib.machinery.ModuleSpec | None:
        """As usual, with a loader that wraps."""
        if name not in self._steps and name != CLOCK:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = Loader(spec.loader, self._steps.get(name, ()))
        return spec


if PLACE:
    sys.meta_path.insert(0, Finder(read_steps(os.environ.get("FAULT_STEPS", ""))))
