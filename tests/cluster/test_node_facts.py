"""What the product rests on in a node: deadlines, read-only volumes, user namespaces, sealed sockets, both ways."""

from __future__ import annotations

import datetime
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.conftest import Reach
from tests.cluster.harness.basics import BUSY, CHECKOUT
from tests.cluster.harness.images import TOOLS
from tests.cluster.harness.running import Running
from tests.cluster.place import NEVER_ENDS, PRIVILEGED, Place

Object = dict[str, Any]
WRITE = """
import errno, json, sys
def attempt(path):
    try:
        with open(path, "w"):
            return "written"
    except OSError as error:
        return errno.errorcode[error.errno]
print(json.dumps([attempt(path) for path in sys.argv[1:]]))
"""


def seconds_between(earlier: str, later: str) -> float:
    """Between two times of the API."""
    return (datetime.datetime.fromisoformat(later) - datetime.datetime.fromisoformat(earlier)).total_seconds()


def test_a_pod_starts_writes_and_is_heard(node: Reach, place: Place) -> None:
    place.start(place.pod("says", "python3", "-c", "print('hello')"))
    assert place.outcome("says") == "hello\n"


def test_our_node_takes_images_from_archives(our_node: Running) -> None:
    our_node.ctr("images", "remove", TOOLS)
    assert TOOLS not in our_node.ctr("images", "list", "--quiet").split()
    for archive in our_node.order.images:
        our_node.ctr("images", "import", archive)
    assert TOOLS in our_node.ctr("images", "list", "--quiet").split()


def test_the_kubelet_ends_a_pod_at_its_deadline(node: Reach, place: Place) -> None:
    """Whatever the pod does with TERM, and nobody but the kubelet being asked."""
    ending = place.pod("ending", "python3", "-c", NEVER_ENDS, activeDeadlineSeconds=4)
    endless = place.pod("endless", "python3", "-c", NEVER_ENDS)
    place.start(endless)
    place.start(ending)
    over = place.await_phase("ending", "Failed", "Succeeded")
    assert over["status"]["reason"] == "DeadlineExceeded"
    ended = next(c for c in over["status"]["conditions"] if c["type"] == "Ready")["lastTransitionTime"]
    # Times of the API are whole seconds, so up to one on either side is rounding.
    assert 3 <= seconds_between(over["status"]["startTime"], ended) <= 4 + 3 * BUSY
    assert place.await_phase("endless", "Running")["status"]["phase"] == "Running"


