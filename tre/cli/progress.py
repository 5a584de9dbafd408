"""Progress of long work on a terminal, and nothing where there is none."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from tre.cli.common import err
from tre.slices.watch import SILENT, Watcher


class _Bars:
    """One line for each step, with a bar where there is something to count."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._task: TaskID | None = None

    def step(self, name: str) -> None:
        self._finish()
        self._task = self._progress.add_task(name, total=None)

    def progress(self, done: int, total: int) -> None:
        if self._task is not None:
            self._progress.update(self._task, completed=done, total=total)

    def _finish(self) -> None:
        if self._task is not None:
            task = next(task for task in self._progress.tasks if task.id == self._task)
            total = task.total if task.total is not None else 1
            self._progress.update(self._task, completed=total, total=total)


@contextmanager
def watched() -> Iterator[Watcher]:
    """A watcher that draws bars on standard error if a person is looking at it."""
    if not err.is_terminal:
        yield SILENT
        return
    columns = (TextColumn("{task.description:>10}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=err, transient=True) as progress:
        yield _Bars(progress)
