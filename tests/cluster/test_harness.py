"""The harness itself: it can be run twice, killed anywhere, and leaves nothing; both tiers."""

from __future__ import annotations

import json
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.conftest import IS_MINE
from tests.cluster.harness import machine, removal
from tests.cluster.harness.basics import CannotRunError, HarnessError, wait_until
from tests.cluster.harness.identity import with_token
from tests.cluster.harness.layout import Layout, Tier
from tests.cluster.harness.programs import API_SETS, NODE_SETS, Programs
from tests.cluster.harness_runs import Trial, look_around, trial

NODE_PARTS = {"containerd", "kubelet", "kube-proxy", "policy-engine", "relay"}
API_PARTS = {"etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"}


def require(tier: Tier) -> None:
    """Skip where a tier cannot be started, or would have to be built first."""
    if IS_MINE:
        pytest.skip("these tests start clusters of their own, and CLUSTER=mine is another")
    try:
        machine.provide(tier, builds_runc=False, install=False)
        missing = Programs.found().missing(NODE_SETS if tier is Tier.node else API_SETS)
    except CannotRunError as error:
        pytest.skip(str(error))
    if missing:
        pytest.skip(f"not built yet ({', '.join(missing)}): make cluster")


@pytest.fixture(params=list(Tier))
def tier(request: pytest.FixtureRequest) -> Tier:
    """Each tier that can run here."""
    found: Tier = request.param
    require(found)
    return found


NODE_IN_LONG_RUNS = pytest.mark.parametrize(
    "tier", [Tier.api, pytest.param(Tier.node, marks=pytest.mark.soak)], indirect=True
)
"""For what is the same work in both tiers; ordinary runs start and remove several clusters with a node besides."""

API_IN_LONG_RUNS = pytest.mark.parametrize(
    "tier", [pytest.param(Tier.api, marks=pytest.mark.soak), Tier.node], indirect=True
)
"""For what a cluster with a node does with all parts, and one without with some."""


@pytest.fixture
def own(tier: Tier) -> Iterator[Trial]:
    """A cluster of the test's own."""
    with trial() as found:
        yield found


@pytest.fixture
def small() -> Iterator[Trial]:
    """The quicker tier, for what does not depend on the tier."""
    require(Tier.api)
    with trial() as found:
        yield found


@API_IN_LONG_RUNS
def test_up_twice_and_down_twice_leave_the_machine_as_it_was(own: Trial, tier: Tier) -> None:
    before = look_around(own.where.token)
    first = own.run("up", "--tier", tier)
    assert first.code == 0, first.said
    assert own.running().parts() == API_PARTS | (NODE_PARTS if tier is Tier.node else set())
    keeper = own.running().keeper

    second = own.run("up", "--tier", tier)
    assert (second.code, "is up already" in second.said) == (0, True)
    assert own.running().keeper == keeper

    for _ in range(2):
        down = own.run("down")
        assert (down.code, down.said) == (0, "Nothing is left of the cluster.\n")
    assert look_around(own.where.token) == before
    assert list(own.where.state.parent.iterdir()) == []


def test_two_starts_at_once_make_one_cluster(small: Trial) -> None:
    runs = [small.begin("up", "--tier", "api") for _ in range(2)]
    said = [run.communicate(timeout=600)[0] for run in runs]
    assert [run.returncode for run in runs] == [0, 0], said
    assert sum("is up already" in text for text in said) == 1
    assert small.run("status").code == 0


STEPS = {
    Tier.api: ["the API server is ready"],
    Tier.node: ["the images are there", "the node is ready"],
}


@pytest.mark.timeout(1200)
@pytest.mark.parametrize(
    ("tier", "victim"),
    [
        pytest.param(Tier.api, "starter", marks=pytest.mark.soak),
        pytest.param(Tier.api, "starter and keeper", marks=pytest.mark.soak),
        pytest.param(Tier.node, "starter", marks=pytest.mark.soak),
        (Tier.node, "starter and keeper"),
    ],
    indirect=["tier"],
)
def test_killed_in_mid_start_the_next_run_repairs(own: Trial, tier: Tier, victim: str) -> None:
    before = look_around(own.where.token)
    for step in STEPS[tier]:
        assert own.kill_at(step, "up", "--tier", tier), "the run was over before it was hit"
        if victim != "starter":
            assert own.running().keeper.kill()
        again = own.run("up", "--tier", tier)
        assert again.code == 0, again.said
        assert own.run("status").code == 0
        assert own.run("down").said == "Nothing is left of the cluster.\n"
    assert look_around(own.where.token) == before


@NODE_IN_LONG_RUNS
def test_killed_in_mid_start_a_removal_repairs_too(own: Trial, tier: Tier) -> None:
    before = look_around(own.where.token)
    assert own.kill_at("the API server is ready", "up", "--tier", tier)
    assert own.run("down").said == "Nothing is left of the cluster.\n"
    assert look_around(own.where.token) == before


