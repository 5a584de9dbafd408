"""`tre bench workspaces` and `halt`: what is worked out from measurements, and what is weighed."""

from __future__ import annotations

import os

import pytest
import typer
from typer.testing import CliRunner

from tre.cli.bench import command, halt, workspaces
from tre.cli.bench.halt import Halt, printed
from tre.cli.bench.workspaces import Found, Weights
from tre.domain.errors import Reason, TREError

APP = typer.Typer()
APP.command("bench")(command.bench)
MIB = 2**20


def test_a_number_that_nobody_asked_for_is_not_called_the_most() -> None:
    weights = [Weights(10, {"gateway": 50 * MIB, "hub": 100 * MIB}, 88.0 * MIB, 15.0 * MIB)]
    found = Found([2.0, 1.0, 4.0], [1.0, 2.0, 2.0], weights, 10, "")
    made = {one.what: one for one in workspaces.figures(found, 10)}
    first = made["10 at once, click to a kernel that answers, p50"]
    assert first.peer is not None
    assert (first.ours, first.peer.value, first.ratio) == (2, 2, 1)
    assert made["10 at once, click to a kernel that answers, p99"].ratio == 2
    assert made["live at once, each with a kernel (asked for no more than 10)"].ours == 10
    assert made["with 10: a workspace and its kernel"].ours == 88
    assert made["with 10: gateway"].ours == 50
    full = workspaces.figures(found._replace(refused="900 MiB were left"), 500)
    assert any("(900 MiB were left)" in one.what for one in full)


def test_a_process_is_weighed_by_what_is_its_own_share() -> None:
    assert 5 * MIB < workspaces.held(os.getpid()) < 4000 * MIB
    assert workspaces.held(2**22 + 1) == 0


def test_a_halt_is_judged_by_what_the_command_prints() -> None:
    assert printed("30 workspaces: nothing lives any more, proven after 1.25 s.\n") == 1.25
    with pytest.raises(TREError) as caught:
        printed("", "RuntimeFailed: Still alive after 30 s")
    assert caught.value.reason is Reason.RuntimeFailed
    assert [one.met for one in halt.figures(Halt(30, 2.9, 4.0))] == [True, None, True]
    assert [one.met for one in halt.figures(Halt(29, 3.1, 4.0))] == [False, None, False]


def test_how_many_is_asked_of_those_that_start_workspaces_only(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    monkeypatch.setattr(halt, "bench", lambda up_to: asked.append(up_to) or [])  # type: ignore[func-returns-value]
    assert CliRunner().invoke(APP, ["halt", "--up-to", "4", "--json"]).exit_code == 0
    assert asked == [4]
    assert CliRunner().invoke(APP, ["plan", "--up-to", "4"]).exit_code == 1
    assert CliRunner().invoke(APP, ["halt", "--up-to", "0"]).exit_code == 2