def test_at_the_deadline_the_processes_are_dead(our_node: Running, place: Place) -> None:
    """Seen in the machine's own process table."""
    place.start(place.pod("ending", "python3", "-c", NEVER_ENDS, activeDeadlineSeconds=4))
    uid = place.await_phase("ending", "Running")["metadata"]["uid"]
    assert our_node.processes_of(uid)
    place.await_phase("ending", "Failed")
    assert not our_node.processes_of(uid)


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder of the machine that a pod may be given."""
    made = Path(tempfile.mkdtemp(prefix="tre-cluster-"))
    made.chmod(0o777)
    yield made
    shutil.rmtree(made)


def test_recursive_read_only_covers_mounts_inside(
    our_node: Running, new_place: Callable[[dict[str, str]], Place], folder: Path
) -> None:
    """Plain read-only leaves a mount inside a volume writable: that is the hole, and this closes it."""
    inner = folder / "inner"
    inner.mkdir()
    our_node.inside("mount", "-t", "tmpfs", "-o", "mode=777", "tmpfs", str(inner))
    try:
        place = new_place(PRIVILEGED)
        volume = {"name": "data", "hostPath": {"path": str(folder), "type": "Directory"}}
        for name, kind in (("plain", "Disabled"), ("recursive", "Enabled")):
            mount = {"name": "data", "mountPath": "/data", "readOnly": True, "recursiveReadOnly": kind}
            place.run(name, volumes=[volume], container={"volumeMounts": [mount]})
        targets = ("/data/file", "/data/inner/file")
        assert place.python("plain", WRITE, *targets) == ["EROFS", "written"]
        assert place.python("recursive", WRITE, *targets) == ["EROFS", "EROFS"]
        for name in ("plain", "recursive"):
            place.client.delete(place.path("pods", name), grace=0)
    finally:
        our_node.inside("umount", "--lazy", str(inner))


def test_a_pod_can_have_users_of_its_own(node: Reach, place: Place) -> None:
    """With hostUsers false, root in the pod would be nobody on the node."""
    handlers = [h for n in node.client.get("/api/v1/nodes")["items"] for h in n["status"].get("runtimeHandlers", [])]
    if not any(handler.get("features", {}).get("userNamespaces") for handler in handlers):
        pytest.skip("no node of this cluster says that its runtime can give pods users of their own")
    for name, host_users in (("own", False), ("shared", True)):
        place.run(name, hostUsers=host_users)
    uid_map = "import json; print(json.dumps([int(n) for n in open('/proc/self/uid_map').read().split()]))"
    own, shared = place.python("own", uid_map), place.python("shared", uid_map)
    assert (own[0], own[2]) == (0, 65536)
    assert own[1] >= 65536
    assert shared == [0, 0, 4294967295]


def test_a_pods_file_system_and_rights_are_as_the_profile_says(node: Reach, place: Place) -> None:
    place.run(
        "closed",
        volumes=[{"name": "tmp", "emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}}],
        container={"volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}]},
    )
    assert place.python("closed", WRITE, "/file", "/tmp/file") == ["EROFS", "written"]
    lines = place.execute("closed", "cat", "/proc/self/status").stdout.splitlines()
    status = dict(line.split(":\t", 1) for line in lines if ":\t" in line)
    assert int(status["CapEff"], 16) == int(status["CapBnd"], 16) == 0
    assert (status["Seccomp"].strip(), status["NoNewPrivs"].strip()) == ("2", "1")


# The seal is the product's own, carried into the pod as a ConfigMap; each family is tried before and after.
SEALED = """
import errno, json, sys
sys.path.insert(0, "/code")
from sealing import kernel, seal
FAMILIES = {"UNIX": 1, "INET": 2, "INET6": 10, "PACKET": 17, "VSOCK": 40, "ALG": 38, "NETLINK_ROUTE": 16}
def attempts():
    found = {}
    for name, family in FAMILIES.items():
        for kind in (1, 2, 3):
            result = kernel.call("socket", family, kind, 0)
            found[f"{name}/{kind}"] = "opened" if result >= 0 else errno.errorcode[-result]
    return found
before = attempts()
seal.seal()
print(json.dumps({"before": before, "after": attempts()}))
"""


def test_a_sealed_process_opens_no_network_socket(node: Reach, place: Place) -> None:
    """Without a policy, in a restricted pod, by nothing but its own first instructions."""
    files = {path.name: path.read_text() for path in (CHECKOUT / "tre" / "runtimes" / "init").glob("*.py")}
    node.client.create(place.path("configmaps"), {"metadata": {"name": "sealing"}, "data": files})
    place.run(
        "sealed",
        volumes=[{"name": "code", "configMap": {"name": "sealing"}}],
        container={"volumeMounts": [{"name": "code", "mountPath": "/code/sealing"}]},
    )
    found = place.python("sealed", SEALED)
    for name in ("INET/1", "INET/2", "INET6/1", "INET6/2"):
        assert found["before"][name] == "opened"
    opened = {name.split("/")[0] for name, outcome in found["after"].items() if outcome == "opened"}
    assert opened <= {"UNIX", "NETLINK_ROUTE"}
    assert "UNIX" in opened
    for name in ("INET/1", "INET/2", "INET/3", "INET6/1", "INET6/2", "INET6/3", "PACKET/2", "VSOCK/1", "ALG/1"):
        assert found["after"][name] == "EAFNOSUPPORT", found
