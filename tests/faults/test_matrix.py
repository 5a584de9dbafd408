"""The table of faults: nothing is left out without a word, and the part that every run tries covers what it says."""

from __future__ import annotations

import importlib
import itertools
import operator

import pytest

from tests.faults.harms import HARMS
from tests.faults.matrix import FAULTS, NO_CELLS, OPERATIONS, STEPS, cells, selection
from tests.faults.operations import KINDS
from tests.faults.table import PAGE, names_of


def test_each_pair_is_a_cell_or_named_with_its_reason() -> None:
    every = set(itertools.product(FAULTS, OPERATIONS))
    tried = {tuple(cell) for cell in cells()}
    assert tried | set(NO_CELLS) == every
    assert not tried & set(NO_CELLS)
    assert all(NO_CELLS.values())


def test_each_cell_can_be_brought_about() -> None:
    assert {cell.fault for cell in cells()} == set(HARMS)
    assert {cell.operation for cell in cells()} == set(KINDS) == set(STEPS)


def test_the_selection_meets_every_fault_every_operation_and_each_class_with_each() -> None:
    chosen = selection()
    met = {(FAULTS[cell.fault], OPERATIONS[cell.operation]) for cell in chosen}
    assert met == {(FAULTS[cell.fault], OPERATIONS[cell.operation]) for cell in cells()}
    assert {cell.fault for cell in chosen} == set(HARMS)
    assert {cell.operation for cell in chosen} == set(OPERATIONS)
    assert chosen == selection()
    assert len(chosen) <= 40


def test_the_page_has_the_same_rows_and_columns() -> None:
    faults, operations = names_of(PAGE.read_text(encoding="utf-8"))
    assert faults == list(FAULTS)
    assert operations == list(OPERATIONS)


@pytest.mark.parametrize("operation", [name for name, (_, where) in STEPS.items() if ":" in where])
def test_each_step_is_a_function_that_there_is(operation: str) -> None:
    module, _, path = STEPS[operation][1].removeprefix("+").partition(":")
    assert callable(operator.attrgetter(path)(importlib.import_module(module)))
