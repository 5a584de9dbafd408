"""Every row of the forbidden table on a real API server: refused by each of its guards alone, admitted without them."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from functools import partial

import pytest

from tests.cluster.conftest import Reach
from tests.cluster.guarded import Ground, Variant, guards
from tests.cluster.harness.basics import CHECKOUT, wait_until
from tests.cluster.harness.client import MERGE, ApiError, Client
from tests.cluster.harness.running import Running
from tests.support.forbidden import COLLECTIONS, Object, Row, rows

ROWS = rows()
RULES = {guards.identifier(guard, rule) for guard in guards.load() for rule in guard.rules}
SHIPPED = CHECKOUT / "policies" / "kubernetes" / "static"
GUARD_GROUP = "admissionregistration.k8s.io"
ROLES = ("controller", "viewer", "operator", "break-glass")
WORDS = {"restricted": "violates PodSecurity", "limits": "per Container is"}


def without(row: Row) -> Variant:
    """The place that lacks just this row's guards."""
    return frozenset({*row.guards, *row.apart})


def with_only(row: Row, guard: str) -> Variant:
    """The place where of this row's guards one is left."""
    return without(row) - {guard}


def variants() -> list[Variant]:
    """Every place that some row needs."""
    found: dict[Variant, None] = {frozenset(): None}
    for row in ROWS:
        found |= dict.fromkeys([frozenset(row.apart), without(row), *(with_only(row, guard) for guard in row.guards)])
    return list(found)


@pytest.fixture(scope="module")
def ground(api: Reach) -> Iterator[Ground]:
    """Namespaces with all guards but some; made before the guards, which would not let them lack anything."""
    found = Ground(api.client, secrets.token_hex(3))
    try:
        found.install_roles()
        for number, variant in enumerate(variants()):
            found.furnish(variant, number)
        found.start_pods()
        found.install_guards()
        yield found
    finally:
        found.clear()


def await_guards(ground: Ground, variant: Variant) -> None:
    """Policies come into force a moment after they are made: wait until one row of each is refused here."""
    if variant in ground.in_force:
        return
    ground.in_force.add(variant)
    for guard in guards.load():
        canary = next(
            row for row in ROWS if len(row.guards) == 1 and row.guards[0].startswith(f"{guard.name}/")
            and not variant & {*row.guards, *row.apart}
        )  # fmt: skip
        wait_until(partial(ground.refusal, canary, variant), f"{canary.name} should be refused", 60, 0.05)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_each_guard_refuses_alone_and_without_them_it_is_admitted(ground: Ground, row: Row) -> None:
    complete = frozenset(row.apart)
    await_guards(ground, complete)
    assert ground.refusal(row, complete)

    for guard in row.guards:
        place = with_only(row, guard)
        await_guards(ground, place)
        words = guard if guard in RULES else WORDS.get(guard, f"exceeded quota: {guard.removeprefix('quota:')}")
        assert words in ground.refusal(row, place)

    await_guards(ground, without(row))
    assert ground.refusal(row, without(row)) == ""


def test_everything_rendered_is_admitted_under_all_guards(ground: Ground) -> None:
    """The controller's own role suffices for it, and no guard stands in its way."""
    await_guards(ground, frozenset())
    for what in ground.scenes[frozenset()].objects:
        assert ground.refusal(Row("as rendered", (), what=what), frozenset()) == "", what


def test_a_namespace_comes_and_goes_under_all_guards(ground: Ground) -> None:
    """Nobody is refused what the cluster itself does there: its own objects are made, and everything is removed."""
    await_guards(ground, frozenset())
    fresh = frozenset({"nothing"})
    ground.furnish(fresh, len(ground.scenes))
    scene = ground.scenes[fresh]
    namespace = f"/api/v1/namespaces/{scene.namespace}"
    for made in ("serviceaccounts/default", "configmaps/kube-root-ca.crt"):
        wait_until(partial(ground.client.find, f"{namespace}/{made}"), f"{made} should be made", 60, 0.05)
    controller = ground.someone("controller")
    for name in ("claim", "instruction", "pod"):
        kind = scene.objects[name]["kind"]
        path = COLLECTIONS[kind].format(ns=scene.namespace)
        wait_until(partial(made_or_there, controller, path, scene.objects[name]), name, 60, 0.05)
    controller.delete(namespace)
    pod = f"{namespace}/pods/{scene.pod}"
    wait_until(partial(is_being_deleted, ground.client, pod), "the cluster should delete the pod", 60, 0.1)
    controller.request("PATCH", pod, {"metadata": {"finalizers": None}}, MERGE)  # as soon as it was proven dead
    wait_until(lambda: ground.client.find(namespace) is None, "the namespace should be gone", 90, 0.1)
    assert ground.client.get_status(pod) == 404


def is_being_deleted(client: Client, path: str) -> bool:
    """Whether somebody asked for its end, and something keeps it."""
    return "deletionTimestamp" in client.get(path)["metadata"]


