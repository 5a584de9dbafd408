"""Linear programming for what an outsider can compute: the HiGHS solver that comes with SciPy, made fit for the walls.

Guarantees: one thread (the walls let nothing start another, and HiGHS asks the system for the number of processors
unless it is told); no file, no output; a bounded number of iterations for each question. Questions about one system
are asked of one solver, which goes on from its last answer.

Only HiGHS itself is loaded, past SciPy's package: `scipy.optimize` brings 500 modules, and every request would wait for
them. Its interface is SciPy's own business; the version is pinned, and a test asks it behind the real walls.
"""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Mapping, Sequence
from importlib.machinery import ExtensionFileLoader
from pathlib import Path
from typing import Any

_MOST_STEPS = 2000
_SLACK = 1e-6


def _load() -> Any:
    found = importlib.util.find_spec("scipy")
    if found is None or found.origin is None:
        raise ImportError("scipy is not installed")
    (path,) = (Path(found.origin).parent / "optimize" / "_highspy").glob("_core.*.so")
    loader = ExtensionFileLoader("_core", str(path))
    spec = importlib.util.spec_from_loader("_core", loader)
    if spec is None:
        raise ImportError("HiGHS cannot be loaded")
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


_highs = _load()

Row = tuple[Mapping[int, int], int]
"""An equation: which variables, how often, and what they add up to."""


class System:
    """Variables between bounds, and equations between them."""

    def __init__(self, lows: Sequence[int], highs: Sequence[int | None], rows: Sequence[Row]) -> None:
        self._solver = _highs._Highs()
        options = _highs.HighsOptions()
        options.output_flag = False
        options.threads = 1
        options.solver = "simplex"
        options.presolve = "off"
        options.simplex_iteration_limit = _MOST_STEPS
        self._solver.passOptions(options)
        self._solver.passModel(_model(lows, highs, rows))
        self._last = -1

    def extreme(self, variable: int, least: bool) -> tuple[int | None, list[float]]:
        """The least or greatest whole number that a variable can take, and a solution; `None` where there is none.

        What the solver did not decide within its steps counts as no bound.
        """
        if self._last >= 0:
            self._solver.changeColCost(self._last, 0.0)
        self._solver.changeColCost(variable, 1.0 if least else -1.0)
        self._last = variable
        self._solver.run()
        if self._solver.getModelStatus() != _highs.HighsModelStatus.kOptimal:
            return None, []
        values = list(self._solver.getSolution().col_value)
        value = values[variable]
        return (math.ceil(value - _SLACK) if least else math.floor(value + _SLACK)), values


def _model(lows: Sequence[int], highs: Sequence[int | None], rows: Sequence[Row]) -> Any:
    model = _highs.HighsLp()
    model.num_col_, model.num_row_ = len(lows), len(rows)
    model.col_cost_ = [0.0] * len(lows)
    model.col_lower_ = [float(low) for low in lows]
    model.col_upper_ = [_highs.kHighsInf if high is None else float(high) for high in highs]
    model.row_lower_ = model.row_upper_ = [float(right) for _, right in rows]
    matrix = model.a_matrix_
    matrix.num_col_, matrix.num_row_ = len(lows), len(rows)
    matrix.format_ = _highs.MatrixFormat.kRowwise
    starts, places, values = [0], [], []
    for left, _ in rows:
        places += list(left)
        values += [float(value) for value in left.values()]
        starts.append(len(places))
    matrix.start_, matrix.index_, matrix.value_ = starts, places, values
    return model


def _warm_up() -> None:
    """Ask one question, so that all that HiGHS and the conversion of its numbers load lazily is there already."""
    answer, _ = System([0, 0], [9, None], [({0: 1, 1: 1}, 4)]).extreme(0, least=False)
    if answer != 4:
        raise ImportError("HiGHS does not answer as expected")


_warm_up()
