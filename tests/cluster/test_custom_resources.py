"""The chart's definitions and the door, on a real API server: what it takes, cuts off, refuses, finds and shows."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.cluster.conftest import Reach
from tests.cluster.harness.basics import wait_until
from tests.cluster.harness.client import MERGE, ApiError
from tests.cluster.place import Place
from tests.support.factories import ALICE, access_grant, slice_plain
from tre.cluster.client import KubernetesClient
from tre.cluster.events import EVENT, Recorder
from tre.cluster.lease import Elector, LeaseTerms
from tre.cluster.protocol import ClusterError, Key, Object, Selector
from tre.cluster.resources import ACCESS_GRANT, DATASET, FINALIZER, WORKSPACE
from tre.domain.entitlement import is_entitled
from tre.domain.events import Event, program
from tre.domain.grants.models import GrantRecord
from tre.domain.grants.states import GrantPhase
from tre.sources.kubernetes.door import DoorTerms
from tre.sources.kubernetes.service import KubernetesSource, Look, SourceTerms
from tre.sources.signed import key_id, sign
from tre.store import grants
from tre.store.database import Database, new_id
from tre.store.migrate import migrate
from tre.system.clock import SystemClock

COMMITTEE = Ed25519PrivateKey.generate()
NAME = "nccid-00123"


def resource(place: Place, name: str = NAME, *, signed: bool = True, **changes: Any) -> Object:
    """A grant as a resource."""
    grant = access_grant(name, **changes)
    grant = sign(grant, COMMITTEE) if signed else grant
    return grant.as_plain() | {"metadata": {"name": name, "namespace": place.name}}


def refusal(client: KubernetesClient, content: Object) -> str:
    """Why the API server refuses to make this; empty where it does not."""
    try:
        client.create(ACCESS_GRANT, content)
    except ClusterError as error:
        return f"{error.code} {error.why}"
    return ""


def test_a_signed_grant_comes_back_as_it_was_signed(client: KubernetesClient, place: Place) -> None:
    content = resource(place)
    client.create(ACCESS_GRANT, content)
    found = client.get(ACCESS_GRANT, Key(place.name, NAME))
    assert found is not None
    assert found["spec"] == content["spec"]


def test_what_the_definition_does_not_know_is_cut_off_or_refused(
    client: KubernetesClient, api: Reach, place: Place
) -> None:
    content = resource(place)
    content["spec"]["exprt"] = {"policy": "none"}
    with pytest.raises(ClusterError) as caught:
        client.apply(ACCESS_GRANT, content)
    assert "exprt" in caught.value.why
    client.create(ACCESS_GRANT, content)  # who does not ask for strictness has it cut off
    found = client.get(ACCESS_GRANT, Key(place.name, NAME))
    assert found is not None
    assert "exprt" not in found["spec"]


def _changed(**changes: Any) -> Callable[[Object], None]:
    return lambda content: content["spec"].update(changes)


def _other_dataset(content: Object) -> None:
    content["spec"]["slices"][0]["spec"]["dataset"] = "other"


def _two_of_one_name(content: Object) -> None:
    content["spec"]["slices"] = [slice_plain(planDigest="sha256:" + "ab" * 32)] * 2


def _without_digests(content: Object) -> None:
    content["spec"]["slices"] = [slice_plain("a"), slice_plain("b")]


def _no_condition(content: Object) -> None:
    content["spec"]["slices"][0]["spec"]["images"] = [{}]


def _long(content: Object) -> None:
    content["spec"]["project"]["title"] = "x" * 301


SUBJECT = {"subject": {"issuer": "local", "id": "alice"}, "role": "lead"}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (_changed(expires="2026-01-01T00:00:00Z"), "expires must lie after notBefore"),
        (_changed(legalBasis={"name": "x", "ends": "2026-01-01T00:00:00Z"}), "legalBasis.ends must lie after"),
        (_changed(expires="soon"), "date-time"),
        (_changed(members=[]), "spec.members"),
        (_changed(members=[SUBJECT] * 501), "must have at most 500 items"),
        (_changed(conditions=["DUO:1"]), "spec.conditions"),
        (_changed(workspace={"profile": "small", "budgets": {"fileReads": "all"}}), "fileReads"),
        (_other_dataset, "another dataset or release"),
        (_two_of_one_name, "Duplicate value"),
        (_without_digests, "each needs its planDigest"),
        (_no_condition, "images"),
        (_long, "300"),
    ],
)
def test_the_definition_refuses(
    client: KubernetesClient, place: Place, change: Callable[[Object], None], words: str
) -> None:
    content = resource(place)
    change(content)
    assert words in refusal(client, content)
    assert refusal(client, resource(place)) == ""


def test_names_are_labels(client: KubernetesClient, place: Place) -> None:
    for name in ("with.dots", "x" * 64):
        content = resource(place) | {"metadata": {"name": name, "namespace": place.name}}
        assert "becomes part of directories and hosts" in refusal(client, content)


def test_a_grant_stays_with_its_organisation_and_a_workspace_with_its_member(
    client: KubernetesClient, place: Place
) -> None:
    content = resource(place)
    client.create(ACCESS_GRANT, content)
    content["spec"]["project"]["organisation"]["name"] = "Renamed University"
    client.apply(ACCESS_GRANT, content)
    content["spec"]["project"]["organisation"]["id"] = "org-2"
    with pytest.raises(ClusterError) as caught:
        client.apply(ACCESS_GRANT, content)
    assert "stays with its organisation" in caught.value.why

    workspace = {
        "metadata": {"name": "w-aaaaaaaaaaaa", "namespace": place.name},
        "spec": {"grant": NAME, "subject": {"issuer": "local", "id": "alice"}},
    }
    client.apply(WORKSPACE, workspace)
    workspace["spec"] = {"grant": NAME, "subject": {"issuer": "local", "id": "eve"}}
    with pytest.raises(ClusterError) as caught:
        client.apply(WORKSPACE, workspace)
    assert "for good" in caught.value.why


def test_fields_select_in_the_server_and_columns_show(client: KubernetesClient, api: Reach, place: Place) -> None:
    for name in ("first", "second"):
        client.create(ACCESS_GRANT, resource(place, name))
    head = {"metadata": {"name": "first", "namespace": place.name}}
    client.apply_status(ACCESS_GRANT, head | {"status": {"phase": "Active", "observedGeneration": 1}})
    active = client.list(ACCESS_GRANT, place.name, Selector(fields="status.phase=Active"))
    assert [item["metadata"]["name"] for item in active.items] == ["first"]
    both = client.list(ACCESS_GRANT, place.name, Selector(fields="spec.project.organisation.id=org-1"))
    assert len(both.items) == 2
    command = [api.kubectl, "--kubeconfig", str(api.kubeconfig), "-n", place.name, "get", "ag,tws,tds"]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert said.splitlines()[0].split()[:6] == ["NAME", "PHASE", "REASON", "ENDS", "MEMBERS", "RUNNING"]
    assert "Active" in said


class Site:
    """A record, the source, and the cluster's namespace."""

    def __init__(self, client: KubernetesClient, place: Place, path: Path) -> None:
        self.clock = SystemClock()
        self.place, self.client = place, client
        self.database = Database.sqlite(path)
        migrate(self.database)
        public = COMMITTEE.public_key()
        terms = DoorTerms(self.database, self.clock, lambda: {key_id(public): public}, lambda _c, _g: ())
        recorder = Recorder(client, "tre.research/controller", "test", self.clock)
        self.source = KubernetesSource(SourceTerms(client, place.name, terms, recorder))
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self.source.run, args=(self.stop,), daemon=True)
        self.thread.start()

    def grant(self) -> GrantRecord | None:
        """The grant in the record."""
        with self.database.read() as connection:
            return grants.get(connection, NAME)

    def activate(self) -> None:
        """What the controller does once slices are built."""
        event = Event(
            id=new_id(), at=self.clock.now(), actor=program("test"), kind="grant.activated", object=f"grant/{NAME}"
        )
        with self.database.change(event) as change:
            grants.set_phase(change, NAME, GrantPhase.Active, self.clock.now())

    def item(self) -> Object | None:
        """The resource as it is."""
        return self.client.get(ACCESS_GRANT, Key(self.place.name, NAME))

    def reason(self, kind: str) -> str:
        """Why a condition is as it is."""
        found = (self.item() or {}).get("status", {}).get("conditions") or []
        return next((str(one["reason"]) for one in found if one["type"] == kind), "")

    def close(self) -> None:
        """End it, and free what its finalizer holds, so that the namespace can go."""
        self.stop.set()
        self.thread.join(5.0)
        item = self.item()
        if item is not None:
            self.client.apply(ACCESS_GRANT, {key: item[key] for key in ("spec",)} | _bare(item), "kubectl")
            self.client.apply(ACCESS_GRANT, _bare(item))
        self.database.close()


