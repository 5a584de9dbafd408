"""The browser without a screen: how long it waits for a workspace, and what it says of one that does not open."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tre.cli.trial import lab
from tre.cli.trial.browser import Page
from tre.cli.trial.lab import start_workspace
from tre.domain.errors import Reason, TREError

PROJECTS = Page("http://desk/", 200, '<form action="/projects/a/open"></form>')
OLD_END = {"view": "ended", "reason": "Requested", "message": "", "text": "Somebody did.", "heading": "Stopped"}
STARTING = {"view": "starting", "reason": "Requested", "message": "", "text": "", "heading": "Starting"}
RUNNING = {"view": "running", "reason": "Entitled", "message": "", "text": ""}
FAILED = {"view": "ended", "reason": "IsolationFailed", "message": "No proof.", "text": "Ended."}


class Telling:
    """A browser to which the shell says one thing after another, the last for ever; `None` is a refusal."""

    def __init__(self, *states: dict[str, str] | None) -> None:
        self.states, self.told = list(states), 0

    async def submit(self, _page: Page, _form: Any) -> Page:
        return Page("http://desk/workspaces/w-a", 200, "")

    async def get(self, url: str) -> Page:
        return Page(url, 200, "")

    async def call(self, _method: str, url: str, *, origin: str) -> Page:
        self.told += 1
        state = self.states.pop(0) if len(self.states) > 1 else self.states[0]
        return Page(url, 403, "") if state is None else Page(url, 200, json.dumps(state))


async def start(*states: dict[str, str] | None) -> int:
    """Start; how many answers it took."""
    telling = Telling(*states)
    await start_workspace(telling, PROJECTS, "a", "http://{}.open".format)  # type: ignore[arg-type]
    return telling.told


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lab, "POLL_SECONDS", 0)


async def test_an_end_of_the_last_run_is_no_end_of_this_one() -> None:
    assert await start(None, OLD_END, STARTING, STARTING, RUNNING, FAILED) == 5


async def test_a_start_that_came_to_an_end_says_why() -> None:
    with pytest.raises(TREError) as caught:
        await start(OLD_END, STARTING, FAILED)
    assert (caught.value.reason, caught.value.why) == (Reason.IsolationFailed, "No proof.")


@pytest.mark.parametrize(
    ("state", "why"), [(STARTING, "last: Starting."), (OLD_END, "last: Stopped."), (None, "last: nothing.")]
)
async def test_patience_ends_with_its_own_word(
    state: dict[str, str] | None, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lab, "START_SECONDS", 0.05)
    with pytest.raises(TREError) as caught:
        await start(state)
    assert caught.value.reason is Reason.StartTimeout
    assert why in caught.value.why
