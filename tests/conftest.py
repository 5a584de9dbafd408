"""What holds for every test, and what tests of every tree may use: both databases."""

from __future__ import annotations

import gc
import os
import signal
from collections import OrderedDict
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from hypothesis import settings
from xdist.scheduler import LoadScopeScheduling

from tests.support.again import write_failed
from tests.support.alternating import Case, for_long_runs
from tests.support.databases import KINDS, Backend, Postgres, Sqlite, backend_of, server_or_skip
from tests.support.postgres import PostgresServer
from tests.support.shared_work import share_work

settings.register_profile("any-speed", deadline=None)  # a test's own timeout ends it; a busy machine fails none
settings.register_profile("repeatable", settings.get_profile("any-speed"), derandomize=True)
settings.load_profile("any-speed")
if os.environ.get("CI"):
    settings.load_profile("repeatable")  # a change is judged by the same examples each time; people's own runs look on

gc.set_threshold(50_000, 20, 100)  # most of what tests make is kept: looking through it each 700 takes a twentieth

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # a shell's background job: programs of tests would not hear it
    signal.signal(signal.SIGINT, signal.default_int_handler)

TOGETHER = {
    "tests/browser/": "desks",
    "tests/cluster/test_bench": "the chart's installation",
    "tests/cluster/test_chart": "the chart's installation",
    **dict.fromkeys(
        [f"tests/cluster/test_{name}" for name in ("harness", "images", "leader", "policyengine", "scale", "sources")],
        "a cluster of few pods",
    ),
    "tests/cluster/test_whole_path": "the chart's installation",
    "tests/cluster/": "a cluster without guards",
    "tests/docs/": "installations that pages tell of",
    "tests/faults/": "faults",
    "tests/system/": "an installation",
    "tests/unit/demodata/": "demonstration data",
}
"""What one worker runs, one test after another: those that share a whole launcher; those that wait for a browser; and
those that share something which takes long to make. Tests of the cluster are three parts: the
guards of the chart's installation would refuse what the others do, and what needs few pods need not wait for theirs."""

FIRST = (
    *("tests/browser/", "tests/faults/", "tests/system/", "tests/docs/", "tests/contract/", "tests/security/"),
    "tests/unit/storekeeper/test_withdrawals.py",
    "tests/unit/controller/test_power_cuts.py",
    "tests/unit/controller/test_life.py",
    "tests/unit/controller/test_decisions.py",
    "tests/unit/controller/test_letters.py",
    "tests/unit/portal/test_api.py",
    "tests/unit/portal/test_optouts.py",
    "tests/cluster/test_leader.py",
    "tests/cluster/test_scale.py",
)
"""What takes longest begins first, so that no worker is alone with it at the end, and what waits much waits beside
others' work."""


class Together(LoadScopeScheduling):
    """Several workers: one of them runs what stays together; besides, a file is one worker's, for its fixtures.

    The first part is the first worker's, whoever of them was ready first: on test clusters the others let it go first.
    """

    def schedule(self) -> None:
        """Give out the first parts, or what is left."""
        self.assigned_work = OrderedDict(sorted(self.assigned_work.items(), key=lambda one: str(one[0].gateway.id)))
        super().schedule()

    def _split_scope(self, nodeid: str) -> str:
        path = nodeid.partition("::")[0]
        return next((name for tree, name in TOGETHER.items() if path.startswith(tree)), path)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    """Say which tests stay together."""
    return Together(config, log)


@pytest.hookimpl(tryfirst=True)  # before tests are chosen by their marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave half of what could use either database to long runs; begin with what takes longest."""
    left = for_long_runs(case for item in items if (case := _case_of(item)) is not None)
    for item in items:
        if item.nodeid in left:
            item.add_marker(pytest.mark.soak)
    items.sort(key=lambda item: next((n for n, place in enumerate(FIRST) if item.nodeid.startswith(place)), len(FIRST)))


def _case_of(item: pytest.Item) -> Case | None:
    params = item.callspec.params if isinstance(item, pytest.Function) and hasattr(item, "callspec") else {}
    if (kind := params.get("module_backend")) in KINDS:
        return Case(item.nodeid, kind, item.nodeid.partition("::")[0])
    if (kind := params.get("backend")) in KINDS:
        return Case(item.nodeid, kind, item.nodeid.replace(kind, ""))
    return None


def pytest_collection_finish() -> None:
    """Share work among all tests. What was made so far stays to the end: nobody looks through it again."""
    share_work()
    gc.collect()
    gc.freeze()


def pytest_unconfigure() -> None:
    """Some libraries count at the end what was left behind."""
    gc.unfreeze()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Tell whoever started all tests which of them failed."""
    write_failed(terminalreporter)


@pytest.fixture(autouse=True)
def log_of_its_own(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A program that a test runs sets the log up on that test's output, which is closed when the next test logs."""
    configure = structlog.configure

    def without_cache(**settings: Any) -> None:
        configure(**settings | {"cache_logger_on_first_use": False})

    monkeypatch.setattr(structlog, "configure", without_cache)
    yield
    structlog.reset_defaults()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """A real PostgreSQL server, once for the session."""
    server = server_or_skip()
    yield server
    server.close()


@pytest.fixture(params=KINDS)
def backend(request: Any) -> Iterator[Backend]:
    """Each of both databases in turn."""
    made = backend_of(request.param, lambda: request.getfixturevalue("postgres_server"))
    yield made
    made.close()


@pytest.fixture(params=KINDS, scope="module")
def module_backend(request: Any) -> Iterator[Backend]:
    """The same for a whole module's tests."""
    made = backend_of(request.param, lambda: request.getfixturevalue("postgres_server"))
    yield made
    made.close()


@pytest.fixture
def sqlite() -> Iterator[Sqlite]:
    """SQLite alone, for what is its own."""
    made = Sqlite()
    yield made
    made.close()


@pytest.fixture
def postgres(postgres_server: PostgresServer) -> Iterator[Postgres]:
    """PostgreSQL alone, for what is its own."""
    made = Postgres(postgres_server)
    yield made
    made.close()
