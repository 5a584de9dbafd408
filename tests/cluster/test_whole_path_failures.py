"""What goes wrong around an installed launcher, and what holds then: each test breaks one thing and looks at people's
workspaces, at the node's own process table, and at what the launcher says afterwards."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest
from aiohttp import ClientConnectionError

from tests.cluster.atwork import at_work, both_at_work
from tests.cluster.conftest import SECONDS
from tests.cluster.harness.basics import BUSY
from tests.cluster.harness.client import MERGE, ApiError
from tests.cluster.installed import CHART, DEPLOYMENTS, NAMESPACE, RELEASE
from tests.cluster.launcher import LEFT_TO_THE_LOOP, Launcher, Object, took
from tests.cluster.place import is_ready
from tests.cluster.pods import STUBBORN
from tre.domain import names
from tre.domain.errors import TREError

pytestmark = [pytest.mark.timeout(2 * SECONDS), LEFT_TO_THE_LOOP]
DEPLOYMENT = f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments"
GUARDS = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings"


def ended_as(launcher: Launcher, grant: str, seconds: float = 60.0, name: str = "alice") -> Object:
    """What the record says of a workspace once it is Stopped."""
    launcher.await_that(
        lambda: launcher.shown(grant, name).get("phase") == "Stopped", f"{grant} should be stopped", seconds
    )
    return launcher.state(grant, name)


@contextmanager
def nothing_of_ours_runs(launcher: Launcher) -> Iterator[None]:
    """Every service is scaled to nothing, and comes back afterwards."""
    before = {}
    for name in DEPLOYMENTS:
        path = f"{DEPLOYMENT}/tre-{name}"
        before[path] = launcher.site.client.get(path)["spec"]["replicas"]
        launcher.site.client.request("PATCH", path, {"spec": {"replicas": 0}}, MERGE)
    launcher.await_that(lambda: not launcher.site.pods_of_services(), "services should go", every=0.25)
    try:
        yield
    finally:
        for path, replicas in before.items():
            launcher.site.client.request("PATCH", path, {"spec": {"replicas": replicas}}, MERGE)
        launcher.site.await_ready()


def test_a_run_ends_on_time_with_no_service_of_ours_alive(launcher: Launcher) -> None:
    end = (datetime.now(UTC) + timedelta(seconds=75)).replace(microsecond=0)
    grant = launcher.grant("fail-expiry", expires=end.isoformat())

    async def story() -> datetime:
        async with at_work(launcher, grant) as work:
            await work.kernel.execute(STUBBORN)
            with nothing_of_ours_runs(launcher):
                assert work.is_alive()
                assert datetime.now(UTC) < end
                return await work.until_dead(90)

    dead = asyncio.run(story())
    took("end of the grant → nothing lives, no service of ours", (dead - end).total_seconds())
    assert timedelta(seconds=-5) < dead - end < timedelta(seconds=2.5)
    launcher.await_that(lambda: launcher.phase(grant) == "Expired", "the grant should expire once somebody looks")
    assert ended_as(launcher, grant)["reason"] in {"GrantExpired", "DeadlineReached"}


def test_a_member_who_is_taken_off_is_out_and_the_others_stay(launcher: Launcher) -> None:
    grant = launcher.grant("fail-member", "alice", "ben")

    async def story() -> None:
        async with both_at_work(launcher, (grant, "alice"), (grant, "ben")) as (alice, ben):
            began = time.monotonic()
            await asyncio.to_thread(launcher.apply, launcher.approve(grant, "alice"))
            await ben.until_dead()
            took("kubectl apply without a member → that member's run dead", time.monotonic() - began)
            assert alice.is_alive()
            assert await alice.answers()

    asyncio.run(story())
    assert ended_as(launcher, grant, name="ben")["reason"] in {"MemberRemoved", "NotAMember"}
    assert launcher.state(grant)["phase"] == "Running"
    launcher.withdraw(grant)


def test_an_upgrade_keeps_a_run_and_its_kernel_and_a_file_goes_out_of_it(launcher: Launcher) -> None:
    grant = launcher.grant("fail-upgrade")

    async def before() -> tuple[str, str]:
        async with launcher.lab_of(grant) as lab:
            identifier = (await lab.call("POST", "/api/kernels", {"name": "python3"})).json()["id"]
            async with lab.attached(identifier) as kernel:
                await kernel.execute("kept = 41")
        return identifier, launcher.uid(grant)

    async def after(identifier: str) -> None:
        async with launcher.lab_of(grant) as lab, lab.attached(identifier) as kernel:
            assert await kernel.execute("print(kept + 1)") == "42\n"
            first = "next(__import__('pathlib').Path('/data/chest-xray/data').rglob('*.dcm'))"
            path = (await kernel.execute(f"first = {first}; print(first)")).strip()
            assert await kernel.execute("print(first.exists())") == "True\n"
            slice_id = launcher.resource(grant)["status"]["slices"][0]["sliceId"]
            file = path.replace("/data/chest-xray", f"/srv/tre/data/slices/{slice_id}")
            launcher.site.kubectl("exec", "tre-shell-0", "--", "rm", file)
            assert await kernel.execute("print(first.exists())") == "False\n"

    def secrets() -> list[Object]:
        return [launcher.site.secret(name)["data"] for name in ("tre-audit-signing", "tre-link-hub", "tre-gateway-tls")]

    identifier, uid = asyncio.run(before())
    kept = secrets()
    with every_pod_is_new(launcher):
        launcher.site.run("upgrade", RELEASE, str(CHART), settings={"sessionHours": 5})
    asyncio.run(after(identifier))
    assert launcher.uid(grant) == uid
    assert secrets() == kept
    with every_pod_is_new(launcher):
        launcher.site.run("rollback", RELEASE)
    assert launcher.uid(grant) == uid
    assert secrets() == kept
    assert "Succeeded" in launcher.site.run("test", RELEASE)
    asyncio.run(_is_answered(launcher, grant, identifier))
    launcher.withdraw(grant)


@contextmanager
def every_pod_is_new(launcher: Launcher) -> Iterator[None]:
    """What is done replaces every pod of the services; comes back when the last old one is gone and all are ready."""

    def there() -> set[str]:
        return {pod["metadata"]["uid"] for pod in launcher.site.pods_of_services()}

    before = there()
    yield
    launcher.await_that(lambda: not before & there(), "every pod should be replaced", 180, 0.5)
    launcher.site.await_ready()


async def _is_answered(launcher: Launcher, grant: str, identifier: str) -> None:
    async with launcher.lab_of(grant) as lab, lab.attached(identifier) as kernel:
        assert await kernel.execute("print(kept + 1)") == "42\n"


def test_a_drained_node_ends_the_run_with_words(launcher: Launcher) -> None:
    grant = launcher.grant("fail-drain")
    node = "/api/v1/nodes/" + launcher.site.client.get("/api/v1/nodes")["items"][0]["metadata"]["name"]

    async def story() -> None:
        async with at_work(launcher, grant) as work:
            pod = launcher.pod(grant)
            assert pod is not None
            meta = {"name": pod["metadata"]["name"], "namespace": pod["metadata"]["namespace"]}
            path = f"/api/v1/namespaces/{meta['namespace']}/pods/{meta['name']}/eviction"
            launcher.site.client.request("PATCH", node, {"spec": {"unschedulable": True}}, MERGE)
            launcher.site.client.create(path, {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": meta})
            await work.until_dead()

    try:
        asyncio.run(story())
        found = ended_as(launcher, grant)
        assert found["reason"] == "RuntimeFailed"
        assert "The cluster ended the run" in found["message"]
        assert launcher.pod(grant) is None
    finally:
        launcher.site.client.request("PATCH", node, {"spec": {"unschedulable": None}}, MERGE)
    launcher.withdraw(grant)


def test_runs_outlast_the_api_server_and_end_on_time_without_it(launcher: Launcher) -> None:
    end = (datetime.now(UTC) + timedelta(seconds=70)).replace(microsecond=0)
    short = launcher.grant("fail-api-short", expires=end.isoformat())
    long = launcher.grant("fail-api-long")

    async def story() -> None:
        async with both_at_work(launcher, (short, "alice"), (long, "alice")) as (ending, staying):
            launcher.node.command("stop", "kube-apiserver", 9)
            stopped = time.monotonic()
            try:
                assert await staying.answers()
                dead = await ending.until_dead(120)
                assert -5 < (dead - end).total_seconds() < 2.0 * BUSY
                await asyncio.sleep(max(0.0, 60 - (time.monotonic() - stopped)))
                assert staying.is_alive()
            finally:
                launcher.node.command("start", "kube-apiserver")
                took("without an API server", time.monotonic() - stopped)

    asyncio.run(story())
    began = time.monotonic()
    launcher.await_that(lambda: answers(launcher), "the API server should answer", 60)
    launcher.site.await_ready()
    launcher.await_that(lambda: launcher.phase(short) == "Expired", "the ended grant should expire")
    assert ended_as(launcher, short)["reason"] in {"GrantExpired", "DeadlineReached"}
    took("API server back → everything in step", time.monotonic() - began)
    assert launcher.state(long)["phase"] == "Running"
    asyncio.run(_is_entered(launcher, long))
    launcher.withdraw(long)
    launcher.await_that(lambda: launcher.pod(long) is None, "a revocation should work again")
    launcher.await_that(lambda: time.monotonic() - began > LOST_NODES_NOTICED, "a look at the nodes", every=1.0)
    launcher.await_that(lambda: all_are_heard(launcher), "the node and its pods should be heard again", every=0.5)


LOST_NODES_NOTICED = 10.0
"""The node controller looks every 5 s. If it has still to hear of the node when the API server is back, its first look
that can be written down counts the node as lost, and its pods are no endpoints until both are heard again."""


def all_are_heard(launcher: Launcher) -> bool:
    """Whether the node and every pod of the services count as ready."""
    nodes = launcher.site.client.get("/api/v1/nodes")["items"]
    return all(is_ready(one) for one in [*nodes, *launcher.site.pods_of_services()])


def answers(launcher: Launcher) -> bool:
    """Whether the API server does."""
    with contextlib.suppress(Exception):
        return bool(launcher.site.client.get("/api/v1/nodes")["items"])
    return False


async def _is_entered(launcher: Launcher, grant: str) -> None:
    """Somebody gets in and computes, if need be after loading the page again, as it says."""
    async with asyncio.timeout(30 * BUSY):
        while True:
            with contextlib.suppress(TREError, ClientConnectionError):
                async with launcher.lab_of(grant) as lab:
                    assert (await lab.run(["print(1 + 1)"])) == ["2\n"]
                    return
            await asyncio.sleep(1.0)


def test_a_controller_killed_in_mid_start_leaves_nothing_behind(launcher: Launcher) -> None:
    grant = launcher.grant("fail-killed")

    async def story() -> str:
        async with launcher.signed_in("alice") as (browser, projects):
            await browser.submit(projects, projects.form(f"/{grant}/open"))
        leader = launcher.leader()
        async with asyncio.timeout(30 * BUSY):
            while (pod := launcher.pod(grant)) is None:
                await asyncio.sleep(0.005)
        launcher.kill(leader)
        return str(pod["metadata"]["uid"])

    uid = asyncio.run(story())
    began = time.monotonic()
    assert launcher.state(grant)["phase"] == "Starting"  # the kill hit in the middle
    launcher.await_that(lambda: launcher.shown(grant)["phase"] != "Starting", "somebody should go on", 120)
    took("controller killed in mid-start → the other one has brought it to its end", time.monotonic() - began)
    assert launcher.state(grant)["phase"] == "Running"
    assert launcher.uid(grant) == uid
    asyncio.run(_is_entered(launcher, grant))
    launcher.withdraw(grant)
    assert ended_as(launcher, grant)["reason"] == "GrantRevoked"
    launcher.await_that(lambda: launcher.pod(grant) is None, "nothing should be left")


def test_a_policy_deleted_by_hand_suspends_the_run_and_comes_back(launcher: Launcher) -> None:
    grant = launcher.grant("fail-policy")
    policies = f"/apis/networking.k8s.io/v1/namespaces/{names.grant_namespace(grant)}/networkpolicies"

    async def story() -> None:
        async with at_work(launcher, grant) as work:
            there = [one["metadata"]["name"] for one in launcher.site.client.get(policies)["items"]]
            assert not deleted(launcher, f"{policies}/{there[0]}")  # the guard is in the way
            with without_guard(launcher, "tre-writes"):
                launcher.await_that(lambda: deleted(launcher, f"{policies}/{there[0]}"), "the guard should be off")
                began = time.monotonic()
                for one in there[1:]:
                    assert deleted(launcher, f"{policies}/{one}")
                sealed = asyncio.create_task(work.kernel.execute(REACH))
                await work.until_dead()
                took("network policy deleted → the run dead", time.monotonic() - began)
                with contextlib.suppress(TypeError, TREError, ConnectionError):  # the door may have cut it already
                    assert await sealed == "97\n"

    asyncio.run(story())
    found = ended_as(launcher, grant)
    assert found["reason"] == "IsolationFailed"

    def policies_there() -> set[str]:
        return {one["metadata"]["name"] for one in launcher.site.client.get(policies)["items"]}

    launcher.await_that(lambda: policies_there() == {"deny-all", "door-from-gateway"}, "they should be put back", 10)
    asyncio.run(_is_entered(launcher, grant))  # by another click
    launcher.withdraw(grant)


def deleted(launcher: Launcher, path: str) -> bool:
    """Whether the API server lets an administrator delete this."""
    try:
        launcher.site.client.delete(path)
    except ApiError as error:
        if "only the controller writes" not in str(error):
            raise
        return False
    return True


REACH = """
import socket
try:
    socket.create_connection(("10.96.0.1", 443), 2)
