"""The whole launcher as people run it: real services, sandboxes and JupyterLab, one installation for all tests."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from tests.support.commands import Commands
from tests.support.machine import lacking_for_workspaces
from tests.support.quick_worlds import TypedWorld
from tre.cli.trial.browser import Browser
from tre.cli.trial.lab import Lab, open_workspace
from tre.cli.trial.world import World, running_world
from tre.domain.errors import TREError

SIGN_IN_SECONDS = 30.0
PATIENCE = 240
"""Seconds for a test: the first of them waits until the installation was made and its services are up."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip, with the reason, where this machine cannot run the whole."""
    ours = [item for item in items if "tests/system/" in str(item.path)]
    reason = lacking_for_workspaces() if ours else ""
    for item in ours:
        item.add_marker(pytest.mark.timeout(PATIENCE))
        if reason:
            item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="package")
def world() -> Iterator[World]:
    """Its services have work of their own as long as they run: they end with these tests."""
    with running_world(TypedWorld) as found:
        yield found


@pytest.fixture(scope="package")
def commands(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Commands]:
    """What anybody types."""
    found = Commands(tmp_path_factory.mktemp("commands"))
    yield found
    found.close()


_numbers = iter(range(1000))


@pytest.fixture
def grant(world: World) -> str:
    """A grant of its own for one test, with alice in it."""
    return world.grant(f"system-{next(_numbers)}")


@pytest.fixture
async def lab(world: World, grant: str) -> AsyncIterator[Lab]:
    """Alice's open workspace in that grant."""
    async with contextlib.AsyncExitStack() as stack:
        browser, projects = await signed_in(stack, world, "alice")
        yield await open_workspace(browser, projects, grant, world.shell_of)


async def signed_in(stack: contextlib.AsyncExitStack, world: World, name: str) -> tuple[Browser, Any]:
    """Somebody's browser, as soon as all services answer: an earlier test may have killed one of them."""
    deadline = time.monotonic() + SIGN_IN_SECONDS
    while True:
        try:
            return await stack.enter_async_context(world.signed_in(name))
        except TREError:
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(0.2)