def test_a_part_that_died_is_noticed_and_the_cluster_made_anew(small: Trial) -> None:
    assert small.run("up", "--tier", "api").code == 0
    running = small.running()
    running.command("stop", "etcd", signal.SIGKILL)
    assert "etcd" not in running.parts()
    assert small.run("status").code == 1
    assert small.run("up", "--tier", "api").code == 0
    assert small.running().keeper != running.keeper
    assert "etcd" in small.running().parts()


def test_a_part_can_be_stopped_and_started_by_a_test(small: Trial) -> None:
    assert small.run("up", "--tier", "api").code == 0
    running = small.running()
    for name in ("kube-controller-manager", "kube-apiserver"):
        running.command("stop", name, signal.SIGKILL)
        assert name not in running.parts()
        running.command("start", name)
        assert name in running.parts()
    wait_until(lambda: small.run("status").code == 0, "the API server should be ready again", 60)


@API_IN_LONG_RUNS
def test_the_death_of_the_keeper_is_the_death_of_everything(own: Trial, tier: Tier) -> None:
    """However it comes: nothing lives on that somebody would have to find."""
    before = look_around(own.where.token)
    assert own.run("up", "--tier", tier).code == 0
    own.running().keeper.kill()
    wait_until(lambda: not list(with_token(own.where.token)), "all parts should be dead", 20)
    after = look_around(own.where.token)
    assert {key: after[key] for key in ("mounts", "links", "settings", "places")} == {
        key: before[key] for key in ("mounts", "links", "settings", "places")
    }
    assert own.run("status").code == 1
    assert own.run("down").code == 0


def test_a_directory_with_something_else_is_refused(small: Trial) -> None:
    small.where.state.mkdir()
    precious = small.where.state / "thesis.tex"
    precious.write_text("years of work")
    for action in ("up", "down"):
        done = small.run(action, *(["--tier", "api"] if action == "up" else []))
        assert done.code == 1
        assert "no test cluster" in done.said
    assert precious.read_text() == "years of work"
    precious.unlink()


@NODE_IN_LONG_RUNS
def test_what_is_left_behind_is_named(own: Trial, tier: Tier) -> None:
    """The search for leftovers finds what a removal would have missed."""
    assert own.run("up", "--tier", tier).code == 0
    found = "\n".join(removal.leftovers(own.where, {"kernel/panic": "never"}))
    for word in ("process", "file", "setting kernel/panic", *(["control group"] if tier is Tier.node else [])):
        assert word in found
    order = json.loads(own.where.order.read_text())
    own.where.order.write_text(json.dumps(order | {"sysctls": {"kernel/panic": "never"}}))
    down = own.run("down")
    assert down.code == 1
    assert down.said.startswith("LEFT BEHIND: setting kernel/panic is ")
    assert removal.leftovers(own.where, removal.read_sysctls()) == []


def test_the_api_tier_needs_no_root() -> None:
    require(Tier.api)
    if os.geteuid() != 0:
        pytest.skip("the other tests of this tier have run without root already")
    cache = Path(tempfile.mkdtemp(prefix="tre-b-"))
    try:
        cache.chmod(0o755)
        ours = Programs.found()
        for modules in API_SETS:
            reachable = cache / "tre-launcher" / "cluster" / ours.folder(modules).name
            shutil.copytree(ours.folder(modules), reachable, copy_function=os.link)
        nobody = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all")
        with trial(nobody, {"XDG_CACHE_HOME": str(cache), "HOME": "/nonexistent"}) as own:
            up = own.run("up", "--tier", "api")
            if "Permission denied" in up.said:
                pytest.skip(f"other users cannot reach this checkout or its Python: {up.said}")
            assert up.code == 0, up.said
            assert own.running().parts() == API_PARTS
            assert own.where.kubeconfig.stat().st_uid == 65534
            down = own.run("down")
            assert down.code == 0, down.said
    finally:
        shutil.rmtree(cache)


def test_a_run_of_tests_takes_its_cluster_with_it_even_if_killed(small: Trial) -> None:
    before = look_around(small.where.token)
    nothing = ("--tier", "api", "--collect-only", "-q", "tests/cluster/test_programs.py")
    assert small.kill_at("service accounts are made", "test", *nothing)
    wait_until(lambda: not list(with_token(small.where.token)), "all parts should be dead", 20)
    next_one = small.run("test", *nothing)
    assert next_one.code == 0, next_one.said
    assert "Nothing is left of the cluster." in next_one.said

    # One that somebody started to keep is kept.
    assert small.run("up", "--tier", "api").code == 0
    kept = small.running().keeper
    assert small.run("test", *nothing).code == 0
    assert small.running().keeper == kept
    assert small.run("down").code == 0
    assert look_around(small.where.token) == before


def test_a_state_directory_too_long_for_sockets_is_refused() -> None:
    with pytest.raises(HarnessError, match="too long"):
        Layout(Path("/tmp") / ("x" * 90))