except OSError as error:
    print(error.errno)
"""


@contextmanager
def without_guard(launcher: Launcher, name: str) -> Iterator[None]:
    """Without an admission policy, as where somebody took it off first."""
    path = f"{GUARDS}/{name}"
    binding = launcher.site.client.get(path)
    launcher.site.client.delete(path)
    try:
        yield
    finally:
        meta = {
            key: binding["metadata"][key] for key in ("name", "labels", "annotations") if key in binding["metadata"]
        }
        launcher.site.client.create(GUARDS, binding | {"metadata": meta})


def test_a_namespace_deleted_by_hand_ends_its_run_and_comes_back(launcher: Launcher) -> None:
    grant = launcher.grant("fail-namespace")
    path = f"/api/v1/namespaces/{names.grant_namespace(grant)}"

    async def story() -> None:
        async with at_work(launcher, grant) as work:
            launcher.site.client.delete(path)
            await work.until_dead()

    asyncio.run(story())
    assert "The cluster ended the run" in ended_as(launcher, grant)["message"]
    launcher.await_that(lambda: launcher.site.client.find(path) is None, "the namespace should go", 60)
    asyncio.run(_is_entered(launcher, grant))
    launcher.withdraw(grant)


def test_where_the_network_enforces_nothing_nobody_gets_in(launcher: Launcher) -> None:
    grant = launcher.grant("fail-cni")

    async def story() -> str:
        with pytest.raises(TREError) as caught:
            async with launcher.lab_of(grant):
                pass
        return f"{caught.value.reason} {caught.value.why}"

    launcher.node.set_engine("off")
    try:
        said = asyncio.run(story())
    finally:
        launcher.node.set_engine("closed", "cut")
    assert said.startswith("IsolationFailed")
    assert ended_as(launcher, grant)["reason"] == "IsolationFailed"
    asyncio.run(_is_entered(launcher, grant))  # with a network that enforces, the same grant opens
    launcher.withdraw(grant)
