"""From `kubectl apply` to access and back, through the real controller: resources, record and window."""

from __future__ import annotations

from tests.cluster.conftest import Reach
from tests.cluster.place import Place
from tre.cli.trial.controller_site import ControllerSite
from tre.cluster.client import KubernetesClient
from tre.cluster.protocol import Key, Object, Selector
from tre.cluster.resources import ACCESS_GRANT, DATASET, FINALIZER, WORKSPACE
from tre.domain.grants.states import GrantPhase

NAME = "nccid-00123"


class Window:
    """What kubectl shows of a grant."""

    def __init__(self, client: KubernetesClient, namespace: str, name: str = NAME) -> None:
        self.client, self.key = client, Key(namespace, name)

    def item(self) -> Object | None:
        return self.client.get(ACCESS_GRANT, self.key)

    def condition(self, kind: str) -> Object:
        found = (self.item() or {}).get("status", {}).get("conditions") or []
        return next((one for one in found if one["type"] == kind), {})

    def reason(self, kind: str) -> str:
        return str(self.condition(kind).get("reason", ""))


def test_a_signed_resource_becomes_a_grant_and_its_deletion_ends_it(
    site: ControllerSite,
    client: KubernetesClient,
    api: Reach,
    place: Place,
) -> None:
    window = Window(client, place.name)
    path = f"/apis/tre.research/v1alpha1/namespaces/{place.name}/accessgrants/{NAME}"
    controller = site.start()
    site.await_that(controller.leads, "it should lead")

    wrong = site.resource(NAME)
    wrong["spec"]["expires"] = "2098-01-01T00:00:00Z"  # changed after it was signed
    api.client.apply(path, wrong, "kubectl")
    site.await_that(lambda: window.reason("EvidenceVerified") == "EvidenceUnverified", "its evidence should be refused")
    assert "changed after it was signed" in window.condition("EvidenceVerified")["message"]
    assert site.grant(NAME) is None

    missing = site.resource(NAME, members=[{"subject": {"issuer": "local", "id": "nobody"}, "role": "lead"}])
    api.client.apply(path, missing, "kubectl")
    site.await_that(lambda: window.reason("Accepted") == "MemberNotFound", "its member should be missed")
    assert "spec.members[0].subject.id" in window.condition("Accepted")["message"]
    assert site.grant(NAME) is None

    api.client.apply(path, site.resource(NAME), "kubectl")
    site.await_that(lambda: window.reason("Ready") == "Entitled", "it should be ready")
    found, item = site.grant(NAME), window.item()
    assert found is not None
    assert item is not None
    assert found.phase is GrantPhase.Active
    assert item["status"]["phase"] == "Active"
    assert item["status"]["slices"][0]["state"] == "Ready"
    assert item["metadata"]["finalizers"] == [FINALIZER]
    assert len(client.list(WORKSPACE, place.name, Selector(fields=f"spec.grant={NAME}")).items) == 2
    assert client.get(DATASET, Key(place.name, "nccid")) is not None

    site.tre("grant", "suspend", NAME, "--reason", "a question")
    site.await_that(lambda: (window.item() or {})["status"]["phase"] == "Suspended", "kubectl should show it")
    site.tre("grant", "resume", NAME)
    site.await_that(lambda: window.reason("Ready") == "Entitled", "kubectl should show that, too")

    api.client.delete(path)
    site.await_that(lambda: window.item() is None, "it should be gone once nobody has access")
    ended = site.grant(NAME)
    assert ended is not None
    assert ended.phase is GrantPhase.Revoked
    assert controller.end() == 0
    site.tre("audit", "verify")