def made_or_there(client: Client, path: str, content: Object) -> bool:
    """Create; a quota that is not yet counted refuses for a moment."""
    try:
        client.create(path, content)
    except ApiError as error:
        if "status unknown for quota" in str(error):
            return False
        if error.reason != "AlreadyExists":
            raise
    return True


def test_files_for_the_api_servers_disk_hold_from_there(ground: Ground, ours: Running) -> None:
    """As they are shipped, for a controller in `tre-system`; an administrator cannot take them away."""
    by_hand = Row("by hand", (), what="namespace", by="administrator", set={"/metadata/name": "tre-grant-by-hand"})
    lacking = next(variant for variant in ground.scenes if "tre-namespaces/writer" in variant)
    await_guards(ground, lacking)
    assert ground.refusal(by_hand, lacking) == ""
    folder = ours.where.static_policies / "validating"
    files = [folder / f"{ground.token}-{path.name}" for path in sorted(SHIPPED.glob("*.yaml"))]
    try:
        for file, path in zip(files, sorted(SHIPPED.glob("*.yaml")), strict=True):
            file.write_text(path.read_text("utf-8"))
        wait_until(lambda: ground.refusal(by_hand, lacking), "the file should be in force", 90, 0.1)
        assert "tre-namespaces.static.k8s.io" in ground.refusal(by_hand, lacking)
    finally:
        for file in files:
            file.unlink(missing_ok=True)
    wait_until(lambda: not ground.refusal(by_hand, lacking), "the file should be out of force", 90, 0.1)


# role, verb, API group, resource, whether it may
RIGHTS = [
    *(("controller", verb, "", "pods", True) for verb in ("create", "delete", "patch", "list", "watch")),
    *(
        (role, "create", "", f"pods/{way}", False)
        for role in ROLES
        for way in ("exec", "attach", "portforward", "proxy")
    ),
    *((role, "patch", "", "pods/ephemeralcontainers", False) for role in ROLES),
    *((role, "get", "", "nodes/proxy", False) for role in ROLES),
    *((role, "get", "", "pods/log", role == "controller") for role in ROLES),
    *((role, verb, "", "secrets", False) for role in ROLES for verb in ("get", "list", "watch", "patch")),
    ("controller", "create", "", "secrets", True),
    ("controller", "delete", "", "secrets", True),
    *((role, "create", "", "serviceaccounts/token", False) for role in ROLES),
    *(
        (role, verb, "rbac.authorization.k8s.io", "clusterroles", False)
        for role in ROLES
        for verb in ("bind", "escalate")
    ),
    *((role, "impersonate", "", "users", False) for role in ROLES),
    *((role, "delete", GUARD_GROUP, "validatingadmissionpolicies", False) for role in ROLES),
    *((role, "get", "", "pods", True) for role in ROLES),
    *((role, "create", "", "pods", role == "controller") for role in ROLES),
    *((role, "patch", "", "namespaces", role == "controller") for role in ROLES),
    *((role, "delete", "", "namespaces", role in ("controller", "break-glass")) for role in ROLES),
    *((role, "delete", "", "pods", role in ("controller", "break-glass")) for role in ROLES),
    *((role, "patch", "networking.k8s.io", "networkpolicies", role == "controller") for role in ROLES),
    *((role, "create", "tre.research", "accessgrants", role == "operator") for role in ROLES),
    *((role, "get", "tre.research", "accessgrants", True) for role in ROLES),
    *((role, "patch", "tre.research", "accessgrants/status", role == "controller") for role in ROLES),
]


def test_roles_may_what_they_should_and_nothing_else(ground: Ground) -> None:
    """The API server's own judgement of people who have just one of the roles."""
    users = {"controller": ground.controller_name}
    for role in ("viewer", "operator", "break-glass"):
        users[role] = f"{role}-{ground.token}"
        subject = {"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": users[role]}
        reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole"}
        reference["name"] = f"tre-{role}-{ground.token}"
        binding = {"metadata": {"name": users[role]}, "roleRef": reference, "subjects": [subject]}
        ground.make("/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", binding)

    def may(role: str, verb: str, group: str, resource: str) -> bool:
        name, _, sub = resource.partition("/")
        asked = {"verb": verb, "group": group, "resource": name, "subresource": sub, "namespace": "tre-grant-x"}
        review = {"spec": {"user": users[role], "resourceAttributes": asked}}
        answer = ground.client.create("/apis/authorization.k8s.io/v1/subjectaccessreviews", review)
        return bool(answer["status"]["allowed"])

    for role in ROLES:
        wait_until(partial(may, role, "get", "", "pods"), f"{role} should count", 30, 0.05)
    wrong = [
        (role, verb, resource) for role, verb, group, resource, due in RIGHTS if may(role, verb, group, resource) != due
    ]
    assert wrong == []