def _bare(item: Object) -> Object:
    return {"metadata": {"name": item["metadata"]["name"], "namespace": item["metadata"]["namespace"]}}


@pytest.fixture
def site(client: KubernetesClient, place: Place, tmp_path: Path) -> Iterator[Site]:
    found = Site(client, place, tmp_path / "record.sqlite")
    yield found
    found.close()


def test_from_kubectl_to_access_and_back(site: Site, api: Reach, place: Place) -> None:
    unsigned = resource(place, signed=False, notBefore="2020-01-01T00:00:00Z", expires="2099-01-01T00:00:00Z")
    path = f"/apis/tre.research/v1alpha1/namespaces/{place.name}/accessgrants/{NAME}"
    api.client.apply(path, unsigned, "kubectl")
    wait_until(lambda: site.reason("Accepted") == "EvidenceUnverified", "it should wait", 20, 0.05)
    assert site.grant() is None

    signed = resource(place, notBefore="2020-01-01T00:00:00Z", expires="2099-01-01T00:00:00Z")
    api.client.apply(path, signed, "kubectl")
    wait_until(lambda: site.grant() is not None, "it should be in the record", 20, 0.05)
    site.activate()
    wait_until(lambda: site.reason("Ready") == "Entitled", "its status should say so", 20, 0.05)
    item, found = site.item(), site.grant()
    assert item is not None
    assert found is not None
    assert is_entitled(found, ALICE, site.clock.now())
    assert item["metadata"]["finalizers"] == [FINALIZER]
    assert item["status"]["phase"] == "Active"
    workspaces = site.client.list(WORKSPACE, place.name, Selector(fields=f"spec.grant={NAME}")).items
    assert len(workspaces) == 2
    wait_until(lambda: site.client.list(EVENT, place.name).items, "events should be told", 20, 0.05)

    status_before = item["status"]
    with pytest.raises(ApiError):
        api.client.request("PATCH", path, {"spec": {"expires": "2019-01-01T00:00:00Z"}}, MERGE)
    api.client.request("PATCH", path, {"spec": {"expires": "2100-01-01T00:00:00Z"}}, MERGE)
    wait_until(lambda: site.reason("Accepted") == "EvidenceUnverified", "the edit should be refused", 20, 0.05)
    again = site.grant()
    assert again is not None
    assert again.spec == found.spec
    assert (site.item() or {})["status"]["effectiveEnd"] == status_before["effectiveEnd"]

    api.client.delete(path)
    wait_until(lambda: site.item() is None, "it should be gone once nobody has access", 20, 0.05)
    ended = site.grant()
    assert ended is not None
    assert ended.phase is GrantPhase.Revoked


def test_status_is_written_by_its_manager_alone(site: Site, api: Reach, place: Place) -> None:
    content = resource(place)
    site.client.create(ACCESS_GRANT, content)
    wait_until(lambda: site.reason("Accepted") == "Entitled", "it should be taken", 20, 0.05)
    item = api.client.get(f"/apis/tre.research/v1alpha1/namespaces/{place.name}/accessgrants/{NAME}")
    managers = {(one["manager"], one.get("subresource", "")) for one in item["metadata"]["managedFields"]}
    assert ("tre-status", "status") in managers
    assert ("tre-controller", "") in managers
    version = item["metadata"]["resourceVersion"]
    assert site.source.watchers["grant"].trouble is None
    for _ in range(3):
        site.source.queue.add(Look("grant", NAME))
        wait_until(lambda: len(site.source.queue) == 0, "it should be looked at", 10, 0.02)
    assert (site.item() or {})["metadata"]["resourceVersion"] == version


def test_one_of_two_leads_and_the_other_follows_a_clean_exit_at_once(client: KubernetesClient, place: Place) -> None:
    clock = SystemClock()
    one, two = (
        Elector(client, LeaseTerms(Key(place.name, "controller"), identity), clock) for identity in ("one", "two")
    )
    one.step()
    two.step()
    assert (one.is_leading(), two.is_leading()) == (True, False)
    one.release()
    assert not one.is_leading()
    two.step()
    assert two.is_leading()
    one.step()
    assert not one.is_leading()


def test_a_dataset_is_shown(client: KubernetesClient, place: Place) -> None:
    head = {"metadata": {"name": "nccid", "namespace": place.name}}
    client.apply(DATASET, head | {"spec": {"title": "Chest images"}})
    client.apply_status(DATASET, head | {"status": {"denyVersion": 3, "latestRelease": "2026-10-01"}})
    found = client.get(DATASET, Key(place.name, "nccid"))
    assert found is not None
    assert found["status"]["denyVersion"] == 3
